"""Specifications per second, beside a loop over fresh linprog and linearmodels calls.

    python -m benchmarks.curve              # 2,000 specifications, 2 of the loop
    python -m benchmarks.curve --count 400  # fewer
    python -m benchmarks.curve --repeat 1   # the curves once, not three times by turns

Reads the published file (make build first), writes docs/benchmarks/curve.md. The
loop recomputes the study for every specification, solves each programme with
scipy.optimize.linprog and the regression with linearmodels; its estimates are checked
against ours before its time counts.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy

from citypanel.curve import command, running
from citypanel.curve.choices import load_choices
from citypanel.curve.specifications import design
from citypanel.study.estimation import estimate
from citypanel.study.run import Study

from .loop import one_specification

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks" / "curve.md"
# Seconds a specification of an earlier release.
BEFORE = {"2 processes": 45 / 2_000}
# What the loop can do: the headline's frontier and regression, other inputs.
MOVES = ({}, {"real_gdp": "city_growth"}, {"depreciation": 0.096})


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--loops", type=int, default=2, choices=range(1, 4))
    parser.add_argument("--permutations", type=int, default=199)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    published = command.read_published(ROOT / "citypanel.duckdb")
    load_before = os.getloadavg()[0]
    loop = np.mean([_loop(published, MOVES[k]) for k in range(options.loops)])
    seconds: dict[str, list[float]] = {}
    for _ in range(options.repeat):
        for name, clock in _curves(published, options.count, options.permutations):
            seconds.setdefault(name, []).append(clock)
    rows = [("loop over fresh linprog and linearmodels calls", options.loops, loop, "")]
    for name, found in seconds.items():
        every = ", ".join(f"{clock:.1f}" for clock in found)
        rows.append((name, options.count, min(found) / options.count, every))
    _write(rows, options.permutations, load_before)


def _loop(published, moves: dict) -> float:
    """Seconds of one specification of the loop, its estimate checked."""
    chosen = published.base.replace(**moves)
    start = time.perf_counter()
    b, _ = one_specification(published.study.sources, chosen)
    seconds = time.perf_counter() - start
    ours = estimate(Study(published.study.sources), chosen)
    if not np.isclose(b, ours.estimate, rtol=1e-6):
        raise SystemExit(f"the loop gives {b}, the curve {ours.estimate}: {moves}")
    return seconds


def _curves(published, count: int, permutations: int):
    choices = load_choices()
    rows = design(choices, published.base, n=count, seed=published.seed)
    job = running.Run(
        published.study, rows, choices, published.base, permutations, published.seed
    )

    def seconds(**where) -> float:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            running.execute(job, folder=Path(folder), **where)
            return time.perf_counter() - start

    yield "1 process", seconds(workers=1)
    yield "2 processes", seconds(workers=2)
    try:
        from distributed import LocalCluster
    except ImportError:
        return
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        yield "2 Dask workers", seconds(dask=cluster.scheduler_address)


def _write(
    rows: list[tuple[str, int, float, str]], permutations: int, load: float
) -> None:
    slow = rows[0][2]
    # Load that comes and goes between the rows makes their ratio meaningless.
    shared = load > os.cpu_count() / 2
    lines = [
        "# How fast the specification curve is",
        "",
        "Written by `python -m benchmarks.curve` on a machine with "
        f"{os.cpu_count()} cores, one thread a",
        f"linear algebra call; Python {platform.python_version()}, NumPy "
        f"{np.__version__}, SciPy {scipy.__version__}. The load average was "
        f"{load:.1f}",
        "when it began. "
        + (
            "The machine was shared: other work came and went, so every figure is an\n"
            "upper bound of the seconds, and the rows cannot be set against each other."
            if shared
            else "Nothing else of weight ran beside it."
        ),
        "",
        "The loop does what a script would do for one specification: the study from "
        "its cells,",
        "2,336 programmes with `scipy.optimize.linprog` (four a city-year), and "
        "`linearmodels`. Its",
        "estimate agrees with ours to 6 digits or more. The curve is the shipped "
        "study's, with",
        f"{permutations} permutations of each two-way specification, which the loop "
        "does not do; the start of",
        "the processes is included. The curves ran by turns, and the best counts. "
        "*Before* are",
        "seconds of an earlier release, on another day.",
        "",
        "| what | specifications | before | seconds each | per second | all, seconds |"
        + ("" if shared else " times the loop |"),
        "|---|---:|---:|---:|---:|---|" + ("" if shared else "---:|"),
    ]
    for name, count, each, every in rows:
        lines.append(
            f"| {name} | {count:,} | {BEFORE.get(name, '')} | {each:.4f} "
            f"| {1 / each:.3f} | {every} |"
            + ("" if shared else f" {slow / each:,.0f} |")
        )
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines[-len(rows) :]))


if __name__ == "__main__":
    main()
