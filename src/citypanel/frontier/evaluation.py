"""Distances of many plans to many technologies, each technology built once."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from citypanel.frontier.engine import (
    FINE,
    OUTSIDE,
    UNBOUNDED,
    UNPROVED,
    Solution,
    solve,
)
from citypanel.frontier.panel import Observations
from citypanel.frontier.references import Reference
from citypanel.frontier.technology import (
    Technology,
    build_technology,
    input_programmes,
    output_programmes,
)

NO_OUTPUT = 4
#: What a distance's status is called in a reason column.
REASONS = {
    OUTSIDE: "infeasible",
    UNBOUNDED: "unbounded",
    UNPROVED: "not certified",
    NO_OUTPUT: "all outputs are zero",
}


@dataclass
class Tally:
    """How many programmes were solved and by what.

    Attributes
    ----------
    programmes, by_closed_form, by_hull, by_simplex, by_lp, by_rational : int
        Counts; `by_simplex` and `by_rational` after the hull are repairs.
    infeasible, not_certified : int
        How many have no value, and how many could not be proved.
    """

    programmes: int = 0
    by_closed_form: int = 0
    by_hull: int = 0
    by_simplex: int = 0
    by_lp: int = 0
    by_rational: int = 0
    infeasible: int = 0
    not_certified: int = 0

    def add(self, solution: Solution) -> None:
        """Count one technology's programmes."""
        self.programmes += len(solution.t)
        for method, count in solution.counts.items():
            vars(self)[method] += count
        self.infeasible += int((solution.status == OUTSIDE).sum())
        self.not_certified += int((solution.status == UNPROVED).sum())

    def report(self) -> dict[str, int]:
        """The counts as a plain dict."""
        return dict(self.__dict__)


