from pathlib import Path

from citypanel.quality import validate_in_worker


def model(dbt, session):
    panels = {"yearbook_raw": dbt.ref("raw_yearbook_city_years").df()}
    return validate_in_worker(panels, suites=Path("expectations"))
