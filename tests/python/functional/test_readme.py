"""What the README says holds on the shipped figures."""

from __future__ import annotations

import re

import pytest

from citypanel.outputs.facts import gather, read_frames
from citypanel.outputs.report import sentences
from citypanel.study.declaration import declared
from citypanel.words.numbers import fixed, share


@pytest.fixture(scope="module")
def readme(project):
    return (project / "README.md").read_text(encoding="utf-8")


def test_the_queries_run_and_answer(built, readme):
    queries = re.findall(r"```sql\n(.*?)```", readme, flags=re.DOTALL)
    assert len(queries) == 3
    for query in queries:
        assert len(built.query(query.rstrip().rstrip(";"))) > 0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_verdict_is_that_of_the_report(built, project, language):
    """What the README says first is said by the rules of the report, from its facts."""
    name = "README.md" if language == "en" else "README.zh-CN.md"
    between = " " if language == "en" else ""
    text = re.sub(r"\n(> )?\s*", between, (project / name).read_text("utf-8"))
    facts = gather(read_frames(built.published))
    verdict = sentences.verdict(facts)
    for sentence in (verdict.lead, verdict.certainty):
        assert getattr(sentence, language) in text, sentence
    effect, paper, trend = facts.headline.effect, facts.paper, facts.pretrend
    to = " to " if language == "en" else " 至 "
    for own in (effect, paper.effect):
        row = f"| {fixed(own.estimate)} | {fixed(own.low)}{to}{fixed(own.high)} |"
        assert row in text
    assert not effect.holds(paper.estimate) and paper.estimate > effect.high
    for told in (
        share(facts.inference.power),
        f"{fixed(trend.net.estimate)}",
        f"{fixed(trend.net.low)}{to}{fixed(trend.net.high)}",
        fixed(abs(trend.slope.estimate), 4),
        fixed(trend.slope.std_error, 4),
        fixed(trend.missed, 4),
        share(facts.headline.assumed_share),
        share(facts.index.zero_price_share),
        fixed(facts.detectable),
        f"{facts.index.output:.2f}",
        f"{facts.index.capital:.2f}",
        share(abs(facts.index.solow)),
    ):
        assert told in text, told
    # As many reasons as steps down, in their order.
    start = text.index("1. *")
    reasons = re.findall(r"\d\. \*", text[start : start + 900])
    assert len(reasons) == len(facts.conclusion.steps)


@pytest.mark.parametrize(
    "variant", ["headline", "real_gdp=city_growth", "fai_extension=none"]
)
def test_the_table_of_results_is_the_warehouses(built, readme, variant):
    row = built.query(
        f"select * from marts.rpt_regressions where variant = '{variant}' "
        "and paper_table = '3' and paper_column = '(1)' and term = 'sydid'"
    ).iloc[0]
    expected = (
        f"| {variant} | {row['estimate']:.3f} | {row['std_error']:.3f} | "
        f"{row['p_value']:.2f} | {row['n_cities']} ({row['n_treated_cities']}) | "
        f"{row['n_obs']} | {row['assumed_share']:.0%} |"
    )
    assert expected in readme


def test_the_other_figures_are_the_warehouses(built, readme):
    mean = built.query("select avg(tfpch) as m from marts.fct_tfp_changes")["m"].item()
    assert f"mean is {mean:.3f} here" in readme
    shares = built.query("from marts.rpt_frontier").set_index("year")
    zero = shares["zero_labour_price_share"]
    text = " ".join(readme.split())
    assert (
        f"zero for {zero[2013]:.0%} of the cities in 2013 and {zero[2019]:.0%} in 2019"
    ).replace("%", " per cent") in text
    level = built.query(
        "select * from marts.rpt_att where outcome = 'cumulative_log_tfp' "
        "and aggregation = 'simple' and term = 'overall'"
    ).set_index("estimator")
    twfe, group_time = level.loc["twfe"], level.loc["group_time_att"]
    assert f"gives {twfe['estimate']:.3f} ({twfe['std_error']:.3f})" in text
    assert (
        f"p = {twfe['leads_p_value']:.2f}; "
        f"{group_time['leads_p_value']:.3f} with group-time effects"
    ) in text
    controls = built.query(
        "select * from marts.rpt_regressions where variant = 'headline' "
        "and paper_table = '3' and paper_column = '(2)' and term = 'sydid'"
    ).iloc[0]
    northeast = built.query(
        "select variant, estimate from marts.rpt_regressions "
        "where paper_column = 'northeastern' and term = 'sydid'"
    ).set_index("variant")["estimate"]
    assert (
        f"effect is {northeast['headline']:.3f} under the first and "
        f"{northeast['real_gdp=city_growth']:.3f} under the second"
    ) in text
    quoted = f"estimate is {controls['estimate']:.3f} ({controls['std_error']:.3f})"
    assert quoted in text


def test_every_option_is_named(project, readme):
    options = declared().build_options
    assert len(options) == 34
    for option in options:
        assert f"`{option}`" in readme
