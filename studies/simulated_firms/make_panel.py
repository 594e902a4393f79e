"""Write firm_months.parquet: 400 simulated firms whose productivity a subsidy raises.

    python studies/simulated_firms/make_panel.py

Two outputs of three inputs, Cobb-Douglas; emissions fall where productivity is higher.
The subsidy raises the logarithm of productivity by EFFECT from its first month on. A
fifth of the firms enter late, a fifth leave early.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

SEED = 400
FIRMS, MONTHS = 400, 12
EFFECT = 0.12
STARTS = (None, 5, 8)
SECTORS = ("food", "metal", "paper", "textiles")
COLUMNS = (
    "firm", "month", "subsidised_from", "sector", "labour", "capital", "energy",
    "goods", "services", "emissions",
)  # fmt: skip


def panel() -> pd.DataFrame:
    """One row per firm and month."""
    rng = np.random.default_rng(SEED)
    months = [str(m) for m in pd.period_range("2021-01", periods=MONTHS, freq="M")]
    rows = []
    for firm in range(FIRMS):
        enters = 0 if rng.uniform() < 0.8 else int(rng.integers(1, MONTHS - 5))
        leaves = (
            MONTHS if rng.uniform() < 0.8 else int(rng.integers(enters + 5, MONTHS))
        )
        start = STARTS[firm % 3]
        size, level = rng.normal(0, 0.6), rng.normal(0, 0.15)
        intensity, mix = rng.normal(0, 0.3, 3), rng.normal(0, 0.3)
        for month in range(enters, leaves):
            treated = start is not None and month >= start
            inputs = size + np.array([1.0, 0.5, 0.8]) + intensity
            inputs = inputs + rng.normal(0, 0.05, 3)
            tfp = level + 0.004 * month + EFFECT * treated + rng.normal(0, 0.04)
            output = inputs @ np.array([0.4, 0.3, 0.3]) + tfp
            tilt = 0.5 * (mix + rng.normal(0, 0.03))
            bad = inputs.mean() - tfp + rng.normal(0, 0.05)
            amounts = np.exp([*inputs, output + tilt, output - tilt, bad]).round(4)
            rows.append(
                (
                    f"F{firm + 1:03d}",
                    months[month],
                    None if start is None else months[start],
                    SECTORS[firm % 4],
                    *amounts,
                )
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


if __name__ == "__main__":
    target = Path(__file__).with_name("firm_months.parquet")
    duckdb.from_df(panel()).write_parquet(str(target), compression="zstd")
    print(target)
