"""The plain way: one fresh pipeline, linprog and linearmodels call at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd
from linearmodels.panel import PanelOLS
from scipy.optimize import linprog

from citypanel.study.options import Options
from citypanel.study.productivity import CAPITAL, LABOUR, OUTPUT
from citypanel.study.run import Sources, Study


def output_distance(x: np.ndarray, y: np.ndarray, plan: np.ndarray, output: float):
    """Shephard's output distance of a plan to a technology, constant returns.

    Parameters
    ----------
    x, y : ndarray (n, 2), (n,)
        Inputs and outputs of the technology's observations.
    plan, output : ndarray (2,), float
    """
    n = len(y)
    rows = np.vstack([np.column_stack([np.zeros(2), x.T]), [output, *-y]])
    answer = linprog([-1.0, *np.zeros(n)], A_ub=rows, b_ub=[*plan, 0.0], method="highs")
    return 1.0 / answer.x[0]


def malmquist_by_linprog(rows: pd.DataFrame) -> pd.DataFrame:
    """tfpch of every city-year against the frontiers of the two years."""
    # Values near one, as any careful user of a solver would have them.
    scaled = rows[[OUTPUT, CAPITAL, LABOUR]] / rows[[OUTPUT, CAPITAL, LABOUR]].mean()
    table = pd.concat([rows[["city_id", "year"]], scaled], axis=1)
    years = {year: part.set_index("city_id") for year, part in table.groupby("year")}
    out = []
    for year in sorted(years)[1:]:
        a, b = years[year - 1], years[year]

        def against(technology, plans, city):
            return output_distance(
                technology[[CAPITAL, LABOUR]].to_numpy(),
                technology[OUTPUT].to_numpy(),
                plans.loc[city, [CAPITAL, LABOUR]].to_numpy(dtype=float),
                plans.loc[city, OUTPUT],
            )

        for city in b.index:
            product = (against(a, b, city) / against(a, a, city)) * (
                against(b, b, city) / against(b, a, city)
            )
            out.append((city, year, np.sqrt(product)))
    return pd.DataFrame(out, columns=["city_id", "year", "tfpch"])


def one_specification(sources: Sources, options: Options) -> tuple[float, float]:
    """Estimate and standard error, everything computed for this alone."""
    study = Study(sources)
    frame = malmquist_by_linprog(study.technology(options))
    policy = study.exposure(options)
    city = np.searchsorted(study.city_ids, frame["city_id"].to_numpy(dtype=object))
    year = np.searchsorted(study.years, frame["year"].to_numpy())
    frame["sydid"] = policy["exposure"][city, year]
    frame["number"] = city
    frame = frame.set_index(["number", "year"])
    result = PanelOLS(
        frame["tfpch"], frame[["sydid"]], entity_effects=True, time_effects=True
    ).fit(cov_type="clustered", cluster_entity=True)
    return float(result.params["sydid"]), float(result.std_errors["sydid"])
