"""Seconds, programmes per second and memory of the frontier engine and its peers.

Simulated lognormal panels: 2 inputs and 1 output up to 100,000 units and 4 inputs and 3
outputs up to 3,000, of nine periods, and 3 inputs and 2 outputs at 5,000 of twelve; all
sets of programmes of the default index (constant returns within and across periods,
variable returns within). Peers that solve one programme at a time are timed on a sample
and scaled up, which the table says. Each case runs in a process of its own, so its
memory peak is its own. The Malmquist-Luenberger index of 400 firms has its last output
for a bad one.

    python -m benchmarks.frontier            # everything
    python -m benchmarks.frontier --quick    # up to 3,000 units, a small bootstrap

Writes docs/benchmarks/frontier.md and frontier.svg. highspy and matplotlib are needed
for their row and for the plot only; R packages are timed where Rscript and they are
installed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import scipy

SEED = 20260101
ROOT = Path(__file__).resolve().parents[2]
#: Inputs, outputs, periods, and units.
SIZES = {
    (2, 1, 9): (70, 300, 3_000, 30_000, 100_000),
    (4, 3, 9): (70, 300, 3_000),
    (3, 2, 12): (5_000,),
}
LUENBERGER = {"units": 400, "m": 2, "s": 2, "periods": 9}
#: Programmes that a one-at-a-time solver is timed on, and the most units it gets.
SAMPLE = 300
LARGEST_ONE_BY_ONE = 3_000
BOOTSTRAP = {"units": 70, "m": 2, "s": 1, "periods": 9, "replications": 2_000}
#: Seconds of the releases before facets and the simplex served every technology.
BEFORE = {
    ("citypanel", 3_000, 4, 3): 16.5,
    ("citypanel", 5_000, 3, 2): 110,
    ("Malmquist-Luenberger", 400, 2, 2): 166,
    ("bootstrap", 70, 2, 1): 22,
}


def simulate(units: int, m: int, s: int, periods: int) -> tuple[pd.DataFrame, dict]:
    """A lognormal panel with half-normal inefficiency; the seed is fixed."""
    rng = np.random.default_rng(SEED)
    n = units * periods
    frame = pd.DataFrame(
        {
            "unit": np.repeat(np.arange(units), periods),
            "period": np.tile(np.arange(periods), units),
        }
    )
    inputs, outputs = [f"x{i}" for i in range(m)], [f"y{i}" for i in range(s)]
    for name in inputs:
        frame[name] = np.exp(rng.standard_normal(n))
    core = np.log(frame[inputs]).mean(axis=1)
    for name in outputs:
        noise = 0.3 * rng.standard_normal(n) - np.abs(0.5 * rng.standard_normal(n))
        frame[name] = np.exp(core + noise)
    return frame, {
        "unit": "unit",
        "period": "period",
        "outputs": outputs,
        "inputs": inputs,
    }


def programmes_of(units: int, periods: int) -> int:
    """Programmes of the default index."""
    return units * (periods + 2 * (periods - 1) + periods)


def citypanel_seconds(units: int, m: int, s: int, periods: int) -> dict:
    """Best of several runs of `malmquist`, DataFrame to DataFrame."""
    from citypanel.frontier import malmquist

    panel, keys = simulate(units, m, s, periods)
    malmquist(simulate(30, m, s, periods)[0], **keys)
    seconds = []
    for _ in range(9 if units <= 300 else 3 if units <= 3_000 else 1):
        start = time.perf_counter()
        result = malmquist(panel, **keys)
        seconds.append(time.perf_counter() - start)
    report = result.attrs["certificate"]
    assert report["programmes"] == programmes_of(units, periods)
    assert report["not_certified"] == 0
    return {"seconds": min(seconds), "repaired": repaired(report), "sampled": False}


def luenberger_seconds(units: int, m: int, s: int, periods: int) -> dict:
    """Best of three of `malmquist_luenberger`."""
    from citypanel.frontier import malmquist_luenberger

    panel, keys = simulate(units, m, s, periods)
    *goods, bad = keys.pop("outputs")
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        malmquist_luenberger(panel, **keys, outputs=goods, bads=[bad])
        seconds.append(time.perf_counter() - start)
    return {"seconds": min(seconds), "sampled": False}


def repaired(report: dict) -> int:
    """Programmes that the first method did not prove."""
    ways = [report[name] for name in ("by_hull", "by_simplex", "by_lp", "by_rational")]
    return int(sum(ways) - max(ways))


def one_by_one(units: int, m: int, s: int, periods: int, solver_of) -> dict:
    """A solver of single programmes on a sample, scaled to all programmes."""
    from citypanel.frontier.panel import prepare
    from citypanel.frontier.technology import build_technology, output_programmes

    panel, keys = simulate(units, m, s, periods)
    data = prepare(panel, **keys)
    rng = np.random.default_rng(SEED)
    spent, solved = 0.0, 0
    share = periods / (4 * periods - 2)
    for returns, weight in (("crs", 1 - share), ("vrs", share)):
        rows = np.flatnonzero(data.period_of == 0)
        cone = build_technology(
            data.inputs[rows], data.outputs[rows], returns_to_scale=returns
        )
        some = rng.choice(rows, min(len(rows), SAMPLE), replace=False)
        q, r = output_programmes(cone, data.inputs[some], data.outputs[some])
        start = time.perf_counter()
        solve = solver_of(cone)
        for k in range(len(some)):
            solve(q[k], r[k])
        spent += weight * (time.perf_counter() - start) / len(some)
        solved += len(some)
    seconds = spent * programmes_of(units, periods)
    return {"seconds": seconds, "sampled": True, "solved": solved}


def linprog_solver(cone):
    """scipy.optimize.linprog, method HiGHS, a call a programme."""
    from scipy.optimize import linprog

    n, d = len(cone.columns), cone.dimension
    matrix = np.empty((d, n + 1))
    matrix[:, :n] = cone.columns.T
    cost = np.zeros(n + 1)
    cost[n] = -1.0
    bounds = [(0, None)] * n + [(None, None)]

    def solve(q, r):
        matrix[:, n] = -r
        answer = linprog(cost, A_eq=matrix, b_eq=q, bounds=bounds, method="highs")
        assert answer.status == 0
        return answer.x[n]

    return solve


def highspy_solver(cone):
    """highspy with one model, changed from unit to unit and started warm."""
    import highspy

    n, d = len(cone.columns), cone.dimension
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = n + 1, d
    lp.col_cost_ = np.concatenate([np.zeros(n), [-1.0]])
    lp.col_lower_ = np.concatenate([np.zeros(n), [-highspy.kHighsInf]])
    lp.col_upper_ = np.full(n + 1, highspy.kHighsInf)
    lp.row_lower_ = lp.row_upper_ = np.zeros(d)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.arange(0, (n + 2) * d, d)
    lp.a_matrix_.index_ = np.tile(np.arange(d), n + 1)
    lp.a_matrix_.value_ = np.concatenate([cone.columns.ravel(), np.ones(d)])
    model.passModel(lp)

    def solve(q, r):
        for row in range(d):
            model.changeCoeff(row, n, -r[row])
            model.changeRowBounds(row, q[row], q[row])
        model.run()
        assert model.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return model.getInfo().objective_function_value

    return solve


R_SCRIPT = """
suppressMessages(library({package}))
d <- read.csv("{path}")
start <- proc.time()[["elapsed"]]
{call}
cat(proc.time()[["elapsed"]] - start)
"""
R_CALLS = {
    "productivity": 'invisible(malm(d, id.var = "unit", time.var = "period", '
    "x.vars = c({x}), y.vars = c({y}), rts = 'vrs', orientation = 'out'))",
    "Benchmarking": "invisible(malmquist(as.matrix(d[, c({x})]), "
    "as.matrix(d[, c({y})]), d$unit, d$period, RTS = 'crs', ORIENTATION = 'out'))",
}


def r_seconds(units: int, m: int, s: int, periods: int, package: str) -> dict:
    """An R package's own Malmquist function, timed inside R."""
    panel, keys = simulate(units, m, s, periods)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "panel.csv"
        panel.to_csv(path, index=False)
        quoted = {
            k: ", ".join(f'"{c}"' for c in keys[k]) for k in ("inputs", "outputs")
        }
        call = R_CALLS[package].format(x=quoted["inputs"], y=quoted["outputs"])
        script = R_SCRIPT.format(package=package, path=path, call=call)
        done = subprocess.run(
            ["Rscript", "-e", script], capture_output=True, text=True, timeout=300
        )
    if done.returncode:
        raise ModuleNotFoundError(done.stderr.strip().splitlines()[-1])
    return {"seconds": float(done.stdout.split()[-1]), "sampled": False}


