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
        "citypanel.quality.findings.judge",
        dbt.ref("int_cells__sources").df(),
        dbt.ref("stg_reference__cities").df(),
        dbt.ref("stg_ceic__province_series").df(),
        used=sources["cells"],
        variants=dbt.ref("int_study_variants").df(),
        sources=sources,
        judgements=dbt.ref("fix_judgements").df(),
    )
