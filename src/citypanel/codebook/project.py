"""The tables of a checkout of this project."""

from __future__ import annotations

from pathlib import Path

from citypanel.codebook.entries import Table, tables_from
from citypanel.errors import OutputError

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
                raise OutputError.of(
                    "codebook.unreadable", what=path.relative_to(root), error=error
                ) from error
            documents.append((schema, document))
    tables = tables_from(documents)
    if not tables:
        raise OutputError.of("codebook.no_descriptions", what=root / "models")
    return tables
