from citypanel.workers import in_worker


def model(dbt, session):
    sources = {
        "cells": dbt.ref("int_cells__sources").df(),
        "province_series": dbt.ref("int_province_series").df(),
        "cities": dbt.ref("stg_reference__cities").df(),
        "zones": dbt.ref("dim_pilot_zones").df(),
        "variables": dbt.ref("ref_variables").df(),
        "precedence": dbt.ref("ref_source_precedence").df(),
    }
    return in_worker(
        "citypanel.quality.findings.find",
        sources["cells"],
        dbt.ref("dim_cities").df(),
        dbt.ref("stg_ceic__province_series").df(),
        used=dbt.ref("fct_cell_origins").df(),
        sources=sources,
        variants=dbt.ref("int_study_variants").df(),
    )
