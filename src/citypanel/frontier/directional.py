"""Directional distances with undesirable outputs, and the Malmquist-Luenberger index.

The directional distance of a plan (x, y, b) in the direction (gx, gy, gb) is

    beta = max { beta : (x - beta gx, y + beta gy, b - beta gb) feasible },

0 on the frontier, above 0 inside, below 0 beyond a technology the plan is not part of
(Chung, Färe and Grosskopf 1997). By default inputs stay, good outputs grow and bad
outputs shrink in proportion to what is observed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from citypanel.errors import OptionError
from citypanel.frontier.distances import distance_frame
from citypanel.frontier.engine import FINE, OUTSIDE, solve
from citypanel.frontier.evaluation import Evaluator
from citypanel.frontier.malmquist import BASES, changes_frame
from citypanel.frontier.panel import Observations
from citypanel.frontier.references import Reference
from citypanel.frontier.results import FrontierResult, remembering
from citypanel.frontier.start import start
from citypanel.frontier.technology import Technology, check_option

BADS_DISPOSALS = ("weak", "strong")
DIRECTIONS = ("observed", "mean", "unit", "zero")
REFERENCES = ("contemporaneous", "sequential", "window", "biennial", "global")


@dataclass
class DirectionalEvaluator(Evaluator):
    """1 / (1 + beta) of plans, so that the formulas of `decompositions` hold.

    Attributes
    ----------
    direction : ndarray (n, m + s + b)
        (gx, gy, gb) of each row of the panel, in the panel's units.
    betas : bool
        Return beta itself.
    """

    direction: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    betas: bool = False

    def efficiencies(
        self, technology: Technology, of_inputs: np.ndarray, of_outputs: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Evaluator.efficiencies`; the direction is that of the outputs' row."""
        panel = self.panel
        plans = np.hstack(
            [
                panel.inputs[of_inputs],
                -panel.outputs[of_outputs],
                panel.bads[of_outputs],
            ]
        )
        k = plans.shape[1]
        q = np.ones((len(plans), technology.dimension))
        r = np.zeros_like(q)
        q[:, :k] = plans
        r[:, :k] = -self.direction[of_outputs]
        if technology.returns_to_scale == "crs":
            q = q[:, :k]
        solution = solve(technology, q, r, radial=False, solver=self.solver)
        self.tally.add(solution)
        if self.betas:
            return solution.t, solution.status
        status = solution.status.copy()
        # Beyond the technology by the whole direction: no index can be formed.
        status[(status == FINE) & (solution.t <= -1.0)] = OUTSIDE
        with np.errstate(divide="ignore"):
            return np.where(status == FINE, 1.0 / (1.0 + solution.t), np.nan), status


def _directions(
    panel: Observations,
    input_direction: str | Sequence[float],
    output_direction: str | Sequence[float],
    bad_direction: str | Sequence[float],
) -> np.ndarray:
    """(gx, gy, gb) of every row, in the panel's scaled units."""
    parts = []
    for name, given, values, scales in (
        ("input_direction", input_direction, panel.inputs, panel.input_scales),
        ("output_direction", output_direction, panel.outputs, panel.output_scales),
        ("bad_direction", bad_direction, panel.bads, panel.bad_scales),
    ):
        if isinstance(given, str):
            check_option(name, given, DIRECTIONS)
            part = {
                "observed": values,
                "mean": np.broadcast_to(values.mean(axis=0), values.shape),
                "unit": np.broadcast_to(1.0 / scales, values.shape),
                "zero": np.zeros_like(values),
            }[given]
        else:
            numbers = np.asarray(given, dtype=float)
            if numbers.shape != scales.shape or not (numbers >= 0).all():
                raise OptionError.of(
                    "frontier.not_give_one_non",
                    name=name,
                    given=given,
                    n_scales=len(scales),
                    what=", ".join(map(repr, DIRECTIONS)),
                )
            part = np.broadcast_to(numbers / scales, values.shape)
        parts.append(part)
    direction = np.hstack(parts)
    if not direction.any(axis=1).all():
        still = np.flatnonzero(~direction.any(axis=1))
        raise OptionError.of(
            "frontier.direction_zero", [panel.label(row) for row in still]
        )
    return direction


def _start(
    panel: pd.DataFrame, directions: tuple, bads_disposal: str, betas: bool, **options
) -> tuple[DirectionalEvaluator, Reference]:
    """Checked options and data of both public functions, and whose frontier."""
    check_option("bads_disposal", bads_disposal, BADS_DISPOSALS)
    check_option("reference", options["reference"], REFERENCES)
    plain, scheme = start(panel, **options)
    evaluator = DirectionalEvaluator(
        plain.panel,
        "output",
        plain.solver,
        bads_disposal,
        direction=_directions(plain.panel, *directions),
        betas=betas,
    )
    return evaluator, scheme


