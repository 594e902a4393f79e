"""How far a long step has come, said seldom."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import TypeVar

Item = TypeVar("Item")
Say = Callable[[str], None]

# A line at most this often.
SECONDS_BETWEEN = 5.0


class Pace:
    """Count, time elapsed and time remaining, a line every few seconds at most.

    Parameters
    ----------
    say : callable or None
        Takes a line; None keeps quiet. A step that ends within five seconds says
        nothing.
    what : str
        Name of the items in the line, such as "figures".
    resumed : bool
        The first call says how much an earlier run had done; it has no part in the
        pace.
    clock : callable
        Seconds.
    """

    def __init__(
        self,
        say: Say | None,
        what: str,
        *,
        resumed: bool = False,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.say, self.what, self.clock = say, what, clock
        self.start = self.last = clock()
        self.found = None if resumed else 0

    def begin(self, what: str) -> Callable[[int, int], None]:
        """Count the items of another step; the lines keep their distance."""
        self.what, self.start = what, self.clock()
        return self

    def __call__(self, done: int, total: int) -> None:
        """Note that `done` of `total` are done."""
        now = self.clock()
        if self.found is None:
            self.found = done
        if self.say is None or done >= total or now - self.last < SECONDS_BETWEEN:
            return
        self.last = now
        elapsed, computed = now - self.start, done - self.found
        line = f"{self.what}: {done:,} of {total:,}, {in_words(elapsed)} elapsed"
        if computed > 0:
            left = elapsed / computed * (total - done)
            line += f", about {in_words(left)} remaining"
        self.say(line)


def in_words(seconds: float) -> str:
    """Seconds as minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def tracked(
    items: Iterable[Item],
    *,
    what: str,
    say: Say | None,
    clock: Callable[[], float] = monotonic,
) -> Iterator[Item]:
    """Hand out `items` in their order, and say with a `Pace` how far it has come."""
    things = list(items)
    pace = Pace(say, what, clock=clock)
    for done, thing in enumerate(things):
        pace(done, len(things))
        yield thing


def to_stderr(line: str) -> None:
    """Print a line of progress at once, where it mixes with no result."""
    print(line, file=sys.stderr, flush=True)
