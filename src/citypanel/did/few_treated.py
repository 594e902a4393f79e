"""Inference with few treated units, from the errors of the units never treated."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from citypanel.did.frames import OVERALL, join_notes, panel_frame
from citypanel.did.frisch_waugh import Partialled, partial
from citypanel.did.panels import FAR, Panel, on_panel, starts_from_treatment
from citypanel.did.randomisation import randomisation_inference
from citypanel.errors import CityPanelError, EstimationError, OptionError, PanelError

FEW = 10
FEWEST_DONORS = 5
METHODS = ("conley_taber", "ferman_pinto")


@on_panel("treatment", "controls", "weights")
def conley_taber(
    data: Panel,
    *,
    by_cohort: bool = True,
    draws: int = 4999,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Two-way coefficient with the law of its error taken from untreated units.

    With d_it the treatment net of effects and controls, beta-hat - beta is
    sum of d_it eta_it / sum of d_it^2. With few treated units no law of large numbers
    holds for their errors eta, but the many units that are never treated show how
    such errors are distributed: each draw gives every unit the residual path of a
    never-treated one, drawn with replacement, and computes the ratio. As these units
    grow in number only the treated units' part remains, which is Conley and Taber's
    law; with some forty of them the rest is not small yet.

    Parameters
    ----------
    panel : DataFrame or Panel
        Units not seen in every period are left out (see the note and
        ``attrs["dropped"]``).
    outcome, treatment, unit, period, controls, weights, frequency
        Names of columns (see `panels.Design`); an absorbing treatment in [0, 1].
        Weights are constant within units.
    by_cohort : bool
        Add a row for each cohort against the units that are never treated.
    draws, seed : int
    level : float

    Returns
    -------
    DataFrame
        ``overall`` and one row a cohort: estimate, interval beta-hat less the law's
        quantiles, and p_value, twice the smaller tail. No standard error: the law need
        not be normal. Errors of treated and untreated units must have one
        distribution; `ferman_pinto` lets it depend on size.

    Raises
    ------
    PanelError, EstimationError
        As `twfe`; also fewer than five units that are never treated.
    OptionError
        Too few draws.

    References
    ----------
    Conley and Taber (2011), Review of Economics and Statistics 93.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> few = zones().query("city == 'c01' or city > 'c08'")
    >>> columns = dict(outcome="wage", treatment="treated", unit="city", period="year")
    >>> found = did.conley_taber(few, draws=999, **columns)
    >>> found[["term", "estimate", "conf_low", "conf_high", "p_value"]].round(3)
              term  estimate  conf_low  conf_high  p_value
    0      overall     0.071     0.050      0.095    0.002
    1  cohort_2014     0.185     0.128      0.236    0.002
    2  cohort_2016     0.057     0.034      0.079    0.002
    """
    return _table(data, "conley_taber", None, by_cohort, draws, seed, level)


