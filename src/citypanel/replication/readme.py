"""README of a package, in the sections social-science data editors ask for.

The sections are those of the template README of the Social Science Data Editors
(https://social-science-data-editors.github.io/template_README/); the text is in
`README.md.j2`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from citypanel.replication.archive import Member
from citypanel.replication.build_log import BuildLog
from citypanel.replication.manifest import is_input
from citypanel.replication.origins import Origin
from citypanel.replication.rebuild import Rebuild

# Upper ends of the template's classes of run time, in seconds.
_CLASSES = (
    (600, "less than 10 minutes"),
    (3600, "10 to 60 minutes"),
    (8 * 3600, "1 to 8 hours"),
)


def readme(
    *,
    manifest: Mapping,
    members: Sequence[Member],
    origins: Sequence[Origin],
    programs: pd.DataFrame,
    command: str,
    log: BuildLog | None,
    rebuilt: Rebuild | None,
    machine: Mapping[str, object],
) -> str:
    """Write the README.

    Parameters
    ----------
    manifest : mapping
        From `manifest`.
    members : sequence of Member
        The other files of the package.
    origins : sequence of Origin
    programs : DataFrame
        From `program_map`.
    command : str
        The build command with the options of this package.
    log : BuildLog, optional
        Of the build that was packaged.
    rebuilt : Rebuild, optional
        Of the unpacked package, where it was tried.
    machine : mapping
        system, processors and memory_gb of the machine the times are from.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    text = Path(__file__).with_name("README.md.j2").read_text(encoding="utf-8")
    seconds = rebuilt.seconds if rebuilt else log.seconds if log else None
    return environment.from_string(text).render(
        manifest=manifest,
        commit=manifest["commit"],
        command=command,
        origins=origins,
        unknown=[origin.path for origin in origins if not origin.is_stated],
        changed=manifest["commit"]["changed_inputs"] or [],
        data_files=[
            each
            for each in members
            if each.path.startswith("data/") or is_input(each.path)
        ],
        megabytes=sum(len(member.content) for member in members) / 1e6,
        run_time=None if seconds is None else _class_of(seconds),
        log=log,
        rebuilt=rebuilt,
        machine=machine,
        programs=programs.to_dict("records"),
        sources=sorted({_source(o) for o in origins if o.title and not _is_ours(o)}),
    )


def _class_of(seconds: float) -> str:
    return next((name for end, name in _CLASSES if seconds < end), "more than 8 hours")


def _is_ours(origin: Origin) -> bool:
    return (origin.author or origin.publisher) == "this project"


def _source(origin: Origin) -> str:
    name = origin.author or origin.publisher
    stated = name and not name.startswith("not ")
    return f"{name}: {origin.title}." if stated else f"{origin.title}."
