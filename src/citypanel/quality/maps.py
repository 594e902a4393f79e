"""Heat maps of coverage, city by year, as the paths of an SVG drawing."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd


class Origin(NamedTuple):
    """How a cell of an origin is drawn; letter is what a grey print shows."""

    code: str
    letter: str


ORIGINS = {
    "reported": Origin("r", ""),
    "other_source": Origin("s", "S"),
    "corrected": Origin("k", "K"),
    "interpolated": Origin("i", "I"),
    "carried": Origin("c", "C"),
    "chained": Origin("g", "G"),
    "assumed": Origin("a", "A"),
    "missing": Origin("m", ""),
}
UNKNOWN = "m"
# Steps of the share of cells that are not as published, upper ends.
STEPS = (0.05, 0.15, 0.3, 0.5, 1.0)
CELL_WIDTH, CELL_HEIGHT, LABEL_WIDTH, HEAD = 21, 15, 112, 16


@dataclass(frozen=True)
class Rows:
    """The frame of every map: cities from top to bottom, years from left to right."""

    ids: list[str]
    names: Mapping[str, tuple[str, str]]
    years: list[int]
    halves: list[list[str]] = field(default_factory=list)

    @property
    def cell_width(self) -> int:
        """Width of a cell; narrower for long panels."""
        return max(6, min(CELL_WIDTH, 10 * CELL_WIDTH // max(len(self.years), 1)))


@dataclass(frozen=True)
class Half:
    """One of the two columns of a map."""

    number: int
    n_rows: int
    paths: dict[str, str]
    letters: list[tuple[int, int, str, str]]


@dataclass(frozen=True)
class Map:
    """A drawing, and one code a cell, cities x years row by row, for the pointer."""

    halves: list[Half]
    codes: str


def region_rows(cities: pd.DataFrame, cells: pd.DataFrame) -> Rows:
    """Cities in the order of their codes, which is that of the provinces."""
    named = cities.sort_values("city_id")
    ids = list(named["city_id"])
    middle = (len(ids) + 1) // 2
    return Rows(
        ids=ids,
        names={
            row["city_id"]: (row["city_en"], row["city_zh"])
            for row in named.to_dict("records")
        },
        years=[int(year) for year in sorted(cells["year"].unique())],
        halves=[ids[:middle], ids[middle:]],
    )


def origin_maps(cells: pd.DataFrame, rows: Rows) -> dict[str, Map]:
    """A map of origin codes for every variable."""
    known = {name: origin.code for name, origin in ORIGINS.items()}
    letters = {origin.code: origin.letter for origin in ORIGINS.values()}
    maps = {}
    for variable, part in cells.groupby("variable", sort=True):
        code = part["origin"].map(known).fillna(UNKNOWN)
        grid = _grid(part.assign(code=code), "code", rows, fill=UNKNOWN)
        classes = {origin.code: name for name, origin in ORIGINS.items()}
        maps[variable] = _draw(grid, rows, classes=classes, letters=letters)
    return maps


def count_map(cells: pd.DataFrame, rows: Rows) -> Map:
    """Of every city-year, how many variables are not as published."""
    n_variables = cells["variable"].nunique()
    counted = (
        cells.assign(other=cells["origin"] != "reported")
        .groupby(["city_id", "year"], as_index=False)["other"]
        .sum()
    )
    grid = _grid(counted, "other", rows, fill=0)
    steps = [[_step(int(n), n_variables) for n in line] for line in grid]
    classes = {str(step): f"step-{step}" for step in range(len(STEPS) + 1)}
    drawn = _draw(steps, rows, classes=classes, letters={})
    halves = []
    start = 0
    for half in drawn.halves:
        numbers = [
            (x, y, str(int(grid[start + y][x])), f"on-{steps[start + y][x]}")
            for y in range(half.n_rows)
            for x in range(len(rows.years))
            if grid[start + y][x]
        ]
        halves.append(Half(half.number, half.n_rows, half.paths, numbers))
        start += half.n_rows
    return Map(halves=halves, codes="")


def _step(n: int, total: int) -> str:
    if n == 0:
        return "0"
    return str(next(i for i, end in enumerate(STEPS, 1) if n <= end * total))


def _grid(part: pd.DataFrame, column: str, rows: Rows, *, fill) -> list[list]:
    found = {
        (city, int(year)): value
        for city, year, value in zip(
            part["city_id"], part["year"], part[column], strict=True
        )
    }
    return [[found.get((city, year), fill) for year in rows.years] for city in rows.ids]


def _draw(
    grid: list[list[str]],
    rows: Rows,
    *,
    classes: Mapping[str, str],
    letters: Mapping[str, str],
) -> Map:
    halves, start = [], 0
    for place, ids in enumerate(rows.halves):
        lines = grid[start : start + len(ids)]
        start += len(ids)
        paths: dict[str, str] = {}
        written = []
        for y, line in enumerate(lines):
            end = 0
            for code, run in itertools.groupby(line):
                x, end = end, end + len(list(run))
                name = classes[code]
                drawn = f"M{x} {y}h{end - x}v1h{x - end}z"
                paths[name] = paths.get(name, "") + drawn
                if letter := letters.get(code):
                    written += [(at, y, letter, f"on-{name}") for at in range(x, end)]
        halves.append(Half(place, len(ids), paths, written))
    return Map(halves=halves, codes="".join("".join(line) for line in grid))
