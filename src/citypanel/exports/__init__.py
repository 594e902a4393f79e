"""Tables of the published file as Parquet, CSV and Stata, with their labels."""

from citypanel.exports.files import open_published
from citypanel.exports.formats import FORMATS, csv_bytes, parquet_bytes
from citypanel.exports.labels import shortened, stata_names, variables
from citypanel.exports.stata import stata_bytes
from citypanel.exports.tables import PANEL, Export, exported, known_tables

__all__ = [
    "FORMATS",
    "PANEL",
    "Export",
    "csv_bytes",
    "exported",
    "known_tables",
    "open_published",
    "parquet_bytes",
    "shortened",
    "stata_bytes",
    "stata_names",
    "variables",
]
