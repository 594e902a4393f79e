"""Figures of the estimates: event study, decomposition, permutations, sensitivity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from citypanel.outputs.facts import gather
from citypanel.outputs.figures import style as s
from citypanel.outputs.figures.model import Drawing, required
from citypanel.outputs.style import Frames, Style, city_names, headline, spoken
from citypanel.words import LABELS, Catalogue
from citypanel.words.numbers import fixed

SAID = Catalogue("figures")
ESTIMATORS = tuple(LABELS.of("estimators"))
EVENT_COLUMNS = [
    "estimator", "outcome", "event_time", "estimate", "std_error", "conf_low",
    "conf_high", "band_low", "band_high", "n_treated_cities", "n_obs", "n_cities",
    "leads_p_value", "note",
]  # fmt: skip
REFERENCE = "reference period"


#: Estimators whose effects are measured from the mean of the periods before.
OTHER_BASE = ("imputation", "two_stage", "synthetic_did")


def event_study_data(marts: Frames, *, overlay: bool) -> pd.DataFrame:
    """The headline's event study with its uniform band, and the other estimators.

    The band of the two-way estimate is that of `rpt_att`, which estimates the same
    coefficients; where they are not the same (other outcome), there is no band.
    """
    frame = marts["rpt_event_study"]
    outcome = headline(marts)["outcome"]
    frame = frame[(frame["variant"] == "headline") & (frame["outcome"] == outcome)]
    main = frame[frame["estimator"] == "twfe"].copy()
    if "rpt_att" in set(marts):
        bands = marts["rpt_att"]
        bands = bands[
            (bands["estimator"] == "twfe")
            & (bands["aggregation"] == "dynamic")
            & (bands["sample"] == "all")
            & (bands["outcome"] == outcome)
        ].set_index("event_time")
        same = bands["estimate"].reindex(main["event_time"]).to_numpy(float)
        close = np.isclose(same, main["estimate"].to_numpy(float), rtol=0, atol=1e-9)
        for column in ("band_low", "band_high"):
            values = bands[column].reindex(main["event_time"]).to_numpy(float)
            main[column] = np.where(close, values, np.nan)
    parts = [main]
    if overlay:
        others = frame[frame["estimator"] != "twfe"]
        # One base for all: their leads are from one period, their effects from a mean.
        mixed = others["estimator"].isin(OTHER_BASE) & (others["event_time"] < 0)
        others = others[~mixed]
        parts.append(others[others["estimator"].isin(ESTIMATORS)])
    data = pd.concat(parts)[EVENT_COLUMNS]
    order = {name: place for place, name in enumerate(ESTIMATORS)}
    return data.sort_values(
        ["estimator", "event_time"],
        key=lambda c: c.map(order) if c.name == "estimator" else c,
        kind="stable",
    ).reset_index(drop=True)


def event_study(marts: Frames, o: Style) -> Drawing:
    """Figure 1: effects by event time against the reference period."""
    data = event_study_data(marts, overlay=o.overlay)
    main = data[data["estimator"] == "twfe"]
    required(main, "rpt_event_study", "two-way estimate by event time")
    reference = main[main["note"] == REFERENCE]["event_time"]
    figure = s.new_figure(height=4.6 if o.overlay else 3.6)
    axes = figure.subplots()
    s.zero_line(axes)
    axes.axvline(-0.5, color=s.GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    has_band = main["band_low"].notna().any()
    if has_band and not o.overlay:
        axes.vlines(
            main["event_time"],
            main["band_low"],
            main["band_high"],
            color=s.SKY,
            alpha=0.45,
            linewidth=9,
            label=o(SAID("uniform_band")),
            zorder=1,
        )
    names = [n for n in ESTIMATORS if n in set(data["estimator"])]
    spread = 0.08 if len(names) > 1 else 0.0
    for place, name in enumerate(names):
        colour, marker, _ = s.SERIES[place]
        part = data[data["estimator"] == name]
        x = part["event_time"] + spread * (place - (len(names) - 1) / 2)
        interval = part["conf_low"].notna()
        axes.vlines(
            x[interval],
            part["conf_low"][interval],
            part["conf_high"][interval],
            color=colour,
            linewidth=0.9 if o.overlay else 1.4,
            label=None if o.overlay else o(SAID("pointwise_interval")),
            zorder=2,
        )
        label = o.label("short_estimators", name)
        how: dict[str, Any] = {"markersize": 3.6 if o.overlay else 5, "zorder": 3}
        y = part["estimate"]
        s.points(axes, x[interval], y[interval], colour, marker, label=label, **how)
        how["markerfacecolor"] = "white"
        s.points(axes, x[~interval], y[~interval], colour, marker, **how)
    facts = gather(marts)
    line = facts.trend_lines.get("twfe")
    has_trend = line is not None and len(reference) > 0 and not o.overlay
    if has_trend:
        since = main["event_time"].to_numpy(float) - float(reference.iloc[0])
        for here, named, dashes, width in (
            (since <= 0, o(SAID("trend_before")), "-", 1.2),
            (since >= 0, None, (0, (4, 3)), 1.0),
        ):
            axes.plot(
                main["event_time"][here],
                line * since[here],
                color=s.GREY,
                linewidth=width,
                linestyle=dashes,
                label=named,
                zorder=2,
            )
    ticks = sorted(data["event_time"].unique())
    counts = main.set_index("event_time")["n_treated_cities"]
    labels = [
        f"{fixed(t, 0)}" + (f"\n({counts[t]})" if t in counts.index else "")
        for t in ticks
    ]
    axes.set_xticks(ticks, labels)
    axes.set_xlabel(o(SAID("event_time")))
    label = o.label("outcomes", headline(marts)["outcome"])
    axes.set_ylabel(o(SAID("effect_on", label=label)))
    s.legend_below(figure, axes)
    if len(reference):
        at = (float(reference.iloc[0]), 0)
        s.label_beside(
            axes, o(SAID("reference")), at, (0, 7), ha="center", fontsize=7.5
        )
    first = main.iloc[0]
    notes = [
        *(SAID("reference_period", time=time) for time in reference[:1]),
        SAID("two_way", n_obs=first["n_obs"], n_cities=first["n_cities"]),
    ]
    if o.overlay and set(names) & set(OTHER_BASE):
        notes.append(SAID("other_base"))
    pretrend = facts.pretrend
    if np.isfinite(pretrend.leads_p):
        notes.append(SAID("leads", leads_p_value=pretrend.leads_p))
    if has_trend:
        notes.append(SAID("slope", slope=pretrend.slope))
        if pretrend.net.has_interval:
            notes.append(SAID("net", net=pretrend.net))
    notes.append(SAID("band", overlay=o.overlay) if has_band else SAID("no_band"))
    alone = main[main["std_error"].isna() & (main["note"] != REFERENCE)]
    if len(alone):
        times = ", ".join(fixed(t, 0) for t in alone["event_time"])
        notes.append(SAID("hollow", times=times))
    if o.overlay:
        notes.append(SAID("without_leads"))
    title = SAID("title_event_study", **spoken(marts))
    return Drawing(figure, data, title, tuple(notes))


def bacon(marts: Frames, o: Style) -> Drawing:
    """The comparisons behind the two-way estimate, by weight."""
    outcome = headline(marts)["outcome"]
    frame = marts["rpt_bacon"]
    known = set(required(frame, "rpt_bacon", "comparisons")["outcome"])
    outcome = outcome if outcome in known else "tfpch"
    data = frame[frame["outcome"] == outcome].sort_values(
        ["type", "weight"], ascending=[True, False], kind="stable"
    )
    data = data.reset_index(drop=True)
    figure = s.new_figure(height=3.6)
    axes = figure.subplots()
    s.zero_line(axes)
    total = data["twfe_estimate"].iloc[0]
    axes.axhline(total, color=s.BLACK, linewidth=0.9, linestyle="--", zorder=1)
    s.label_beside(
        axes,
        o(SAID("two_way_line")) + fixed(total),
        (0.45, total),
        (0, 3),
        xycoords=("axes fraction", "data"),
        ha="center",
        va="bottom",
        fontsize=8,
    )
    colours = (s.GREEN, s.ORANGE, s.VERMILION)
    markers = ("o", "s", "^")
    for (kind, label), colour, marker in zip(
        SAID.of("types").items(), colours, markers, strict=True
    ):
        part = data[data["type"] == kind]
        if not len(part):
            continue
        weight = part["weight"].sum()
        axes.scatter(
            part["weight"],
            part["estimate"],
            s=34,
            marker=marker,
            color=colour,
            edgecolor="white",
            linewidth=0.5,
            zorder=3,
            label=f"{o(label)} ({weight:.2f})",
        )
    for _, row in data[data["weight"] >= 0.02].iterrows():
        never = row["control_cohort"] == 0
        other = SAID("never") if never else str(row["control_cohort"])
        text = o(SAID("vs", cohort=row["cohort"], other=other))
        at = (row["weight"], row["estimate"])
        s.label_beside(axes, text, at, (5, 4), fontsize=7.5)
    axes.set_xlabel(o(SAID("weight_two_way")))
    axes.set_ylabel(o(SAID("estimate_comparison")))
    axes.set_xlim(left=-0.01, right=data["weight"].max() * 1.18)
    s.legend_below(figure, axes)
    backward = data.loc[data["type"] == "Later vs Earlier Treated", "weight"].sum()
    notes = (
        SAID("comparisons", total=total),
        SAID("treated_as_controls", backward=backward),
        SAID("outcome", outcome=LABELS.label("outcomes", outcome)),
        SAID("labelled_weights"),
    )
    return Drawing(figure, data, SAID("title_bacon"), notes)


def randomisation(marts: Frames, o: Style) -> Drawing:
    """The permutation distribution of t with the sample's own."""
    data = required(marts["rpt_randomisation"], "rpt_randomisation", "permutations")
    columns = sorted(data["paper_column"].unique())
    figure = s.new_figure(height=2.9)
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    limit = float(np.ceil(data["statistic"].abs().max() * 2) / 2)
    edges = np.linspace(-limit, limit, int(limit * 8) + 1)
    notes = []
    for axes, column in zip(panels, columns, strict=True):
        part = data[data["paper_column"] == column]
        own = part.loc[part["is_sample"], "statistic"].iloc[0]
        draws = part.loc[~part["is_sample"], "statistic"]
        as_large = part["statistic"].abs() >= abs(own) * (1 - 1e-10)
        p, n = as_large.mean(), int(as_large.sum()) - 1
        extreme = draws[draws.abs() >= abs(own) * (1 - 1e-10)]
        axes.hist(draws, edges, color=s.LIGHT, edgecolor="white", linewidth=0.3)
        axes.hist(extreme, edges, color=s.ORANGE, edgecolor="white", linewidth=0.3)
        axes.axvline(own, color=s.BLACK, linewidth=1.4)
        axes.axvline(-own, color=s.BLACK, linewidth=0.9, linestyle="--")
        named = {"(1)": "without_controls", "(2)": "with_controls"}.get(column)
        label = o(SAID(named)) if named else column
        axes.set_title(f"{label}: t = {fixed(own, 2)}, p = {fixed(p)}")
        axes.set_xlabel(o(SAID("t_statistic")))
        notes.append(SAID("as_extreme", column=column, n=n, n_draws=len(draws), p=p))
    panels[0].set_ylabel(o(SAID("permutations")))
    data, title = data.reset_index(drop=True), SAID("title_randomisation")
    return Drawing(figure, data, title, (SAID("dealt_anew"), *notes))


