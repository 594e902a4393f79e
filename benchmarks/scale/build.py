"""The whole build on a panel of any size: seconds and memory, and a table by node.

    python -m benchmarks.scale.build --units 2800 --years 30

makes the panel (`benchmarks.scale.panel`) in a copy of the project in a temporary
folder, builds it, and writes docs/benchmarks/warehouse.md. Nodes run beside each other:
their seconds add up to more than the clock's. Tests count to the table that they test.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from benchmarks.scale.panel import FIRST_YEAR, large_panel, write_seeds

PROJECT = Path(__file__).parents[2]
PARTS = (
    "analyses", "expectations", "macros", "models", "python_models", "seeds",
    "src/citypanel/skeleton", "studies", "tests/generic", "tests/singular",
    "dbt_project.yml", "profiles.yml",
)  # fmt: skip
TARGET_SECONDS, TARGET_GB = 90, 1.5
ROWS = 25


def copied(folder: Path) -> None:
    """Copy what a build reads."""
    for part in PARTS:
        source, to = PROJECT / part, folder / part
        to.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, to)
        else:
            shutil.copy2(source, to)


def lengthen(folder: Path, last_year: int) -> None:
    """Let the copied study's years end in another."""
    path = folder / "studies" / "pilot_zones" / "study.yml"
    text = path.read_text(encoding="utf-8")
    for written in ("last: {}", "default: {}"):
        old = written.format(2019)
        if text.count(old) != 1:
            raise SystemExit(f"{path}: {old!r} does not stand there once")
        text = text.replace(old, written.format(last_year))
    path.write_text(text, encoding="utf-8")


def built(folder: Path) -> tuple[float, int]:
    """Seconds of the clock, and the exit status."""
    environment = {
        k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"
    }
    start = time.perf_counter()
    done = subprocess.run(
        [Path(sys.executable).with_name("dbt"), "build", "--quiet"],
        cwd=folder,
        env=environment,
        check=False,
    )
    return time.perf_counter() - start, done.returncode


def by_node(folder: Path) -> list[tuple[str, float, float, str]]:
    """Tables with the seconds they and their tests took, the slowest first."""
    results = json.loads((folder / "target" / "run_results.json").read_text())
    manifest = json.loads((folder / "target" / "manifest.json").read_text())
    made: dict[str, float] = defaultdict(float)
    tested: dict[str, float] = defaultdict(float)
    status: dict[str, str] = {}
    for result in results["results"]:
        name, seconds = result["unique_id"], result["execution_time"]
        node = manifest["nodes"].get(name, {})
        if node.get("resource_type") == "test":
            of = node.get("attached_node") or (node["depends_on"]["nodes"] or [name])[0]
            tested[of] += seconds
        else:
            made[name] += seconds
            status[name] = result["status"]
    names = set(made) | set(tested)
    rows = [
        (name.split(".")[2], made[name], tested[name], status.get(name, ""))
        for name in names
        if name.count(".") >= 2
    ]
    return sorted(rows, key=lambda row: -row[1] - row[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=2800)
    parser.add_argument("--years", type=int, default=30)
    parser.add_argument(
        "--to", type=Path, default=PROJECT / "docs" / "benchmarks" / "warehouse.md"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copied(folder)
        write_seeds(large_panel(asked.units, asked.years, slips=0.0), folder)
        lengthen(folder, FIRST_YEAR + asked.years - 1)
        seconds, status = built(folder)
        rows = by_node(folder)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    lines = [
        "# The whole build on a large panel",
        "",
        f"{asked.units:,} units x {asked.years} years, all steps of the shipped study; "
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.0f}. Made by `python -m benchmarks.scale.build`.",
        "",
        f"{seconds:.0f} s of the clock, {cpu:.0f} s of the cores, at most "
        f"{used.ru_maxrss / 1e6:.2f} GB in one process; targets {TARGET_SECONDS} s and "
        f"{TARGET_GB} GB. Exit status {status}.",
        "",
        "| table | seconds | its tests | status |",
        "|---|---:|---:|---|",
        *(f"| {n} | {s:.2f} | {t:.2f} | {word} |" for n, s, t, word in rows[:ROWS]),
        "",
    ]
    asked.to.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
