"""What a specification curve says: range, joint inference, what moves it, the paper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations

import numpy as np
import pandas as pd
from scipy import special

from citypanel.curve.choices import Choices
from citypanel.curve.specifications import HEADLINE, typed
from citypanel.errors import PanelError
from citypanel.study.declaration import declared
from citypanel.study.estimates import TREATMENT, printed_effect

LEVEL = 0.05
# Orderings of the choices, each with its reverse, over which Shapley shares are means.
ORDERINGS = 200
# Factors up to which every ordering is taken.
ALL_ORDERINGS = 6
# What is left of a column of length 1 after those before it, below which it is theirs.
ALIASED = 1e-9
# Specifications a parameter of the additive model must have behind it.
PER_PARAMETER = 3

COLUMNS = {
    "scope": "string",
    "section": "string",
    "item": "string",
    "value": "float64",
    "difference": "float64",
    "low": "float64",
    "high": "float64",
    "share": "float64",
    "p_value": "float64",
    "n": "Int64",
    "text": "string",
}

#: Printed numbers of the paper and the column of the table each is compared with.
PAPER_ITEMS = {
    "mean": "mean",
    "std_dev": "std_dev",
    "maximum": "maximum",
    "coefficient": "estimate",
}


def scopes_of(table: pd.DataFrame) -> dict[str, pd.Series]:
    """The parts of a curve whose estimates can be compared, as masks."""
    growth = table["estimand"] == "growth"
    dubious = table["plausibility"] == "dubious"
    return {
        "growth": growth,
        "growth, none dubious": growth & ~dubious,
        "component": table["estimand"] == "component",
        "level": table["estimand"] == "level",
    }


def is_papers_question(options: Mapping[str, object]) -> bool:
    """Whether a file asks what the paper asks: its policy, and its outcome.

    Parameters
    ----------
    options : mapping
        Of the headline, as they are or as text.
    """
    asked = declared().options
    return all(
        str(options[name]) == str(asked[name].default) for name in ("policy", "outcome")
    )


def published_numbers(
    descriptives: pd.DataFrame, regressions: pd.DataFrame
) -> dict[str, float]:
    """The paper's mean, spread and maximum of the index, and its coefficient.

    The index is the study's default outcome, the coefficient that of the first column
    it declares.

    Parameters
    ----------
    descriptives : DataFrame
        variable, mean, std_dev, maximum (`stg_published__descriptives`).
    regressions : DataFrame
        paper_table, paper_column, term, estimate (`stg_published__regressions`).

    Returns
    -------
    dict
        By the keys of `PAPER_ITEMS`.

    Raises
    ------
    PanelError
        When a number is not in the tables.
    """
    study = declared()
    outcome, column = study.options["outcome"].default, study.columns[0]
    index = descriptives.loc[descriptives["variable"] == outcome]
    effect = printed_effect(regressions)
    if len(index) != 1 or len(effect) != 1:
        place = f"Table {column.table} {column.name} {TREATMENT}"
        raise PanelError.of(
            "curve.no_paper",
            [f"{outcome}: {len(index)} rows", f"{place}: {len(effect)} rows"],
        )
    row = {**index.iloc[0], "estimate": effect["estimate"].iloc[0]}
    return {item: float(row[column]) for item, column in PAPER_ITEMS.items()}


def summarise(
    table: pd.DataFrame,
    draws: np.ndarray,
    *,
    choices: Choices,
    published: Mapping[str, float],
    seed: int,
) -> pd.DataFrame:
    """Summary of a specification curve.

    Parameters
    ----------
    table : DataFrame
        As `specifications` returns it.
    draws : ndarray (specifications, 2, permutations)
        Estimate and t under each permutation of the policy.
    choices : Choices
    published : mapping
        As `published_numbers`; empty where there is nothing to compare with.
    seed : int
        Of the orderings of the Shapley shares.

    Returns
    -------
    DataFrame
        One row per scope, section and item. Scopes keep apart what cannot be compared:
        an effect on growth, on a component of it, on the level. Sections:

        curve : number, median, minimum, maximum, quantiles; share positive, and
            significant at 5 per cent either way (`share`).
        joint : Simonsohn, Simmons and Nelson (2020) over the two-way specifications:
            the median, the number significant in the dominant direction and the mean
            |t|, each with the share of permutations in which it is as large.
        variance : Shapley shares of the variance of the estimates (`share`), and what
            the choices explain together, without interactions.
        tornado : every move of one choice: the estimate (`value`) and its distance from
            the headline (`difference`).
        paper : each printed number (`value`), the cloud's ends (`low`, `high`) and the
            share of specifications below it (`share`).
        nearest : the specification nearest to the four numbers (`value`: distance, in
            standard deviations of the cloud).
        reason : specifications without an estimate (`n`), by reason.

    References
    ----------
    Simonsohn, Simmons and Nelson (2020), Nature Human Behaviour 4; Shapley (1953).
    """
    rows: list[dict] = []

    def add(scope: str, section: str, found: Iterable[dict]) -> None:
        rows.extend({"scope": scope, "section": section, **row} for row in found)

    estimated = table["estimate"].notna()
    for scope, mask in scopes_of(table).items():
        part = table.loc[mask & estimated]
        add(scope, "curve", _curve(part, int((mask & ~estimated).sum())))
        if scope.startswith("growth"):
            add(scope, "joint", _joint(part, draws))
        if scope != "component":
            add(scope, "variance", _variance(part, choices, seed))
    add("", "tornado", _tornado(table))
    for scope, mask in scopes_of(table).items() if published else ():
        if scope.startswith("growth"):
            add(scope, "paper", _paper(table.loc[mask & estimated], published))
    failed = table.loc[table["reason_kind"].notna()]
    for kind, part in failed.groupby("reason_kind", sort=True):
        text = part["reason"].iloc[0]
        add("all", "reason", [{"item": kind, "n": len(part), "text": text}])
    return typed(rows, COLUMNS, "summary_order")


def _curve(part: pd.DataFrame, failed: int) -> list[dict]:
    n = len(part)
    counts = [dict(item="estimated", n=n), dict(item="without an estimate", n=failed)]
    if not n:
        return counts
    b = part["estimate"].to_numpy(dtype=float)
    significant = (part["p_value"] < LEVEL).fillna(False).to_numpy(dtype=bool)
    names = part["specification"]
    low, high = (np.quantile(b, share) for share in (0.05, 0.95))
    rows = {
        "median": {"value": np.median(b)},
        "minimum": {"value": b.min(), "text": names.iloc[b.argmin()]},
        "maximum": {"value": b.max(), "text": names.iloc[b.argmax()]},
        "middle 90 per cent": {"low": low, "high": high},
        "positive": {"share": (b > 0).mean()},
        "significant and positive": {"share": (significant & (b > 0)).mean()},
        "significant and negative": {"share": (significant & (b < 0)).mean()},
    }
    return [*counts, *({"item": item, "n": n, **row} for item, row in rows.items())]


def _joint(part: pd.DataFrame, draws: np.ndarray) -> list[dict]:
    """Three statistics of the curve against the curve under no effect."""
    two_way = part.loc[(part["estimator"] == "twfe") & part["std_error"].gt(0)]
    place = two_way["specification_order"].to_numpy(dtype=int) - 1
    taken = draws[place] if len(place) else draws[:0]
    kept = ~np.isnan(taken).all(axis=(1, 2))
    two_way, taken = two_way.loc[kept], taken[kept]
    # A draw is a curve only where every specification has its statistic.
    whole = ~np.isnan(taken).any(axis=(0, 1))
    lost = "" if whole.all() else f", {(~whole).sum()} without some statistic left out"
    taken = np.ascontiguousarray(taken[:, :, whole])
    if not taken.size:
        return [{"item": "none", "text": f"no permutations were drawn{lost}"}]
    estimates, t = taken[:, 0], taken[:, 1]
    df = two_way["n_cities"].to_numpy(float) - 1
    critical = special.stdtrit(df, 1 - LEVEL / 2)
    observed = two_way["estimate"].to_numpy(float)
    observed_t = observed / two_way["std_error"].to_numpy(float)

    def dominant(values: np.ndarray) -> np.ndarray:
        up = (values > critical[:, None]).sum(axis=0)
        return np.maximum(up, (values < -critical[:, None]).sum(axis=0))

    pairs = {
        "median": (np.median(observed), np.abs(np.median(estimates, axis=0))),
        "significant in the dominant direction": (
            dominant(observed_t[:, None])[0],
            dominant(t),
        ),
        "mean |t|": (np.abs(observed_t).mean(), np.abs(t).mean(axis=0)),
    }
    n_draws = estimates.shape[1]
    text = f"{len(two_way)} two-way specifications, {n_draws} permutations{lost}"
    return [
        {
            "item": item,
            "value": value,
            "low": np.quantile(under, 0.05),
            "high": np.quantile(under, 0.95),
            "p_value": (1 + (under >= abs(value) * (1 - 1e-10)).sum()) / (1 + n_draws),
            "n": len(two_way),
            "text": text,
        }
        for item, (value, under) in pairs.items()
    ]


def shapley_shares(
    outcome: np.ndarray, factors: Mapping[str, Sequence], *, seed: int
) -> tuple[dict[str, float], float]:
    """Share of an outcome's variance that each factor explains.

    The R2 of least squares on the dummies of all factors, shared out by the mean over
    orderings of what a factor adds to those before it (Shapley 1953): all orderings of
    up to six factors, of more 200 random ones and their reverses.

    Parameters
    ----------
    outcome : ndarray (n,)
    factors : mapping of name to sequence (n,)
        Values are categories, a missing one too. Factors may be constant, the same, or
        nested in each other.
    seed : int

    Returns
    -------
    shares : dict of name to float
        They sum to R2.
    float
        R2, without interactions.
    """
    names = list(factors)
    outcome = np.asarray(outcome, dtype=float)
    y = outcome - outcome.mean()
    y[np.abs(y) <= ALIASED * np.abs(outcome).max(initial=0.0)] = 0.0
    total = y @ y
    blocks = []
    for name in names:
        values = np.asarray(factors[name], dtype=object)
        codes, levels = pd.factorize(values, use_na_sentinel=False)
        dummies = np.eye(len(levels))[codes][:, 1:]
        dummies = dummies - dummies.mean(axis=0)
        blocks.append(dummies / np.linalg.norm(dummies, axis=0))
    x = np.hstack(blocks)
    if not x.shape[1] or total == 0:
        return dict.fromkeys(names, 0.0), 0.0
    q, r = np.linalg.qr(x)
    target = q.T @ y
    ends = np.cumsum([block.shape[1] for block in blocks])[:-1]
    blocks = np.split(r, ends, axis=1)
    gain = np.zeros(len(names))
    orderings = _orderings(len(names), seed)
    for order in orderings:
        basis = np.empty((len(r), 0))
        for k in order:
            # Twice, because rounding leaves a little of the basis in the rest.
            rest = blocks[k] - basis @ (basis.T @ blocks[k])
            rest -= basis @ (basis.T @ rest)
            left, size, _ = np.linalg.svd(rest, full_matrices=False)
            new = left[:, size > ALIASED]
            gain[k] += ((new.T @ target) ** 2).sum()
            basis = np.hstack([basis, new])
    shares = gain / len(orderings) / total
    return dict(zip(names, shares.tolist(), strict=True)), float(shares.sum())


def _orderings(n: int, seed: int) -> list[Sequence[int]]:
    if n <= ALL_ORDERINGS:
        return list(permutations(range(n)))
    rng = np.random.default_rng(seed)
    drawn = (rng.permutation(n) for _ in range(ORDERINGS))
    return [order for chosen in drawn for order in (chosen, chosen[::-1])]


def _variance(part: pd.DataFrame, choices: Choices, seed: int) -> list[dict]:
    factors = {name: part[name].astype(str).to_numpy() for name in choices.names}
    parameters = sum(len(np.unique(codes)) - 1 for codes in factors.values())
    if len(part) < PER_PARAMETER * max(parameters, 1):
        text = (
            f"{len(part)} specifications are too few to tell {parameters} parameters "
            "apart; ask for more"
        )
        return [{"item": "none", "text": text}]
    outcome = part["estimate"].to_numpy(float)
    shares, together = shapley_shares(outcome, factors, seed=seed)
    ranked = sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))
    rows = [
        {"item": name, "share": share, "text": choices[name].label}
        for name, share in ranked
    ]
    rows.append({"item": "all choices together", "share": together})
    rows.append({"item": "their interactions", "share": 1 - together})
    return [{**row, "n": len(part)} for row in rows]


def _tornado(table: pd.DataFrame) -> list[dict]:
    headline = table.loc[table["specification"] == HEADLINE]
    if not len(headline):
        return []
    base = headline["estimate"].iloc[0]
    moves = table.loc[table["role"] == "one_at_a_time"]
    return [
        {
            "scope": row.estimand,
            "item": row.specification,
            "value": row.estimate,
            "difference": row.estimate - base,
            "low": row.conf_low,
            "high": row.conf_high,
            "p_value": row.p_value,
            "n": row.n_obs,
            "text": row.reason if pd.isna(row.estimate) else row.plausibility,
        }
        for row in moves.itertuples()
    ]


def _paper(part: pd.DataFrame, published: Mapping[str, float]) -> list[dict]:
    if not len(part):
        return []
    columns = list(PAPER_ITEMS.values())
    cloud = part[columns].to_numpy(dtype=float)
    target = np.array([published[item] for item in PAPER_ITEMS])
    rows = []
    for item, value, cell in zip(PAPER_ITEMS, target, cloud.T, strict=True):
        low, high, share = cell.min(), cell.max(), (cell < value).mean()
        text = "inside" if low <= value <= high else "outside"
        row = {"item": item, "value": value, "low": low, "high": high}
        rows.append({**row, "share": share, "n": len(cell), "text": text})
    spread = cloud.std(axis=0)
    constant = spread <= ALIASED * np.abs(cloud).max(axis=0)
    spread = np.where(constant, 1.0, spread)
    distance = np.sqrt((((cloud - target) / spread) ** 2).sum(axis=1))
    best = int(distance.argmin())
    near = part.iloc[best]
    told = ", ".join(
        f"{item} {near[column]:.4g}" for item, column in PAPER_ITEMS.items()
    )
    row = {"section": "nearest", "item": near["specification"]}
    return [*rows, {**row, "value": distance[best], "n": len(part), "text": told}]
