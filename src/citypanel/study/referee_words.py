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

    def some(self, **labels: Any) -> pd.DataFrame:
        rows = self.rows
        for name, value in labels.items():
            rows = rows[rows[name] == value]
        return rows

    def value(self, column: str, **labels: Any) -> float:
        rows = self.some(**labels)
        known = rows[column].dropna()
        return float(known.iloc[0]) if len(known) else float("nan")

    def both(self, **labels: Any) -> tuple[float, float]:
        """Estimate and p-value."""
        return self.value("estimate", **labels), self.value("p_value", **labels)

    def facts(self, name: str, **labels: Any) -> dict[str, float]:
        """Both, as the facts `name` and `name_p` of a sentence."""
        return dict(zip((name, f"{name}_p"), self.both(**labels), strict=True))


def _known(*values: float) -> bool:
    return all(pd.notna(value) for value in values)


#: What answers each question, by its name; `heading` of the catalogue has their order.
_RULES: dict[str, Callable[[_Rows], list[Words]]] = {}


def _answers(rule: Callable[[_Rows], list[Words]]) -> Callable[[_Rows], list[Words]]:
    """Have a rule answer the question of its name."""
    _RULES[rule.__name__.removeprefix("_")] = rule
    return rule


@_answers
def _concurrent_policies(rows: _Rows) -> list[Words]:
    last = rows.some(aggregation="headline")["policy"].dropna()
    if not len(last):
        return []
    # With several policies the last rows are those of all together.
    policy = last.iloc[-1]
    two_way = dict(policy=policy, estimator="twfe", term="overall")
    counts = {
        term: rows.value("n_units", policy=policy, aggregation="overlap", term=term)
        for term in ("both", "policy_only", "other_only", "neither")
    }
    headline, _ = rows.both(aggregation="headline", **two_way)
    held = rows.facts("controlled", aggregation="exposure_controlled", **two_way)
    without = rows.facts("without", aggregation="without_units", **two_way)
    if not _known(headline, held["controlled"], *counts.values()):
        return []
    said = [
        SAID(
            "concurrent_policies",
            both=int(counts["both"]),
            treated=int(counts["both"] + counts["policy_only"]),
            other=int(counts["other_only"]),
            untreated=int(counts["other_only"] + counts["neither"]),
            headline=headline,
            left=int(counts["policy_only"]),
            **held,
            **without,
        )
    ]
    alone = rows.facts("alone", aggregation="interacted", **two_way)
    two_way["term"] = "added"
    added = rows.facts("added", aggregation="interacted", **two_way)
    if _known(alone["alone"], added["added"]):
        said.append(SAID("interacted", **alone, **added))
    return said


@_answers
def _spillovers(rows: _Rows) -> list[Words]:
    overall, _ = rows.both(term="overall")
    direct = rows.facts("direct", term="direct")
    _, gap_p = rows.both(term="overall_less_direct")
    rings = rows.some(aggregation="spillover")
    rings = rings[rings["distance_km"].notna() & rings["estimate"].notna()]
    if not _known(overall, direct["direct"], gap_p) or not len(rings):
        return []
    near = rings.sort_values("distance_km").iloc[0]
    return [
        SAID(
            "spillovers",
            edge=rings["distance_km"].max(),
            overall=overall,
            apart=gap_p < LEVEL,
            gap_p=gap_p,
            **direct,
        ),
        SAID(
            "ring",
            near=near["distance_km"],
            ring=near["estimate"],
            ring_p=near["p_value"],
        ),
    ]


@_answers
def _spatial_errors(rows: _Rows) -> list[Words]:
    shared = rows.rows[rows.rows["distance_km"].notna()]
    shared = shared[shared["std_error"].notna()]
    unit, above = (rows.value("std_error", term=t) for t in ("unit", "above"))
    if not len(shared) or not _known(unit, above):
        return []
    said = [
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
        )
    ]
    _, wild_p = rows.both(term="above_wild_bootstrap")
    clusters = rows.value("n_clusters", term="above_wild_bootstrap")
    if _known(wild_p, clusters):
        said.append(SAID("wild", n=int(clusters), wild_p=wild_p))
    finite = rows.value("std_error", term="finite")
    if _known(finite):
        said.append(SAID("finite", finite=finite))
    mixed, share = (rows.value(c, term="mixed") for c in ("std_error", "weight"))
    if _known(mixed, share):
        within = rows.value("std_error", term="unit_within")
        said.append(SAID("mixed", mixed=mixed, share=share, within=within))
    return said


@_answers
def _dose(rows: _Rows) -> list[Words]:
    effect = rows.facts("effect", term="overall", estimator="nonabsorbing_did")
    if not _known(*effect.values()):
        return []
    _, leads_p = rows.both(aggregation="test", estimator="nonabsorbing_did")
    leads: Words | str = SAID("placebos", p=leads_p) if _known(leads_p) else ""
    more = rows.facts("more", term="acr", estimator="dose_response")
    dose = SAID("dose", **more) if _known(*more.values()) else SAID("no_dose")
    return [SAID("nonabsorbing", **effect, leads=leads), dose]


