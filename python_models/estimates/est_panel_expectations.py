from citypanel.quality.published import options_of
from citypanel.warehouse.manifest import package_folder
from citypanel.workers import in_worker


def model(dbt, session):
    panels = {
        "city_year_panel": dbt.ref("fct_city_years"),
        "capital_stocks": dbt.ref("fct_capital_stocks"),
        "tfp_changes": dbt.ref("fct_tfp_changes"),
        "policy_exposures": dbt.ref("fct_policy_exposures"),
    }
    return in_worker(
        "citypanel.quality.expectations.validate_panels",
        panels,
        suites=package_folder() / "expectations",
        references={"ref_cities": dbt.ref("ref_cities")},
        options=options_of(dbt.ref("dim_study_variants").df()),
    )
