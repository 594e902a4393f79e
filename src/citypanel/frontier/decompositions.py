"""What productivity change is made of, from the distances it is made of.

Names of distances: `e_from_to` is the efficiency of the plan of the later period
("to") against the technology of the earlier ("from"); `v_` stands for variable
returns, `c_` for constant ones where the index itself uses another technology,
`g_` for a technology that both periods share ("pool"). The mixed plan has the inputs
of the later period and the outputs of the earlier one.
"""

from __future__ import annotations

import numpy as np

from citypanel.frontier.evaluation import Evaluator, reason_texts
from citypanel.frontier.references import Reference

DECOMPOSITIONS = ("fgnz", "ray-desli", "grifell-lovell", "bias")
FORMS = ("geometric", "base")


def decompose(
    evaluator: Evaluator,
    reference: Reference,
    before: np.ndarray,
    after: np.ndarray,
    period_from: np.ndarray,
    period_to: np.ndarray,
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
    before, after : ndarray (k,)
        Rows of the panel in the earlier and the later period.
    period_from, period_to : ndarray (k,)
        Their periods.
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
    request = Request(
        evaluator, reference, before, after, period_from, period_to, groups
    )
    distances, statuses = request.get(wanted, returns_to_scale)
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


class Request:
    """Distances of a set of changes, grouped by technology so each is built once."""

    def __init__(
        self, evaluator, reference, before, after, period_from, period_to, groups=None
    ) -> None:
        self.evaluator = evaluator
        self.reference = reference
        self.before, self.after = before, after
        self.period_from, self.period_to = period_from, period_to
        self.groups = groups

    def get(
        self, names: list[str], returns_to_scale: str
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Efficiencies and statuses by name.

        Parameters
        ----------
        names : list of str
            See the module.
        returns_to_scale : str
            Of the distances `e_` and `g_`.

        Returns
        -------
        distances, statuses : dict of ndarray (k,)
            By name.
        """
        size = len(self.before)
        distances = {name: np.full(size, np.nan) for name in names}
        statuses = {name: np.zeros(size, dtype=int) for name in names}
        tasks: dict[tuple, list[tuple[str, np.ndarray]]] = {}
        n_periods = len(self.evaluator.panel.periods)
        code = self.period_from * n_periods + self.period_to
        if self.groups is not None:
            code += self.groups[self.before] * n_periods**2
        for value in np.flatnonzero(np.bincount(code)):
            rows = np.flatnonzero(code == value)
            label, pair = divmod(int(value), n_periods**2)
            a, b = divmod(pair, n_periods)
            for name in names:
                kind, technology, _ = name.split("_")
                returns = {"v": "vrs", "c": "crs"}.get(kind, returns_to_scale)
                if technology == "pool":
                    span = self.reference.pooled(a, b)
                else:
                    span = self.reference.own(a if technology == "from" else b)
                key = (span, label, returns)
                tasks.setdefault(key, []).append((name, rows))
        for (span, label, returns), wanted in tasks.items():
            self._fill(span, label, returns, wanted, distances, statuses)
        return distances, statuses

    def _fill(self, span, label, returns, wanted, distances, statuses) -> None:
        """All plans of one technology in one call, each distinct plan once."""
        rows = self.reference.rows(span)
        if self.groups is not None:
            rows = rows[self.groups[rows] == label]
        key = (span, None if self.groups is None else label)
        technology = self.evaluator.technology(key, rows, returns)
        n = len(self.evaluator.panel.unit_of)
        asked = np.zeros(n, dtype=bool)
        mixed = []
        for name, where in wanted:
            if name.endswith("mixed"):
                mixed.append((name, where))
            else:
                asked[self._plain(name)[where]] = True
        plain = np.flatnonzero(asked)
        of_inputs = [plain, *(self.after[where] for _, where in mixed)]
        of_outputs = [plain, *(self.before[where] for _, where in mixed)]
        values, status = self.evaluator.efficiencies(
            technology, np.concatenate(of_inputs), np.concatenate(of_outputs)
        )
        position = np.cumsum(asked) - 1
        start = len(plain)
        for name, where in wanted:
            if name.endswith("mixed"):
                piece = slice(start, start + len(where))
                start += len(where)
            else:
                piece = position[self._plain(name)[where]]
            distances[name][where] = values[piece]
            statuses[name][where] = status[piece]

    def _plain(self, name: str) -> np.ndarray:
        """Rows of the plan that a distance's name ends with.

        The mixed plan has the inputs of the later period and the outputs of the earlier
        one; it is no row of the panel.
        """
        return self.before if name.endswith("from") else self.after


def _efficiency_change(e: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """effch, pech and sech from own-period distances."""
    columns = {"effch": e["e_to_to"] / e["e_from_from"]}
    if "v_to_to" in e:
        constant = "c" if "c_to_to" in e else "e"
        effch = e[f"{constant}_to_to"] / e[f"{constant}_from_from"]
        columns["pech"] = e["v_to_to"] / e["v_from_from"]
        columns["sech"] = effch / columns["pech"]
    return columns


def fgnz(e: dict[str, np.ndarray], form: str = "geometric") -> dict[str, np.ndarray]:
    """Färe, Grosskopf, Norris and Zhang (1994); pooled technologies alike.

    tfpch = sqrt(e^a(b) / e^a(a) x e^b(b) / e^b(a)), or g(b) / g(a) where both periods
    share one technology; techch = tfpch / effch.

    Parameters
    ----------
    e : dict of ndarray
        Efficiencies by name.
    form : str
        Not used.

    Returns
    -------
    dict of ndarray
        tfpch, effch, techch and, with variable returns in `e`, pech and sech.
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
    """techch = obtech x ibtech x matech (Färe et al. 1997).

    With m the plan of later inputs and earlier outputs,

        obtech = sqrt( e^a(b) / e^b(b) x e^b(m) / e^a(m) )
        ibtech = sqrt( e^b(a) / e^a(a) x e^a(m) / e^b(m) )
        matech = e^a(a) / e^b(a)

    Parameters
    ----------
    e : dict of ndarray
        Efficiencies by name.
    form : str
        Not used.

    Returns
    -------
    dict of ndarray
        The columns of `fgnz` and the three biases.
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
        geometric:  each the geometric mean of that and its twin under technology b.

    Parameters
    ----------
    e : dict of ndarray
        Efficiencies by name, `e_` under constant returns.
    form : {"geometric", "base"}
        Which.

    Returns
    -------
    dict of ndarray
        tfpch = pech x sech x techch; effch = pech x sech.
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
    return {
        "tfpch": tfpch,
        "effch": pech * sech,
        "techch": techch,
        "pech": pech,
        "sech": sech,
    }


def grifell_lovell(e: dict[str, np.ndarray], form: str) -> dict[str, np.ndarray]:
    """Grifell-Tatjé and Lovell (1999), the generalised index of the base period.

    tfpch = pech x techch x sech with techch = v^a(b) / v^b(b) and, m the plan that
    has moved only in what the orientation holds fixed,
    sech = (c^a(m) / v^a(m)) / (c^a(a) / v^a(a)).

    Parameters
    ----------
    e : dict of ndarray
        Efficiencies by name, `e_` under constant returns.
    form : str
        Not used.

    Returns
    -------
    dict of ndarray
        tfpch, effch = pech x sech, techch, pech, sech.
    """
    pech = e["v_to_to"] / e["v_from_from"]
    techch = e["v_from_to"] / e["v_to_to"]
    sech = (e["e_from_mixed"] / e["v_from_mixed"]) / (
        e["e_from_from"] / e["v_from_from"]
    )
    return {
        "tfpch": pech * techch * sech,
        "effch": pech * sech,
        "techch": techch,
        "pech": pech,
        "sech": sech,
    }


FORMULAS = {
    "fgnz": fgnz,
    "bias": bias,
    "ray-desli": ray_desli,
    "grifell-lovell": grifell_lovell,
}
