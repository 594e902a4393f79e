"""Figures of the estimates: event study, decomposition, permutations, sensitivity."""

from __future__ import annotations

import numpy as np
import pandas as pd

from citypanel.outputs import words as w
from citypanel.outputs.figures import style as s
from citypanel.outputs.figures.model import Drawing, Frames, Options, headline, required
from citypanel.outputs.tables.model import fixed, is_missing

EVENT_COLUMNS = [
    "estimator", "outcome", "event_time", "estimate", "std_error", "conf_low",
    "conf_high", "band_low", "band_high", "n_treated_cities", "n_obs", "n_cities",
    "leads_p_value", "note",
]  # fmt: skip
REFERENCE = "reference period"


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
        parts += [
            others[others["estimator"] == name]
            for name in w.ESTIMATORS
            if name in set(others["estimator"])
        ]
    data = pd.concat(parts)[EVENT_COLUMNS]
    order = {name: place for place, name in enumerate(w.ESTIMATORS)}
    return data.sort_values(
        ["estimator", "event_time"],
        key=lambda c: c.map(order) if c.name == "estimator" else c,
        kind="stable",
    ).reset_index(drop=True)


def event_study(marts: Frames, o: Options) -> Drawing:
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
            label=o("95% uniform band", "95% 同时置信带"),
            zorder=1,
        )
    names = [n for n in w.ESTIMATORS if n in set(data["estimator"])]
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
            label=None
            if o.overlay
            else o("95% pointwise interval", "95% 逐点置信区间"),
            zorder=2,
        )
        label = w.name_of(w.SHORT_ESTIMATORS, name, o.language)
        axes.plot(
            x[interval],
            part["estimate"][interval],
            linestyle="none",
            marker=marker,
            color=colour,
            markersize=3.6 if o.overlay else 5,
            label=label,
            zorder=3,
        )
        axes.plot(
            x[~interval],
            part["estimate"][~interval],
            linestyle="none",
            marker=marker,
            markerfacecolor="white",
            markeredgecolor=colour,
            markersize=3.6 if o.overlay else 5,
            zorder=3,
        )
    ticks = sorted(data["event_time"].unique())
    counts = main.set_index("event_time")["n_treated_cities"]
    labels = [
        f"{fixed(t, 0)}" + (f"\n({counts[t]})" if t in counts.index else "")
        for t in ticks
    ]
    axes.set_xticks(ticks, labels)
    axes.set_xlabel(
        o(
            "Years since the first year of exposure (treated cities in parentheses)",
            "相对政策年份（括号内为处理组城市数）",
        )
    )
    label = w.name_of(w.OUTCOMES, headline(marts)["outcome"], o.language)
    axes.set_ylabel(o(f"Effect on {label}", f"对{label}的效应"))
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside lower center", ncols=3
    )
    if len(reference):
        axes.annotate(
            o("reference", "基期"),
            (float(reference.iloc[0]), 0),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=7.5,
        )
    first = main.iloc[0]
    notes = [
        o(
            f"Reference period: event time {fixed(reference.iloc[0], 0)}."
            if len(reference)
            else "",
            f"基期：相对年份 {fixed(reference.iloc[0], 0)}。" if len(reference) else "",
        ),
        o(
            "Two-way fixed effects, standard errors clustered by city; "
            f"{first['n_obs']:,} observations of {first['n_cities']} cities.",
            f"双向固定效应，标准误按城市聚类；{first['n_cities']} 个城市的 "
            f"{first['n_obs']:,} 个观测。",
        ),
    ]
    if not is_missing(first["leads_p_value"]):
        notes.append(
            o(
                f"Joint test of the leads: p = {fixed(first['leads_p_value'])}.",
                f"政策前各期系数的联合检验：p = {fixed(first['leads_p_value'])}。",
            )
        )
    if has_band:
        notes.append(
            o(
                "The uniform band covers all coefficients at once with probability 0.95"
                + (
                    " (columns band_low and band_high of the data)."
                    if o.overlay
                    else "."
                ),
                "同时置信带以 0.95 的概率同时覆盖全部系数"
                + ("（见数据的 band_low 与 band_high 列）。" if o.overlay else "。"),
            )
        )
    else:
        notes.append(
            o(
                "No uniform band: marts.rpt_att has none for this outcome, or is not "
                "in the file.",
                "无同时置信带：marts.rpt_att 无该变量的结果，或文件中没有该表。",
            )
        )
    alone = main[main["std_error"].isna() & (main["note"] != REFERENCE)]
    if len(alone):
        times = ", ".join(fixed(t, 0) for t in alone["event_time"])
        notes.append(
            o(
                f"Hollow: event time {times} rests on one city and has no interval.",
                f"空心：相对年份 {times} 仅有一个城市，无置信区间。",
            )
        )
    if o.overlay:
        notes.append(
            o(
                "Estimators without leads start at 0; they do not share one reference "
                "period.",
                "无前期系数的估计量自 0 期起；各估计量基期不尽相同。",
            )
        )
    title = o("Event study of the pilot zones", "综合试验区的事件研究")
    return Drawing(figure, data, title, tuple(n for n in notes if n))


