"""The paper's regressions and its event study, for every variant."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from citypanel import did
from citypanel.did.frames import join_notes
from citypanel.did.moments import LARGE
from citypanel.did.sizes import size_note
from citypanel.did.study import require_steady
from citypanel.errors import CityPanelError
from citypanel.study.declaration import HEADLINE, declared
from citypanel.study.options import Options
from citypanel.study.parts import Column
from citypanel.study.variants import by_variant

TREATMENT = "sydid"
OUTCOME = "outcome"
REFERENCE_EVENT_TIME = -1

REGRESSION_COLUMNS = {
    **dict.fromkeys(("paper_table", "paper_column", "term"), "string"),
    **dict.fromkeys(("estimate", "std_error", "t", "p_value"), "float64"),
    **dict.fromkeys(("conf_low", "conf_high"), "float64"),
    **dict.fromkeys(("n_obs", "n_cities"), "Int64"),
    **dict.fromkeys(("n_treated_cities", "n_treated_city_years"), "Int64"),
    **dict.fromkeys(("r2_within", "r2_partial"), "float64"),
    **dict.fromkeys(("outcome_mean", "assumed_share"), "float64"),
    **dict.fromkeys(("specification", "note"), "string"),
}
EVENT_COLUMNS = {
    **dict.fromkeys(("estimator", "outcome"), "string"),
    "event_time": "Int64",
    **dict.fromkeys(("estimate", "std_error"), "float64"),
    **dict.fromkeys(("conf_low", "conf_high", "p_value"), "float64"),
    **dict.fromkeys(("n_treated_cities", "n_obs", "n_cities"), "Int64"),
    "leads_f": "float64",
    "leads_df": "Int64",
    **dict.fromkeys(("leads_p_value", "assumed_share"), "float64"),
    **dict.fromkeys(("specification", "note"), "string"),
}


def printed_effect(regressions: pd.DataFrame) -> pd.DataFrame:
    """The printed effect in the first column that the study declares."""
    column = declared().columns[0]
    return regressions.loc[
        (regressions["paper_table"].astype(str) == column.table)
        & (regressions["paper_column"] == column.name)
        & (regressions["term"] == TREATMENT)
    ]


def regressions(panel: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """Tables 3, 4 and 5 for every variant.

    outcome_it = city_i + year_t + b sydid_it + controls_it' c + e_it, by linearmodels'
    PanelOLS (panels of `did.moments.LARGE` rows and more by the closed form, whose
    numbers are the same to rounding), standard errors clustered by city.

    Parameters
    ----------
    panel : DataFrame
        variant, city_id, year, outcome, outcome_name, sydid, cohort, the controls,
        region, is_municipality, is_capital_assumed.
    variants : DataFrame
        variant, variant_order, standard_errors.

    Returns
    -------
    DataFrame
        variant and the columns of `REGRESSION_COLUMNS`, one row per term: `sydid`, each
        control, `const`. A control with a year without data has a row that says so in
        place of an estimate; a regression that cannot be estimated has one row, its
        reason in `note`. `outcome_mean` is over the rows of the regression,
        `assumed_share` the share (0-1) of the treated city-years whose outcome rests
        on assumed investment.
    """
    found = by_variant(panel, variants, _tables)
    return pd.concat([found, *_without_years(variants)], ignore_index=True)


def _without_years(variants: pd.DataFrame) -> list[pd.DataFrame]:
    """Variants that the headline's period leaves no years to, as rows that say so."""
    headline = variants.set_index("variant").loc[HEADLINE]
    study = declared()
    reasons = study.without_years(dict(Options.of_build(headline)))
    rows = [
        {
            "variant": name,
            "paper_table": column.table,
            "paper_column": column.name,
            "term": TREATMENT,
            "note": f"not estimated: {why}",
        }
        for name, why in reasons.items()
        for column in study.columns
    ]
    if not rows:
        return []
    columns = {"variant": "object", **REGRESSION_COLUMNS}
    return [pd.DataFrame(rows).reindex(columns=list(columns)).astype(columns)]


def _tables(panel: pd.DataFrame, options: pd.Series) -> pd.DataFrame:
    pieces = [_regression(panel, column, options) for column in declared().columns]
    return pd.concat(pieces, ignore_index=True)


def _regression(
    panel: pd.DataFrame, column: Column, options: pd.Series
) -> pd.DataFrame:
    rows = _years_ahead(column.keep(panel), column.periods_ahead)
    rows = rows.loc[rows[OUTCOME].notna()]
    controls, without_data = usable_controls(rows) if column.controls else ([], {})
    # A city-year without one of its controls is in no count either.
    rows = rows.loc[rows[controls].notna().all(axis=1)]
    treated = rows.loc[rows[TREATMENT] > 0]
    common = {
        "paper_table": column.table,
        "paper_column": column.name,
        "n_treated_cities": treated["city_id"].nunique(),
        "n_treated_city_years": len(treated),
        "outcome_mean": rows[OUTCOME].mean(),
        "assumed_share": treated["is_capital_assumed"].astype(float).mean(),
        "specification": _specification(panel, column, controls, options),
    }
    try:
        fitted = did.twfe(
            rows,
            outcome=OUTCOME,
            treatment=TREATMENT,
            unit="city_id",
            period="year",
            controls=controls,
            standard_errors=options["standard_errors"],
            absorbing=False,
            engine=_engine(rows, str(options["standard_errors"])),
        )
    except CityPanelError as error:
        note = f"not estimated: {_first_lines(error)}"
        frame = pd.DataFrame([{"term": TREATMENT, "note": note}])
    else:
        frame = fitted.loc[fitted["aggregation"] == "coefficient"].rename(
            columns={"statistic": "t", "n_units": "n_cities"}
        )
        frame = frame.drop(columns="n_treated_units")
        frame["note"] = frame["note"].fillna(frame["term"].map(_after_treatment()))
        policy = frame["term"] == TREATMENT
        found = size_note(
            [f"twfe, {options['standard_errors']}"],
            *fitted[["n_units", "n_treated_units"]].iloc[0],
        )
        frame.loc[policy, "note"] = [join_notes(*frame.loc[policy, "note"], found)]
    dropped = pd.DataFrame(
        [{"term": term, "note": note} for term, note in without_data.items()]
    )
    frame = pd.concat([frame, dropped], ignore_index=True).assign(**common)
    return frame.reindex(columns=list(REGRESSION_COLUMNS)).astype(REGRESSION_COLUMNS)


