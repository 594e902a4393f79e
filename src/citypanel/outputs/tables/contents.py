"""What each table says, from the frames of the marts.

Every function takes the marts by name and gives a `Table`; nothing is estimated here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from citypanel.outputs import words as w
from citypanel.outputs.sentences import sentence
from citypanel.outputs.tables.model import (
    NO_VALUE,
    Block,
    Cell,
    Column,
    Row,
    Table,
    count,
    estimate_rows,
    fixed,
    is_missing,
    number,
    p_value,
    percent,
    words,
)
from citypanel.study.declaration import declared

Frames = Mapping[str, pd.DataFrame]
TERMS = ("sydid", "eco", "ind", "inf", "edu", "sca", "tra", "con", "const")
# rpt_inference and rpt_sensitivity have this convention whatever standard_errors says.
ALWAYS = "xtreg"
OUTCOME_ORDER = ("tfpch", "log_tfpch", "cumulative_log_tfp")


@dataclass(frozen=True)
class Options:
    """How tables are written.

    Attributes
    ----------
    language : str
        en or zh.
    stars : bool
        Marks at the 10, 5 and 1 per cent level.
    intervals : bool
        95 per cent intervals in place of standard errors.
    """

    language: str = "en"
    stars: bool = False
    intervals: bool = False

    def __call__(self, en: str, zh: str) -> str:
        return zh if self.language == "zh" else en


@dataclass(frozen=True)
class Maker:
    """A table: its name, the marts it needs, and the function that makes it."""

    name: str
    needs: tuple[str, ...]
    make: Callable[[Frames, Options], Table]


# ------------------------------------------------------------------ shared sentences


def _headline(marts: Frames) -> pd.Series:
    options = marts["dim_study_variants"]
    return options.set_index("variant", drop=False).loc["headline"]


def _labels(marts: Frames, o: Options) -> dict[str, str]:
    column = "label_zh" if o.language == "zh" else "label_en"
    return marts["dim_variables"].set_index("variable")[column].to_dict()


def _sample(marts: Frames, o: Options) -> str:
    options = _headline(marts)
    sample = w.name_of(w.SAMPLES, options["study_sample"], o.language)
    cities = marts["rpt_sample"]
    inside = cities[cities["is_in_sample"]]
    treated = int((inside["cohort"] > 0).sum())
    batches = options["treated_batches"]
    return o(
        f"Sample ({options['study_sample']}): {sample}; {len(inside)} cities, "
        f"{treated} of them treated (batches {batches} of the pilot zones).",
        f"样本（{options['study_sample']}）：{sample}，共 {len(inside)} 个城市，"
        f"其中处理组 {treated} 个（综试区批次 {batches}）。",
    )


def _uncertainty(marts: Frames, o: Options, convention: str | None = None) -> str:
    name = convention or _headline(marts)["standard_errors"]
    convention = w.name_of(w.CONVENTIONS, name, o.language)
    if o.intervals:
        return o(
            "95 per cent confidence intervals in brackets, from t(cities − 1) and "
            f"standard errors clustered by city, {convention}.",
            "方括号内为 95% 置信区间，依据 t(城市数 − 1) 与按城市聚类的标准误，"
            f"{convention}。",
        )
    return o(
        f"Standard errors clustered by city in parentheses, {convention}.",
        f"圆括号内为按城市聚类的标准误，{convention}。",
    )


def _stars(o: Options) -> tuple[str, ...]:
    if not o.stars:
        return ()
    return (
        o(
            "* p < 0.1, ** p < 0.05, *** p < 0.01.",
            "* p < 0.1，** p < 0.05，*** p < 0.01。",
        ),
    )


def _outcome(marts: Frames, o: Options) -> str:
    outcome = _headline(marts)["outcome"]
    label = w.name_of(w.OUTCOMES, outcome, o.language)
    if outcome in ("tfpch", "effch", "techch"):
        return o(
            f"Outcome: {label}, an index in which 1 is no change; 0.01 is one "
            "percentage point a year.",
            f"被解释变量：{label}，1 表示不变，0.01 即每年一个百分点。",
        )
    return o(f"Outcome: {label}.", f"被解释变量：{label}。")


def _effects(o: Options) -> str:
    return o("City and year fixed effects throughout.", "各列均含城市与年份固定效应。")


def _assumed(o: Options) -> str:
    return o(
        "Assumed investment: share of the treated city-years whose capital rests on "
        "investment that was not published.",
        "推算投资：处理组城市—年份中资本存量依赖未公布投资的比重。",
    )


def _term(term: str, labels: dict[str, str], o: Options) -> str:
    if term == "const":
        return o("Constant", "常数项")
    label = labels.get(term, term)
    return o(f"{label} ({term})", f"{label}（{term}）")


def _variants(marts: Frames, o: Options) -> list[tuple[str, str]]:
    """Variants in their order, each with its label."""
    frame = marts["dim_study_variants"].sort_values("variant_order")
    return [(v, w.name_of(w.VARIANTS, v, o.language)) for v in frame["variant"]]


def _stacked(label: str, o: Options) -> str:
    """A heading over two columns, on two lines where it is long."""
    if o.language == "zh" or len(label) <= 18:
        return label
    words_ = label.split()
    cut = min(
        range(1, len(words_)),
        key=lambda i: abs(len(" ".join(words_[:i])) - len(label) / 2),
        default=0,
    )
    return " ".join(words_[:cut]) + "\n" + " ".join(words_[cut:]) if cut else label


def _about_variants(marts: Frames, o: Options) -> list[str]:
    """What the variants beside the headline change, and the years of each."""
    frame = marts["dim_study_variants"].sort_values("variant_order")
    headline = _headline(marts)
    out = []
    for _, row in frame.iterrows():
        if row["variant"] == "headline":
            continue
        label = w.name_of(w.VARIANTS, row["variant"], o.language)
        changed = row["variant"].replace("=", " = ")
        years = ""
        if row["last_year"] != headline["last_year"]:
            years = o(f", years to {row['last_year']}", f"，截至 {row['last_year']} 年")
        out.append(o(f"{label}: {changed}{years}.", f"{label}：{changed}{years}。"))
    return out


def _years(marts: Frames, o: Options) -> str:
    frame = marts["fct_tfp_changes"]
    years = frame.loc[frame["tfpch"].notna(), "year"]
    return o(
        f"Indices from {years.min()} to {years.max()}.",
        f"指数年份为 {years.min()} 至 {years.max()} 年。",
    )


def _explained(notes: pd.Series, labels: pd.Series, o: Options) -> list[str]:
    """Notes of the rows, the rows of the same note named together."""
    out: dict[str, list[str]] = {}
    for note, label in zip(notes, labels, strict=True):
        if not is_missing(note):
            out.setdefault(note, [])
            if label not in out[note]:
                out[note].append(label)
    return [
        o(
            f"{', '.join(names)}: {sentence(note, 'en')}.",
            f"{'、'.join(names)}：{sentence(note, 'zh')}。",
        )
        for note, names in out.items()
    ]


# ------------------------------------------------------------------------- table 2


def table_2(marts: Frames, o: Options) -> Table:
    """Descriptive statistics of the variables in the regressions."""
    frame = marts["rpt_descriptives"].sort_values("variable_order")
    label = "label_zh" if o.language == "zh" else "label_en"
    units = marts["dim_variables"].set_index("variable")["unit"]
    rows = [
        Row(
            o(f"{r[label]} ({r['variable']})", f"{r[label]}（{r['variable']}）"),
            (
                count(r["n_obs"]),
                number(r["mean"], absent=NO_VALUE),
                number(r["std_dev"], absent=NO_VALUE),
                number(r["minimum"], absent=NO_VALUE),
                number(r["maximum"], absent=NO_VALUE),
            ),
            r["variable"],
            ("value",),
        )
        for _, r in frame.iterrows()
    ]
    gaps = frame[frame["n_without_value"] > 0]
    notes = [_sample(marts, o)]
    notes.append(
        o("Units: ", "单位：")
        + o("; ", "；").join(
            f"{v}{o(', ', '，')}{sentence(units[v], o.language)}"
            for v in frame["variable"]
        )
        + o(".", "。")
    )
    if len(gaps):
        named = o(", ", "、").join(
            o(
                f"{r['variable']} in {r['n_without_value']}",
                f"{r['variable']} 缺 {r['n_without_value']} 个",
            )
            for _, r in gaps.iterrows()
        )
        notes.append(
            o(f"City-years without a value: {named}.", f"无数值的城市—年份：{named}。")
        )
    notes.append(
        o(
            "Std. dev.: standard deviation with N − 1. The paper's column is headed "
            "variance.",
            "标准差以 N − 1 计算；原文该列题为方差。",
        )
    )
    return Table(
        "table_2",
        "2",
        o("Descriptive statistics", "变量的描述性统计"),
        o("Variable", "变量"),
        (
            Column("n_obs", "N"),
            Column("mean", o("Mean", "均值")),
            Column("std_dev", o("Std. dev.", "标准差")),
            Column("minimum", o("Minimum", "最小值")),
            Column("maximum", o("Maximum", "最大值")),
        ),
        (Block(tuple(rows)),),
        tuple(notes),
        o.language,
        stub_width=0.44,
    )


# ------------------------------------------------------------------- tables 3, 4, 5


def _counts(rows: list[pd.Series | None], o: Options) -> list[Row]:
    """What stands under the coefficients of each column."""

    def line(label, column, make, **options):
        cells = tuple(
            Cell() if r is None else make(r[column], absent=NO_VALUE) for r in rows
        )
        return Row(label, cells, column, ("value",), **options)

    return [
        line(o("Observations", "观测数"), "n_obs", count, rule=True),
        line(o("Cities", "城市数"), "n_cities", count),
        line(o("Treated cities", "处理组城市数"), "n_treated_cities", count),
        line(o("R² within", "组内 R²"), "r2_within", number),
        line(o("Assumed investment (%)", "推算投资（%）"), "assumed_share", percent),
    ]


def _flags(label: str, key: str, yes: list[bool | None], o: Options) -> Row:
    cells = tuple(
        Cell()
        if flag is None
        else words(o("Yes" if flag else "No", "是" if flag else "否"))
        for flag in yes
    )
    return Row(label, cells, key)


def table_3(marts: Frames, o: Options) -> Table:
    """The benchmark regressions for the headline and its variants."""
    frame = marts["rpt_regressions"]
    frame = frame[frame["paper_table"] == "3"]
    labels = _labels(marts, o)
    places = [
        (variant, label, column)
        for variant, label in _variants(marts, o)
        for column in sorted(frame["paper_column"].unique())
    ]
    found = frame.set_index(["variant", "paper_column", "term"])

    def row_of(variant: str, column: str, term: str) -> pd.Series | None:
        key = (variant, column, term)
        return found.loc[key] if key in found.index else None

    rows: list[Row] = []
    for term in (t for t in TERMS if t in set(frame["term"])):
        series = [row_of(v, c, term) for v, _, c in places]
        pair = estimate_rows(
            _term(term, labels, o),
            series,
            key=term,
            stars=o.stars,
            intervals=o.intervals,
        )
        rows += [row for row in pair if any(cell.text for cell in row.cells)]
    policy = [row_of(v, c, "sydid") for v, _, c in places]
    rows += _counts(policy, o)
    columns = tuple(
        Column(
            f"{variant} {column}",
            f"({place})",
            _stacked(label, o),
        )
        for place, (variant, label, column) in enumerate(places, 1)
    )
    dropped = frame[frame["estimate"].isna() | frame["std_error"].isna()]
    after = frame[(frame["variant"] == "headline") & frame["estimate"].notna()]
    notes = [
        _outcome(marts, o),
        _effects(o),
        _uncertainty(marts, o),
        *_stars(o),
        _sample(marts, o),
        _years(marts, o),
        *_about_variants(marts, o),
        *_explained(after["note"], after["term"], o),
        *_explained(dropped["note"], dropped["term"], o),
        _assumed(o),
    ]
    return Table(
        "table_3",
        "3",
        o(
            "Effect of the pilot zones on total factor productivity",
            "综合试验区对全要素生产率的影响",
        ),
        "",
        columns,
        (Block(tuple(rows)),),
        tuple(notes),
        o.language,
        landscape=o.intervals,
        stub_width=0.26,
    )


def _policy_blocks(
    marts: Frames, o: Options, paper_table: str, order: list[str]
) -> tuple[Block, ...]:
    """A block a variant: the policy's coefficient in each column, and its counts."""
    frame = marts["rpt_regressions"]
    frame = frame[(frame["paper_table"] == paper_table) & (frame["term"] == "sydid")]
    found = frame.set_index(["variant", "paper_column"])
    label = _labels(marts, o).get("sydid", "sydid")
    blocks = []
    for place, (variant, name) in enumerate(_variants(marts, o)):
        series = [
            found.loc[(variant, c)] if (variant, c) in found.index else None
            for c in order
        ]
        pair = estimate_rows(
            o(f"{label} (sydid)", f"{label}（sydid）"),
            series,
            key="sydid",
            stars=o.stars,
            intervals=o.intervals,
        )
        counts = [
            Row(r.label, r.cells, r.key, r.statistics) for r in _counts(series, o)
        ]
        letter = chr(ord("A") + place)
        blocks.append(
            Block(
                (*pair, *counts),
                o(f"Panel {letter}. {name}", f"{letter} 组：{name}"),
            )
        )
    return tuple(blocks)


