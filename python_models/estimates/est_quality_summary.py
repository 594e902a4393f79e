from citypanel.quality.published import options_of
from citypanel.warehouse.manifest import package_folder
from citypanel.workers import in_worker


def model(dbt, session):
    return in_worker(
        "citypanel.quality.summary.summarise_run",
        findings=dbt.ref("dq_findings"),
        rules=dbt.ref("dq_rules"),
        expectations=dbt.ref("dq_expectation_results"),
        coverage=dbt.ref("dq_imputed_shares"),
        agreement=dbt.ref("dq_source_agreement"),
        estimates=dbt.ref("rpt_regressions"),
        variables=dbt.ref("dim_variables"),
        options=options_of(dbt.ref("dim_study_variants").df()),
        suites=package_folder() / "expectations",
    )
