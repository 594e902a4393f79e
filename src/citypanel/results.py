"""What results share: a tidy frame that says how it was made.

It is a DataFrame and goes on being one: its rows can be sorted, filtered and written.
What is read off it is read off the rows that are there.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from citypanel.errors import EstimationError

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#",
    "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}  # fmt: skip


class Later:
    """A value that is made when it is first asked for."""

    def __init__(self, make: Callable[[], Any]):
        self.make = make

    @functools.cached_property
    def value(self) -> Any:
        return self.make()

    def __call__(self) -> Any:
        return self.value


@dataclass(frozen=True, eq=False)
class Extras:
    """Arrays that travel in ``DataFrame.attrs`` beside a tidy frame.

    pandas copies and compares ``attrs``; an object compared by identity and never
    copied keeps large arrays out of both.
    """

    values: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        value = self.values[key]
        return value() if isinstance(value, Later) else value

    def __contains__(self, key: object) -> bool:
        return key in self.values

    def __deepcopy__(self, memo: dict) -> Extras:
        return self


def carried(frame: pd.DataFrame, name: str) -> Extras:
    """What a result carries beside its rows.

    Raises
    ------
    EstimationError
        A frame put together from several results, which carries nothing.
    """
    found = frame.attrs.get(name)
    if not isinstance(found, Extras):
        raise EstimationError.of("results.without_options")
    return found


class Summary(str):
    """A text that a prompt shows as it is."""

    def __repr__(self) -> str:
        return str(self)


class Remembering(pd.DataFrame):
    """A frame with the options it was made with and the rows that were left out."""

    @property
    def options(self) -> dict[str, Any]:
        """The estimator, the columns and every option it was called with.

        Raises
        ------
        EstimationError
            A frame put together from several results.
        """
        return dict(carried(self, "options").values)

    @property
    def dropped(self) -> pd.DataFrame:
        """Rows of the panel that were left out, by unit and period, and why.

        Raises
        ------
        EstimationError
            A frame put together from several results.
        """
        return carried(self, "dropped")["rows"].copy()

    def _latex_cells(self, digits: int) -> tuple[str, list[str], list[list[str]]]:
        """Of `to_latex`: how the columns stand, their heads and the rows."""
        raise NotImplementedError

    def to_latex(  # type: ignore[override]
        self,
        buf: Any = None,
        *,
        digits: int = 3,
        caption: str | None = None,
        label: str | None = None,
    ) -> str | None:
        """A table for LaTeX with booktabs.

        Of estimates: estimate, standard error, interval, p. Of distances and indices:
        their means by period.

        Parameters
        ----------
        buf : path or file, optional
            Where to write; the text is returned without one.
        digits : int
            Decimals.
        caption, label : str, optional
            With either, a table environment around the tabular.
        """
        columns, head, rows = self._latex_cells(digits)
        lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
        lines += [" & ".join(head) + r" \\", r"\midrule"]
        lines += [" & ".join(cells) + r" \\" for cells in rows]
        lines += [r"\bottomrule", r"\end{tabular}"]
        if caption or label:
            inside = [r"\centering"]
            inside += [rf"\caption{{{caption}}}"] if caption else []
            inside += [rf"\label{{{label}}}"] if label else []
            lines = [r"\begin{table}", *inside, *lines, r"\end{table}"]
        text = "\n".join(lines) + "\n"
        if buf is None:
            return text
        if hasattr(buf, "write"):
            buf.write(text)
        else:
            with open(buf, "w", encoding="utf-8") as file:
                file.write(text)
        return None

    def to_parquet(self, *arguments: Any, **options: Any) -> Any:
        """As pandas does it; what travels beside the table is not written."""
        bare = pd.DataFrame(self)
        bare.attrs = {}
        return bare.to_parquet(*arguments, **options)


def remember(
    result: pd.DataFrame,
    kind: type[Remembering],
    estimator: str,
    options: Mapping[str, Any],
) -> Remembering:
    """Note in a result how it was made."""
    plain = {
        name: value
        for name, value in options.items()
        if not isinstance(value, pd.DataFrame)
    }
    attrs = dict(result.attrs)
    result = result if isinstance(result, kind) else kind(result)
    result.attrs = {**attrs, "options": Extras({"estimator": estimator, **plain})}
    return result


def remembering(
    note: Callable[[Any, str, dict[str, Any]], Any],
) -> Callable[[Callable], Callable]:
    """Note in what an estimator returns how it was called, by `note`."""

    def decorate(estimator: Callable) -> Callable:
        signature = inspect.signature(estimator)
        several = inspect.Parameter.VAR_KEYWORD

        @functools.wraps(estimator)
        def call(*arguments: Any, **options: Any) -> Any:
            result = estimator(*arguments, **options)
            bound = signature.bind(*arguments, **options)
            bound.apply_defaults()
            given = next(iter(bound.arguments.values()), None)
            if isinstance(given, Remembering) and isinstance(result, pd.DataFrame):
                # What is computed from a result rests on the rows it rests on.
                lost = {k: v for k, v in given.attrs.items() if k == "dropped"}
                result.attrs = {**lost, **result.attrs}
            named: dict[str, Any] = {}
            for name, value in list(bound.arguments.items())[1:]:
                if signature.parameters[name].kind is several:
                    named |= value
                else:
                    named[name] = value
            return note(result, estimator.__name__, named)

        return call

    return decorate


def said_options(options: Mapping[str, Any], *but: str) -> list[str]:
    """Lines that say the options that have a value, except some."""
    return wrapped(
        f"{name}={_plain(value)}"
        for name, value in options.items()
        if name not in ("estimator", *but)
        and value is not None
        and not (isinstance(value, tuple | list) and not value)
    )


def said_dropped(dropped: pd.DataFrame) -> list[str]:
    """Lines that say how many rows were left out, by reason."""
    if not len(dropped):
        return []
    counts = dropped["reason"].value_counts()
    return [f"left out: {n:,} rows, {why}" for why, n in counts.items()]


def latex_text(text: str) -> str:
    """A text with what LaTeX takes for a command escaped."""
    return "".join(SPECIAL.get(letter, letter) for letter in text)


def axes_of(ax: Any, n: int, size: tuple[float, float]) -> tuple[Any, list]:
    """A figure and its axes: the one given, or n below each other of a new figure."""
    if ax is not None:
        return ax.figure, [ax]
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "plot needs matplotlib: python -m pip install 'citypanel[outputs]'"
        ) from error
    figure = Figure(figsize=size, layout="constrained")
    return figure, list(figure.subplots(n, 1, sharex=True, squeeze=False)[:, 0])


def _plain(value: object) -> str:
    if isinstance(value, tuple | list):
        return " ".join(map(str, value))
    return str(value)


def wrapped(parts: Any, width: int = 84) -> list[str]:
    lines = [""]
    for part in parts:
        if lines[-1] and len(lines[-1]) + len(part) + 2 > width:
            lines.append("")
        lines[-1] += (", " if lines[-1] else "") + part
    return lines


def latex_number(value: Any, digits: int) -> str:
    if pd.isna(value):
        return ""
    if np.isinf(value):
        return r"$\infty$" if value > 0 else r"$-\infty$"
    text = f"{value:.{digits}f}"
    return f"${text}$" if text.startswith("-") else text
