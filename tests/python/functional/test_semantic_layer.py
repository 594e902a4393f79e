"""The metrics are those of the marts; MetricFlow answers them where it is installed."""

from __future__ import annotations

import sys

import pandas as pd
import pytest
import yaml

from citypanel.cli import main


def test_every_measure_reads_a_column_of_its_mart(project, built):
    path = project / "models" / "marts" / "_marts__semantic.yml"
    layer = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert len(layer["metrics"]) >= 9
    for semantic in layer["semantic_models"]:
        table = semantic["model"].split("'")[1]
        expressions = [
            each.get("expr", each["name"])
            for kind in ("measures", "dimensions", "entities")
            for each in semantic.get(kind, [])
        ]
        built.query(f"select {', '.join(expressions)} from marts.{table} limit 1")


@pytest.mark.slow
def test_metricflow_answers_as_sql_does(built, tmp_path, monkeypatch):
    pytest.importorskip(
        "dbt_metricflow", reason="MetricFlow (the extra metrics) is not installed"
    )
    result = built.dbt("parse")
    assert result.returncode == 0, result.stdout
    answer = tmp_path / "answer.csv"
    monkeypatch.chdir(built.root)
    monkeypatch.setattr(sys, "argv", ["citypanel"])
    arguments = ["metrics", "--metrics", "mean_tfpch,capital_output_ratio"]
    groups = ["--group-by", "metric_time__year,city__region"]
    assert main([*arguments, *groups, "--csv", str(answer)]) == 0
    found = pd.read_csv(answer)
    found["year"] = pd.to_datetime(found["metric_time__year"]).dt.year
    expected = built.query(
        "select years.year, years.region, "
        "exp(avg(ln(changes.tfpch))) as mean_tfpch, "
        "sum(years.capital_real_cny_10k) / sum(years.gdp_real_cny_10k) "
        "as capital_output_ratio from marts.fct_city_years as years "
        "left join marts.fct_tfp_changes as changes using (city_id, year) "
        "group by years.year, years.region"
    )
    both = expected.merge(
        found, left_on=["year", "region"], right_on=["year", "city__region"],
        suffixes=("", "_found"), validate="one_to_one",
    )  # fmt: skip
    assert len(both) == 36
    for name in ("mean_tfpch", "capital_output_ratio"):
        pd.testing.assert_series_equal(
            both[name], both[f"{name}_found"], check_names=False, rtol=1e-6
        )
