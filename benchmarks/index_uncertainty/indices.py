"""Coverage of the intervals of indices and of their means, and a test of separability.

    OMP_NUM_THREADS=1 python -m benchmarks.index_uncertainty.indices

writes docs/method/index_coverage.md. The panels are invented; none of the study's
figures enters.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tests.support.simulated_panel import simulate_panel

from citypanel.frontier import bootstrap, bootstrap_malmquist, mean_changes
from citypanel.frontier.isoquant import isoquant

SEED = 20240711
YEARS = 4
INDICES = ("tfpch", "effch", "techch")
SHAPES = {
    "independent": "60 units, efficiencies of two years independent of each other",
    "near": "72 units of which half are treated, many near the frontier",
    "far": "the same, hardly any near it",
}
GROUPS = ("all", "treated", "control", "treated - control")


def panel_of(shape: str, generator: np.random.Generator):
    """Plans as a frame, ln of the true indices (3, units, changes), who is treated."""
    if shape == "independent":
        lag = np.abs(generator.normal(0, 0.3, (60, 2)))
        inputs = generator.uniform(1, 5, (60, 2, 2))
        outputs = np.array([1, 1.2]) * np.sqrt(inputs.prod(axis=2)) * np.exp(-lag)
        effch, treated = -np.diff(lag, axis=1), np.arange(60) < 30
        techch = np.full_like(effch, np.log(1.2))
    else:
        drawn = simulate_panel(generator, years=YEARS, level=shape)
        inputs, outputs, treated = drawn.inputs, drawn.outputs, drawn.cohort > 0
        techch = np.full_like(drawn.index, 0.01)
        effch = np.log(drawn.index) - techch
    n, years = outputs.shape
    frame = pd.DataFrame(
        {
            "unit": np.repeat(np.arange(n), years),
            "year": np.tile(np.arange(years), n),
            "capital": inputs[..., 0].ravel(),
            "labour": inputs[..., 1].ravel(),
            "output": outputs.ravel(),
        }
    )
    return frame, np.stack([effch + techch, effch, techch]), treated


def means_of(truth: np.ndarray, treated: np.ndarray) -> np.ndarray:
    """Means of the groups, (4, 3, changes)."""
    first, second = truth[:, treated].mean(axis=1), truth[:, ~treated].mean(axis=1)
    return np.stack([truth.mean(axis=1), first, second, first - second])


def one(shape: str, stream: np.random.SeedSequence, target: np.ndarray, draws: int):
    """What the intervals of one panel cover: single indices, means."""
    # Of every index, to see whose intervals cover what they say.
    bootstrap.OF_UNITS = bootstrap.OF_MEANS = INDICES
    generator = np.random.default_rng(stream)
    panel, truth, treated = panel_of(shape, generator)
    found = bootstrap_malmquist(
        panel,
        unit="unit",
        period="year",
        outputs=["output"],
        inputs=["capital", "labour"],
        replications=draws,
        seed=int(generator.integers(2**31)),
    )
    single = []
    for k, name in enumerate(INDICES):
        true = np.exp(truth[k].ravel())
        inside = (found[f"{name}_lower"] <= true) & (true <= found[f"{name}_upper"])
        single.append(inside.mean())
    roles = {unit: "treated" for unit in np.flatnonzero(treated)}
    roles |= {unit: "control" for unit in np.flatnonzero(~treated)}
    means = pd.concat([mean_changes(found), mean_changes(found, roles)])
    covered = np.empty((len(GROUPS), len(INDICES)))
    for g, group in enumerate(GROUPS):
        for k, name in enumerate(INDICES):
            rows = means[(means["group"] == group) & (means["index"] == name)]
            true = np.exp(target[g, k])
            inside = (rows["lower"] <= true) & (true <= rows["upper"])
            covered[g, k] = inside.mean()
    return np.array(single), covered


def coverage(panels: int, draws: int, jobs: int) -> list[str]:
    """Rows of the table, one for each shape of panel and what is estimated."""
    lines = []
    for shape in SHAPES:
        streams = np.random.SeedSequence([SEED, 1]).spawn(2000)
        target = np.mean(
            [
                means_of(*panel_of(shape, np.random.default_rng(stream))[1:])
                for stream in streams
            ],
            axis=0,
        )
        streams = np.random.SeedSequence([SEED, 2]).spawn(panels)
        found = Parallel(n_jobs=jobs)(
            delayed(one)(shape, stream, target, draws) for stream in streams
        )
        single = np.mean([row[0] for row in found], axis=0)
        means = np.mean([row[1] for row in found], axis=0)
        for what, values in (
            ("one unit", single),
            *((f"mean, {group}", means[g]) for g, group in enumerate(GROUPS)),
        ):
            cells = [f"{100 * value:.0f}" for value in values]
            lines.append(f"| {shape} | {what} | " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    return lines


def mean_log_distance(inputs, outputs, groups) -> np.ndarray:
    """ln D of every plan against the frontier of its group."""
    found = np.empty(len(outputs))
    for group in np.unique(groups):
        own = groups == group
        hull = isoquant(inputs[own], outputs[own])
        found[own] = np.log(hull.efficiencies(inputs[own], outputs[own]))
    return found


def corrected_mean(inputs, outputs, groups, generator) -> tuple[float, float]:
    """Mean ln D less its bias by the generalised jackknife, and its variance."""
    values = mean_log_distance(inputs, outputs, groups)
    halves = []
    for _ in range(10):
        order = generator.permutation(len(outputs))
        order = order[np.argsort(groups[order], kind="stable")]
        parts = order[::2], order[1::2]
        halves.append(
            np.mean(
                [
                    mean_log_distance(inputs[p], outputs[p], groups[p]).mean()
                    for p in parts
                ]
            )
        )
    rate = 2.0 ** (2.0 / 3.0) - 1.0
    bias = (np.mean(halves) - values.mean()) / rate
    return values.mean() - bias, values.var(ddof=1) / len(values)


def separability(samples: int) -> list[str]:
    """How often the test rejects, at shifts of the treated units' frontier."""
    lines = []
    for level in ("near", "far"):
        cells = []
        for shift in (0.0, 0.1, 0.2, 0.4):
            rejected = 0
            for stream in np.random.SeedSequence([SEED, 3]).spawn(samples):
                generator = np.random.default_rng(stream)
                drawn = simulate_panel(generator, n=70, years=4, level=level)
                treated = (drawn.cohort > 0).astype(int)
                inputs = drawn.inputs[:, 0]
                outputs = drawn.outputs[:, 0] * np.exp(shift * treated)
                order = generator.permutation(70)
                first, second = order[:35], order[35:]
                alone = np.zeros(35, dtype=int)
                a, va = corrected_mean(inputs[first], outputs[first], alone, generator)
                b, vb = corrected_mean(
                    inputs[second], outputs[second], treated[second], generator
                )
                rejected += (a - b) / np.sqrt(va + vb) < -1.645
            cells.append(f"{100 * rejected / samples:.0f}")
        lines.append(f"| {level} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Simulate and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--panels", type=int, default=300)
    parser.add_argument("--draws", type=int, default=150)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--out", type=Path, default=Path("docs/method/index_coverage.md")
    )
    options = parser.parse_args()
    shapes = "\n".join(f"- `{name}`: {said}." for name, said in SHAPES.items())
    rows = "\n".join(coverage(options.panels, options.draws, options.jobs))
    test = "\n".join(separability(options.samples))
    options.out.write_text(
        f"""# Coverage of intervals for Malmquist indices

Invented panels with two inputs, one output and constant returns, whose true indices are
known; {options.panels} of each kind, {options.draws} draws in each loop of
`frontier.bootstrap_malmquist`. Written by `benchmarks/index_uncertainty/indices.py`.

{shapes}

Per cent of the intervals that hold the truth, where they say 95. A single unit's truth
is its own index, a mean's that of the population (`frontier.mean_changes`). Years and
units of one panel depend on each other, so that chance moves a mean's figure by a point
or two.

| panels | of what | tfpch | effch | techch |
|---|---|---:|---:|---:|
{rows}

Intervals are given of what covers 90 to 97 per cent in every kind: of one unit's effch,
and of means of tfpch. The others stand here to show why there are none; what the
frontier adds to their error is given instead (`<index>_error`, `frontier_error`).
One unit's tfpch and techch depend on the slope of the frontier at its mix of inputs:
where few units are near the frontier, hardly any draw moves that facet, and techch is
at the edge (89 per cent in 300 far panels of another seed). The frontier's error of
mean effch and techch is too large where many units are near it. Basic intervals of one
loop, as published in 1999, covered 76 to 84 per cent for 60 units, and less where few
are near.

## A test of separability

Do treated and other units have one frontier? Daraio, Simar and Wilson (2018) compare
mean efficiencies against the frontier of all, in one half of the sample, with those
against the group's own, in the other, each less its bias by the generalised jackknife.
Per cent of {options.samples} samples of 70 units, half of them treated, in which a
test at 5 per cent rejects, by how much higher the treated units' frontier is, in
logarithms:

| units | 0 (size) | 0.1 | 0.2 | 0.4 |
|---|---:|---:|---:|---:|
{test}

It is not offered: with so few units it rejects a true hypothesis too often, and misses
a frontier a tenth higher most of the time. What the effect becomes under a frontier of
never-treated units, and under one that leaves the unit itself out, stands in
`marts.rpt_frontier_alternatives` instead.
""",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
