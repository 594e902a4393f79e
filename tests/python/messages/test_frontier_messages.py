"""Every message of the frontier, and that it names what is wrong."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from citypanel import frontier
from citypanel.errors import FrontierError, FrontierWarning, OptionError, PanelError

KEYS = {"unit": "city", "period": "year", "outputs": ["y"], "inputs": ["k", "l"]}


def panel(**cells) -> pd.DataFrame:
    """Six cities in two years, with cells replaced: column=(city, year, value)."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "city": np.repeat(list("abcdef"), 2),
            "year": np.tile([2011, 2012], 6),
            "k": rng.uniform(1, 2, 12),
            "l": rng.uniform(1, 2, 12),
            "y": rng.uniform(1, 2, 12),
        }
    )
    for column, (city, year, value) in cells.items():
        where = (frame.city == city) & (frame.year == year)
        if isinstance(value, str):
            frame[column] = frame[column].astype(object)
        frame.loc[where, column] = value
    return frame


def raised(error, data, call=frontier.malmquist, **options) -> str:
    with pytest.raises(error) as caught:
        call(data, **{**KEYS, **options})
    message = str(caught.value)
    assert "Remedy:" in message
    return message


@pytest.mark.parametrize(
    ("option", "right"),
    [
        ("orientation", "'output', 'input'"),
        ("decomposition", "'fgnz', 'ray-desli', 'grifell-lovell', 'bias'"),
        ("reference", "'contemporaneous', 'sequential', 'window', 'biennial'"),
        ("returns_to_scale", "'crs', 'vrs', 'nirs', 'ndrs'"),
        ("base", "'adjacent', 'first'"),
        ("form", "'geometric', 'base'"),
        ("solver", "'auto', 'hull', 'simplex', 'lp'"),
        ("frontier", "'dea', 'order-m', 'order-alpha'"),
    ],
)
def test_unknown_option(option, right):
    message = raised(OptionError, panel(), **{option: "nonsense"})
    assert f"{option}='nonsense'" in message
    assert right in message


@pytest.mark.parametrize(
    "options",
    [
        {"decomposition": "ray-desli", "returns_to_scale": "vrs"},
        {"decomposition": "grifell-lovell", "reference": "global"},
        {"decomposition": "bias", "reference": "biennial"},
        {"form": "base"},
        {"reference": "metafrontier"},
        {"group": "city"},
        {"frontier": "order-m", "returns_to_scale": "vrs"},
        {"frontier": "order-m", "decomposition": "ray-desli"},
    ],
    ids=str,
)
def test_options_that_do_not_fit_together(options):
    message = raised(OptionError, panel(), **options)
    assert all(str(value) in message for value in options.values())


@pytest.mark.parametrize(
    "options",
    [
        {"frontier": "order-m", "order": 2.5},
        {"frontier": "order-m", "order": 0},
        {"frontier": "order-alpha", "order": 1.5},
        {"frontier": "order-alpha", "order": 0},
        {"frontier": "dea", "order": 3},
        {"window": 0, "reference": "window"},
        {"window": 2, "reference": "global"},
    ],
    ids=str,
)
def test_numbers_out_of_range(options):
    message = raised(OptionError, panel(), **options)
    assert all(repr(value) in message for value in options.values())


def test_reference_units_unknown_empty_or_absent():
    assert "city zz" in raised(OptionError, panel(), reference_units=["a", "zz"])
    assert "empty" in raised(OptionError, panel(), reference_units=[])
    gone = panel().query("not (city == 'a' and year == 2012)")
    assert "year 2012" in raised(OptionError, gone, reference_units=["a"])


def test_a_frontier_without_a_reference_unit():
    gone = panel().query("not (city == 'a' and year == 2011)")
    message = raised(
        FrontierError,
        gone,
        frontier.frontier,
        reference="sequential",
        reference_units=["a"],
        at=2011,
    )
    assert "year 2011 has no reference unit" in message


def test_columns():
    assert "capital" in raised(PanelError, panel(), inputs=["capital", "l"])
    assert "  - l" in raised(OptionError, panel(), inputs=["l", "l"])
    assert "outputs" in raised(OptionError, panel(), outputs=[])
    assert "inputs" in raised(OptionError, panel(), inputs=[])


def test_no_rows():
    assert "no rows" in raised(PanelError, panel().iloc[:0])


def test_duplicated_key():
    twice = pd.concat([panel(), panel().query("city == 'c'")])
    message = raised(PanelError, twice)
    assert "city c, year 2011" in message
    assert "city c, year 2012" in message
    assert "(2)" in message


def test_missing_key():
    data = panel()
    data.loc[3, "city"] = None
    assert "row 3" in raised(PanelError, data)


