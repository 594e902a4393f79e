"""What clustering means where most of the population is in the sample."""

from __future__ import annotations

import numpy as np
import pandas as pd

from citypanel.did.frames import panel_frame
from citypanel.did.frisch_waugh import partial
from citypanel.did.linear import cluster_sums
from citypanel.did.panels import Panel, on_panel
from citypanel.errors import CityPanelError, OptionError


@on_panel("treatment", "controls", "weights", groups=("attributes", "above"))
def population_inference(
    data: Panel,
    *,
    share: float = 1.0,
    attributes: str | tuple[str, ...] = (),
    above: str | None = None,
    above_share: float = 1.0,
    level: float = 0.95,
) -> pd.DataFrame:
    """The two-way coefficient's error with a finite population in mind.

    Clustered errors take units as draws from a population without end. Where a share
    rho of all units is in the sample, and what is random is who was treated, the part
    of the units' scores s_i that their fixed attributes z_i explain is no error:

        V = [sum s_i^2 - rho sum (z_i'g)^2] / (sum d^2)^2,   g of s on z,

    d the treatment net of effects and controls; without attributes it is the usual
    one, which is then conservative by the spread of effects between units. With a
    level above the units (provinces) whose shares of treated units W_m differ, the
    coefficient net of its period effects has

        V = L V_above + (1 - L) V_unit,
        L = 1 - q (mean of W_m (1 - W_m))^2 / mean of (W_m (1 - W_m))^2,

    q the share of its clusters in the sample: clustering above the unit matters as far
    as treatment was assigned there, and not because neighbours are alike.

    Parameters
    ----------
    panel : DataFrame or Panel
    outcome, treatment, unit, period, controls, weights, frequency
        Names of columns (see `panels.Design`). The treatment is absorbing.
    share, above_share : number
        rho and q, above 0 and up to 1.
    attributes : sequence of str
        Columns that treatment did not move, constant within units, numbers or groups:
        region, size before, outcome before. Not the cohort.
    above : str, optional
        Column of a level that units lie in.
    level : float

    Returns
    -------
    DataFrame
        ``inference``: terms ``unit`` (clustered by unit) and ``finite`` on the
        coefficient; with ``above`` also ``above``, ``unit_within``, ``above_within``
        and ``mixed`` on the coefficient with period effects of that level. Column
        ``share`` has rho, or L in ``mixed``. Terms that cannot be had say why.

    Raises
    ------
    PanelError, EstimationError
        As `twfe`; also attributes that vary within a unit.
    OptionError
        A share that is none.

    References
    ----------
    Abadie, Athey, Imbens and Wooldridge (2020), Econometrica 88; (2023), Quarterly
    Journal of Economics 138.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", treatment="treated", unit="city", period="year")
    >>> found = did.population_inference(zones(), attributes=["region"], **columns)
    >>> found[["term", "estimate", "std_error"]].round(4)
         term  estimate  std_error
    0    unit    0.1106     0.0156
    1  finite    0.1106     0.0154
    """
    for name, value in (("share", share), ("above_share", above_share)):
        if not 0 < value <= 1:
            raise OptionError.of("did.share_not_possible", name=name, value=value)
    names = [attributes] if isinstance(attributes, str) else list(attributes)
    parts = partial(data)
    fixed = [_attribute(data, name) for name in names]
    scores = _scores(parts)
    scale = parts.factor / (parts.d @ parts.d) ** 2
    full = float(scores @ scores)
    explained = 0.0
    if fixed:
        z = np.column_stack([np.ones(len(scores)), *fixed])
        hat = z @ np.linalg.lstsq(z, scores, rcond=1e-10)[0]
        explained = float(hat @ hat)
    plain = {
        "aggregation": "inference",
        "estimate": parts.estimate,
        "n_clusters": data.n_units,
        "df": data.n_units - 1.0,
    }
    note = None if fixed else "no attributes: conservative by the spread of effects"
    rows = [
        _row(plain, "unit", scale * full, note=data.note),
        _row(plain, "finite", scale * (full - share * explained), share, note),
    ]
    if above is not None:
        rows += _above(data, parts, above, above_share, plain)
    return panel_frame(
        data,
        rows,
        estimator="twfe",
        level=level,
        extra_columns=("share", "outcome"),
        n_obs=data.n_obs,
        n_units=data.n_units,
        n_treated_units=parts.treated_units,
        resolution=data.resolution,
    )


def _row(plain, term, variance, share=None, note=None) -> dict:
    error = float(np.sqrt(variance)) if variance > 0 else None
    return {**plain, "term": term, "std_error": error, "share": share, "note": note}


def _scores(parts) -> np.ndarray:
    left = parts.y - parts.estimate * parts.d
    return cluster_sums(parts.d * left, parts.data.unit)


def _attribute(data: Panel, name: str) -> np.ndarray:
    """An attribute (n_units, k): a number, or dummies of its groups but the first."""
    values = data.frame[name]
    number = pd.api.types.is_numeric_dtype(values)
    if number and not pd.api.types.is_bool_dtype(values):
        first = values.to_numpy(float)[data.first_rows]
        data.of_units(data.codes(name), name)
        return ((first - first.mean()) / (first.std() or 1.0))[:, None]
    codes = data.of_units(data.codes(name), name)
    return (codes[:, None] == np.arange(1, codes.max() + 1)).astype(float)


def _above(data: Panel, parts, above: str, q: float, plain: dict) -> list[dict]:
    """Clusters of a level above, and what they weigh within it."""
    groups = data.of_units(data.codes(above), above)
    count = int(groups.max()) + 1
    scores = _scores(parts)

    def variance(of, sums, number):
        return (
            of.factor
            * float(sums @ sums)
            / (of.d @ of.d) ** 2
            * (number / (number - 1.0) / (data.n_units / (data.n_units - 1.0)))
        )

    labels = {**plain, "n_clusters": count, "df": count - 1.0}
    if count < 2:
        return [{**labels, "term": "above", "note": f"one {above}"}]
    wide = cluster_sums(scores, groups, count)
    rows = [_row(labels, "above", variance(parts, wide, count))]
    try:
        within = partial(data, period_effects_by=above)
    except CityPanelError as error:
        note = str(error).splitlines()[0]
        return [*rows, {**labels, "term": "mixed", "estimate": None, "note": note}]
    own = _scores(within)
    near = variance(within, own, data.n_units)
    far = variance(within, cluster_sums(own, groups, count), count)
    treated = parts.start <= data.last
    treated_share = np.bincount(groups, treated, count) / np.bincount(groups)
    spread = treated_share * (1.0 - treated_share)
    mix = 1.0 - q * spread.mean() ** 2 / (spread**2).mean()
    labels["estimate"] = within.estimate
    own_labels = {**labels, "n_clusters": data.n_units, "df": data.n_units - 1.0}
    return [
        *rows,
        _row(own_labels, "unit_within", near),
        _row(labels, "above_within", far),
        _row(labels, "mixed", mix * far + (1.0 - mix) * near, mix),
    ]
