"""Time of a whole `dbt build` beside that of one model, in the same run.

    python benchmarks/build_time/run.py [--repeat 3]

Both are subprocesses with a warm parse; the smallest of the repeats counts, the
others show the spread. The target is a whole build in at most three times the other.
Writes docs/benchmarks/build.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "benchmarks" / "build.md"
ONE_MODEL = ("build", "--select", "dim_cities")
TARGET_RATIO = 3.0
# Seconds of an earlier release.
BEFORE = {"dbt build --select dim_cities": 4.1, "dbt build": 20}
SLOWEST = 10


def seconds(*arguments: str) -> float:
    """Wall time of one dbt command at the project's root."""
    environment = {
        k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"
    }
    start = time.perf_counter()
    subprocess.run(
        [Path(sys.executable).with_name("dbt"), "--quiet", *arguments],
        cwd=PROJECT,
        env=environment,
        check=True,
    )
    return time.perf_counter() - start


def slowest_nodes() -> list[tuple[float, str]]:
    """The slowest nodes of the last run, in seconds."""
    results = json.loads((PROJECT / "target" / "run_results.json").read_text())
    times = [
        (node["execution_time"], node["unique_id"].split(".")[2])
        for node in results["results"]
    ]
    return sorted(times, reverse=True)[:SLOWEST]


def page(one: list[float], whole: list[float]) -> str:
    """The benchmark's page."""
    ratio = min(whole) / min(one)
    times = {"dbt " + " ".join(ONE_MODEL): one, "dbt build": whole}
    lines = [
        "# How long a build takes",
        "",
        "Written by `python benchmarks/build_time/run.py`: a whole `dbt build` beside "
        "that of one model, by turns, dbt's",
        f"parse warm; {os.cpu_count()} cores, Python {platform.python_version()}, load "
        f"{os.getloadavg()[0]:.1f} at the end. *Before* is an earlier release, of 166",
        "nodes, on another day.",
        "",
        "| command | before | seconds of the clock, best | all |",
        "|---|---:|---:|---|",
        *(
            f"| `{name}` | {BEFORE[name]:g} | {min(t):.1f} "
            f"| {', '.join(f'{x:.1f}' for x in t)} |"
            for name, t in times.items()
        ),
        "",
        f"A whole build takes {ratio:.1f} times one model; the target is "
        f"{TARGET_RATIO:g}: {'met' if ratio <= TARGET_RATIO else 'missed'}. About half "
        "is dbt's own process (its",
        "import, its parsed project, its nodes), the rest two workers beside it.",
        "",
        "The slowest nodes; those of Python include their wait for a worker:",
        "",
        "| node | seconds |",
        "|---|---:|",
        *(f"| {node} | {seconds:.2f} |" for seconds, node in slowest_nodes()),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    seconds("build")  # warms the parse and the bytecode
    one, whole = [], []
    for _ in range(repeat):
        one.append(seconds(*ONE_MODEL))
        whole.append(seconds("build"))
    PAGE.write_text(page(one, whole), encoding="utf-8")
    print(page(one, whole))


if __name__ == "__main__":
    main()
