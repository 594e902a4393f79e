"""The steps of a study as a graph: what each needs, and which options it takes.

A step is a function. Its positional parameters name what it needs, other steps or
sources; its keyword-only parameters name the options it takes. Nothing is declared
twice: what a result depends on, and with that when it can be used again, is read off
the functions.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Step:
    """A step of the study.

    Attributes
    ----------
    name : str
    function : callable
    needs : tuple of str
        Steps and sources, in the order of its parameters.
    takes : tuple of str
        Options.
    is_large : bool
        Whether only the latest results are kept.
    """

    name: str
    function: Callable[..., Any]
    needs: tuple[str, ...]
    takes: tuple[str, ...]
    is_large: bool = False


def step(function: Callable | None = None, *, large: bool = False) -> Any:
    """Declare a function as a step."""

    def mark(function: Callable) -> Callable:
        function.is_large = large  # type: ignore[attr-defined]
        function.is_step = True  # type: ignore[attr-defined]
        return function

    return mark(function) if function else mark


def as_step(function: Callable) -> Step:
    """A step from its function."""
    parameters = inspect.signature(function).parameters.values()
    return Step(
        function.__name__,
        function,
        tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY),
        tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY),
        getattr(function, "is_large", False),
    )


class Graph:
    """Steps by name, and what follows from what they declare.

    Parameters
    ----------
    modules : iterable of module
        Their functions marked with `step`.
    """

    def __init__(self, modules: Iterable[ModuleType]):
        self.steps: Mapping[str, Step] = {
            name: as_step(function)
            for module in modules
            for name, function in vars(module).items()
            if getattr(function, "is_step", False)
            and function.__module__ == module.__name__
        }
        self._found: dict[tuple[str, frozenset[str]], tuple[str, ...]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.steps

    def __getitem__(self, name: str) -> Step:
        return self.steps[name]

    @property
    def sources(self) -> tuple[str, ...]:
        """What steps need and no step makes."""
        needed = (need for s in self.steps.values() for need in s.needs)
        return tuple(dict.fromkeys(n for n in needed if n not in self.steps))

    def options_of(self, name: str, given: Iterable[str] = ()) -> tuple[str, ...]:
        """Every option that a step's result depends on.

        Parameters
        ----------
        name : str
            A step; a source depends on none.
        given : iterable of str
            Steps whose result is given, and depends on nothing.
        """
        key = (name, frozenset(given))
        if name in key[1] or name not in self.steps:
            return ()
        if key not in self._found:
            here = self.steps[name]
            found = dict.fromkeys(here.takes)
            for need in here.needs:
                found |= dict.fromkeys(self.options_of(need, key[1]))
            self._found[key] = tuple(found)
        return self._found[key]

    def run(self, name: str, options: Any, given: Mapping[str, Any]) -> Any:
        """A step's result from results that are given, by way of the steps between.

        Parameters
        ----------
        name : str
        options : Options
        given : mapping of step or source to result
        """
        found = dict(given)

        def made(name: str) -> Any:
            if name not in found:
                here = self.steps[name]
                needs = [made(need) for need in here.needs]
                taken = {option: getattr(options, option) for option in here.takes}
                found[name] = here.function(*needs, **taken)
            return found[name]

        return made(name)