def bootstrap_seconds(
    units: int, m: int, s: int, periods: int, replications: int, n_jobs: int
) -> dict:
    """`bootstrap_malmquist`."""
    from citypanel.frontier import bootstrap_malmquist

    panel, keys = simulate(units, m, s, periods)
    bootstrap_malmquist(panel, **keys, seed=1, replications=2 * n_jobs, n_jobs=n_jobs)
    start = time.perf_counter()
    bootstrap_malmquist(panel, **keys, seed=1, replications=replications, n_jobs=n_jobs)
    return {"seconds": time.perf_counter() - start, "sampled": False}


def measure(case: dict) -> dict:
    """One case, in this process."""
    kind = case["kind"]
    panel = {name: case[name] for name in ("units", "m", "s", "periods")}
    if kind == "citypanel":
        found = citypanel_seconds(**panel)
    elif kind == "Malmquist-Luenberger":
        found = luenberger_seconds(**panel)
    elif kind == "scipy linprog":
        found = one_by_one(**panel, solver_of=linprog_solver)
    elif kind == "highspy warm":
        found = one_by_one(**panel, solver_of=highspy_solver)
    elif kind.startswith("R "):
        found = r_seconds(**panel, package=kind[2:])
    else:
        jobs, count = case["n_jobs"], case["replications"]
        found = bootstrap_seconds(**panel, replications=count, n_jobs=jobs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**case, **found, "peak_mb": peak / 1024}