TYPES = {
    "Treated vs Untreated": ("Treated against never treated", "处理组对从未处理组"),
    "Earlier vs Later Treated": (
        "Earlier against later treated",
        "较早处理组对较晚处理组",
    ),
    "Later vs Earlier Treated": (
        "Later against earlier treated",
        "较晚处理组对较早处理组",
    ),
}


def bacon(marts: Frames, o: Options) -> Drawing:
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
    axes.annotate(
        o("two-way estimate ", "双向固定效应估计 ") + fixed(total),
        (0.45, total),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=8,
    )
    colours = (s.BLUE, s.ORANGE, s.VERMILION)
    markers = ("o", "s", "^")
    for (kind, label), colour, marker in zip(
        TYPES.items(), colours, markers, strict=True
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
            label=f"{w.pick(label, o.language)} ({weight:.2f})",
        )
    for _, row in data[data["weight"] >= 0.02].iterrows():
        other = (
            o("never", "从未")
            if row["control_cohort"] == 0
            else str(row["control_cohort"])
        )
        axes.annotate(
            o(f"{row['cohort']} vs {other}", f"{row['cohort']} 对 {other}"),
            (row["weight"], row["estimate"]),
            xytext=(5, 4),
            textcoords="offset points",
            fontsize=7.5,
        )
    axes.set_xlabel(o("Weight in the two-way estimate", "在双向固定效应估计中的权重"))
    axes.set_ylabel(o("Estimate of the comparison", "该比较的估计值"))
    axes.set_xlim(left=-0.01, right=data["weight"].max() * 1.18)
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside lower center", ncols=3
    )
    backward = data.loc[data["type"] == "Later vs Earlier Treated", "weight"].sum()
    notes = (
        o(
            "Each point is one comparison of two cohorts (Goodman-Bacon 2021); the "
            "weights, summed by kind in parentheses, add up to one and the weighted "
            f"estimates to the two-way estimate, {fixed(total)}.",
            "每点为两个批次间的一项比较（Goodman-Bacon 2021）；权重之和为 1（括号内为各"
            "类"
            f"合计），加权之和即双向固定效应估计 {fixed(total)}。",
        ),
        o(
            "Cities already treated serve as controls with weight "
            f"{fixed(backward, 2)}.",
            f"以已处理城市为对照的权重为 {fixed(backward, 2)}。",
        ),
        o(
            f"Outcome: {w.name_of(w.OUTCOMES, outcome, 'en')}.",
            f"被解释变量：{w.name_of(w.OUTCOMES, outcome, 'zh')}。",
        ),
        o("Labelled: weights from 0.02.", "标注权重不低于 0.02 者。"),
    )
    title = o("Comparisons behind the two-way estimate", "双向固定效应估计的分解")
    return Drawing(figure, data, title, notes)


