from citypanel.workers import in_worker


def model(dbt, session):
    tables = {
        "cells": dbt.ref("int_cells__sources").df(),
        "province_series": dbt.ref("int_province_series").df(),
        "cities": dbt.ref("stg_reference__cities").df(),
        "zones": dbt.ref("dim_pilot_zones").df(),
        "variables": dbt.ref("ref_variables").df(),
        "precedence": dbt.ref("ref_source_precedence").df(),
    }
    variants = dbt.ref("int_study_variants").df()
    return in_worker("citypanel.influence.tables.alternatives_table", tables, variants)
