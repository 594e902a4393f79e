"""The rules in two languages: title, what they do, what a finding means for results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from citypanel.quality.findings import (
    copies,
    coverage,
    identities,
    levels,
    sources,
    trade,
)
from citypanel.quality.findings.tables import Panel


@dataclass(frozen=True)
class Rule:
    """A rule's name, the function that runs it, and its words.

    Several rules share a function where one pass decides between them.
    """

    name: str
    run: Callable[[Panel], list[dict[str, object]]]
    scope: str
    title_en: str
    title_zh: str
    description_en: str
    description_zh: str
    consequence_en: str
    consequence_zh: str


RULES = (
    Rule(
        "nominal_as_real",
        identities.nominal_growth,
        "study, city",
        "Nominal growth printed as real",
        "名义增长率误作实际增长率",
        "The printed growth rate equals the growth of the city's own nominal output "
        "within 0.06 points, in nine cities of ten (the year is defective) or in one "
        "city "
        "whose province had price changes of two points or more.",
        "公布增长率与该市名义增长率相差不超过0.06个百分点：九成城市如此则整年有误；"
        "单个城市则要求全省价格变动不少于2个百分点。",
        "Real output chained on this rate would contain the year's inflation.",
        "按此增长率推算的实际产出会包含当年的价格变动。",
    ),
    Rule(
        "growth_against_levels",
        identities.growth_against_levels,
        "city",
        "Levels of output contradict growth",
        "产出水平与增长率矛盾",
        "Output moves otherwise than the printed growth and the province's deflator "
        "say, "
        "by more than four robust standard deviations and five per cent; beyond "
        "fifteen "
        "per cent it is critical. Census revisions of the level show up here.",
        "产出变动与公布增长率及全省平减指数不符，超过4个稳健标准差且不少于5%；"
        "超过15%为严重。"
        "普查对水平的修订即表现于此。",
        "Deflated output shows a change of productivity that never happened.",
        "平减后的产出会显示并未发生的生产率变动。",
    ),
    Rule(
        "power_of_ten",
        levels.departures_and_breaks,
        "city",
        "Factor of ten",
        "相差十倍或百倍",
        "A cell, or everything from a year on, is a power of ten (7.8 to 12.8 per "
        "step) "
        "away from the city's other years, the common growth of all cities removed.",
        "剔除各城市共同增长后，单元格（或某年以后）与该市其他年份相差十的整数次幂"
        "（每级7.8至12.8倍）。",
        "The cell is ten times too small or too large, or counts something else.",
        "该数据可能差十倍，或统计口径不同。",
    ),
    Rule(
        "mixed_currency",
        trade.trade,
        "city",
        "US dollars under a header of yuan",
        "人民币表头下的美元数据",
        "Imports, exports or both change by the exchange rate (6.6 within a fourth) "
        "between two years: the smaller figure is in dollars.",
        "进口、出口或两者在两年间按汇率（6.6，误差约四分之一）变动：较小者为美元数。",
        "Trade of the year is about a seventh of what it was.",
        "当年贸易额约为实际的七分之一。",
    ),
    Rule(
        "total_in_part",
        trade.trade,
        "city",
        "Total in the column of a part",
        "分项列中的合计数",
        "Imports (or exports) are 1.8 times a neighbouring year's and more, and less "
        "the "
        "other column of the row they are that year's within a fifth.",
        "进口（或出口）为相邻年份的1.8倍以上，减去同行另一列后与相邻年份"
        "相差不超过约四分之一。",
        "Trade of the year is counted nearly twice.",
        "当年贸易额被近乎重复计算。",
    ),
    Rule(
        "halved_or_doubled",
        levels.departures_and_breaks,
        "city",
        "Half or twice its neighbours",
        "为相邻年份的一半或两倍",
        "One to four years are half or twice (1.64 to 2.44 times) what the years on "
        "both "
        "sides lead to expect, and the series returns.",
        "连续一至四年为两侧年份推算值的一半或两倍（1.64至2.44倍），之后恢复。",
        "A part of the units was left out, or counted twice.",
        "可能漏计部分单位或重复计算。",
    ),
    Rule(
        "leaves_and_returns",
        levels.departures_and_breaks,
        "city",
        "Leaves its path and returns",
        "偏离后恢复",
        "One to four years stand apart from both sides by more than seven robust "
        "standard "
        "deviations of the series, and the series returns.",
        "连续一至四年与两侧相差超过该序列的7个稳健标准差，之后恢复。",
        "For these years the cell does not measure what it does in the others.",
        "这些年份的口径与其他年份不同。",
    ),
    Rule(
        "level_break",
        levels.departures_and_breaks,
        "city",
        "Level shift",
        "水平突变",
        "A change beyond seven robust standard deviations of the series, peers' growth "
        "removed, that stays. Info where the whole series breaks that year "
        "(break_year).",
        "剔除各城市共同增长后，变动超过7个稳健标准差且未恢复；"
        "若当年整个序列断裂则为提示。",
        "Changes across this year mix a new basis with growth; levels on either side "
        "do not "
        "compare.",
        "跨越该年的变动混合了口径变化与增长，前后水平不可比。",
    ),
    Rule(
        "erratic_series",
        levels.departures_and_breaks,
        "city",
        "Erratic series",
        "反复跳动的序列",
        "More than three jumps in one city's series: no year of it can be called "
        "right.",
        "同一城市的序列有三次以上跳变，无法判断哪一年正确。",
        "None of its yearly changes can be relied on.",
        "其年度变动均不可靠。",
    ),
    Rule(
        "drift",
        levels.drifts,
        "city",
        "Drifts away from the other cities",
        "逐渐偏离其他城市",
        "From the first to the last year the series moves further from the other "
        "cities "
        "than seven standard deviations of a random walk with its own yearly changes, "
        "and "
        "15 per cent, without one jump that explains half.",
        "自首年至末年相对其他城市的总变动超过以其年度变动为步长"
        "的随机游走的7个标准差且不少于15%，"
        "且无单一年份可解释其半。",
        "Often true (registered population of a city of migrants); a ratio with it "
        "drifts.",
        "往往属实（如外来人口多的城市之户籍人口）；但以其计算的比率会随之偏移。",
    ),
    Rule(
        "break_year",
        levels.break_years,
        "study",
        "The whole series breaks",
        "整个序列断裂",
        "In one year the median city departs from the common change twice as far as in "
        "an "
        "ordinary year: a census revision, a new coverage.",
        "某年城市变动对共同变动的偏离中位数达通常年份的两倍：普查修订或口径变化。",
        "Changes across this year are changes of the statistics, in many cities at "
        "once.",
        "许多城市跨越该年的变动反映统计口径而非经济变化。",
    ),
    Rule(
        "repeated_value",
        copies.repeated_values,
        "city",
        "The figure of the year before",
        "与上年数据相同",
        "A cell equals that of the year before, in a series where that is not "
        "ordinary.",
        "单元格与上年完全相同，而偶然相同的概率不到二百分之一（警告：三千分之一）。",
        "The year's change is zero where it is not known.",
        "当年变动被记为零，实则未知。",
    ),
    Rule(
        "copied_row",
        copies.repeated_values,
        "city",
        "Row copied from the year before",
        "整行与上年相同",
        "Half of the comparable figures of a city-year, and at least three, equal "
        "those of "
        "the year before.",
        "某城市某年可比指标中至少一半（且不少于三个）与上年相同。",
        "The row is that of another year.",
        "该行数据属于另一年份。",
    ),
    Rule(
        "same_in_two_cities",
        copies.across_cities,
        "city",
        "One figure in two cities",
        "两市数据相同",
        "A figure of six significant digits or more stands in two cities in one year.",
        "同一年两个城市出现六位以上有效数字相同的数据。",
        "One of the two has the other's figure.",
        "其中一市的数据属于另一市。",
    ),
    Rule(
        "transposed_digits",
        copies.transposed_digits,
        "city",
        "Digits out of order",
        "数字次序颠倒",
        "In a series that is constant by nature a cell has the digits of the usual "
        "figure "
        "in another order.",
        "在本应不变的序列中，单元格与通常数值的数字相同而次序不同。",
        "A typing error at the source.",
        "来源的录入错误。",
    ),
    Rule(
        "parts_exceed_whole",
        identities.parts_of_a_whole,
        "city",
        "Parts exceed the whole",
        "部分之和超过总体",
        "Secondary and tertiary value added above output, real-estate investment above "
        "total investment, or education above all expenditure.",
        "二三产业增加值之和大于地区生产总值，房地产投资大于总投资，"
        "或教育支出大于总支出。",
        "One of the figures is wrong; shares made of them are impossible.",
        "其中必有一个数据有误，由其计算的比重不可能成立。",
    ),
    Rule(
        "share_jump",
        identities.sector_shares,
        "city",
        "A sector's share jumps",
        "产业比重突变",
        "The share of a sector in output changes by more than five points and four "
        "robust "
        "standard deviations beyond the cities' common change.",
        "产业比重变动超出城市共同变动5个百分点及4个稳健标准差。",
        "Industrial structure jumps with the statistics, not with the economy.",
        "产业结构的跳变来自统计而非经济。",
    ),
    Rule(
        "density_identity",
        identities.density,
        "city",
        "Density is not population over area",
        "密度不等于人口除以面积",
        "Printed density is more than two per cent and one person per km2 from "
        "registered "
        "population over area.",
        "公布密度与户籍人口除以面积相差超过2%且超过1人/平方公里。",
        "Population, area or density is wrong.",
        "人口、面积或密度之一有误。",
    ),
    Rule(
        "ratio_out_of_range",
        identities.ratios,
        "city",
        "Ratio unlike any other city",
        "比率异于其他城市",
        "The ratio of two columns is five robust standard deviations from the other "
        "cities "
        "of the year.",
        "两列之比与当年其他城市相差5个稳健标准差以上。",
        "One of the two columns may count something else here.",
        "其中一列的口径可能不同。",
    ),
    Rule(
        "investment_ratio",
        identities.investment_ratio,
        "city",
        "Investment that output cannot explain",
        "与产出不相称的投资",
        "Investment outside 20 to 130 per cent of output, or a ratio that rises 1.6 "
        "times "
        "beyond the median city within two years.",
        "投资不在地区生产总值的20%至130%之间，或两年内该比率升幅超出城市中位数1.6倍。",
        "Capital that starts too low makes a city look productive and can carry the "
        "frontier until the level catches up.",
        "起始资本过低会使城市显得生产率高并占据前沿，直至水平恢复。",
    ),
    Rule(
        "source_disagreement",
        sources.disagreement,
        "city",
        "Two sources disagree",
        "两个来源不一致",
        "For a municipality, city and province in one, yearbook and province table are "
        "more "
        "than two per cent apart (growth: half a point).",
        "直辖市的年鉴与分省数据相差超过2%（增长率超过0.5个百分点）。",
        "The option gdp_vintage chooses between them; results depend on the choice.",
        "由选项gdp_vintage取舍，结果取决于此。",
    ),
    Rule(
        "source_jump",
        sources.disagreement,
        "city",
        "One of two sources changes its basis",
        "其中一个来源口径改变",
        "The ratio of yearbook to province table changes by more than five per cent "
        "from "
        "one year to the next.",
        "年鉴与分省数据之比较上年变动超过5%。",
        "Growth across this year is that of the basis in one of the two.",
        "跨越该年的增长包含口径变化。",
    ),
    Rule(
        "cities_exceed_province",
        sources.cities_against_province,
        "province",
        "Cities add up to more than their province",
        "各市之和超过全省",
        "Output of the panel's cities in a province is above the province's own.",
        "面板内各市产出之和超过全省。",
        "City figures and province deflator are of different vintages.",
        "城市数据与全省平减指数版本不同。",
    ),
    Rule(
        "province_break",
        levels.province_breaks,
        "province",
        "Level shift of a province series",
        "省级序列水平突变",
        "The change of a province's series is seven robust standard deviations from "
        "that "
        "of "
        "the median province.",
        "省级序列变动与各省中位数相差7个稳健标准差以上。",
        "Corrected reporting looks like disinvestment; series extended with it follow.",
        "数据挤水分看似投资下降；以其外推的序列随之下降。",
    ),
    Rule(
        "discontinued",
        coverage.discontinued,
        "study",
        "Series begins late or ends early",
        "序列起始较晚或提前中止",
        "Nine of ten cities that print the variable in other years print nothing at "
        "its "
        "first or last years.",
        "在起始或末端年份，九成城市无该指标数据。",
        "Later years rest on an assumption, or the variable drops out.",
        "其后年份依赖假设，或变量无法使用。",
    ),
    Rule(
        "missing_year",
        coverage.discontinued,
        "study",
        "A year is missing",
        "缺失年份",
        "Nine of ten cities print nothing in a year between two that they print.",
        "九成城市在序列中间某年无数据。",
        "The year is filled from those beside it in nearly every city.",
        "几乎所有城市该年均由相邻年份填补。",
    ),
    Rule(
        "missing_city",
        coverage.gaps,
        "city",
        "City without figures",
        "无数据的城市",
        "The table has no figure of the city in any year.",
        "任何年份均无该市数据。",
        "The city is out of the sample.",
        "该市不在样本中。",
    ),
    Rule(
        "missing_row",
        coverage.gaps,
        "city",
        "Row mostly empty",
        "大部分指标为空的年份",
        "More than half of the figures that others print that year are empty.",
        "当年其他城市有数的指标中，该市过半为空。",
        "The year of this city is filled, not observed.",
        "该市当年数据系填补而非观测。",
    ),
    Rule(
        "missing_cell",
        coverage.gaps,
        "city",
        "Cell not printed",
        "未公布的单元格",
        "The city has no figure in a year in which others do.",
        "其他城市有数而该市为空。",
        "The cell is filled by the option imputation, or stays empty.",
        "该单元格按选项imputation填补，或保持为空。",
    ),
    Rule(
        "rounded",
        coverage.rounding,
        "study",
        "Coarsely rounded",
        "取整过粗",
        "Nearly all cells of a year are multiples of a power of ten: half a step is "
        "above "
        "one per cent of the smallest city's figure, or the step grew tenfold.",
        "某年几乎所有数据为十的幂的倍数：半个单位超过最小城市数值的1%，"
        "或取整单位扩大十倍。",
        "Growth of small cities is rounding noise of up to twice this size.",
        "小城市的增长率含有最多两倍于此的取整误差。",
    ),
)

INPUT_EN = {
    "output": "real output",
    "capital": "the capital stock",
    "labour": "labour input",
}
INPUT_ZH = {"output": "实际产出", "capital": "资本存量", "labour": "劳动投入"}
