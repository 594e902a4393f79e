"""Figures of what referees ask: other policies, shared errors, and overlap."""

from __future__ import annotations

import numpy as np
import pandas as pd

from citypanel.did.results import draw_scores
from citypanel.outputs.figures import style as s
from citypanel.outputs.figures.model import Drawing, required
from citypanel.outputs.figures.policies import policies_by_unit
from citypanel.outputs.style import Frames, Style, city_names, study_labels
from citypanel.study.declaration import declared
from citypanel.words import Catalogue, Words

SAID = Catalogue("figures")


def other_policies(marts: Frames, o: Style) -> Drawing:
    """Cities by the year from which they came under each policy."""
    answers = marts["rpt_referee"]
    rows = answers[answers["aggregation"] == "first_period"]
    rows = required(rows, "rpt_referee", "cities under other policies")
    exposures = marts["fct_policy_exposures"]
    years = np.sort(exposures["year"].unique())
    own = exposures[exposures["cohort"] > 0].groupby("city_id")["cohort"].first()
    names = city_names(marts, o)
    policy = o(study_labels(marts).said["policy"])
    first = {policy: own.astype(float)}
    for name, part in rows.groupby("policy", sort=False):
        other = declared().other_policies.get(str(name))
        label = other.label if other else {"en": str(name)}
        words = Words(str(label["en"]), str(label.get("zh", label["en"])))
        first[o(words)] = part.set_index("term")["estimate"].astype(float)
    frame = pd.DataFrame(first).rename_axis("city_id").sort_index()
    frame = frame.sort_values(policy, kind="stable")
    labels = pd.Series(years, years)
    shown = frame.rename(index=names)
    figure = policies_by_unit(shown, labels, o(SAID("cities_under")))
    data = frame.reset_index().melt("city_id", var_name="policy", value_name="year")
    data = data[data["year"].notna()].astype({"year": int}).reset_index(drop=True)
    data.insert(1, "city", data["city_id"].map(names))
    before = int((frame.iloc[:, 1:] < years[0]).any(axis=1).sum())
    notes = (SAID("policy_lines", n=before, first=int(years[0])),)
    return Drawing(figure, data, SAID("title_other_policies"), notes)


def shared_errors(marts: Frames, o: Style) -> Drawing:
    """The standard error against the distance up to which errors are shared."""
    answers = marts["rpt_referee"]
    rows = answers[answers["question"] == "spatial_errors"]
    curve = rows[rows["distance_km"].notna() & rows["std_error"].notna()]
    curve = required(curve, "rpt_referee", "errors by cutoff")
    figure = s.new_figure(height=3.2)
    axes = figure.subplots()
    kinds = curve["standard_errors"].astype(str).str.contains("uniform")
    for place, (uniform, part) in enumerate(curve.groupby(kinds)):
        colour, marker, dashes = s.SERIES[place]
        part = part.sort_values("distance_km")
        label = SAID("kernel_uniform") if uniform else SAID("kernel_bartlett")
        axes.plot(
            part["distance_km"], part["std_error"], color=colour, marker=marker,
            linestyle=dashes, label=o(label),
        )  # fmt: skip
    for place, term in enumerate(("unit", "above"), start=2):
        row = rows[(rows["term"] == term) & rows["std_error"].notna()]
        if len(row):
            colour, _, dashes = s.SERIES[place]
            axes.axhline(
                row["std_error"].iloc[0], color=colour, linestyle=dashes,
                linewidth=1.0, label=o(SAID(f"clustered_{term}")),
            )  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_xlabel(o(SAID("cutoff")))
    axes.set_ylabel(o(SAID("standard_error")))
    axes.legend()
    columns = ["term", "standard_errors", "distance_km", "std_error", "p_value"]
    drawn = rows["distance_km"].notna() | rows["term"].isin(["unit", "above"])
    data = rows.loc[drawn & rows["std_error"].notna(), columns].reset_index(drop=True)
    return Drawing(figure, data, SAID("title_shared_errors"), (SAID("shared_errors"),))


def overlap(marts: Frames, o: Style) -> Drawing:
    """Each city's probability of treatment, by cohort, treated above controls."""
    answers = marts["rpt_referee"]
    rows = answers[answers["aggregation"] == "score"]
    rows = required(rows, "rpt_referee", "probabilities of treatment")
    names = city_names(marts, o)
    data = pd.DataFrame(
        {
            "cohort": rows["sample"],
            "city_id": rows["term"],
            "city": rows["term"].map(names),
            "treated": rows["n_treated_cities"] > 0,
            "probability": rows["estimate"],
            "weight": rows["weight"],
        }
    ).reset_index(drop=True)
    parts = list(data.groupby("cohort"))
    figure = s.new_figure(height=1.0 + 1.3 * len(parts))
    axes = figure.subplots(len(parts), 1, sharex=True, squeeze=False)[:, 0]
    for ax, (cohort, part) in zip(axes, parts, strict=True):
        draw_scores(ax, part, s.TREATED, s.CONTROL)
        ax.set_yticks([0, 1], [o(SAID("side_controls")), o(SAID("side_treated"))])
        ax.set_title(o(SAID("cohort_of", year=str(cohort))), loc="left")
    axes[-1].set_xlabel(o(SAID("probability")))
    return Drawing(figure, data, SAID("title_overlap"), (SAID("overlap"),))
