"""The specification curve: every combination of the study's choices, one row each.

Which specifications: `design`. What each gives: `evaluate`. Both, in this process:
`specifications`. Many, in several processes and with a memory of what is done:
`citypanel.curve.running`.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from citypanel.curve.choices import Choices, load_choices, options_of
from citypanel.curve.permutation import Shuffles, permuted_statistics
from citypanel.did.moments import LARGE
from citypanel.errors import (
    CapitalError,
    CityPanelError,
    EstimationError,
    FrontierError,
    FrontierWarning,
    OptionError,
    PanelError,
)
from citypanel.study.estimation import (
    MEASURES,
    DegenerateFrontier,
    NoComparison,
    describe_estimate,
    fit,
    regression_panel,
)
from citypanel.study.options import Options
from citypanel.study.run import Study

HEADLINE = "headline"
# Choices that leave the index as it is.
OF_THE_ESTIMATE = (
    *("outcome", "exposure_from", "exclusion", "controls", "estimator"),
    *("errors_shared", "neighbours", "concurrent_policies"),
)
# Draws of those that share a draw of the index, which costs several times as much.
SHARING = 4
# Choices among whose values the regressions of `rpt_regressions` lie. Linearmodels
# solves where nothing else is moved, as it does there; elsewhere the closed form, which
# agrees to rounding and is several times as fast.
PRINTED = ("real_gdp", "fai_extension", "controls", "exclusion")
# Rounds of drawing without a new specification after which the product is exhausted.
FRUITLESS = 20

#: What a row without an estimate lacks, by the error that stopped it; first match.
REASON_KINDS = (
    (NoComparison, "no comparison left"),
    (DegenerateFrontier, "degenerate frontier"),
    (OptionError, "no such option or combination"),
    (CapitalError, "no capital stock"),
    (FrontierError, "no index"),
    (PanelError, "no usable panel"),
    (EstimationError, "no estimate"),
)
UNEXPECTED = "unexpected error"

TEXT = {
    "specification": "string",
    "role": "string",
    "moved_choice": "string",
    "moved_value": "string",
    "plausibility": "string",
    "plausibility_reason": "string",
    "estimand": "string",
}
NUMBERS = {
    name: "Int64" if name.startswith("n_") else "float64"
    for name in MEASURES
    if name != "note"
}
TAIL = {"note": "string", "reason_kind": "string", "reason": "string",
        "command": "string"}  # fmt: skip


@dataclass(frozen=True)
class Specification:
    """One combination of the choices.

    Attributes
    ----------
    values : mapping of choice to value
    role : str
        headline, one_at_a_time, draw, or asked (named by the caller).
    moved : tuple of str or None
        Choice and value of a one-at-a-time move.
    """

    values: Mapping[str, object]
    role: str
    moved: tuple[str, object] | None = None

    def name(self, headline: Mapping[str, object]) -> str:
        """What differs from the headline, as `choice=value; ...`."""
        moves = [f"{k}={v}" for k, v in self.values.items() if v != headline[k]]
        return "; ".join(moves) or HEADLINE


def headline_values(choices: Choices, base: Options) -> dict[str, object]:
    """The build's value of each choice."""
    return dict(zip(choices.names, base.part(*choices.names), strict=True))


