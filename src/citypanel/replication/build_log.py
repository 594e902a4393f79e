"""What dbt noted about the last build: when, how long, which steps took longest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

_SOUND = {"success", "pass", "warn", "no-op"}


@dataclass(frozen=True)
class BuildLog:
    """Times of one full build, from dbt's run_results.json.

    Attributes
    ----------
    seconds : float
        From the first step to the last; starting dbt comes on top.
    finished_at : str
        UTC, ISO 8601.
    n_steps : int
        Seeds, models and tests.
    slowest : tuple of (str, float)
        The ten longest steps with their seconds.
    """

    seconds: float
    finished_at: str
    n_steps: int
    slowest: tuple[tuple[str, float], ...]


def read_build_log(path: Path) -> BuildLog | None:
    """Read run_results.json; None where it is not about a full build without failure.

    Any dbt command writes that file: after `dbt show` it knows nothing of the build.
    """
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        steps = results["results"]
        arguments = results["args"]
        is_whole = arguments.get("which") == "build" and not any(
            arguments.get(name) for name in ("select", "exclude", "empty", "sample")
        )
        is_sound = {step["status"] for step in steps} <= _SOUND
        if not (is_whole and is_sound and steps):
            return None
        longest = sorted(
            ((step["unique_id"], float(step["execution_time"])) for step in steps),
            key=lambda step: (-step[1], step[0]),
        )
        return BuildLog(
            seconds=float(results["elapsed_time"]),
            finished_at=str(results["metadata"]["generated_at"]),
            n_steps=len(steps),
            slowest=tuple(longest[:10]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
