"""The range of the headline over the declared choices, within one estimand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from citypanel.outputs.facts.effects import SIGNIFICANCE, Effect, effect_of, number

SINGLE = ("headline", "one_at_a_time")
# Most of the specifications; a few of them; as good as none.
MOST, FEW, HARDLY = 0.5, 0.10, 0.05


@dataclass(frozen=True)
class Range:
    """The effect over specifications without a known defect.

    Attributes
    ----------
    estimand : str
        What all of them are effects on: growth, component or level.
    n, n_dubious : int
        Specifications with an estimate: without a known defect, and with one.
    is_whole : bool
        Whether choices are combined; else each is moved alone, which hugs the headline.
    median, low, high : float
        Of those without a defect; low and high hold the middle 90 per cent.
    positive, up, down : float
        Shares (0-1) that are positive, significant and positive, significant and
        negative.
    joint_p : float
        Of the median, with the policy dealt at random; NaN where nobody dealt.
    joint : dict of str to float
        Every joint p-value, by statistic.
    rows : tuple
        Specification, plausibility and effect, from the lowest estimate up.
    """

    estimand: str
    n: int
    n_dubious: int
    is_whole: bool
    median: float
    low: float
    high: float
    positive: float
    up: float
    down: float
    joint_p: float
    joint: dict[str, float]
    rows: tuple[tuple[str, str, Effect], ...] = ()

    @property
    def reading(self) -> str:
        """both_signs, up, down, quiet, few or some; see docs/method/specifications."""
        if self.up > HARDLY and self.down > HARDLY:
            return "both_signs"
        if max(self.up, self.down) >= MOST:
            return "up" if self.up >= MOST else "down"
        if self.up + self.down <= HARDLY:
            return "quiet"
        return "few" if self.up + self.down <= FEW + HARDLY else "some"


def range_of(
    table: pd.DataFrame | None, summary: pd.DataFrame | None, estimand: str
) -> Range | None:
    """The range of an estimand; None where no specification has an estimate of it.

    Parameters
    ----------
    table : DataFrame
        As `citypanel.curve.specifications.specifications`.
    summary : DataFrame
        As `citypanel.curve.summary.summarise`, for what was dealt at random.
    estimand : str
        growth, component or level; rows of others are left alone.
    """
    if table is None or not len(table):
        return None
    rows = table[(table["estimand"] == estimand) & table["estimate"].notna()]
    if not len(rows):
        return None
    rows = rows.sort_values(["estimate", "specification"], kind="stable")
    dubious = rows["plausibility"] == "dubious"
    sound = rows[~dubious] if (~dubious).any() else rows
    b = sound["estimate"].to_numpy(float)
    clear = (sound["p_value"] < SIGNIFICANCE).fillna(False).to_numpy(bool)
    scope = f"{estimand}, none dubious" if (~dubious).any() else estimand
    joint = {}
    if summary is not None and len(summary):
        dealt = summary[(summary["section"] == "joint") & (summary["scope"] == scope)]
        joint = {
            str(row["item"]): number(row["p_value"]) for row in dealt.to_dict("records")
        }
    return Range(
        estimand=estimand,
        n=len(sound),
        n_dubious=int(dubious.sum()),
        is_whole=not table["role"].isin(SINGLE).all(),
        median=float(np.median(b)),
        low=float(np.quantile(b, 0.05)),
        high=float(np.quantile(b, 0.95)),
        positive=float((b > 0).mean()),
        up=float((clear & (b > 0)).mean()),
        down=float((clear & (b < 0)).mean()),
        joint_p=joint.get("median", math.nan),
        joint=joint,
        rows=tuple(
            (str(row["specification"]), str(row["plausibility"]), effect_of(row))
            for row in rows.to_dict("records")
        ),
    )