# Of a bound on violated trends: what it is called, and what is measured.
KINDS = {
    "relative_magnitude": ("relative_magnitudes", "largest_violation"),
    "smoothness": ("smoothness", "change_of_slope"),
}


def sensitivity(marts: Frames, o: Style) -> Drawing:
    """Intervals under violated parallel trends (Rambachan and Roth 2023)."""
    frame = marts["rpt_sensitivity"]
    frame = frame[(frame["check_name"] == "honest") & (frame["sample"] == "all")]
    frame = frame[frame["aggregation"].isin(["original", *KINDS])]
    required(frame, "rpt_sensitivity", "bounds on violated trends")
    columns = [
        "estimator", "aggregation", "term", "bound", "estimate", "conf_low",
        "conf_high", "outcome",
    ]  # fmt: skip
    data = (
        frame[columns]
        .drop_duplicates()
        .sort_values(["aggregation", "estimator", "bound"], kind="stable")
        .reset_index(drop=True)
    )
    figure = s.new_figure(height=3.2)
    panels = figure.subplots(1, 2, sharey=True)
    estimators = [e for e in ESTIMATORS if e in set(data["estimator"])]
    for axes, (kind, (heading, violation)) in zip(panels, KINDS.items(), strict=True):
        s.zero_line(axes)
        part = data[data["aggregation"] == kind]
        if not len(part):
            continue
        exact = _grid(part)
        step = np.diff(exact).min() if len(exact) > 1 else 1.0
        start = part["bound"].min() - step
        for place, estimator in enumerate(estimators):
            colour, marker, _ = s.SERIES[place]
            shift = 0.12 * step * (place - (len(estimators) - 1) / 2)
            own = part[part["estimator"] == estimator]
            original = data[
                (data["aggregation"] == "original") & (data["estimator"] == estimator)
            ]
            for rows, x in ((original, [start] * len(original)), (own, own["bound"])):
                x = np.asarray(x, float) + shift
                axes.vlines(
                    x, rows["conf_low"], rows["conf_high"], color=colour, linewidth=1.4
                )
                label = o.label("short_estimators", estimator) if rows is own else None
                s.points(axes, x, rows["estimate"], colour, marker, label=label)
        axes.axvline(start + step / 2, color=s.LIGHT, linewidth=0.6)
        decimals = 1 if kind == "relative_magnitude" else 3
        bounds = [fixed(bound, decimals) for bound in exact]
        axes.set_xticks([start, *exact], [o(SAID("parallel_trends")), *bounds])
        axes.set_title(o(SAID(heading)))
        axes.set_xlabel(o(SAID(violation)))
    panels[0].set_ylabel(o(SAID("effect_first_year")))
    s.legend_below(figure, panels[0], 2)
    every = data[data["aggregation"].isin(KINDS)]
    n_without_zero = ((every["conf_low"] > 0) | (every["conf_high"] < 0)).sum()
    told = {"n_without_zero": n_without_zero, "n_every": len(every)}
    notes = (SAID("honest_intervals"), SAID("intervals_leave_zero", **told))
    return Drawing(figure, data, SAID("title_sensitivity"), notes)


