"""Seconds from the published file to every table and figure.

    python benchmarks/report/run.py [--database citypanel.duckdb]

Each command runs in a process of its own, as a person would run it, into a temporary
folder; the best of the repetitions counts. Processor seconds beside the clock's say
what a busy machine would hide.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from time import perf_counter

COMMANDS = {
    "tables, English": ["tables"],
    "tables, Chinese": ["tables", "--language", "zh"],
    "figures, English": ["figures"],
    "figures, Chinese": ["figures", "--language", "zh"],
    "table_3, LaTeX only": ["tables", "--only", "table_3", "--format", "tex"],
    "figure_1, PDF only": ["figures", "--only", "figure_1", "--format", "pdf"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=Path, default=Path("citypanel.duckdb"))
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    print("| outputs | seconds | processor seconds | files | kilobytes |")
    print("|---|---|---|---|---|")
    for name, arguments in COMMANDS.items():
        seconds, processor = [], []
        for _ in range(options.repetitions):
            with tempfile.TemporaryDirectory() as folder:
                start, used = perf_counter(), _used()
                subprocess.run(
                    [sys.executable, "-m", "citypanel.cli", *arguments, "-q",
                     "--database", str(options.database), "--output", folder],
                    check=True,
                )  # fmt: skip
                seconds.append(perf_counter() - start)
                processor.append(_used() - used)
                files = list(Path(folder).iterdir())
                size = sum(path.stat().st_size for path in files) / 1024
        print(
            f"| {name} | {min(seconds):.1f} | {min(processor):.1f} | {len(files)} "
            f"| {size:.0f} |"
        )


def _used() -> float:
    """Processor seconds of the processes that have ended."""
    usage = getrusage(RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
