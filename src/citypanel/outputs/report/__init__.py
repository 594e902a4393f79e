"""The study as one page: facts from the published file, sentences chosen by rules."""

from citypanel.outputs.facts import Facts, gather
from citypanel.outputs.report.page import study_page, study_report

__all__ = ["Facts", "gather", "study_page", "study_report"]
