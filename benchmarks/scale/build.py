"""The whole build on panels of any size: seconds and memory, and a table by node.

    python -m benchmarks.scale.build --units 700 1400 2800 --years 30

makes each panel (`benchmarks.scale.panel`) in a copy of the project in a temporary
folder, builds it, and writes docs/benchmarks/warehouse.md. Tests count to the table
that they test.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
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
BEFORE = (
    "An earlier release took 504 s and 2 GB for 2,800 units and 10 years, a third of "
    "the years, on another day."
)


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


@dataclass(frozen=True)
class Build:
    """What a build took.

    Attributes
    ----------
    units : int
    clock, cores : float
        Seconds.
    memory : float
        Gigabytes of the largest process.
    status : int
        Of dbt.
    nodes : list of (table, seconds, seconds of its tests)
    """

    units: int
    clock: float
    cores: float
    memory: float
    status: int
    nodes: list[tuple[str, float, float]]


def family(pid: int) -> Iterator[int]:
    """A process and all that it has started."""
    yield pid
    with suppress(OSError):
        # Each thread has children of its own.
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                yield from family(int(child))


def most_memory(pid: int) -> dict[int, float]:
    """Gigabytes that each process of a family has held at most, where Linux tells."""
    found = {}
    for member in family(pid):
        with suppress(OSError):
            for line in Path(f"/proc/{member}/status").read_text().splitlines():
                if line.startswith("VmHWM"):
                    found[member] = int(line.split()[1]) / 1e6
    return found


def built(units: int, years: int) -> Build:
    """A panel's build, measured."""
    environment = {
        k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copied(folder)
        write_seeds(large_panel(units, years, slips=0.0), folder)
        lengthen(folder, FIRST_YEAR + years - 1)
        dbt = str(Path(sys.executable).with_name("dbt"))
        start = time.perf_counter()
        process = subprocess.Popen(
            [dbt, "build", "--quiet"], cwd=folder, env=environment
        )
        held: dict[int, float] = {}
        done = 0
        while not done:
            held |= most_memory(process.pid)
            time.sleep(0.2)
            done, status, used = os.wait4(process.pid, os.WNOHANG)
        clock = time.perf_counter() - start
        return Build(
            units,
            clock,
            used.ru_utime + used.ru_stime,
            max(used.ru_maxrss / 1e6, *held.values()),
            os.waitstatus_to_exitcode(status),
            by_node(folder),
        )


def by_node(folder: Path) -> list[tuple[str, float, float]]:
    """Tables with the seconds they and their tests took, the slowest first."""
    results = json.loads((folder / "target" / "run_results.json").read_text())
    manifest = json.loads((folder / "target" / "manifest.json").read_text())
    made: dict[str, float] = defaultdict(float)
    tested: dict[str, float] = defaultdict(float)
    for result in results["results"]:
        name, seconds = result["unique_id"], result["execution_time"]
        node = manifest["nodes"].get(name, {})
        if node.get("resource_type") == "test":
            of = node.get("attached_node") or (node["depends_on"]["nodes"] or [name])[0]
            tested[of] += seconds
        elif name.startswith("unit_test."):
            tested["model." + ".".join(name.split(".")[1:3])] += seconds
        else:
            made[name] += seconds
    names = set(made) | set(tested)
    rows = [
        (name.split(".")[2], made[name], tested[name])
        for name in names
        if name.count(".") >= 2
    ]
    return sorted(rows, key=lambda row: -row[1] - row[2])


def page(builds: list[Build], years: int) -> str:
    """The benchmark's page: the last panel is the one of the target."""
    last = builds[-1]
    reached = last.clock <= TARGET_SECONDS and last.memory <= TARGET_GB
    said = "It is reached." if reached else "It is not reached."
    seconds = [{n: s for n, s, _ in build.nodes} for build in builds]
    sizes = [f"{build.units:,}" for build in builds]
    lines = [
        "# The whole build on a large panel",
        "",
        f"All steps of the shipped study on made-up panels of {years} years; Python "
        f"{platform.python_version()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.0f} at the end. Made by `python -m "
        "benchmarks.scale.build`.",
        "",
        "| units | seconds of the clock | of the cores | by unit | GB of the largest "
        "process | exit status |",
        "|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {b.units:,} | {b.clock:.0f} | {b.cores:.0f} | {b.cores / b.units:.3f} "
            f"| {b.memory:.2f} | {b.status} |"
            for b in builds
        ),
        "",
        BEFORE,
        "",
        f"The target for {last.units:,} units is {TARGET_SECONDS} s and {TARGET_GB} GB "
        f"in one process. {said}",
        "",
        "What a large panel leaves out has a row in `rpt_referee` that says so: factor "
        "models, the triply robust estimator, pooled synthetic controls and, from some "
        "1,900 units on, the jackknife of the synthetic controls.",
        "",
        "## By table",
        "",
        "Seconds of the clock. Tables run beside each other: those of Python share two "
        "workers, and their seconds hold the wait for one. The last column is of the "
        f"tests, at {sizes[-1]} units.",
        "",
        f"| table | {' | '.join(sizes)} | tests |",
        f"|---|{'---:|' * (len(sizes) + 1)}",
        *(
            f"| {name} | {' | '.join(f'{s.get(name, 0):.2f}' for s in seconds)} "
            f"| {tested:.2f} |"
            for name, _, tested in last.nodes[:ROWS]
        ),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, nargs="+", default=[700, 1400, 2800])
    parser.add_argument("--years", type=int, default=30)
    parser.add_argument(
        "--to", type=Path, default=PROJECT / "docs" / "benchmarks" / "warehouse.md"
    )
    asked = parser.parse_args()
    text = page([built(units, asked.years) for units in asked.units], asked.years)
    asked.to.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
