"""The codebook of the warehouse: every table and column, in English and Chinese.

What a column means comes from the YAML beside the models, what it holds from the
published file. Neither needs dbt.
"""

from citypanel.codebook.coverage import coverage, series_coverage
from citypanel.codebook.entries import Column, Table, gaps, tables_from
from citypanel.codebook.pages import markdown
from citypanel.codebook.project import project_tables
from citypanel.codebook.translation import Translation, translation, untranslated
from citypanel.codebook.workbook import contents, workbook

__all__ = [
    "Column",
    "Table",
    "Translation",
    "contents",
    "coverage",
    "gaps",
    "markdown",
    "project_tables",
    "series_coverage",
    "tables_from",
    "translation",
    "untranslated",
    "workbook",
]
