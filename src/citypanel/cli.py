"""The command `citypanel`."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from citypanel.errors import CityPanelError

# One module a command, in the order of --help; each has `register(commands)`.
COMMANDS = (
    "new", "check", "evaluate", "import_", "report", "study", "accept", "tables",
    "figures", "specifications", "influence", "codebook", "export", "package",
    "metrics", "doctor",
)  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    made = argparse.ArgumentParser(prog="citypanel", description=__doc__)
    commands = made.add_subparsers(dest="command", required=True)
    for name in COMMANDS:
        import_module(f"citypanel.commands.{name}").register(commands)
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run a command from the project's root; return the exit code."""
    options = parser().parse_args(arguments)
    try:
        # A command that has nothing to say of its success returns None.
        return options.run(options) or 0
    except CityPanelError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
