from citypanel.workers import in_worker


def model(dbt, session):
    return in_worker(
        "citypanel.quality.findings.find",
        dbt.ref("int_cells__sources").df(),
        dbt.ref("dim_cities").df(),
        dbt.ref("stg_ceic__province_series").df(),
        used=dbt.ref("fct_cell_origins").df(),
        sample=dbt.ref("fct_city_years").df(),
        variants=dbt.ref("int_study_variants").df(),
    )
