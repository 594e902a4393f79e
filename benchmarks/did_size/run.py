"""Rejection rates of nominal 5% tests in panels without any effect.

The panels have the study's own cities, batches and years: 73 cities of which 34 are
treated (1 in 2015, 12 in 2016, 21 in 2018), and the regions on their own. Two laws of
the errors: independent normal, and autoregressive (0.5) with a standard deviation a
city that varies by a factor of about four.

    python benchmarks/did_size/run.py --panels 300 --jobs 2

writes docs/method/did_size.md and src/citypanel/did/sizes.csv, by which rows of small
samples say how their tests do. With --only referees, models or triply it measures the
tests of that function alone, with --samples and --laws some cells alone, beside those
measured before.
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
REGIONS = {
    "all": None,
    "east": "eastern",
    "centre": "central",
    "west": "western",
    "northeast": "northeastern",
}
YEARS = np.arange(2012, 2020)
KEYS = dict(outcome="y", unit="city_id", period="year")
LAWS = ("independent", "autoregressive")
SEED = 20240705
PLACE = ("latitude", "longitude")
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
    # Units lie where cities of the sample's region do.
    place = places(sample)
    for name in PLACE:
        frame[name] = np.repeat(place[name].to_numpy()[:n], t)
    frame["above"] = np.repeat(place["province_id"].to_numpy()[:n], t)
    rng = np.random.default_rng([*key, 1])
    treated = np.array(starts) > 0
    frame["x"] = np.repeat(rng.standard_normal(n) + 0.5 * treated, t)
    frame["dose"] = np.repeat(rng.uniform(0.5, 3, n), t)
    frame["other"] = np.repeat(np.where(rng.random(n) < 0.4, 2016, 0), t)
    late = (frame["cohort"] > 0) & (frame["year"] >= frame["cohort"])
    return frame.assign(sydid=late.astype(float))


def places(sample: str) -> pd.DataFrame:
    """Cities of a sample's region in an order of chance."""
    seeds = Path(__file__).parents[2] / "seeds/reference"
    cities = pd.read_csv(seeds / "ref_cities.csv", dtype={"city_id": str})
    at = pd.read_csv(seeds / "ref_prefectures.csv", dtype={"unit_id": str})
    at = at[["unit_id", *PLACE]].rename(columns={"unit_id": "city_id"})
    cities = cities.merge(at, on="city_id")
    name = REGIONS[sample.split()[0]]
    cities = cities if name is None else cities[cities["region"] == name]
    return cities.sample(frac=1, random_state=SEED)


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


def asked(calls: dict) -> dict[str, float]:
    """p-value of each call's first row; not a number where it gives none."""
    out = {}
    for name, call in calls.items():
        try:
            out[name] = float(call()["p_value"].iloc[0])
        except CityPanelError:
            out[name] = np.nan
    return out


def referee_p_values(frame: pd.DataFrame) -> dict[str, float]:
    """p-values of what referees ask next."""
    options, staggered = dict(treatment="sydid", **KEYS), dict(cohort="cohort", **KEYS)
    zone = frame["cohort"].where(frame["cohort"] > 0)

    def spillovers():
        return did.spillovers(
            frame, coordinates=PLACE, rings=(0, 100, 200, 300), **staggered
        )

    return asked(
        {
            "nonabsorbing_did": lambda: did.nonabsorbing_did(frame, **options),
            "conley_taber": lambda: did.conley_taber(frame, draws=499, **options),
            "ferman_pinto": lambda: did.ferman_pinto(
                frame.assign(size=1 + frame["city_id"] % 7), size="size", draws=499,
                **options,
            ),
            "population_inference, a random attribute": lambda: (
                did.population_inference(
                    frame.assign(z=frame["city_id"] * 7919 % 31), attributes="z",
                    **options,
                ).query("term == 'finite'")
            ),
            "twfe, conley, bartlett to 300 km": lambda: did.twfe(
                frame, standard_errors="conley", coordinates=PLACE, cutoff_km=300,
                engine="closed_form", **options,
            ),
            "twfe, clusters of a level above": lambda: did.twfe(
                frame, cluster="above", engine="closed_form", **options
            ),
            "spillovers, direct": lambda: spillovers().query("term == 'direct'"),
            "spillovers, nearest ring": lambda: spillovers()
            .query("aggregation == 'spillover'")
            .head(1),
            "concurrent_policies, exposure controlled": lambda: (
                did.concurrent_policies(frame, policies=["other"], **staggered).query(
                    "aggregation == 'exposure_controlled' and term == 'overall'"
                )
            ),
            "entropy_balancing": lambda: did.entropy_balancing(
                frame, controls=["x"], **staggered
            ),
            "covariate_balancing": lambda: did.covariate_balancing(
                frame, controls=["x"], **staggered
            ),
            "dose_response": lambda: did.dose_response(
                frame.assign(cohort=zone), dose="dose", **staggered
            ),
            "functional_form_test": lambda: did.functional_form_test(
                frame, **staggered
            ).query("term == 'any_scale'"),
        }
    )  # fmt: skip


