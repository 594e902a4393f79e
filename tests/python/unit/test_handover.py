"""Tables that go from one process to another arrive as they were."""

from __future__ import annotations

import pickle

import duckdb
import numpy as np
import pandas as pd
import pytest

from citypanel import handover
from citypanel.handover import Packed, packed, unpacked


def sent(value):
    return unpacked(pickle.loads(pickle.dumps(packed(value))))


@pytest.fixture
def any_size(monkeypatch):
    monkeypatch.setattr(handover, "FEWEST_ROWS", 1)


@pytest.fixture
def relation():
    connection = duckdb.connect()
    yield connection.sql(
        """
        select
            case when i % 7 <> 0 then 'it''s ' || (i % 3) end as "a ""b"" c",
            i::varchar as many,
            null::varchar as nothing,
            case when i % 2 = 0 then '' else '城市' end as 城市,
            i as number,
            case when i % 5 <> 0 then i end as gaps,
            i / 3.0 as part,
            i % 2 = 0 as flag,
            date '2020-01-01' + i::int as day
        from range(9000) as r(i)
        """
    )
    connection.close()


def test_a_relation_arrives_as_the_frame_that_it_makes(any_size, relation) -> None:
    over = packed(relation)
    assert isinstance(over, Packed)
    assert set(over.text) == {'a "b" c', "城市"}
    pd.testing.assert_frame_equal(sent(relation), relation.df())


def test_a_small_or_textless_relation_is_read_as_it_is(relation) -> None:
    assert isinstance(packed(relation), pd.DataFrame)
    numbers = relation.select("number", "part")
    pd.testing.assert_frame_equal(sent(numbers), numbers.df())


def test_an_empty_relation_arrives(any_size, relation) -> None:
    nothing = relation.filter("number < 0")
    pd.testing.assert_frame_equal(sent(nothing), nothing.df())


def test_rows_share_their_strings(any_size, relation) -> None:
    column = sent(relation)["城市"].to_numpy(dtype=object)
    assert column[0] is column[2]
    assert column[1] is column[3]


@pytest.mark.parametrize("dtype", ["object", "str", "string", "Int64", "float64"])
def test_a_frame_arrives_as_it_was(any_size, dtype) -> None:
    text = dtype in ("object", "str", "string")
    missing = None if dtype == "object" else pd.NA
    values = ["a", missing, "b", "a"] if text else [1, 2, 3, 1]
    index = [4, 1, 2, 2]
    frame = pd.DataFrame({"x": pd.Series(values, index=index, dtype=dtype)})
    frame.attrs["note"] = "kept"
    there = sent(frame)
    pd.testing.assert_frame_equal(there, frame)
    assert there.attrs == frame.attrs
    assert isinstance(packed(frame), Packed) is text


@pytest.mark.parametrize("odd", [1, np.nan, pd.NA, ["a"]])
def test_a_column_of_more_than_text_goes_over_as_it_is(any_size, odd) -> None:
    frame = pd.DataFrame({"x": pd.Series(["a", odd, "b"], dtype=object)})
    assert packed(frame) is frame


def test_what_stands_in_a_mapping_goes_over_too(any_size, relation) -> None:
    there = sent({"cells": {"read": relation}, "n": 3})
    pd.testing.assert_frame_equal(there["cells"]["read"], relation.df())
    assert there["n"] == 3