def _controls_note(marts: Frames, o: Options, paper_table: str) -> list[str]:
    frame = marts["rpt_regressions"]
    frame = frame[
        (frame["paper_table"] == paper_table) & (frame["variant"] == "headline")
    ]
    used = [
        t
        for t in TERMS
        if t not in ("sydid", "const")
        and frame.loc[frame["term"] == t, "estimate"].notna().any()
    ]
    rest = frame[frame["estimate"].isna() & ~frame["term"].isin(used)]
    labels = _labels(marts, o)
    named = o(", ", "、").join(
        o(f"{labels[t]} ({t})", f"{labels[t]}（{t}）") for t in used
    )
    return [
        o(f"Controls in every column: {named}.", f"各列均含控制变量：{named}。"),
        *_explained(rest["note"], rest["term"], o),
    ]


def _policy_notes(marts: Frames, o: Options, paper_table: str) -> tuple[str, ...]:
    frame = marts["rpt_regressions"]
    rows = frame[
        (frame["paper_table"] == paper_table)
        & (frame["term"] == "sydid")
        & (frame["estimate"].isna() | frame["std_error"].isna())
    ]
    names = rows.apply(
        lambda r: o(
            f"{w.name_of(w.VARIANTS, r['variant'], 'en')}, "
            f"{w.name_of(w.REGIONS, r['paper_column'], 'en')}",
            f"{w.name_of(w.VARIANTS, r['variant'], 'zh')}、"
            f"{w.name_of(w.REGIONS, r['paper_column'], 'zh')}",
        ),
        axis=1,
        result_type="reduce",
    )
    return (
        _outcome(marts, o),
        _effects(o),
        _uncertainty(marts, o),
        *_stars(o),
        _sample(marts, o),
        _years(marts, o),
        *_controls_note(marts, o, paper_table),
        *_about_variants(marts, o),
        *(_explained(rows["note"], names, o) if len(rows) else ()),
        _assumed(o),
    )


