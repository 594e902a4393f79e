"""Errors of influences, bounds, imputations and yardsticks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.support.simulated_panel import simulate_panel

from citypanel.cli import main
from citypanel.errors import (
    EstimationError,
    FrontierError,
    OptionError,
    PanelError,
    PublicationError,
)
from citypanel.influence.assumed_bounds import assumed_bounds
from citypanel.influence.command import compute
from citypanel.influence.estimated_index import estimated_index
from citypanel.influence.experiments import influence
from citypanel.influence.headline import Headline
from citypanel.influence.multiple_imputation import growth_model, pool
from citypanel.influence.yardsticks import solow_residual, yardsticks
from citypanel.study.options import Options
from citypanel.study.plans import plans_of
from citypanel.study.run import Study

OPTIONS = Options()


def test_plans_must_be_positive():
    sample = pd.DataFrame(
        {
            "city_id": ["330100", "330200"],
            "year": [2011, 2011],
            "gdp_real_cny_10k": [5.0, -1.0],
            "capital_real_cny_10k": [1.0, 1.0],
            "labour": [1.0, np.nan],
        }
    )
    with pytest.raises(PanelError) as caught:
        plans_of(sample)
    message = str(caught.value)
    assert "city_id 330200, year 2011, gdp_real_cny_10k: -1" in message
    assert "labour: nan" in message and "Remedy" in message


def test_a_headline_without_treated_cities_is_named(small_study):
    policy = small_study.sources.policy
    nobody = policy.assign(exposure__approval_year=0.0, cohort__approval_year=np.nan)
    with pytest.raises(EstimationError, match="not identified: no city changes its"):
        Headline(Study(replace(small_study.sources, policy=nobody)), OPTIONS)


def test_unknown_kinds_and_impossible_slips(small_study):
    with pytest.raises(
        OptionError, match=r"Kinds of influence that do not exist \(1\)"
    ):
        influence(small_study, OPTIONS, kinds=["city", "planet"])
    with pytest.raises(OptionError, match="not positive"):
        influence(small_study, OPTIONS, slips=[10.0, 0.0])


def test_bounds_need_a_target(small_study):
    with pytest.raises(OptionError, match="nothing to bound"):
        assumed_bounds(small_study, OPTIONS, targets={})


def test_imputations_that_cannot_be_combined():
    with pytest.raises(EstimationError, match="cannot be combined: 1 of them"):
        pool([1.0], [1.0], df_complete=9)
    with pytest.raises(EstimationError, match="draw 2") as caught:
        pool([1.0, np.nan, 2.0], [1.0, 1.0, 1.0], df_complete=9)
    assert "Consequence: the variance between imputations" in str(caught.value)


def test_models_of_investment():
    table = np.ones((2, 4))
    years = np.arange(2010, 2014)
    with pytest.raises(OptionError, match="model='guess' is no model of investment"):
        growth_model(table, table, years, model="guess")
    with pytest.raises(EstimationError, match="4 city-years have growth of total"):
        growth_model(table, table, years, model="regression")


def test_the_bootstrap_refuses_what_it_cannot_draw():
    panel = simulate_panel(np.random.default_rng(0), n=12, years=4)
    given = (panel.outputs, panel.inputs, panel.treatment, panel.cohort)
    with pytest.raises(OptionError, match="draws=3"):
        estimated_index(*given, draws=3, seed=1)
    with pytest.raises(OptionError, match="outcome='techch' has no known truth"):
        estimated_index(*given, draws=20, seed=1, outcome="techch")
    holed = panel.outputs.copy()
    holed[2, 1] = np.nan
    with pytest.raises(FrontierError, match="city in row 2, year in column 1"):
        estimated_index(holed, *given[1:], draws=20, seed=1)
    # The largest city grows beyond everybody's scale: vrs has no programme for it.
    larger, used = panel.outputs.copy(), panel.inputs.copy()
    larger[0] *= [1e3, 1e4, 1e5, 1e6]
    used[0] *= np.array([1e3, 1e4, 1e5, 1e6])[:, None]
    with pytest.raises(FrontierError, match="programme between periods is infeasible"):
        estimated_index(
            larger, used, *given[2:], draws=20, seed=1,
            returns_to_scale="vrs", orientation="input",
        )  # fmt: skip


def test_a_labour_share_is_a_share():
    with pytest.raises(OptionError, match=r"labour_share=1\.4"):
        solow_residual(np.ones(1), np.ones(1), np.ones(1), labour_share=1.4)


def test_yardsticks_need_persons(small_sources):
    kept = small_sources.cells["variable"] != "private_employment_persons"
    without = replace(small_sources, cells=small_sources.cells[kept])
    with pytest.raises(PanelError):
        yardsticks(Study(without), OPTIONS, estimators=["twfe"], seed=1)


def test_the_command_needs_a_published_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["influence"]) == 1
    printed = capsys.readouterr().err
    assert "There is no published warehouse citypanel.duckdb here" in printed
    assert "Remedy: run make build first" in printed
    assert not (tmp_path / "outputs").exists()
    with pytest.raises(OptionError, match="--workers is 0"):
        compute(Path("x"), output=tmp_path, workers=0, say=print)


def test_a_file_of_an_earlier_version_is_named(tmp_path):
    import duckdb

    file = tmp_path / "citypanel.duckdb"
    duckdb.connect(str(file)).close()
    with pytest.raises(PublicationError, match=r"lacks tables .* \(11\)") as caught:
        compute(file, output=tmp_path, workers=1, say=print)
    assert "marts.dim_study_variants" in str(caught.value)
