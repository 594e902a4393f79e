"""Seconds from the published file to everything a reader takes away.

    python benchmarks/report/run.py [--database citypanel.duckdb]

Each command runs in a process of its own, as a person would run it, into a temporary
folder; the best of the repetitions counts. Processor seconds beside the clock's say
what a busy machine would hide. The first line is the floor: Python with duckdb, pandas
and matplotlib imported, which reads and writes nothing. The last lines write under
outputs/ of the working folder and run once.
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
    "study report": ["study"],
    "codebook": ["codebook"],
    "export of the panel": ["export"],
    "export of every table": ["export", "--table", "all"],
    "replication package": ["package", "--without-outputs"],
}
# The package is one file; these two write where the project's pages belong.
FILE = {"replication package": "package.zip"}
IN_PLACE = {
    "quality report and Data Docs": (["report"], ("quality", "data_docs")),
    "2,000 specifications": (
        ["specifications", "--count", "2000"],
        ("specifications",),
    ),
}
FLOOR = "import duckdb, pandas, matplotlib.pyplot"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=Path, default=Path("citypanel.duckdb"))
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    print("| outputs | seconds | processor seconds | files | kilobytes |")
    print("|---|---|---|---|---|")
    seconds, processor = _best([sys.executable, "-c", FLOOR], options.repetitions)
    print(f"| Python and its libraries | {seconds:.1f} | {processor:.1f} | | |")
    command = [sys.executable, "-m", "citypanel.cli"]
    for name, arguments in COMMANDS.items():
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder, FILE.get(name, ""))
            seconds, processor = _best(
                [*command, *arguments, "-q", "--database", str(options.database),
                 "--output", str(place)],
                options.repetitions,
            )  # fmt: skip
            _print(name, seconds, processor, [Path(folder)])
    for name, (arguments, folders) in IN_PLACE.items():
        seconds, processor = _best([*command, *arguments, "-q"], 1)
        _print(name, seconds, processor, [Path("outputs", each) for each in folders])


def _best(command: list[str], repetitions: int) -> tuple[float, float]:
    """Least seconds on the clock, and least of the processor."""
    seconds, processor = [], []
    for _ in range(repetitions):
        start, used = perf_counter(), _used()
        subprocess.run(command, check=True)
        seconds.append(perf_counter() - start)
        processor.append(_used() - used)
    return min(seconds), min(processor)


def _print(name: str, seconds: float, processor: float, folders: list[Path]) -> None:
    files = [p for folder in folders for p in folder.rglob("*") if p.is_file()]
    size = sum(path.stat().st_size for path in files) / 1024
    print(
        f"| {name} | {seconds:.1f} | {processor:.1f} | {len(files)} | {size:,.0f} |",
        flush=True,
    )


def _used() -> float:
    """Processor seconds of the processes that have ended."""
    usage = getrusage(RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
