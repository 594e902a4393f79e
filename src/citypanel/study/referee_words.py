"""The sentences that answer a referee, chosen by rule from the rows of the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from citypanel.did.adjusted import NOTE_OUTSIDE
from citypanel.words import Catalogue, Words, same

SAID = Catalogue("referee")
LEVEL = 0.05


def sentences(rows: pd.DataFrame) -> dict[str, list[Words]]:
    """What is said of each question, in the order of the page.

    Parameters
    ----------
    rows : DataFrame
        As `citypanel.study.referee.answers` gives them, or the mart.

    Returns
    -------
    dict of question to list of Words
        A question whose rows hold no number says why.
    """
    out = {}
    for question in SAID.of("heading"):
        found = rows[rows["question"] == question]
        said = _RULES[question](_Rows(found)) if len(found) else []
        out[question] = said or [SAID("unanswered", why=_why(found))]
    return out


def page(
    rows: pd.DataFrame,
    frontiers: pd.DataFrame,
    changes: pd.DataFrame,
    language: str = "en",
) -> str:
    """The page in Markdown.

    Parameters
    ----------
    rows, frontiers, changes : DataFrame
        The marts ``rpt_referee``, ``rpt_frontier_alternatives`` and
        ``rpt_tfp_trajectories``.
    language : {"en", "zh"}
    """
    said = rows[rows["aggregation"] == "answer"].set_index("question")
    outcome = str(rows["outcome"].iloc[0])
    parts = [
        f"# {SAID('title').said(language)}",
        SAID("lead", outcome=outcome).said(language),
    ]
    for question, heading in SAID.of("heading").items():
        if question in said.index:
            parts.append(f"## {heading.said(language)}")
            parts.append(str(said.loc[question, f"text_{language}"]))
    others = {"index_error": index_error(changes), "frontier": frontier(frontiers)}
    for question, heading in SAID.of("heading_of_index").items():
        parts.append(f"## {heading.said(language)}")
        parts.append(others[question].said(language))
    return "\n\n".join(parts) + "\n"


def frontier(rows: pd.DataFrame) -> Words:
    """What the headline becomes under frontiers that the treated do not draw."""
    by = rows.set_index("alternative_order")
    if not {0, 1, 2} <= set(by.index) or by.loc[[0, 1, 2], "estimate"].isna().any():
        return SAID("unanswered", why=_why(rows))
    signs = np.sign(by.loc[[0, 1, 2], "estimate"])
    return SAID(
        "frontiers",
        headline=by.loc[0, "estimate"],
        never=by.loc[1, "estimate"],
        never_p=by.loc[1, "p_value"],
        own=by.loc[2, "estimate"],
        own_p=by.loc[2, "p_value"],
        most=by.loc[[1, 2], "change_in_std_errors"].abs().max(),
        same=bool((signs == signs.iloc[0]).all()),
    )


def index_error(rows: pd.DataFrame) -> Words:
    """How far the index itself is known, of the treated over the controls."""
    rows = rows[(rows["dimension"] == "difference") & rows["mean_tfpch_low"].notna()]
    if not len(rows):
        return SAID("unanswered", why=SAID("no_intervals"))
    rows = rows.sort_values("year")
    last = rows.iloc[-1]
    apart = (rows["mean_tfpch_low"] > 1) | (rows["mean_tfpch_high"] < 1)
    return SAID(
        "index_error",
        n=int(apart.sum()),
        years=len(rows),
        year=str(int(last["year"])),
        mean=last["mean_tfpch"],
        low=last["mean_tfpch_low"],
        high=last["mean_tfpch_high"],
    )


def _why(rows: pd.DataFrame) -> Words:
    notes = rows["note"].dropna()
    return same(str(notes.iloc[0]).rstrip(".")) if len(notes) else SAID("no_reason")


class _Rows:
    """Rows of one question, looked up by what they are."""

    def __init__(self, rows: pd.DataFrame):
        self.rows = rows

    def _are(self, labels: dict[str, Any]) -> np.ndarray:
        """Rows of these labels."""
        here = np.ones(len(self.rows), bool)
        for name, value in labels.items():
            here &= (self.rows[name] == value).to_numpy(bool, na_value=False)
        return here

    def some(self, **labels: Any) -> pd.DataFrame:
        return self.rows[self._are(labels)]

    def value(self, column: str, **labels: Any) -> float:
        values = self.rows[column]
        known = values[self._are(labels) & values.notna().to_numpy()]
        return float(known.iloc[0]) if len(known) else float("nan")

    def both(self, name: str, **labels: Any) -> dict[str, float]:
        """Estimate and p-value, as the facts of that name."""
        values = (self.value(column, **labels) for column in ("estimate", "p_value"))
        return dict(zip((name, f"{name}_p"), values, strict=True))


def _where_known(name: str, *needed: str, **facts: Any) -> list[Words]:
    """A sentence, where the facts that it needs are known; by default all of them."""
    known = all(pd.notna(facts[fact]) for fact in needed or facts)
    return [SAID(name, **facts)] if known else []


def _concurrent_policies(rows: _Rows) -> list[Words]:
    last = rows.some(aggregation="headline")["policy"].dropna()
    if not len(last):
        return []
    # With several policies the last rows are those of all together.
    policy = dict(policy=last.iloc[-1])
    both, alone, other, neither = (
        rows.value("n_units", aggregation="overlap", term=term, **policy)
        for term in ("both", "policy_only", "other_only", "neither")
    )
    two_way = dict(estimator="twfe", term="overall", **policy)
    said = _where_known(
        "concurrent_policies",
        *("headline", "controlled", "treated", "untreated"),
        both=both,
        treated=both + alone,
        other=other,
        untreated=other + neither,
        left=alone,
        **rows.both("headline", aggregation="headline", **two_way),
        **rows.both("controlled", aggregation="exposure_controlled", **two_way),
        **rows.both("without", aggregation="without_units", **two_way),
    )
    interacted = two_way | dict(aggregation="interacted")
    return said and said + _where_known(
        "interacted",
        *("alone", "added"),
        **rows.both("alone", **interacted),
        **rows.both("added", **interacted | dict(term="added")),
    )


def _spillovers(rows: _Rows) -> list[Words]:
    rings = rows.some(aggregation="spillover")
    rings = rings[rings["distance_km"].notna() & rings["estimate"].notna()]
    if not len(rings):
        return []
    gap_p = rows.value("p_value", term="overall_less_direct")
    said = _where_known(
        "spillovers",
        *("overall", "direct", "gap_p"),
        edge=rings["distance_km"].max(),
        apart=gap_p < LEVEL,
        gap_p=gap_p,
        **rows.both("direct", term="direct"),
        **rows.both("overall", term="overall"),
    )
    near = rings.sort_values("distance_km").iloc[0]
    ring = dict(ring=near["estimate"], ring_p=near["p_value"])
    return said and [*said, SAID("ring", near=near["distance_km"], **ring)]


def _spatial_errors(rows: _Rows) -> list[Words]:
    shared = rows.rows[rows.rows["distance_km"].notna()]
    shared = shared[shared["std_error"].notna()]
    unit, above, finite, mixed, within = (
        rows.value("std_error", term=term)
        for term in ("unit", "above", "finite", "mixed", "unit_within")
    )
    if not len(shared) or pd.isna([unit, above]).any():
        return []
    wild = dict(term="above_wild_bootstrap")
    n, wild_p = (rows.value(column, **wild) for column in ("n_clusters", "p_value"))
    share = rows.value("weight", term="mixed")
    return [
        SAID(
            "spatial_errors",
            unit=unit,
            above=above,
            place=SAID("place"),
            least=shared["distance_km"].min(),
            most=shared["distance_km"].max(),
            low=shared["std_error"].min(),
            high=shared["std_error"].max(),
            p_low=shared["p_value"].min(),
            p_high=shared["p_value"].max(),
        ),
        *_where_known("wild", n=n, wild_p=wild_p),
        *_where_known("finite", finite=finite),
        *_where_known(
            "mixed", "mixed", "share", mixed=mixed, share=share, within=within
        ),
    ]


def _dose(rows: _Rows) -> list[Words]:
    model = dict(estimator="nonabsorbing_did")
    leads = rows.value("p_value", aggregation="test", **model)
    said = _where_known(
        "nonabsorbing",
        *("effect", "effect_p"),
        leads="" if pd.isna(leads) else SAID("placebos", p=leads),
        **rows.both("effect", term="overall", **model),
    )
    more = rows.both("more", term="acr", estimator="dose_response")
    return said and said + (_where_known("dose", **more) or [SAID("no_dose")])


def _two_way_weights(rows: _Rows) -> list[Words]:
    beta, sigma, opposite = (
        rows.value("estimate", term=term)
        for term in ("overall", "sigma_zero", "sigma_opposite")
    )
    weight = rows.value("weight", term="negative")
    cells = rows.some(aggregation="group_time")
    return _where_known(
        "no_negative" if weight >= 0 else "some_negative",
        *("beta", "sigma", "weight"),
        beta=beta,
        sigma=sigma,
        weight=weight,
        opposite=opposite,
        share=float((cells["weight"] < 0).mean()),
    )


def _few_treated(rows: _Rows) -> list[Words]:
    if not rows.rows["sample"].notna().any():
        return [SAID("few_none")]
    known = rows.rows[rows.rows["p_value"].notna()]
    if not len(known):
        return []
    least = known.sort_values("p_value", kind="stable").iloc[0]
    found = known.loc[known["p_value"] < LEVEL, "sample"].drop_duplicates().tolist()
    where: Words | str = SAID("few_where", names=found) if found else ""
    return [
        SAID(
            "few_treated",
            n=known["sample"].nunique(),
            found=bool(found),
            where=where,
            least_p=least["p_value"],
            sample=least["sample"],
            method=SAID.label("method", least["term"]),
        )
    ]


def _factor_models(rows: _Rows) -> list[Words]:
    simple = dict(aggregation="simple", term="overall")
    asc = rows.both("asc", estimator="augmented_synthetic_control", **simple)
    p = asc.pop("asc_p")
    ife, synthetic = (
        dict(estimator=name) for name in ("interactive_fixed_effects", "synthetic_did")
    )
    placebo = rows.both("placebo", aggregation="placebo", **ife)
    return [
        *_where_known(
            "factor_models",
            *("ife", "mc", "asc"),
            **rows.both("ife", **ife, **simple),
            **rows.both("mc", estimator="matrix_completion", **simple),
            **asc,
            asc_p="" if pd.isna(p) else SAID("asc_p", p=p),
        ),
        *_where_known(
            "triply_robust",
            **rows.both("effect", estimator="triply_robust", term="overall"),
        ),
        *_where_known(
            "synthetic",
            plain=rows.value("estimate", aggregation="simple", **synthetic),
            adjusted=rows.value(
                "estimate", aggregation="with_covariates_simple", **synthetic
            ),
        ),
        *_where_known("placebo", **placebo, fails=placebo["placebo_p"] < LEVEL),
    ]


def _adjustment(rows: _Rows) -> list[Words]:
    groups = rows.some(aggregation="group", estimator="entropy_balancing")
    outside = groups["note"].astype(str).str.contains(NOTE_OUTSIDE, regex=False)
    lost = groups.loc[groups["estimate"].isna() & outside, "term"]
    names = [SAID("cohort", year=term.removeprefix("cohort_")) for term in lost]
    return [
        *_weighted(rows, "entropy_balancing", "reached"),
        *([SAID("unreached", names=names)] if names else []),
        *_weighted(rows, "covariate_balancing", "scores"),
    ]


def _weighted(rows: _Rows, estimator: str, rule: str) -> list[Words]:
    """What an estimator with weighted controls finds, and how many they count for."""
    overlap = dict(aggregation="overlap", estimator=estimator)
    return _where_known(
        rule,
        **rows.both("effect", term="overall", estimator=estimator),
        effective=rows.value("estimate", **overlap),
        controls=rows.value("n_units", **overlap),
    )


def _mechanisms(rows: _Rows) -> list[Words]:
    known, least = _corrected(rows, "mechanism")
    if not len(known):
        return []
    names = known["term"].tolist()
    said = [SAID("mechanisms", n=len(known), names=names, **least)]
    known, least = _corrected(rows, "group_difference")
    return [*said, SAID("groups", n=len(known), **least)] if len(known) else said


def _corrected(rows: _Rows, aggregation: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows with a p-value under Holm's correction, and the one with the smallest."""
    known = rows.some(aggregation=aggregation)
    known = known[known["adjusted_p_value"].notna()]
    if not len(known):
        return known, {}
    least = known.sort_values("adjusted_p_value", kind="stable").iloc[0]
    p = least["adjusted_p_value"]
    return known, {
        "least": least["term"],
        "least_p": p,
        "effect": least["estimate"],
        "found": p < LEVEL,
    }


