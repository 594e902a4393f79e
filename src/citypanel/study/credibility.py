"""What a referee asks of the headline: other estimators, other inference, checks."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pandas as pd

from citypanel import did
from citypanel.did import study as tables
from citypanel.errors import CityPanelError, EstimationError
from citypanel.study.declaration import declared, module_of
from citypanel.study.estimates import OUTCOME, TREATMENT, usable_controls

HEADLINE = "headline"
DRAW_COLUMNS = {
    "paper_table": "string",
    "paper_column": "string",
    "draw": "int64",
    "statistic": "float64",
}


def headline(
    panel: pd.DataFrame, variants: pd.DataFrame
) -> tuple[pd.DataFrame, pd.Series]:
    rows = panel.loc[panel["variant"] == HEADLINE].reset_index(drop=True)
    options = variants.set_index("variant").loc[HEADLINE]
    return rows, options


# What the file of a study on the figures of seeds/ calls what `did.study` returns.
NAMES = {
    "table_name": "paper_table",
    "column_name": "paper_column",
    "n_units": "n_cities",
    "n_treated_units": "n_treated",
}
CHECKS = {
    "leave_one_cohort_out": "leave_one_batch_out",
    "leave_one_unit_out": "leave_one_city_out",
    "group_by_period": "region_by_year",
    "by_group": "by_region",
}


def att(panel: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """Every estimator on the growth index, its logarithm and the level.

    Parameters
    ----------
    panel : DataFrame
        The panel of the estimates: variant, city_id, year, tfpch, log_tfpch,
        cumulative_log_tfp, sydid, cohort.
    variants : DataFrame
        variant, inference_draws, seed, att_by_region.

    Returns
    -------
    DataFrame
        As `citypanel.did.study.att_table`, for the headline; with att_by_region also
        for each region, on the headline's outcome alone. Those rows say where their
        tests were measured to reject too often, or too seldom (`did.sizes`).
    """
    rows, options = headline(panel, variants)
    draws, seed = int(options["inference_draws"]), int(options["seed"])
    whole = tables.att_table(
        rows,
        outcomes=[o.name for o in declared().outcomes],
        treatment=TREATMENT,
        draws=draws,
        seed=seed,
        absorbing=False,
    )
    if options["att_by_region"] != "True":
        return whole
    everything = tables.samples(rows, by="region")
    regions = tables.att_table(
        rows,
        outcomes=[rows["outcome_name"].iloc[0]],
        treatment=TREATMENT,
        sample={name: part for name, part in everything.items() if name != "all"},
        draws=draws,
        seed=seed,
        absorbing=False,
    )
    return pd.concat([whole, tables.with_sizes(regions)], ignore_index=True)


def bacon(panel: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """The comparisons behind the two-way estimate; see `did.study.bacon_table`.

    Under a fractional first year the decomposition is of the 0/1 treatment. A policy
    that ends, or is partial later, has no such comparisons.
    """
    rows, _ = headline(panel, variants)
    with suppress(EstimationError):
        tables.require_steady(rows, TREATMENT, "city_id", "year")
        exposed = (rows["cohort"] > 0) & (rows["year"] >= rows["cohort"])
        rows = rows.assign(sydid=exposed.astype(float))
    outcomes = [outcome.name for outcome in declared().outcomes]
    return tables.bacon_table(rows, outcomes=outcomes, treatment=TREATMENT)


def inference(panel: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """Conventional, cluster-robust, resampled and exact inference, column by column.

    Parameters
    ----------
    panel, variants : DataFrame
        As `att`.

    Returns
    -------
    DataFrame
        As `citypanel.did.study.inference_table`, one row per column of the study, under
        the names of `NAMES`.
    """
    rows, options = headline(panel, variants)
    rows = rows.loc[rows[OUTCOME].notna()]
    controls, _ = usable_controls(rows)
    draws = int(options["inference_draws"])
    table = tables.inference_table(
        tables.table_columns(
            rows,
            declared().columns,
            outcome=OUTCOME,
            treatment=TREATMENT,
            controls=controls,
        ),
        bound=bound_of(rows),
        draws=draws,
        permutations=draws,
        seed=int(options["seed"]),
        absorbing=False,
    )
    table = table.assign(outcome=rows["outcome_name"].iloc[0], draws=draws)
    return table.rename(columns=NAMES)


def randomisation(panel: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """The permutation distribution of t in the columns of Table 3.

    Parameters
    ----------
    panel, variants : DataFrame
        As `att`.

    Returns
    -------
    DataFrame
        paper_table, paper_column, and the columns of `did.randomisation_draws`, with
        the permutations behind `inference`. A column that cannot be estimated has no
        rows; `inference` says why.
    """
    rows, options = headline(panel, variants)
    rows = rows.loc[rows[OUTCOME].notna()]
    controls, _ = usable_controls(rows)
    whole = [c for c in declared().columns if c.where is None and not c.periods_ahead]
    columns = tables.table_columns(
        rows, whole, outcome=OUTCOME, treatment=TREATMENT, controls=controls
    )
    parts = []
    for (table, column), given in columns.items():
        try:
            draws = did.randomisation_draws(
                **given,
                draws=int(options["inference_draws"]),
                seed=int(options["seed"]),
            )
        except CityPanelError:
            continue
        parts.append(draws.assign(paper_table=table, paper_column=column))
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return frame.reindex(columns=list(DRAW_COLUMNS)).astype(DRAW_COLUMNS)


def sensitivity(panel: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """Every credibility check of the headline; see `did.study.sensitivity_table`."""
    rows, options = headline(panel, variants)
    rows = rows.loc[rows[OUTCOME].notna()]
    controls, _ = usable_controls(rows)
    table = tables.sensitivity_table(
        rows,
        outcomes=[OUTCOME],
        treatment=TREATMENT,
        controls=controls,
        covariates=[name for name in declared().covariates if name in controls],
        sample=tables.samples(rows, without=_groups(rows)),
        bound=bound_of(rows),
        seed=int(options["seed"]),
        absorbing=False,
    )
    table = table.replace({"check": CHECKS, "aggregation": CHECKS})
    return table.assign(outcome=rows["outcome_name"].iloc[0])


def bound_of(rows: pd.DataFrame) -> float:
    """The effect that power and equivalence are judged by.

    The printed one, where the study declares it; else a tenth of the standard deviation
    of the outcome where nobody is treated.
    """
    effect = declared().effect
    if effect is not None:
        return float(effect)
    return float(rows.loc[rows[TREATMENT] == 0, OUTCOME].std() / 10)


def _groups(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Rows of the groups that may be left out; a treated batch is none of them."""
    rows = rows.assign(batch=pd.to_numeric(rows["later_batch"]).fillna(0))
    return {
        name: np.asarray(group.where(rows), dtype=bool)
        for name, group in declared().exclusions.items()
    }


def balance(panel: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """Balance of the covariates before the policy; see `did.study.balance`."""
    rows, _ = headline(panel, variants)
    controls, _ = usable_controls(rows)
    covariates = [name for name in declared().covariates if name in controls]
    return tables.balance(rows, covariates=covariates, outcome=OUTCOME)


def published_audit(
    descriptives: pd.DataFrame,
    regressions: pd.DataFrame,
    trade: pd.DataFrame,
    cities: pd.DataFrame,
) -> pd.DataFrame:
    """Disagreements inside the printed tables; see the study's `audit.py`.

    Parameters
    ----------
    descriptives, regressions, trade : DataFrame
        Tables 2, 3 to 5 and 1 as printed.
    cities : DataFrame
        The paper's sample: region, is_municipality, and cohort, the first treated year
        of each city by the paper's batches, 0 for none.
    """
    audit = module_of("audit")
    facts = audit.sample_facts(cities, cities["cohort"])
    return audit.published_audit(descriptives, regressions, trade, facts)