def table_4(marts: Frames, o: Options) -> Table:
    """The effect by region, each region a regression of its own."""
    present = set(marts["rpt_regressions"].query("paper_table == '4'")["paper_column"])
    order = [r for r in declared().regions if r in present]
    return Table(
        "table_4",
        "4",
        o("Heterogeneity by region", "区域异质性"),
        "",
        tuple(Column(r, w.name_of(w.REGIONS, r, o.language)) for r in order),
        _policy_blocks(marts, o, "4", order),
        (
            *_policy_notes(marts, o, "4"),
            o(
                "Each region is a regression of its own; with few cities in a region "
                "clustered standard errors are too small (see table A2).",
                "各区域单独回归；区域内城市较少时聚类标准误偏小（见表 A2）。",
            ),
        ),
        o.language,
        stub_width=0.26 if o.intervals else 0.0,
    )


def table_5(marts: Frames, o: Options) -> Table:
    """The paper's robustness checks."""
    labels = {
        "(1)": o("Outcome one\nyear ahead", "提前一期"),
        "(2)": o("Outcome two\nyears ahead", "提前两期"),
        "(3)": o("Without\nmunicipalities", "剔除直辖市"),
    }
    order = sorted(
        set(marts["rpt_regressions"].query("paper_table == '5'")["paper_column"])
    )
    return Table(
        "table_5",
        "5",
        o("Robustness", "稳健性检验"),
        "",
        tuple(Column(c, labels.get(c, c), c) for c in order),
        _policy_blocks(marts, o, "5", order),
        _policy_notes(marts, o, "5"),
        o.language,
        stub_width=0.26 if o.intervals else 0.0,
    )