def randomisation(marts: Frames, o: Options) -> Drawing:
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
        p = as_large.mean()
        extreme = draws[draws.abs() >= abs(own) * (1 - 1e-10)]
        axes.hist(draws, edges, color=s.LIGHT, edgecolor="white", linewidth=0.3)
        axes.hist(extreme, edges, color=s.ORANGE, edgecolor="white", linewidth=0.3)
        axes.axvline(own, color=s.BLACK, linewidth=1.4)
        axes.axvline(-own, color=s.BLACK, linewidth=0.9, linestyle="--")
        label = {
            "(1)": o("(1) without controls", "(1) 无控制变量"),
            "(2)": o("(2) with controls", "(2) 含控制变量"),
        }.get(column, column)
        axes.set_title(f"{label}: t = {fixed(own, 2)}, p = {fixed(p)}")
        axes.set_xlabel(o("t statistic under permutation", "置换下的 t 统计量"))
        notes.append(
            o(
                f"Column {column}: {int(as_large.sum()) - 1} of {len(draws):,} "
                f"permutations are as extreme, p = {fixed(p)}.",
                f"第 {column} 列：{len(draws):,} 次置换中有 {int(as_large.sum()) - 1} "
                "次"
                f"不小于样本值，p = {fixed(p)}。",
            )
        )
    panels[0].set_ylabel(o("Permutations", "置换次数"))
    return Drawing(
        figure,
        data.reset_index(drop=True),
        o("Randomisation distribution of the t statistic", "t 统计量的随机化分布"),
        (
            o(
                "Treatment paths dealt anew among the cities, Table 3. Solid: the "
                "sample; dashed: its mirror image; dark bars: draws at least as large "
                "in absolute value.",
                "在城市间重新分配处理路径，表 3。实线：样本；虚线：其镜像；深色：绝对值"
                "不"
                "小于样本的置换。",
            ),
            *notes,
        ),
    )


KINDS = ("relative_magnitude", "smoothness")


def sensitivity(marts: Frames, o: Options) -> Drawing:
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
    kinds = {
        "relative_magnitude": (
            o("Relative magnitudes", "相对幅度"),
            o(
                r"Largest violation, multiples of the largest before ($\bar{M}$)",
                "最大违背（政策前最大违背的倍数）",
            ),
        ),
        "smoothness": (
            o("Smoothness", "平滑性"),
            o("Largest change of slope a year (M)", "每年斜率的最大变化（M）"),
        ),
    }
    figure = s.new_figure(height=3.2)
    panels = figure.subplots(1, 2, sharey=True)
    estimators = [e for e in w.ESTIMATORS if e in set(data["estimator"])]
    for axes, (kind, (name, label)) in zip(panels, kinds.items(), strict=True):
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
                axes.plot(
                    x,
                    rows["estimate"],
                    linestyle="none",
                    marker=marker,
                    color=colour,
                    label=w.name_of(w.SHORT_ESTIMATORS, estimator, o.language)
                    if rows is own
                    else None,
                )
        axes.axvline(start + step / 2, color=s.LIGHT, linewidth=0.6)
        decimals = 1 if kind == "relative_magnitude" else 3
        axes.set_xticks(
            [start, *exact],
            [
                o("parallel\ntrends", "平行\n趋势"),
                *(fixed(v, decimals) for v in exact),
            ],
        )
        axes.set_title(name)
        axes.set_xlabel(label)
    panels[0].set_ylabel(o("Effect in the first year", "首年效应"))
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2
    )
    every = data[data["aggregation"].isin(kinds)]
    without_zero = every[(every["conf_low"] > 0) | (every["conf_high"] < 0)]
    notes = (
        o(
            "95 per cent intervals of the effect in the first year of exposure when "
            "trends may differ after the policy by as much as the bound (Rambachan and "
            "Roth 2023).",
            "政策后趋势差异不超过界限时，首年效应的 95% 置信区间（Rambachan 和 Roth "
            "2023）。",
        ),
        o(
            f"{len(without_zero)} of the {len(every)} intervals leave zero out.",
            f"{len(every)} 个区间中有 {len(without_zero)} 个不含零。",
        ),
    )
    title = o("Sensitivity to violated trends", "对平行趋势违背的敏感性")
    return Drawing(figure, data, title, notes)


def _grid(part: pd.DataFrame) -> np.ndarray:
    """Bounds of one estimator: those of the others stand on or close to them."""
    first = part[part["estimator"] == part["estimator"].iloc[-1]]
    return np.sort(first["bound"].unique())


