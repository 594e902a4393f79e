"""Rejection rates of nominal 5% tests in panels without any effect.

The panels have the study's own cities, batches and years: 73 cities of which 34 are
treated (1 in 2015, 12 in 2016, 21 in 2018), and the regions on their own. Two laws of
the errors: independent normal, and autoregressive (0.5) with a standard deviation a
city that varies by a factor of about four.

    python benchmarks/did_size/run.py --panels 300 --jobs 2

writes docs/method/did_size.md and src/citypanel/did/sizes.csv, by which rows of small
samples say how their tests do.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from citypanel import did
from citypanel.errors import CityPanelError

SAMPLES = {
    "all 73/34": {"never": 39, 2015: 1, 2016: 12, 2018: 21},
    "east 32/17": {"never": 15, 2015: 1, 2016: 7, 2018: 9},
    "centre 16/5": {"never": 11, 2016: 2, 2018: 3},
    "west 17/8": {"never": 9, 2016: 2, 2018: 6},
    "northeast 8/4": {"never": 4, 2016: 1, 2018: 3},
}
YEARS = np.arange(2012, 2020)
KEYS = dict(outcome="y", unit="city_id", period="year")
LAWS = ("independent", "autoregressive")
SEED = 20240705
COLUMNS = ["test", "errors", "units", "treated", "panels", "rejected_pct"]


def draw(sample: str, law: str, number: int) -> pd.DataFrame:
    """One panel without an effect."""
    counts = SAMPLES[sample]
    starts = [0 if g == "never" else g for g, n in counts.items() for _ in range(n)]
    n, t = len(starts), len(YEARS)
    key = [SEED, list(SAMPLES).index(sample), LAWS.index(law), number]
    rng = np.random.default_rng(key)
    noise = rng.standard_normal((n, t))
    if law == "autoregressive":
        for j in range(1, t):
            noise[:, j] = 0.5 * noise[:, j - 1] + np.sqrt(0.75) * noise[:, j]
        noise *= np.exp(rng.normal(0, 0.35, n))[:, None]
    frame = pd.DataFrame(
        {
            "city_id": np.repeat(np.arange(n), t),
            "year": np.tile(YEARS, n),
            "cohort": np.repeat(starts, t),
            "y": (rng.normal(size=(n, 1)) + 0.05 * noise).ravel(),
        }
    )
    late = (frame["cohort"] > 0) & (frame["year"] >= frame["cohort"])
    return frame.assign(sydid=late.astype(float))


def p_values(frame: pd.DataFrame) -> dict[str, float]:
    """p-value of every test of no effect."""
    out: dict[str, float] = {}
    options = dict(treatment="sydid", **KEYS)

    def note(name, function):
        try:
            out[name] = float(function())
        except CityPanelError:
            out[name] = np.nan

    for convention in ("xtreg", "full", "CR2", "CR3"):
        note(
            f"twfe, {convention}",
            lambda c=convention: did.twfe(
                frame, standard_errors=c, engine="closed_form", **options
            ).loc[0, "p_value"],
        )
    note(
        "twfe, wild bootstrap",
        lambda: did.wild_cluster_bootstrap(
            frame, draws=999, confidence_interval=False, **options
        ).loc[0, "p_value"],
    )
    note(
        "twfe, randomisation t",
        lambda: did.randomisation_inference(frame, draws=499, **options).loc[
            0, "p_value"
        ],
    )
    staggered = dict(cohort="cohort", **KEYS)
    for function in (
        did.sun_abraham,
        did.imputation,
        did.two_stage,
        did.etwfe,
        did.stacked,
        did.switchers,
        did.synthetic_did,
    ):
        note(
            function.__name__,
            lambda f=function: f(frame, **staggered).loc[0, "p_value"],
        )
    cells = did.group_time_att(frame, single_unit_std_error=True, **staggered)
    note(
        "group_time_att, simple",
        lambda: did.aggregate_att(cells, "simple").loc[0, "p_value"],
    )
    path = did.event_study(frame, engine="closed_form", **staggered)
    test = path[path["term"] == "leads_jointly_zero"]
    note("twfe event study, joint leads", lambda: test["p_value"].iloc[0])
    single = cells[
        cells["note"].fillna("").str.contains("one unit")
        & (cells["event_time"] >= 0)
        & (cells["aggregation"] == "group_time")
    ]
    if len(single):
        note(
            "cell of a one-city cohort, error asked for",
            lambda: single["p_value"].iloc[0],
        )
    return out


def one(sample: str, law: str, number: int) -> dict:
    warnings.simplefilter("ignore")
    frame = draw(sample, law, number)
    return {"sample": sample, "law": law, **p_values(frame)}


def shares(results: pd.DataFrame) -> pd.DataFrame:
    """Share of true nulls rejected, as `citypanel.did.sizes` reads it."""
    rows = []
    for method in [c for c in results.columns if c not in ("sample", "law")]:
        for (law, sample), part in results.groupby(["law", "sample"], sort=False):
            p = part[method].dropna()
            units, treated = sample.rsplit(" ", 1)[1].split("/")
            if len(p):
                share = round(100 * float((p < 0.05).mean()), 1)
                rows.append((method, law, units, treated, len(p), share))
    return pd.DataFrame(rows, columns=COLUMNS)


def table(found: pd.DataFrame, law: str) -> str:
    part = found[found["errors"] == law]
    methods = list(dict.fromkeys(found["test"]))
    lines = [
        "| test | " + " | ".join(SAMPLES) + " |",
        "|---|" + "---|" * len(SAMPLES),
    ]
    for method in methods:
        cells = []
        for sample in SAMPLES:
            size = sample.rsplit(" ", 1)[1]
            here = part["units"].astype(str) + "/" + part["treated"].astype(str) == size
            share = part.loc[here & (part["test"] == method), "rejected_pct"]
            cells.append(f"{share.iloc[0]:.1f}" if len(share) else "")
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--panels", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=2)
    root = Path(__file__).parents[2]
    parser.add_argument("--out", default=str(root / "docs/method/did_size.md"))
    parser.add_argument("--data", default=str(root / "src/citypanel/did/sizes.csv"))
    chosen = parser.parse_args()
    start = time.perf_counter()
    tasks = [
        (sample, law, number)
        for law in LAWS
        for sample in SAMPLES
        for number in range(chosen.panels)
    ]
    results = pd.DataFrame(
        Parallel(n_jobs=chosen.jobs, batch_size=10)(delayed(one)(*t) for t in tasks)
    )
    found = shares(results)
    found.to_csv(chosen.data, index=False)
    error = 100 * np.sqrt(0.05 * 0.95 / chosen.panels)
    text = f"""# Size of the tests on the study's own samples

Share of panels, in %, in which a nominal 5% test rejects a true null. {chosen.panels}
panels for each cell (a rate of 5 has a simulation error of {error:.1f}), years
{YEARS[0]} to {YEARS[-1]}, cities/treated as in the column heads, batches as in the
study. Made by `benchmarks/did_size/run.py`.

## Independent normal errors

{table(found, "independent")}

## Autoregressive errors (0.5), a variance of its own for each city

{table(found, "autoregressive")}
"""
    Path(chosen.out).write_text(text)
    print(text)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
