"""What `citypanel tables` and `citypanel figures` share: choose, make, write, say."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from citypanel.errors import OptionError, OutputError
from citypanel.files import write_output
from citypanel.outputs.marts import Marts, absent, message_of_absent
from citypanel.outputs.style import Maker
from citypanel.progress import to_stderr, tracked


def write_all(
    asked: Namespace,
    what: str,
    known_formats: Sequence[str],
    outputs: Sequence[Maker],
    make: Callable[[Maker, Mapping, tuple[str, ...]], dict[str, bytes]],
) -> list[Path]:
    """Make the outputs asked for and write them; what lacks its marts is named.

    Parameters
    ----------
    asked : Namespace
        The command line: only, format, output, database, quiet.
    what : str
        tables or figures.

    Raises
    ------
    OptionError
        An unknown name or format.
    OutputError
        No warehouse file, or none of the outputs asked for can be made.
    """
    formats = chosen_formats(asked.format, known_formats)
    chosen = chosen_outputs(asked.only, outputs, what)
    say = None if asked.quiet else to_stderr
    written: list[Path] = []
    with Marts(asked.database) as marts:
        lacking = {o.name: absent(o.needs, marts) for o in chosen}
        possible = [o for o in chosen if not lacking[o.name]]
        messages = [
            message_of_absent(n, names) for n, names in lacking.items() if names
        ]
        if messages and not possible:
            raise OutputError("\n".join(messages))
        for output in possible:
            lesser = absent(output.wants, marts)
            if lesser:
                messages.append(message_of_absent(output.name, lesser, partly=True))
        for message in messages:
            print(message, file=sys.stderr)
        made, failures = 0, []
        for output in tracked(possible, what=what, say=say):
            try:
                files = make(output, marts, formats)
            except OutputError as error:
                failures.append(f"{output.name}: {error}")
                continue
            made += 1
            written += [
                write_output(asked.output / name, content)
                for name, content in files.items()
            ]
        if failures and not made:
            raise OutputError("\n".join(failures))
        for failure in failures:
            print(failure, file=sys.stderr)
    if not asked.quiet:
        print(f"{made} {what}, {len(written)} files: {asked.output}")
    return written


def chosen_formats(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """The formats in the text, in the order of `known`."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    wrong = [name for name in names if name not in known]
    if wrong or not names:
        raise OptionError.of(
            "outputs.unknown_formats", wrong, wrong=wrong, known=list(known)
        )
    return tuple(name for name in known if name in names)


def chosen_outputs(
    text: str | None, outputs: Sequence[Maker], what: str
) -> list[Maker]:
    """The outputs named in the text; all where there is none."""
    if text is None:
        return list(outputs)
    names = [part.strip() for part in text.split(",") if part.strip()]
    wrong = [
        name for name in names if not any(_is_named(o.name, name) for o in outputs)
    ]
    if wrong or not names:
        known = [output.name for output in outputs]
        raise OptionError.of(
            "outputs.unknown_names",
            wrong,
            wrong=wrong,
            what=what if wrong else "",
            known=known,
        )
    return [o for o in outputs if any(_is_named(o.name, name) for name in names)]


def _is_named(full: str, name: str) -> bool:
    return full == name or full.startswith(name + "_")
