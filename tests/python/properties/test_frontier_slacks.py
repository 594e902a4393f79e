"""Slacks against two-stage programmes in rational arithmetic.

Small whole numbers tie all the time: prices of zero, several optima, plans on corners.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from citypanel import frontier

RETURNS = ("crs", "vrs", "nirs", "ndrs")


def maximum(rows, right, gain):
    """Optimal x of max gain.x, rows x = right, x >= 0; two phases, Bland's rule."""
    m, n = len(rows), len(gain)
    table = []
    for i, (row, value) in enumerate(zip(rows, right, strict=True)):
        sign = -1 if value < 0 else 1
        unit = [Fraction(int(i == j)) for j in range(m)]
        table.append([sign * Fraction(v) for v in row] + unit + [abs(Fraction(value))])
    basis = [n + i for i in range(m)]

    def climb(costs, allowed):
        while True:
            worth = [costs[j] for j in basis]
            for j in range(allowed):
                if j in basis:
                    continue
                reduced = costs[j] - sum(
                    w * row[j] for w, row in zip(worth, table, strict=True) if w
                )
                if reduced > 0:
                    break
            else:
                return
            ratios = [
                (row[-1] / row[j], basis[i], i)
                for i, row in enumerate(table)
                if row[j] > 0
            ]
            i = min(ratios)[2]
            pivot(i, j)

    def pivot(i, j):
        head = table[i][j]
        table[i] = [v / head for v in table[i]]
        for k, row in enumerate(table):
            if k != i and row[j]:
                factor = row[j]
                table[k] = [a - factor * b for a, b in zip(row, table[i], strict=True)]
        basis[i] = j

    climb([Fraction(0)] * n + [Fraction(-1)] * m, n + m)
    if any(basis[i] >= n and table[i][-1] for i in range(m)):
        return None
    for i in range(m):
        j = next((j for j in range(n) if table[i][j]), None)
        if basis[i] >= n and j is not None:
            pivot(i, j)
    climb([Fraction(v) for v in gain] + [Fraction(0)] * m, n)
    x = [Fraction(0)] * n
    for i, j in enumerate(basis):
        if j < n:
            x[j] = table[i][-1]
    return x


def two_stages(inputs, outputs, k, orientation, returns):
    """The largest sum of unit k's slacks in shares of the point, and one over it."""
    n, m = inputs.shape
    s = outputs.shape[1]
    x, y = [int(v) for v in inputs[k]], [int(v) for v in outputs[k]]
    # Columns: intensities, input slacks, output slacks, scale slack, the measure.
    scale = {"crs": None, "vrs": 0, "nirs": 1, "ndrs": -1}[returns]
    rows, right = [], []
    for i in range(m):
        slack = [int(i == j) for j in range(m + s)]
        moved = -x[i] if orientation == "input" else 0
        rows.append([*map(int, inputs[:, i]), *slack, 0, moved])
        right.append(0 if moved else x[i])
    for r in range(s):
        slack = [-int(m + r == j) for j in range(m + s)]
        moved = -y[r] if orientation == "output" else 0
        rows.append([*map(int, outputs[:, r]), *slack, 0, moved])
        right.append(0 if orientation == "output" else y[r])
    if scale is not None:
        rows.append([1] * n + [0] * (m + s) + [scale, 0])
        right.append(1)
    best = 1 if orientation == "output" else -1
    t = maximum(rows, right, [0] * (n + m + s + 1) + [best])[-1]
    point = [v * (t if orientation == "input" else 1) for v in x]
    point += [v * (t if orientation == "output" else 1) for v in y]
    right = [value - row[-1] * t for row, value in zip(rows, right, strict=True)]
    weights = [1 / Fraction(v) for v in point]
    gain = [0] * n + weights + [0]
    found = maximum([row[:-1] for row in rows], right, gain)
    slacks = found[n : n + m + s]
    return sum(w * v for w, v in zip(weights, slacks, strict=True)), weights