def _pretrend(rows: _Rows) -> list[Words]:
    left = rows.rows[rows.rows["term"].astype(str).str.endswith("_less_trend")]
    if not len(left):
        return []
    said = _where_known(
        "pretrend",
        *("slope", "slope_p", "power"),
        **rows.both("slope", term="slope"),
        power=rows.value("estimate", term="power_at_slope"),
        left=float(left["estimate"].iloc[0]),
    )
    p = rows.value("p_value", term="any_scale")
    return said and said + _where_known("scale", p=p, found=p < LEVEL)


def answer_rows(rows: pd.DataFrame) -> Iterable[dict[str, Any]]:
    """The sentences as rows: question, aggregation ``answer``, text_en, text_zh."""
    for question, said in sentences(rows).items():
        yield {
            "question": question,
            "aggregation": "answer",
            "text_en": " ".join(words.en for words in said),
            "text_zh": "".join(words.zh for words in said),
        }


#: What answers each question; `heading` of the catalogue has their order.
_RULES: dict[str, Callable[[_Rows], list[Words]]] = {
    "concurrent_policies": _concurrent_policies,
    "spillovers": _spillovers,
    "spatial_errors": _spatial_errors,
    "dose": _dose,
    "two_way_weights": _two_way_weights,
    "few_treated": _few_treated,
    "factor_models": _factor_models,
    "adjustment": _adjustment,
    "mechanisms": _mechanisms,
    "pretrend": _pretrend,
}