def _engine(rows: pd.DataFrame, standard_errors: str) -> str:
    """Linearmodels; in large panels the closed form, a fourth of its time."""
    if len(rows) < LARGE or standard_errors == "linearmodels":
        return "linearmodels"
    return "closed_form"


def _first_lines(error: CityPanelError) -> str:
    """What an error says, and the first place of it."""
    problem, *places = str(error).splitlines()
    return " ".join([problem, *(p.strip("- ") for p in places[:1])])


def _years_ahead(panel: pd.DataFrame, years: int) -> pd.DataFrame:
    """Put the outcome, and what it rests on, of `years` later in each row."""
    if not years:
        return panel
    moved = ["outcome", "is_capital_assumed"]
    later = panel[["city_id", "year", *moved]].assign(year=panel["year"] - years)
    return panel.drop(columns=moved).merge(later, on=["city_id", "year"])


def _after_treatment() -> dict[str, str]:
    """What the note says of a control that the policy may change."""
    return {
        name: f"after treatment: {control.after_treatment}"
        for name, control in declared().controls.items()
        if control.after_treatment
    }


def usable_controls(
    rows: pd.DataFrame | Mapping[str, np.ndarray],
) -> tuple[list[str], dict[str, str]]:
    """Controls with data in every year of `rows`; of the others why they drop out."""
    usable, without_data = [], {}
    codes, seen = pd.factorize(np.asarray(rows["year"]), sort=True)
    known = codes >= 0
    for control in declared().controls:
        there = pd.notna(np.asarray(rows[control]))
        empty = seen[np.bincount(codes[known], there[known], len(seen)) == 0]
        if len(empty):
            years = ", ".join(map(str, empty))
            without_data[control] = f"dropped from the regression: no data in {years}"
        else:
            usable.append(control)
    return usable, without_data


def _specification(panel, column, controls, options) -> str:
    outcome = panel["outcome_name"].iloc[0]
    if column.periods_ahead:
        plural = "s" if column.periods_ahead > 1 else ""
        outcome += f" {column.periods_ahead} year{plural} ahead"
    return (
        f"{outcome} on {', '.join([TREATMENT, *controls])}; city and year effects; "
        f"standard errors clustered by city ({options['standard_errors']}); "
        f"{column.sample}"
    )


def event_studies(panel: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """Figure 1: two-way fixed effects by event time, reference period -1.

    Parameters
    ----------
    panel, variants : DataFrame
        As `regressions`.

    Returns
    -------
    DataFrame
        variant and the columns of `EVENT_COLUMNS`, one row per event time. An event
        time that rests on one city has no standard error and says so. leads_f is the
        Wald test, divided by its leads_df restrictions, of all leads being zero.
        assumed_share is the share (0-1) of the city-years at that event time whose
        capital rests on assumed investment.
    """
    return by_variant(panel, variants, _event_study)


def _event_study(panel: pd.DataFrame, options: pd.Series) -> pd.DataFrame:
    rows = panel.loc[panel[OUTCOME].notna()]
    outcome = panel["outcome_name"].iloc[0]
    try:
        require_steady(rows, TREATMENT, "city_id", "year")
        fitted = did.event_study(
            rows,
            outcome=OUTCOME,
            cohort="cohort",
            unit="city_id",
            period="year",
            reference=REFERENCE_EVENT_TIME,
            standard_errors=options["standard_errors"],
        )
    except CityPanelError as error:
        note = f"not estimated: {_first_lines(error)}"
        row = {"estimator": "twfe", "outcome": outcome, "note": note}
        frame = pd.DataFrame([{**row, "event_time": REFERENCE_EVENT_TIME}])
        return frame.reindex(columns=list(EVENT_COLUMNS)).astype(EVENT_COLUMNS)
    frame = fitted.loc[fitted["aggregation"] == "event"].rename(
        columns={"n_treated_units": "n_treated_cities", "n_units": "n_cities"}
    )
    test = fitted.loc[fitted["aggregation"] == "test"].iloc[0]
    tested = frame["std_error"].notna() & (frame["event_time"] < REFERENCE_EVENT_TIME)
    assumed = panel.groupby("event_time")["is_capital_assumed"].mean()
    frame = frame.assign(
        outcome=outcome,
        leads_f=test["statistic"],
        leads_df=int(tested.sum()),
        leads_p_value=test["p_value"],
        assumed_share=frame["event_time"].map(assumed.astype("float64")),
        specification=(
            f"{outcome} on event time, reference "
            f"{REFERENCE_EVENT_TIME}; city and year effects; standard errors clustered "
            f"by city ({options['standard_errors']}); all cities"
        ),
    )
    return frame.reindex(columns=list(EVENT_COLUMNS)).astype(EVENT_COLUMNS)
