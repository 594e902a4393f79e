"""What every public function begins with: options, data and technologies checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from citypanel.errors import OptionError, describe
from citypanel.frontier.engine import SOLVERS
from citypanel.frontier.evaluation import Evaluator
from citypanel.frontier.panel import prepare
from citypanel.frontier.references import Reference, make_reference
from citypanel.frontier.robust import FRONTIERS, PartialEvaluator, check_order
from citypanel.frontier.technology import ORIENTATIONS, RETURNS_TO_SCALE, check_option


def start(
    panel: pd.DataFrame,
    *,
    unit: str,
    period: str,
    outputs: Sequence[str],
    inputs: Sequence[str],
    bads: Sequence[str] = (),
    orientation: str = "output",
    returns_to_scale: str = "crs",
    solver: str = "auto",
    frontier: str = "dea",
    order: float | None = None,
    reference: str = "contemporaneous",
    window: int | None = None,
    group: str | None = None,
    reference_units: Iterable[object] | None = None,
) -> tuple[Evaluator, Reference]:
    """The panel's evaluator and its technologies; options as in `malmquist`.

    Raises
    ------
    OptionError
        An option has an unknown value, or two do not fit together.
    PanelError
        See `panel.prepare`.
    """
    check_option("orientation", orientation, ORIENTATIONS)
    check_option("returns_to_scale", returns_to_scale, RETURNS_TO_SCALE)
    check_option("solver", solver, SOLVERS)
    check_option("frontier", frontier, FRONTIERS)
    order = check_order(frontier, order)
    if (reference == "metafrontier") != (group is not None):
        raise OptionError(
            describe(
                "reference='metafrontier' and group=<column> belong together; "
                f"got reference={reference!r}, group={group!r}",
                consequence="nothing was computed",
                remedy="give both or neither",
            )
        )
    data = prepare(
        panel, unit=unit, period=period, outputs=outputs, inputs=inputs, bads=bads
    )
    scheme = make_reference(
        data, reference=reference, window=window, reference_units=reference_units
    )
    if frontier == "dea":
        return Evaluator(data, orientation, solver), scheme
    return (
        PartialEvaluator(data, orientation, frontier=frontier, order=order),
        scheme,
    )