def _grid(part: pd.DataFrame) -> np.ndarray:
    """Bounds of one estimator: those of the others stand on or close to them."""
    first = part[part["estimator"] == part["estimator"].iloc[-1]]
    return np.sort(first["bound"].unique())


LEFT_OUT = ["left_out", "city_id", "role", "estimate", "conf_low", "conf_high"]


def leave_one_out(marts: Frames, o: Style) -> Drawing:
    """The headline without each city in turn, and without each cohort."""
    frame = marts["rpt_sensitivity"]
    own = frame[(frame["check_name"] == "headline") & frame["estimate"].notna()]
    own = required(own, "rpt_sensitivity", "headline").iloc[0]
    sample = marts["rpt_sample"].set_index("city_id")
    one = frame[frame["check_name"] == "leave_one_city_out"]
    one = required(
        one[one["estimate"].notna()], "rpt_sensitivity", "estimates without one city"
    ).sort_values(["estimate", "term"], kind="stable")
    ids = one["term"]
    data = one.assign(
        left_out=ids.map(city_names(marts, o)).fillna(ids),
        city_id=ids,
        role=ids.map(sample["role"]),
    )
    data = data[LEFT_OUT].reset_index(drop=True)
    cohorts = frame[frame["check_name"] == "leave_one_batch_out"]
    cohorts = cohorts.sort_values("term", kind="stable")
    years = [o(SAID("cohort", year=term.split()[-1])) for term in cohorts["term"]]
    cohorts = cohorts.assign(left_out=years, city_id=None, role="cohort")
    none = {"left_out": o(SAID("none")), "city_id": None, "role": "headline"}
    none = pd.DataFrame([{**own, **none}])
    all_rows = pd.concat([cohorts[LEFT_OUT], none[LEFT_OUT]], ignore_index=True)
    figure = s.new_figure(height=4.4)
    left, right = figure.subplots(1, 2, width_ratios=[1.7, 1])
    for axes in (left, right):
        s.zero_line(axes, vertical=True)
        axes.axvline(own["estimate"], color=s.BLACK, linewidth=0.9, linestyle="--")
        axes.set_xlabel(o(SAID("policy_effect")))
    ranks = np.arange(len(data))
    for role, colour, marker, face in s.ROLES:
        at = (data["role"] == role).to_numpy()
        label = o.label("roles", role) + o(SAID("city_left_out"))
        s.points(
            left, data["estimate"][at], ranks[at], colour, marker, label=label,
            markersize=4, markerfacecolor=face,
        )  # fmt: skip
    low, high = data["estimate"].min(), data["estimate"].max()
    room = 0.25 * (high - low)
    n_named = min(5, len(data) // 2)
    apart = len(data) / 26
    for at in range(n_named):
        for rank, y, x, side in (
            (at, at * apart, data["estimate"][n_named - 1] + room, "left"),
            (
                len(data) - 1 - at,
                len(data) - 1 - at * apart,
                data["estimate"][len(data) - n_named] - room,
                "right",
            ),
        ):
            left.annotate(
                data["left_out"][rank],
                (data["estimate"][rank], rank),
                xytext=(x, y),
                va="center",
                ha=side,
                fontsize=7.5,
                arrowprops={
                    "arrowstyle": "-", "color": s.GREY, "linewidth": 0.4, "shrinkB": 3
                },
            )  # fmt: skip
    left.set_yticks([])
    left.spines["left"].set_visible(False)
    left.set_title(o(SAID("one_city_left_out")))
    left.legend(loc="lower right")
    left.set_xlim(low - room, max(high + room, room / 2))
    places = np.arange(len(all_rows))
    ends = all_rows["conf_low"], all_rows["conf_high"]
    right.hlines(places, *ends, color=s.BLACK, linewidth=1.4)
    s.points(right, all_rows["estimate"], places, s.BLACK, "o")
    right.set_yticks(places, all_rows["left_out"])
    right.set_ylim(-0.6, len(all_rows) - 0.4)
    right.set_title(o(SAID("one_cohort_left_out")))
    ending = SAID("with_interval") if pd.notna(own["conf_low"]) else ""
    facts = gather(marts)
    estimate = facts.headline.effect.estimate
    notes = [SAID("headline_dashed", estimate=estimate, ends=ending)]
    if facts.without_one:
        notes.append(SAID("without_one_city", left=facts.without_one))
    everything = pd.concat([data, all_rows], ignore_index=True)
    return Drawing(figure, everything, SAID("title_leave_one_out"), tuple(notes))
