"""Untreated outcomes with factors: interactive fixed effects and matrix completion.

    Y_it(0) = alpha_i + xi_t + x_it' beta + L_it + e_it

is fitted on untreated cells and completed on treated ones; every summary is a mean of
the gaps. L has rank r in interactive fixed effects (L_it = lambda_i' f_t; Gobillon and
Magnac 2016; Xu 2017), and a small nuclear norm in matrix completion (Athey, Bayati,
Doudchenko, Imbens and Khosravi 2021):

    min over alpha, xi, beta, L of 1/2 sum over untreated cells of e^2 + theta ||L||_*.

Effects and controls are solved exactly for any L; L comes from the singular values of
what is left, the r largest or each less theta, step by step until it stands still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from citypanel.did.frames import OVERALL, Extras, add_note, join_notes, panel_frame
from citypanel.did.panels import FAR, Panel, on_panel, require_binary
from citypanel.did.regressions import wald_row
from citypanel.did.spillovers import Gaps
from citypanel.errors import EstimationError, OptionError

MOST_RANK = 5
FOLDS = 10
GRID = 8
# Largest change of a fitted cell at which the steps end, in residual deviations; where
# a prediction or a draw is judged, less will do.
STOP, ROUGH = 1e-9, 1e-5
ITERATIONS, FEW = 5_000, 500
# Liu, Wang and Xu (2024): violations beyond this share of the spread matter.
BOUND = 0.36


#: Share of a control's size up to which what the effects leave of it is rounding.
ROUNDED = 1e-10
#: An event time that is not known.
UNKNOWN = np.iinfo(np.int64).min // 2
# Aggregation and term of what cells hidden before and after treatment show.
PLACEBO, CARRYOVER = ("placebo", "before_treatment"), ("carryover", "after_treatment")
NOTE_UNDATED = (
    "{} unit(s) become treated while not seen: in no row by event time or cohort"
)
NOTE_AFTER_GAP = "treatment is dated {}, though no row shows the period before"
NOTE_UNSETTLED = "the fit did not settle: fewer factors, or more untreated periods"


@on_panel("treatment", "controls", "weights")
def interactive_fixed_effects(
    data: Panel,
    *,
    rank: int | None = None,
    most_rank: int = MOST_RANK,
    folds: int = FOLDS,
    placebo_periods: float = 2,
    carryover_periods: float = 1,
    bound: float | None = None,
    draws: int = 200,
    seed: int = 0,
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Effects as gaps to an interactive fixed effects model of untreated cells.

    Parameters
    ----------
    panel : DataFrame or Panel
        One row per unit and period, balanced or not. Units with fewer than rank + 1
        untreated cells, and periods with none, are left out (note).
    outcome, treatment, unit, period, controls, weights, frequency
        Names of columns (see `panels.Design`). The treatment is 0/1 and may switch off.
        Weights weight the means of effects, not the fit.
    rank : int, optional
        Number of factors; by default the smallest whose error of prediction is within
        1% of the least, over ``folds`` in which a tenth of the untreated cells is
        hidden in turn.
    most_rank, folds : int
        Of the choice of the rank.
    placebo_periods : number
        Untreated periods before each spell that are hidden, and whose gaps are tested,
        in the periods' own units: 2 are four half-years.
    carryover_periods : number
        The same after a spell ends, where the treatment switches off.
    bound : number, optional
        Of the equivalence test; by default 0.36 times the standard deviation of the
        untreated outcome net of both effects.
    draws, seed : int
        Of the bootstrap over units, treated and untreated ones apart; the rank is held.
        0 for no standard errors.
    single_unit_std_error : bool
    level : float

    Returns
    -------
    DataFrame
        ``simple``/``overall``, ``dynamic`` by periods since the spell began (those
        before it are fitted gaps, nearer to zero than true ones), ``group`` by first
        treated period, ``placebo`` and ``carryover``; ``test``: the leads jointly
        zero, and ``leads_within_bound`` (two one-sided tests; p_value that of the
        worst lead, ``estimate`` the bound). Column ``rank``;
        ``attrs["cross_validation"]``: error of prediction by rank.

    Raises
    ------
    PanelError, EstimationError
        Nobody treated, or nobody untreated; a treatment between 0 and 1.
    OptionError
        A negative rank, too few draws.

    References
    ----------
    Xu (2017), Political Analysis 25; Gobillon and Magnac (2016), Review of Economics
    and Statistics 98; Liu, Wang and Xu (2024), American Journal of Political
    Science 68.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", treatment="treated", unit="city", period="year")
    >>> found = did.interactive_fixed_effects(zones(), rank=1, draws=50, **columns)
    >>> found[found["term"] == "overall"][["estimate", "std_error"]].round(3)
       estimate  std_error
    0       0.1      0.037
    """
    if rank is not None and (rank < 0 or rank != int(rank)):
        raise OptionError.of("did.rank_not_possible", rank=rank)
    choices = range(most_rank + 1) if rank is None else [int(rank)]
    task = Task(
        "interactive_fixed_effects",
        False,
        placebo_periods,
        carryover_periods,
        bound,
        draws,
        seed,
        level,
        single_unit_std_error,
        folds,
    )
    return _estimate(data, task, [float(c) for c in choices])