def in_a_process(case: dict) -> dict | None:
    """One case in a fresh interpreter; None where a package is not installed."""
    command = [sys.executable, "-m", "benchmarks.frontier", "--case", json.dumps(case)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1]
        if "ModuleNotFoundError" in last or "TimeoutExpired" in last:
            print(f"left out: {case['kind']}, {case['units']} units: {last}")
            return None
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.strip().splitlines()[-1])


def cases(quick: bool) -> list[dict]:
    """What is measured, in order."""
    kinds = ["citypanel", "scipy linprog", "highspy warm"]
    if shutil.which("Rscript"):
        kinds += [f"R {package}" for package in R_CALLS]
    found = []
    for (m, s, periods), sizes in SIZES.items():
        for units in sizes:
            if quick and units > 3_000:
                continue
            panel = {"units": units, "m": m, "s": s, "periods": periods}
            found += [
                {"kind": kind, **panel}
                for kind in kinds
                if kind == "citypanel" or units <= LARGEST_ONE_BY_ONE
            ]
    found.append({"kind": "Malmquist-Luenberger", **LUENBERGER})
    boot = {"kind": "bootstrap", **BOOTSTRAP, "n_jobs": min(2, os.cpu_count() or 1)}
    found.append(boot | {"replications": 200} if quick else boot)
    return found


