"""Expected figures of the peers on inputs.csv: run where they are installed.

pip install moderndid==0.2.0 diff-diff==3.13.0 statspai==1.40.2 augsynth-py==0.6.0
contdid==0.1.0 cbps==0.2.1; citypanel is not needed. Panels of one file: column
``panel``.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
warnings.simplefilter("ignore")


def make_inputs() -> pd.DataFrame:
    """Three simulated panels, rounded: paths of treatment, factors, and neighbours."""
    rng = np.random.default_rng(3)
    rows = []
    for i in range(80):
        base, kind = float([0, 0, 1][i % 3]), i % 5
        d = np.full(8, base)
        first = int(rng.integers(2, 7))
        if kind in (1, 2):
            d[first:] = 1 - base
        if kind == 3:
            d[first : first + 2] = 1 - base
        if kind == 4 and base == 0:
            d[first:] = rng.choice([1, 2])
        y = rng.normal() + 0.1 * np.arange(8) + 0.5 * d + rng.normal(0, 0.3, 8)
        rows += [dict(panel="paths", i=i, t=t, d=d[t], y=y[t]) for t in range(8)]
    load, factor = rng.normal(size=30), 0.5 * np.cumsum(rng.normal(size=9))
    g = np.where(np.arange(30) < 4, 5, np.where(np.arange(30) < 8, 7, 0))
    for i in range(30):
        for t in range(9):
            d = float(g[i] > 0 and t >= g[i])
            y = load[i] * (factor[t] + 0.5) + 0.2 * t + d + rng.normal(0, 0.2)
            rows.append(dict(panel="factors", i=i, t=t, g=g[i], d=d, y=y))
    g = np.where(np.arange(60) < 25, np.array([4, 6, 7])[np.arange(60) % 3], 0)
    place = rng.uniform([25, 95], [45, 120], (60, 2))
    dose = rng.uniform(0.5, 3, 60)
    for i in range(60):
        for t in range(10):
            d, x = float(g[i] > 0 and t >= g[i]), rng.normal()
            y = i % 4 + 0.3 * x + d * dose[i] * 0.4 + rng.normal()
            rows.append(
                dict(panel="places", i=i, t=t, g=g[i], d=d, x=x, y=y, dose=dose[i],
                     lat=place[i, 0], lon=place[i, 1])
            )  # fmt: skip
    return pd.DataFrame(rows).round(6)


def pairs(estimates, errors) -> dict:
    return {
        str(k): [float(e), float(s)]
        for k, (e, s) in enumerate(zip(estimates, errors, strict=True))
    }


def moderndid_paths(frame):
    import moderndid

    out = {}
    for base in (0, 1):
        part = frame[frame.groupby("i")["d"].transform("first") == base]
        names = dict(yname="y", tname="t", idname="i", dname="d", effects=3, placebo=2)
        fit = moderndid.did_multiplegt(part, **names)
        scaled = moderndid.did_multiplegt(part, normalized=True, **names)
        out[str(base)] = {
            "overall": [float(fit.ate.estimate), float(fit.ate.std_error)],
            "effects": pairs(fit.effects.estimates, fit.effects.std_errors),
            "placebos": pairs(fit.placebos.estimates, fit.placebos.std_errors),
            "normalised": pairs(scaled.effects.estimates, scaled.effects.std_errors),
        }
    return out


def diff_diff_figures(paths, factors, places):
    import diff_diff
    from diff_diff import conley

    part = paths[paths["i"] % 5 != 3]
    fit = diff_diff.ChaisemartinDHaultfoeuille().fit(
        part, outcome="y", unit="i", time="t", treatment="d", L_max=3
    )
    both = {**fit.event_study_effects, **fit.placebo_event_study}
    out = {"paths": {str(k - 1): float(v["effect"]) for k, v in both.items()}}
    out["triply_robust"] = []
    for unit, time, norm in ((0.0, 0.0, np.inf), (1.0, 0.2, np.inf), (0.5, 0.1, 2.0)):
        model = diff_diff.TROP(
            method="local", lambda_time_grid=[time], lambda_unit_grid=[unit],
            lambda_nn_grid=[norm], n_bootstrap=2, max_iter=5000, tol=1e-9, seed=1,
        )  # fmt: skip
        fit = model.fit(factors, outcome="y", treatment="d", unit="i", time="t")
        out["triply_robust"].append(
            [unit, time, None if np.isinf(norm) else norm, float(fit.att)]
        )
    fit = diff_diff.twowayfeweights(places, "y", unit="i", time="t", treatment="d")
    out["weights"] = {
        "beta": float(fit.beta_fe),
        "sigma": float(fit.sigma_fe),
        "rows": fit.weights.sort_values(["i", "t"])["weight"].tolist(),
    }
    fit = diff_diff.SpilloverDiD(rings=[0, 60, 150], conley_coords=("lat", "lon")).fit(
        places.assign(first=places["g"]), outcome="y", unit="i", time="t",
        first_treat="first",
    )  # fmt: skip
    out["spillovers"] = [float(fit.att), *fit.spillover_effects["coef"].tolist()]
    places = places.sort_values(["i", "t"])
    z = np.column_stack(
        [
            places[["d", "x"]],
            pd.get_dummies(places["i"], dtype=float),
            pd.get_dummies(places["t"], dtype=float).iloc[:, 1:],
        ]
    )
    gram = z.T @ z
    residuals = places["y"].to_numpy() - z @ np.linalg.solve(gram, z.T @ places["y"])
    out["conley"] = {}
    for kernel in ("bartlett", "uniform"):
        for lags in (0, 3):
            matrix = conley._compute_conley_vcov(
                z, residuals, places[["lat", "lon"]].to_numpy(), 700.0, "haversine",
                kernel, gram, time=places["t"].to_numpy(), unit=places["i"].to_numpy(),
                lag_cutoff=lags,
            )  # fmt: skip
            out["conley"][f"{kernel}_{lags}"] = np.sqrt(np.diag(matrix)[:2]).tolist()
    return out


def statspai_figures(factors, places):
    import statspai

    out = {}
    for name, options in (
        ("interactive_fixed_effects", dict(method="ife", r=1)),
        ("matrix_completion", dict(method="mc", lam=0.01)),
    ):
        fit = statspai.fect(
            factors, "y", "d", "i", "t", tol=1e-12, max_iter=100_000, **options
        )
        out[name] = float(fit.estimate)
    part = places[places["t"] == 9]
    fit = statspai.ebalance(
        part.assign(e=(part["g"] > 0).astype(int)), y="y", treat="e", covariates=["x"]
    )
    out["entropy_balancing"] = float(fit.estimate)
    return out


def augsynth_figures(factors):
    import augsynth_py
    import polars

    part = factors[(factors["g"] == 5) | (factors["g"] == 0)]
    out = {}
    for ridge in (0.5, 20.0):
        fit = augsynth_py.AugSynth(lambda_=ridge).fit(
            polars.from_pandas(part[["i", "t", "y"]]), unit="i", time="t", outcome="y",
            treated=[0, 1, 2, 3], treatment_time=5,
        )  # fmt: skip
        out[str(ridge)] = np.asarray(fit.gap_, float)[5:].tolist()
    return out


def contdid_figures(places):
    import contdid
    from contdid import data

    panel = data.PanelData(
        places.assign(e=places["dose"] * (places["g"] > 0)), "i", "t", "y", "g", "e"
    )
    fit = contdid.cont_did(panel, dvals=[1.0, 2.0], biters=20)
    return np.ravel(fit.estimate).tolist()


def cbps_figures(places):
    """Coefficients, loss and weights of the units, of both methods."""
    import cbps

    part = places[places["t"] == 9]
    part = part.assign(e=(part["g"] > 0).astype(int)).reset_index(drop=True)
    out = {}
    for name, options in (
        ("over", dict(method="over")),
        ("exact", dict(method="exact", theoretical_exact=True)),
    ):
        fit = cbps.CBPS("e ~ x + lat", part, att=1, **options)
        out[name] = {
            "coefficients": np.ravel(fit.coefficients).tolist(),
            "loss": float(fit.J),
            "weights": np.ravel(fit.weights).tolist(),
        }
    return out


if __name__ == "__main__":
    frame = make_inputs()
    frame.to_csv(
        HERE / "inputs.csv.gz", index=False, compression={"method": "gzip", "mtime": 0}
    )
    by = {name: part.dropna(axis="columns") for name, part in frame.groupby("panel")}
    paths, factors, places = by["paths"], by["factors"], by["places"]
    figures = {
        "moderndid": lambda: moderndid_paths(paths),
        "diff_diff": lambda: diff_diff_figures(paths, factors, places),
        "statspai": lambda: statspai_figures(factors, places),
        "augsynth": lambda: augsynth_figures(factors),
        "contdid": lambda: contdid_figures(places),
        "cbps": lambda: cbps_figures(places),
    }
    for name, make in figures.items():
        text = json.dumps(make(), indent=1) + "\n"
        (HERE / f"expected_{name}.json").write_text(text)