@on_panel("treatment", "controls", "weights")
def matrix_completion(
    data: Panel,
    *,
    penalty: float | None = None,
    folds: int = FOLDS,
    placebo_periods: float = 2,
    carryover_periods: float = 1,
    bound: float | None = None,
    draws: int = 200,
    seed: int = 0,
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Effects as gaps to a matrix of untreated outcomes with a small nuclear norm.

    Parameters
    ----------
    panel, outcome, treatment, unit, period, controls, weights, frequency, folds,
    placebo_periods, carryover_periods, bound, draws, seed, single_unit_std_error, level
        As for `interactive_fixed_effects`.
    penalty : number, optional
        theta, in the outcome's units; by default the one that predicts best among
        eight in equal steps of the logarithm, from where L vanishes to a hundredth of
        it, and no penalty to speak of beyond.

    Returns
    -------
    DataFrame
        As `interactive_fixed_effects`, with column ``penalty``.

    Raises
    ------
    PanelError, EstimationError, OptionError
        As `interactive_fixed_effects`.

    References
    ----------
    Athey, Bayati, Doudchenko, Imbens and Khosravi (2021), Journal of the American
    Statistical Association 116; Mazumder, Hastie and Tibshirani (2010), Journal of
    Machine Learning Research 11.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", treatment="treated", unit="city", period="year")
    >>> found = did.matrix_completion(zones(), penalty=0.1, draws=20, **columns)
    >>> found[found["term"] == "overall"][["estimate", "std_error"]].round(3)
       estimate  std_error
    0     0.125      0.013
    """
    if penalty is not None and not penalty >= 0:
        raise OptionError.of("did.penalty_not_possible", penalty=penalty)
    task = Task(
        "matrix_completion",
        True,
        placebo_periods,
        carryover_periods,
        bound,
        draws,
        seed,
        level,
        single_unit_std_error,
        folds,
    )
    return _estimate(data, task, None if penalty is None else [float(penalty)])


@dataclass(frozen=True, eq=False)
class Task:
    name: str
    soft: bool
    placebo: float
    carryover: float
    bound: float | None
    draws: int
    seed: int
    level: float
    single: bool
    folds: int


@dataclass(frozen=True, eq=False)
class Cells:
    """The panel as matrices (N, T): outcome, controls (k, N, T), what is seen when."""

    y: np.ndarray
    x: np.ndarray
    seen: np.ndarray
    on: np.ndarray

    @property
    def free(self) -> np.ndarray:
        """Untreated cells that are seen."""
        return self.seen & ~self.on

    @cached_property
    def rank(self) -> int:
        """How many directions of the controls untreated cells tell of."""
        return int(Within(self.x[:, None], self.free[None]).rank[0])

    def is_sound(self, free: np.ndarray, order: Any = slice(None)) -> bool:
        """Whether some cells link units with periods, and tell of the controls.

        ``order`` are the units of the cells (N, T), drawn or as they are.
        """
        if not free.any(axis=0).all() or not free.any(axis=1).all():
            return False
        found = Within(self.x[:, order][:, None], free[None])
        return bool(found.connected[0] and found.rank[0] >= self.rank)


class Within:
    """Residuals of a batch of incomplete matrices on effects and controls, exactly.

    Parameters
    ----------
    x : ndarray (k, b, N, T)
    free : ndarray of bool (b, N, T)
        Cells that are fitted; every row and column has one.
    """

    def __init__(self, x: np.ndarray, free: np.ndarray):
        self.free = free
        count = free.astype(float)
        self.rows = np.maximum(count.sum(axis=2), 1.0)
        share = count / self.rows[..., None]
        schur = -np.swapaxes(count, 1, 2) @ share
        diagonal = np.arange(free.shape[2])
        schur[:, diagonal, diagonal] += count.sum(axis=1)
        values = np.linalg.eigvalsh(schur)
        #: Whether every unit is connected with every period, panel by panel.
        self.connected = (values > 1e-9 * values[:, -1:]).sum(axis=1) == (
            free.shape[2] - 1
        )
        self.schur = np.linalg.pinv(schur, rcond=1e-10, hermitian=True)
        self.share = share
        self.x = np.where(free, x, 0.0)
        self.k = len(x)
        #: How many directions of the controls the cells tell of, panel by panel.
        self.rank = np.zeros(len(free), int)
        if self.k:
            self.net = np.array([v - self.effects(v) for v in self.x])
            self.net = np.where(free, self.net, 0.0)
            # What the effects take whole leaves rounding, and says nothing.
            left = np.sqrt((self.net**2).sum(axis=(2, 3)))
            whole = np.sqrt((self.x**2).sum(axis=(2, 3)))
            taken = left <= ROUNDED * whole
            self.net[taken] = 0.0
            gram = np.einsum("kbnt,mbnt->bkm", self.net, self.net)
            size = np.sqrt(np.einsum("bkk->bk", gram))
            size = np.where(size > 0, size, 1.0)
            scaled = gram / size[:, :, None] / size[:, None, :]
            inverse = np.linalg.pinv(scaled, rcond=1e-10, hermitian=True)
            self.rank = (np.linalg.eigvalsh(scaled) > 1e-10).sum(axis=1)
            self.inverse = inverse / size[:, :, None] / size[:, None, :]

    def part(self, some: np.ndarray) -> Within:
        """The same for some of the batch."""
        out = object.__new__(Within)
        for name, value in self.__dict__.items():
            if name == "k":
                out.k = value
            elif name in ("x", "net"):
                setattr(out, name, value[:, some])
            else:
                setattr(out, name, value[some])
        return out

    def effects(self, values: np.ndarray) -> np.ndarray:
        """Both effects fitted on free cells, on every cell (b, N, T)."""
        values = np.where(self.free, values, 0.0)
        means = values.sum(axis=2) / self.rows
        sums = values.sum(axis=1) - np.einsum("bnt,bn->bt", self.free, means)
        second = np.einsum("bts,bs->bt", self.schur, sums)
        first = means - np.einsum("bnt,bt->bn", self.share, second)
        return first[:, :, None] + second[:, None, :]

    def fitted(self, values: np.ndarray) -> np.ndarray:
        """Effects and controls fitted on free cells, on every cell."""
        if not self.k:
            return self.effects(values)
        left = np.where(self.free, values - self.effects(values), 0.0)
        beta = np.einsum("bkm,mbnt,bnt->bk", self.inverse, self.net, left)
        moved = np.einsum("bk,kbnt->bnt", beta, self.x)
        return self.effects(values - moved) + moved

    def residuals(self, values: np.ndarray) -> np.ndarray:
        return np.where(self.free, values - self.fitted(values), 0.0)


def complete(
    y: np.ndarray,
    x: np.ndarray,
    free: np.ndarray,
    amount: float,
    soft: bool,
    stop: float = STOP,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fitted untreated outcomes, and the low-rank part, of a batch of panels.

    Parameters
    ----------
    y : ndarray (b, N, T)
        Values of cells that are not free do not matter.
    x : ndarray (k, b, N, T)
        Known on every cell whose fitted value is asked for.
    free : ndarray of bool (b, N, T)
        Cells fitted on.
    amount : float
        The rank, or with ``soft`` the penalty.
    stop : float
        Share of the residuals' deviation by which no cell changes at the end.

    Returns
    -------
    ndarray (b, N, T), ndarray (b, N, T), ndarray of bool (b,)
        The last says which have come to a stop.

    Notes
    -----
    With M the residuals on effects and controls over free cells, L <- shrink(L + M(y -
    L)) is a proximal gradient step of length one, as M is a projection; momentum
    is dropped where it does not help (O'Donoghue and Candes 2015).
    """
    within = Within(x, free)
    y = np.where(free, y, 0.0)
    low = np.zeros(y.shape)
    out = low.copy()
    active = np.arange(len(y))
    own, own_y = within, y
    scale = np.sqrt((within.residuals(y) ** 2).mean(axis=(1, 2)))
    # Nothing below the rounding of the outcome is told apart.
    limit = np.maximum(stop * scale, 1e-12 * np.abs(y).max(axis=(1, 2)))
    ahead, momentum = low.copy(), np.ones(len(y))
    plain = not soft and amount == 0
    settled = np.full(len(y), plain)
    for _ in range(0 if plain else ITERATIONS if stop <= STOP else FEW):
        new = _shrink(ahead + own.residuals(own_y - ahead), amount, soft)
        step = new - low
        back = ((ahead - new) * step).sum(axis=(1, 2)) > 0
        # A rank is no convex bound: momentum could run away, and plain steps cannot.
        back |= not soft
        following = np.where(back, 1.0, (1 + np.sqrt(1 + 4 * momentum**2)) / 2)
        speed = np.where(back, 0.0, (momentum - 1.0) / following)
        ahead, low, momentum = new + speed[:, None, None] * step, new, following
        done = np.abs(step).max(axis=(1, 2)) <= limit
        if done.any():
            out[active[done]], settled[active[done]] = low[done], True
            rest = ~done
            if done.all():
                active, low = active[:0], low[:0]
                break
            active, own, own_y = active[rest], own.part(rest), own_y[rest]
            ahead, low, limit = ahead[rest], low[rest], limit[rest]
            momentum = momentum[rest]
    if not plain:
        out[active] = low
    if not within.k:
        return within.effects(y - out) + out, out, settled
    left = np.where(free, y - out - within.effects(y - out), 0.0)
    beta = np.einsum("bkm,mbnt,bnt->bk", within.inverse, within.net, left)
    inside = np.einsum("bk,kbnt->bnt", beta, within.x)
    effects = within.effects(y - out - inside) + np.einsum("bk,kbnt->bnt", beta, x)
    return effects + out, out, settled


def _shrink(matrix: np.ndarray, amount: float, soft: bool) -> np.ndarray:
    """The r largest singular values only, or each less the penalty."""
    if not soft and amount == 0:
        return np.zeros_like(matrix)
    gram = np.swapaxes(matrix, -1, -2) @ matrix
    values, vectors = np.linalg.eigh(gram)
    if not soft:
        keep = vectors[..., -int(amount) :]
        return matrix @ keep @ np.swapaxes(keep, -1, -2)
    size = np.sqrt(np.clip(values, 0.0, None))
    share = np.where(
        size > 0, np.clip(1.0 - amount / np.where(size > 0, size, 1), 0, 1), 0
    )
    return matrix @ (vectors * share[..., None, :]) @ np.swapaxes(vectors, -1, -2)


def _estimate(data: Panel, task: Task, choices: Sequence[float] | None) -> pd.DataFrame:
    require_binary(data, "cells are treated or not")
    if 0 < task.draws < 20:
        raise OptionError.of("did.bootstrap_draws_too_few", draws=task.draws)
    whole, data = data, usable(data, 1)
    cells = matrices(data)
    table: dict[Any, float] = {}
    if choices is None:
        choices = _penalties(cells)
    amount = choices[0]
    if len(choices) > 1:
        amount, table = _cross_validate(cells, list(choices), task)
    if not task.soft:
        data = usable(data, int(amount) + 1)
        cells = matrices(data)
        if amount > min(cells.y.shape) - 2:
            raise OptionError.of("did.rank_not_possible", rank=int(amount))
    fit, _, settled = complete(
        cells.y[None], cells.x[:, None], cells.free[None], amount, task.soft
    )
    if not settled[0]:
        data = data.remarking(NOTE_UNSETTLED)
    means = Means(data, cells, whole, task.placebo, task.carryover)
    estimates = means.of(cells, fit[0])
    hidden = _hidden(cells, means, amount, task)
    for name, (mask, fitted) in hidden.items():
        estimates[name] = means.gap(cells, fitted, mask)
    drawn = _bootstrap(cells, means, amount, hidden, task) if task.draws else {}
    rows = _rows(data, cells, means, estimates, drawn, fit[0], task)
    add_note(rows[:1], join_notes(data.note, means.note))
    chosen = "penalty" if task.soft else "rank"
    return panel_frame(
        data,
        rows,
        estimator=task.name,
        level=task.level,
        single_unit_std_error=task.single,
        extra_columns=(chosen, "outcome"),
        n_obs=data.n_obs,
        n_units=data.n_units,
        n_clusters=data.n_units,
        standard_errors=f"bootstrap over units, {task.draws} draws"
        if task.draws
        else None,
        attrs={"cross_validation": Extras({"errors": table})},
        **{chosen: amount},
    )


def usable(data: Panel, need: int) -> Panel:
    """Units and periods with untreated cells enough, and some treated cell."""
    if not (data.treatment > 0).any():
        raise EstimationError.of("did.no_treated_cell", treatment=data.design.treatment)
    while True:
        free = data.treatment == 0
        units = np.bincount(data.unit, free, data.n_units) >= need
        if not units.all():
            data = data.keep_units(units, f"fewer than {need} untreated periods")
            continue
        periods = np.bincount(data.period, free, len(data.positions)) >= 1
        if not periods.all():
            why = "every unit is treated in the period"
            data = data.keep(periods[data.period], why)
            continue
        known = Gaps(data, ~free).known
        if known.all():
            break
        data = data.keep(known, "the untreated rows do not determine its outcome")
        if not (data.treatment > 0).any():
            break
    if not (data.treatment > 0).any():
        raise EstimationError.of("did.no_treated_cell", treatment=data.design.treatment)
    return data


def _seen_and_treated(data: Panel) -> tuple[np.ndarray, np.ndarray]:
    seen = np.zeros((data.n_units, len(data.positions)), bool)
    on = np.zeros_like(seen)
    seen[data.unit, data.period] = True
    on[data.unit, data.period] = data.treatment > 0
    return seen, on


def matrices(data: Panel) -> Cells:
    seen, on = _seen_and_treated(data)
    shape, y = seen.shape, np.zeros(seen.shape)
    y[data.unit, data.period] = data.y
    x = np.zeros((len(data.control_names), *shape))
    x[:, data.unit, data.period] = data.controls.T
    # In one unit of measure, so that the gram matrix is well conditioned.
    size = np.abs(x).max(axis=(1, 2), keepdims=True)
    return Cells(y, x / np.where(size > 0, size, 1.0), seen, on)


def _penalties(cells: Cells) -> list[float]:
    """From where L vanishes down to a hundredth, and a last one near none."""
    fit, *_ = complete(cells.y[None], cells.x[:, None], cells.free[None], 0.0, False)
    left = np.where(cells.free, cells.y - fit[0], 0.0)
    top = float(np.linalg.norm(left, 2))
    if top <= 1e-8 * max(float(np.abs(cells.y).max()), 1e-300):
        return [max(top, 1e-300)]
    return [*(top * np.geomspace(1.0, 1e-2, GRID)).tolist(), top * 1e-4]


def _cross_validate(
    cells: Cells, choices: list[float], task: Task
) -> tuple[float, dict[float, float]]:
    """Error of prediction of untreated cells that are hidden, fold by fold."""
    rng = np.random.default_rng(task.seed)
    free = cells.free
    fold = np.full(free.shape, -1)
    places = np.flatnonzero(free)
    fold.flat[rng.permutation(places)] = np.arange(len(places)) % task.folds
    most = 1 if task.soft else int(max(choices)) + 1
    kept = []
    for k in range(task.folds):
        hide = fold == k
        # A unit or period keeps the cells that its own effects and factors need.
        for axis in (1, 0):
            short = (free & ~hide).sum(axis=axis) < most
            hide &= ~(short[:, None] if axis == 1 else short[None, :])
        if hide.any() and cells.is_sound(free & ~hide):
            kept.append(hide)
    if not kept:
        return choices[0], {}
    hides = np.array(kept)
    b = len(hides)
    y = np.broadcast_to(cells.y, (b, *cells.y.shape))
    x = np.broadcast_to(cells.x[:, None], (len(cells.x), b, *cells.y.shape))
    errors = {}
    for choice in choices:
        fit, *_ = complete(y, x, free & ~hides, choice, task.soft, ROUGH)
        errors[choice] = float(((y - fit)[hides] ** 2).mean())
    least = min(errors.values())
    spread = float(np.var(cells.y[free]))
    # The simplest within 1% of the least: few factors, a large penalty.
    for choice in choices:
        if errors[choice] <= 1.01 * least + 1e-14 * spread:
            return choice, errors
    raise AssertionError("the least error is within 1% of itself")


def spells(
    seen: np.ndarray, on: np.ndarray, when: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Periods since treatment began, or until it does, and periods since it ended.

    Parameters
    ----------
    seen, on : ndarray of bool (N, T)
        Cells that are seen, and those of them under treatment.
    when : ndarray of int (T,)
        Positions of the periods.

    Returns
    -------
    event, after : ndarray of int (N, T)
        `UNKNOWN` and -1 where there is none. A treatment begins in the first period
        under it where the unit is seen without it in the panel's period before; when
        it began in between is not known, and no event time is given.
    """
    n, width = on.shape
    event, after = np.full(on.shape, UNKNOWN), np.full(on.shape, -1)
    state = np.full(n, -1)  # at the last period seen: not seen yet, without, under
    at = np.full(n, -1)
    began, ended = np.full(n, UNKNOWN), np.full(n, -1)
    starts = np.full(on.shape, UNKNOWN)
    for t in range(width):
        begins = seen[:, t] & on[:, t] & (state != 1)
        dated = begins & (state == 0) & (at == t - 1)
        began[begins] = UNKNOWN
        began[dated] = when[t]
        starts[dated, t] = when[t]
        under = seen[:, t] & on[:, t] & (began != UNKNOWN)
        event[under, t] = when[t] - began[under]
        stops = (state == 1) & seen[:, t] & ~on[:, t]
        ended[stops] = when[at[stops]]
        rest = seen[:, t] & ~on[:, t] & (ended >= 0)
        after[rest, t] = when[t] - ended[rest]
        ended[begins] = -1
        state = np.where(seen[:, t], on[:, t].astype(int), state)
        at = np.where(seen[:, t], t, at)
    following, known = np.full(n, UNKNOWN), np.zeros(n, bool)
    for t in range(width - 1, -1, -1):
        wait = seen[:, t] & ~on[:, t] & known & (after[:, t] < 0)
        event[wait, t] = when[t] - following[wait]
        under = seen[:, t] & on[:, t]
        known = np.where(under, starts[:, t] != UNKNOWN, known)
        following = np.where(under, starts[:, t], following)
    return event, after


class Means:
    """Which cells stand behind each summary."""

    def __init__(
        self,
        data: Panel,
        cells: Cells,
        whole: Panel,
        placebo: float = 1.0,
        carryover: float = 1.0,
    ):
        grid = data.grid
        self.data = data
        on = cells.on
        self.weight = np.zeros(on.shape)
        self.weight[data.unit, data.period] = data.row_weights
        self.ever = on.any(axis=1)
        # Dated by all rows, also those left out since.
        seen, under = _seen_and_treated(whole)
        when = whole.positions
        event, after = spells(seen, under, when)
        # Positions begin anew where the first period is left out.
        shift = round((grid.origin - whole.grid.origin) / grid.step)
        place = np.ix_(
            pd.Index(whole.units).get_indexer(data.units),
            np.searchsorted(when, data.positions + shift),
        )
        begins = np.where(event == 0, when, FAR)
        first = begins.min(axis=1)[place[0][:, 0]]
        event, after = event[place], after[place]
        self.masks: dict[tuple, np.ndarray] = {("simple", OVERALL): on}
        self.labels: dict[tuple, dict] = {("simple", OVERALL): {}}
        seen = cells.seen & (event != UNKNOWN)
        for e in np.unique(event[seen]):
            key = ("dynamic", f"event_time_{grid.span(e)}")
            self.masks[key] = seen & (event == e)
            self.labels[key] = {"event_time": grid.span(e)}
        dated = on & seen
        for t in np.unique(first[dated.any(axis=1)]):
            key = ("group", f"cohort_{whole.name(t)}")
            self.masks[key] = dated & (first == t)[:, None]
            self.labels[key] = {"cohort": whole.label(t)}
        steps = grid.steps(placebo)
        self.before = seen & ~on & (event < 0) & (event >= -steps) & (after < 0)
        self.later = cells.seen & (after > 0) & (after <= grid.steps(carryover))
        self.note = _of_starts(data, on & ~seen, begins, whole)

    def gap(self, cells: Cells, fit: np.ndarray, mask: np.ndarray) -> float:
        weight = self.weight[mask]
        if not len(weight):
            return float("nan")
        return float(np.average((cells.y - fit)[mask], weights=weight))

    def of(self, cells: Cells, fit: np.ndarray) -> dict[tuple, float]:
        return {key: self.gap(cells, fit, mask) for key, mask in self.masks.items()}


def _of_starts(
    data: Panel, undated: np.ndarray, begins: np.ndarray, whole: Panel
) -> str | None:
    """What is not known of when treatments began."""
    n = int(undated.any(axis=1).sum())
    when = whole.positions
    later = when[1:][np.diff(when) > 1]
    open_ = [whole.name(p) for p in later if (begins == p).any()]
    return join_notes(
        NOTE_UNDATED.format(n) if n else None,
        NOTE_AFTER_GAP.format(", ".join(open_)) if open_ else None,
    )


def _hidden(cells: Cells, means: Means, amount: float, task: Task) -> dict:
    """Placebo and carry-over: masks, and fits with their cells hidden."""
    out = {}
    need = 1 if task.soft else int(amount) + 1
    for key, mask in ((PLACEBO, means.before), (CARRYOVER, means.later)):
        free = cells.free & ~mask
        # Units left with too little to say what they would have been stay seen.
        short = (free.sum(axis=1) < need) & mask.any(axis=1)
        mask = mask & ~short[:, None]
        free = cells.free & ~mask
        if not mask.any() or not cells.is_sound(free):
            continue
        fit, *_ = complete(
            cells.y[None], cells.x[:, None], free[None], amount, task.soft
        )
        out[key] = (mask, fit[0])
    return out


def _bootstrap(
    cells: Cells, means: Means, amount: float, hidden: dict, task: Task
) -> dict[tuple, np.ndarray]:
    """Summaries of panels whose units are drawn with replacement."""
    rng = np.random.default_rng(task.seed)
    treated, rest = np.flatnonzero(means.ever), np.flatnonzero(~means.ever)
    chosen: list[np.ndarray] = []
    for _ in range(10 * task.draws):
        order = np.concatenate(
            [rng.choice(g, len(g)) for g in (treated, rest) if len(g)]
        )
        if cells.is_sound(cells.free[order], order):
            chosen.append(order)
        if len(chosen) == task.draws:
            break
    if len(chosen) < 20:
        return {}
    order = np.array(chosen)
    y, x, weight = cells.y[order], cells.x[:, order], means.weight[order]

    def summaries(free: np.ndarray, masks: dict) -> dict:
        fit, *_ = complete(y, x, free, amount, task.soft, ROUGH)
        gap = (y - fit) * weight
        found = {}
        for key, mask in masks.items():
            some = mask[order]
            total = (some * weight).sum(axis=(1, 2))
            with np.errstate(divide="ignore", invalid="ignore"):
                found[key] = (some * gap).sum(axis=(1, 2)) / total
        return found

    out = summaries(cells.free[order], means.masks)
    for key, (mask, _) in hidden.items():
        free = (cells.free & ~mask)[order]
        found = Within(x, free)
        if found.connected.all() and (found.rank >= cells.rank).all():
            out |= summaries(free, {key: mask})
    return out


def _rows(data, cells, means, estimates, drawn, fit, task) -> list[dict]:
    """Tidy rows: effects, placebo and carry-over, and the tests of the leads."""
    masks = means.masks | {PLACEBO: means.before, CARRYOVER: means.later}
    rows = []
    for key, estimate in estimates.items():
        units = np.flatnonzero(masks[key].any(axis=1))
        row = {
            "aggregation": key[0],
            "term": key[1],
            "estimate": estimate,
            "df": np.inf,
            "n_treated_units": len(units),
            "single_unit": len(units) == 1,
            **means.labels.get(key, {}),
        }
        values = drawn.get(key)
        if values is not None:
            known = values[np.isfinite(values)]
            if len(known) >= 20:
                error = float(known.std(ddof=1))
                row["std_error"] = error if error > 0 else None
        rows.append(row)
    for key, why in (
        (PLACEBO, "no untreated period can be hidden"),
        (CARRYOVER, "no treatment ends"),
    ):
        if key not in estimates:
            if key == CARRYOVER and means.later.any():
                why = "no period after a treatment can be hidden"
            rows.append(
                {"aggregation": key[0], "term": key[1], "estimate": None, "note": why}
            )
    leads = [
        key
        for key, label in means.labels.items()
        if key[0] == "dynamic" and label["event_time"] < 0 and key in drawn
    ]
    sure = [k for k in leads if masks[k].any(axis=1).sum() > 1]
    rows += _lead_tests(data, cells, estimates, drawn, sure, fit, task)
    return rows


def _lead_tests(data, cells, estimates, drawn, leads, fit, task) -> list[dict]:
    """Leads jointly zero, and each within the bound by two one-sided tests."""
    both = {"aggregation": "test", "term": "leads_within_bound"}
    if not leads:
        note = "no lead with a standard error"
        joint = {"aggregation": "test", "term": "leads_jointly_zero", "note": note}
        return [joint, {**both, "estimate": None, "note": note}]
    values = np.array([drawn[k] for k in leads])
    known = np.isfinite(values).all(axis=0)
    b = np.array([estimates[k] for k in leads])
    matrix = (
        np.atleast_2d(np.cov(values[:, known]))
        if known.sum() > 1
        else np.zeros((len(b),) * 2)
    )
    joint = wald_row(b, matrix, df=np.inf)
    bound = task.bound
    if bound is None:
        flat, *_ = complete(
            cells.y[None], cells.x[:, None], cells.free[None], 0.0, False
        )
        bound = BOUND * float((cells.y - flat[0])[cells.free].std(ddof=1))
    error = np.sqrt(np.diag(matrix))
    row = {**both, "estimate": bound}
    if (error > 0).all():
        p = np.maximum(
            special.ndtr(-(bound - b) / error), special.ndtr(-(bound + b) / error)
        )
        row["p_value"] = float(p.max())
        worst = leads[int(p.argmax())][1]
        row["note"] = join_notes(f"worst: {worst}")
    else:
        row["note"] = "a lead without sampling variation"
    return [joint, row]