# --------------------------------------------------------------- A1: the estimators


def table_a1(marts: Frames, o: Options) -> Table:
    """Nine estimators on the growth index, its logarithm and the level."""
    frame = marts["rpt_att"]
    frame = frame[(frame["sample"] == "all") & (frame["term"] == "overall")]
    frame = frame[frame["aggregation"].isin(["simple", "dynamic", "group", "calendar"])]
    found = frame.set_index(["estimator", "aggregation", "outcome"])
    outcomes = [c for c in OUTCOME_ORDER if c in set(frame["outcome"])]
    by = {
        "dynamic": o("by event time", "按相对年份汇总"),
        "group": o("by cohort", "按批次汇总"),
        "calendar": o("by year", "按年份汇总"),
    }
    rows: list[Row] = []
    for estimator in w.ESTIMATORS:
        for aggregation in ("simple", "dynamic", "group", "calendar"):
            keys = [(estimator, aggregation, c) for c in outcomes]
            if not any(key in found.index for key in keys):
                continue
            series = [found.loc[key] if key in found.index else None for key in keys]
            label = w.name_of(w.ESTIMATORS, estimator, o.language)
            if aggregation != "simple":
                short = w.name_of(w.SHORT_ESTIMATORS, estimator, o.language)
                label = o(f"{short}, {by[aggregation]}", f"{short}，{by[aggregation]}")
            top, below = estimate_rows(
                label,
                series,
                key=f"{estimator} {aggregation}",
                stars=o.stars,
                intervals=o.intervals,
            )
            empty = Cell("", "text", (None,) * len(below.statistics))
            tests = [
                Cell() if r is None else p_value(r["leads_p_value"], absent=NO_VALUE)
                for r in series
            ]
            rows.append(
                Row(
                    top.label,
                    tuple(
                        c for pair in zip(top.cells, tests, strict=True) for c in pair
                    ),
                    top.key,
                    top.statistics,
                )
            )
            rows.append(
                Row(
                    "",
                    tuple(c for cell in below.cells for c in (cell, empty)),
                    below.key,
                    below.statistics,
                    follows=True,
                )
            )
    columns = []
    for outcome in outcomes:
        group = _stacked(w.name_of(w.SHORT_OUTCOMES, outcome, o.language), o)
        columns += [
            Column(f"{outcome} effect", o("Effect", "效应"), group),
            Column(f"{outcome} leads_p_value", o("p, leads", "前期 p 值"), group),
        ]
    simple = frame[frame["aggregation"] == "simple"]
    two_way = simple[simple["estimator"] == "twfe"]
    differing = sorted(set(frame.loc[frame["sign_differs"].fillna(False), "estimator"]))
    kinds = o("; ", "；").join(
        w.name_of(w.SHORT_ESTIMATORS, e, o.language)
        + o(", ", "，")
        + sentence(s, o.language)
        for e, s in simple.drop_duplicates("estimator")
        .set_index("estimator")["standard_errors"]
        .reindex([e for e in w.ESTIMATORS if e in set(simple["estimator"])])
        .items()
    )
    stacked = simple[(simple["estimator"] == "stacked") & simple["n_obs"].notna()]
    notes = [
        o(
            "Average effect on the treated; no controls.",
            "处理组的平均处理效应，不含控制变量。",
        ),
        o(
            "95 per cent intervals in brackets"
            if o.intervals
            else "Standard errors in parentheses",
            "方括号内为 95% 置信区间" if o.intervals else "圆括号内为标准误",
        )
        + o(f", clustered by city: {kinds}.", f"，按城市聚类：{kinds}。"),
        *_stars(o),
    ]
    if len(two_way):
        first = two_way.iloc[0]
        notes.append(
            o(
                f"{first['n_obs']:,} observations of {first['n_cities']} cities, "
                f"{first['n_treated_cities']} treated"
                + (
                    f"; the stacked estimator uses {stacked.iloc[0]['n_obs']:,} rows."
                    if len(stacked)
                    else "."
                ),
                f"{first['n_cities']} 个城市（处理组 {first['n_treated_cities']} 个）的"
                " "
                f"{first['n_obs']:,} 个观测"
                + (
                    f"；堆叠估计使用 {stacked.iloc[0]['n_obs']:,} 行。"
                    if len(stacked)
                    else "。"
                ),
            )
        )
    notes += [
        _sample(marts, o),
        o(
            "p, leads: joint test that the coefficients before the policy are zero; a "
            "dash where the estimator has none.",
            "前期 p 值：政策前各期系数联合为零的检验；短横表示该估计量无此检验。",
        ),
    ]
    if differing:
        names = o(", ", "、").join(
            w.name_of(w.SHORT_ESTIMATORS, e, o.language)
            for e in w.ESTIMATORS
            if e in differing
        )
        notes.append(
            o(
                f"The sign is not the same on all outcomes under: {names}.",
                f"下列估计量在各被解释变量上符号不一：{names}。",
            )
        )
    return Table(
        "table_a1",
        "A1",
        o("The effect under nine estimators", "九种估计量下的处理效应")
        if simple["estimator"].nunique() == 9
        else o("The effect under other estimators", "其他估计量下的处理效应"),
        o("Estimator", "估计量"),
        tuple(columns),
        (Block(tuple(rows)),),
        tuple(notes),
        o.language,
        landscape=o.intervals,
        stub_width=0.33,
    )


