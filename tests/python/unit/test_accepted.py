"""Which accepted profile a table is compared with."""

from __future__ import annotations

import pytest

from citypanel.quality.accepted import NOTHING, differing_options, profile_to_match

ACCEPTED = {
    "options": {
        "real_gdp": "city_growth",
        "credibility": "False",
        "depreciation": "0.06",
    },
    "profiles": {"marts.a": {"n_rows": 3, "columns": {}}},
}


def test_nothing_accepted_or_a_new_table_has_no_profile():
    assert profile_to_match(None, "marts.a", options={}) == {"note": NOTHING}
    options = dict(ACCEPTED["options"])
    assert profile_to_match(ACCEPTED, "marts.b", options=options) == {"note": NOTHING}


@pytest.mark.parametrize(
    ("change", "is_compared"),
    [
        ({}, True),
        ({"credibility": "True"}, True),
        ({"depreciation": 0.06}, True),
        ({"depreciation": 0.1}, False),
        ({"new_option": "x"}, False),
    ],
)
def test_a_run_with_other_options_is_not_compared(change, is_compared):
    found = profile_to_match(ACCEPTED, "marts.a", options=ACCEPTED["options"] | change)
    assert ("columns" in found) == is_compared
    if not is_compared:
        assert found["note"] == f"accepted under other options ({next(iter(change))})"


def test_tables_that_no_option_touches_are_always_compared():
    assert differing_options(ACCEPTED, None) == []
    assert "columns" in profile_to_match(ACCEPTED, "marts.a", options=None)
