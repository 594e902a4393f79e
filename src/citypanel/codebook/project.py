"""The tables of a checkout of this project."""

from __future__ import annotations

from pathlib import Path

from citypanel.codebook.entries import Table, tables_from
from citypanel.errors import OutputError, describe

# Folder under models/, and the schema its tables stand in.
SCHEMAS = ("marts", "quality")


def project_tables(root: Path) -> list[Table]:
    """Tables that the YAML under models/marts and models/quality describes.

    Raises
    ------
    OutputError
        `root` has no such files, or one of them is not YAML.
    """
    import yaml

    documents = []
    for schema in SCHEMAS:
        for path in sorted((root / "models" / schema).rglob("*.yml")):
            try:
                document = yaml.safe_load(path.read_text(encoding="utf-8"))
            except (yaml.YAMLError, UnicodeDecodeError) as error:
                raise OutputError(
                    describe(
                        f"{path.relative_to(root)} cannot be read: {error}",
                        consequence="nothing was written: the labels are in there",
                        remedy="mend the file; `dbt parse` names the line too",
                    )
                ) from error
            documents.append((schema, document))
    tables = tables_from(documents)
    if not tables:
        raise OutputError(
            describe(
                f"There are no descriptions of tables under {root / 'models'}",
                consequence="nothing was written: labels, units and sources are there",
                remedy="run the command in the project's root, beside dbt_project.yml",
            )
        )
    return tables
