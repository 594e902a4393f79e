"""Every table of a study that brings its own panel, without a warehouse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from citypanel import did
from citypanel.did import study as tables
from citypanel.errors import CityPanelError
from citypanel.study.own.declaration import (
    STUDY_WEIGHTS,
    Column,
    Control,
    Outcome,
    Study,
    find_study,
    read_declaration,
)
from citypanel.study.own.panel import (
    COHORT,
    PERIOD,
    POSITION,
    TREATMENT,
    UNIT,
    WEIGHTS,
    StudyPanel,
    before,
    prepare_panel,
)

REGRESSION_COLUMNS = {
    "table_name": "string",
    "column_name": "string",
    "outcome": "string",
    "estimator": "string",
    "term": "string",
    "estimate": "float64",
    "std_error": "float64",
    "statistic": "float64",
    "df": "float64",
    "p_value": "float64",
    "conf_low": "float64",
    "conf_high": "float64",
    "n_obs": "Int64",
    "n_units": "Int64",
    "n_treated_units": "Int64",
    "n_clusters": "Int64",
    "r2_within": "float64",
    "standard_errors": "string",
    "effects": "string",
    "sample": "string",
    "note": "string",
}
STAGGERED = {
    "group_time_att": lambda frame, **options: did.aggregate_att(
        did.group_time_att(frame, base_period="universal", **options), "dynamic"
    ),
    "sun_abraham": did.sun_abraham,
    "imputation": did.imputation,
    "two_stage": did.two_stage,
    "etwfe": did.etwfe,
    "stacked": did.stacked,
    "switchers": did.switchers,
    "synthetic_did": did.synthetic_did,
}


def evaluate(
    panel: pd.DataFrame | None, design: Study | Path | str
) -> dict[str, pd.DataFrame]:
    """Every table of a declared study, as frames.

    Parameters
    ----------
    panel : DataFrame or None
        One row per unit and period; None reads the file that the declaration names.
    design : Study, Path or str
        A declaration, the path of a ``study.yml``, or the name of a study under
        ``studies/``.

    Returns
    -------
    dict of name to DataFrame
        ``rpt_sample`` (one row per unit), ``rpt_left_out`` (rows left out, with the
        reason), ``rpt_descriptives``, ``rpt_regressions`` (the declared columns),
        ``rpt_published_comparison``, ``rpt_att`` (every estimator on every outcome),
        ``rpt_event_study``, ``rpt_bacon``, ``rpt_inference``, ``rpt_sensitivity`` and
        ``rpt_balance``. A table that a study has nothing for is empty; what cannot be
        estimated is a row with the reason in ``note``.

    Raises
    ------
    DeclarationError
        Every mistake of the declaration, or of the data against it, at once.
    """
    if isinstance(design, str):
        design = find_study(Path.cwd(), design)
    if isinstance(design, Path):
        design = read_declaration(design)
    made = prepare_panel(design, panel)
    regressions = regression_table(made)
    att = att_table(made)
    return {
        "rpt_sample": sample_table(made),
        "rpt_left_out": made.log,
        "rpt_descriptives": descriptives(made),
        "rpt_regressions": regressions,
        "rpt_published_comparison": comparison_table(design, regressions),
        "rpt_att": att,
        "rpt_event_study": tables.event_study_table(att),
        "rpt_bacon": _or_reason(lambda: bacon_table(made), "bacon_decomposition"),
        "rpt_inference": inference_table(made),
        "rpt_sensitivity": sensitivity_table(made),
        "rpt_balance": _or_reason(lambda: balance_table(made), "balance_table"),
    }


def _or_reason(function: Callable[[], pd.DataFrame], what: str) -> pd.DataFrame:
    try:
        return function()
    except CityPanelError as error:
        return pd.DataFrame([{"estimator": what, "note": _why(error)}])


def _why(error: Exception) -> str:
    return "not estimated: " + " ".join(str(error).split())


def sample_table(made: StudyPanel) -> pd.DataFrame:
    """One row per unit: its cohort, its periods and its groups."""
    frame = made.frame
    groups = frame.groupby(UNIT, sort=True)
    out = pd.DataFrame(
        {
            "cohort": groups[COHORT].first(),
            "is_treated": groups[TREATMENT].max() > 0,
            "first_period": groups[PERIOD].min(),
            "last_period": groups[PERIOD].max(),
            "n_periods": groups.size(),
        }
    )
    for name, column in made.study.groups.items():
        out[name] = groups[column].first()
    return out.reset_index()


def descriptives(made: StudyPanel) -> pd.DataFrame:
    """Mean, standard deviation and range of outcomes and controls, by treatment."""
    study, frame = made.study, made.frame
    ever = frame.groupby(UNIT)[TREATMENT].transform("max") > 0
    rows = []
    variables: list[Outcome | Control] = [*study.outcomes, *study.controls]
    for variable in variables:
        for group, keep in (
            ("all", ever | True),
            ("treated", ever),
            ("never treated", ~ever),
        ):
            values = frame.loc[keep, variable.name].astype(float).dropna()
            rows.append(
                {
                    "variable": variable.name,
                    "label_en": variable.label.get("en"),
                    "label_zh": variable.label.get("zh"),
                    "units": group,
                    "n_obs": len(values),
                    "mean": values.mean(),
                    "std_dev": values.std(),
                    "minimum": values.min(),
                    "maximum": values.max(),
                }
            )
    return pd.DataFrame(rows)


def column_options(made: StudyPanel, place: int) -> tuple[pd.DataFrame, dict]:
    """Rows and options of one declared column, as the estimators take them."""
    study, column = made.study, made.study.columns[place]
    frame = made.select(column.sample)
    weights = WEIGHTS if study.weights and column.weights == STUDY_WEIGHTS else None
    if column.weights not in (None, STUDY_WEIGHTS):
        weights = f"{WEIGHTS}_{place}"
    options: dict[str, object] = dict(
        outcome=column.outcome,
        unit=UNIT,
        period=PERIOD,
        controls=list(column.controls),
    )
    if weights:
        options["weights"] = weights
    if column.cluster:
        options["cluster"] = column.cluster
    if column.periods_ahead:
        when = frame[POSITION].to_numpy()
        later = before(frame[UNIT], when, frame[column.outcome], -column.periods_ahead)
        frame = frame.assign(**{column.outcome: later})
    if column.difference:
        frame = _differenced(frame, column)
    return frame, options


def _differenced(frame: pd.DataFrame, column: Column) -> pd.DataFrame:
    """Outcome, treatment and controls as changes from the period before."""
    when = frame[POSITION].to_numpy()
    changes = {}
    for name in (column.outcome, TREATMENT, *column.controls):
        values = frame[name].astype(float)
        changes[name] = values - before(frame[UNIT], when, values)
    return frame.assign(**changes).dropna(subset=[column.outcome, TREATMENT])


def regression_table(made: StudyPanel) -> pd.DataFrame:
    """The declared columns; one that cannot be estimated has a row with its reason."""
    parts = [_column_rows(made, place) for place in range(len(made.study.columns))]
    out = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return out.reindex(columns=list(REGRESSION_COLUMNS)).astype(REGRESSION_COLUMNS)


def _column_rows(made: StudyPanel, place: int) -> pd.DataFrame:
    column = made.study.columns[place]
    common = {
        "table_name": column.table,
        "column_name": column.name,
        "outcome": column.outcome,
        "estimator": column.estimator,
        "effects": _effects(column),
        "sample": column.sample or "all",
    }
    try:
        frame, options = column_options(made, place)
        if column.estimator == "twfe":
            fit = did.twfe(frame, **twfe_options(frame, column, options))
            fit = fit[fit["aggregation"] == "coefficient"]
        else:
            options |= dict(cohort=COHORT)
            if column.estimator in ("group_time_att", "etwfe"):
                options["control_group"] = column.control_group
            fit = STAGGERED[column.estimator](frame, **options)
            fit = fit[fit["term"].astype(str).str.startswith("overall")]
    except CityPanelError as error:
        fit = pd.DataFrame([{"term": TREATMENT, "note": _why(error)}])
    fit = fit[~fit["term"].astype(str).str.startswith("__period")]
    fit = fit.drop(columns=[c for c in common if c in fit])
    return fit.assign(**common)


def _effects(column: Column) -> str:
    words = {
        "two_way": "unit and period",
        "unit": "unit",
        "period": "period",
        "none": "none",
    }[column.effects]
    if column.estimator != "twfe":
        return "by estimator"
    if column.period_effects_by:
        words += f" by {column.period_effects_by}"
    return words + (", in first differences" if column.difference else "")


def twfe_options(frame: pd.DataFrame, column: Column, options: Mapping) -> dict:
    """Options of `twfe` for a column; adds period dummies to `frame` where asked."""
    effects, controls = column.effects, list(column.controls)
    if effects == "period":
        effects = "none"
        for number, period in enumerate(sorted(frame[PERIOD].unique())[1:]):
            name = f"__period_{number}"
            frame[name] = (frame[PERIOD] == period).astype(float)
            controls.append(name)
    return {
        **options,
        "treatment": TREATMENT,
        "controls": controls,
        "effects": effects,
        "period_effects_by": column.period_effects_by,
        "standard_errors": column.standard_errors,
        "absorbing": not column.difference,
    }


def comparison_table(study: Study, regressions: pd.DataFrame) -> pd.DataFrame:
    """Published figures beside ours; empty where the study names none.

    The file has table_name, column_name, term, statistic (a column of
    ``rpt_regressions``), value and decimals (how many were printed).
    """
    names = ["table_name", "column_name", "term", "statistic", "published", "estimated"]
    if study.published is None:
        return pd.DataFrame(columns=[*names, "difference", "agrees", "source"])
    printed = pd.read_csv(study.published, dtype=str)
    rows = []
    for line in printed.to_dict("records"):
        ours = regressions[
            (regressions["table_name"] == line["table_name"])
            & (regressions["column_name"] == line["column_name"])
            & (regressions["term"] == line["term"])
        ]
        value = ours[line["statistic"]].iloc[0] if len(ours) else np.nan
        published, decimals = float(line["value"]), int(line["decimals"])
        difference = float(value) - published
        rows.append(
            {
                **{n: line[n] for n in names[:4]},
                "published": published,
                "estimated": float(value),
                "difference": difference,
                # Half of the last printed digit, and what rounding adds.
                "agrees": abs(difference) <= 0.5 * 10.0**-decimals * (1 + 1e-9),
                "source": line.get("source"),
            }
        )
    return pd.DataFrame(rows)


def att_table(made: StudyPanel) -> pd.DataFrame:
    """Every estimator on every outcome; see `citypanel.did.study.att_table`."""
    study = made.study
    return tables.att_table(
        made.frame,
        outcomes=[o.name for o in study.outcomes],
        cohort=COHORT,
        treatment=TREATMENT,
        unit=UNIT,
        period=PERIOD,
        columns=shared_columns(study),
        draws=study.draws,
        seed=study.seed,
    )


def shared_columns(study: Study) -> dict[str, str]:
    """Columns that every estimator takes: weights and clusters."""
    out = {"weights": WEIGHTS} if study.weights else {}
    return out | ({"cluster": study.cluster} if study.cluster else {})


def bacon_table(made: StudyPanel) -> pd.DataFrame:
    """The comparisons behind the two-way coefficient of the headline outcome.

    Under a fractional exposure the decomposition is of the 0/1 treatment.
    """
    exposed = (made.frame[TREATMENT] > 0).astype(float)
    return tables.bacon_table(
        made.frame.assign(**{TREATMENT: exposed}),
        outcomes=[made.study.headline.name],
        treatment=TREATMENT,
        unit=UNIT,
        period=PERIOD,
    )


def inference_table(made: StudyPanel) -> pd.DataFrame:
    """Inference side by side for each declared column with two-way effects.

    Columns in first differences, or with other effects, are in ``rpt_regressions``
    only: the resampling methods here re-estimate two-way effects.
    """
    columns = {}
    for place, column in enumerate(made.study.columns):
        plain = column.effects == "two_way" and not column.difference
        if column.estimator != "twfe" or not plain or column.period_effects_by:
            continue
        frame, options = column_options(made, place)
        options = twfe_options(frame, column, options)
        columns[column.table, column.name] = {
            "panel": frame.dropna(subset=[column.outcome]),
            **{k: v for k, v in options.items() if k in _OF_INFERENCE},
        }
    if not columns:
        return pd.DataFrame(columns=["table_name", "column_name"])
    out = tables.inference_table(
        columns,
        draws=made.study.draws,
        permutations=made.study.draws,
        seed=made.study.seed,
        bound=relevant_effect(made),
    )
    return out.rename(columns=_GENERAL_NAMES)


_OF_INFERENCE = ("outcome", "unit", "period", "treatment", "controls", "weights")
_GENERAL_NAMES = {
    "paper_table": "table_name",
    "paper_column": "column_name",
    "n_cities": "n_units",
    "n_treated": "n_treated_units",
}


def sensitivity_table(made: StudyPanel) -> pd.DataFrame:
    """Every check of the headline; see `citypanel.did.study.sensitivity_table`."""
    study = made.study
    region = next(iter(study.groups.values()), None)
    controls = [c.name for c in study.controls]
    table = tables.sensitivity_table(
        made.frame.dropna(subset=[study.headline.name]),
        outcomes=[study.headline.name],
        cohort=COHORT,
        treatment=TREATMENT,
        unit=UNIT,
        period=PERIOD,
        controls=controls,
        covariates=[c.name for c in study.controls if not c.after_treatment],
        region=region,
        sample={name: made.select(name) for name in study.samples},
        bound=relevant_effect(made),
        seed=study.seed,
    )
    named = {"leave_one_batch_out": "leave_one_cohort_out"}
    named |= {"leave_one_city_out": "leave_one_unit_out"}
    return table.replace({"check": named, "aggregation": named})


def relevant_effect(made: StudyPanel) -> float:
    """The effect that power and equivalence are judged by.

    The declared one; else a tenth of the standard deviation of the headline outcome
    where nobody is treated.
    """
    if made.study.relevant_effect is not None:
        return made.study.relevant_effect
    untreated = made.frame.loc[made.frame[TREATMENT] == 0, made.study.headline.name]
    return float(untreated.astype(float).std() / 10)


def balance_table(made: StudyPanel) -> pd.DataFrame:
    """Balance before the policy of the controls that it does not move."""
    covariates = [c.name for c in made.study.controls if not c.after_treatment]
    if not covariates:
        return pd.DataFrame(columns=["covariate", "note"])
    return tables.balance(
        made.frame,
        covariates=covariates,
        outcome=made.study.headline.name,
        cohort=COHORT,
        unit=UNIT,
        period=PERIOD,
    )
