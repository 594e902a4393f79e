"""What a user reads when a panel or an option cannot be used."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from citypanel import did
from citypanel.errors import EstimationError, OptionError, PanelError

KEYS = dict(outcome="y", unit="city_id", period="year")


@pytest.fixture
def frame():
    rows = [(c, t) for c in ("330100", "330200", "420100") for t in range(2014, 2018)]
    data = pd.DataFrame(rows, columns=["city_id", "year"])
    data["cohort"] = data["city_id"].map({"330100": 2015, "330200": 2016, "420100": 0})
    late = (data["cohort"] > 0) & (data["year"] >= data["cohort"])
    data["sydid"] = late.astype(float)
    data["y"] = np.random.default_rng(0).normal(size=len(data))
    return data


def message(error) -> str:
    text = str(error.value)
    assert "Consequence:" in text and "Remedy:" in text
    return text


def test_column_missing(frame):
    with pytest.raises(PanelError) as error:
        did.twfe(frame.drop(columns="sydid"), treatment="sydid", **KEYS)
    assert "- sydid" in message(error)


def test_text_in_a_number_column(frame):
    frame["y"] = frame["y"].astype(object)
    frame.loc[5, "y"] = "n/a"
    with pytest.raises(PanelError) as error:
        did.twfe(frame, treatment="sydid", **KEYS)
    assert "city_id 330200, year 2015, y = 'n/a'" in message(error)


def test_key_missing(frame):
    frame.loc[3, "city_id"] = None
    with pytest.raises(PanelError) as error:
        did.twfe(frame, treatment="sydid", **KEYS)
    assert "row 3" in message(error)


def test_key_repeated(frame):
    twice = pd.concat([frame, frame.iloc[[6]]])
    with pytest.raises(PanelError) as error:
        did.twfe(twice, treatment="sydid", **KEYS)
    assert "city_id 330200, year 2016" in message(error)


def test_treatment_switches_off(frame):
    frame.loc[3, "sydid"] = 0.0
    with pytest.raises(PanelError) as error:
        did.twfe(frame, treatment="sydid", **KEYS)
    text = message(error)
    assert "switches off" in text
    assert "city_id 330100, year 2017, sydid = 0.0" in text


def test_cohort_varies_within_a_city(frame):
    frame.loc[1, "cohort"] = 2017
    with pytest.raises(PanelError) as error:
        did.event_study(frame, cohort="cohort", **KEYS)
    assert "city_id 330100: 2015, 2017" in message(error)


def test_cohort_is_not_a_period(frame):
    frame["cohort"] = frame["cohort"] + 0.5
    with pytest.raises(PanelError) as error:
        did.event_study(frame, cohort="cohort", **KEYS)
    assert "not a whole period" in message(error)


def test_nobody_treated(frame):
    with pytest.raises(EstimationError) as error:
        did.event_study(frame.assign(cohort=0), cohort="cohort", **KEYS)
    assert "No city is treated in column cohort" in message(error)


def test_collinear_control(frame):
    rng = np.random.default_rng(1)
    frame["eco"] = rng.normal(size=len(frame))
    frame["con"] = 2 * frame["eco"] + frame["year"]
    with pytest.raises(EstimationError) as error:
        did.twfe(frame, treatment="sydid", controls=["eco", "con"], **KEYS)
    assert "- con: collinear" in message(error)


def test_control_absorbed_by_the_effects(frame):
    frame["area"] = frame["city_id"].astype(float)
    with pytest.raises(EstimationError) as error:
        did.twfe(frame, treatment="sydid", controls=["area"], **KEYS)
    assert "- area: absorbed by the fixed effects" in message(error)


def test_no_city_left(frame):
    with pytest.raises(PanelError) as error:
        did.twfe(frame.assign(y=np.nan), treatment="sydid", **KEYS)
    assert "No city is left" in message(error)


def test_unknown_standard_errors(frame):
    with pytest.raises(OptionError) as error:
        did.twfe(frame, treatment="sydid", standard_errors="stata", **KEYS)
    text = message(error)
    assert "'stata'" in text and "'xtreg'" in text


def test_unknown_small_sample_option(frame):
    with pytest.raises(OptionError) as error:
        did.twfe(
            frame,
            treatment="sydid",
            standard_errors="fixest",
            small_sample={"K.fixef": "all"},
            **KEYS,
        )
    assert "K.fixef = 'all'" in message(error)


def test_one_cluster(frame):
    with pytest.raises(EstimationError) as error:
        did.twfe(frame.assign(g=1), treatment="sydid", cluster="g", **KEYS)
    assert "need two clusters, there is 1" in message(error)


def test_three_clusterings(frame):
    with pytest.raises(OptionError) as error:
        did.twfe(
            frame, treatment="sydid", cluster=["city_id", "year", "cohort"], **KEYS
        )
    assert "More than two columns" in message(error)


def test_leverage_with_clusters_that_cut_units(frame):
    with pytest.raises(EstimationError) as error:
        did.twfe(
            frame, treatment="sydid", cluster="year", standard_errors="CR2", **KEYS
        )
    assert "more than one cluster" in message(error)


def test_bias_reduction_with_two_clusterings(frame):
    with pytest.raises(OptionError) as error:
        did.twfe(
            frame,
            treatment="sydid",
            cluster=["city_id", "year"],
            standard_errors="CR2",
            **KEYS,
        )
    assert "CR2 with two clusterings" in message(error)


def test_linearmodels_convention_needs_linearmodels(frame):
    with pytest.raises(OptionError) as error:
        did.twfe(
            frame,
            treatment="sydid",
            standard_errors="linearmodels",
            engine="closed_form",
            **KEYS,
        )
    assert "closed_form" not in str(error.value).splitlines()[0]
    assert 'needs engine="linearmodels"' in message(error)


def test_reference_within_a_bin(frame):
    with pytest.raises(OptionError) as error:
        did.event_study(frame, cohort="cohort", bin_before=-1, **KEYS)
    assert "Reference -1 lies in a bin" in message(error)


def test_reference_never_reached(frame):
    with pytest.raises(EstimationError) as error:
        did.event_study(frame, cohort="cohort", reference=-7, **KEYS)
    assert "event times seen: -2, -1, 0, 1, 2" in message(error)
