"""The report of any study, from its general tables and in its own words."""

from citypanel.outputs.study_report.page import write_report

__all__ = ["write_report"]