# ---------------------------------------------------------------- A2: the inference


def table_a2(marts: Frames, o: Options) -> Table:
    """Inference on the policy's coefficient in each published column, side by side."""
    frame = marts["rpt_inference"].copy()
    frame["order"] = frame["paper_column"].map(
        {r: i for i, r in enumerate(declared().regions)}
    )
    frame = frame.sort_values(["paper_table", "order", "paper_column"])
    short = {
        "northeastern": o("North-\neastern", "东北"),
    }
    columns = tuple(
        Column(
            f"{r['paper_table']} {r['paper_column']}",
            short.get(
                r["paper_column"], w.name_of(w.REGIONS, r["paper_column"], o.language)
            ),
            o(f"Table {r['paper_table']}", f"表 {r['paper_table']}"),
        )
        for _, r in frame.iterrows()
    )
    records = [r for _, r in frame.iterrows()]

    def line(label, column, make=p_value, **options):
        cells = tuple(make(r[column], absent=NO_VALUE) for r in records)
        return Row(label, cells, column, **options)

    draws = frame["draws"].dropna()
    blocks = (
        Block(
            (line(o("Policy effect (sydid)", "政策效应（sydid）"), "estimate", number),)
        ),
        Block(
            (
                line(o("Clustered", "聚类"), "std_error", number),
                line(
                    o("Bias-reduced (CR2)", "偏误修正（CR2）"), "std_error_cr2", number
                ),
                line(o("Jackknife (CV3)", "刀切法（CV3）"), "std_error_cv3", number),
                line(
                    o("Degrees of freedom, CR2", "CR2 自由度"),
                    "df_cr2",
                    lambda v, absent: number(v, decimals=1, absent=absent),
                ),
            ),
            o("Standard errors", "标准误"),
        ),
        Block(
            (
                line(o("Clustered", "聚类"), "p_value"),
                line(o("CR2", "CR2"), "p_value_cr2"),
                line(o("CV3", "CV3"), "p_value_cv3"),
                line(o("Wild cluster bootstrap", "野聚类自助法"), "p_value_wild"),
                line(o("Randomisation", "随机化检验"), "p_value_randomisation"),
                line(o("Holm, within the table", "Holm 校正（表内）"), "p_value_holm"),
                line(
                    o("Romano–Wolf, within the table", "Romano–Wolf 校正（表内）"),
                    "p_value_romano_wolf",
                ),
            ),
            o("p-values", "p 值"),
        ),
        Block(
            (
                line(o("Clustered, from", "聚类，下限"), "conf_low", number),
                line(o("Clustered, to", "聚类，上限"), "conf_high", number),
                line(
                    o("Wild cluster bootstrap, from", "野聚类自助法，下限"),
                    "conf_low_wild",
                    number,
                ),
                line(
                    o("Wild cluster bootstrap, to", "野聚类自助法，上限"),
                    "conf_high_wild",
                    number,
                ),
            ),
            o("95 per cent intervals", "95% 置信区间"),
        ),
        Block(
            (
                line(
                    o("Minimum detectable effect", "最小可检测效应"),
                    "minimum_detectable_effect",
                    number,
                ),
                line(
                    o("Power at the paper's effect", "在原文效应处的功效"),
                    "power_at_bound",
                    number,
                ),
                line(o("Equivalence p-value", "等效检验 p 值"), "equivalence_p_value"),
            ),
            o("What the column could have seen", "该列的检验能力"),
        ),
        Block(
            (
                line(o("Observations", "观测数"), "n_obs", count, rule=True),
                line(o("Cities", "城市数"), "n_cities", count),
                line(o("Treated cities", "处理组城市数"), "n_treated_cities", count),
            )
        ),
    )
    bound = frame["bound"].dropna()
    notes = [
        _outcome(marts, o),
        o(
            "Table 3 (1) has no controls, every other column has; city and year fixed "
            "effects throughout.",
            "表 3 第（1）列无控制变量，其余各列均有；各列均含城市与年份固定效应。",
        ),
        o(
            "Clustered: by city, "
            + w.name_of(w.CONVENTIONS, ALWAYS, "en")
            + ". CR2: Bell and McCaffrey with Satterthwaite degrees of freedom. CV3: "
            "cluster jackknife.",
            "聚类：按城市，"
            + w.name_of(w.CONVENTIONS, ALWAYS, "zh")
            + "。CR2：Bell 和 McCaffrey，Satterthwaite 自由度。CV3：聚类刀切法。",
        ),
    ]
    if len(draws):
        wild = o("; ", "；").join(
            sentence(note, o.language)
            for note in sorted(set(frame["wild_note"].dropna()))
        )
        notes.append(
            o(
                f"Wild bootstrap ({wild}) with the null imposed; randomisation deals "
                f"whole treatment paths anew among the cities ({int(draws.iloc[0]):,} "
                "permutations of the t statistic).",
                f"野聚类自助法（{wild}）施加原假设；随机化检验在城市间重新分配整条处理"
                f"路径（对 t 统计量作 {int(draws.iloc[0]):,} 次置换）。",
            )
        )
    notes.append(
        o(
            "Holm and Romano–Wolf correct for the columns of the same table.",
            "Holm 与 Romano–Wolf 针对同一表内各列作多重检验校正。",
        )
    )
    if len(bound):
        notes.append(
            o(
                "Minimum detectable effect: found with probability 0.8 at the 5 per "
                "cent level. Equivalence: test that the effect is at least as large as "
                f"the paper's, {fixed(bound.iloc[0])} in absolute value.",
                "最小可检测效应：5% 水平下以 0.8 的概率被发现的效应。等效检验：检验效应"
                f"绝对值不小于原文的 {fixed(bound.iloc[0])}。",
            )
        )
    places = frame["paper_table"] + " " + frame["paper_column"]
    notes += [_sample(marts, o), *_explained(frame["note"], places, o)]
    return Table(
        "table_a2",
        "A2",
        o(
            "Inference on the policy effect, column by column",
            "政策效应的各种推断方法",
        ),
        "",
        columns,
        blocks,
        tuple(notes),
        o.language,
        landscape=True,
        stub_width=0.24,
    )


