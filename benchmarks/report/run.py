"""Seconds from the published file to every table and figure.

    python benchmarks/report/run.py [--database citypanel.duckdb]

Each command runs in a process of its own, as a person would run it, into a temporary
folder; the best of the repetitions counts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
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
    print("| outputs | seconds | files | kilobytes |")
    print("|---|---|---|---|")
    for name, arguments in COMMANDS.items():
        seconds = []
        for _ in range(options.repetitions):
            with tempfile.TemporaryDirectory() as folder:
                start = perf_counter()
                subprocess.run(
                    [sys.executable, "-m", "citypanel.cli", *arguments, "-q",
                     "--database", str(options.database), "--output", folder],
                    check=True,
                )  # fmt: skip
                seconds.append(perf_counter() - start)
                files = list(Path(folder).iterdir())
                size = sum(path.stat().st_size for path in files) / 1024
        print(f"| {name} | {min(seconds):.1f} | {len(files)} | {size:.0f} |")


if __name__ == "__main__":
    main()
