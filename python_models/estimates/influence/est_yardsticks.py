from citypanel.study.sources import CELLS
from citypanel.workers import in_worker


def model(dbt, session):
    # Nothing is estimated before the cells are judged.
    dbt.ref("int_cells__findings")
    tables = {
        "cells": dbt.ref("int_cells__reconciled").select(*CELLS),
        "province_series": dbt.ref("int_province_series"),
        "cities": dbt.ref("stg_reference__cities"),
        "policy": dbt.ref("int_policy_exposures"),
        "variables": dbt.ref("ref_variables"),
    }
    variants = dbt.ref("int_study_variants")
    return in_worker("citypanel.influence.tables.yardsticks_table", tables, variants)