# ------------------------------------------------------- A3: the paper's and our own

STATISTICS = {
    "n_obs": ("N", "N"),
    "mean": ("Mean", "均值"),
    "std_dev": ("Std. dev.", "标准差"),
    "minimum": ("Minimum", "最小值"),
    "maximum": ("Maximum", "最大值"),
    "estimate": ("Estimate", "估计值"),
    "std_error": ("Std. error", "标准误"),
    "r2_within": ("R²", "R²"),
}


def table_a3(marts: Frames, o: Options) -> Table:
    """Every printed number beside ours, with the reason for the difference."""
    frame = marts["rpt_published_comparison"].copy()
    frame["region"] = frame["paper_column"].map(
        {r: i for i, r in enumerate(declared().regions)}
    )
    frame["term_order"] = frame["term"].map(
        {t: i for i, t in enumerate(("tfpch", *TERMS))}
    )
    frame = frame.sort_values(
        ["paper_table", "region", "paper_column", "term_order", "statistic_order"],
        kind="stable",
    )
    # Observations and R2 belong to a column of a regression, not to each of its terms.
    of_column = frame["statistic"].isin(["n_obs", "r2_within"]) & (
        frame["paper_table"] != "2"
    )
    frame = frame[~of_column | (frame["term"] == "sydid")]
    of_column = of_column.loc[frame.index]
    labels = _labels(marts, o)
    blocks = []
    for (table, column), part in frame.groupby(
        ["paper_table", "paper_column"], sort=False
    ):
        place = "" if column == "all" else w.name_of(w.REGIONS, column, o.language)
        heading = o(f"Table {table}", f"表 {table}")
        if place:
            heading += o(f", {place[0].lower() + place[1:]}", f"，{place}")
        rows = []
        part = pd.concat([part[~of_column[part.index]], part[of_column[part.index]]])
        last = None
        for i, r in part.iterrows():
            make = count if r["statistic"] == "n_obs" else number
            term = "" if of_column[i] else _term(r["term"], labels, o)
            statistic = w.name_of(STATISTICS, r["statistic"], o.language)
            rows.append(
                Row(
                    "" if term == last else term,
                    (
                        words(statistic),
                        make(r["published"], absent=NO_VALUE),
                        make(r["ours"], absent=NO_VALUE),
                        number(r["difference"], absent=NO_VALUE)
                        if make is number
                        else _difference(r["difference"]),
                        words(sentence(r["reason"], o.language)),
                    ),
                    r["term"],
                    ("value",),
                )
            )
            last = term
        blocks.append(Block(tuple(rows), heading))
    n_compared = int((frame["published"].notna() & frame["ours"].notna()).sum())
    return Table(
        "table_a3",
        "A3",
        o("The published numbers and ours", "原文数值与本文数值对照"),
        o("Variable", "变量"),
        (
            Column("statistic", o("Statistic", "统计量"), kind="text", width=0.11),
            Column("published", o("Published", "原文")),
            Column("ours", o("Here", "本文")),
            Column("difference", o("Difference", "差")),
            Column("reason", o("Reason", "原因"), kind="text", width=0.39),
        ),
        tuple(blocks),
        (
            o(
                f"{n_compared} printed numbers have a counterpart here. Difference: "
                "here less published. Nothing is tuned to the paper; the paper's "
                "inputs are not published.",
                f"所印数值中有 {n_compared} 个可与本文对照。差：本文减原文。本文未向原"
                "文"
                "调整任何设定；原文的投入数据未公布。",
            ),
            _sample(marts, o),
            _uncertainty(marts, Options(o.language)).replace(
                o(" in parentheses", ""), ""
            ),
            o("A dash: no number.", "短横表示无数值。"),
        ),
        o.language,
        long=True,
        stub_width=0.20,
    )


def _difference(value: object) -> Cell:
    if is_missing(value):
        return Cell(NO_VALUE)
    return Cell(fixed(float(value), 0), "count", (float(value),))


# ------------------------------------------------------------------- A4: the audit