@pytest.mark.parametrize(
    ("cells", "named"),
    [
        ({"k": ("b", 2012, -1.0)}, "city b, year 2012, k: -1"),
        ({"y": ("b", 2011, -2.0)}, "city b, year 2011, y: -2"),
        ({"k": ("b", 2012, "many")}, "city b, year 2012: 'many'"),
        ({"l": ("d", 2011, np.inf)}, "city d, year 2011: inf"),
    ],
    ids=str,
)
def test_bad_cells(cells, named):
    assert named in raised(PanelError, panel(**cells))


def test_a_unit_without_any_input():
    message = raised(PanelError, panel(k=("e", 2012, 0.0)), inputs=["k"])
    assert "city e, year 2012, k: 0" in message


def warned(data, call=frontier.malmquist, **options) -> str:
    with pytest.warns(FrontierWarning) as caught:
        call(data, **{**KEYS, **options})
    return "\n".join(str(warning.message) for warning in caught)


def test_zero_in_one_input_is_a_warning():
    assert "city e, year 2012, k: 0" in warned(panel(k=("e", 2012, 0.0)))


def test_missing_value_is_a_warning():
    assert "city f, year 2011: missing l" in warned(panel(l=("f", 2011, np.nan)))


def test_fewer_units_than_variables_is_a_warning():
    data = panel().query("year == 2012 or city in ['a', 'b']")
    message = warned(data)
    assert "year 2011: city a, city b" in message
    assert "2012" not in message


def test_every_row_missing():
    data = panel().assign(k=np.nan)
    assert "city a, year 2011: missing k" in raised(PanelError, data)


def test_single_period():
    message = raised(PanelError, panel().query("year == 2011"))
    assert "single year" in message
    assert "year 2011" in message


def test_no_unit_in_two_periods():
    data = panel().query("(year == 2011) == (city < 'd')")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "city a" in raised(PanelError, data)


def test_groups():
    options = {"reference": "metafrontier", "group": "region"}
    assert "'region'" in raised(PanelError, panel(), **options)
    data = panel().assign(region="east")
    gap = data.assign(region=data.region.where(data.city != "b"))
    assert "city b, year 2011" in raised(PanelError, gap, **options)
    moved = data.assign(region=np.where(data.year == 2012, data.city, "east"))
    assert "city a" in raised(PanelError, moved, **options)
    lone = {"reference": "metafrontier"}
    raised(OptionError, data, call=frontier.distance, **lone)


def test_distance_options():
    raised(OptionError, panel(), call=frontier.distance, measure="debreu")


def test_directions():
    data = panel().assign(so2=0.0)
    options = {"bads": ["so2"], "call": frontier.directional_distance}
    assert "input_direction" in raised(
        OptionError, data, input_direction="sideways", **options
    )
    assert "[1.0]" in raised(OptionError, data, input_direction=[1.0], **options)
    still = {"output_direction": "zero", "bad_direction": "zero"}
    assert "city a, year 2011" in raised(OptionError, data, **still, **options)
    assert "bads_disposal" in raised(OptionError, data, bads_disposal="free", **options)
    assert "reference" in raised(OptionError, data, reference="metafrontier", **options)


def test_bootstrap_options():
    call = {"call": frontier.bootstrap_malmquist, "seed": 1}
    assert "replications=1" in raised(OptionError, panel(), replications=1, **call)
    assert "level=95" in raised(OptionError, panel(), level=95, **call)
    assert "bandwidth=-1" in raised(OptionError, panel(), bandwidth=-1, **call)


def test_bootstrap_of_one_unit():
    alone = panel().query("city == 'a' or year == 2011")
    with pytest.warns(FrontierWarning):
        message = raised(
            FrontierError,
            alone,
            call=frontier.bootstrap_malmquist,
            seed=1,
            replications=2,
        )
    assert "year 2011 to 2012" in message


def test_programmes_of_nobody():
    call = {"call": frontier.programmes}
    assert "city q, year 2011" in raised(
        OptionError, panel(), of=[("a", 2011), ("q", 2011)], **call
    )
    assert "empty" in raised(OptionError, panel(), of=[], **call)


def test_frontier_of_an_unknown_period():
    message = raised(OptionError, panel(), call=frontier.frontier, at=1999)
    assert "at=1999" in message
    assert "2011, 2012" in message


def test_summaries():
    changes = frontier.malmquist(panel(), **KEYS)
    with pytest.raises(PanelError, match="nonsense"):
        frontier.summarise(changes, by="nonsense")
    with pytest.raises(PanelError, match="tfpch"):
        frontier.summarise(changes.assign(tfpch=-1.0), by="year")
    with pytest.raises(OptionError, match="average"):
        frontier.summarise(changes[["city"]], by="city")


def test_flat_technology(monkeypatch):
    monkeypatch.setattr(frontier.details, "find_facets", lambda technology: None)
    message = raised(FrontierError, panel(), call=frontier.frontier, at=2011)
    assert "year 2011 is flat" in message
