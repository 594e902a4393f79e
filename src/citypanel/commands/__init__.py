"""What `citypanel NAME` runs, one module a command.

A module has `run`, a function of the parsed options; its flags are in
`words/en/commands.yml`, or it adds its own parser with `register(commands)`. Modules
import what is heavy inside `run`, so that `citypanel --help` stays quick.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from citypanel.progress import to_stderr
from citypanel.words import FOLDER, load


def add_all(commands: argparse._SubParsersAction, modules: tuple[str, ...]) -> None:
    """Add the parsers of the modules, in their order."""
    declared = load(FOLDER / "en" / "commands.yml")
    for module in modules:
        said = declared.get(module)
        if said is None:
            import_module(f"citypanel.commands.{module}").register(commands)
            continue
        parser = commands.add_parser(
            module, help=said["help"], description=said.get("description")
        )
        flags = dict(said.get("flags") or {})
        for name in said.get("uses") or ():
            flags |= declared["shared"][name]
        for names, about in flags.items():
            parser.add_argument(*names.split(), **_as_argparse(about))
        parser.set_defaults(run=_runs(module))


def _as_argparse(about: dict) -> dict:
    kinds: dict[str, Callable] = {"path": Path, "int": int}
    out = dict(about)
    if "type" in out:
        out["type"] = kinds[out["type"]]
    if out.get("default") == "cores":
        out["default"] = os.cpu_count() or 1
    return out


def _runs(module: str) -> Callable[[argparse.Namespace], int | None]:
    def run(options: argparse.Namespace) -> int | None:
        return import_module(f"citypanel.commands.{module}").run(options)

    return run


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add `-q`, which silences progress and report; errors and warnings stay."""
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="no progress, no report"
    )


def say_unless_quiet(options: argparse.Namespace) -> Callable[[str], None] | None:
    """What takes a line of progress; None under `-q`."""
    return None if options.quiet else to_stderr
