from pathlib import Path

from citypanel.quality import validate_panels


def model(dbt, session):
    panels = {
        "yearbook_raw": dbt.ref("raw_yearbook_city_years").df(),
        "city_year_panel": dbt.ref("fct_city_years").df(),
        "capital_stocks": dbt.ref("fct_capital_stocks").df(),
        "tfp_changes": dbt.ref("fct_tfp_changes").df(),
        "policy_exposures": dbt.ref("fct_policy_exposures").df(),
    }
    return validate_panels(panels, suites=Path("expectations"))
