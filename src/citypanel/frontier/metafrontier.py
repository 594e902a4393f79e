"""Groups of units with technologies of their own under one metafrontier."""

from __future__ import annotations

import numpy as np
import pandas as pd

from citypanel.errors import PanelError, describe
from citypanel.frontier.decompositions import Changes, decompose
from citypanel.frontier.evaluation import Evaluator
from citypanel.frontier.panel import Panel
from citypanel.frontier.references import Reference


def groups_of(panel: Panel, group: str) -> tuple[np.ndarray, np.ndarray]:
    """Distinct groups in order, and the position of each row's group in them.

    PanelError when the column is absent or has gaps, or a unit changes its group.
    """
    if group not in panel.frame.columns:
        raise PanelError(
            describe(
                f"group column {group!r} is not in the panel",
                consequence="there are no groups under the metafrontier",
                remedy="name a column with one value for each unit",
            )
        )
    values = panel.frame[group]
    if values.isna().any():
        raise PanelError(
            describe(
                f"group column {group} has gaps",
                [panel.label(row) for row in np.flatnonzero(values.isna().to_numpy())],
                consequence="the unit belongs to no group technology",
                remedy="give every unit a group",
            )
        )
    codes, names = pd.factorize(values, sort=True)
    first = np.full(len(panel.units), -1)
    first[panel.unit_of[::-1]] = codes[::-1]
    moved = np.unique(panel.unit_of[codes != first[panel.unit_of]])
    if len(moved):
        raise PanelError(
            describe(
                f"a unit changes its group ({group})",
                [f"{panel.unit} {panel.units[k]}" for k in moved],
                consequence="its change would mix two group technologies",
                remedy="give each unit one group for all periods",
            )
        )
    return np.asarray(names), codes


def group_columns(
    evaluator: Evaluator,
    reference: Reference,
    changes: Changes,
    *,
    group: str,
    returns_to_scale: str,
    distances: dict[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The index against each unit's own group, and the technology gap ratio.

    With m and k the efficiencies against the metafrontier (`distances`) and the group,

        tgr   = m^b(b) / k^b(b)      (at most 1: 1 on the metafrontier)
        tgrch = tgr / tgr of the earlier period,

    so that effch = effch_group x tgrch (Battese, Rao and O'Donnell 2004). Returns the
    group, tfpch_group, effch_group, techch_group, tgr_from, tgr and tgrch, and what is
    infeasible against the group technologies.
    """
    names, codes = groups_of(evaluator.panel, group)
    columns, own, reason = decompose(
        evaluator,
        reference,
        changes,
        decomposition="fgnz",
        returns_to_scale=returns_to_scale,
        form="geometric",
        groups=codes,
        pure=False,
    )
    tgr_from = distances["e_from_from"] / own["e_from_from"]
    tgr = distances["e_to_to"] / own["e_to_to"]
    return {
        group: names[codes[changes.after]],
        **{f"{name}_group": values for name, values in columns.items()},
        "tgr_from": tgr_from,
        "tgr": tgr,
        "tgrch": tgr / tgr_from,
    }, reason
