"""The triply robust panel estimator: unit weights, time weights and a low-rank part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from citypanel.did.factors import Cells, Means, matrices, usable
from citypanel.did.frames import Extras, add_note, join_notes, panel_frame
from citypanel.did.panels import Panel, on_panel, require_binary
from citypanel.errors import EstimationError, OptionError

# Largest change of a fitted cell at which the steps end, over the outcome's spread.
STOP = 1e-7
STEPS = 3_000
#: Tried in turn, in units of the median distance, of a period, of the largest
#: singular value; None is no low-rank part.
UNITS = (0.0, 0.5, 1.0, 2.0, 4.0)
TIMES = (0.0, 0.1, 0.25, 0.5, 1.0)
NORMS = (None, 1.0, 0.3, 0.1, 0.03)
CYCLES = 3
#: Weights below count as none: a fit would rest on their rounding.
FAINT = 1e-8
NOTE_FAR = "{} treated cells have no untreated cell of their unit and period to fit"


@on_panel("treatment", "weights")
def triply_robust(
    data: Panel,
    *,
    unit_decay: float | None = None,
    time_decay: float | None = None,
    penalty: float | None = None,
    validation_cells: int = 200,
    draws: int = 50,
    seed: int = 0,
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Effects as gaps to a fit of its own for each treated cell.

    For unit i treated in period t the untreated cells are fitted with

        min over a, b, L of sum w_j v_s (Y_js - a_j - b_s - L_js)^2 + theta ||L||_*,
        w_j = exp(-unit_decay d_ij),   v_s = exp(-time_decay |t - s|),

    d_ij the root mean square difference of Y_i and Y_j where neither is treated, t left
    out, and the effect is Y_it - a_i - b_t - L_it. Without decays it is matrix
    completion, without L weighted differences in differences; the bias is the product
    of what the unit weights, the time weights and the factors leave unbalanced.

    Parameters
    ----------
    panel : DataFrame or Panel
        One row per unit and period, balanced or not. Units and periods without an
        untreated cell are left out (note).
    outcome, treatment, unit, period, weights, frequency
        Names of columns (see `panels.Design`). The treatment is 0/1 and may switch off.
        Weights weight the means of effects, not the fit.
    unit_decay, time_decay, penalty : number, optional
        Each is, by default, the value of a grid that predicts untreated cells best,
        each cell left out of its own fit, one after another until none changes: decays
        per unit of the outcome and per period, theta in the outcome's units. Infinity
        for no L.
    validation_cells : int
        Untreated cells that are predicted, drawn from all.
    draws, seed : int
        Of the bootstrap over units, treated and untreated ones apart, with the choices
        held. 0 for no standard errors.
    single_unit_std_error : bool
    level : float

    Returns
    -------
    DataFrame
        ``simple``/``overall``, ``dynamic`` by periods since the spell began, ``group``
        by first treated period. ``attrs["choices"]``: unit_decay, time_decay, penalty,
        and the error of prediction of each combination tried.

    Raises
    ------
    EstimationError
        Nobody treated, or nobody untreated; a treatment between 0 and 1.
    OptionError
        A negative choice, too few draws.

    References
    ----------
    Athey, Imbens, Qu and Viviano (2025), "Triply Robust Panel Estimators",
    arXiv:2508.21536.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", treatment="treated", unit="city", period="year")
    >>> chosen = dict(unit_decay=1.0, time_decay=0.25, penalty=0.2)
    >>> found = did.triply_robust(zones(), draws=20, **chosen, **columns)
    >>> found[found["term"] == "overall"][["estimate", "std_error"]].round(3)
       estimate  std_error
    0     0.126      0.014
    """
    given = {"unit_decay": unit_decay, "time_decay": time_decay, "penalty": penalty}
    for name, value in given.items():
        if value is not None and not value >= 0:
            raise OptionError.of("did.choice_below_zero", name=name, value=value)
    require_binary(data, "cells are treated or not")
    if 0 < draws < 20:
        raise OptionError.of("did.bootstrap_draws_too_few", draws=draws)
    whole, data = data, usable(data, 1)
    cells = matrices(data)
    fits = _Fits(cells, data.positions)
    chosen, tried = _choose(fits, given, validation_cells, seed)
    places = np.argwhere(cells.on & cells.seen)
    gaps, known, settled = fits.gaps(places, chosen)
    if not known.any():
        raise EstimationError.of("did.no_treated_cell", treatment=data.design.treatment)
    means = Means(data, cells, whole)
    found = np.full(cells.y.shape, np.nan)
    found[tuple(places[known].T)] = gaps[known]
    masks = {
        key: mask & np.isfinite(found)
        for key, mask in means.masks.items()
        if (mask & cells.on).any()
    }
    masks = {key: mask for key, mask in masks.items() if mask.any()}
    drawn = _bootstrap(cells, means, masks, data.positions, chosen, draws, seed)
    rows = []
    for key, mask in masks.items():
        units = int(mask.any(axis=1).sum())
        row = {
            "aggregation": key[0],
            "term": key[1],
            "estimate": float(np.average(found[mask], weights=means.weight[mask])),
            "df": np.inf,
            "n_treated_units": units,
            "single_unit": units == 1,
            **means.labels[key],
        }
        values = drawn.get(key, np.array([]))
        values = values[np.isfinite(values)]
        if len(values) >= 20:
            error = float(values.std(ddof=1))
            row["std_error"] = error if error > 0 else None
        rows.append(row)
    far = NOTE_FAR.format(int((~known).sum())) if not known.all() else None
    slow = None if settled else "some fits did not settle: a larger penalty"
    add_note(rows[:1], join_notes(data.note, means.note, far, slow))
    return panel_frame(
        data,
        rows,
        estimator="triply_robust",
        level=level,
        single_unit_std_error=single_unit_std_error,
        n_obs=data.n_obs,
        n_units=data.n_units,
        n_clusters=data.n_units,
        standard_errors=f"bootstrap over units, {draws} draws" if draws else None,
        attrs={"choices": Extras({**chosen, "errors": tried})},
    )


