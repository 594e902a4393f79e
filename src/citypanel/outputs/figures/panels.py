"""Figures of the data: treatment timing, trajectories, frontier, coverage, tiles."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from citypanel.outputs.facts import gather
from citypanel.outputs.figures import style as s
from citypanel.outputs.figures.model import Drawing
from citypanel.outputs.style import (
    Frames,
    Style,
    city_names,
    headline,
    region_name,
    region_names,
    spoken,
    study_labels,
)
from citypanel.study.declaration import declared
from citypanel.words import LABELS, Catalogue
from citypanel.words.numbers import fixed

SAID = Catalogue("figures")


def treatment_timing(marts: Frames, o: Style) -> Drawing:
    """Cities by year: who is exposed when."""
    exposures = marts["fct_policy_exposures"]
    sample = marts["rpt_sample"].set_index("city_id")
    names = city_names(marts, o)
    data = exposures[
        ["city_id", "year", "cohort", "sydid", "later_batch", "later_approval_year"]
    ].copy()
    data.insert(1, "city", data["city_id"].map(names))
    data["region"] = data["city_id"].map(sample["region"])
    data["is_in_sample"] = data["city_id"].map(sample["is_in_sample"]).astype(bool)
    data = data.sort_values(["city_id", "year"]).reset_index(drop=True)
    cities = data.drop_duplicates("city_id").copy()
    cities["sort"] = cities["cohort"].where(cities["cohort"] > 0, 9999)
    places = {region: i for i, region in enumerate(region_names())}
    cities["region_order"] = cities["region"].map(places)
    cities = cities.sort_values(["sort", "region_order", "city_id"], kind="stable")
    treated = cities[cities["cohort"] > 0]
    control = cities[cities["cohort"] == 0]
    cohorts = sorted(treated["cohort"].unique())
    shades = dict(zip(cohorts, s.COHORTS, strict=False))
    years = np.sort(data["year"].unique())
    figure = s.new_figure(height=6.6)
    panels = figure.subplots(1, 2)
    paths = data.set_index(["city_id", "year"])["sydid"]
    n_rows = max(len(treated), len(control))
    for axes, role, part in zip(
        panels, ("treated", "control"), (treated, control), strict=True
    ):
        for row, (_, city) in enumerate(part.iterrows()):
            for year in years:
                exposed = float(paths.get((city["city_id"], year), 0.0))
                colour = shades.get(city["cohort"], "#eeeeee") if exposed else "#ececec"
                inside = city["is_in_sample"]
                axes.add_patch(
                    _tile(
                        year - 0.5,
                        row - 0.5,
                        colour if inside else "white",
                        alpha=1.0 if exposed in (0.0, 1.0) else 0.35 + 0.65 * exposed,
                        hatch=None if inside else "////",
                    )
                )
            if pd.notna(city["later_batch"]):
                year = int(city["later_approval_year"])
                axes.annotate(
                    o(SAID("batch", batch=int(city["later_batch"]), year=year)),
                    (years[-1] + 0.65, row),
                    va="center",
                    fontsize=s.SMALL,
                    annotation_clip=False,
                )
        axes.set_xlim(years[0] - 0.5, years[-1] + 0.5)
        axes.set_ylim(n_rows - 0.5, -0.5)
        axes.set_yticks(range(len(part)), part["city"], fontsize=6)
        axes.set_xticks(years[::2], [str(y) for y in years[::2]])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(f"{o(SAID(role))} ({len(part)})")
    handles = [
        _tile(0, 0, shades[c], label=o(SAID("exposed_from", c=c))) for c in cohorts
    ] + [_tile(0, 0, "#ececec", label=o(SAID("not_exposed")))]
    if not cities["is_in_sample"].all():
        label = o(SAID("not_in_sample"))
        handles.append(_tile(0, 0, "white", hatch="////", label=label))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    options = headline(marts)
    counts = [
        SAID("from_year", n=int((treated["cohort"] == c).sum()), c=c) for c in cohorts
    ]
    name = "exposure_from"
    treated_cities = SAID(
        "treated_cities",
        n_treated=len(treated),
        counts=counts,
        treated_batches=options["treated_batches"],
        exposure_from=study_labels(marts).value(name, options[name]),
    )
    notes = (treated_cities, SAID("later_batches"))
    return Drawing(figure, data, SAID("title_timing"), notes)


def _tile(x, y, colour, size=1, **options):
    from matplotlib.patches import Rectangle

    options.setdefault("edgecolor", s.GREY if options.get("hatch") else "white")
    options.setdefault("linewidth", 0.5)
    return Rectangle((x, y), size, size, facecolor=colour, **options)


def trajectories(marts: Frames, o: Style) -> Drawing:
    """Levels of productivity and of its parts, by region and by role."""
    data = marts["rpt_tfp_trajectories"].sort_values(
        ["dimension", "member", "year"], kind="stable"
    )
    data = data.reset_index(drop=True)
    figure = s.new_figure(height=4.8)
    panels = figure.subplots(2, 3, sharex=True, sharey=True)
    seen = set(data["member"])
    rows = (
        ("region", {r: said for r, said in region_names().items() if r in seen}),
        ("role", {r: LABELS.label("roles", r) for r in ("treated", "control")}),
    )
    policy = marts["fct_policy_exposures"]
    cohorts = sorted(set(policy["cohort"]) - {0})
    for line, (dimension, members) in zip(panels, rows, strict=True):
        for axes, (level, label) in zip(line, SAID.of("levels").items(), strict=True):
            s.zero_line(axes, 1.0)
            for cohort in cohorts:
                dashed = {"linewidth": 0.6, "linestyle": (0, (3, 2)), "zorder": 0}
                axes.axvline(cohort, color=s.LIGHT, **dashed)
            for place, member in enumerate(members):
                colour, marker, dashes = s.SERIES[place + 1]
                if dimension == "role":
                    colour = s.TREATED if member == "treated" else s.CONTROL
                part = data[data["dimension"] == dimension]
                part = part[part["member"] == member]
                axes.plot(
                    part["year"],
                    part[level],
                    color=colour,
                    marker=marker,
                    linestyle=dashes,
                    markersize=3,
                    label=o(members[member]),
                )
            if dimension == "region":
                axes.set_title(o(label))
        line[0].set_ylabel(o(SAID("first_year", year=data["year"].min())))
        line[0].legend(loc="lower left", handlelength=3)
    first = data["year"].min()
    for axes in panels[-1]:
        axes.set_xticks(range(int(first), int(data["year"].max()) + 1, 2))
    sample = gather(marts).sample
    cities = {"treated": sample.n_treated, "control": sample.n_control}
    named = [f"{o.label('roles', m)} {n}" for m, n in cities.items() if n]
    notes = (SAID("geometric_means", first=first), SAID("cities", named=named))
    return Drawing(figure, data, SAID("title_trajectories"), notes)


def frontier_data(marts: Frames) -> pd.DataFrame:
    """Inputs per output of every city in the first and the last year of the index.

    Columns: capital_output, capital per output at constant prices; labour_output,
    labour per output over its median in the first of the two years.
    """
    panel = marts["fct_city_years"]
    distances = marts["fct_tfp_changes"][
        ["city_id", "year", "distance_crs", "is_on_frontier"]
    ]
    frame = panel.merge(distances, on=["city_id", "year"], validate="one_to_one")
    years = sorted(frame["year"].unique())
    frame = frame[frame["year"].isin([years[0], years[-1]])].copy()
    output = frame["gdp_real_cny_10k"]
    frame["capital_output"] = frame["capital_real_cny_10k"] / output
    frame["labour_output"] = frame["labour"] / output
    base = frame.loc[frame["year"] == years[0], "labour_output"].median()
    frame["labour_output"] /= base
    names = marts["dim_cities"][["city_id", "city_en", "city_zh"]]
    frame = frame.merge(names, on="city_id", how="left")
    columns = [
        "city_id", "city_en", "city_zh", "year", "region", "cohort", "capital_output",
        "labour_output", "distance_crs", "is_on_frontier",
    ]  # fmt: skip
    return frame[columns].sort_values(["year", "city_id"]).reset_index(drop=True)


def isoquant(points: np.ndarray, *, top: float, right: float) -> np.ndarray:
    """The frontier through efficient points (n, 2), inputs per output, as a line.

    Straight between neighbours, upright over the first and level after the last, drawn
    densely, so that it is right on a logarithmic axis too.
    """
    order = points[np.argsort(points[:, 0])]
    corners = [(order[0, 0], top), *map(tuple, order), (right, order[-1, 1])]
    pieces = [np.linspace(a, b, 50) for a, b in pairwise(corners)]
    return np.concatenate(pieces)


def frontier(marts: Frames, o: Style) -> Drawing:
    """Inputs per output with the frontier, in the first and the last year."""
    data = frontier_data(marts)
    options = headline(marts)
    has_line = (
        options["returns_to_scale"] == "crs"
        and options["frontier"] == "dea"
        and options["frontier_reference"] == "contemporaneous"
    )
    years = sorted(data["year"].unique())
    figure = s.new_figure(height=3.9)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    top = data["labour_output"].max() * 1.5
    right = data["capital_output"].max() * 1.2
    for axes, year in zip(panels, years, strict=True):
        part = data[data["year"] == year]
        for role, colour, marker, face in s.ROLES:
            own = part[(part["cohort"] > 0) == (role == "treated")]
            s.points(
                axes, own["capital_output"], own["labour_output"], colour, marker,
                markerfacecolor=face, label=o.label("roles", role),
            )  # fmt: skip
        on = part[part["is_on_frontier"].fillna(False).astype(bool)]
        if has_line and len(on):
            efficient = on[["capital_output", "labour_output"]].to_numpy(float)
            line = isoquant(efficient, top=top, right=right)
            drawn = {"color": s.VERMILION, "linewidth": 1.3}
            axes.plot(*line.T, **drawn, label=o(SAID("frontier")))
        for _, city in on.iterrows():
            s.label_beside(
                axes,
                city[o.column("city")],
                (city["capital_output"], city["labour_output"]),
                (-4, -4),
                ha="right",
                va="top",
                fontsize=7.5,
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(data["capital_output"].min() * 0.4, right)
        axes.set_ylim(data["labour_output"].min() * 0.6, top)
        axes.set_title(str(year))
        axes.set_xlabel(o(SAID("capital_output")))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xticks([t for t in (1, 2, 5, 10, 20) if t < right])
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
    panels[0].set_ylabel(o(SAID("labour_output", first=years[0])))
    s.legend_below(figure, panels[1])
    index = gather(marts).index
    counts = index.on_frontier if index else {}
    on_text = [SAID("in_year", n=counts.get(int(y), 0), year=y) for y in years]
    labels = study_labels(marts)
    measure = labels.value("labour_measure", options["labour_measure"])
    notes = (
        SAID("labour_input", measure=measure, on_text=on_text),
        SAID("constant_returns" if has_line else "no_frontier"),
    )
    return Drawing(figure, data, SAID("title_frontier"), notes)


# The order of the series, and what the English figure calls them.
SHORT = {
    "gdp_cny_10k": "Output (GDP)",
    "gdp_growth_pct": "Growth of output",
    "secondary_cny_10k": "Secondary industry",
    "tertiary_cny_10k": "Tertiary industry",
    "fai_cny_10k": "Fixed-asset investment",
    "real_estate_cny_10k": "Real-estate investment",
    "population_persons_10k": "Population",
    "area_km2": "Area",
    "density_persons_per_km2": "Density as published",
    "university_students_persons": "University students",
    "vocational_students_persons": "Vocational students",
    "unit_employment_persons_10k": "Employed in units",
    "private_employment_persons": "Private, self-employed",
    "education_expenditure_cny_10k": "Education expenditure",
    "fiscal_expenditure_cny_10k": "Fiscal expenditure",
    "retail_sales_cny_10k": "Retail sales",
    "exports_cny_10k": "Exports",
    "imports_cny_10k": "Imports",
}
COVERAGE_COLOURS = {
    "reported": "#dbe5ee",
    "other_source": s.SKY,
    "corrected": s.PURPLE,
    "interpolated": s.YELLOW,
    "carried": s.ORANGE,
    "chained": s.GREEN,
    "assumed": s.BLUE,
    "missing": "#202020",
}


def coverage(marts: Frames, o: Style) -> Drawing:
    """Every cell of the raw panel by where its figure comes from."""
    from matplotlib.collections import LineCollection, PolyCollection

    frame = marts["fct_cell_origins"]
    cities = marts["dim_cities"].copy()
    order = {region: i for i, region in enumerate(region_names())}
    cities["order"] = cities["region"].map(order)
    cities = cities.sort_values(["order", "city_id"], kind="stable")
    labels = marts["dim_variables"].set_index("variable")["label_zh"]
    labels = labels if o.language == "zh" else SHORT
    known = set(frame["variable"])
    variables = [v for v in SHORT if v in known]
    variables += sorted(known - set(variables))
    years = np.sort(frame["year"].unique())
    origins = [k for k in COVERAGE_COLOURS if k in set(frame["origin"])]
    unknown = sorted(set(frame["origin"]) - set(origins))
    colours = [COVERAGE_COLOURS[k] for k in origins] + [s.VERMILION] * len(unknown)
    origins += unknown
    codes = frame["origin"].map({k: i for i, k in enumerate(origins)})
    wide = (
        frame.assign(code=codes)
        .pivot(index="city_id", columns=["variable", "year"], values="code")
        .reindex(cities["city_id"])
    )
    gap = 2
    width = len(variables) * (len(years) + gap) - gap
    grid = np.full((len(cities), width), np.nan)
    starts = [place * (len(years) + gap) for place in range(len(variables))]
    for start, variable in zip(starts, variables, strict=True):
        block = wide[variable].reindex(columns=years)
        grid[:, start : start + len(years)] = block.to_numpy(float)
    figure = s.new_figure(height=8.6)
    axes = figure.subplots()
    for code, colour in enumerate(colours):
        runs = _runs(grid == code)
        axes.add_collection(
            PolyCollection(runs, facecolors=colour, edgecolors="none", linewidths=0)
        )
    lines = [[(0, y), (width, y)] for y in range(1, len(cities))]
    axes.add_collection(LineCollection(lines, colors="white", linewidths=0.5))
    axes.set_xlim(0, width)
    axes.set_ylim(len(cities), 0)
    names = cities[o.column("city")]
    axes.set_yticks(np.arange(len(cities)) + 0.5, names, fontsize=s.SMALL)
    middles = [start + len(years) / 2 for start in starts]
    axes.set_xticks(
        middles,
        [_shortened(labels.get(v, v)) for v in variables],
        rotation=60,
        ha="left",
        rotation_mode="anchor",
        fontsize=6.5,
    )
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for start in starts:
        s.label_beside(
            axes,
            f"{years[0] % 100:02d}–{years[-1] % 100:02d}",
            (start + len(years) / 2, len(cities)),
            (0, -2),
            ha="center",
            va="top",
            fontsize=s.SMALL,
            annotation_clip=False,
        )
    bounds = cities.groupby("order", sort=True).size().cumsum()
    previous = 0
    for place, bound in bounds.items():
        if bound < len(cities):
            axes.axhline(bound, color="black", linewidth=0.5)
        axes.annotate(
            o(list(region_names().values())[int(place)]),
            (width + 1, (previous + bound) / 2),
            rotation=270,
            va="center",
            fontsize=7,
            annotation_clip=False,
        )
        previous = bound
    counts = frame["origin"].value_counts()
    handles = [
        _tile(
            0, 0, colour, edgecolor=s.GREY, linewidth=0.3,
            label=f"{o.label('origins', k)} ({counts[k]:,})",
        )
        for k, colour in zip(origins, colours, strict=True)
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=7.5)
    facts = gather(marts)
    ends = dict(zip(("from_year", "to_year"), facts.years, strict=True))
    drawn = {"n_cities": len(cities), "n_variables": len(variables)}
    drawn |= {"first": years[0], "last": years[-1]}
    notes = (SAID("cells", data=facts.data, **ends, **drawn), SAID("rules"))
    columns = ["city_id", "year", "variable", "origin", "rule", "source"]
    data = frame[columns].sort_values(["city_id", "year", "variable"])
    title = SAID("title_coverage")
    return Drawing(figure, data.reset_index(drop=True), title, notes)


def _runs(cells: np.ndarray) -> list[list[tuple[float, float]]]:
    """Corners of the rectangles that neighbouring true cells of a row make."""
    out: list[list[tuple[float, float]]] = []
    for y, row in enumerate(cells):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
        for x0, x1 in zip(edges[::2], edges[1::2], strict=True):
            out.append([(x0, y), (x1, y), (x1, y + 1), (x0, y + 1)])
    return out


def _shortened(label: str, most: int = 34) -> str:
    """A label short enough to stand over a narrow block."""
    if len(label) <= most:
        return label
    out: list[str] = []
    for word in label.split():
        if len(" ".join([*out, word])) > most:
            break
        out.append(word)
    return " ".join(out) + " …"


def tiles(marts: Frames, o: Style) -> Drawing:
    """Cities as tiles, a line a province, by region; shaded by growth."""
    import matplotlib
    from matplotlib.colors import Normalize

    cities = marts["dim_cities"]
    sample = marts["rpt_sample"].set_index("city_id")
    facts = gather(marts)
    growth = {city.city_id: city.growth for city in facts.cities}
    index = facts.index
    data = pd.DataFrame(
        {
            "city_id": cities["city_id"],
            "city": cities[o.column("city")],
            "province": cities[o.column("province")],
            "province_id": cities["province_id"],
            "region": cities["region"],
            "batch": cities["batch"].astype("Int64"),
            "is_treated": cities["city_id"].map(sample["role"]) == "treated",
            "mean_log_tfpch": cities["city_id"].map(growth),
        }
    ).sort_values(["region", "city_id"])
    data = data.reset_index(drop=True)
    known = data["mean_log_tfpch"].dropna()
    colours = matplotlib.colormaps["cividis"]
    norm = Normalize(known.min(), known.max())
    per_line, label_room = 3, 1.6
    column_width = label_room + per_line + 0.4
    columns = {name: said["column"] for name, said in declared().regions.items()}
    figure = s.new_figure(width=7.4, height=7.4)
    axes = figure.subplots()
    bottoms = dict.fromkeys(columns.values(), 0.0)
    for region in columns:
        part = data[data["region"] == region]
        if not len(part):
            continue
        column = columns[region]
        x0, y = column * column_width, bottoms[column]
        axes.text(
            x0,
            y + 0.45,
            f"{o(region_name(region))} ({len(part)})",
            fontweight="normal",
            fontsize=9.5,
            va="center",
        )
        y += 0.95
        for _, own in part.groupby("province_id", sort=True):
            axes.text(
                x0 + label_room - 0.12,
                y + 0.5,
                own["province"].iloc[0].replace(" ", "\n"),
                ha="right",
                va="center",
                fontsize=6.5,
                linespacing=0.9,
            )
            for place, (_, city) in enumerate(own.iterrows()):
                row, at = divmod(place, per_line)
                x, top = x0 + label_room + at, y + row
                _city_tile(axes, x, top, city, colours, norm)
            y += (len(own) - 1) // per_line + 1
        bottoms[column] = y + 0.35
    axes.set_xlim(-0.1, 3 * column_width - 0.3)
    axes.set_ylim(max(bottoms.values()), -0.1)
    axes.set_axis_off()
    bar = figure.colorbar(
        matplotlib.cm.ScalarMappable(norm, colours),
        ax=axes,
        orientation="horizontal",
        shrink=0.5,
        aspect=40,
        pad=0.01,
    )
    bar.outline.set_linewidth(0.4)
    bar.ax.tick_params(labelsize=7)
    if index:
        label = SAID("mean_growth", first=index.first, last=index.last)
        bar.set_label(o(label), fontsize=8)
    bar.ax.xaxis.set_major_formatter(lambda v, _: fixed(v, 2))
    outside = data.loc[data["mean_log_tfpch"].isna(), "city"].tolist()
    notes = [SAID("a_line_a_province", **spoken(marts))]
    if outside:
        notes.append(SAID("hatched", names=outside))
    return Drawing(figure, data, SAID("title_cities"), tuple(notes))


def _city_tile(axes, x: float, y: float, city: pd.Series, colours, norm) -> None:
    missing = pd.isna(city["mean_log_tfpch"])
    colour = "white" if missing else colours(norm(city["mean_log_tfpch"]))
    ink = "black" if missing or s.luminance(colour) > 0.45 else "white"
    hatch = "////" if missing else None
    how = {"edgecolor": s.GREY, "linewidth": 0.4, "hatch": hatch}
    axes.add_patch(_tile(x + 0.04, y + 0.04, colour, 0.92, **how))
    written = {"ha": "center", "fontsize": s.SMALL}
    axes.text(x + 0.5, y + 0.62, city["city"], va="center", color=ink, **written)
    if pd.notna(city["batch"]):
        x, y = x + 0.84, y + 0.2
        if city["is_treated"]:
            how = {"markerfacecolor": "white", "markeredgewidth": 0.7}
            axes.plot(x, y, marker="o", markersize=6.5, color="black", **how)
            ink = "black"
        batch = str(int(city["batch"]))
        axes.text(x, y, batch, va="center_baseline", color=ink, **written)