def table_a4(marts: Frames, o: Options) -> Table:
    """The printed tables against themselves."""
    frame = marts["rpt_published_audit"]
    labels = _labels(marts, o)
    order = {
        name: i
        for i, name in enumerate(
            [
                "stars", "reading of the parentheses", "observations",
                "treated share", "variance of a 0/1 variable",
                "largest possible spread", "log base", "controls defined in the text",
                "growth against amounts", "exports and imports add up",
            ]
        )
    }  # fmt: skip
    frame = frame.assign(order=frame["check_name"].map(order).fillna(len(order)))
    frame = frame.sort_values(
        ["order", "check_name", "paper_table", "paper_column", "term", "quantity"],
        kind="stable",
    )
    blocks = []
    for check, part in frame.groupby("check_name", sort=False):
        n = int(part["disagrees"].fillna(False).sum())
        name = sentence(check, o.language)
        heading = o(
            f"{name[0].upper() + name[1:]}: {n} of {len(part)} disagree",
            f"{name}：{len(part)} 项中 {n} 项不一致",
        )
        rows = []
        for _, r in part.iterrows():
            whole = all(
                is_missing(v) or float(v).is_integer()
                for v in (r["printed"], r["recomputed"])
            )
            make = (
                _whole
                if whole
                else (lambda v, absent: number(v, decimals=3, absent=absent))
            )
            quantity = sentence(r["quantity"], o.language)
            rows.append(
                Row(
                    _audit_place(r, labels, o),
                    (
                        words(quantity),
                        make(r["printed"], absent=NO_VALUE),
                        make(r["recomputed"], absent=NO_VALUE),
                        words(sentence(r["rule"], o.language)),
                        words(sentence(r["verdict"], o.language)),
                    ),
                    " ".join(
                        str(r[c]) for c in ("paper_table", "paper_column", "term")
                    ).strip(),
                    ("value",),
                )
            )
        blocks.append(Block(tuple(rows), heading))
    n_bad = int(frame["disagrees"].fillna(False).sum())
    return Table(
        "table_a4",
        "A4",
        o("The printed tables against themselves", "原文各表的内部一致性"),
        o("Place", "位置"),
        (
            Column("quantity", o("Quantity", "对象"), kind="text", width=0.16),
            Column("printed", o("Printed", "所印")),
            Column("implied", o("Implied", "应为")),
            Column("rule", o("Rule", "规则"), kind="text", width=0.36),
            Column("verdict", o("Verdict", "结论"), kind="text", width=0.18),
        ),
        tuple(blocks),
        (
            o(
                f"{len(frame)} comparisons, {n_bad} of which disagree. They use "
                "printed "
                "numbers and the described sample only, none of this project's data. "
                "Stars stand as their number, 1 and 0 for yes and no; a dash: not "
                "legible.",
                f"共 {len(frame)} 项比较，其中 {n_bad} 项不一致。仅使用所印数值与文中描"
                "述"
                "的样本，不使用本项目数据。星号以个数表示，1 与 0 表示是与否；短横表示"
                "无法"
                "辨认。",
            ),
        ),
        o.language,
        landscape=True,
        long=True,
        stub_width=0.14,
    )


def _whole(value: object, absent: str) -> Cell:
    return count(value, absent=absent)


def _audit_place(row: pd.Series, labels: dict[str, str], o: Options) -> str:
    parts = [o(f"Table {row['paper_table']}", f"表 {row['paper_table']}")]
    column = row["paper_column"]
    named = {"variance": ("variance", "方差"), "mean": ("mean", "均值")}
    if column:
        parts.append(w.name_of({**w.REGIONS, **named}, column, o.language).lower())
    terms = {
        "const": ("constant", "常数项"), "total": ("total", "总额"),
        "exports": ("exports", "出口"), "imports": ("imports", "进口"),
    }  # fmt: skip
    if row["term"]:
        parts.append(w.name_of(terms, row["term"], o.language))
    return o(", ", "，").join(parts)


# ------------------------------------------------------ A5 and A6: balance and checks


def table_a5(marts: Frames, o: Options) -> Table:
    """Treated and control cities before the policy."""
    frame = marts["rpt_balance"]
    labels = _labels(marts, o)
    samples = {
        "unmatched": o("All cities", "全部城市"),
        "matched": o("Matched on the propensity score", "倾向得分匹配后"),
    }
    blocks = []
    for sample, heading in samples.items():
        part = frame[frame["sample"] == sample]
        if not len(part):
            continue
        part = pd.concat(
            [part[part["covariate"] != "all"], part[part["covariate"] == "all"]]
        )
        rows = []
        for _, r in part.iterrows():
            label = (
                o("Mean absolute bias", "平均绝对偏差")
                if r["covariate"] == "all"
                else _term(r["covariate"], labels, o)
            )
            rows.append(
                Row(
                    label,
                    (
                        number(r["mean_treated"]),
                        number(r["mean_control"]),
                        number(r["bias_pct"], decimals=1),
                        number(r["variance_ratio"], decimals=2),
                        number(r["t"], decimals=2),
                        p_value(r["p_value"]),
                        count(r["n_treated_cities"]),
                        count(r["n_control_cities"]),
                    ),
                    r["covariate"],
                )
            )
        blocks.append(Block(tuple(rows), heading))
    return Table(
        "table_a5",
        "A5",
        o("Balance before the policy", "政策前的平衡性"),
        o("Covariate", "协变量"),
        (
            Column("mean_treated", o("Treated", "处理组"), o("Mean", "均值")),
            Column("mean_control", o("Control", "对照组"), o("Mean", "均值")),
            Column("bias_pct", o("Bias\n(%)", "标准化偏差\n（%）")),
            Column("variance_ratio", o("Variance\nratio", "方差比")),
            Column("t", "t"),
            Column("p_value", "p"),
            Column("n_treated", o("Treated", "处理组"), o("Cities", "城市数")),
            Column("n_control", o("Control", "对照组"), o("Cities", "城市数")),
        ),
        tuple(blocks),
        (
            o(
                "Averages of the years before the first pilot zone. Bias: difference "
                "of "
                "the means over the pooled standard deviation. The zones went to large "
                "trading cities; matching cannot make comparable what has no "
                "counterpart.",
                "首个综试区设立之前各年的均值。标准化偏差：均值之差除以合并标准差。综试区"
                "设在贸易大城市，缺少对应城市时匹配无法使其可比。",
            ),
            _sample(marts, o),
        ),
        o.language,
        stub_width=0.28,
    )


