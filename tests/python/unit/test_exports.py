"""What is exported opens again as it was, with labels within Stata's limits."""

from __future__ import annotations

import io

import duckdb
import numpy as np
import pandas as pd
import pytest

from citypanel.codebook.entries import Column
from citypanel.exports import (
    Export,
    csv_bytes,
    parquet_bytes,
    shortened,
    stata_bytes,
    stata_names,
)

LONG = "a_name_that_is_far_too_long_for_stata"
SQL = f"""
select * from (values
    ('110000', 2011, 0.1::double, true, date '2015-03-07', 'eastern', 2018, '北京',
     'x', 7::bigint),
    ('310000', 2012, null, false, null, 'western', 0, '上海', '{"y" * 3000}', null)
) as t(city_id, year, share, is_odd, approved, region, cohort, city_zh, note, {LONG})
"""


@pytest.fixture(scope="module")
def export():
    with duckdb.connect() as connection:
        frame = connection.execute(SQL).df()
    labels = {
        "share": Column("share", "double", "A share.", "Share", "比重", "share (0-1)"),
        LONG: Column(LONG, "bigint", "Long.", "word " * 40, "很" * 100, "count"),
    }
    columns = tuple(labels.get(n, Column(n, "", "", n, "标签")) for n in frame)
    return Export("things", "Things. One row per city.", frame, columns, SQL)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_stata_has_the_same_values(export, language):
    content = stata_bytes(export, language=language)
    frame = pd.read_stata(io.BytesIO(content), convert_categoricals=False)
    assert frame["city_id"].tolist() == ["110000", "310000"]
    assert frame["city_code"].tolist() == [110000, 310000]
    assert frame["share"].tolist()[0] == 0.1
    assert np.isnan(frame["share"].tolist()[1])
    assert frame["is_odd"].tolist() == [1, 0]
    assert frame["region"].tolist() == [1, 3]
    assert frame["note"].tolist() == ["x", "y" * 3000]
    assert frame["city_zh"].tolist() == ["北京", "上海"]
    assert frame["approved"][0] == pd.Timestamp("2015-03-07")
    assert pd.isna(frame["approved"][1])
    assert frame["a_name_that_is_far_too_long_for_s"[:32]].tolist()[0] == 7
    assert content == stata_bytes(export, language=language), "the clock is in it"


def test_stata_labels_keep_its_limits(export):
    for language in ("en", "zh"):
        content = stata_bytes(export, language=language)
        with pd.io.stata.StataReader(io.BytesIO(content)) as reader:
            labels = reader.variable_labels()
            values = reader.value_labels()
            assert len(reader.data_label) <= 80
        assert max(map(len, labels.values())) <= 80
        assert max(map(len, labels)) <= 32
        if language == "en":
            assert labels["share"] == "Share (share (0-1))"
            assert values["is_odd"] == {0: "no", 1: "yes"}
            assert values["cohort"] == {0: "never"}
            assert values["region"][4] == "northeastern"
        else:
            assert labels["share"] == "比重 (比重 (0-1))"
            assert values["region"][1] == "东部"
            assert values["city_code"] == {110000: "北京", 310000: "上海"}


def test_names_are_cut_without_meeting():
    names = [LONG + "_1", LONG + "_2", "year", "int", "str5", "2011", "a b", "a_b"]
    short = stata_names(names)
    assert len(set(short.values())) == len(names)
    assert max(map(len, short.values())) <= 32
    assert (short["year"], short["a_b"]) == ("year", "a_b")
    assert short["int"] == "v_int"
    assert short["2011"] == "v_2011"
    assert short["a b"] == "a_b_2"


def test_a_text_is_cut_at_a_word():
    assert shortened("one two three", 10) == "one two..."
    assert shortened("x" * 90) == "x" * 77 + "..."
    assert shortened("short") == "short"


def test_csv_opens_again_and_runs_no_formula():
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None], dtype="Int64"),
            "x": [0.1 + 0.2, np.nan],
            "flag": pd.array([True, None], dtype="boolean"),
            "text": ["=1+1", "北京"],
            "=bad": ["-0.5", "@cmd"],
        }
    )
    content = csv_bytes(frame)
    back = pd.read_csv(io.BytesIO(content))
    assert back["x"][0] == 0.1 + 0.2
    assert back["text"].tolist() == ["'=1+1", "北京"]
    assert back["'=bad"].tolist() == ["-0.5", "'@cmd"]
    assert content.decode().splitlines()[1].split(",")[2] == "true"


def test_parquet_has_the_values_and_the_labels(export, tmp_path):
    with duckdb.connect() as connection:
        content = parquet_bytes(connection, export)
        assert content == parquet_bytes(connection, export)
        path = tmp_path / "things.parquet"
        path.write_bytes(content)
        back = connection.execute(f"from '{path}'").df()
        pd.testing.assert_frame_equal(back, export.frame)
        meta = dict(
            connection.execute(
                f"select decode(key), decode(value) from parquet_kv_metadata('{path}')"
            ).fetchall()
        )
    assert meta["description"] == "Things. One row per city."
    assert '"label_zh": "比重"' in meta["columns"]
