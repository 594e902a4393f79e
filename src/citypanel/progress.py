"""How far a long step has come, said seldom."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import TypeVar

Item = TypeVar("Item")

# A line at most this often.
SECONDS_BETWEEN = 5.0


def progress_line(what: str, done: int, total: int, elapsed: float) -> str:
    """Count, time elapsed and time remaining at the mean pace so far, in seconds."""
    remaining = elapsed / done * (total - done)
    return (
        f"{what}: {done:,} of {total:,}, {elapsed:.0f} s elapsed, "
        f"about {remaining:.0f} s remaining"
    )


def tracked(
    items: Iterable[Item],
    *,
    what: str,
    say: Callable[[str], None] | None,
    clock: Callable[[], float] = monotonic,
) -> Iterator[Item]:
    """Hand out `items`, and say count, time elapsed and time remaining on the way.

    Parameters
    ----------
    items : iterable
    what : str
        Name of the items in the line, such as "figures".
    say : callable or None
        Takes a line; None keeps quiet. A step that ends within five seconds says
        nothing.
    clock : callable
        Seconds.

    Yields
    ------
    The items, in order.
    """
    things = list(items)
    started = last = clock()
    for done, thing in enumerate(things):
        now = clock()
        if say is not None and done and now - last >= SECONDS_BETWEEN:
            say(progress_line(what, done, len(things), now - started))
            last = now
        yield thing


def to_stderr(line: str) -> None:
    """Print a line of progress at once, where it mixes with no result."""
    print(line, file=sys.stderr, flush=True)
