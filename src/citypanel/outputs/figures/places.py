"""Where and when: the dates of approval, and the cities as points by cohort and effect.

Points stand at the coordinates of the cities' seats; no boundary is drawn.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from citypanel.outputs.facts import gather
from citypanel.outputs.figures import style as s
from citypanel.outputs.figures.model import Drawing, required
from citypanel.outputs.style import Frames, Style, headline, spoken
from citypanel.words import LABELS, Catalogue, Words
from citypanel.words.numbers import fixed

SAID = Catalogue("figures")
# Cohorts as markers too, so that a grey print tells them apart.
MARKERS = ("o", "s", "D", "P", "X")
# Cities named on the map of effects, at either end.
NAMED = 3


def places_data(marts: Frames, o: Style) -> pd.DataFrame:
    """A row a city of the sample: name, place, cohort (0: never), change."""
    cities, sample = marts["dim_cities"], marts["rpt_sample"]
    inside = sample[sample["is_in_sample"].astype(bool)].set_index("city_id")
    if "longitude" not in cities:
        cities = cities.assign(longitude=np.nan, latitude=np.nan)
    rows = cities[cities["city_id"].isin(inside.index)]
    data = pd.DataFrame(
        {
            "city_id": rows["city_id"],
            "city": rows[o.column("city")],
            "longitude": rows["longitude"].astype(float),
            "latitude": rows["latitude"].astype(float),
            "approval_date": rows["approval_date"],
            "cohort": rows["city_id"].map(inside["cohort"]).fillna(0).astype(int),
            "outcome_change": rows["city_id"]
            .map(gather(marts).sample.changes)
            .astype(float),
        }
    )
    data = required(data.dropna(subset=["longitude"]), "dim_cities", "coordinates")
    return data.sort_values("city_id").reset_index(drop=True)


def places(marts: Frames, o: Style) -> Drawing:
    """A timeline of the approvals over two maps: who is treated when, and what came."""
    data = places_data(marts, o)
    figure = s.new_figure(width=7.4, height=5.6)
    rows = figure.subplots(2, 2, height_ratios=[1, 2.4])
    grid = rows[0, 0].get_gridspec()
    for axes in rows[0]:
        axes.remove()
    notes = [_timeline(figure.add_subplot(grid[0, :]), marts, o)]
    left, right = rows[1]
    _by_cohort(left, data, o)
    _by_effect(right, data, o)
    for axes in (left, right):
        _frame(axes, data)
    outcome = LABELS.label("outcomes", headline(marts)["outcome"])
    notes += [SAID("points"), SAID("own_change", outcome=outcome)]
    sample = gather(marts).sample
    if sample.changes:
        notes.append(SAID("own_changes", sample=sample, n=len(sample.changes)))
    title = SAID("title_places", **spoken(marts))
    return Drawing(figure, data, title, tuple(notes))


def _timeline(axes, marts: Frames, o: Style) -> Words:
    """Stems at the dates of approval: how many of all, and how many of the sample."""
    units = marts["dim_pilot_zones"]
    sample = marts["rpt_sample"].set_index("city_id")
    inside = sample.index[sample["is_in_sample"].astype(bool)]
    units = units.assign(
        day=pd.to_datetime(units["approval_date"]),
        here=units["city_id"].isin(inside) & units["is_treated_batch"].astype(bool),
    )
    days = units.groupby("day").agg(n=("here", "size"), here=("here", "sum"))
    options = headline(marts)
    first = pd.Timestamp(f"{options['first_year']}-01-01")
    last = pd.Timestamp(f"{options['last_year']}-12-31")
    axes.axvspan(first, last, color="#f3f3f3", zorder=0)
    axes.vlines(days.index, 0, days["n"], color=s.LIGHT, linewidth=5, zorder=1)
    axes.vlines(days.index, 0, days["here"], color=s.TREATED, linewidth=5, zorder=2)
    for day, row in days.iterrows():
        text = f"{row['n']} ({row['here']})\n{day:%Y-%m-%d}"
        how = {"ha": "center", "va": "bottom", "fontsize": 6.5}
        s.label_beside(axes, text, (day, row["n"]), (0, 2), **how)
    axes.set_ylim(0, days["n"].max() * 1.45)
    axes.set_xlim(
        min(first, days.index.min()) - pd.Timedelta(days=120),
        max(last, days.index.max()) + pd.Timedelta(days=200),
    )
    axes.set_title(o(SAID("approvals", **spoken(marts))))
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    said = {"n": int(days["n"].sum()), "here": int(days["here"].sum())}
    return SAID("timeline", days=len(days), **said, **spoken(marts))


def _by_cohort(axes, data: pd.DataFrame, o: Style) -> None:
    never = data[data["cohort"] == 0]
    axes.plot(
        never["longitude"], never["latitude"], linestyle="none", marker="^",
        markersize=4, color=s.CONTROL, markerfacecolor="white",
        label=f"{o.label('roles', 'control')} ({len(never)})",
    )  # fmt: skip
    cohorts = sorted(set(data["cohort"]) - {0})
    shades = [s.COHORTS[min(k, len(s.COHORTS) - 2)] for k in range(len(cohorts))]
    for place, (cohort, colour) in enumerate(zip(cohorts, shades, strict=True)):
        part = data[data["cohort"] == cohort]
        axes.plot(
            part["longitude"], part["latitude"], linestyle="none",
            marker=MARKERS[place % len(MARKERS)], markersize=5, color=colour,
            markeredgecolor=s.BLACK, markeredgewidth=0.4,
            label=o(SAID("exposed_from", c=cohort)) + f" ({len(part)})",
        )  # fmt: skip
    axes.set_title(o(SAID("by_cohort")))


def _by_effect(axes, data: pd.DataFrame, o: Style) -> None:
    known = data[data["outcome_change"].notna()]
    most = known["outcome_change"].abs().max() if len(known) else 1.0
    sizes = 12 + 110 * known["outcome_change"].abs() / (most or 1.0)
    for up, marker, colour, name in (
        (True, "^", s.GREEN, "higher"),
        (False, "v", s.VERMILION, "lower"),
    ):
        part = known[(known["outcome_change"] > 0) == up]
        axes.scatter(
            part["longitude"], part["latitude"], s=sizes[part.index], marker=marker,
            color=colour, edgecolor="white", linewidth=0.5,
            label=f"{o(SAID(name))} ({len(part)})",
        )  # fmt: skip
    ends = known.sort_values("outcome_change", kind="stable")
    # The extremes that do not stand on each other.
    named: list[tuple[float, float]] = []
    for side in (ends, ends[::-1]):
        n = 0
        for _, city in side.iterrows():
            at = city["longitude"], city["latitude"]
            if n == NAMED or any(math.dist(at, other) < 2.5 for other in named):
                continue
            n += 1
            named.append(at)
            text = f"{city['city']} {fixed(city['outcome_change'], 2)}"
            how = {"ha": "right", "va": "center", "fontsize": 6.5}
            s.label_beside(axes, text, at, (-6, 0), **how)
    axes.set_title(o(SAID("by_effect")))


def _frame(axes, data: pd.DataFrame) -> None:
    """The legend below, and the same window for both maps.

    A degree north is as long as it is on the ground.
    """
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2, fontsize=7,
        handletextpad=0.2, columnspacing=0.8,
    )  # fmt: skip
    west, east = data["longitude"].min() - 4, data["longitude"].max() + 4
    south, north = data["latitude"].min() - 3, data["latitude"].max() + 3
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_aspect(1 / math.cos(math.radians((south + north) / 2)))
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(s.LIGHT)
