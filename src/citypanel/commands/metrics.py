"""`citypanel metrics`: the metrics of the semantic layer, answered by MetricFlow."""

from __future__ import annotations

import argparse
import sys
import types


def run(options: argparse.Namespace) -> None:
    """Call MetricFlow's query.

    Raises
    ------
    OutputError
        MetricFlow is not installed, or cannot answer.
    """
    from citypanel.errors import OutputError, describe

    _without_update_check()
    try:
        from dbt_metricflow.cli.main import cli
    except ImportError as error:
        raise OutputError(
            describe(
                "MetricFlow is not installed",
                consequence="the metrics are not answered; the tables are as they were",
                remedy="install it with: pip install dbt-metricflow==0.15.0; or ask "
                "marts.fct_tfp_changes in SQL (analyses/03_productivity)",
            )
        ) from error
    arguments = ["query", "--metrics", options.metrics, "--group-by", options.group_by]
    order = ["--order", options.group_by]
    written = ["--csv", options.csv] if options.csv else []
    code = cli.main([*arguments, *order, *written], standalone_mode=False)
    if code:
        raise OutputError(
            describe(
                "MetricFlow could not answer",
                consequence="nothing was written",
                remedy="run dbt build first; the names are in "
                "models/marts/_marts__semantic.yml",
            )
        )


def _without_update_check() -> None:
    """Keep MetricFlow from asking PyPI for a newer version at every start."""

    class UpdateChecker:
        def check(self, *_: object, **__: object) -> None:
            return None

    module = types.ModuleType("update_checker")
    vars(module)["UpdateChecker"] = UpdateChecker
    sys.modules["update_checker"] = module