@dataclass
class Evaluator:
    """Radial efficiencies of plans of one panel.

    An efficiency is Shephard's output distance D = min{d : (x, y / d) feasible} or,
    input-oriented, Farrell's theta = min{h : (h x, y) feasible}: both are at most 1
    for a plan of the technology itself.

    Attributes
    ----------
    panel : Observations
        The data.
    orientation : str
        `output` or `input`.
    solver : str
        See `engine.solve`.
    bads_disposal : str
        `weak` or `strong`, where the panel has bads.
    tally : Tally
        Counts so far.
    """

    panel: Observations
    orientation: str
    solver: str = "auto"
    bads_disposal: str = "weak"
    tally: Tally = field(default_factory=Tally)
    _technologies: dict[Hashable, Technology] = field(default_factory=dict)

    def technology(
        self, key: Hashable, rows: np.ndarray, returns_to_scale: str
    ) -> Technology:
        """The technology of some rows, built at the first call for its key."""
        full = (key, returns_to_scale)
        if full not in self._technologies:
            self._technologies[full] = build_technology(
                self.panel.inputs[rows],
                self.panel.outputs[rows],
                returns_to_scale=returns_to_scale,
                members=rows,
                bads=self.panel.bads[rows] if self.panel.bads.shape[1] else None,
                bads_disposal=self.bads_disposal,
            )
        return self._technologies[full]

    def frame(
        self,
        rows: np.ndarray,
        columns: Mapping[str, np.ndarray],
        reason: np.ndarray,
        dropped: tuple[dict, ...] = (),
    ) -> pd.DataFrame:
        """What is said of some rows, with what was left out and how it was solved."""
        reasons = pd.array(reason, dtype="string")
        keys = self.panel.key_values(rows)
        found = pd.DataFrame({**keys, **columns, "reason": reasons})
        found.attrs["dropped"] = (*self.panel.dropped, *dropped)
        found.attrs["certificate"] = self.tally.report()
        return found

    def measure(
        self,
        reference: Reference,
        tasks: Mapping[tuple, list[tuple[np.ndarray, np.ndarray]]],
        groups: np.ndarray | None,
    ) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
        """Efficiencies of many sets of plans, those of a technology in one call.

        Parameters
        ----------
        reference : Reference
            Which rows a technology has.
        tasks : mapping
            By span, group and returns to scale of a technology: pairs of rows that give
            the inputs and the outputs, the very same array where they are the same.
        groups : ndarray (n,), optional
            The group of every row, where technologies are those of a group.

        Yields
        ------
        list of tuple
            For every technology values and statuses of its sets of plans. Each plan is
            measured once, in the order of the panel.
        """
        n = len(self.panel.unit_of)
        for (span, label, returns_to_scale), sets in tasks.items():
            rows = reference.rows(span)
            if groups is not None:
                rows = rows[groups[rows] == label]
            key = (span, None if groups is None else label)
            technology = self.technology(key, rows, returns_to_scale)
            asked = np.zeros(n, dtype=bool)
            mixed = [pair for pair in sets if pair[0] is not pair[1]]
            for of_inputs, of_outputs in sets:
                if of_inputs is of_outputs:
                    asked[of_inputs] = True
            plain = np.flatnonzero(asked)
            values, status = self.efficiencies(
                technology,
                np.concatenate([plain, *(pair[0] for pair in mixed)]),
                np.concatenate([plain, *(pair[1] for pair in mixed)]),
            )
            position, start = np.cumsum(asked) - 1, len(plain)
            found = []
            for of_inputs, of_outputs in sets:
                piece = position[of_inputs]
                if of_inputs is not of_outputs:
                    piece = slice(start, start + len(of_inputs))
                    start += len(of_inputs)
                found.append((values[piece], status[piece]))
            yield found

    def efficiencies(
        self, technology: Technology, of_inputs: np.ndarray, of_outputs: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Efficiencies of the plans (x of one row, y of another).

        Parameters
        ----------
        technology : Technology
            The reference.
        of_inputs, of_outputs : ndarray (k,)
            Rows of the panel that give the inputs and the outputs.

        Returns
        -------
        values : ndarray (k,)
            Not a number where the status is not `FINE`.
        status : ndarray (k,)
            See `REASONS`.
        """
        return radial_efficiencies(
            technology,
            self.panel.inputs[of_inputs],
            self.panel.outputs[of_outputs],
            orientation=self.orientation,
            solver=self.solver,
            tally=self.tally,
        )


def radial_efficiencies(
    technology: Technology,
    inputs: np.ndarray,
    outputs: np.ndarray,
    *,
    orientation: str,
    solver: str = "auto",
    tally: Tally | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Shephard output distances or Farrell input efficiencies to one technology.

    Parameters
    ----------
    technology : Technology
        The reference.
    inputs, outputs : ndarray (n, m), (n, s)
        Plans in the technology's units.
    orientation : {"output", "input"}
        What moves.
    solver : str
        See `engine.solve`. One input and one output under constant returns have the
        closed form (y / x) / max(Y / X), whatever the solver.
    tally : Tally, optional
        Counts to add to.

    Returns
    -------
    values, status : ndarray (n,)
        See `Evaluator.efficiencies`.
    """
    closed = technology.dimension == 2 and len(technology.generators)
    if closed and solver in ("auto", "hull"):
        values, status = _closed_form(technology, inputs, outputs)
        if tally is not None:
            tally.programmes += len(values)
            tally.by_closed_form += len(values)
        return values, status
    programmes = output_programmes if orientation == "output" else input_programmes
    producing = outputs.any(axis=1)
    if not producing.all():
        values = np.full(len(inputs), np.nan)
        status = np.full(len(inputs), NO_OUTPUT)
        values[producing], status[producing] = radial_efficiencies(
            technology,
            inputs[producing],
            outputs[producing],
            orientation=orientation,
            solver=solver,
            tally=tally,
        )
        return values, status
    q, r = programmes(technology, inputs, outputs)
    solution = solve(technology, q, r, radial=True, solver=solver)
    if tally is not None:
        tally.add(solution)
    values = solution.t if orientation == "output" else -solution.t
    # Nobody produces what the plan does, or the plan needs none of what it has: the
    # distance is infinite.
    status = np.where(
        (solution.status == FINE) & ~(values > 0), OUTSIDE, solution.status
    )
    values = np.where(status == FINE, values, np.nan)
    return (1.0 / values if orientation == "output" else values), status


def _closed_form(
    technology: Technology, inputs: np.ndarray, outputs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One input, one output, constant returns."""
    best = (-technology.generators[:, 1] / technology.generators[:, 0]).max()
    status = np.full(len(inputs), FINE)
    status[outputs[:, 0] == 0] = NO_OUTPUT
    if best == 0:
        status[:] = np.where(status == FINE, OUTSIDE, status)
        return np.full(len(inputs), np.nan), status
    values = outputs[:, 0] / inputs[:, 0] / best
    values[status != FINE] = np.nan
    return values, status


def reason_texts(statuses: dict[str, np.ndarray]) -> np.ndarray:
    """What is wrong with several distances, one text a row; None where all is fine.

    Statuses are by the name of a distance; an empty name is left out of the text.
    """
    reason = np.full(len(next(iter(statuses.values()))), None, dtype=object)
    for name, status in statuses.items():
        for row in np.flatnonzero(status):
            text = f"{name} {REASONS[int(status[row])]}".strip()
            reason[row] = text if reason[row] is None else f"{reason[row]}; {text}"
    return reason


def join_texts(first: np.ndarray, second: np.ndarray, prefix: str) -> np.ndarray:
    """Two reason columns as one, the second with a prefix; None where both are None."""
    joined = first.copy()
    for row in np.flatnonzero(second != None):  # noqa: E711
        text = prefix + second[row]
        joined[row] = text if joined[row] is None else f"{joined[row]}; {text}"
    return joined
