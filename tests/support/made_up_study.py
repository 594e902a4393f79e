"""The tables of a published file, made up: four cities, two treated from 2015 on."""

from __future__ import annotations

import math

import pandas as pd


def effect(estimate: float, std_error: float) -> dict:
    """An estimate with its normal interval; significant beyond 1.96 std_error."""
    p = math.erfc(abs(estimate / std_error) / math.sqrt(2))
    return {
        "estimate": estimate, "std_error": std_error, "p_value": p,
        "conf_low": estimate - 1.96 * std_error,
        "conf_high": estimate + 1.96 * std_error,
    }  # fmt: skip


def regression(variant: str, column: str, estimate: float, std_error: float, **given):
    return {
        "paper_table": "3", "paper_column": column, "variant": variant, "term": "sydid",
        "note": None, "n_obs": 320, "n_cities": 40, "n_treated_cities": 20,
        "assumed_share": 0.1, **effect(estimate, std_error), **given,
    }  # fmt: skip


def made_up(
    estimate: float = 0.02,
    std_error: float = 0.005,
    *,
    leads_p: float | None = 0.6,
    policy: str = "pilot_zones",
    name: str = "Alpha",
    printed: tuple[float, float] | None = (0.024, 0.029),
    others: tuple[float, ...] = (0.02,),
    fakes: tuple[float, ...] = (0.001,),
    region: float = 0.001,
    assumed: float = 0.1,
    credibility: bool = True,
    level: tuple[float, float] | None = None,
    audit: tuple[tuple, ...] = (),
    wild_p: float | None = None,
    slope: tuple[float, float] | None = None,
    net: float | None = None,
    quality: str | None = None,
) -> dict[str, pd.DataFrame]:
    """Tables of a file with four cities, two of them treated from 2015 on."""
    ids = ["110000", "120000", "130100", "140100"]
    years = range(2012, 2016)
    headline = {
        "variant": "headline", "variant_order": 1, "policy": policy, "outcome": "tfpch",
        "first_year": 2011, "last_year": 2015, "seed": 7, "treated_batches": "1, 2",
        "excluded_cities": "", "credibility": str(credibility), "log_base": "10",
    }  # fmt: skip
    frames = {
        "dim_study_variants": pd.DataFrame([headline]),
        "dim_cities": pd.DataFrame(
            {
                "city_id": ids, "city_en": [name, "Beta", "Gamma", "Delta"],
                "city_zh": ["甲", "乙", "丙", "丁"], "province_en": "Province",
                "province_zh": "省", "region": "eastern", "batch": [1, 2, None, None],
            }
        ),
        "dim_variables": pd.DataFrame(
            {"variable": ["fai"], "label_en": ["Investment"], "label_zh": ["投资"]}
        ),
        "fct_cell_origins": pd.DataFrame(
            {
                "city_id": ids, "year": 2012, "variable": "fai",
                "origin": ["reported", "reported", "assumed", "missing"],
            }
        ),
        "fct_tfp_changes": pd.DataFrame(
            [
                {"city_id": i, "year": y, "log_tfpch": 0.01 * k,
                 "cumulative_log_tfp": 0.01 * k * (y - 2011),
                 "is_on_frontier": k == 3}
                for k, i in enumerate(ids) for y in years
            ]
        ),
        "fct_city_years": pd.DataFrame(
            [
                {"city_id": i, "year": y, "cohort": 2015 if k < 2 else 0,
                 "gdp_real_cny_10k": 1e7 * 1.05 ** (y - 2011),
                 "capital_real_cny_10k": 3e7 * 1.1 ** (y - 2011)}
                for k, i in enumerate(ids) for y in range(2011, 2016)
            ]
        ),
        "rpt_regressions": pd.DataFrame(
            [regression("headline", "(1)", estimate, std_error, assumed_share=assumed)]
        ),
        "rpt_sample": pd.DataFrame(
            {
                "city_id": ids, "city_en": [name, "Beta", "Gamma", "Delta"],
                "city_zh": ["甲", "乙", "丙", "丁"],
                "role": ["treated", "treated", "control", "control"],
                "cohort": [2015, 2015, 0, 0], "reason": "in",
                "is_in_sample": [True] * 4,
            }
        ),
        "rpt_event_study": pd.DataFrame(
            [
                {"variant": "headline", "outcome": "tfpch", "estimator": "twfe",
                 "event_time": t, "note": note, "band_low": None, "band_high": None,
                 "leads_p_value": leads_p, **effect(b, 0.01)}
                for t, b, note in ((-2, 0.001, None), (-1, 0.0, "reference period"),
                                   (0, estimate, None))
            ]
        ),
        "rpt_published_comparison": pd.DataFrame(
            [] if printed is None else [
                {"paper_table": "3", "paper_column": "(1)", "term": "sydid",
                 "statistic": s, "published": v, "ours": 0.0}
                for s, v in zip(("estimate", "std_error"), printed, strict=True)
            ],
            columns=["paper_table", "paper_column", "term", "statistic", "published",
                     "ours"],
        ),
    }  # fmt: skip
    if not credibility:
        return frames
    rows = [("twfe", "tfpch", estimate, std_error, leads_p)]
    rows += [(f"other_{k}", "tfpch", b, std_error, None) for k, b in enumerate(others)]
    if level is not None:
        rows.append(("twfe", "cumulative_log_tfp", level[0], 0.01, level[1]))
    frames["rpt_att"] = pd.DataFrame(
        [
            {"outcome": o, "sample": "all", "estimator": e, "aggregation": "simple",
             "term": "overall", "leads_p_value": p, "event_time": None,
             "band_low": None, "band_high": None, **effect(b, se)}
            for e, o, b, se, p in rows
        ]
    )  # fmt: skip
    checks = [
        ("fake_date", "fake_date", f"treated {k} periods before", "all", b)
        for k, b in enumerate(fakes, 1)
    ]
    checks.append(("by_region", "interacted", "sydid:eastern", "eastern", region))
    frames["rpt_sensitivity"] = pd.DataFrame(
        [
            {"check_name": c, "aggregation": a, "term": t, "sample": s, "bound": None,
             "estimator": "twfe", "slope": None, **effect(b, std_error)}
            for c, a, t, s, b in checks
        ]
    )  # fmt: skip
    frames["rpt_sensitivity"] = pd.concat(
        [frames["rpt_sensitivity"], _trends(slope, net)], ignore_index=True
    )
    if quality:
        frames["dq_summary"] = pd.DataFrame(
            [{"part": "verdict", "number": 1, "level": quality,
              "text_en": f"The figures say {quality}.", "text_zh": "数据。"}]
        )  # fmt: skip
    p = effect(estimate, std_error)["p_value"]
    frames["rpt_inference"] = pd.DataFrame(
        [
            {"paper_table": "3", "paper_column": "(1)", "p_value": p, "p_value_cr2": p,
             "p_value_cv3": p, "p_value_wild": p if wild_p is None else wild_p,
             "p_value_randomisation": p,
             "p_value_romano_wolf": None, "minimum_detectable_effect": 2.8 * std_error,
             "bound": 0.024, "power_at_bound": 0.4, "equivalence_p_value": 0.2,
             "draws": 99}
        ]
    )  # fmt: skip
    frames["rpt_published_audit"] = pd.DataFrame(
        list(audit),
        columns=["check_name", "paper_table", "paper_column", "term", "quantity",
                 "rule", "verdict", "disagrees"],
    )  # fmt: skip
    return frames


def _trends(slope: tuple[float, float] | None, net: float | None) -> pd.DataFrame:
    """The line through the leads, what their test misses, and the effect net of it."""
    rows = []
    common = {"sample": "all", "estimator": "twfe", "bound": None, "slope": None}
    if slope is not None:
        line = {"check_name": "pretrend_line", "aggregation": "pretrend"}
        rows += [
            common | line | {"term": "slope"} | effect(*slope),
            common | {"check_name": "pretrend_power", "aggregation": "pretrend",
                      "term": "slope_at_power_0.5", "slope": 0.006,
                      "estimate": 0.0},
        ]  # fmt: skip
    if net is not None:
        rows.append(
            common | {"check_name": "honest", "aggregation": "smoothness",
                      "term": "first", "bound": 0.0, "estimate": net,
                      "conf_low": net - 0.02, "conf_high": net + 0.02}
        )  # fmt: skip
    return pd.DataFrame(rows)
