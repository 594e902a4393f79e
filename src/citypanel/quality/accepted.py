"""The accepted run: what its reader looked at and took as right, to compare later ones.

One JSON file, `expectations/accepted/run.json`, meant to be kept under version control:
whoever reviews a change sees which findings came and went. It holds the options, the
profiles of the tables whose drift is watched, the findings, the coverage, the
expectations that did not hold and the estimates. It holds no date, so that nothing
depends on one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from citypanel.errors import PanelError, PublicationError
from citypanel.files import write_text

FILE = Path("accepted") / "run.json"
FORMAT = 1
NOTHING = "nothing accepted yet"
# Options that no table with a profile depends on.
BESIDE_THE_PANELS = ("credibility", "inference_draws", "standard_errors")
PARTS = ("options", "profiles", "findings", "coverage", "expectations", "estimates")


def read_accepted(folder: Path) -> dict[str, Any] | None:
    """Read the accepted run of the suites' folder; none where nothing was accepted.

    Raises
    ------
    PanelError
        When the file is not one that `citypanel accept` wrote.
    """
    path = Path(folder) / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        run = json.loads(text)
        missing = [part for part in PARTS if part not in run]
        if run["format"] != FORMAT or missing:
            raise ValueError(f"without {', '.join(missing) or 'the expected format'}")
    except (ValueError, KeyError, TypeError) as error:
        raise PanelError.of(
            "quality.accepted_unreadable", what=FILE.as_posix(), error=error
        ) from error
    return run


def write_accepted(folder: Path, run: Mapping[str, Any]) -> Path:
    """Write the accepted run, whole or not at all, one finding a line.

    Raises
    ------
    PublicationError
        When the file cannot be written; the last one then stands.
    """
    path = Path(folder) / FILE
    try:
        write_text(path, _text({"format": FORMAT, **run}))
    except OSError as error:
        raise PublicationError(
            f"The accepted run could not be written: {error}\n"
            f"Consequence: {path.as_posix()} is as it was.\n"
            "Remedy: see that the folder is writable and the disk has room."
        ) from error
    return path


def profile_to_match(
    accepted: Mapping[str, Any] | None,
    table: str,
    *,
    options: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The accepted profile of a table, or a note that says why there is none."""
    if accepted is None:
        return {"note": NOTHING}
    changed = [
        name
        for name in differing_options(accepted, options)
        if name not in BESIDE_THE_PANELS
    ]
    if changed:
        return {"note": f"accepted under other options ({', '.join(changed)})"}
    return accepted["profiles"].get(table) or {"note": NOTHING}


def differing_options(
    accepted: Mapping[str, Any], options: Mapping[str, Any] | None
) -> list[str]:
    """Names of the options that differ from the accepted run's."""
    if options is None:
        return []
    then, now = accepted["options"], {k: str(v) for k, v in options.items()}
    return sorted(
        name for name in then.keys() | now.keys() if then.get(name) != now.get(name)
    )


def _text(run: Mapping[str, Any]) -> str:
    """JSON with one line an entry, so that two runs can be compared line by line."""

    def compact(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)

    lines = []
    for part, value in run.items():
        if isinstance(value, list) and value:
            entries = ",\n".join(f"  {compact(entry)}" for entry in value)
            lines.append(f" {compact(part)}: [\n{entries}\n ]")
        elif isinstance(value, dict) and value:
            entries = ",\n".join(
                f"  {compact(name)}: {compact(entry)}"
                for name, entry in sorted(value.items())
            )
            lines.append(f" {compact(part)}: {{\n{entries}\n }}")
        else:
            lines.append(f" {compact(part)}: {compact(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"
