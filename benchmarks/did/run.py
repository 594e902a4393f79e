"""Speed of the estimators and of the resampling, in one run.

    OMP_NUM_THREADS=1 python benchmarks/did/run.py

writes docs/benchmarks/did.md and did.svg. Times are seconds of one core (process time),
so that other work on the machine counts little; each is the best of several runs after
a warm-up. The loops of refits are timed once and scaled to the number named. Peers are
timed where they are installed (`pip install .[peers] duckreg`). Panels of ten million
rows and more are Parquet files written by `scale.py` into ``--folder``.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import scale
from linearmodels.panel import PanelOLS

from citypanel import did
from citypanel.did import bootstrap, frisch_waugh, randomisation
from citypanel.did.moments import way

SIZES = ((70, 9), (300, 20), (3_000, 20), (100_000, 20))
OPTIONS = dict(outcome="y", treatment="sydid", unit="city_id", period="year")
SEED = 20240705


def simulate(n: int, t: int) -> pd.DataFrame:
    rng = np.random.default_rng(SEED)
    years = np.arange(2019 - t + 1, 2020)
    starts = rng.choice([0, 2015, 2016, 2018], n, p=[0.5, 0.05, 0.2, 0.25])
    frame = pd.DataFrame(
        {
            "city_id": np.repeat(np.arange(n), t),
            "year": np.tile(years, n),
            "cohort": np.repeat(starts, t),
        }
    )
    late = (frame["cohort"] > 0) & (frame["year"] >= frame["cohort"])
    level = np.repeat(rng.normal(size=n), t)
    frame = frame.assign(
        sydid=late.astype(float), y=level + rng.normal(size=n * t) + 0.1 * late
    )
    trend = np.repeat(rng.normal(size=n), t) * (frame["year"] - 2000)
    return frame.assign(x1=rng.normal(size=n * t), x2=trend + rng.normal(size=n * t))


def best(function: Callable[[], object], repeats: int = 5) -> float:
    function()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def linearmodels_fit(frame: pd.DataFrame):
    data = frame.set_index(["city_id", "year"])
    model = PanelOLS(data["y"], data[["sydid"]], entity_effects=True, time_effects=True)
    return model.fit(cov_type="clustered", cluster_entity=True)


def is_here(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def regressions() -> list[str]:
    lines = [
        "| cities x years | linearmodels | pyfixest | row by row | from moments |",
        "|---|---|---|---|---|",
    ]
    for n, t in SIZES:
        frame = simulate(n, t)
        repeats = 5 if n <= 3_000 else 1
        row = [best(lambda f=frame: linearmodels_fit(f), repeats), fixest(frame)]
        for chosen in ("never", "always"):
            with way(chosen):
                fit = partial(did.twfe, frame, engine="closed_form", **OPTIONS)
                row.append(best(fit, repeats))
        lines.append(f"| {n:,} x {t} | " + " | ".join(shown(v) for v in row) + " |")
    return lines


def fixest(frame: pd.DataFrame) -> float:
    return best(partial(_pyfixest, frame), 2) if is_here("pyfixest") else float("nan")


CONTROLS = ["x1", "x2"]


def controlled_fixest(frame: pd.DataFrame):
    import pyfixest

    model = "y ~ sydid + x1 + x2 | city_id + year"
    return pyfixest.feols(model, frame, vcov={"CRV1": "city_id"})


def duckreg(path: str, covariates: list[str]) -> None:
    """duckreg's two-way regression of a balanced panel; point estimates only."""
    import duckreg.estimators

    fit = duckreg.estimators.DuckMundlak(
        ":memory:",
        f"read_parquet('{path}')",
        outcome_var="y",
        covariates=covariates,
        seed=SEED,
        unit_col="city_id",
        time_col="year",
        n_bootstraps=0,
    )
    fit.fit()


def controlled(folder: str) -> list[str]:
    """Two-way fixed effects with two controls, from a frame and from a file."""
    lines = [
        "| cities x years | `twfe` of a frame | `twfe` of a file | pyfixest of a frame "
        "| duckreg of a file, without errors |",
        "|---|---|---|---|---|",
    ]
    for n, t in ((3_000, 20), (100_000, 20), (500_000, 20), (5_000_000, 20)):
        path = file_of(folder, n)
        small = n <= 500_000
        row = [float("nan")] * 4
        if small:
            frame = duckdb.read_parquet(path).df()
            fit = partial(
                did.twfe, frame, engine="closed_form", controls=CONTROLS, **OPTIONS
            )
            row[0] = best(fit, 1)
            if is_here("pyfixest"):
                row[2] = best(partial(controlled_fixest, frame), 1)
            if is_here("duckreg"):
                row[3] = best(partial(duckreg, path, ["sydid", *CONTROLS]), 1)
            del frame
        row[1] = once(partial(did.twfe, path, controls=CONTROLS, **OPTIONS))
        lines.append(f"| {n:,} x {t} | " + " | ".join(shown(v) for v in row) + " |")
    return lines


