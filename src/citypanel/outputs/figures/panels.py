"""Figures of the data: treatment timing, trajectories, frontier, coverage, tiles."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from citypanel.outputs import words as w
from citypanel.outputs.figures import style as s
from citypanel.outputs.figures.model import Drawing, Frames, Options, headline
from citypanel.outputs.tables.model import fixed
from citypanel.study.declaration import declared


def _city_names(marts: Frames, o: Options) -> pd.Series:
    column = "city_zh" if o.language == "zh" else "city_en"
    return marts["dim_cities"].set_index("city_id")[column]


def treatment_timing(marts: Frames, o: Options) -> Drawing:
    """Cities by year: who is exposed when."""
    exposures = marts["fct_policy_exposures"]
    sample = marts["rpt_sample"].set_index("city_id")
    names = _city_names(marts, o)
    data = exposures[
        ["city_id", "year", "cohort", "sydid", "later_batch", "later_approval_year"]
    ].copy()
    data.insert(1, "city", data["city_id"].map(names))
    data["region"] = data["city_id"].map(sample["region"])
    data["is_in_sample"] = data["city_id"].map(sample["is_in_sample"]).astype(bool)
    data = data.sort_values(["city_id", "year"]).reset_index(drop=True)
    cities = data.drop_duplicates("city_id").copy()
    cities["sort"] = cities["cohort"].where(cities["cohort"] > 0, 9999)
    places = {region: i for i, region in enumerate(w.REGIONS)}
    cities["region_order"] = cities["region"].map(places)
    cities = cities.sort_values(["sort", "region_order", "city_id"], kind="stable")
    treated = cities[cities["cohort"] > 0]
    control = cities[cities["cohort"] == 0]
    cohorts = sorted(treated["cohort"].unique())
    shades = dict(
        zip(cohorts, (s.BLACK, s.BLUE, s.ORANGE, s.GREEN, s.PURPLE), strict=False)
    )
    years = np.sort(data["year"].unique())
    figure = s.new_figure(height=6.6)
    panels = figure.subplots(1, 2)
    paths = data.set_index(["city_id", "year"])["sydid"]
    n_rows = max(len(treated), len(control))
    for axes, part, title in (
        (panels[0], treated, o("Treated", "处理组")),
        (panels[1], control, o("Control", "对照组")),
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
                axes.annotate(
                    o(
                        f"batch {int(city['later_batch'])}, "
                        f"{int(city['later_approval_year'])}",
                        f"第 {int(city['later_batch'])} 批，"
                        f"{int(city['later_approval_year'])}",
                    ),
                    (years[-1] + 0.65, row),
                    va="center",
                    fontsize=5.5,
                    annotation_clip=False,
                )
        axes.set_xlim(years[0] - 0.5, years[-1] + 0.5)
        axes.set_ylim(n_rows - 0.5, -0.5)
        axes.set_yticks(range(len(part)), part["city"], fontsize=6)
        axes.set_xticks(years[::2], [str(y) for y in years[::2]])
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set_title(f"{title} ({len(part)})")
    handles = [
        _tile(0, 0, shades[c], label=o(f"exposed from {c}", f"{c} 年起受处理"))
        for c in cohorts
    ] + [_tile(0, 0, "#ececec", label=o("not exposed", "未受处理"))]
    if not cities["is_in_sample"].all():
        handles.append(
            _tile(
                0, 0, "white", hatch="////", label=o("not in the sample", "不在样本中")
            )
        )
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    options = headline(marts)
    counts = o(", ", "、").join(
        o(
            f"{int((treated['cohort'] == c).sum())} from {c}",
            f"{c} 年起 {int((treated['cohort'] == c).sum())} 个",
        )
        for c in cohorts
    )
    notes = (
        o(
            f"{len(treated)} treated cities ({counts}); batches "
            f"{options['treated_batches']} count as treated, exposure from "
            f"{options['exposure_from']}.",
            f"处理组 {len(treated)} 个城市（{counts}）；批次 "
            f"{options['treated_batches']} "
            f"计为处理，暴露起点 {options['exposure_from']}。",
        ),
        o(
            "Beside a control city: its batch and year of approval, outside the "
            "treated batches or the years of the study.",
            "对照城市右侧：其后续批次与批复年份，不在处理批次或研究期内。",
        ),
    )
    title = o("Treatment timing by city", "各城市受处理时间")
    return Drawing(figure, data, title, notes)


def _tile(x: float, y: float, colour, **options):
    from matplotlib.patches import Rectangle

    options.setdefault("edgecolor", s.GREY if options.get("hatch") else "white")
    options.setdefault("linewidth", 0.5)
    return Rectangle((x, y), 1, 1, facecolor=colour, **options)


LEVELS = {
    "tfp_level_idx": ("Total factor productivity", "全要素生产率"),
    "effch_level_idx": ("Technical efficiency", "技术效率"),
    "techch_level_idx": ("Technology", "技术水平"),
}


def trajectories(marts: Frames, o: Options) -> Drawing:
    """Levels of productivity and of its parts, by region and by role."""
    data = marts["rpt_tfp_trajectories"].sort_values(
        ["dimension", "member", "year"], kind="stable"
    )
    data = data.reset_index(drop=True)
    figure = s.new_figure(height=4.8)
    panels = figure.subplots(2, 3, sharex=True, sharey=True)
    rows = (
        ("region", [r for r in w.REGIONS if r in set(data["member"])], w.REGIONS),
        ("role", ["treated", "control"], w.ROLES),
    )
    policy = marts["fct_policy_exposures"]
    cohorts = sorted(set(policy["cohort"]) - {0})
    for line, (dimension, members, names) in zip(panels, rows, strict=True):
        for axes, (level, label) in zip(line, LEVELS.items(), strict=True):
            s.zero_line(axes, 1.0)
            for cohort in cohorts:
                axes.axvline(
                    cohort,
                    color=s.LIGHT,
                    linewidth=0.6,
                    linestyle=(0, (3, 2)),
                    zorder=0,
                )
            for place, member in enumerate(members):
                colour, marker, dashes = s.SERIES[
                    place + (1 if dimension == "role" else 0)
                ]
                part = data[
                    (data["dimension"] == dimension) & (data["member"] == member)
                ]
                axes.plot(
                    part["year"],
                    part[level],
                    color=colour,
                    marker=marker,
                    linestyle=dashes,
                    markersize=3,
                    label=w.name_of(names, member, o.language),
                )
            if dimension == "region":
                axes.set_title(w.pick(label, o.language))
        line[0].set_ylabel(
            o(f"{data['year'].min()} = 1", f"{data['year'].min()} 年 = 1")
        )
        line[0].legend(loc="lower left", handlelength=3)
    first = data["year"].min()
    for axes in panels[-1]:
        axes.set_xticks(range(int(first), int(data["year"].max()) + 1, 2))
    cities = data[data["dimension"] == "role"].groupby("member")["n_cities"].max()
    named = o(", ", "、").join(
        f"{w.name_of(w.ROLES, m, o.language)} {int(n)}" for m, n in cities.items()
    )
    notes = (
        o(
            "Geometric means over cities, unweighted, chained from "
            f"{first}; the first panel is the product of the other two.",
            f"各城市几何平均（不加权），自 {first} 年起链接；第一列为后两列之积。",
        ),
        o(
            f"Cities: {named}. Dashed: first years of exposure.",
            f"城市数：{named}。虚线：各批次首个处理年份。",
        ),
    )
    title = o(
        "Productivity by region and by group, and its decomposition",
        "分区域、分组的生产率及其分解",
    )
    return Drawing(figure, data, title, notes)


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
    names = marts["dim_cities"].set_index("city_id")
    frame["city_en"] = frame["city_id"].map(names["city_en"])
    frame["city_zh"] = frame["city_id"].map(names["city_zh"])
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


def frontier(marts: Frames, o: Options) -> Drawing:
    """Inputs per output with the frontier, in the first and the last year."""
    data = frontier_data(marts)
    options = headline(marts)
    drawn = (
        options["returns_to_scale"] == "crs"
        and options["frontier"] == "dea"
        and options["frontier_reference"] == "contemporaneous"
    )
    years = sorted(data["year"].unique())
    figure = s.new_figure(height=3.9)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    name = "city_zh" if o.language == "zh" else "city_en"
    top = data["labour_output"].max() * 1.5
    right = data["capital_output"].max() * 1.2
    counts = []
    for axes, year in zip(panels, years, strict=True):
        part = data[data["year"] == year]
        for is_treated, marker, face, colour, label in (
            (True, "o", s.BLUE, s.BLUE, w.ROLES["treated"]),
            (False, "^", "white", s.GREY, w.ROLES["control"]),
        ):
            own = part[(part["cohort"] > 0) == is_treated]
            axes.plot(
                own["capital_output"],
                own["labour_output"],
                linestyle="none",
                marker=marker,
                color=colour,
                markerfacecolor=face,
                label=w.pick(label, o.language),
            )
        on = part[part["is_on_frontier"].fillna(False).astype(bool)]
        counts.append((year, len(on)))
        if drawn and len(on):
            line = isoquant(
                on[["capital_output", "labour_output"]].to_numpy(float),
                top=top,
                right=right,
            )
            axes.plot(
                line[:, 0],
                line[:, 1],
                color=s.VERMILION,
                linewidth=1.3,
                label=o("frontier", "前沿"),
            )
        for _, city in on.iterrows():
            axes.annotate(
                city[name],
                (city["capital_output"], city["labour_output"]),
                xytext=(-4, -4),
                textcoords="offset points",
                ha="right",
                va="top",
                fontsize=7.5,
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(data["capital_output"].min() * 0.4, right)
        axes.set_ylim(data["labour_output"].min() * 0.6, top)
        axes.set_title(str(year))
        axes.set_xlabel(o("Capital per output (log)", "资本—产出比（对数轴）"))
        from matplotlib.ticker import FuncFormatter

        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axes.set_xticks([t for t in (1, 2, 5, 10, 20) if t < right])
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axes.xaxis.set_minor_formatter(FuncFormatter(lambda v, _: ""))
    panels[0].set_ylabel(
        o(
            f"Labour per output (median of {years[0]} = 1, log)",
            f"劳动—产出比（{years[0]} 年中位数 = 1，对数轴）",
        )
    )
    figure.legend(
        *panels[1].get_legend_handles_labels(), loc="outside lower center", ncols=3
    )
    on_text = o(", ", "、").join(
        o(f"{n} in {year}", f"{year} 年 {n} 个") for year, n in counts
    )
    measure = options["labour_measure"]
    notes = [
        o(
            f"Labour input: labour_measure = {measure}. Cities on the frontier, named: "
            f"{on_text}.",
            f"劳动投入：labour_measure = {measure}。位于前沿并标注的城市：{on_text}。",
        )
    ]
    if drawn:
        notes.append(
            o(
                "Constant returns: nearer the origin is more productive; a city's "
                "efficiency is the distance of the frontier from the origin over its "
                "own, along its ray. Level parts of the frontier give labour no price.",
                "规模报酬不变：越近原点生产率越高；城市的效率为沿其射线前沿到原点的距离与其"
                "自身距离之比。前沿水平部分表示劳动没有价格。",
            )
        )
    else:
        notes.append(
            o(
                "No frontier is drawn: under these options it is not a line in this "
                "plane.",
                "未画前沿：在所选设定下它不是该平面上的一条线。",
            )
        )
    title = o("Inputs per unit of output and the frontier", "单位产出的投入与前沿")
    return Drawing(figure, data, title, tuple(notes))


COVERAGE_ORDER = (
    "gdp_cny_10k", "gdp_growth_pct", "secondary_cny_10k", "tertiary_cny_10k",
    "fai_cny_10k", "real_estate_cny_10k", "population_persons_10k", "area_km2",
    "density_persons_per_km2", "university_students_persons",
    "vocational_students_persons", "unit_employment_persons_10k",
    "private_employment_persons", "education_expenditure_cny_10k",
    "fiscal_expenditure_cny_10k", "retail_sales_cny_10k", "exports_cny_10k",
    "imports_cny_10k",
)  # fmt: skip
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


def coverage(marts: Frames, o: Options) -> Drawing:
    """Every cell of the raw panel by where its figure comes from."""
    from matplotlib.collections import LineCollection, PolyCollection

    frame = marts["fct_cell_origins"]
    cities = marts["dim_cities"].copy()
    cities["order"] = cities["region"].map({r: i for i, r in enumerate(w.REGIONS)})
    cities = cities.sort_values(["order", "city_id"], kind="stable")
    labels = marts["dim_variables"].set_index("variable")[
        "label_zh" if o.language == "zh" else "label_en"
    ]
    known = set(frame["variable"])
    variables = [v for v in COVERAGE_ORDER if v in known]
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
    names = cities["city_zh" if o.language == "zh" else "city_en"]
    axes.set_yticks(np.arange(len(cities)) + 0.5, names, fontsize=5)
    middles = [start + len(years) / 2 for start in starts]
    axes.set_xticks(
        middles,
        [
            _shortened(labels.get(v, v) if o.language == "zh" else SHORT.get(v, v))
            for v in variables
        ],
        rotation=60,
        ha="left",
        rotation_mode="anchor",
        fontsize=6.5,
    )
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for start in starts:
        for at, year in (
            (start + 0.5, years[0]),
            (start + len(years) - 0.5, years[-1]),
        ):
            axes.annotate(
                f"{year % 100:02d}",
                (at, len(cities)),
                xytext=(0, -2),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=4.5,
                annotation_clip=False,
            )
    bounds = cities.groupby("order", sort=True).size().cumsum()
    previous = 0
    for place, bound in bounds.items():
        if bound < len(cities):
            axes.axhline(bound, color="black", linewidth=0.5)
        axes.annotate(
            w.name_of(w.REGIONS, list(w.REGIONS)[int(place)], o.language),
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
            label=f"{w.name_of(w.ORIGINS, k, o.language)} ({counts[k]:,})",
        )
        for k, colour in zip(origins, colours, strict=True)
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=7.5)
    share = counts.get("reported", 0) / len(frame)
    notes = (
        o(
            f"{len(frame):,} cells: {len(cities)} cities, {len(variables)} variables, "
            f"{years[0]} to {years[-1]} in each block; {100 * share:.0f} per cent as "
            "the "
            "yearbook reports them.",
            f"共 {len(frame):,} 个单元：{len(cities)} 个城市、{len(variables)} 个变量，"
            "每块"
            f"为 {years[0]} 至 {years[-1]} 年；{100 * share:.0f}% 为年鉴公布值。",
        ),
        o(
            "Interpolated, carried, chained and assumed values are rules of this "
            "warehouse, not published figures.",
            "内插、沿用、链接与推算值出自本仓库的规则，并非公布数据。",
        ),
    )
    columns = ["city_id", "year", "variable", "origin", "rule", "source"]
    data = frame[columns].sort_values(["city_id", "year", "variable"])
    title = o("Coverage of the data", "数据覆盖情况")
    return Drawing(figure, data.reset_index(drop=True), title, notes)


def _runs(cells: np.ndarray) -> list[list[tuple[float, float]]]:
    """Corners of the rectangles that neighbouring true cells of a row make."""
    out = []
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


def tiles(marts: Frames, o: Options) -> Drawing:
    """Cities as tiles, a line a province, by region; shaded by growth."""
    import matplotlib
    from matplotlib.colors import Normalize

    cities = marts["dim_cities"]
    sample = marts["rpt_sample"].set_index("city_id")
    changes = marts["fct_tfp_changes"]
    growth = changes.groupby("city_id")["log_tfpch"].mean()
    zh = o.language == "zh"
    data = pd.DataFrame(
        {
            "city_id": cities["city_id"],
            "city": cities["city_zh" if zh else "city_en"],
            "province": cities["province_zh" if zh else "province_en"],
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
    per_line, label_room = 4, 1.7
    column_width = label_room + per_line + 0.6
    columns = {name: said["column"] for name, said in declared().regions.items()}
    figure = s.new_figure(width=7.4, height=6.2)
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
            f"{w.name_of(w.REGIONS, region, o.language)} ({len(part)})",
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
    axes.set_xlim(-0.1, 3 * column_width - 0.4)
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
    years = changes["year"]
    bar.set_label(
        o(
            f"Mean log growth of TFP a year, {years.min()}–{years.max()}",
            f"全要素生产率年均对数增长，{years.min()}–{years.max()} 年",
        ),
        fontsize=8,
    )
    bar.ax.xaxis.set_major_formatter(lambda v, _: fixed(v, 2))
    outside = data.loc[data["mean_log_tfpch"].isna(), "city"].tolist()
    notes = [
        o(
            "A line a province, its cities by code; where they stand says nothing of "
            "distance. Digit: batch of the pilot zone. In a ring: treated.",
            "每行一个省份，城市按代码排列，位置不代表距离。数字：综试区批次。带圈者为处理组。",
        )
    ]
    if outside:
        notes.append(
            o(
                f"Hatched: no index ({', '.join(outside)}).",
                f"斜线：无指数（{'、'.join(outside)}）。",
            )
        )
    title = o("Cities by region and province", "分区域、省份的城市")
    return Drawing(figure, data, title, tuple(notes))


def _city_tile(axes, x: float, y: float, city: pd.Series, colours, norm) -> None:
    from matplotlib.patches import Rectangle

    missing = pd.isna(city["mean_log_tfpch"])
    colour = "white" if missing else colours(norm(city["mean_log_tfpch"]))
    ink = "black" if missing or s.luminance(colour) > 0.45 else "white"
    axes.add_patch(
        Rectangle(
            (x + 0.04, y + 0.04),
            0.92,
            0.92,
            facecolor=colour,
            edgecolor=s.GREY,
            linewidth=0.4,
            hatch="////" if missing else None,
        )
    )
    axes.text(
        x + 0.5,
        y + 0.62,
        city["city"],
        ha="center",
        va="center",
        color=ink,
        fontsize=5.4
        if len(city["city"]) < 9
        else 4.8
        if len(city["city"]) < 11
        else 4.2,
    )
    if pd.notna(city["batch"]):
        x, y = x + 0.84, y + 0.2
        if city["is_treated"]:
            axes.plot(
                x,
                y,
                marker="o",
                markersize=6.5,
                color="black",
                markerfacecolor="white",
                markeredgewidth=0.7,
            )
        axes.text(
            x,
            y,
            str(int(city["batch"])),
            ha="center",
            va="center_baseline",
            color="black" if city["is_treated"] else ink,
            fontsize=5,
        )
