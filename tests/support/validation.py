"""Other people's results: where they lie, and a count of what is compared with them.

A test of ``tests/python/reference`` names what it compares with a marker,
``@pytest.mark.compares("malmquist", "R deaR 1.5.3")``, and compares through `approx`
and `assert_allclose` below, which do what their namesakes of pytest and NumPy do and
count every figure. ``docs/validation.md`` is written from the count.
"""

from __future__ import annotations

import gzip
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

SHIPPED = Path(__file__).parents[1] / "references"
#: Sets whose terms do not let them travel with the project, and where to get them.
ELSEWHERE = {
    "did/synthdid_staggered_quota": "the example data of Stata's sdid "
    "(quota_example.dta, installed by `net get sdid`)",
    "studies/medicaid_mortality": "the counties of the practitioner's guide to "
    "difference-in-differences (county_years.csv of github.com/pedrohcgs/JEL-DiD)",
}


@dataclass
class Comparison:
    """The figures of one piece of software compared with one function."""

    figures: int = 0
    largest: float = 0.0
    allowed: float = 0.0
    tests: set[str] = field(default_factory=set)


@dataclass
class Ledger:
    """Comparisons by (function, software), in the order in which they were made."""

    comparisons: dict[tuple[str, str], Comparison] = field(default_factory=dict)
    current: tuple[str, str] | None = None
    test: str = ""

    def count(self, actual, expected, absolute: float, relative: float) -> None:
        """Count figures; a difference is over the larger of 1 and the figure."""
        if self.current is None:
            raise AssertionError(f"{self.test} compares, and has no marker `compares`")
        actual, expected = np.broadcast_arrays(
            np.asarray(actual, float), np.asarray(expected, float)
        )
        seen = np.isfinite(expected)
        if not seen.any():
            return
        actual, expected = actual[seen], expected[seen]
        size = np.maximum(1.0, np.abs(expected))
        entry = self.comparisons.setdefault(self.current, Comparison())
        entry.tests.add(self.test)
        entry.figures += actual.size
        difference = (np.abs(actual - expected) / size).max()
        allowed = (np.maximum(absolute, relative * np.abs(expected)) / size).max()
        entry.largest = max(entry.largest, float(difference))
        entry.allowed = max(entry.allowed, float(allowed))


LEDGER = Ledger()


class _Approximately:
    """`pytest.approx`, counted when it is compared."""

    def __init__(self, expected: float, absolute: float, relative: float) -> None:
        self.expected, self.absolute, self.relative = expected, absolute, relative
        self.judge = pytest.approx(expected, abs=absolute, rel=relative)

    def __eq__(self, actual: object) -> bool:
        same = bool(actual == self.judge)
        if same:
            LEDGER.count(actual, self.expected, self.absolute, self.relative)
        return same

    __hash__ = None

    def __repr__(self) -> str:
        return repr(self.judge)


def approx(expected: float, *, abs: float = 0.0, rel: float = 0.0) -> _Approximately:
    """A figure of other people's software, equal within a stated tolerance."""
    return _Approximately(expected, abs, rel)


def assert_allclose(
    actual, expected, *, rtol: float = 0.0, atol: float = 0.0, err_msg: str = ""
) -> None:
    """Figures of other people's software, equal within a stated tolerance."""
    actual, expected = np.asarray(actual, float), np.asarray(expected, float)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol, err_msg=err_msg)
    LEDGER.count(actual, expected, atol, rtol)


def unpack(folder: Path, beside: Path) -> None:
    """Lay the shipped sets into `folder`, with those found only in `beside`."""
    for source in (SHIPPED, SHIPPED / "gpl"):
        for topic in ("did", "malmquist"):
            for path in sorted((source / topic).rglob("*")):
                if path.is_dir():
                    continue
                target = folder / path.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                if path.suffix == ".gz":
                    target.with_suffix("").write_bytes(
                        gzip.decompress(path.read_bytes())
                    )
                else:
                    shutil.copy(path, target)
    for name in ELSEWHERE:
        if (beside / name).is_dir():
            shutil.copytree(beside / name, folder / name)


def not_shipped(name: str) -> str:
    """What a test says that skips for want of a set."""
    return f"{name} may not be shipped; it is {ELSEWHERE[name]}"


def require(folder: Path, name: str) -> Path:
    """The folder of one set; skips, and says where to get it, where it is not here."""
    if not (folder / name).is_dir():
        pytest.skip(not_shipped(name))
    return folder / name


def rows(ledger: Ledger) -> Iterator[str]:
    """Table rows of the page, by function and software."""
    for (function, software), entry in sorted(ledger.comparisons.items()):
        yield (
            f"| `{function}` | {software} | {entry.figures:,} | "
            f"{_rounded_up(entry.largest)} | {_rounded_up(entry.allowed)} |"
        )


def _rounded_up(value: float) -> str:
    """One digit, rounded up; 1e-14 for less."""
    value = max(value, 1e-14)
    power = math.floor(math.log10(value))
    digit = math.ceil(value / 10.0**power - 1e-6)
    if digit == 10:
        digit, power = 1, power + 1
    return f"{digit}e{power}" if power else str(digit)
