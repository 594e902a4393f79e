# ruff: noqa: E501
"""Sentences that the marts carry, put into Chinese.

The warehouse writes its reasons, rules and verdicts in English. A sentence of a form
that is not listed here stays as it is.
"""

from __future__ import annotations

import re

from citypanel.outputs.words import MINUS

_N = r"(-?[\d.,]+)"
# The English form, and the Chinese one with its parts in order.
_FORMS: tuple[tuple[str, str], ...] = (
    # rpt_published_comparison
    (rf"the paper prints {_N} = {_N} cities x {_N} years; here {_N} cities \({_N} treated\) x {_N} years",
     r"原文为 \1 = \2 城市 × \3 年；本文 \4 城市（处理组 \5）× \6 年"),
    (rf"the paper prints {_N} = {_N} cities x {_N} years; here {_N} cities have {_N} indices, {_N} to {_N} \(first_index_year = (\w+)\)",
     r"原文为 \1 = \2 城市 × \3 年；本文 \4 城市共 \5 个指数，\6 至 \7 年（first_index_year = \8）"),
    (rf"the paper prints {_N} in every column; here {_N} cities enter this one with {_N} observations",
     r"原文各列均为 \1；本文该列为 \2 个城市、\3 个观测"),
    (rf"other cities: the paper does not name its {_N} controls; here {_N}",
     r"城市不同：原文未列出其 \1 个对照城市；本文为 \2 个"),
    (rf"the printed spread exceeds {_N}, the most that the printed minimum, mean and maximum allow",
     r"所印离散程度超过 \1，即所印最小值、均值与最大值所允许的上限"),
    (rf"printed as a variance, but {_N} is the standard deviation of a 0/1 variable with mean {_N}: sqrt\(p \(1 - p\)\) = {_N}",
     r"印作方差，但 \1 是均值为 \2 的 0/1 变量的标准差：sqrt(p (1 - p)) = \3"),
    (r"printed as a variance, compared as a standard deviation; other cities",
     r"印作方差，按标准差比较；城市不同"),
    (rf"here {_N} treated of {_N} cities, batches (.+)", r"本文 \2 个城市中 \1 个受处理，批次 \3"),
    (rf"here {_N} city-years have no value \(first value in {_N}\)",
     r"本文有 \1 个城市—年份无数值（首个数值在 \2 年）"),
    (rf"printed estimate over parenthesised value is {_N}, printed stars: (\S+); 10 per cent takes {_N}",
     r"所印估计值除以括号内数值为 \1，所印星号：\2；10% 水平需 \3"),
    (r"the paper does not say which R2 it prints; here within cities, as xtreg prints it",
     r"原文未说明所印为何种 R2；本文为组内 R2，与 xtreg 一致"),
    (rf"mean index here {_N} against {_N}; {_N} per cent of treated city-years rest on assumed investment",
     r"本文指数均值 \1，原文 \2；处理组城市—年份中 \3% 依赖推算投资"),
    (r"not legible in the copy of the paper at hand", r"所见原文副本中无法辨认"),
    (r"not estimated here", r"本文未估计"),
    (r"indices from other inputs: real_gdp = (\w+), labour_measure = (\w+), fai_extension = (\w+)",
     r"指数所用投入不同：real_gdp = \1，labour_measure = \2，fai_extension = \3"),
    (rf"mean outcome here {_N}", r"本文被解释变量均值 \1"),
    (r"dropped from the regression: no data in (.+)", r"未进入回归：\1 年无数据"),
    # notes of the estimates
    (r"after treatment: this is the output behind the index", r"处理后变量：即指数背后的产出"),
    (r"after treatment: this is the investment behind the capital stock",
     r"处理后变量：即资本存量背后的投资"),
    (r"not estimated: (\w+) is absorbed by the fixed effects", r"未估计：\1 被固定效应吸收"),
    (r"not estimated: (.+)", r"未估计：\1"),
    (r"rests on cohorts of one unit: no sampling distribution", r"仅依赖单个城市的批次，无抽样分布"),
    (r"(\w+) weights, (\d+) draws", r"\1 权重，\2 次抽样"),
    (r"influence function", r"影响函数"),
    (r"conservative", r"保守"),
    (r"two-stage", r"两阶段"),
    (r"cohort-demeaned", r"批次内去均值"),
    (r"jackknife", r"刀切法"),
    # units of dim_variables
    (r"index, > 1 is (growth|progress)", r"指数，大于 1 为增长"),
    (r"log10 of CNY 100 million", r"亿元的常用对数"),
    (r"log10 of CNY 10,000", r"万元的常用对数"),
    (r"log10 of persons per km2", r"人/平方公里的常用对数"),
    (r"ln of CNY 100 million", r"亿元的自然对数"),
    (r"ln of CNY 10,000", r"万元的自然对数"),
    (r"ln of persons per km2", r"人/平方公里的自然对数"),
    (r"ratio", r"比值"),
    (r"share \(0-1\)", r"比重（0-1）"),
    (r"without cohort (\d+)", r"剔除 \1 年批次"),
    # rpt_published_audit: checks
    (r"controls defined in the text", r"正文定义的控制变量"),
    (r"exports and imports add up", r"出口与进口之和"),
    (r"growth against amounts", r"增速与金额"),
    (r"largest possible spread", r"离散程度的上限"),
    (r"log base", r"对数的底"),
    (r"observations", r"观测数"),
    (r"reading of the parentheses", r"括号内数值的含义"),
    (r"stars", r"星号"),
    (r"treated share", r"处理占比"),
    (r"variance of a 0/1 variable", r"0/1 变量的方差"),
    # rpt_published_audit: quantities
    (r"present in the table", r"是否列于表中"),
    (r"amount, 100 million yuan", r"金额（亿元）"),
    (r"growth, %", r"增速（%）"),
    (r"standard deviation at most", r"标准差上限"),
    (r"variance at most", r"方差上限"),
    (r"retail sales / output, base (\w+)", r"零售额／产出，底为 \1"),
    (r"investment / output, base (\w+)", r"投资／产出，底为 \1"),
    (rf"N at {_N} rows a city", r"每城市 \1 行时的 N"),
    (r"p-values", r"p 值"),
    (r"standard errors", r"标准误"),
    (r"t statistics", r"t 统计量"),
    (r"stars under (.+)", r"按 \1 的星号"),
    (r"mean of (\w+)", r"\1 的均值"),
    (r"mean", r"均值"),
    (r"variance", r"方差"),
    # rpt_published_audit: rules
    (r"the text defines it, so the table should have it", r"正文已定义，表中应有"),
    (rf"(.+), rounding allows {_N} to {_N}", r"\1，四舍五入允许 \2 至 \3"),
    (rf"read as a standard deviation: \(max - mean\)\(mean - min\) = {_N} bounds the variance \((.+)\)",
     r"视作标准差：(最大值 - 均值)(均值 - 最小值) = \1 为方差上限（\2）"),
    (rf"read as a variance: \(max - mean\)\(mean - min\) = {_N} bounds the variance \((.+)\)",
     r"视作方差：(最大值 - 均值)(均值 - 最小值) = \1 为方差上限（\2）"),
    (r"retail sales over output at the means if logs have base (\w+)",
     r"若对数以 \1 为底，均值处零售额与产出之比"),
    (r"investment over output at the means if logs have base (\w+)",
     r"若对数以 \1 为底，均值处投资与产出之比"),
    (rf"whole sample: {_N} cities x {_N} years", r"全样本：\1 城市 × \2 年"),
    (rf"cities of the region: {_N} cities x {_N} years", r"该区域城市：\1 城市 × \2 年"),
    (rf"outcome {_N} ahead: {_N} cities x {_N} years", r"被解释变量提前 \1 期：\2 城市 × \3 年"),
    (rf"without municipalities: {_N} cities x {_N} years", r"剔除直辖市：\1 城市 × \2 年"),
    (r"stars that follow if the parentheses are p-values, under (.+)",
     r"若括号内为 p 值，按 \1 应有的星号"),
    (r"stars that follow if the parentheses are standard errors, under (.+)",
     r"若括号内为标准误，按 \1 应有的星号"),
    (r"stars that follow if the parentheses are t statistics, under (.+)",
     r"若括号内为 t 统计量，按 \1 应有的星号"),
    (r"(\|.+\| / \S+ = \S+) under (\S+): p = (\S+)", r"\1，按 \2：p = \3"),
    (rf"treated city-years (.+) = {_N}, over {_N}; the printed mean is {_N} of {_N}",
     r"处理组城市—年份 \1 = \2，除以 \3；所印均值相当于 \5 中的 \4"),
    (rf"p \(1 - p\) at p = {_N}; its square root is {_N}", r"p = \1 时 p (1 - p)；其平方根为 \2"),
    # rpt_published_audit: verdicts
    (r"present", r"有"),
    (r"missing", r"缺"),
    (r"agrees", r"一致"),
    (r"possible", r"可能"),
    (r"impossible", r"不可能"),
    (r"not legible", r"无法辨认"),
    (rf"computed {_N}, printed {_N}", r"计算值 \1，所印 \2"),
    (rf"printed {_N}, implied {_N}", r"所印 \1，应为 \2"),
    (rf"explains {_N} of {_N} rows", r"可解释 \2 行中的 \1 行"),
    (r"printed (no star|\*+), implied (no star|\*+)", r"所印 \1，应为 \2"),
    (rf"{_N} city of the batch of {_N} coded untreated", r"\2 年批次中有 \1 个城市被记为未处理"),
    (rf"{_N} cities of the batch of {_N} coded untreated", r"\2 年批次中有 \1 个城市被记为未处理"),
    (r"no single city explains it", r"没有哪一个城市能单独解释"),
    (r"the column is the standard deviation", r"该列为标准差"),
    (rf"base (\w+) is possible: retail sales would be {_N} of output", r"以 \1 为底可能：零售额为产出的 \2"),
    (rf"base (\w+) is impossible: retail sales would be {_N} of output", r"以 \1 为底不可能：零售额为产出的 \2"),
    (rf"base (\w+) is possible: investment would be {_N} of output", r"以 \1 为底可能：投资为产出的 \2"),
    (rf"base (\w+) is impossible: investment would be {_N} of output", r"以 \1 为底不可能：投资为产出的 \2"),
)  # fmt: skip
_ABSORBED = re.compile(
    r"not estimated: Regressors are combinations of the others or of the fixed effects "
    r"\(1\): (\w+): absorbed by the fixed effects"
)
_COMPILED = tuple((re.compile(form), answer) for form, answer in _FORMS)


def sentence(text: object, language: str) -> str:
    """The sentence in the language, its numbers with a true minus sign."""
    if not isinstance(text, str):
        return ""
    text = _ABSORBED.sub(r"not estimated: \1 is absorbed by the fixed effects", text)
    if language == "zh":
        for form, answer in _COMPILED:
            match = form.fullmatch(text)
            if match:
                text = match.expand(answer).replace("no star", "无星号")
                text = text.replace("星号：none", "星号：无")
                break
    return re.sub(r"(?<![\w.)\-])-(?=\d)", MINUS, text)