@dataclass(frozen=True, eq=False)
class _Fits:
    """Fits of cells of one panel, each with weights of its own."""

    cells: Cells
    positions: np.ndarray

    def distances(self, places: np.ndarray) -> np.ndarray:
        """d (b, N) from each cell's unit, its period left out; infinite for none."""
        y, free = np.where(self.cells.seen, self.cells.y, 0.0), self.cells.free
        unit, period = places.T
        both = free[unit][:, None] & free[None]
        both[np.arange(len(places)), :, period] = False
        square = (y[unit][:, None] - y[None]) ** 2
        count = both.sum(axis=2)
        total = np.where(both, square, 0.0).sum(axis=2)
        return np.where(count > 0, np.sqrt(total / np.maximum(count, 1)), np.inf)

    def gaps(self, places, chosen, stop=STOP, far=None):
        """Outcome less its fit for some cells; which are known; whether all settled.

        ``far`` are their `distances`, where they have been computed.
        """
        cells = self.cells
        unit, period = places.T
        rows = np.arange(len(places))
        free = np.repeat(cells.free[None], len(places), axis=0)
        free[rows, unit, period] = False
        weight = np.ones((len(places), len(cells.y)))
        if chosen["unit_decay"] > 0:
            far = self.distances(places) if far is None else far
            weight = np.exp(-chosen["unit_decay"] * far)
        # The unit itself counts in full.
        weight[rows, unit] = 1.0
        apart = np.abs(self.positions[None] - self.positions[period][:, None])
        when = np.exp(-chosen["time_decay"] * apart)
        w = np.where(free, weight[:, :, None] * when[:, None, :], 0.0)
        w[w < FAINT] = 0.0
        known = _reached(w > 0, unit, period)
        gap = np.full(len(places), np.nan)
        if not known.any():
            return gap, known, True
        unit, period = unit[known], period[known]
        y = np.repeat(cells.y[None], len(unit), axis=0)
        fit, settled = _fitted(y, w[known], chosen["penalty"], stop)
        gap[known] = cells.y[unit, period] - fit[rows[: len(unit)], unit, period]
        return gap, known, settled


def _reached(linked: np.ndarray, unit: np.ndarray, period: np.ndarray) -> np.ndarray:
    """Whether free cells (b, N, T) link each cell's unit with its period."""
    one = linked.astype(np.float32)
    link = np.swapaxes(one, 1, 2) @ one > 0
    for _ in range(int(np.ceil(np.log2(max(link.shape[1], 2))))):
        one = link.astype(np.float32)
        link = one @ one > 0
    rows = np.arange(len(unit))
    own = linked[rows, unit]
    return (own & link[rows, period]).any(axis=1)


