from pathlib import Path

from citypanel.workers import in_worker


def model(dbt, session):
    panels = {"yearbook_raw": dbt.ref("raw_yearbook_city_years").df()}
    return in_worker(
        "citypanel.quality.expectations.validate_panels",
        panels,
        suites=Path("expectations"),
    )
