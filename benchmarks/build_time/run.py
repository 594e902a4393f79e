"""Time of a whole `dbt build` beside that of one model, in the same run.

    python benchmarks/build_time/run.py [--repeat 3]

Both are subprocesses with a warm parse; the smallest of the repeats counts, the
others show the spread. The target is a whole build in at most three times the other.
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
ONE_MODEL = ("build", "--select", "dim_cities")
TARGET_RATIO = 3.0
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    seconds("build")  # warms the parse and the bytecode
    one, whole = [], []
    for _ in range(repeat):
        one.append(seconds(*ONE_MODEL))
        whole.append(seconds("build"))
    ratio = min(whole) / min(one)
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}")
    print("| command | best (s) | all (s) |\n|---|---|---|")
    for name, times in [("dbt " + " ".join(ONE_MODEL), one), ("dbt build", whole)]:
        listed = ", ".join(f"{t:.1f}" for t in times)
        print(f"| `{name}` | {min(times):.1f} | {listed} |")
    verdict = "met" if ratio <= TARGET_RATIO else "missed"
    print(f"\nRatio {ratio:.2f}; target {TARGET_RATIO:g}: {verdict}.\n")
    print("Slowest nodes of the last build:")
    for duration, node in slowest_nodes():
        print(f"  {duration:6.2f} s  {node}")


if __name__ == "__main__":
    main()
