from citypanel.workers import in_worker


def model(dbt, session):
    # Nothing is estimated before the cells are judged.
    dbt.ref("int_cells__findings")
    tables = {
        "cells": dbt.ref("int_cells__reconciled").df(),
        "province_series": dbt.ref("int_province_series").df(),
        "cities": dbt.ref("stg_reference__cities").df(),
        "policy": dbt.ref("int_policy_exposures").df(),
        "variables": dbt.ref("ref_variables").df(),
        "places": dbt.ref("ref_prefectures").df(),
        "concurrent": dbt.ref("stg_policy__concurrent").df(),
    }
    variants = dbt.ref("int_study_variants").df()
    return in_worker("citypanel.curve.tables.specification_table", tables, variants)
