"""Malmquist indices after a change of some plans, sharing what does not change.

tfpch_t of a city takes four distances: its plans of t-1 and t against the technologies
of both years. A changed plan of one year touches the technology of that year only, so

- a technology of a year without a changed plan stays, with its facets and with every
  distance to it of an unchanged plan;
- a technology of a year with changed plans stays as well where those that go span no
  facet and those that come lie inside it: the set of feasible plans is the same;
- otherwise the technology is built anew and the plans of its year and of both
  neighbours are measured again.

Nothing is approximated. With constant returns and two inputs distances have a closed
form (`isoquant`); otherwise the frontier engine measures them. Partial frontiers and
technologies that pool years have no such locality: there every index is computed anew,
by `citypanel.study.productivity`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from citypanel.frontier.isoquant import Cone, Isoquant, technology_of
from citypanel.frontier.technology import power_of_two_scales
from citypanel.study.options import Options
from citypanel.study.plans import Plans
from citypanel.study.productivity import changes, is_local

INDICES = ("tfpch", "effch", "techch")

# A new plan this near to the frontier counts as one that moves it.
INSIDE = 1e-9


@dataclass(frozen=True, eq=False)
class Change:
    """Some cities' plans in place of their own.

    Attributes
    ----------
    rows : ndarray of int (k,)
        Positions of the cities.
    outputs, inputs : ndarray (k, T), (k, T, m)
        Their plans; not a number in a year in which the city is out of the sample.
    """

    rows: np.ndarray
    outputs: np.ndarray
    inputs: np.ndarray

    @staticmethod
    def without(
        plans: Plans, rows: int | np.ndarray, year: int | None = None
    ) -> Change:
        """Cities out of the sample in every year, or in the year at a position."""
        rows = np.atleast_1d(rows)
        outputs, inputs = plans.outputs[rows], plans.inputs[rows]
        years = slice(None) if year is None else year
        outputs[:, years] = inputs[:, years] = np.nan
        return Change(rows, outputs, inputs)

    def apply(self, plans: Plans) -> Plans:
        """The changed plans."""
        outputs, inputs = plans.outputs.copy(), plans.inputs.copy()
        outputs[self.rows], inputs[self.rows] = self.outputs, self.inputs
        return replace(plans, outputs=outputs, inputs=inputs)


class Indices:
    """Indices of a panel of plans, and of the same with some plans changed.

    Parameters
    ----------
    plans : Plans
        What the headline rests on.
    options : Options
        orientation, returns_to_scale, frontier, frontier_reference, decomposition.
    groups : ndarray (n,), optional
        Region of each city, for frontier_reference = metafrontier.

    Attributes
    ----------
    base : dict of ndarray (n, T-1)
        tfpch, effch and techch of the plans as they are; the column j is the change
        from year j to year j + 1. Not a number where a plan or a value is missing.
    """

    def __init__(
        self, plans: Plans, options: Options, groups: np.ndarray | None = None
    ):
        self.plans, self.options, self.groups = plans, options, groups
        self.local = is_local(options)
        if not self.local:
            self.base = self._plainly(plans)
            return
        m = plans.inputs.shape[2]
        there = plans.present
        self._scales = power_of_two_scales(
            np.column_stack([plans.inputs[there], plans.outputs[there]])
        )
        self._inputs = plans.inputs / self._scales[:m]
        self._outputs = plans.outputs / self._scales[m]
        n, T = plans.outputs.shape
        self._technologies: list[Isoquant | Cone] = []
        self._spanning: list[np.ndarray | None] = []
        # Efficiency of a city's plan of year t against the technology of year s, at
        # [s, 1 + t - s].
        self._distances = np.full((T, 3, n), np.nan)
        for s in range(T):
            technology = self._build(self._inputs, self._outputs, s)
            self._technologies.append(technology)
            vertices = technology.vertices
            rows = np.flatnonzero(there[:, s])
            self._spanning.append(None if vertices is None else rows[vertices])
            self._measure(
                self._distances, technology, self._inputs, self._outputs, s, there
            )
        self.base = _indices(self._distances)

    def changed(self, change: Change) -> dict[str, np.ndarray]:
        """The indices with some plans changed.

        Parameters
        ----------
        change : Change

        Returns
        -------
        dict of ndarray (n, T-1)
            As `base`.
        """
        if not self.local:
            return self._plainly(change.apply(self.plans))
        plans, rows = self.plans, change.rows
        moved = _differs(plans.outputs[rows], change.outputs) | _differs(
            plans.inputs[rows], change.inputs
        ).any(axis=2)
        if not moved.any():
            return self.base
        m = plans.inputs.shape[2]
        inputs, outputs = self._inputs.copy(), self._outputs.copy()
        inputs[rows] = change.inputs / self._scales[:m]
        outputs[rows] = change.outputs / self._scales[m]
        there = np.isfinite(outputs)
        touched = np.zeros(plans.outputs.shape, dtype=bool)
        touched[rows] = moved
        distances = self._distances.copy()
        for s in range(len(plans.years)):
            technology = self._technologies[s]
            here = np.flatnonzero(touched[:, s])
            if len(here) and not self._stays(s, here, inputs, outputs):
                technology = self._build(inputs, outputs, s)
                self._measure(distances, technology, inputs, outputs, s, there)
                continue
            if touched[:, max(s - 1, 0) : s + 2].any():
                self._measure(
                    distances, technology, inputs, outputs, s, there, only=touched
                )
        return _indices(distances)

    def _build(
        self, inputs: np.ndarray, outputs: np.ndarray, s: int
    ) -> Isoquant | Cone:
        rows = np.flatnonzero(np.isfinite(outputs[:, s]))
        how = self.options["returns_to_scale"], self.options["orientation"]
        return technology_of(inputs[rows, s], outputs[rows, s], *how)

    def _stays(self, s: int, here: np.ndarray, inputs, outputs) -> bool:
        """Whether the technology of year s is the same set with new plans `here`."""
        spanning = self._spanning[s]
        if spanning is None or np.isin(here, spanning).any():
            return False
        new = here[np.isfinite(outputs[here, s])]
        if not len(new):
            return True
        values = self._technologies[s].efficiencies(inputs[new, s], outputs[new, s])
        return bool((values <= 1.0 - INSIDE).all())

    def _measure(
        self, distances, technology, inputs, outputs, s, there, only=None
    ) -> None:
        """Fill the distances to one technology, all or those of touched plans."""
        T = outputs.shape[1]
        lags = [lag for lag in (-1, 0, 1) if 0 <= s + lag < T]
        rows, places = [], []
        for lag in lags:
            wanted = there[:, s + lag] if only is None else only[:, s + lag]
            distances[s, 1 + lag, wanted if only is not None else slice(None)] = np.nan
            found = np.flatnonzero(wanted & there[:, s + lag])
            rows.append(found)
            places.append(np.full(len(found), lag))
        rows, places = np.concatenate(rows), np.concatenate(places)
        if not len(rows):
            return
        distances[s, 1 + places, rows] = technology.efficiencies(
            inputs[rows, s + places], outputs[rows, s + places]
        )

    def _plainly(self, plans: Plans) -> dict[str, np.ndarray]:
        """The indices by the function that the warehouse calls."""
        sample = plans.frame()
        if self.groups is not None:
            sample["region"] = sample["city_id"].map(
                dict(zip(plans.cities, self.groups, strict=True))
            )
        options = self.options.replace(first_index_year="drop")
        return index_tables(changes(sample, options), plans)


def index_tables(frame: pd.DataFrame, plans: Plans) -> dict[str, np.ndarray]:
    """Indices of a frame by city_id and year as tables (n, T-1); see `Indices.base`."""
    city = pd.Index(plans.cities).get_indexer(frame["city_id"])
    column = frame["year"].to_numpy(int) - plans.years[0] - 1
    found = {}
    for name in INDICES:
        found[name] = np.full((len(plans.cities), len(plans.years) - 1), np.nan)
        found[name][city, column] = frame[name].to_numpy(float)
    return found


def _differs(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    return (old != new) & ~(np.isnan(old) & np.isnan(new))


def _indices(distances: np.ndarray) -> dict[str, np.ndarray]:
    """tfpch, effch and techch from the distances to each year's technology."""
    T = len(distances)
    first, second = np.arange(T - 1), np.arange(1, T)
    aa, ab = distances[first, 1], distances[first, 2]
    bb, ba = distances[second, 1], distances[second, 0]
    effch = bb / aa
    techch = np.sqrt((ab / bb) * (aa / ba))
    return {"tfpch": (effch * techch).T, "effch": effch.T, "techch": techch.T}
