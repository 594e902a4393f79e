"""How often nominal 5% tests reject a true null, as measured on simulated panels.

`sizes.csv` holds the shares, by test, law of the errors and size of the sample;
`benchmarks/did_size/run.py` writes it, with the page docs/method/did_size.md.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

# What a note says before the sizes.
MEASURED = (
    "nominal 5% tests reject true nulls in simulated samples of about this size: "
)
# A nominal 5% test is right where it rejects 3 to 7% of true nulls.
RIGHT = (3.0, 7.0)
LEADS = "twfe event study, joint leads"
# A sample this many times larger than any measured is not spoken of.
FARTHEST = 1.5


@functools.cache
def measured() -> pd.DataFrame:
    """Columns test, errors, units, treated, panels, rejected_pct."""
    return pd.read_csv(Path(__file__).with_name("sizes.csv"))


@functools.cache
def _by_test() -> dict[str, tuple[np.ndarray, ...]]:
    """Units, treated units and rejected_pct of each test that was measured."""
    names = ("units", "treated", "rejected_pct")
    return {
        str(test): tuple(part[name].to_numpy() for name in names)
        for test, part in measured().groupby("test")
    }


def size_of(test: str, units: int, treated: int) -> tuple[float, float] | None:
    """Smallest and largest share (%) of true nulls that a nominal 5% test rejects.

    Over the laws of the errors, in the sample measured that is nearest in the
    logarithms of its units and treated units.

    Parameters
    ----------
    test : str
        As `sizes.csv` names it.
    units, treated : int
        Of the sample at hand.

    Returns
    -------
    tuple of float, or None
        None where the test was not measured or the sample is larger than any.
    """
    if test not in _by_test() or treated < 1:
        return None
    its_units, its_treated, rejected = _by_test()[test]
    if units > FARTHEST * its_units.max():
        return None
    away = np.log(its_units / units) ** 2 + np.log(its_treated / treated) ** 2
    near = rejected[away == away.min()]
    return float(near.min()), float(near.max())


def size_note(tests: Iterable[str], units: Any, treated: Any) -> str | None:
    """What a row should say of its tests; None where they are right, or not measured.

    Parameters
    ----------
    tests : iterable of str
    units, treated : number
        Of the sample; null where they are not known.
    """
    if pd.isna(units) or pd.isna(treated):
        return None
    said = []
    for test in tests:
        found = size_of(test, int(units), int(treated))
        if found and (found[0] < RIGHT[0] or found[1] > RIGHT[1]):
            low, high = (f"{value:.1f}".removesuffix(".0") for value in found)
            said.append(f"{test} {low}" + (f" to {high}%" if high != low else "%"))
    if not said:
        return None
    return MEASURED + ", ".join(said)
