"""What productivity change is made of, from the distances it is made of.

Names of distances: `e_from_to` is the efficiency of the plan of the later period
("to") against the technology of the earlier ("from"); `v_` stands for variable
returns, `c_` for constant ones where the index itself uses another technology,
`g_` for a technology that both periods share ("pool"). The mixed plan has the inputs
of the later period and the outputs of the earlier one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from citypanel.frontier.evaluation import Evaluator, reason_texts
from citypanel.frontier.references import Reference

DECOMPOSITIONS = ("fgnz", "ray-desli", "grifell-lovell", "bias")
FORMS = ("geometric", "base")


@dataclass(frozen=True)
class Changes:
    """Pairs of rows of the panel, a unit's earlier and later one, and their periods."""

    before: np.ndarray
    after: np.ndarray
    period_from: np.ndarray
    period_to: np.ndarray


def decompose(
    evaluator: Evaluator,
    reference: Reference,
    changes: Changes,
    *,
    decomposition: str,
    returns_to_scale: str,
    form: str,
    groups: np.ndarray | None = None,
    pure: bool = True,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """Indices, distances and reasons of many changes at once.

    Parameters
    ----------
    evaluator : Evaluator
        The panel and the orientation.
    reference : Reference
        The technologies.
    changes : Changes
        k of them.
    decomposition, returns_to_scale, form : str
        See `malmquist`.
    groups : ndarray (rows of the panel,), optional
        Technologies are those of the unit's own group.
    pure : bool
        Whether pech and sech are wanted.

    Returns
    -------
    columns : dict of ndarray (k,)
        tfpch and its components.
    distances : dict of ndarray (k,)
        The efficiencies behind them.
    reason : ndarray (k,) of object
        What is infeasible, or None.
    """
    wanted = _wanted(decomposition, returns_to_scale, reference, pure)
    distances, statuses = _distances(
        evaluator, reference, changes, wanted, returns_to_scale, groups
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = FORMULAS[decomposition](distances, form)
    for name, values in columns.items():
        columns[name] = np.where(np.isfinite(values), values, np.nan)
    return columns, distances, reason_texts(statuses)


def _wanted(
    decomposition: str, returns_to_scale: str, reference: Reference, pure: bool
) -> list[str]:
    """Names of the distances that a decomposition uses."""
    names = ["e_from_from", "e_to_to"]
    if reference.scheme in ("global", "biennial"):
        names += ["g_pool_from", "g_pool_to"]
    elif decomposition != "grifell-lovell":
        names += ["e_from_to", "e_to_from"]
    if decomposition == "bias":
        names += ["e_from_mixed", "e_to_mixed"]
    if decomposition == "ray-desli":
        names += ["v_from_to", "v_to_from"]
    if decomposition == "grifell-lovell":
        names += ["v_from_to", "e_from_mixed", "v_from_mixed"]
    if pure or decomposition in ("ray-desli", "grifell-lovell"):
        names += ["v_from_from", "v_to_to"]
        if returns_to_scale != "crs":
            names += ["c_from_from", "c_to_to"]
    return names


def _distances(evaluator, reference, changes, names, returns_to_scale, groups):
    """Efficiencies and statuses by name, each technology built once."""
    size, n_periods = len(changes.before), len(evaluator.panel.periods)
    distances = {name: np.full(size, np.nan) for name in names}
    statuses = {name: np.zeros(size, dtype=int) for name in names}
    code = changes.period_from * n_periods + changes.period_to
    if groups is not None:
        code += groups[changes.before] * n_periods**2
    tasks: dict[tuple, list] = {}
    places: dict[tuple, list] = {}
    for value in np.flatnonzero(np.bincount(code)):
        rows = np.flatnonzero(code == value)
        label, pair = divmod(int(value), n_periods**2)
        a, b = divmod(pair, n_periods)
        before, after = changes.before[rows], changes.after[rows]
        plans = {"from": (before,) * 2, "to": (after,) * 2, "mixed": (after, before)}
        for name in names:
            kind, technology, plan = name.split("_")
            returns = {"v": "vrs", "c": "crs"}.get(kind, returns_to_scale)
            if technology == "pool":
                span = reference.pooled(a, b)
            else:
                span = reference.own(a if technology == "from" else b)
            key = (span, label, returns)
            tasks.setdefault(key, []).append(plans[plan])
            places.setdefault(key, []).append((name, rows))
    found = evaluator.measure(reference, tasks, groups)
    for where, sets in zip(places.values(), found, strict=True):
        for (name, rows), (values, status) in zip(where, sets, strict=True):
            distances[name][rows] = values
            statuses[name][rows] = status
    return distances, statuses


def _efficiency_change(e: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """effch, pech and sech from own-period distances."""
    columns = {"effch": e["e_to_to"] / e["e_from_from"]}
    if "v_to_to" in e:
        constant = "c" if "c_to_to" in e else "e"
        effch = e[f"{constant}_to_to"] / e[f"{constant}_from_from"]
        columns["pech"] = e["v_to_to"] / e["v_from_from"]
        columns["sech"] = effch / columns["pech"]
    return columns


# The formulas take efficiencies by name, `e_` under constant returns but for fgnz and
# bias, and the form of ray_desli; they return the columns of the index.


def fgnz(e: dict[str, np.ndarray], form: str = "geometric") -> dict[str, np.ndarray]:
    """Färe, Grosskopf, Norris and Zhang (1994); pooled technologies alike.

    tfpch = sqrt(e^a(b) / e^a(a) x e^b(b) / e^b(a)), or g(b) / g(a) where both periods
    share one technology; techch = tfpch / effch. pech and sech where `e` has variable
    returns.
    """
    parts = _efficiency_change(e)
    if "g_pool_to" in e:
        tfpch = e["g_pool_to"] / e["g_pool_from"]
        techch = tfpch / parts["effch"]
    else:
        techch = np.sqrt(
            (e["e_from_to"] / e["e_to_to"]) * (e["e_from_from"] / e["e_to_from"])
        )
        tfpch = parts["effch"] * techch
    columns = {"tfpch": tfpch, "effch": parts.pop("effch"), "techch": techch}
    return {**columns, **parts}


def bias(e: dict[str, np.ndarray], form: str = "geometric") -> dict[str, np.ndarray]:
    """fgnz, and techch = obtech x ibtech x matech (Färe et al. 1997).

    With m the plan of later inputs and earlier outputs,

        obtech = sqrt( e^a(b) / e^b(b) x e^b(m) / e^a(m) )
        ibtech = sqrt( e^b(a) / e^a(a) x e^a(m) / e^b(m) )
        matech = e^a(a) / e^b(a)
    """
    columns = fgnz(e)
    columns["obtech"] = np.sqrt(
        (e["e_from_to"] / e["e_to_to"]) * (e["e_to_mixed"] / e["e_from_mixed"])
    )
    columns["ibtech"] = np.sqrt(
        (e["e_to_from"] / e["e_from_from"]) * (e["e_from_mixed"] / e["e_to_mixed"])
    )
    columns["matech"] = e["e_from_from"] / e["e_to_from"]
    return columns


def ray_desli(e: dict[str, np.ndarray], form: str) -> dict[str, np.ndarray]:
    """Ray and Desli (1997): technical change from variable returns.

    With S^s(t) = c^s(t) / v^s(t) the scale efficiency of plan t,

        base:       tfpch = c^a(b) / c^a(a), techch = v^a(b) / v^b(b),
                    sech = S^a(b) / S^a(a)
        geometric:  each the geometric mean of that and its twin under technology b,

    tfpch = pech x sech x techch and effch = pech x sech.
    """
    pech = e["v_to_to"] / e["v_from_from"]
    tfpch = e["e_from_to"] / e["e_from_from"]
    techch = e["v_from_to"] / e["v_to_to"]
    sech = (e["e_from_to"] / e["v_from_to"]) / (e["e_from_from"] / e["v_from_from"])
    if form == "geometric":
        tfpch = np.sqrt(tfpch * (e["e_to_to"] / e["e_to_from"]))
        techch = np.sqrt(techch * (e["v_from_from"] / e["v_to_from"]))
        twin = (e["e_to_to"] / e["v_to_to"]) / (e["e_to_from"] / e["v_to_from"])
        sech = np.sqrt(sech * twin)
    return _scaled(tfpch, techch, pech, sech)


def grifell_lovell(e: dict[str, np.ndarray], form: str) -> dict[str, np.ndarray]:
    """Grifell-Tatjé and Lovell (1999), the generalised index of the base period.

    tfpch = pech x techch x sech with techch = v^a(b) / v^b(b) and, m the plan that
    has moved only in what the orientation holds fixed,
    sech = (c^a(m) / v^a(m)) / (c^a(a) / v^a(a)).
    """
    pech = e["v_to_to"] / e["v_from_from"]
    techch = e["v_from_to"] / e["v_to_to"]
    sech = (e["e_from_mixed"] / e["v_from_mixed"]) / (
        e["e_from_from"] / e["v_from_from"]
    )
    return _scaled(pech * techch * sech, techch, pech, sech)


def _scaled(tfpch, techch, pech, sech) -> dict[str, np.ndarray]:
    columns = {"tfpch": tfpch, "effch": pech * sech, "techch": techch}
    return {**columns, "pech": pech, "sech": sech}


FORMULAS = {
    "fgnz": fgnz,
    "bias": bias,
    "ray-desli": ray_desli,
    "grifell-lovell": grifell_lovell,
}