def _fitted(y, w, penalty, stop) -> tuple[np.ndarray, bool]:
    """Both effects and the low-rank part (b, N, T), by proximal gradient steps.

    The effects are solved exactly for any L, so that the steps are those of a convex
    problem in L alone; they gain speed as in Beck and Teboulle (2009) and lose it
    where that leads uphill.
    """
    total = w.sum(axis=2)
    share = w / np.where(total > 0, total, 1.0)[..., None]
    schur = -np.einsum("bnt,bns->bts", w, share)
    # Rows of zero sum to the last digit, however small the weights.
    diagonal = np.arange(w.shape[2])
    schur[:, diagonal, diagonal] = 0.0
    schur[:, diagonal, diagonal] = -schur.sum(axis=2)
    inverse = np.linalg.pinv(schur, rcond=1e-13, hermitian=True)

    def effects(values):
        means = np.einsum("bnt,bnt->bn", share, values)
        sums = np.einsum("bnt,bnt->bt", w, values) - np.einsum("bnt,bn->bt", w, means)
        second = np.einsum("bts,bs->bt", inverse, sums)
        first = means - np.einsum("bnt,bt->bn", share, second)
        return first[:, :, None] + second[:, None, :]

    if penalty is None or np.isinf(penalty):
        return effects(y), True
    top = w.max(axis=(1, 2), keepdims=True)
    step = w / top
    amount = penalty / (2.0 * top[:, 0, 0])
    low = ahead = np.zeros_like(y)
    speed = 1.0
    scale = np.ptp(np.where(w > 0, y, np.nan)[np.isfinite(y) & (w > 0)]) or 1.0
    for _ in range(STEPS):
        left = y - ahead
        new = _shrunken(ahead + step * (left - effects(left)), amount)
        change = new - low
        if ((ahead - new) * change).sum() > 0:
            speed = 1.0
        following = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * speed**2))
        ahead = new + (speed - 1.0) / following * change
        low, speed = new, following
        if np.abs(change).max() <= stop * scale:
            return effects(y - low) + low, True
    return effects(y - low) + low, False


def _shrunken(matrix: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Matrices (b, N, T) with each singular value less an amount (b,), or zero."""
    gram = np.swapaxes(matrix, -1, -2) @ matrix
    values, vectors = np.linalg.eigh(gram)
    size = np.sqrt(np.clip(values, 0.0, None))
    over = size > amount[:, None]
    share = np.where(over, 1.0 - amount[:, None] / np.where(over, size, 1.0), 0.0)
    return matrix @ (vectors * share[..., None, :]) @ np.swapaxes(vectors, -1, -2)


def _choose(fits: _Fits, given, most: int, seed: int):
    """Decays and penalty that predict untreated cells best, one after another."""
    grids: dict[str, list] = {
        name: [] if value is None else [float(value)] for name, value in given.items()
    }
    places = np.argwhere(fits.cells.free)
    rng = np.random.default_rng(seed)
    if len(places) > most:
        places = places[np.sort(rng.choice(len(places), most, replace=False))]
    far = None
    if not all(grids.values()):
        far = fits.distances(places)
        near = far[np.isfinite(far) & (far > 0)]
        scale = float(np.median(near)) if len(near) else 1.0
        y = np.where(fits.cells.free, fits.cells.y, 0.0)
        flat, _ = _fitted(y[None], fits.cells.free[None].astype(float), None, STOP)
        left = np.where(fits.cells.free, y - flat[0], 0.0)
        top = 2.0 * float(np.linalg.norm(left, 2))
        wide = {
            "unit_decay": [u / scale for u in UNITS],
            "time_decay": list(TIMES),
            "penalty": [np.inf if n is None else n * top for n in NORMS],
        }
        grids = {name: grid or wide[name] for name, grid in grids.items()}
    tried: dict[tuple, float] = {}

    def error(choice: dict) -> float:
        key = tuple(choice.values())
        if key not in tried:
            gap, known, _ = fits.gaps(places, choice, stop=1e-5, far=far)
            tried[key] = float((gap[known] ** 2).mean()) if known.any() else np.inf
        return tried[key]

    chosen = {name: grid[0] for name, grid in grids.items()}
    if all(len(grid) == 1 for grid in grids.values()):
        return chosen, tried
    for _ in range(CYCLES):
        before = dict(chosen)
        for name, grid in grids.items():
            errors = [error({**chosen, name: value}) for value in grid]
            # The simplest within 1% of the least; grids begin with it.
            good = np.array(errors) <= 1.01 * min(errors)
            chosen[name] = grid[int(good.argmax())]
        if chosen == before:
            break
    return chosen, tried


def _bootstrap(cells, means, masks, positions, chosen, draws, seed) -> dict:
    """Summaries of panels whose units are drawn with replacement."""
    rng = np.random.default_rng(seed)
    treated, rest = np.flatnonzero(means.ever), np.flatnonzero(~means.ever)
    out: dict[tuple, list] = {key: [] for key in masks}
    for _ in range(draws):
        order = np.concatenate(
            [rng.choice(g, len(g)) for g in (treated, rest) if len(g)]
        )
        whole = cells.y[order], cells.x[:, order], cells.seen[order], cells.on[order]
        part = Cells(*whole)
        places = np.argwhere(part.on & part.seen)
        gaps, known, _ = _Fits(part, positions).gaps(places, chosen, stop=1e-5)
        found = np.full(part.y.shape, np.nan)
        found[tuple(places[known].T)] = gaps[known]
        weight = means.weight[order]
        for key, mask in masks.items():
            some = mask[order] & np.isfinite(found)
            total = weight[some].sum()
            mean = (found[some] * weight[some]).sum() / total if total else np.nan
            out[key].append(mean)
    return {key: np.array(values) for key, values in out.items()}