def file_of(folder: str, cities: int) -> str:
    """The Parquet file of so many cities, written once."""
    path = Path(folder) / f"{cities}.parquet"
    if not path.exists():
        scale.write(cities, str(path))
    return str(path)


def once(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def shown(seconds: float) -> str:
    return "" if np.isnan(seconds) else f"{seconds:.4f}"


def resampling() -> list[str]:
    frame = simulate(70, 9)
    parts = frisch_waugh.partial(frame, **OPTIONS)
    weights, _ = bootstrap.draw_weights(70, "rademacher", 9_999, SEED)
    one = best(lambda: linearmodels_fit(frame), 5)
    mine = best(lambda: did.twfe(frame, engine="closed_form", **OPTIONS), 5)

    def wild() -> float:
        drawn, _ = bootstrap.draw_weights(70, "rademacher", 9_999, SEED)
        return bootstrap.WildLaw(parts, drawn).p_value(0.0)

    rows = [
        (
            "1,000 randomisation draws",
            best(lambda: randomisation.permuted_statistics(parts, 1_000, SEED)),
            best(lambda: did.randomisation_inference(frame, draws=1_000, **OPTIONS)),
            1_000 * one,
            1_000 * mine,
        ),
        (
            "9,999 wild bootstrap draws, p-value",
            best(wild),
            best(
                lambda: did.wild_cluster_bootstrap(
                    frame, draws=9_999, confidence_interval=False, **OPTIONS
                )
            ),
            9_999 * one,
            9_999 * mine,
        ),
        (
            "9,999 wild bootstrap draws and the inverted interval",
            best(lambda: bootstrap.WildLaw(parts, weights).interval(0.05)),
            best(lambda: did.wild_cluster_bootstrap(frame, draws=9_999, **OPTIONS)),
            float("nan"),
            float("nan"),
        ),
    ]
    lines = [
        "| 70 x 9 | the draws | the whole call | loop of linearmodels | loop of ours |",
        "|---|---|---|---|---|",
    ]
    for name, *values in rows:
        cells = ["" if np.isnan(v) else f"{v:,.3f}" for v in values]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


STAGGERED = dict(outcome="y", cohort="cohort", unit="city_id", period="year")


def group_time(panel, **columns):
    cells = did.group_time_att(panel, **columns)
    for kind in ("simple", "group", "dynamic", "calendar"):
        did.aggregate_att(cells, kind)


ESTIMATORS = {
    "twfe": lambda f, **o: did.twfe(f, engine="closed_form", **OPTIONS),
    "event_study": lambda f, **o: did.event_study(f, engine="closed_form", **o),
    "bacon_decomposition": lambda f, **o: did.bacon_decomposition(
        f, **(OPTIONS if isinstance(f, pd.DataFrame) else {})
    ),
    "group_time_att and four means": group_time,
    "sun_abraham": did.sun_abraham,
    "imputation": did.imputation,
    "two_stage": did.two_stage,
    "etwfe": did.etwfe,
    "stacked": did.stacked,
    "switchers": did.switchers,
}
# Seconds of the releases before estimation from moments.
BEFORE = {
    (3_000, "sun_abraham"): 0.41,
    (3_000, "etwfe"): 0.27,
    (3_000, "imputation"): 0.185,
    (100_000, "twfe"): 1.2,
    (100_000, "group_time_att and four means"): 0.8,
    (100_000, "two_stage"): 3.5,
    (100_000, "imputation"): 11.0,
}


DIFF_DIFF = dict(outcome="y", unit="city_id", time="year", first_treat="cohort")


def _pyfixest(frame):
    import pyfixest

    pyfixest.feols("y ~ sydid | city_id + year", frame, vcov={"CRV1": "city_id"})


def _did2s(frame):
    import pyfixest

    pyfixest.did2s(
        frame, yname="y", first_stage="~ 0 | city_id + year",
        second_stage="~ i(sydid, ref=0.0)", treatment="sydid", cluster="city_id",
    )  # fmt: skip


def _moderndid(frame):
    import moderndid

    moderndid.att_gt(
        frame, yname="y", tname="year", idname="city_id", gname="cohort",
        est_method="reg", boot=False,
    )  # fmt: skip


def _csdid(frame):
    from csdid.att_gt import ATTgt

    ATTgt(
        yname="y", tname="year", idname="city_id", gname="cohort", data=frame
    ).fit(est_method="reg", bstrap=False)  # fmt: skip


def _diff_diff(name):
    def run(frame):
        import diff_diff

        getattr(diff_diff, name)().fit(frame, **DIFF_DIFF)

    return run


# Other people's estimators: module, name, call, and the most units it is asked for.
PEERS = {
    "twfe": [
        ("pyfixest", "pyfixest", _pyfixest, 10**7),
        ("linearmodels", "linearmodels", linearmodels_fit, 10**5),
    ],
    "bacon_decomposition": [
        ("diff_diff", "diff-diff", _diff_diff("BaconDecomposition"), 3_000)
    ],
    "group_time_att and four means": [
        ("moderndid", "moderndid", _moderndid, 10**5),
        ("diff_diff", "diff-diff", _diff_diff("CallawaySantAnna"), 10**5),
        ("csdid", "csdid", _csdid, 3_000),
    ],
    "sun_abraham": [("diff_diff", "diff-diff", _diff_diff("SunAbraham"), 3_000)],
    "imputation": [("diff_diff", "diff-diff", _diff_diff("ImputationDiD"), 10**5)],
    "two_stage": [
        ("pyfixest", "pyfixest did2s", _did2s, 10**5),
        ("diff_diff", "diff-diff", _diff_diff("TwoStageDiD"), 3_000),
    ],
    "etwfe": [("diff_diff", "diff-diff", _diff_diff("WooldridgeDiD"), 3_000)],
    "stacked": [("diff_diff", "diff-diff", _diff_diff("StackedDiD"), 3_000)],
}


def fastest(name: str, frame: pd.DataFrame) -> str:
    """Seconds of the fastest peer that is installed, and its name."""
    times, n = {}, frame["city_id"].nunique()
    for module, who, run, most in PEERS.get(name, ()):
        if not is_here(module) or n > most:
            continue
        try:
            times[who] = best(partial(run, frame), 1)
        except Exception as error:  # a peer of another version
            print(f"{who}: {type(error).__name__}: {error}", file=sys.stderr)
    if not times:
        return ""
    who = min(times, key=times.__getitem__)
    return f"{times[who]:.3f} ({who})"


def estimators(n: int, t: int) -> list[str]:
    frame = simulate(n, t)
    repeats = 5 if n <= 3_000 else 1
    lines = [
        f"| {n:,} x {t} | before | row by row | from moments | fastest peer |",
        "|---|---|---|---|---|",
    ]
    total = 0.0
    for name, function in ESTIMATORS.items():
        seconds = []
        for chosen in ("never", "always"):
            with way(chosen):
                seconds.append(best(lambda f=function: f(frame, **STAGGERED), repeats))
        total += seconds[1]
        peer = fastest(name, frame)
        before = BEFORE.get((n, name))
        cells = ["" if before is None else f"{before:g}"]
        cells += [f"{v:.4f}" for v in seconds]
        lines.append(f"| {name} | " + " | ".join([*cells, peer]) + " |")

    def together() -> None:
        panel = did.moments(frame, **STAGGERED, treatment="sydid")
        for function in ESTIMATORS.values():
            function(panel)

    lines.append(f"| all, each from the frame | | | {total:.4f} | |")
    lines.append(f"| all, from `did.moments` once | | | {best(together, 2):.4f} | |")
    with way("never"):
        rows = best(
            lambda: did.randomisation_inference(frame, draws=100, **OPTIONS), 1
        ) if n <= 3_000 else float("nan")  # fmt: skip
    if n <= 3_000:
        dealt = best(lambda: did.randomisation_inference(frame, draws=1_000, **OPTIONS))
        lines.append(f"| 1,000 randomisations | | {10 * rows:.2f} | {dealt:.4f} | |")
    return lines


def growth(to: Path, folder: str) -> list[str]:
    """Seconds against rows, for a table and a plot; from ten million on from a file."""
    names = ("twfe", "group_time_att and four means", "imputation", "sun_abraham")
    curves: dict[str, list[tuple[int, float]]] = {}

    def add(name: str, n: int, function: Callable[[], object], repeats: int) -> None:
        seconds = best(function, repeats) if repeats else once(function)
        curves.setdefault(name, []).append((20 * n, seconds))

    for n in (50, 500, 5_000, 50_000, 500_000, 5_000_000):
        away = n >= 500_000
        path = file_of(folder, n)
        frame = duckdb.read_parquet(path).df() if n <= 500_000 else pd.DataFrame()
        panel = path if away else frame
        if away:  # read once: the estimators' seconds are added to those of reading
            start = time.process_time()
            kept = did.moments(panel, treatment="sydid", **STAGGERED)
            read = time.process_time() - start
            for name in names:
                seconds = read + once(partial(ESTIMATORS[name], kept))
                curves.setdefault(name, []).append((20 * n, seconds))
        for name in () if away else names:
            add(name, n, partial(ESTIMATORS[name], frame, **STAGGERED), 2)
        controls = partial(did.twfe, panel, controls=CONTROLS, **OPTIONS)
        add("twfe, two controls", n, controls, 0 if away else 2)
        if n <= 50_000:
            with way("never"):
                add(
                    "imputation, row by row",
                    n,
                    partial(did.imputation, frame, **STAGGERED),
                    1,
                )
            add("linearmodels", n, partial(linearmodels_fit, frame), 1)
        if is_here("pyfixest") and len(frame):
            add("pyfixest", n, partial(_pyfixest, frame), 1)
            add("pyfixest, two controls", n, partial(controlled_fixest, frame), 1)
        if is_here("duckreg"):
            add(
                "duckreg, without errors",
                n,
                partial(duckreg, path, ["sydid"]),
                0 if away else 1,
            )
    plot(curves, to)
    sizes = sorted({size for points in curves.values() for size, _ in points})
    lines = [
        "| rows | " + " | ".join(curves) + " |",
        "|---|" + "---|" * len(curves),
    ]
    for size in sizes:
        found = [dict(points).get(size, float("nan")) for points in curves.values()]
        lines.append(f"| {size:,} | " + " | ".join(shown(v) for v in found) + " |")
    return lines


def plot(curves: dict[str, list[tuple[int, float]]], path: Path) -> None:
    if not is_here("matplotlib"):
        print("no plot: it needs matplotlib")
        return
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "citypanel"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    for name, points in curves.items():
        peer = name.startswith(("linearmodels", "pyfixest", "duckreg"))
        line = "--" if peer else "-"
        axes.loglog(*zip(*points, strict=True), line, marker="o", label=name)
    axes.set_xlabel("rows")
    axes.set_ylabel("seconds of one core")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def from_file(path: str) -> list[str]:
    """The moments of a Parquet file and every estimator on them."""
    start, wall = time.process_time(), time.perf_counter()
    panel = did.moments(path, **STAGGERED, treatment="sydid")
    read, waited = time.process_time() - start, time.perf_counter() - wall
    for function in ESTIMATORS.values():
        function(panel)
    total = time.process_time() - start
    begun = time.process_time()
    did.twfe(path, controls=CONTROLS, **OPTIONS)
    controls = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return [
        "",
        f"{panel.n_obs:,} rows from Parquet: moments {read:.1f} s of both cores "
        f"({waited:.1f} s on the clock of a machine with load "
        f"{os.getloadavg()[0]:.0f}), moments and all ten estimators {total:.1f} s; "
        f"`twfe` with two controls {controls:.1f} s; at most {peak:.2f} GB.",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    root = Path(__file__).parents[2]
    parser.add_argument("--to", type=Path, default=root / "docs" / "benchmarks")
    parser.add_argument("--folder", help="for the files; a temporary one by default")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as temporary:
        write(chosen.to, chosen.folder or temporary)


def write(to: Path, folder: str) -> None:
    # First of all, so that the peak of memory is theirs.
    files = [
        line for n in (500_000, 5_000_000) for line in from_file(file_of(folder, n))
    ]
    names = [
        "numpy", "pandas", "linearmodels", "pyfixest", "moderndid", "diff-diff",
        "csdid", "duckreg",
    ]  # fmt: skip
    versions = [
        f"{name} {importlib.metadata.version(name)}"
        for name in names
        if is_here(name.replace("-", "_"))
    ]
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    text = "\n".join(
        [
            "# How fast the estimators are",
            "",
            "Seconds of one core, best of several runs; Python "
            f"{platform.python_version()}, {', '.join(versions)}, BLAS threads: "
            f"{threads}. Every fit clusters by city. Load of the machine when it was "
            f"measured: {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores, so compare "
            "within a row. Made by `benchmarks/did/run.py`.",
            "",
            "`did` estimates from the counts, means and covariances of each cohort "
            "where they suffice and a panel has 20,000 rows or more "
            "([method](../method/did.md#moments)); *row by row* is the same call "
            "without them, *before* what the release before took.",
            "",
            "## Two-way fixed effects",
            "",
            *regressions(),
            "",
            "With two controls that change over time, from a frame, or from a Parquet "
            "file in three passes of sums that DuckDB takes (seconds of both cores); "
            "the file need not fit into memory. duckreg takes unit and period means as "
            "regressors, and resamples for errors:",
            "",
            *controlled(folder),
            "",
            "## Estimators",
            "",
            *estimators(3_000, 20),
            "",
            *estimators(100_000, 20),
            *files,
            "",
            "## Seconds against rows",
            "",
            *growth(to / "did.svg", folder),
            "",
            "![Seconds against rows, both axes logarithmic](did.svg)",
            "",
            "## Resampling",
            "",
            "A loop of refits is one fit times the number of draws.",
            "",
            *resampling(),
            "",
        ]
    )
    (to / "did.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
