"""Speed of the estimators and of the resampling, in one run.

    OMP_NUM_THREADS=1 python benchmarks/did/run.py

writes docs/method/did_speed.md. Each time is the best of several runs after a warm-up;
the loops of refits are timed on a few draws and scaled to the number named. pyfixest is
timed when it is installed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from linearmodels.panel import PanelOLS

from citypanel import did
from citypanel.did import bootstrap, frisch_waugh, randomisation

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
    return frame.assign(
        sydid=late.astype(float), y=level + rng.normal(size=n * t) + 0.1 * late
    )


def best(function: Callable[[], object], repeats: int = 5) -> float:
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def linearmodels_fit(frame: pd.DataFrame):
    data = frame.set_index(["city_id", "year"])
    model = PanelOLS(data["y"], data[["sydid"]], entity_effects=True, time_effects=True)
    return model.fit(cov_type="clustered", cluster_entity=True)


def regressions() -> list[str]:
    lines = [
        "| cities x years | linearmodels | pyfixest | ours, linearmodels engine | "
        "ours, closed form | partialling out only |",
        "|---|---|---|---|---|---|",
    ]
    pyfixest = None
    if importlib.util.find_spec("pyfixest"):
        import pyfixest
    for n, t in SIZES:
        frame = simulate(n, t)
        repeats = 5 if n <= 3_000 else 2
        row = [best(lambda f=frame: linearmodels_fit(f), repeats)]
        if pyfixest is not None:
            row.append(
                best(
                    lambda f=frame: pyfixest.feols(
                        "y ~ sydid | city_id + year", f, vcov={"CRV1": "city_id"}
                    ),
                    repeats,
                )
            )
        else:
            row.append(float("nan"))
        row += [
            best(lambda f=frame: did.twfe(f, **OPTIONS), repeats),
            best(lambda f=frame: did.twfe(f, engine="closed_form", **OPTIONS), repeats),
            best(lambda f=frame: frisch_waugh.partial(f, **OPTIONS), repeats),
        ]
        cells = " | ".join("" if np.isnan(v) else f"{v:.4f}" for v in row)
        lines.append(f"| {n:,} x {t} | {cells} |")
    return lines


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
        shown = ["" if np.isnan(v) else f"{v:,.3f}" for v in values]
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    return lines


def estimators() -> list[str]:
    frame = simulate(70, 9)
    staggered = dict(outcome="y", cohort="cohort", unit="city_id", period="year")
    functions = (
        did.group_time_att,
        did.sun_abraham,
        did.imputation,
        did.two_stage,
        did.etwfe,
        did.stacked,
        did.switchers,
        did.synthetic_did,
        did.event_study,
    )
    lines = ["| estimator at 70 x 9 | seconds |", "|---|---|"]
    for function in functions:
        seconds = best(lambda f=function: f(frame, **staggered), 3)
        lines.append(f"| {function.__name__} | {seconds:.3f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    root = Path(__file__).parents[2]
    parser.add_argument("--out", default=str(root / "docs/method/did_speed.md"))
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    names = ["numpy", "pandas", "linearmodels", "pyfixest"]
    versions = []
    for name in names:
        if importlib.util.find_spec(name):
            versions.append(f"{name} {importlib.metadata.version(name)}")
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    text = "\n".join(
        [
            "# Speed of the estimators",
            "",
            f"Seconds, best of several runs; Python {platform.python_version()}, "
            f"{', '.join(versions)}, BLAS threads: {threads}. Every fit clusters by "
            "city. Made by `benchmarks/did/run.py`.",
            "",
            "## Two-way fixed effects",
            "",
            *regressions(),
            "",
            "## Resampling",
            "",
            "A loop of refits is one fit times the number of draws.",
            "",
            *resampling(),
            "",
            "## Estimators",
            "",
            *estimators(),
            "",
        ]
    )
    Path(chosen.out).write_text(text)
    print(text)


if __name__ == "__main__":
    main()