def design(
    choices: Choices, base: Options, *, n: int | None = 0, seed: int
) -> list[Specification]:
    """Which specifications to compute.

    Parameters
    ----------
    choices : Choices
        Values and combinations without meaning.
    base : Options
        The build's options: the headline.
    n : int or None
        Rows wanted. The headline and every one-at-a-time move are always among them,
        so a small n gives those. None: the whole product.
    seed : int
        Of the draws.

    Returns
    -------
    list of Specification
        The headline, the moves in the order of the choices, then draws. Each choice's
        values are drawn in equal number (times their weight) and dealt at random, each
        index to four estimates; one half of the draws is not dubious. No specification
        stands twice.

    Raises
    ------
    OptionError
        When n, or the whole product with n=None, is beyond the limit.
    """
    wanted = choices.size if n is None else n
    if wanted > choices.limit:
        raise OptionError.of(
            "curve.too_many_specifications", wanted=wanted, limit=choices.limit
        )
    headline = headline_values(choices, base)
    rows = [Specification(headline, HEADLINE)]
    seen = {tuple(headline.values())}

    def add(values: dict, role: str, moved=None) -> bool:
        key = tuple(values.values())
        if key in seen or choices.meaningless(values):
            return False
        seen.add(key)
        rows.append(Specification(values, role, moved))
        return True

    for choice in choices.choices:
        for value in choice.values:
            if value.value != headline[choice.name]:
                values = {**headline, choice.name: value.value}
                add(values, "one_at_a_time", (choice.name, value.value))
    if n is None:
        for combination in product(*(c.values for c in choices.choices)):
            drawn = [v.value for v in combination]
            add(dict(zip(choices.names, drawn, strict=True)), "draw")
        return rows
    rng = np.random.default_rng(seed)
    missing = n - len(rows)
    for quota, dubious in ((missing // 2, False), (None, True)):
        left = n - len(rows) if quota is None else quota
        fruitless = 0
        while left > 0 and fruitless < FRUITLESS:
            fruitless += 1
            for values in _deal(choices, rng, max(64, 2 * left), dubious):
                if not dubious and choices.mark(values, headline) == "dubious":
                    continue
                if left > 0 and add(values, "draw"):
                    left -= 1
                    fruitless = 0
    return rows


def _deal(choices: Choices, rng, size: int, dubious: bool) -> Iterable[dict]:
    """Combinations in which each value of a choice has its share."""
    columns = []
    indices = -(-size // SHARING)
    for choice in choices.choices:
        shared = choice.name not in OF_THE_ESTIMATE
        pool = [
            v.value
            for v in choice.values
            for _ in range(v.weight)
            if dubious or v.mark != "dubious"
        ]
        order = np.resize(rng.permutation(len(pool)), indices if shared else size)
        order = rng.permutation(order)
        columns.append([pool[i] for i in np.repeat(order, SHARING if shared else 1)])
    columns = [column[:size] for column in columns]
    for row in zip(*columns, strict=True):
        yield dict(zip(choices.names, row, strict=True))


def checked(values: Mapping[str, object], choices: Choices, base: Options) -> Options:
    """The options of a specification, each value checked.

    Raises
    ------
    OptionError
        A value that is neither declared nor the build's, or a combination without
        meaning.
    """
    wrong = []
    for name in choices.names:
        value = values[name]
        if choices[name].value(value) is None and value != getattr(base, name):
            right = ", ".join(str(v.value) for v in choices[name].values)
            wrong.append(f"{name} is '{value}'; permitted: {right}")
    if wrong:
        raise OptionError.of("curve.no_such_value", wrong)
    reason = choices.meaningless(values)
    if reason:
        raise OptionError.of("curve.no_specification", what=reason[:-1])
    return options_of(values, base, names=choices.names)


def evaluate(
    study: Study,
    specification: Specification,
    *,
    choices: Choices,
    base: Options,
    shuffles: Shuffles | None = None,
) -> tuple[dict, np.ndarray | None]:
    """One specification's row.

    Parameters
    ----------
    study : Study
        What was computed before is shared.
    specification : Specification
    choices : Choices
    base : Options
        The build's options.
    shuffles : Shuffles, optional
        Permutations of the policy, for the joint inference over the curve.

    Returns
    -------
    row : dict
        The columns of `specifications`; without an estimate where there is none, with
        its reason. Nothing is raised, whatever goes wrong in one specification.
    draws : ndarray (2, permutations) or None
        Estimate and t under each permutation; of specifications for which
        `is_permuted` only.
    """
    headline = headline_values(choices, base)
    values = specification.values
    mark = choices.mark(values, headline)
    moved = specification.moved or (None, None)
    row = {
        "specification": specification.name(headline),
        "role": specification.role,
        "moved_choice": moved[0],
        "moved_value": None if moved[1] is None else str(moved[1]),
        "plausibility": mark,
        "plausibility_reason": choices.mark_reason(values, mark),
        "estimand": choices.estimand(values),
        **values,
        "command": command_of(values, headline),
    }
    draws = None
    notes: list[str] = []
    try:
        options = checked(values, choices, base)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            rows, controls = regression_panel(study, options)
            engine = engine_of(values, headline) if len(rows) < LARGE else None
            fitted = fit(rows, controls, options, engine=engine)
            row |= vars(describe_estimate(fitted, rows, study, options))
            if shuffles is not None and is_permuted(options):
                draws = permuted_statistics(
                    study, rows, controls, options, shuffles, row["std_error"]
                )
        notes = [
            str(w.message).split("\n", 1)[0]
            for w in caught
            if issubclass(w.category, FrontierWarning)
        ]
        if not math.isfinite(row["estimate"]):
            raise EstimationError("The estimator gave no number.")
    except CityPanelError as error:
        row |= dict.fromkeys(MEASURES) | _reason(error)
    except Exception as error:  # one odd specification must not end the run
        row |= dict.fromkeys(MEASURES)
        row |= {"reason_kind": UNEXPECTED, "reason": f"{type(error).__name__}: {error}"}
    said = [row.get("note"), *dict.fromkeys(notes)]
    row["note"] = "; ".join(n for n in said if n) or None
    if row.get("reason_kind"):
        draws = None
    return row, draws


def is_permuted(options: Options) -> bool:
    """Whether permutations of the policy leave index and sample as they are."""
    return (
        options.estimator == "twfe"
        and options.neighbours == "kept"
        and options.frontier_drawn_by == "sample"
    )


def engine_of(
    values: Mapping[str, object], headline: Mapping[str, object]
) -> str | None:
    """Who solves the two-way regression of a specification; None for twfe's own."""
    moved = {name for name, value in values.items() if value != headline[name]}
    return "linearmodels" if moved <= set(PRINTED) else None


def _reason(error: CityPanelError) -> dict[str, str]:
    kind = next((k for cls, k in REASON_KINDS if isinstance(error, cls)), UNEXPECTED)
    lines = [line.strip(" -") for line in str(error).splitlines()]
    told = [line for line in lines if not line.startswith(("Consequence", "Remedy"))]
    return {"reason_kind": kind, "reason": " ".join(told[:3])}


def command_of(values: Mapping[str, object], headline: Mapping[str, object]) -> str:
    """What reproduces a specification at the prompt."""
    moves = [f"{k}={v}" for k, v in values.items() if v != headline[k]]
    return "citypanel specifications --only " + (",".join(moves) or HEADLINE)


def columns_of(choices: Choices) -> dict[str, str]:
    """Columns of the table of specifications and their types."""
    kinds = {
        name: "float64"
        if all(isinstance(v.value, (int, float)) for v in choices[name].values)
        else "string"
        for name in choices.names
    }
    return TEXT | kinds | NUMBERS | TAIL


def typed(
    rows: Sequence[Mapping | None], columns: Mapping[str, str], order: str
) -> pd.DataFrame:
    """Rows as a frame of columns by their types, numbered in `order`."""
    frame = pd.DataFrame(list(rows)).reindex(columns=list(columns)).astype(object)
    for name, kind in columns.items():
        if kind == "string":
            frame[name] = pd.array(
                [None if pd.isna(v) else str(v) for v in frame[name]], dtype="string"
            )
        else:
            frame[name] = pd.to_numeric(frame[name]).astype(kind)
    frame.insert(0, order, np.arange(1, len(frame) + 1))
    return frame


def shared_order(rows: Sequence[Specification], choices: Choices) -> list[int]:
    """Positions in an order in which neighbours share most of their inputs."""
    early = [
        "imputation", "gdp_vintage", "fai_extension", "first_index_year",
        "investment_deflator", "initial_capital", "initial_growth", "depreciation",
        "real_gdp",
        "labour_measure", "study_sample", "frontier", "returns_to_scale",
        "orientation", "frontier_reference", "frontier_drawn_by", "outcome",
        "exposure_from",
    ]  # fmt: skip
    names = [n for n in early if n in choices.names]
    return sorted(
        range(len(rows)),
        key=lambda i: (tuple(str(rows[i].values[n]) for n in names), i),
    )


def specifications(
    study: Study,
    choices: Choices | None = None,
    *,
    base: Options,
    n: int | None = 0,
    seed: int = 0,
    permutations: int = 0,
    asked: Sequence[Specification] | None = None,
) -> tuple[pd.DataFrame, np.ndarray]:
    """The specification curve, in this process.

    Parameters
    ----------
    study : Study
    choices : Choices, optional
        The shipped declaration by default.
    base : Options
        The build's options; the headline.
    n, seed
        As `design`.
    permutations : int
        Of the policy among the cities, for the joint inference; 0 for none.
    asked : sequence of Specification, optional
        These, in place of a design.

    Returns
    -------
    table : DataFrame
        One row per specification, in the order of the design: its name, role and
        mark, a column per choice, the measures of `Estimate`, note, reason_kind and
        reason (null where there is an estimate), and the command that reproduces it.
    draws : ndarray (specifications, 2, permutations)
        Estimate and t under each permutation; not a number where there are none.

    Raises
    ------
    OptionError
        As `design`.
    """
    choices = choices or load_choices()
    rows = list(asked or design(choices, base, n=n, seed=seed))
    study = study.instead(has_scale=False)
    shuffles = (
        Shuffles.of(study, base, draws=permutations, seed=seed)
        if permutations
        else None
    )
    out: list[dict | None] = [None] * len(rows)
    draws = np.full((len(rows), 2, permutations), np.nan)
    for i in shared_order(rows, choices):
        out[i], drawn = evaluate(
            study, rows[i], choices=choices, base=base, shuffles=shuffles
        )
        if drawn is not None:
            draws[i] = drawn
    return typed(out, columns_of(choices), "specification_order"), draws


def fingerprint(study: Study, rows: Sequence[Specification], *more: object) -> str:
    """A name for a run: the same for the same sources, specifications and options."""
    digest = hashlib.sha256()
    for name, frame in vars(study.sources).items():
        digest.update(name.encode())
        hashed = pd.util.hash_pandas_object(frame, index=False)
        digest.update(hashed.sort_values().to_numpy().tobytes())
    for row in rows:
        digest.update(repr((dict(row.values), row.role)).encode())
    digest.update(repr(more).encode())
    return digest.hexdigest()[:16]