def model_p_values(frame: pd.DataFrame) -> dict[str, float]:
    """p-values of factor models and synthetic controls."""
    options = dict(treatment="sydid", draws=50, **KEYS)
    return asked(
        {
            "augmented_synthetic_control": lambda: did.augmented_synthetic_control(
                frame, cohort="cohort", **KEYS
            ),
            "interactive_fixed_effects": lambda: did.interactive_fixed_effects(
                frame, rank=1, **options
            ),
            "matrix_completion": lambda: did.matrix_completion(
                frame, folds=5, **options
            ),
        }
    )


def triply_p_values(frame: pd.DataFrame) -> dict[str, float]:
    """p-value of the triply robust panel estimator at given decays and penalty."""
    chosen = dict(unit_decay=0.5, time_decay=0.2, penalty=2.0, draws=50)
    return asked(
        {
            "triply_robust": lambda: did.triply_robust(
                frame, treatment="sydid", **chosen, **KEYS
            )
        }
    )


def learned_p_values(frame: pd.DataFrame) -> dict[str, float]:
    """p-value with cross-fitted regression and propensity (linear models)."""
    return asked(
        {
            "machine_learning_did": lambda: did.machine_learning_did(
                frame, controls=["x"], cohort="cohort", **KEYS
            )
        }
    )


ASKED = {
    "all": p_values,
    "referees": referee_p_values,
    "models": model_p_values,
    "triply": triply_p_values,
    "learned": learned_p_values,
}


def one(sample: str, law: str, number: int, asked: str) -> dict:
    warnings.simplefilter("ignore")
    frame = draw(sample, law, number)
    return {"sample": sample, "law": law, **ASKED[asked](frame)}


def beside(found: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Shares measured now, and those of other tests that were measured before."""
    before = pd.read_csv(path)
    keys = ["test", "errors", "units", "treated"]
    both = pd.concat([before, found.astype(before.dtypes)], ignore_index=True)
    return both.drop_duplicates(keys, keep="last", ignore_index=True)


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
    parser.add_argument("--only", choices=list(ASKED), default="all")
    parser.add_argument("--samples", nargs="*", default=list(SAMPLES))
    parser.add_argument("--laws", nargs="*", default=list(LAWS))
    chosen = parser.parse_args()
    start = time.perf_counter()
    tasks = [
        (sample, law, number, chosen.only)
        for law in chosen.laws
        for sample in chosen.samples
        for number in range(chosen.panels)
    ]
    results = pd.DataFrame(
        Parallel(n_jobs=chosen.jobs, batch_size=10)(delayed(one)(*t) for t in tasks)
    )
    found = beside(shares(results), Path(chosen.data))
    found.to_csv(chosen.data, index=False)
    counts = sorted(found["panels"].unique())
    panels = str(counts[-1]) + (f" (at least {counts[0]})" if counts[1:] else "")
    text = f"""# Size of the tests on the study's own samples

Share of panels, in %, in which a nominal 5% test rejects a true null. {panels}
panels for each cell (of 300 a rate of 5 has a simulation error of 1.3), years
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
