"""Other policies at the same time: who had both, and what the estimate is without."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from citypanel.did.frames import OVERALL, join_notes, overall_rows, panel_frame
from citypanel.did.imputation import imputation
from citypanel.did.panels import (
    FAR,
    Design,
    Panel,
    build,
    free_name,
    on_panel,
    require_treated_and_control,
)
from citypanel.did.results import Later
from citypanel.did.stacked import stacked
from citypanel.did.twfe import twfe
from citypanel.errors import CityPanelError, OptionError

ALL = "all"
EXPOSURE = "exposed to {policy}"


@on_panel("cohort", "controls", "weights", "cluster", carried=("policies",))
def concurrent_policies(
    data: Panel,
    *,
    policies: Sequence[str],
    before: float = 3,
    after: float = 1,
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """The effect of a policy where units came under others at the same time.

    With P_it = 1 from another policy's first period on, for each policy and for all
    together:

    - ``overlap``: units under both, one, or neither within the panel;
    - ``headline``: the estimate that knows of no other policy;
    - ``without_units``: without units that come under the other within the panel;
    - ``exposure_controlled``: P_it a control;
    - ``interacted``: D_it + P_it + D_it P_it in one two-way regression, the effect
      without the other policy and what it adds;
    - ``stacked_clean``: one experiment a cohort, its never-treated controls seen only
      while they are under no other policy at all.

    Parameters
    ----------
    panel : DataFrame or Panel
    outcome, cohort, unit, period, controls, weights, cluster, frequency
        Names of columns (see `panels.Design`).
    policies : sequence of str
        Columns with each unit's first period under another policy, written as cohorts
        are: null, infinite and 0 mean never.
    before, after : number
        Window of the stacked experiments.
    single_unit_std_error : bool
    level : float

    Returns
    -------
    DataFrame
        Tidy rows with ``policy`` (``all`` for all of them together) and aggregation,
        the adjustment above; estimator ``twfe``, ``imputation`` or ``stacked``; term
        ``overall``, for ``interacted`` also ``added`` and ``other_policy``, for
        ``overlap`` the group of units, whose number is n_units. What cannot be
        estimated is null with a note.

    Raises
    ------
    PanelError
        As `twfe`; also a policy whose first period varies within a unit.
    OptionError
        No other policy.

    References
    ----------
    Roth, Sant'Anna, Bilinski and Poe (2023), Journal of Econometrics 235, section 6;
    Cengiz, Dube, Lindner and Zipperer (2019), Quarterly Journal of Economics 134.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> found = did.concurrent_policies(zones(), policies=["port"], **columns)
    >>> effects = found[(found["policy"] == "port") & (found["term"] == "overall")]
    >>> effects[["aggregation", "estimator", "estimate", "std_error"]].round(3)
                aggregation   estimator  estimate  std_error
    4              headline        twfe     0.111      0.016
    5              headline  imputation     0.128      0.007
    6         without_units        twfe     0.100      0.017
    7         without_units  imputation     0.114      0.007
    8   exposure_controlled        twfe     0.110      0.016
    9   exposure_controlled  imputation     0.129      0.008
    10           interacted        twfe     0.099      0.016
    13        stacked_clean     stacked     0.079      0.015
    """
    names = [policies] if isinstance(policies, str) else list(policies)
    if not names:
        raise OptionError.of("did.no_other_policy")
    require_treated_and_control(data)
    starts = {name: policy_starts(data, name) for name in names}
    rows: list[dict] = []
    for name in names if len(names) == 1 else [*names, ALL]:
        some = names if name == ALL else [name]
        found = _Adjusted(data, {n: starts[n] for n in some}, level)
        for row in found.rows(before, after):
            rows.append({**row, "policy": name})
    return panel_frame(
        data,
        rows,
        estimator="twfe",
        level=level,
        single_unit_std_error=single_unit_std_error,
        extra_columns=("policy", "outcome"),
    )


def policy_starts(data: Panel, column: str) -> np.ndarray:
    """Position of each unit's first period under another policy, FAR for never."""
    design = Design(
        outcome=data.design.outcome,
        unit=data.design.unit,
        period=data.design.period,
        cohort=column,
        frequency=data.design.frequency,
    )
    other = build(data.frame[design.columns], design)
    # The grids share their periods, so that positions are the same.
    return np.where(other.start > other.last, FAR, other.start)


