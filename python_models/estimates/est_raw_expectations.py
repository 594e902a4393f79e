from citypanel.warehouse.manifest import package_folder
from citypanel.workers import in_worker


def model(dbt, session):
    return in_worker(
        "citypanel.quality.expectations.validate_panels",
        {"yearbook_raw": dbt.ref("raw_yearbook_city_years")},
        suites=package_folder() / "expectations",
        references={"ref_cities": dbt.ref("ref_cities")},
    )
