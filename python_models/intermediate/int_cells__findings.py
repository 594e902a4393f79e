from citypanel.study.sources import CELLS, READINGS
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
        "citypanel.quality.findings.judge",
        dbt.ref("int_cells__sources").select(*READINGS),
        dbt.ref("stg_reference__cities"),
        dbt.ref("stg_ceic__province_series"),
        variants=dbt.ref("int_study_variants"),
        sources=sources,
        judgements=dbt.ref("fix_judgements"),
    )
