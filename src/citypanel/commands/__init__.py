"""What `citypanel NAME` runs, one module a command.

A module has `run`, a function of the parsed options; help and flags are in
`words/en/commands.yml`. Modules import what is heavy inside `run`, so that
`citypanel --help` stays quick.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from citypanel.progress import to_stderr
from citypanel.words import FOLDER, load

_KINDS: dict[str, Callable] = {"path": Path, "int": int}


def add_all(commands: argparse._SubParsersAction) -> None:
    """Add the parsers of all commands, in the order in which they are declared."""
    declared = load(FOLDER / "en" / "commands.yml")
    shared = declared.pop("shared")
    for module, said in declared.items():
        parser = commands.add_parser(
            module.rstrip("_"),
            help=said["help"],
            description=said.get("description"),
            **said.get("parser", {}),
        )
        parser.set_defaults(run=_runs(module))
        flags = dict(said.get("flags") or {})
        for name in said.get("uses") or ():
            flags |= shared[name]
        groups: dict[str, argparse._ActionsContainer] = {}
        for names, about in flags.items():
            given = dict(about)
            into: argparse._ActionsContainer = parser
            if title := given.pop("group", None):
                into = groups.get(title) or parser.add_argument_group(title)
                groups[title] = into
            if one := given.pop("one_of", None):
                into = groups.get(one) or parser.add_mutually_exclusive_group()
                groups[one] = into
            if "type" in given:
                given["type"] = _KINDS[given["type"]]
            if given.get("default") == "cores":
                given["default"] = os.cpu_count() or 1
            into.add_argument(*names.split(), **given)


def _runs(module: str) -> Callable[[argparse.Namespace], int | None]:
    def run(options: argparse.Namespace) -> int | None:
        return import_module(f"citypanel.commands.{module}").run(options)

    return run


def say_unless_quiet(options: argparse.Namespace) -> Callable[[str], None] | None:
    """What takes a line of progress; None under `-q`."""
    return None if options.quiet else to_stderr
