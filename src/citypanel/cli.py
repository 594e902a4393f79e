"""The command `citypanel`."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.metadata import version
from pathlib import Path

from citypanel.commands import add_all
from citypanel.commands.failures import in_words
from citypanel.errors import CityPanelError
from citypanel.identity import refuse_other_code


def parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    made = argparse.ArgumentParser(prog="citypanel", description=__doc__)
    made.add_argument(
        "--version", action="version", version=f"citypanel {version('citypanel')}"
    )
    commands = made.add_subparsers(dest="command", required=True)
    add_all(commands)
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run a command from the project's root; return the exit code."""
    options = parser().parse_args(arguments)
    try:
        # The doctor says it itself.
        if options.command != "doctor":
            refuse_other_code(Path.cwd())
        # A command that has nothing to say of its success returns None.
        return options.run(options) or 0
    except CityPanelError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; what was written before is whole.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of the output has gone, as under `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        message = in_words(error)
        if not message:
            raise
        print(message, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