class _Adjusted:
    """One policy's effect, each way of taking others into account."""

    def __init__(self, data: Panel, starts: dict[str, np.ndarray], level: float):
        self.data = data
        self.exposure = {
            name: (data.when >= start[data.unit]).astype(float)
            for name, start in starts.items()
        }
        self.under = np.logical_or.reduce([start < FAR for start in starts.values()])
        frame = data.frame.copy()
        self.columns = []
        for name, values in self.exposure.items():
            self.columns.append(free_name(frame, EXPOSURE.format(policy=name)))
            frame[self.columns[-1]] = values
        self.treatment = free_name(frame, "treated by the policy")
        frame[self.treatment] = data.treated.astype(float)
        self.frame = frame
        design = data.design
        self.keys: dict = dict(
            outcome=design.outcome,
            unit=design.unit,
            period=design.period,
            weights=design.weights,
            frequency=design.frequency,
            level=level,
        )
        if design.cluster:
            self.keys["cluster"] = design.cluster[0]

    def rows(self, before: float, after: float) -> list[dict]:
        own = list(self.data.control_names)
        out = self.overlap()
        out += self.pair("headline", self.frame, own)
        clean = self.frame[~self.under[self.data.unit]]
        left = f"{int(self.under.sum())} units under it left out"
        out += self.pair("without_units", clean, own, left)
        out += self.pair("exposure_controlled", self.frame, [*own, *self.columns])
        out += self.interacted(own)
        out.append(self.stacked_clean(own, before, after))
        return out

    def overlap(self) -> list[dict]:
        ever = ~self.data.never
        groups = {
            "both": ever & self.under,
            "policy_only": ever & ~self.under,
            "other_only": ~ever & self.under,
            "neither": ~ever & ~self.under,
        }
        return [
            {
                "aggregation": "overlap",
                "term": term,
                "n_units": some.sum(),
                "n_treated_units": (some & ever).sum(),
                "n_obs": some[self.data.unit].sum(),
            }
            for term, some in groups.items()
        ]

    def pair(
        self, name: str, frame: pd.DataFrame, controls: list[str], note: str = ""
    ) -> list[dict]:
        """One adjustment by the two-way regression and by imputation."""
        labels = dict(aggregation=name, note=note)

        def imputed() -> pd.DataFrame:
            cohort = self.data.design.cohort
            return imputation(frame, cohort=cohort, controls=controls, **self.keys)

        return [
            self.row(lambda: self.two_way(frame, controls), "twfe", **labels),
            self.row(imputed, "imputation", **labels),
        ]

    def two_way(self, frame: pd.DataFrame, controls: list[str]) -> pd.DataFrame:
        return twfe(
            frame,
            treatment=self.treatment,
            controls=controls,
            engine="closed_form",
            **self.keys,
        )

    def interacted(self, controls: list[str]) -> list[dict]:
        frame = self.frame.copy()
        both = free_name(frame, "treated by both")
        other = free_name(frame, "under another policy")
        frame[other] = np.maximum.reduce(list(self.exposure.values()))
        frame[both] = frame[other] * frame[self.treatment]
        shown = {OVERALL: self.treatment, "added": both, "other_policy": other}

        def fit() -> pd.DataFrame:
            return self.two_way(frame, [other, both, *controls])

        once = Later(fit)
        return [
            self.row(once, "twfe", column, aggregation="interacted", shown=term)
            for term, column in shown.items()
        ]

    def stacked_clean(self, controls: list[str], before: float, after: float) -> dict:
        data = self.data
        exposed = np.maximum.reduce(list(self.exposure.values())) > 0
        touched = exposed & ~data.ever
        frame = self.frame[~touched]

        def fit() -> pd.DataFrame:
            return stacked(
                frame,
                cohort=data.design.cohort,
                controls=controls,
                before=before,
                after=after,
                control_group="never",
                **self.keys,
            )

        note = f"{int(touched.sum())} rows of controls under it left out"
        return self.row(fit, "stacked", aggregation="stacked_clean", note=note)

    def row(
        self,
        fit: Callable[[], pd.DataFrame],
        estimator: str,
        column: str = OVERALL,
        *,
        aggregation: str,
        note: str = "",
        shown: str = OVERALL,
    ) -> dict:
        labels = dict(estimator=estimator, aggregation=aggregation, term=shown)
        try:
            frame = fit()
        except CityPanelError as error:
            return {**labels, "note": join_notes(error.problem, note)}
        found = frame[frame["term"] == column]
        if column == OVERALL:
            found = overall_rows(frame)
        row = found.iloc[0].to_dict()
        return {**row, **labels, "note": join_notes(note, row["note"])}
