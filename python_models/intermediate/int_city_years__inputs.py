from citypanel.workers import in_worker


def model(dbt, session):
    return in_worker(
        "citypanel.study.tables.city_year_inputs",
        dbt.ref("int_cells__imputed").df(),
        dbt.ref("int_province_series").df(),
        dbt.ref("stg_reference__cities").df(),
        dbt.ref("int_study_variants").df(),
    )
