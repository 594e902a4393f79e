from citypanel.study.sources import CELLS, KEY
from citypanel.workers import in_worker


def model(dbt, session):
    # Nothing is estimated before the cells are judged.
    dbt.ref("int_cells__findings")
    tables = {
        "cells": dbt.ref("int_cells__reconciled").select(*CELLS, "yearbook_value"),
        "province_series": dbt.ref("int_province_series"),
        "cities": dbt.ref("stg_reference__cities"),
        "policy": dbt.ref("int_policy_exposures"),
        "variables": dbt.ref("ref_variables"),
    }
    variants = dbt.ref("int_study_variants")
    origins = dbt.ref("fct_cell_origins").select(*KEY, "origin")
    return in_worker(
        "citypanel.influence.tables.influence_table",
        tables,
        variants,
        origins,
    )
