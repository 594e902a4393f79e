"""CPU seconds of what referees ask next, on simulated panels without an effect.

    python benchmarks/referees/run.py

writes docs/benchmarks/referees.md: the study's shape, and a panel of a thousand units.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from citypanel import did

KEYS = dict(outcome="y", unit="i", period="t")
TREATED, COHORT = dict(treatment="d", **KEYS), dict(cohort="g", **KEYS)
PLACE = ("latitude", "longitude")
SHAPES = ((73, 8), (1_000, 8))
CHOSEN = dict(unit_decay=0.5, time_decay=0.2, penalty=2.0)
CALLS = {
    "concurrent_policies": lambda f: did.concurrent_policies(
        f, policies=["other"], **COHORT
    ),
    "spillovers, two rings": lambda f: did.spillovers(
        f, coordinates=PLACE, rings=(0, 10, 20), **COHORT
    ),
    "twfe, conley": lambda f: did.twfe(
        f, standard_errors="conley", coordinates=PLACE, cutoff_km=300, **TREATED
    ),
    "population_inference": lambda f: did.population_inference(
        f, attributes="x", **TREATED
    ),
    "twfe_weights": lambda f: did.twfe_weights(f, **TREATED),
    "conley_taber": lambda f: did.conley_taber(f, **TREATED),
    "nonabsorbing_did": lambda f: did.nonabsorbing_did(f, **TREATED),
    "dose_response": lambda f: did.dose_response(f, dose="dose", **COHORT),
    "entropy_balancing": lambda f: did.entropy_balancing(f, controls=["x"], **COHORT),
    "covariate_balancing": lambda f: did.covariate_balancing(
        f, controls=["x"], **COHORT
    ),
    "interactive_fixed_effects, one factor, 50 draws": lambda f: (
        did.interactive_fixed_effects(f, rank=1, draws=50, **TREATED)
    ),
    "matrix_completion, a penalty, 50 draws": lambda f: did.matrix_completion(
        f, penalty=5.0, draws=50, **TREATED
    ),
    "triply_robust, choices given, no draws": lambda f: did.triply_robust(
        f, draws=0, **CHOSEN, **TREATED
    ),
    "functional_form_test": lambda f: did.functional_form_test(f, **COHORT),
}
# Slow beyond the study's shape: a fit for each treated cell, a distance for each pair.
SMALL = ("triply_robust, choices given, no draws", "twfe, conley")


def panel(units: int, periods: int) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    g = np.array([0, 0, periods // 2, periods // 2 + 2])[np.arange(units) % 4]
    i, t = (v.ravel() for v in np.indices((units, periods)))
    d = (g[i] > 0) & (t >= g[i])
    place = rng.uniform([25, 100], [40, 120], (units, 2))
    return pd.DataFrame(
        {
            "i": i,
            "t": t + 1,
            "g": np.where(g[i] > 0, g[i] + 1, 0),
            "d": d.astype(float),
            "y": rng.normal(size=units)[i] + rng.normal(size=len(i)),
            "x": rng.normal(size=units)[i],
            "dose": rng.uniform(0.5, 3, units)[i],
            "other": np.where(i % 5 == 0, 3, 0),
            "latitude": place[i, 0],
            "longitude": place[i, 1],
        }
    )


def seconds(call, frame: pd.DataFrame) -> float:
    best = np.inf
    for _ in range(2):
        start = time.process_time()
        call(frame)
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    out = Path(__file__).parents[2] / "docs/benchmarks/referees.md"
    parser.add_argument("--out", default=str(out))
    chosen = parser.parse_args()
    frames = {shape: panel(*shape) for shape in SHAPES}
    heads = " | ".join(f"{n:,} x {t}" for n, t in SHAPES)
    lines = [f"| function | {heads} |", "|---|" + "---:|" * len(SHAPES)]
    for name, call in CALLS.items():
        cells = [
            "" if shape != SHAPES[0] and name in SMALL else f"{seconds(call, f):.3f}"
            for shape, f in frames.items()
        ]
        function, comma, rest = name.partition(",")
        lines.append(f"| `{function}`{comma}{rest} | " + " | ".join(cells) + " |")
    table = "\n".join(lines)
    Path(chosen.out).write_text(
        f"""# Speed of what referees ask next

CPU seconds of one call, the faster of two, by units x periods; half of the units are
treated in two cohorts. `benchmarks/referees/run.py` wrote it.

{table}
""",
        encoding="utf-8",
    )
    print(table)


if __name__ == "__main__":
    main()
