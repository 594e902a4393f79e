"""Draw the frontier of 2019 from the published warehouse.

    python docs/method/frontier_2019.py

Needs matplotlib (the extra `benchmarks`). Writes frontier_2019.svg beside this file.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import matplotlib
import numpy as np

from citypanel.frontier import frontier

matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "frontier"
import matplotlib.pyplot as plt  # noqa: E402

HERE = Path(__file__).parent
YEAR = 2019
OUTPUT = "gdp_real_cny_10k"
INPUTS = ["capital_real_cny_10k", "labour"]


def main() -> None:
    warehouse = HERE.parents[1] / "citypanel.duckdb"
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        panel = connection.sql(
            "select years.*, cities.city_en from marts.fct_city_years as years "
            "join marts.dim_cities as cities using (city_id) order by city_id, year"
        ).df()
    drawn = frontier(
        panel,
        unit="city_en",
        period="year",
        outputs=[OUTPUT],
        inputs=INPUTS,
        at=YEAR,
    )
    cities = panel[panel["year"] == YEAR]
    # Students a head, a share, over output in 10,000 yuan: 1e9 of these are 1e13 yuan.
    x = cities[INPUTS[0]] / cities[OUTPUT]
    y = cities[INPUTS[1]] / cities[OUTPUT] * 1e9
    carriers = cities["city_en"].isin(drawn.vertices["city_en"])

    figure, axes = plt.subplots(figsize=(7.2, 4.6), layout="constrained")
    for treated, marker, label in [(True, "o", "treated"), (False, "^", "control")]:
        part = (cities["cohort"] > 0) == treated
        axes.scatter(
            x[part],
            y[part],
            marker=marker,
            s=26,
            facecolor="#2b6cb0" if treated else "none",
            edgecolor="#2b6cb0" if treated else "#4a4a4a",
            label=label,
        )
    order = np.argsort(x[carriers].to_numpy())
    cx, cy = x[carriers].to_numpy()[order], y[carriers].to_numpy()[order]
    top, right = y.max() * 1.6, x.max() * 1.15
    axes.plot(
        np.r_[cx[0], cx, right],
        np.r_[top, cy, cy[-1]],
        color="#c05621",
        linewidth=1.4,
        label="frontier, constant returns",
    )
    for name, a, b in zip(
        cities["city_en"][carriers], x[carriers], y[carriers], strict=True
    ):
        axes.annotate(name, (a, b), xytext=(-6, -12), textcoords="offset points")
    axes.set_yscale("log")
    axes.set_xlim(0.9, right)
    axes.set_ylim(y.min() * 0.6, top)
    axes.set_xlabel("capital per output, both at 2011 prices")
    axes.set_ylabel("students per person and 10$^{13}$ yuan of output (log)")
    axes.set_title(f"Inputs per output of {len(cities)} cities in {YEAR}", loc="left")
    axes.legend(frameon=False, loc="upper right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(HERE / "frontier_2019.svg", metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