@_answers
def _two_way_weights(rows: _Rows) -> list[Words]:
    beta, _ = rows.both(term="overall")
    sigma, _ = rows.both(term="sigma_zero")
    weight = rows.value("weight", term="negative")
    if not _known(beta, sigma, weight):
        return []
    if weight >= 0:
        return [SAID("no_negative", sigma=sigma, beta=beta)]
    cells = rows.some(aggregation="group_time")
    opposite, _ = rows.both(term="sigma_opposite")
    share = float((cells["weight"] < 0).mean())
    return [
        SAID(
            "some_negative",
            share=share,
            weight=weight,
            sigma=sigma,
            opposite=opposite,
            beta=beta,
        )
    ]


@_answers
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


@_answers
def _factor_models(rows: _Rows) -> list[Words]:
    facts: dict[str, Any] = {}
    for short, name in (
        ("ife", "interactive_fixed_effects"),
        ("mc", "matrix_completion"),
        ("asc", "augmented_synthetic_control"),
    ):
        facts |= rows.facts(short, estimator=name, aggregation="simple", term="overall")
    said = []
    if _known(facts["ife"], facts["mc"], facts["asc"]):
        p = facts["asc_p"]
        facts["asc_p"] = SAID("asc_p", p=p) if _known(p) else ""
        said.append(SAID("factor_models", **facts))
    triply, triply_p = rows.both(estimator="triply_robust", term="overall")
    if _known(triply, triply_p):
        said.append(SAID("triply_robust", effect=triply, p=triply_p))
    placebo = rows.facts(
        "placebo", estimator="interactive_fixed_effects", aggregation="placebo"
    )
    plain, _ = rows.both(estimator="synthetic_did", aggregation="simple")
    adjusted, _ = rows.both(
        estimator="synthetic_did", aggregation="with_covariates_simple"
    )
    if _known(plain, adjusted):
        said.append(SAID("synthetic", plain=plain, adjusted=adjusted))
    if _known(*placebo.values()):
        said.append(SAID("placebo", **placebo, fails=placebo["placebo_p"] < LEVEL))
    return said


@_answers
def _adjustment(rows: _Rows) -> list[Words]:
    groups = rows.some(aggregation="group", estimator="entropy_balancing")
    outside = groups["note"].astype(str).str.contains(NOTE_OUTSIDE, regex=False)
    lost = groups[groups["estimate"].isna() & outside]
    said = _weighted(rows, "entropy_balancing", "reached")
    if len(lost):
        years = [t.removeprefix("cohort_") for t in lost["term"]]
        names = [SAID("cohort", year=year) for year in years]
        said.append(SAID("unreached", names=names))
    return [*said, *_weighted(rows, "covariate_balancing", "scores")]


def _weighted(rows: _Rows, estimator: str, rule: str) -> list[Words]:
    """What an estimator with weighted controls finds, and how many they count for."""
    effect = rows.facts("effect", term="overall", estimator=estimator)
    overlap = dict(aggregation="overlap", estimator=estimator)
    effective, controls = (rows.value(c, **overlap) for c in ("estimate", "n_units"))
    if not _known(*effect.values(), effective, controls):
        return []
    return [SAID(rule, **effect, effective=effective, controls=int(controls))]


@_answers
def _mechanisms(rows: _Rows) -> list[Words]:
    known = rows.some(aggregation="mechanism")
    known = known[known["adjusted_p_value"].notna()]
    if not len(known):
        return []
    least = known.sort_values("adjusted_p_value", kind="stable").iloc[0]
    return [
        SAID(
            "mechanisms",
            n=len(known),
            names=known["term"].tolist(),
            found=bool((known["adjusted_p_value"] < LEVEL).any()),
            least_p=least["adjusted_p_value"],
            least=least["term"],
            effect=least["estimate"],
        ),
        *_groups(rows),
    ]


def _groups(rows: _Rows) -> list[Words]:
    apart = rows.some(aggregation="group_difference")
    apart = apart[apart["adjusted_p_value"].notna()]
    if not len(apart):
        return []
    least = apart.sort_values("adjusted_p_value", kind="stable").iloc[0]
    return [
        SAID(
            "groups",
            n=len(apart),
            found=bool(least["adjusted_p_value"] < LEVEL),
            group=str(least["term"]),
            difference=least["estimate"],
            least_p=least["adjusted_p_value"],
        )
    ]


@_answers
def _pretrend(rows: _Rows) -> list[Words]:
    slope = rows.facts("slope", term="slope")
    power, _ = rows.both(term="power_at_slope")
    left = rows.rows[rows.rows["term"].astype(str).str.endswith("_less_trend")]
    if not _known(*slope.values(), power) or not len(left):
        return []
    first = float(left["estimate"].iloc[0])
    said = [SAID("pretrend", **slope, power=power, left=first)]
    _, scale_p = rows.both(term="any_scale")
    if _known(scale_p):
        said.append(SAID("scale", p=scale_p, found=scale_p < LEVEL))
    return said


def answer_rows(rows: pd.DataFrame) -> Iterable[dict[str, Any]]:
    """The sentences as rows: question, aggregation ``answer``, text_en, text_zh."""
    for question, said in sentences(rows).items():
        yield {
            "question": question,
            "aggregation": "answer",
            "text_en": " ".join(words.en for words in said),
            "text_zh": "".join(words.zh for words in said),
        }
