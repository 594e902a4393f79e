from citypanel.study.sources import CELLS, KEY
from citypanel.workers import in_worker


def model(dbt, session):
    sources = {
        "cells": dbt.ref("int_cells__reconciled").select(*CELLS),
        "province_series": dbt.ref("int_province_series"),
        "cities": dbt.ref("stg_reference__cities"),
        "policy": dbt.ref("int_policy_exposures"),
        "variables": dbt.ref("ref_variables"),
    }
    return in_worker(
        "citypanel.quality.findings.find",
        dbt.ref("int_cells__findings"),
        used=dbt.ref("fct_cell_origins").select(*KEY, "value", "origin"),
        sources=sources,
        variants=dbt.ref("int_study_variants"),
    )
