"""docs/validation.md says what the tests of this folder compared; it runs last."""

from __future__ import annotations

import re

import pytest
from tests.support.validation import ELSEWHERE, LEDGER, rows

HEAD = """# Validation

Figures of other people's software and papers that `make test` recomputes. The data are
in `tests/references`, with their sources and licences; the tests are in
`tests/python/reference`, with the reason for each tolerance beside it. This table is
written by them (`make validation`) and a test holds it to what they compare.

- *Figures*: numbers compared: estimates, standard errors, p-values, distances, indices.
- *Largest difference*: over the larger of 1 and the figure, rounded up; 1e-14 is
  rounding.
- *Allowed*: the widest tolerance among them. Printed figures have few decimals, and
  errors from random draws are compared loosely.

| function | software | figures | largest difference | allowed |
|---|---|---|---|---|
"""
ROW = re.compile(
    r"\| `(?P<function>.*)` \| (?P<software>.*) \| (?P<figures>[\d,]+) "
    r"\| (?P<largest>\S+) \| (?P<allowed>\S+) \|"
)
TAIL = """
Sets whose terms do not let them travel with the project are compared where somebody
has put them:

{absent}

With `pip install -e .[peers]` the tests also compare `stacked`, `switchers`,
`group_time_att` and `twfe` with diff-diff, moderndid and pyfixest on simulated panels,
and the functions of [what referees ask next](method/referee.md) with augsynth-py,
contdid, diff-diff and statspai; without it they skip.

Where other software is wrong, the tests say how that was settled: nine of the banks'
distances (`test_frontier_banks.py`) are decided by rational arithmetic.
"""


def written() -> str:
    table = list(rows(LEDGER))
    figures = sum(entry.figures for entry in LEDGER.comparisons.values())
    absent = "\n".join(f"- `{name}`: {where}." for name, where in ELSEWHERE.items())
    count = f"{figures:,} figures in all.\n"
    return HEAD + "\n".join(table) + f"\n\n{count}" + TAIL.format(absent=absent)


@pytest.fixture
def whole_run(request):
    """Skips where only some of the folder's tests ran."""
    wanted = {
        item.name
        for item in request.session.items
        if item.get_closest_marker("compares")
    }
    done = {name for entry in LEDGER.comparisons.values() for name in entry.tests}
    modules = {item.path.name for item in request.session.items}
    every = {p.name for p in request.path.parent.glob("test_*_reference_*.py")}
    every |= {p.name for p in request.path.parent.glob("test_frontier_*.py")}
    if not every <= modules:
        pytest.skip("only some of the reference tests ran")
    return wanted, done


def test_the_page_says_what_was_compared(project, request, whole_run):
    page = project / "docs" / "validation.md"
    if request.config.getoption("--write-validation"):
        page.write_text(written(), encoding="utf-8")
    told = {m.group("function", "software"): m for m in ROW.finditer(page.read_text())}
    ours = {m.group("function", "software"): m for m in ROW.finditer(written())}
    present = {key for key in told if "(not shipped)" not in key[1] or key in ours}
    assert present == set(ours)
    for key, row in ours.items():
        assert row["figures"] == told[key]["figures"], f"{key}: figures compared"
        # Another processor rounds differently; a hundredfold is no rounding.
        assert float(row["largest"]) <= 100 * float(told[key]["largest"]), (
            f"{key}: difference"
        )


def test_a_clone_alone_compares_thousands_of_figures(whole_run):
    shipped = {k: v for k, v in LEDGER.comparisons.items() if "not shipped" not in k[1]}
    assert sum(entry.figures for entry in shipped.values()) >= 3_000
    assert all(entry.largest <= entry.allowed for entry in shipped.values())
    assert len({function for function, _ in shipped}) >= 12


def test_every_marked_test_compared_something(whole_run):
    wanted, done = whole_run
    skipped = {name for name in wanted - done if "parliaments" in name}
    assert wanted - done == skipped
