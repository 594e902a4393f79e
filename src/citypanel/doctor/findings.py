"""What a check of the doctor returns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """ok, warning (a build runs all the same), problem (it does not, or misleads)."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes
    ----------
    check : str
        What was looked at.
    status : Status
        How it stands.
    detail : str
        What was found; several places are several lines.
    remedy : str
        What to do; empty where all is well.
    """

    check: str
    status: Status
    detail: str
    remedy: str = ""

    def __str__(self) -> str:
        first, *others = self.detail.splitlines() or [""]
        lines = [f"{self.status:<8} {self.check}: {first}"]
        lines += [f"         {line}" for line in others]
        if self.remedy:
            lines.append(f"         Remedy: {self.remedy}")
        return "\n".join(lines)