def table_a6(marts: Frames, o: Options) -> Table:
    """The headline under other samples, effects, dates and weights."""
    frame = marts["rpt_sensitivity"]
    cities = marts["dim_cities"].set_index("city_id")[
        "city_zh" if o.language == "zh" else "city_en"
    ]
    blocks = []
    for check in w.CHECKS:
        part = frame[frame["check_name"] == check]
        part = part[part["estimate"].notna()]
        if not len(part):
            continue
        if check == "leave_one_city_out":
            ordered = part.sort_values(["estimate", "term"], kind="stable")
            part = pd.concat([ordered.head(1), ordered.tail(1)])
        rows: list[Row] = []
        for place, (_, r) in enumerate(part.iterrows()):
            label = _check_label(check, r, place, cities, o)
            top, below = estimate_rows(
                label, [r], key=f"{check} {r['sample']} {r['term']}",
                stars=o.stars, intervals=o.intervals,
            )  # fmt: skip
            # Every statistic on one line: the checks are many.
            error = below.cells[0]
            if is_missing(r["std_error"]) and check == "leave_one_city_out":
                error = Cell("", "text", error.value)
            rows.append(
                Row(
                    label,
                    (
                        top.cells[0],
                        error,
                        p_value(r["p_value"]),
                        number(r["minimum_detectable_effect"]),
                        count(r["n_obs"]),
                        count(r["n_cities"]),
                    ),
                    top.key,
                )
            )
        single = check in ("headline", "with_controls", "region_by_year")
        heading = "" if single else w.name_of(w.CHECKS, check, o.language)
        if single and blocks and not blocks[-1].heading:
            blocks[-1] = Block((*blocks[-1].rows, *rows))
        else:
            blocks.append(Block(tuple(rows), heading))
    matching = frame[frame["check_name"] == "propensity_score"]["note"].dropna()
    return Table(
        "table_a6",
        "A6",
        o("Sensitivity of the headline", "基准结果的敏感性"),
        o("Check", "检验"),
        (
            Column("estimate", o("Effect", "效应")),
            Column(
                "interval" if o.intervals else "std_error",
                o("95% interval", "95% 置信区间")
                if o.intervals
                else o("Std. error", "标准误"),
            ),
            Column("p_value", "p"),
            Column("minimum_detectable_effect", o("Detectable", "可检测")),
            Column("n_obs", "N"),
            Column("n_cities", o("Cities", "城市数")),
        ),
        tuple(blocks),
        (
            _outcome(marts, o),
            _effects(o),
            _uncertainty(marts, o, ALWAYS),
            *_stars(o),
            _sample(marts, o),
            o(
                "Detectable: effect found with probability 0.8 at the 5 per cent "
                "level. "
                "One city left out: the smallest and the largest of the estimates.",
                "可检测：5% 水平下以 0.8 的概率被发现的效应。剔除一个城市：列出最小与最"
                "大"
                "的估计值。",
            ),
            *(
                (
                    o(
                        "Matching comes after selection: the policy went to the large "
                        "trading cities, whose like are seldom untreated.",
                        "匹配在选择之后：政策设在贸易大城市，其同类城市少有未受处理者。",
                    ),
                )
                if len(matching)
                else ()
            ),
        ),
        o.language,
    )


def _check_label(check: str, row: pd.Series, place: int, cities, o: Options) -> str:
    term = str(row["term"])
    if check == "exclusion":
        return w.name_of(w.EXCLUSIONS, row["sample"], o.language)
    if check == "leave_one_batch_out":
        year = term.split()[-1]
        return o(f"Without the cohort of {year}", f"剔除 {year} 年批次")
    if check == "fake_date":
        years = next((part for part in term.split() if part.isdigit()), term)
        plural = "" if years == "1" else "s"
        return o(f"Treated {years} year{plural} before", f"提前 {years} 年")
    if check == "propensity_score":
        return w.name_of(w.MATCHING, row["aggregation"], o.language)
    if check == "leave_one_city_out":
        side = (o("Smallest", "最小"), o("Largest", "最大"))[place]
        return o(
            f"{side}: without {cities.get(term, term)}",
            f"{side}：剔除{cities.get(term, term)}",
        )
    return w.name_of(w.CHECKS, check, o.language)


_STUDY = ("dim_study_variants", "rpt_sample")
TABLES = (
    Maker("table_2", ("rpt_descriptives", "dim_variables", *_STUDY), table_2),
    *(
        Maker(
            f"table_{n}",
            ("rpt_regressions", "fct_tfp_changes", "dim_variables", *_STUDY),
            make,
        )
        for n, make in ((3, table_3), (4, table_4), (5, table_5))
    ),
    Maker("table_a1", ("rpt_att", *_STUDY), table_a1),
    Maker("table_a2", ("rpt_inference", *_STUDY), table_a2),
    Maker("table_a3", ("rpt_published_comparison", "dim_variables", *_STUDY), table_a3),
    Maker("table_a4", ("rpt_published_audit", "dim_variables"), table_a4),
    Maker("table_a5", ("rpt_balance", "dim_variables", *_STUDY), table_a5),
    Maker("table_a6", ("rpt_sensitivity", "dim_cities", *_STUDY), table_a6),
)