def drawn_panel(rng, scale):
    """Ten periods of a few units in whole numbers, their options and the arrays."""
    n, m, s = rng.integers(3, 7), rng.integers(1, 3), rng.integers(1, 3)
    quantities = rng.integers(1, 7, (10, n, m + s))
    options = {
        "unit": "unit",
        "period": "period",
        "inputs": [f"x{i}" for i in range(m)],
        "outputs": [f"y{r}" for r in range(s)],
        "orientation": ("output", "input")[rng.integers(2)],
        "returns_to_scale": RETURNS[rng.integers(4)],
    }
    names = [*options["inputs"], *options["outputs"]]
    panel = pd.DataFrame(quantities.reshape(-1, m + s) * scale, columns=names)
    panel["unit"] = np.tile(np.arange(n), 10)
    panel["period"] = np.repeat(np.arange(10), n)
    return panel, options, quantities[:, :, :m], quantities[:, :, m:]


def wide(slacks, column, options):
    table = slacks.pivot(index=["period", "unit"], columns="variable", values=column)
    return table[[*options["inputs"], *options["outputs"]]]


def compared(seed, programmes, scale=1.0):
    """Where our slacks are not the largest, or leave the technology."""
    rng = np.random.default_rng(seed)
    wrong, done = [], 0
    while done < programmes:
        panel, options, inputs, outputs = drawn_panel(rng, scale)
        how = options["orientation"], options["returns_to_scale"]
        found = frontier.programmes(panel, **options).slacks
        slack = wide(found, "slack", options).to_numpy() / scale
        n = inputs.shape[1]
        for row, (p, k) in enumerate(np.ndindex(len(inputs), n)):
            total, weights = two_stages(inputs[p], outputs[p], k, *how)
            off = abs(float(total) - np.array(weights, float) @ slack[row])
            if off > 1e-7:
                wrong.append((*how, inputs[p], outputs[p], k))
        done += len(slack)
        # Slack taken away, the plan lies on the frontier of the same units.
        targets = wide(found, "target", options).reset_index()
        both = pd.concat([panel, targets.assign(unit=targets["unit"] + n)])
        again = frontier.programmes(both, **options, reference_units=range(n))
        late = again.distances["unit"] >= n
        close = np.isclose(again.distances.loc[late, "distance"], 1, rtol=1e-7)
        if not close.all():
            wrong.append((*how, "targets outside"))
    return wrong, done


@pytest.mark.filterwarnings("ignore::citypanel.errors.FrontierWarning")
@pytest.mark.parametrize("scale", [1.0, 0.1, 1e6 / 3])
def test_slacks_of_whole_numbers(scale):
    wrong, done = compared(20261128, 150, scale)
    assert done >= 150 and not wrong, wrong[:3]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::citypanel.errors.FrontierWarning")
def test_slacks_of_many_whole_numbers():
    wrong, done = compared(7, 3000)
    assert done >= 3000 and not wrong, wrong[:3]


@pytest.mark.parametrize(
    ("columns", "orientation", "unit", "expected"),
    [
        # The price of y1 is zero up to rounding.
        (
            {"x": [2, 5, 4, 1], "y0": [6, 5, 6, 3], "y1": [2, 3, 2, 2]},
            "input",
            1,
            [0, 0, 1 / 3],
        ),
        # So is that of x0.
        (
            {"x0": [4, 5, 5, 3, 1], "x1": [1, 3, 2, 3, 1], "y0": [5, 1, 6, 5, 5]},
            "output",
            1,
            [2, 0, 0],
        ),
    ],
)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9 / 7])
def test_a_price_of_zero_with_rounding(columns, orientation, unit, expected, scale):
    panel = pd.DataFrame(columns) * scale
    panel = panel.assign(unit=range(len(panel)), period=1)
    found = frontier.programmes(
        panel,
        unit="unit",
        period="period",
        inputs=[c for c in columns if c[0] == "x"],
        outputs=[c for c in columns if c[0] == "y"],
        orientation=orientation,
    )
    mine = found.slacks.loc[found.slacks["unit"] == unit]
    np.testing.assert_allclose(mine["slack"] / scale, expected, atol=1e-9)
    free = mine["slack"].to_numpy() > 0
    prices = found.prices.loc[found.prices["unit"] == unit, "price"].to_numpy()
    assert (prices[free] == 0).all()