@on_panel("treatment", "controls", "weights", groups=("size",))
def ferman_pinto(
    data: Panel,
    *,
    size: str,
    by_cohort: bool = True,
    draws: int = 4999,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """`conley_taber` where the variance of a unit's errors depends on its size.

    Means over more people vary less: with M_l the size of unit l and c_l the part its
    residuals would have in the estimate, E c_l^2 = A + B / M_l with A, B >= 0 is
    estimated over never-treated units, and a residual path of unit l given to unit i
    is multiplied by sqrt((A + B / M_i) / (A + B / M_l)). With some forty units A and B
    are rough: where the treated unit is of a tenth of the mean size, nominal 5% tests
    reject a tenth of true nulls (a third without the rescaling).

    Parameters
    ----------
    panel, outcome, treatment, unit, period, controls, weights, frequency, by_cohort,
    draws, seed, level
        As for `conley_taber`.
    size : str
        Column of positive sizes (population); the mean over a unit's periods is used.

    Returns
    -------
    DataFrame
        As `conley_taber`.

    Raises
    ------
    PanelError, EstimationError, OptionError
        As `conley_taber`; also sizes that are not positive.

    References
    ----------
    Ferman and Pinto (2019), Review of Economics and Statistics 101.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> few = zones().query("city == 'c01' or city > 'c08'")
    >>> columns = dict(outcome="wage", treatment="treated", unit="city", period="year")
    >>> found = did.ferman_pinto(few, size="population", draws=999, **columns)
    >>> found[["term", "estimate", "conf_low", "conf_high", "p_value"]].round(3)
              term  estimate  conf_low  conf_high  p_value
    0      overall     0.071     0.052      0.094    0.002
    1  cohort_2014     0.185     0.133      0.225    0.002
    2  cohort_2016     0.057     0.034      0.078    0.002
    """
    return _table(data, "ferman_pinto", size, by_cohort, draws, seed, level)


def _table(
    data: Panel,
    name: str,
    size: str | None,
    by_cohort: bool,
    draws: int,
    seed: int,
    level: float,
) -> pd.DataFrame:
    if draws < 99:
        raise OptionError.of("did.bootstrap_draws_too_few", draws=draws)
    data = data.balanced()
    rows = [_row(data, size, draws, seed, level, OVERALL)]
    start = starts_from_treatment(data)
    cohorts = np.unique(start[(start < FAR) & (start > 0)])
    if by_cohort:
        for g in cohorts:
            part = data.keep_units(
                (start == g) | (start == FAR), "treated in another period"
            )
            shown = {"cohort": data.label(g), "aggregation": "group"}
            term = f"cohort_{data.name(g)}"
            try:
                row = _row(part, size, draws, seed, level, term)
            except EstimationError as error:
                row = {"term": term, "note": error.problem}
            rows.append({**row, **shown})
    return panel_frame(data, rows, estimator="twfe", level=level, standard_errors=name)


def _row(
    data: Panel, size: str | None, draws: int, seed: int, level: float, term: str
) -> dict:
    parts = partial(data)
    law = error_law(parts, size, draws, seed)
    estimate = parts.estimate
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(law.values, [tail, 1.0 - tail])
    smaller = min((law.values >= estimate).sum(), (law.values <= estimate).sum())
    return {
        "aggregation": "simple",
        "term": term,
        "estimate": estimate,
        "conf_low": estimate - high,
        "conf_high": estimate - low,
        "p_value": min(1.0, 2.0 * (1.0 + smaller) / (1.0 + draws)),
        "n_obs": parts.data.n_obs,
        "n_units": parts.data.n_units,
        "n_treated_units": parts.treated_units,
        "n_clusters": law.donors,
        "note": join_notes(law.note, parts.data.note),
    }


@dataclass(frozen=True, eq=False)
class ErrorLaw:
    """Draws (draws,) of beta-hat - beta, and how many units gave their residuals."""

    values: np.ndarray
    donors: int
    note: str


def error_law(parts: Partialled, size: str | None, draws: int, seed: int) -> ErrorLaw:
    """Draw the coefficient's error from never-treated units' residual paths.

    Raises
    ------
    EstimationError
        Fewer than five never-treated units.
    PanelError
        Weights that change within a unit, or sizes that are not positive.
    """
    part, never = parts_of_units(parts, size)
    donors, n = int(never.sum()), parts.data.n_units
    note = f"residuals of {donors} never-treated units, {draws} draws"
    if size is not None:
        note += f", variance by {size}"
    drawn = np.random.default_rng(seed).integers(0, donors, (draws, n))
    return ErrorLaw(part[np.arange(n), drawn].sum(axis=1), donors, note)


def parts_of_units(
    parts: Partialled, size: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Part (n_units, donors) of each unit in the estimate under each donor's errors.

    Beside it the mask (n_units,) of the donors, the units that are never treated.
    """
    data = parts.data
    never = parts.start == FAR
    donors = int(never.sum())
    if donors < FEWEST_DONORS:
        raise EstimationError.of(
            "did.few_never_treated", n=donors, fewest=FEWEST_DONORS
        )
    root = data.of_units(parts.root, str(data.design.weights))[:, None]
    d = data.matrix(parts.d) * root
    residual = data.matrix(parts.y - parts.estimate * parts.d) / root
    # Period effects take a share of the residuals' variance.
    paths = residual[never] * np.sqrt(donors / (donors - 1.0))
    part = d @ paths.T / float(parts.d @ parts.d)
    if size is not None:
        part = part * _rescaling(data, size, part, never)
    return part, never


def _rescaling(
    data: Panel, size: str, part: np.ndarray, never: np.ndarray
) -> np.ndarray:
    """Factors (n_units, donors) that bring a donor's errors to a unit's size."""
    values = data.frame[size].to_numpy(float)
    if not (values > 0).all():
        keys = [data.design.unit, data.design.period, size]
        wrong = data.frame.loc[~(values > 0), keys].itertuples(index=False)
        raise PanelError.of(
            "did.size_not_positive", [f"{u}, {t}: {v}" for u, t, v in wrong], size=size
        )
    means = np.bincount(data.unit, values) / np.bincount(data.unit)
    inverse = means.mean() / means
    x = inverse[never]
    factors = np.ones_like(part)
    for i, own in enumerate(part):
        a, b = _variance(own**2, x)
        expected = a + b * x
        if (expected > 0).all():
            factors[i] = np.sqrt((a + b * inverse[i]) / expected)
    return factors


def _variance(squares: np.ndarray, x: np.ndarray) -> tuple[float, float]:
    """A, B >= 0 of the regression of squares on 1 and x."""
    spread = x - x.mean()
    if spread @ spread <= 1e-12 * (x @ x):
        return float(squares.mean()), 0.0
    b = float(spread @ squares / (spread @ spread))
    a = float(squares.mean() - b * x.mean())
    if b < 0:
        return float(squares.mean()), 0.0
    if a < 0:
        return 0.0, float(x @ squares / (x @ x))
    return a, b


@on_panel("treatment", "controls", "weights", groups=("by", "size"))
def few_treated(
    data: Panel,
    *,
    by: str | None = None,
    size: str | None = None,
    fewer_than: int = FEW,
    draws: int = 999,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Inference for every cohort and group with few treated units.

    Each cohort is held against the units never treated, each group against its own;
    where a clustered error rests on fewer treated units than ``fewer_than`` the rows
    give what does not need many of them: `conley_taber`, `ferman_pinto` with a size,
    and `randomisation_inference` on t.

    Parameters
    ----------
    panel, outcome, treatment, unit, period, controls, weights, frequency
        As for `conley_taber`.
    by : str, optional
        Column of groups (regions), constant within units.
    size : str, optional
        As for `ferman_pinto`.
    fewer_than : int
        Treated units from which on a cohort or group has no rows.
    draws, seed : int
    level : float

    Returns
    -------
    DataFrame
        Tidy rows with ``sample`` (the cohort or group) and aggregation ``cohort`` or
        ``by``; term names the method. A method that cannot be used is null with a
        note.

    Raises
    ------
    PanelError, EstimationError
        As `conley_taber`.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> few = zones().query("city == 'c01' or city > 'c08'")
    >>> columns = dict(outcome="wage", treatment="treated", unit="city", period="year")
    >>> found = did.few_treated(few, **columns)
    >>> found[["sample", "term", "estimate", "p_value"]].round(3)
      sample           term  estimate  p_value
    0   2014   conley_taber     0.185    0.002
    1   2014  randomisation     0.185    0.041
    2   2016   conley_taber     0.057    0.002
    3   2016  randomisation     0.057    0.001
    """
    data = data.balanced()
    start = starts_from_treatment(data)
    samples = []
    for g in np.unique(start[(start < FAR) & (start > 0)]):
        label = dict(aggregation="cohort", sample=data.name(g), cohort=data.label(g))
        samples.append((label, (start == g) | (start == FAR)))
    if by is not None:
        codes = data.of_units(data.codes(by), by)
        names = data.frame[by].to_numpy()[data.first_rows]
        for code in np.unique(codes):
            label = dict(aggregation="by", sample=str(names[codes == code][0]))
            samples.append((label, codes == code))
    rows: list[dict] = []
    for label, units in samples:
        treated = int(((start < FAR) & units).sum())
        if not 0 < treated < fewer_than:
            continue
        part = data.keep_units(units, "not in the sample")
        own: dict = dict(by_cohort=False, draws=draws, seed=seed, level=level)
        calls = {"conley_taber": functools.partial(conley_taber, part, **own)}
        if size is not None:
            call = functools.partial(ferman_pinto, part, size=size, **own)
            calls["ferman_pinto"] = call
        del own["by_cohort"]
        calls["randomisation"] = functools.partial(randomisation_inference, part, **own)
        for term, call in calls.items():
            row: dict = {"n_treated_units": treated, "n_units": part.n_units}
            try:
                row |= call().iloc[0].to_dict()
            except CityPanelError as error:
                row["note"] = error.problem
            row |= {**label, "term": term}
            if term == "randomisation":
                # The clustered error is what the table does without.
                row |= dict.fromkeys(("std_error", "df", "conf_low", "conf_high"))
            rows.append(row)
    return panel_frame(
        data,
        rows,
        estimator="twfe",
        level=level,
        extra_columns=("sample", "outcome"),
    )