def leave_one_out(marts: Frames, o: Options) -> Drawing:
    """The headline without each city in turn, and without each cohort."""
    frame = marts["rpt_sensitivity"]
    own = frame[(frame["check_name"] == "headline") & frame["estimate"].notna()]
    own = required(own, "rpt_sensitivity", "headline").iloc[0]
    cities = marts["dim_cities"].set_index("city_id")
    sample = marts["rpt_sample"].set_index("city_id")
    one = frame[frame["check_name"] == "leave_one_city_out"]
    one = required(
        one[one["estimate"].notna()], "rpt_sensitivity", "estimates without one city"
    ).sort_values(["estimate", "term"], kind="stable")
    name = "city_zh" if o.language == "zh" else "city_en"
    data = pd.DataFrame(
        {
            "left_out": one["term"].map(cities[name]).fillna(one["term"]).to_numpy(),
            "city_id": one["term"].to_numpy(),
            "role": one["term"].map(sample["role"]).to_numpy(),
            "estimate": one["estimate"].to_numpy(),
            "conf_low": one["conf_low"].to_numpy(),
            "conf_high": one["conf_high"].to_numpy(),
        }
    )
    cohorts = frame[frame["check_name"] == "leave_one_batch_out"]
    cohorts = cohorts.sort_values("term", kind="stable")
    batches = pd.DataFrame(
        {
            "left_out": [
                o(f"cohort {t.split()[-1]}", f"{t.split()[-1]} 年批次")
                for t in cohorts["term"]
            ],
            "city_id": None,
            "role": "cohort",
            "estimate": cohorts["estimate"].to_numpy(),
            "conf_low": cohorts["conf_low"].to_numpy(),
            "conf_high": cohorts["conf_high"].to_numpy(),
        }
    )
    figure = s.new_figure(height=4.4)
    left, right = figure.subplots(1, 2, width_ratios=[1.7, 1])
    for axes in (left, right):
        s.zero_line(axes, vertical=True)
        axes.axvline(own["estimate"], color=s.BLACK, linewidth=0.9, linestyle="--")
        axes.set_xlabel(o("Policy effect", "政策效应"))
    ranks = np.arange(len(data))
    for role, colour, marker, face in (
        ("treated", s.VERMILION, "o", s.VERMILION),
        ("control", s.BLUE, "^", "white"),
    ):
        at = (data["role"] == role).to_numpy()
        left.plot(
            data["estimate"][at],
            ranks[at],
            linestyle="none",
            marker=marker,
            markersize=4,
            color=colour,
            markerfacecolor=face,
            label=w.name_of(w.ROLES, role, o.language)
            + o(" city left out", "城市被剔除"),
        )
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
    left.set_title(o("One city left out", "剔除一个城市"))
    left.legend(loc="lower right")
    left.set_xlim(low - room, max(high + room, room / 2))
    all_rows = pd.concat(
        [
            batches,
            pd.DataFrame(
                {
                    "left_out": [o("none", "不剔除")],
                    "city_id": [None],
                    "role": ["headline"],
                    "estimate": [own["estimate"]],
                    "conf_low": [own["conf_low"]],
                    "conf_high": [own["conf_high"]],
                }
            ),
        ],
        ignore_index=True,
    )
    places = np.arange(len(all_rows))
    right.hlines(
        places,
        all_rows["conf_low"],
        all_rows["conf_high"],
        color=s.BLACK,
        linewidth=1.4,
    )
    right.plot(
        all_rows["estimate"], places, linestyle="none", marker="o", color=s.BLACK
    )
    right.set_yticks(places, all_rows["left_out"])
    right.set_ylim(-0.6, len(all_rows) - 0.4)
    right.set_title(o("One cohort left out", "剔除一个批次"))
    ends_en = ends_zh = ""
    if not is_missing(own["conf_low"]):
        ends_en = ", with its 95 per cent interval on the right"
        ends_zh = "，其 95% 置信区间见右图"
    changed = int((np.sign(data["estimate"]) != np.sign(own["estimate"])).sum())
    notes = (
        o(
            f"Dashed: the headline, {fixed(own['estimate'])}{ends_en}. Cities in the "
            "order of the estimate without them; the extremes are named.",
            f"虚线：基准结果 {fixed(own['estimate'])}{ends_zh}。城市按剔除后的"
            "估计值排序，标注两端。",
        ),
        o(
            f"Without one city the estimate lies between {fixed(low)} and "
            f"{fixed(high)}; "
            f"it changes sign for {changed} of {len(data)} cities.",
            f"剔除一个城市后估计值介于 {fixed(low)} 与 {fixed(high)} 之间；{len(data)} "
            "个"
            f"城市中有 {changed} 个使符号改变。",
        ),
    )
    everything = pd.concat([data, all_rows], ignore_index=True)
    title = o(
        "The headline without one city or one cohort", "剔除单个城市或批次的基准结果"
    )
    return Drawing(figure, everything, title, notes)
