"""The parts of figures that compute something, and how files come about."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from citypanel.outputs.figures import (
    FIGURES,
    Style,
    estimates,
    panels,
    referees,
    render,
    style,
)
from citypanel.progress import tracked

BY_NAME = {figure.name: figure for figure in FIGURES}


def test_names_are_numbered_and_unique():
    assert len(BY_NAME) == len(FIGURES)
    for figure in FIGURES:
        assert figure.name.startswith(f"figure_{figure.number}_")


def test_an_isoquant_is_straight_between_cities_and_parallel_to_the_axes_beyond():
    line = panels.isoquant(np.array([[4.0, 1.0], [1.0, 3.0]]), top=10, right=8)
    assert tuple(line[0]) == (1.0, 10.0) and tuple(line[-1]) == (8.0, 1.0)
    between = line[(line[:, 0] > 1) & (line[:, 0] < 4)]
    np.testing.assert_allclose(between[:, 1], 3 - (between[:, 0] - 1) * 2 / 3)


def test_neighbouring_cells_make_one_rectangle():
    runs = panels._runs(np.array([[0, 1, 1, 0, 1], [0, 0, 0, 0, 0]], bool))
    assert runs == [
        [(1, 0), (3, 0), (3, 1), (1, 1)],
        [(4, 0), (5, 0), (5, 1), (4, 1)],
    ]


def _event_study(**bands):
    events = pd.DataFrame(
        {
            "estimator": "twfe", "variant": "headline", "outcome": "tfpch",
            "event_time": [-2, -1, 0], "estimate": [0.1, 0.0, 0.3],
            "std_error": [0.1, None, 0.1], "conf_low": [-0.1, None, 0.1],
            "conf_high": [0.3, None, 0.5], "band_low": None, "band_high": None,
            "n_treated_cities": 5, "n_obs": 90, "n_cities": 10,
            "leads_p_value": 0.4, "note": [None, "reference period", None],
        }
    )  # fmt: skip
    att = events.assign(
        aggregation="dynamic", sample="all", term="event",
        band_low=events["conf_low"] - 0.1, band_high=events["conf_high"] + 0.1,
    )  # fmt: skip
    options = pd.DataFrame(
        {"variant": ["headline"], "outcome": ["tfpch"], "policy": ["pilot_zones"]}
    )
    return {
        "rpt_event_study": events, "rpt_att": att.assign(**bands),
        "dim_study_variants": options,
    }  # fmt: skip


def test_the_uniform_band_is_that_of_the_same_coefficients():
    data = estimates.event_study_data(_event_study(), overlay=False)
    np.testing.assert_allclose(data["band_low"], [-0.2, np.nan, 0.0], atol=1e-12)


def test_a_band_around_other_coefficients_is_not_drawn():
    other = _event_study(estimate=[0.2, 0.0, 0.4])
    data = estimates.event_study_data(other, overlay=False)
    assert data.loc[data["event_time"] != -1, "band_low"].isna().all()
    drawing = estimates.event_study(other, Style())
    assert any("No uniform band" in note.en for note in drawing.notes)


def test_the_event_study_states_its_reference_and_its_counts():
    drawing = estimates.event_study(_event_study(), Style())
    notes = " ".join(note.en for note in drawing.notes)
    assert "Reference period: event time \u22121." in notes
    assert "90 observations of 10 cities" in notes
    assert "p\u00a0=\u00a00.40" in notes


def test_the_randomisation_figure_counts_the_sample_among_its_draws():
    draws = pd.DataFrame(
        {
            "paper_table": "3", "paper_column": "(1)", "draw": range(5),
            "statistic": [2.0, -2.5, 1.0, 0.5, -1.0],
            "is_sample": [True] + [False] * 4,
        }
    )  # fmt: skip
    drawing = estimates.randomisation({"rpt_randomisation": draws}, Style())
    assert any(
        "1 of 4 permutations" in note.en and "p\u00a0=\u00a00.40" in note.en
        for note in drawing.notes
    )


def test_the_same_figure_gives_the_same_bytes_without_dates():
    marts = _event_study()
    figure = BY_NAME["figure_1_event_study"]
    first = render(figure, marts, Style())
    second = render(figure, marts, Style())
    assert first == second
    assert set(first) == {
        f"figure_1_event_study.{kind}" for kind in ("pdf", "svg", "png", "csv", "md")
    }
    pdf = first["figure_1_event_study.pdf"]
    assert b"CreationDate" not in pdf and b"/Subtype /Image" not in pdf
    svg = first["figure_1_event_study.svg"]
    assert b"<dc:date>" not in svg and b"<image" not in svg


def test_series_differ_in_marker_and_dash_beside_colour():
    markers = [marker for _, marker, _ in style.SERIES]
    dashes = [str(dash) for _, _, dash in style.SERIES]
    assert len(set(markers)) == len(set(dashes)) == len(style.SERIES) == 9


def test_a_font_is_used_only_if_it_has_the_characters(monkeypatch):
    style.chinese_font.cache_clear()
    monkeypatch.setattr(style, "CJK_FONTS", ("DejaVu Sans",))
    assert style.chinese_font() is None
    style.chinese_font.cache_clear()


@pytest.mark.parametrize("seconds", [1.0, 3.0])
def test_progress_is_said_every_five_seconds_at_most(seconds):
    now = iter(np.arange(100) * seconds)
    said = []
    things = list(
        tracked(range(10), what="x", say=said.append, clock=lambda: next(now))
    )
    assert things == list(range(10))
    assert 0 < len(said) <= 10 * seconds / 5
    assert said[0].startswith("x: ") and "elapsed" in said[0]
    assert list(tracked([1, 2], what="x", say=None)) == [1, 2]


def test_every_estimator_of_a_figure_has_one_base():
    marts = _event_study()
    other = marts["rpt_event_study"].assign(estimator="imputation")
    same = marts["rpt_event_study"].assign(estimator="sun_abraham")
    marts["rpt_event_study"] = pd.concat([marts["rpt_event_study"], other, same])
    data = estimates.event_study_data(marts, overlay=True)
    times = data.groupby("estimator")["event_time"].apply(list).to_dict()
    assert times["imputation"] == [0]
    assert times["sun_abraham"] == times["twfe"] == [-2, -1, 0]


@pytest.fixture
def answers():
    errors = pd.DataFrame(
        {
            "question": "spatial_errors",
            "aggregation": "spatial",
            "term": ["unit", "above", "bartlett_100_km", "bartlett_200_km", "finite"],
            "standard_errors": ["xtreg", "xtreg", *["conley bartlett"] * 2, None],
            "distance_km": [None, None, 100.0, 200.0, None],
            "std_error": [0.02, 0.03, 0.021, 0.024, 0.01],
            "p_value": 0.5,
        }
    )
    since = pd.DataFrame(
        {
            "question": "concurrent_policies",
            "aggregation": "first_period",
            "policy": ["low_carbon_pilots", "free_trade_zones", "low_carbon_pilots"],
            "term": ["1", "2", "3"],
            "estimate": [2010.0, 2013.0, 2013.0],
        }
    )
    exposures = pd.DataFrame(
        [(c, y, g) for c, g in (("1", 2012), ("2", 0), ("3", 0), ("4", 0))
         for y in (2011, 2012, 2013)],
        columns=["city_id", "year", "cohort"],
    )  # fmt: skip
    cities = pd.DataFrame({"city_id": list("1234"), "city_en": list("abcd")})
    options = pd.DataFrame({"variant": ["headline"], "policy": ["pilot_zones"]})
    return {
        "rpt_referee": pd.concat([errors, since]), "fct_policy_exposures": exposures,
        "dim_cities": cities.assign(city_zh=list("甲乙丙丁")),
        "dim_study_variants": options,
    }  # fmt: skip


def test_who_came_under_which_policy_when(answers):
    drawing = referees.other_policies(answers, Style())
    rows = set(drawing.data.itertuples(index=False, name=None))
    assert rows == {
        ("1", "a", "pilot zone", 2012),
        ("1", "a", "low-carbon pilot", 2010),
        ("2", "b", "free-trade zone", 2013),
        ("3", "c", "low-carbon pilot", 2013),
    }
    names = [t.get_text() for t in drawing.figure.axes[0].get_yticklabels()]
    assert names == ["a", "b", "c"]
    assert (
        drawing.notes[0].en.startswith("A line") and " 1 cities" in drawing.notes[0].en
    )


def test_overlap_is_drawn_by_cohort(answers):
    scores = pd.DataFrame(
        {
            "question": "adjustment", "aggregation": "score",
            "sample": ["2016", "2016", "2018", "2018", "2018"],
            "term": ["1", "2", "1", "2", "3"], "estimate": [0.8, 0.1, 0.5, 0.2, 0.3],
            "weight": [1.0, 1.0, 1.0, 0.4, 0.6], "n_treated_cities": [1, 0, 1, 0, 0],
        }
    )  # fmt: skip
    drawing = referees.overlap(answers | {"rpt_referee": scores}, Style())
    assert [ax.get_title(loc="left") for ax in drawing.figure.axes] == [
        "Treated from 2016",
        "Treated from 2018",
    ]
    treated, controls = drawing.figure.axes[1].collections
    assert list(treated.get_offsets()[:, 0]) == [0.5]
    assert sorted(controls.get_offsets()[:, 0]) == [0.2, 0.3]
    assert controls.get_sizes()[1] > controls.get_sizes()[0]
    assert set(drawing.data["city"]) == {"a", "b", "c"}


def test_the_error_against_the_cutoff(answers):
    drawing = referees.shared_errors(answers, Style())
    lines = drawing.figure.axes[0].lines
    assert list(lines[0].get_xdata()) == [100, 200]
    assert list(lines[0].get_ydata()) == [0.021, 0.024]
    levels = {line.get_label(): line.get_ydata()[0] for line in lines[1:]}
    assert levels == {"clustered by city": 0.02, "clustered by province": 0.03}
    assert "finite" not in set(drawing.data["term"])
