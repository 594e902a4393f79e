"""What is odd about a panel before anything is estimated with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from citypanel.study.own.panel import PERIOD, POSITION, TREATMENT, UNIT, StudyPanel
from citypanel.study.own.tables import text
from citypanel.words import Catalogue, Words, told

# A change and its reversal, both this many times the usual change: one cell is off.
SPIKE = 10.0
#: In the order in which a report lists them.
RULES = {
    "left_out": "info",
    "gap": "warning",
    "one_period": "warning",
    "always_treated": "warning",
    "treatment_falls": "warning",
    "no_value": "warning",
    "spike": "warning",
    "not_taken": "info",
}
SAID = Catalogue("own_findings")


def panel_findings(made: StudyPanel) -> pd.DataFrame:
    """What a reader of the estimates should know of the panel, cell by cell.

    Rows left out, periods missing within a unit, units seen once, units treated in
    every period, treatment that falls, variables without a value, and values that leap
    and come back: both changes over ten times the median change of the variable.

    Returns
    -------
    DataFrame
        Columns of ``dq_study_findings``.
    """
    frame = made.frame.sort_values([UNIT, POSITION], kind="stable")
    rows: list[dict] = []

    def found(rule: str, unit, period=None, variable=None, value=None, **said) -> None:
        when = None if period is None else text(period)
        evidence = SAID(rule, unit=made.name(unit), period=when, **said)
        cell = {UNIT: unit, PERIOD: period, "value": value}
        rows.append(_finding(rule, evidence, variable, **cell))

    together = made.log.groupby([UNIT, "reason"], sort=False)[PERIOD]
    for (unit, reason), periods in together:
        first, last = periods.min(), periods.max()
        span = text(first) if first == last else f"{text(first)} to {text(last)}"
        found("left_out", unit, reason=told(reason), span=told(span), n=len(periods))
    step = frame.groupby(UNIT)[POSITION].diff()
    usual = int(np.gcd.reduce(step.dropna().astype(int))) if len(step.dropna()) else 1
    for place in step.index[step > usual]:
        row = frame.loc[place]
        missing = int(step[place] // usual) - 1
        found("gap", row[UNIT], row[PERIOD], n=missing)
    size = frame.groupby(UNIT).size()
    for unit in size.index[size == 1]:
        found("one_period", unit)
    least = frame.groupby(UNIT)[TREATMENT].min()
    for unit in least.index[least > 0]:
        found("always_treated", unit)
    falls = frame.groupby(UNIT)[TREATMENT].diff() < 0
    for row in frame[falls].to_dict("records"):
        found("treatment_falls", row[UNIT], row[PERIOD], value=row[TREATMENT])
    names = [outcome.name for outcome in made.study.outcomes]
    names += made.study.controls
    changes = {o.name for o in made.study.outcomes if o.is_change}
    first = ~frame.duplicated(UNIT)
    for name in names:
        values = frame[name].astype(float)
        # A change has none in a unit's first period.
        missing = values.isna() & ~(first if name in changes else False)
        for row in frame[missing].to_dict("records"):
            found("no_value", row[UNIT], row[PERIOD], name, name=name)
        for place in _spikes(frame, values):
            row = frame.loc[place]
            key, seen = (row[UNIT], row[PERIOD], name), values[place]
            found("spike", *key, seen, name=name, seen=float(seen))
    return pd.DataFrame(rows)


def steps_not_taken(tables: Sequence[str]) -> pd.DataFrame:
    """Why tables are empty, for those that a declaration leaves empty."""
    reasons = SAID.of("reasons")
    return pd.DataFrame(
        _finding("not_taken", SAID("not_taken", table=name, reason=reasons[name]), name)
        for name in tables
        if name in reasons
    )


def _finding(rule: str, said: Words, variable: str | None, **cell) -> dict[str, object]:
    severity = RULES[rule]
    row = {"rule": rule, "severity": severity, "variable": variable, **cell}
    return {**row, "evidence_en": said.en, "evidence_zh": said.zh}


def _spikes(frame: pd.DataFrame, values: pd.Series) -> pd.Index:
    """Rows from which a value leaves both neighbours, the same way, by far."""
    units = values.groupby(frame[UNIT])
    up, down = units.diff(), -units.diff(-1).mul(-1)
    usual = up.abs().median()
    if not usual > 0:
        return values.index[:0]
    far = np.minimum(up.abs(), down.abs()) > SPIKE * usual
    return values.index[far & (np.sign(up) == np.sign(down))]
