"""An outcome that is a productivity index of the panel's inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from citypanel.frontier import malmquist, malmquist_luenberger
from citypanel.study import formulas

KINDS = ("malmquist",)
TRANSFORMS = ("cumulative_log", "change", "log_change")
# A build asks for the same index at every step, and it is the dearest of them.
_KEPT: dict[tuple, pd.Series] = {}
_MOST_KEPT = 8


@dataclass(frozen=True)
class Index:
    """A Malmquist index; with bad outputs the Malmquist-Luenberger index.

    Attributes
    ----------
    kind : str
    outputs, inputs, bads : tuple of str
        Formulas over the panel's columns, above 0.
    reference, returns_to_scale : str
        Of `frontier.malmquist`.
    """

    kind: str
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    bads: tuple[str, ...] = ()
    reference: str = "contemporaneous"
    returns_to_scale: str = "crs"

    def __str__(self) -> str:
        parts = [", ".join(self.outputs), ", ".join(self.inputs)]
        parts += [", ".join(self.bads)] if self.bads else []
        return f"{self.kind}({' | '.join(parts)})"

    @property
    def series(self) -> tuple[str, ...]:
        """Every formula, outputs first."""
        return (*self.outputs, *self.inputs, *self.bads)


def index_values(
    frame: pd.DataFrame,
    index: Index,
    transform: str,
    *,
    unit: str,
    period: str,
    positions: np.ndarray,
) -> np.ndarray:
    """The index of every row, in the order of the rows.

    Parameters
    ----------
    frame : DataFrame
        One row per unit and period.
    index : Index
    transform : {"cumulative_log", "change", "log_change"}
        The level, sum of ln tfpch since the unit's first period, where it is 0; tfpch
        against the period before; or its logarithm. A level is null from the first
        change on that is not known: a chain with a hole compares nothing.
    unit, period : str
        Key columns.
    positions : ndarray of int (n,)
        Each row's period on the panel's grid; a change spans one step of it.

    Returns
    -------
    ndarray of float (n,)
        Null where a series is missing or not above 0, and where a programme has no
        solution.
    """
    series = {f"s{i}": text for i, text in enumerate(index.series)}
    values = formulas.evaluate(
        frame, series, unit=unit, period=period, positions=positions
    ).astype(float)
    known = (values > 0).all(axis=1).to_numpy()
    rows = values[known].assign(unit=frame[unit][known], step=positions[known])
    changes = _changes(index, rows, list(series))
    when = pd.MultiIndex.from_arrays([frame[unit], positions])
    change = changes.reindex(when).to_numpy(float)
    if transform == "change":
        return change
    logs = np.log(change)
    if transform == "log_change":
        return logs
    ordered = pd.DataFrame({"unit": frame[unit].to_numpy(), "step": positions})
    ordered["log"], ordered["known"] = logs, known
    ordered = ordered[known].sort_values(["unit", "step"], kind="stable")
    first = ~ordered.duplicated("unit")
    ordered.loc[first, "log"] = 0.0
    level = ordered.groupby("unit")["log"].transform(
        lambda part: part.cumsum().where(part.notna().cummin())
    )
    out = np.full(len(frame), np.nan)
    out[level.index] = level
    return out


def _changes(index: Index, rows: pd.DataFrame, names: list[str]) -> pd.Series:
    """tfpch by unit and later period, of changes over one step of the grid."""
    if rows["step"].nunique() < 2:
        return pd.Series(dtype=float, index=pd.MultiIndex.from_arrays([[], []]))
    key = (index, int(pd.util.hash_pandas_object(rows, index=False).sum()), len(rows))
    if key not in _KEPT:
        n, m = len(index.outputs), len(index.inputs)
        options: Mapping = dict(
            unit="unit",
            period="step",
            outputs=names[:n],
            inputs=names[n : n + m],
            reference=index.reference,
            returns_to_scale=index.returns_to_scale,
        )
        if index.bads:
            made = malmquist_luenberger(rows, bads=names[n + m :], **options)
        else:
            made = malmquist(rows, **options)
        steps = np.diff(np.unique(rows["step"]))
        one = int(steps.min())
        made = made[made["step"] - made["period_from"] == one]
        _KEPT[key] = made.set_index(["unit", "step"])["tfpch"]
        if len(_KEPT) > _MOST_KEPT:
            del _KEPT[next(iter(_KEPT))]
    return _KEPT[key]
