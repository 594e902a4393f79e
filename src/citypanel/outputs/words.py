"""Labels of tables and figures in English and Chinese."""

from __future__ import annotations

from citypanel.study.declaration import declared

LANGUAGES = ("en", "zh")
MINUS = "\u2212"

OUTCOMES = {
    "tfpch": ("TFP growth (tfpch)", "全要素生产率增长指数（tfpch）"),
    "log_tfpch": ("Log TFP growth (log_tfpch)", "增长指数的对数（log_tfpch）"),
    "effch": ("Efficiency change (effch)", "技术效率变化（effch）"),
    "techch": ("Technical change (techch)", "技术进步（techch）"),
    "cumulative_log_tfp": (
        "TFP level, cumulative log (cumulative_log_tfp)",
        "全要素生产率水平，累积对数（cumulative_log_tfp）",
    ),
}
SHORT_OUTCOMES = {
    "tfpch": ("Growth (tfpch)", "增长（tfpch）"),
    "log_tfpch": ("Log growth (log_tfpch)", "增长对数（log_tfpch）"),
    "cumulative_log_tfp": ("Level (cumulative log)", "水平（累积对数）"),
}
VARIANTS = {
    "headline": ("Headline", "基准设定"),
    "real_gdp=city_growth": ("Output chained on city growth", "产出按城市增速链接"),
    "real_gdp=province_deflator": ("Output by province deflator", "产出按省级平减"),
    "fai_extension=none": ("Published investment only", "仅用已公布投资"),
}
ROLES = {"treated": ("Treated", "处理组"), "control": ("Control", "对照组")}
ESTIMATORS = {
    "twfe": ("Two-way fixed effects", "双向固定效应"),
    "group_time_att": (
        "Group-time ATT (Callaway and Sant'Anna)",
        "组别—时间效应（Callaway 和 Sant'Anna）",
    ),
    "sun_abraham": (
        "Interaction-weighted (Sun and Abraham)",
        "交互加权（Sun 和 Abraham）",
    ),
    "imputation": (
        "Imputation (Borusyak, Jaravel and Spiess)",
        "插补（Borusyak、Jaravel 和 Spiess）",
    ),
    "two_stage": ("Two-stage (Gardner)", "两阶段（Gardner）"),
    "etwfe": ("Extended two-way (Wooldridge)", "扩展双向固定效应（Wooldridge）"),
    "stacked": ("Stacked cohorts (Cengiz et al.)", "堆叠（Cengiz 等）"),
    "switchers": (
        "Switchers (de Chaisemartin and D'Haultfœuille)",
        "转换者（de Chaisemartin 和 D'Haultfœuille）",
    ),
    "synthetic_did": (
        "Synthetic DiD (Arkhangelsky et al.)",
        "合成双重差分（Arkhangelsky 等）",
    ),
}
SHORT_ESTIMATORS = {
    "twfe": ("Two-way fixed effects", "双向固定效应"),
    "group_time_att": ("Callaway–Sant'Anna", "Callaway–Sant'Anna"),
    "sun_abraham": ("Sun–Abraham", "Sun–Abraham"),
    "imputation": ("Imputation", "插补"),
    "two_stage": ("Two-stage", "两阶段"),
    "etwfe": ("Extended two-way", "扩展双向"),
    "stacked": ("Stacked", "堆叠"),
    "switchers": ("Switchers", "转换者"),
    "synthetic_did": ("Synthetic DiD", "合成双重差分"),
}
CONVENTIONS = {
    "xtreg": (
        "the convention of Stata's xtreg (regressors, year effects and the constant "
        "count as parameters, city effects do not)",
        "采用 Stata xtreg 的惯例（参数个数计入解释变量、年份效应与常数，不计城市效应）",
    ),
    "reghdfe": (
        "the convention of reghdfe (the same number as xtreg)",
        "采用 reghdfe 的惯例（与 xtreg 数值相同）",
    ),
    "linearmodels": ("the convention of linearmodels", "采用 linearmodels 的惯例"),
    "full": (
        "with the city effects counted as parameters too",
        "参数个数同时计入城市效应",
    ),
}
SAMPLES = {
    "paper_like": (
        "the treated cities and every candidate control city with complete inputs in "
        "every year",
        "处理组城市，以及各年投入数据完整的全部候选对照城市",
    ),
    "nbs_70": (
        "cities among the 70 large and medium-sized ones of the National Bureau of "
        "Statistics with complete inputs in every year",
        "国家统计局 70 个大中城市中各年投入数据完整者",
    ),
    "all_available": (
        "every city-year with complete inputs (unbalanced)",
        "投入数据完整的全部城市—年份（非平衡）",
    ),
}
CHECKS = {
    "headline": ("Headline", "基准设定"),
    "with_controls": ("With controls", "加入控制变量"),
    "region_by_year": ("Region-by-year effects", "区域×年份效应"),
    "exclusion": ("Sample", "样本"),
    "leave_one_batch_out": ("One batch left out", "剔除一个批次"),
    "leave_one_city_out": ("One city left out", "剔除一个城市"),
    "fake_date": ("Fake dates", "虚构政策时间"),
    "propensity_score": ("Propensity score", "倾向得分"),
}
MATCHING = {
    "nearest": ("Nearest neighbour", "最近邻匹配"),
    "kernel": ("Kernel", "核匹配"),
    "weighting": ("Weighting", "加权"),
}
ORIGINS = {
    "reported": ("reported", "年鉴公布"),
    "other_source": ("other source", "其他来源"),
    "corrected": ("corrected", "更正"),
    "interpolated": ("interpolated", "内插"),
    "carried": ("carried", "沿用"),
    "chained": ("chained", "链接"),
    "assumed": ("assumed", "推算"),
    "missing": ("missing", "缺失"),
}


def __getattr__(name: str):
    """Names that a study declares: its regions, and its groups that are left out."""
    study = declared()
    regions = {key: (said["en"], said["zh"]) for key, said in study.regions.items()}
    if name == "REGIONS":
        return regions
    if name == "EXCLUSIONS":
        return {
            **{
                f"without_{key}": (group.label["en"], group.label["zh"])
                for key, group in study.exclusions.items()
            },
            **{
                key: (f"{en} cities only", f"仅{zh}城市")
                for key, (en, zh) in regions.items()
            },
        }
    raise AttributeError(name)


def pick(pair: tuple[str, str], language: str) -> str:
    """The label in the language."""
    return pair[LANGUAGES.index(language)]


def name_of(names: dict[str, tuple[str, str]], key: str, language: str) -> str:
    """The label of a key; the key itself where it has none."""
    return pick(names.get(key, (key, key)), language)