@remembering
def directional_distance(
    panel: pd.DataFrame,
    *,
    unit: str,
    period: str,
    outputs: Sequence[str],
    inputs: Sequence[str],
    bads: Sequence[str] = (),
    returns_to_scale: str = "crs",
    bads_disposal: str = "weak",
    input_direction: str | Sequence[float] = "zero",
    output_direction: str | Sequence[float] = "observed",
    bad_direction: str | Sequence[float] = "observed",
    reference: str = "contemporaneous",
    lags: Sequence[int] = (0,),
    window: int | None = None,
    reference_units: Iterable[object] | None = None,
    solver: str = "auto",
) -> FrontierResult:
    """Directional distances beta of every unit and period.

    0 on the frontier, > 0 inside, < 0 beyond a technology the plan is not part of.

    Parameters
    ----------
    panel, unit, period, outputs, inputs, reference, lags, window, reference_units,
    solver
        See `distance`.
    bads : sequence of str
        Columns of undesirable outputs (>= 0).
    returns_to_scale : {"crs", "vrs", "nirs", "ndrs"}
        With weakly disposable bads and other than constant returns each unit has an
        abatement factor of its own (Kuosmanen 2005).
    bads_disposal : {"weak", "strong"}
        `weak`: bads fall only together with goods (Chung et al. 1997, the default).
        `strong`: a technology in which more of a bad is always possible, free of the
        facets on which more pollution is worth something (Aparicio, Pastor and Zofío
        2013).
    input_direction, output_direction, bad_direction : str or sequence of float
        How far each column moves for beta = 1: `observed`, `mean` of the panel, `unit`
        (1 in the column's own unit), `zero`, or one number a column.

    Returns
    -------
    DataFrame
        As `distance`; `distance` holds beta.

    Raises
    ------
    OptionError, PanelError
        See `distance`; also when the direction of a unit is zero.

    References
    ----------
    Chung, Färe and Grosskopf (1997), Journal of Environmental Management 51.

    Examples
    --------
    >>> from citypanel import frontier
    >>> from citypanel.examples import zones
    >>> plans = dict(
    ...     unit="city", period="year", outputs=["output"], inputs=["capital", "labour"]
    ... )
    >>> found = frontier.directional_distance(zones(), bads=["emissions"], **plans)
    >>> found.iloc[:2].round(3)
      city  year  period_reference  distance reason
    0  c01  2010              2010     0.014   <NA>
    1  c01  2011              2011     0.134   <NA>
    """
    evaluator, scheme = _start(
        panel,
        (input_direction, output_direction, bad_direction),
        bads_disposal,
        True,
        unit=unit,
        period=period,
        outputs=outputs,
        inputs=inputs,
        bads=bads,
        returns_to_scale=returns_to_scale,
        reference=reference,
        window=window,
        reference_units=reference_units,
        solver=solver,
    )
    return distance_frame(
        evaluator, scheme, lags, returns_to_scale, measure="as it is", group=None
    )


@remembering
def malmquist_luenberger(
    panel: pd.DataFrame,
    *,
    unit: str,
    period: str,
    outputs: Sequence[str],
    inputs: Sequence[str],
    bads: Sequence[str],
    returns_to_scale: str = "crs",
    bads_disposal: str = "weak",
    input_direction: str | Sequence[float] = "zero",
    output_direction: str | Sequence[float] = "observed",
    bad_direction: str | Sequence[float] = "observed",
    reference: str = "contemporaneous",
    base: str = "adjacent",
    window: int | None = None,
    reference_units: Iterable[object] | None = None,
    keep_distances: bool = False,
    solver: str = "auto",
) -> FrontierResult:
    """Malmquist-Luenberger productivity changes: good outputs up, bad outputs down.

    Every index is > 1 when productivity rises. With beta^s(t) the directional distance
    of the plan of period t to the technology of period s,

        tfpch^2 = (1 + beta^a(a)) / (1 + beta^a(b)) x (1 + beta^b(a)) / (1 + beta^b(b)),
        effch = (1 + beta^a(a)) / (1 + beta^b(b)),   techch = tfpch / effch.

    Parameters
    ----------
    panel, unit, period, outputs, inputs, base, window, reference_units,
    keep_distances, solver
        See `malmquist`. Kept distances are 1 / (1 + beta).
    bads, returns_to_scale, bads_disposal, input_direction, output_direction,
    bad_direction
        See `directional_distance`.
    reference : {"contemporaneous", "sequential", "window", "biennial", "global"}
        `global` is the index of Oh (2010), without infeasible programmes.

    Returns
    -------
    DataFrame
        As `malmquist`. A plan that the other period's technology cannot reach in this
        direction gives null indices and a reason.

    Raises
    ------
    OptionError, PanelError
        See `directional_distance`.

    References
    ----------
    Chung, Färe and Grosskopf (1997), Journal of Environmental Management 51.

    Examples
    --------
    >>> from citypanel import frontier
    >>> from citypanel.examples import zones
    >>> plans = dict(
    ...     unit="city", period="year", outputs=["output"], inputs=["capital", "labour"]
    ... )
    >>> found = frontier.malmquist_luenberger(zones(), bads=["emissions"], **plans)
    >>> found.iloc[:2, :6].round(3)
      city  year  period_from  tfpch  effch  techch
    0  c01  2011         2010  0.916  0.894   1.024
    1  c01  2012         2011  1.015  1.004   1.011
    """
    check_option("base", base, BASES)
    evaluator, scheme = _start(
        panel,
        (input_direction, output_direction, bad_direction),
        bads_disposal,
        False,
        unit=unit,
        period=period,
        outputs=outputs,
        inputs=inputs,
        bads=bads,
        returns_to_scale=returns_to_scale,
        reference=reference,
        window=window,
        reference_units=reference_units,
        solver=solver,
    )
    return changes_frame(
        evaluator,
        scheme,
        returns_to_scale=returns_to_scale,
        base=base,
        keep_distances=keep_distances,
        pure=True,
    )