def table(rows: list[dict]) -> str:
    """Markdown: one row a case."""
    base = {shape(row): row["seconds"] for row in rows if row["kind"] == "citypanel"}
    lines = [
        "| units x periods | inputs x outputs | what | before | seconds | "
        "programmes / s | times citypanel | peak, MB |",
        "|---:|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        if shape(row) not in base or row["kind"] == "bootstrap":
            continue
        count = programmes_of(row["units"], row["periods"])
        ratio = row["seconds"] / base[shape(row)]
        note = f", from {row['solved']} programmes" if row["sampled"] else ""
        lines.append(
            f"| {row['units']:,} x {row['periods']} | {row['m']} x {row['s']} | "
            f"{row['kind']}{note} | {before(row)} | {row['seconds']:.3g} | "
            f"{count / row['seconds']:,.0f} | {ratio:,.0f} | {row['peak_mb']:,.0f} |"
        )
    return "\n".join(lines)


def shape(row: dict) -> tuple:
    """Of the panel of a row."""
    return row["units"], row["m"], row["s"], row["periods"]


def before(row: dict) -> str:
    """Seconds of an earlier release, where they were measured."""
    return f"{BEFORE.get((row['kind'], *shape(row)[:3]), '')}"


def page(rows: list[dict]) -> str:
    """The page around the table."""
    named = {row["kind"]: row for row in rows}
    boot, bads = named["bootstrap"], named["Malmquist-Luenberger"]
    mine = [row for row in rows if row["kind"] == "citypanel"]
    repairs = sum(row["repaired"] for row in mine)
    count = sum(programmes_of(row["units"], row["periods"]) for row in mine)
    return f"""# How fast the frontier engine is

Written by `python -m benchmarks.frontier` on a machine with {os.cpu_count()} cores,
one thread a linear algebra call; Python {sys.version.split()[0]},
NumPy {np.__version__}, SciPy {scipy.__version__}. Other work may have run beside it, so
the last digits are worth little.

All programmes of the default Malmquist index of a simulated lognormal panel: constant
returns within a period and across neighbouring ones, variable returns within. Seconds
of `citypanel` are from DataFrame to DataFrame, the checks, certificates and summary
columns included. Solvers of one programme at a time are timed on a sample of programmes
of the same technologies and scaled up; the time to build a DataFrame is not in theirs.
R packages appear where Rscript and they are installed. *Before* are seconds of earlier
releases on another day.

{table(rows)}

Of {count:,} programmes of `citypanel` above, {repairs:,} were solved a second time
because the first solution could not be proved.

Malmquist-Luenberger index of {bads["units"]} x {bads["periods"]} with 2 inputs, a good
and a bad output: {bads["seconds"]:.2f} s ({before(bads)} before).

Bootstrap: {boot["replications"]:,} replications of {boot["units"]} x {boot["periods"]}
with 2 inputs and 1 output on {boot["n_jobs"]} workers: {boot["seconds"]:.1f} s
({before(boot)} before), {boot["peak_mb"]:,.0f} MB in the main process.

![Seconds against units, both axes logarithmic](frontier.svg)
"""


def plot(rows: list[dict], path: Path) -> None:
    """Seconds against units, log-log."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        print("no plot: it needs matplotlib (pip install matplotlib)")
        return
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "citypanel"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    styles = {(2, 1): "-", (4, 3): "--"}
    rows = [row for row in rows if shape(row)[1:] in SIZES]
    kinds = list(dict.fromkeys(r["kind"] for r in rows if r["kind"] != "bootstrap"))
    for colour, kind in enumerate(kinds):
        for sides, style in styles.items():
            points = [
                (row["units"], row["seconds"])
                for row in rows
                if row["kind"] == kind and (row["m"], row["s"]) == sides
            ]
            if points:
                axes.loglog(
                    *zip(*points, strict=True),
                    style,
                    marker="o",
                    color=f"C{colour}",
                    label=f"{kind}, {sides[0]} x {sides[1]}",
                )
    axes.set_xlabel("units (x 9 periods)")
    axes.set_ylabel("seconds")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "benchmarks")
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(json.loads(options.case))))
        return
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    rows = []
    for case in cases(options.quick):
        row = in_a_process(case)
        if row is not None:
            rows.append(row)
            print(f"{row['kind']:15} {row['units']:>7,} {row['seconds']:.4g} s")
    options.to.mkdir(parents=True, exist_ok=True)
    (options.to / "frontier.md").write_text(page(rows), encoding="utf-8")
    plot(rows, options.to / "frontier.svg")


if __name__ == "__main__":
    main()
