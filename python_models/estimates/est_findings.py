from citypanel.workers import in_worker


def model(dbt, session):
    sources = {
        "cells": dbt.ref("int_cells__reconciled").df(),
        "province_series": dbt.ref("int_province_series").df(),
        "cities": dbt.ref("stg_reference__cities").df(),
        "policy": dbt.ref("int_policy_exposures").df(),
        "variables": dbt.ref("ref_variables").df(),
    }
    return in_worker(
        "citypanel.quality.findings.find",
        dbt.ref("int_cells__findings").df(),
        used=dbt.ref("fct_cell_origins").df(),
        sources=sources,
        variants=dbt.ref("int_study_variants").df(),
    )
