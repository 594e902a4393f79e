"""What the report says: a rule chooses the sentence, the catalogue words it."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from citypanel.outputs.report.sentences import Speaker, Verdict, graded
from citypanel.outputs.study_report.facts import POLICY, StudyFacts
from citypanel.words import LABELS, Catalogue, Words, told
from citypanel.words.numbers import fixed

SAID = Catalogue("own_report")
LEVEL = 0.05
# Below it an event study's test of leads would miss most of what it is meant to find.
TRUSTED_POWER = 0.8
# Columns of a declared column's p-values, by how they are reckoned.
P_VALUES = {
    "conventional": "p_value", "cr2": "p_value_cr2", "cv3": "p_value_cv3",
    "wild": "p_value_wild", "randomisation": "p_value_randomisation",
}  # fmt: skip


def _number(facts: StudyFacts, value: Any) -> str:
    return fixed(value, facts.decimals)


def _interval(facts: StudyFacts, row: pd.Series) -> dict[str, Any]:
    return {
        "estimate": _number(facts, row["estimate"]),
        "low": _number(facts, row["conf_low"]),
        "high": _number(facts, row["conf_high"]),
        "p": row["p_value"],
    }


def finding(facts: StudyFacts) -> Verdict:
    """The finding, how certain it is and why not more, as every report words it."""
    policy, outcome = facts.said("policy"), facts.label(facts.outcome)
    the = Words(f"the {policy.en}", policy.zh)
    say = Speaker(
        None,
        {"policy": policy, "policies": the, "outcome": in_a_sentence(outcome),
         "unit": facts.said("unit"), "units": facts.units},
    )  # fmt: skip
    assumed, priceless = facts.shares
    told: dict[str, Any] = {
        "data": facts.quality[1] if facts.quality else Words("", ""),
        "share": assumed,
        "in_doubt": priceless,
        "n": facts.headline["n_treated_units"],
        "detectable": facts.detectable,
        "paper": None,
    }
    return graded(
        say,
        facts.conclusion,
        up=facts.effect.sign > 0,
        controls=True,
        told=told,
        points=(),
    )


def in_a_sentence(label: Words) -> Words:
    """A label within a sentence: its capital goes, an abbreviation keeps its own."""
    en = label.en
    small = en[:1].lower() + en[1:] if en[1:2].islower() else en
    return Words(small, label.zh)


def estimate(facts: StudyFacts) -> Words:
    """The headline in numbers."""
    row = facts.headline
    if not pd.notna(row["estimate"]):
        return SAID("estimate_none")
    said = _interval(facts, row) | {"units": facts.units}
    said |= {name: int(row[name]) for name in ("n_obs", "n_units", "n_treated_units")}
    if not pd.notna(row["p_value"]):
        return SAID("estimate_without_error", **said)
    name = "estimate_log" if facts.is_log else "estimate"
    return SAID(name, change=float(row["estimate"]), **said)


def verdict(facts: StudyFacts) -> list[Words]:
    """What stands for and against the finding."""
    found = [estimate(facts), estimators(facts), *leads(facts), *trends(facts)]
    return [words for words in found if words is not None]


def estimators(facts: StudyFacts) -> Words | None:
    """How far the other estimators agree with the two-way one."""
    rows = facts.overall
    known = rows[rows["estimate"].notna()]
    if len(known) < 2:
        return None
    same = (known["estimate"] > 0).nunique() == 1
    told_apart = int((known["p_value"] < LEVEL).sum())
    return SAID(
        "estimators_agree" if same else "estimators_differ",
        n=len(known),
        told=told_apart,
        low=_number(facts, known["estimate"].min()),
        high=_number(facts, known["estimate"].max()),
    )


def leads(facts: StudyFacts) -> list[Words]:
    """The tests of leads, and what they could have seen."""
    rows = facts.overall
    rows = rows[rows["leads_p_value"].notna()]
    if rows.empty:
        return [SAID("leads_none")]
    rejected = rows[rows["leads_p_value"] < LEVEL]
    names = [LABELS.label("short_estimators", name) for name in rejected["estimator"]]
    if rejected.empty:
        name = "leads_hold" if facts.pretrend.state == "passed" else "leads_in_doubt"
        found = [SAID(name, n=len(rows), p=rows["leads_p_value"].min())]
    else:
        trend = facts.pretrend
        differ = trend.state == "broken" or trend.others_differ
        name = "leads_rejected" if differ else "leads_by_chance"
        told = {"n": len(rows), "k": len(rejected), "holm": trend.others_holm}
        found = [SAID(name, names=names, **told)]
    slope = facts.pretrend.slope
    if slope.is_significant or facts.pretrend.is_missed:
        told = {"p": slope.p_value, "missed": facts.pretrend.is_missed}
        found.append(SAID("leads_sloped", slope=_number(facts, slope.estimate), **told))
    power = facts.checks("pretrend_power")
    power = power[(power["estimator"] == "twfe") & power["slope"].notna()]
    power = power[power["power"] >= TRUSTED_POWER].sort_values("power")
    if len(power):
        first = power.iloc[0]
        found.append(SAID("leads_power", slope=_number(facts, abs(first["slope"]))))
    return found


def trends(facts: StudyFacts) -> list[Words]:
    """How far trends may have differed before the finding is lost."""
    rows = facts.checks("honest")
    rows = rows[(rows["aggregation"] == "relative_magnitude")]
    rows = rows[rows["conf_low"].notna()].sort_values(["estimator", "bound"])
    if rows.empty:
        return []
    found = []
    for estimator, part in rows.groupby("estimator"):
        holds = part[(part["conf_low"] > 0) | (part["conf_high"] < 0)]
        # Every bound below the last that holds must hold too.
        broken = part[~part.index.isin(holds.index)]["bound"]
        kept = holds[holds["bound"] < broken.min()] if len(broken) else holds
        said = LABELS.label("short_estimators", str(estimator))
        if kept.empty:
            found.append(SAID("trends_lost", estimator=said, bound=part["bound"].min()))
        else:
            found.append(SAID("trends_kept", estimator=said, bound=kept["bound"].max()))
    return found


def data(facts: StudyFacts) -> list[Words]:
    """Who is compared, and over which periods."""
    study, units = facts.study, facts["dim_units"]
    found = [
        SAID(
            "sample",
            **{name: int(study[name]) for name in ("n_obs", "n_units", "n_periods")},
            units=facts.units,
            first=study["first_period"],
            last=study["last_period"],
            treated=int(study["n_treated_units"]),
            never=int(study["n_units"] - study["n_treated_units"]),
            policy=facts.said("policy"),
        )
    ]
    always = int(units["is_always_treated"].sum())
    if always:
        found.append(SAID("always", n=always, units=facts.units))
    if units["n_periods"].nunique() > 1:
        found.append(
            SAID(
                "unbalanced",
                low=int(units["n_periods"].min()),
                high=int(units["n_periods"].max()),
                unit=facts.said("unit"),
            )
        )
    if pd.notna(study["weights"]):
        found.append(SAID("weighted", weights=_weights(facts, str(study["weights"]))))
    cohorts = units["cohort"].dropna().value_counts()
    single = int((cohorts == 1).sum())
    if len(cohorts) > 1:
        found.append(SAID("cohorts", n=len(cohorts), unit=facts.said("unit")))
    if single:
        found.append(SAID("single", n=single, unit=facts.said("unit")))
    return found


def _weights(facts: StudyFacts, formula: str) -> Words:
    """What a declared formula of weights says, in words where it is one of a few."""
    name = r"([^\W\d]\w*)"
    if re.fullmatch(name, formula):
        return facts.label(formula)
    if found := re.fullmatch(rf"unit_mean\(\s*{name}\s*\)", formula):
        label = facts.label(found[1])
        return SAID("weights_mean", name=label, unit=facts.said("unit"))
    if found := re.fullmatch(rf"value_in\(\s*{name}\s*,\s*(\S+)\s*\)", formula):
        return SAID("weights_in", name=facts.label(found[1]), period=found[2])
    return SAID("weights_formula", formula=formula)


def inference(facts: StudyFacts) -> list[Words]:
    """Whether the finding depends on how its error is reckoned."""
    rows = facts["rpt_study_inference"]
    rows = rows[rows["outcome"] == facts.outcome]
    if rows.empty:
        return [SAID("inference_none")]
    row = rows.iloc[0]
    known = {k: float(row[c]) for k, c in P_VALUES.items() if pd.notna(row[c])}
    labels = SAID.of("p_values")
    below = [labels[k] for k, v in known.items() if v < LEVEL]
    above = [labels[k] for k, v in known.items() if v >= LEVEL]
    if not below or not above:
        name = "inference_all_below" if below else "inference_all_above"
        found = [
            SAID(name, n=len(known), p=max(known.values()), least=min(known.values()))
        ]
    else:
        found = [SAID("inference_split", below=below, above=above)]
    if pd.notna(row["minimum_detectable_effect"]):
        found.append(
            SAID(
                "power",
                effect=_number(facts, row["minimum_detectable_effect"]),
                bound=_number(facts, row["bound"]),
                power=row["power_at_bound"],
            )
        )
    return found


def sensitivity(facts: StudyFacts) -> list[Words]:
    """What moves the headline, and what does not."""
    found = []
    for name in ("leave_one_unit_out", "leave_one_cohort_out"):
        rows = facts.checks(name)
        rows = rows[rows["estimate"].notna()]
        if len(rows) > 1:
            said: dict[str, Any] = {"unit": facts.said("unit")}
            ends = rows.loc[rows["estimate"].agg(["idxmin", "idxmax"])]
            for end, (_, row) in zip(("low", "high"), ends.iterrows(), strict=True):
                left_out = str(row["term"]).removeprefix("without cohort ")
                said[end] = _number(facts, row["estimate"])
                said[f"{end}_term"] = facts.unit(left_out)
            found.append(SAID(name, **said))
    fake = facts.checks("fake_date")
    fake = fake[fake["p_value"].notna()]
    if len(fake):
        told_apart = int((fake["p_value"] < LEVEL).sum())
        name = "fake_told" if told_apart else "fake_not_told"
        found.append(SAID(name, n=len(fake), k=told_apart))
    found += other_policies(facts)
    bacon = facts["rpt_study_bacon"]
    bacon = bacon[bacon["weight"].notna()]
    if len(bacon):
        late = bacon["comparison"].str.startswith("Later")
        share = bacon.loc[late, "weight"].sum()
        found.append(SAID("bacon", share=float(share)))
    return found


def other_policies(facts: StudyFacts) -> list[Words]:
    """Who came under other policies too, and what the effect is without."""
    rows = facts.checks("other_policies")
    if rows.empty:
        return []
    rows = rows[rows["sample"] == rows["sample"].iloc[-1]]
    two_way = rows[rows["estimator"] == "twfe"]
    count = two_way.set_index(["aggregation", "term"])["n_units"].to_dict()
    at = two_way.set_index(["aggregation", "term"])
    needed = [("exposure_controlled", "overall"), ("without_units", "overall")]
    if ("overlap", "both") not in count or not all(key in at.index for key in needed):
        return [SAID("other_policies_none", why=why(rows["note"].dropna().iloc[0]))]
    both, other = count["overlap", "both"], count["overlap", "other_only"]
    said = {
        "both": int(both),
        "treated": int(both + count["overlap", "policy_only"]),
        "other": int(other),
        "rest": int(other + count["overlap", "neither"]),
        "units": facts.units,
    }
    out = [SAID("other_policies_overlap", **said)]
    for name, key in zip(("controlled", "without"), needed, strict=True):
        row = at.loc[key]
        if pd.notna(row["estimate"]):
            value = _number(facts, row["estimate"])
            p = row["p_value"]
            out.append(SAID(f"other_policies_{name}", estimate=value, p=p))
    return out


def published(facts: StudyFacts) -> Words | None:
    """How many printed figures come out; nothing where the study names none."""
    rows = facts["rpt_study_published"]
    if rows.empty:
        return None
    judged = rows[rows["agrees"].notna()]
    if judged.empty:
        return SAID("published_unjudged", n=len(rows))
    agree = int(judged["agrees"].sum())
    name = "published_all" if agree == len(judged) else "published_some"
    return SAID(name, n=len(judged), k=agree)


def quality(facts: StudyFacts) -> list[Words]:
    """How many findings of each kind the panel has."""
    rows = facts["dq_study_findings"]
    rows = rows[rows["rule"] != "not_taken"]
    if rows.empty:
        return [SAID("quality_none")]
    counts = rows["rule"].value_counts()
    return [
        SAID("quality_count", rule=rule_label(str(rule)), n=int(n))
        for rule, n in counts.items()
    ]


def rule_label(rule: str) -> Words:
    """What a rule is called; a study on seeds has rules of its own."""
    plain = rule.replace("_", " ").capitalize()
    return SAID.of("rules").get(rule, Words(plain, plain))


def why(note: Any) -> Words:
    """A note of a table as a sentence; its remedies are for who runs the study."""
    text = "" if pd.isna(note) else str(note)
    return told(text.partition(" Consequence:")[0].replace("  ", " "))


def term(facts: StudyFacts, name: str) -> Words:
    """A term of a table in words."""
    if name in ("const", "Intercept"):
        return SAID("constant")
    return facts.label(POLICY if name == "overall" else name)
