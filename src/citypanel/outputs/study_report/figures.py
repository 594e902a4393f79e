"""The report's figures in one language: effects by event time, by estimator, paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from citypanel.outputs.figures import style as s
from citypanel.outputs.figures.policies import policies_by_unit
from citypanel.outputs.study_report.facts import StudyFacts
from citypanel.outputs.study_report.sentences import SAID, in_a_sentence
from citypanel.words import LABELS, Words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("svg", "pdf", "png")
# Event studies drawn in one figure: the usual one, and one that effects that differ
# between cohorts leave sound.
DRAWN = ("twfe", "group_time_att")
MOST_EVENT_TIMES = 12


def all_figures(facts: StudyFacts, language: str) -> dict[str, dict[str, bytes]]:
    """Every figure a study has something for, by name and format.

    Where the machine has no Chinese font the labels are English.
    """
    if language == "zh" and s.chinese_font() is None:
        language = "en"
    out = {}
    for draw in (event_study, estimators, paths, policies):
        name = draw.__name__
        with s.styled(language):
            figure = draw(facts, language)
            if figure is not None:
                title = caption(facts, name).said(language)
                out[name] = {kind: s.save(figure, kind, title) for kind in FORMATS}
    return out


def caption(facts: StudyFacts, name: str):
    """What a figure shows; in Chinese also why its letters are not."""
    said = SAID(
        f"captions.{name}",
        policy=facts.said("policy"),
        outcome=in_a_sentence(facts.label(facts.outcome)),
        units=facts.units,
    )
    if s.chinese_font() is not None:
        return said
    return Words(said.en, said.zh + SAID("no_chinese_font").zh)


def event_study(facts: StudyFacts, language: str) -> Figure | None:
    """Effects by event time of the two-way and the group-time event study."""
    rows = facts.events
    rows = rows[rows["estimate"].notna() & rows["estimator"].isin(DRAWN)]
    rows = rows[rows["event_time"].abs() <= MOST_EVENT_TIMES]
    if rows.empty:
        return None
    figure = s.new_figure(height=3.4)
    axes = figure.subplots()
    s.zero_line(axes)
    axes.axvline(-0.5, color=s.GREY, linewidth=0.6, linestyle=":")
    for place, name in enumerate(DRAWN):
        part = rows[rows["estimator"] == name]
        if part.empty:
            continue
        colour, marker, _ = s.SERIES[place]
        at = part["event_time"].to_numpy(float) + (place - 0.5) * 0.16
        middle, errors = _bars(part)
        axes.errorbar(
            at, middle, yerr=errors, fmt=marker, color=colour, linewidth=1.0,
            label=LABELS.label("short_estimators", name).said(language),
        )  # fmt: skip
    axes.set_xlabel(SAID("event_axis", policy=facts.said("policy")).said(language))
    outcome = in_a_sentence(facts.label(facts.outcome))
    axes.set_ylabel(SAID("effect_axis", outcome=outcome).said(language))
    axes.legend()
    return figure


def estimators(facts: StudyFacts, language: str) -> Figure | None:
    """The overall effect by estimator."""
    rows = facts.overall
    rows = rows[rows["estimate"].notna()].iloc[::-1]
    if rows.empty:
        return None
    figure = s.new_figure(height=0.7 + 0.3 * len(rows))
    axes = figure.subplots()
    s.zero_line(axes, vertical=True)
    middle, errors = _bars(rows)
    axes.errorbar(middle, range(len(rows)), xerr=errors, fmt="o", color=s.BLACK)
    names = [
        LABELS.label("estimators", name).said(language) for name in rows["estimator"]
    ]
    axes.set_yticks(range(len(rows)), names)
    outcome = in_a_sentence(facts.label(facts.outcome))
    axes.set_xlabel(SAID("effect_axis", outcome=outcome).said(language))
    return figure


def _bars(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Estimates, and how far their intervals reach below and above (2, n)."""
    middle = rows["estimate"].to_numpy(float)
    ends = rows[["conf_low", "conf_high"]].to_numpy(float)
    return middle, np.nan_to_num(np.abs(ends - middle[:, None])).T


def paths(facts: StudyFacts, language: str) -> Figure | None:
    """Means of the outcome by period, of units with and without the policy."""
    rows = facts["fct_unit_periods"]
    rows = rows[(rows["variable"] == facts.outcome) & rows["value"].notna()]
    treated = facts["dim_units"].set_index("unit_id")["is_treated"]
    rows = rows.assign(treated=rows["unit_id"].map(treated))
    if rows.empty or rows["treated"].nunique() < 2:
        return None
    means = rows.pivot_table(
        index=["period_number", "period"], columns="treated", values="value"
    ).reset_index()
    figure = s.new_figure(height=3.2)
    axes = figure.subplots()
    said = {
        True: (SAID("treated", policy=facts.said("policy")), s.BLUE, "s", "-"),
        False: (SAID("never"), s.BLACK, "o", "--"),
    }
    many = len(means) > 24
    for group, (label, colour, marker, dashes) in said.items():
        axes.plot(
            means["period_number"], means[group], color=colour, linestyle=dashes,
            marker="" if many else marker, label=label.said(language),
        )  # fmt: skip
    shown = means.iloc[np.linspace(0, len(means) - 1, min(len(means), 11)).astype(int)]
    axes.set_xticks(shown["period_number"], list(map(_short, shown["period"])))
    axes.set_xlabel(SAID("period_axis").said(language))
    axes.set_ylabel(facts.label(facts.outcome).said(language))
    axes.legend()
    return figure


def policies(facts: StudyFacts, language: str) -> Figure | None:
    """Which units came under which policy when."""
    names = facts.other_policies
    if not names:
        return None
    rows = facts["fct_unit_periods"]
    periods = rows.drop_duplicates("period_number").set_index("period_number")["period"]
    periods = periods.sort_index()
    place = {str(label): position for position, label in periods.items()}
    groups = facts["dim_unit_groups"]
    firsts = {facts.said("policy"): facts["dim_units"].set_index("unit_id")["cohort"]}
    for name in names:
        part = groups[groups["group_name"] == name]
        firsts[facts.label(name)] = part.set_index("unit_id")["group_value"]
    first = pd.DataFrame(
        {
            label.said(language): values.map(place).astype(float)
            for label, values in firsts.items()
        }
    )
    first = first.sort_values(first.columns[0], kind="stable")
    if not first.notna().any(axis=None):
        return None
    label = SAID("units_under", units=facts.units).said(language)
    return policies_by_unit(first, periods.map(_short), label)


def _short(period: object) -> str:
    text = "" if pd.isna(period) else str(period)
    return text.removesuffix(" 00:00:00")
