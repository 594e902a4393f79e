"""Great Expectations' Data Docs of the published panels."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from citypanel.errors import PublicationError
from citypanel.quality.expectations import (
    add_batch_definition,
    ephemeral_context,
    expectation_suite,
    load_suites,
)
from citypanel.warehouse.preflight import open_published


def read_panels(
    warehouse: Path, suites: Mapping[str, Mapping[str, Any]]
) -> dict[str, pd.DataFrame]:
    """Read from the published file the table each suite is for.

    Raises
    ------
    PublicationError
        When there is no published file.
    """
    if not warehouse.is_file():
        raise PublicationError(
            f"There is no published warehouse {warehouse.name} here.\n"
            "Consequence: there is nothing to report on.\n"
            "Remedy: run make build first."
        )
    with open_published(warehouse) as connection:
        return {
            name: connection.sql(f"select * from {suite['meta']['table']}").df()
            for name, suite in suites.items()
        }


def build_data_docs(
    panels: Mapping[str, pd.DataFrame],
    *,
    suites: Mapping[str, Mapping[str, Any]],
    site: Path,
) -> Path:
    """Validate the panels and write Data Docs, one page a suite, in place of the old.

    Parameters
    ----------
    panels, suites : mapping
        Panels and suites by name.
    site : Path
        Folder of the site; whatever it holds is replaced.

    Returns
    -------
    Path
        The site's first page.
    """
    from great_expectations import Checkpoint, ValidationDefinition
    from great_expectations.checkpoint import UpdateDataDocsAction

    shutil.rmtree(site, ignore_errors=True)
    site.mkdir(parents=True)
    context = ephemeral_context(
        {
            "data_docs": {
                "class_name": "SiteBuilder",
                "show_how_to_buttons": False,
                "store_backend": {
                    "class_name": "TupleFilesystemStoreBackend",
                    "base_directory": str(site.resolve()),
                },
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            }
        }
    )
    for name, panel in panels.items():
        suite = context.suites.add(expectation_suite(suites[name]))
        definition = context.validation_definitions.add(
            ValidationDefinition(
                name=name, data=add_batch_definition(context, name), suite=suite
            )
        )
        checkpoint = context.checkpoints.add(
            Checkpoint(
                name=name,
                validation_definitions=[definition],
                actions=[UpdateDataDocsAction(name="data docs")],
                result_format={
                    "result_format": "SUMMARY",
                    "unexpected_index_column_names": suites[name]["meta"]["keys"],
                },
            )
        )
        checkpoint.run(batch_parameters={"dataframe": panel})
    context.build_data_docs()
    return site / "index.html"


def report(warehouse: Path, *, suites_folder: Path, site: Path) -> Path:
    """Write the Data Docs of a published warehouse and return their first page."""
    suites = load_suites(suites_folder)
    return build_data_docs(read_panels(warehouse, suites), suites=suites, site=site)
