"""Disagreements inside a paper's printed tables.

Every check compares a printed figure with what other printed figures, or the study's
own description of its sample, imply; none uses the study's data.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from citypanel.errors import OptionError, PanelError, describe

COLUMNS = (
    "check",
    "paper_table",
    "paper_column",
    "term",
    "quantity",
    "printed",
    "recomputed",
    "rule",
    "verdict",
    "disagrees",
)
STAR_LEVELS = ((0.01, "***"), (0.05, "**"), (0.1, "*"))
NEEDED = {
    "descriptives": ("variable", "n", "mean", "variance_as_printed", "min", "max"),
    "regressions": (
        "paper_table",
        "column",
        "term",
        "estimate",
        "parenthesised",
        "stars",
        "n",
    ),
    "trade": ("year", "total_100m_yuan", "exports_100m_yuan", "imports_100m_yuan"),
}
FACTS = (
    "n_cities",
    "first_year",
    "last_year",
    "batches",
    "regions",
    "municipalities",
    "controls",
)


def sample_facts(
    cities: pd.DataFrame,
    cohorts: pd.Series | Iterable[int],
    *,
    first_year: int = 2011,
    last_year: int = 2019,
    region: str = "region",
    municipality: str = "is_municipality",
    controls: Sequence[str] = ("eco", "ind", "inf", "edu", "sca", "tra", "con"),
) -> dict[str, object]:
    """What the study says of its sample, counted from the reference tables.

    Parameters
    ----------
    cities : DataFrame
        The cities of the sample, one row each, with region and municipality columns.
    cohorts : iterable of int
        First treated year of each of them, 0 = never within the study.
    first_year, last_year : int
        As the paper states them.
    controls : sequence of str
        The controls its text defines.

    Returns
    -------
    dict
        n_cities, first_year, last_year, batches (year: cities), regions (name:
        cities), municipalities, controls. The regions and the treated and untreated
        cities each add up to n_cities.

    Raises
    ------
    PanelError
        When cities and cohorts are not as many, or a city has no region.
    """
    starts = pd.Series(list(cohorts)).astype(float).fillna(0)
    if len(starts) != len(cities) or cities[region].isna().any():
        raise PanelError(
            describe(
                f"{len(cities)} cities, {cities[region].count()} with a region, and "
                f"{len(starts)} cohorts do not belong together",
                consequence="regions and treated cities would not add up to the sample",
                remedy="give each city of the sample one region and one cohort",
            )
        )
    starts = starts[(starts > 0) & (starts <= last_year)].astype(int)
    return {
        "n_cities": len(cities),
        "first_year": first_year,
        "last_year": last_year,
        "batches": {
            int(y): int(n) for y, n in starts.value_counts().sort_index().items()
        },
        "regions": {
            str(r): int(n)
            for r, n in cities[region].value_counts().sort_index().items()
        },
        "municipalities": int(pd.to_numeric(cities[municipality]).sum()),
        "controls": list(controls),
    }


def published_audit(
    descriptives: pd.DataFrame,
    regressions: pd.DataFrame,
    trade: pd.DataFrame,
    sample_facts: Mapping[str, object],
) -> pd.DataFrame:
    """Check printed tables against themselves.

    Parameters
    ----------
    descriptives : DataFrame
        variable, n, mean, variance_as_printed, min, max.
    regressions : DataFrame
        paper_table, column, term, estimate, parenthesised, stars, n; cells that are
        not legible are null and not checked.
    trade : DataFrame
        year, total, exports and imports in 100 million yuan, and their printed growth
        (``total_yoy_pct``, ``exports_yoy_pct``, ``imports_yoy_pct``).
    sample_facts : mapping
        See `sample_facts`.

    Returns
    -------
    DataFrame
        One row per check: check, paper_table, paper_column, term, quantity, printed,
        recomputed, rule, verdict, and whether the two disagree.

    Raises
    ------
    PanelError
        A table without a column that is needed.
    OptionError
        Facts that are missing.
    """
    for name, frame in (
        ("descriptives", descriptives),
        ("regressions", regressions),
        ("trade", trade),
    ):
        missing = [c for c in NEEDED[name] if c not in frame.columns]
        if missing:
            raise PanelError(
                describe(
                    f"The table {name} lacks columns",
                    missing,
                    consequence="its figures cannot be checked",
                    remedy="columns needed: " + ", ".join(NEEDED[name]),
                )
            )
    absent = [fact for fact in FACTS if fact not in sample_facts]
    if absent:
        raise OptionError(
            describe(
                "Facts of the sample are missing",
                absent,
                consequence="what the paper's N should be is not known",
                remedy="build them with sample_facts",
            )
        )
    d = _numbers(descriptives, NEEDED["descriptives"][1:])
    r = _numbers(regressions, ("estimate", "parenthesised", "n"))
    t = _numbers(trade, trade.columns)
    rows = [
        *_stars(r, sample_facts),
        *_readings(r),
        *_observations(r, sample_facts),
        *_treated_share(d, sample_facts),
        *_binary_spread(d),
        *_largest_spread(d),
        *_log_base(d),
        *_controls(d, r, sample_facts),
        *_growth(t),
        *_sums(t),
    ]
    out = pd.DataFrame(rows, columns=list(COLUMNS))
    for column in ("printed", "recomputed"):
        out[column] = out[column].astype(float)
    out["disagrees"] = out["disagrees"].astype(bool)
    return out


def _numbers(frame: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    out = frame.copy()
    for column in columns:
        out[column] = pd.to_numeric(out[column], errors="coerce")
    return out


def decimals(values: pd.Series) -> int:
    """Decimals of a printed column: the most that any value shows, at most six."""
    shown = 0
    for value in values.dropna():
        for places in range(7):
            if abs(round(value, places) - value) < 1e-9:
                shown = max(shown, places)
                break
    return shown


def stars(p_value: float) -> str:
    """Stars of a p-value at 0.01, 0.05 and 0.1."""
    for limit, mark in STAR_LEVELS:
        if p_value < limit:
            return mark
    return ""


def _row(check, printed, recomputed, rule, verdict, disagrees, **where) -> dict:
    return {
        "check": check,
        "printed": printed,
        "recomputed": recomputed,
        "rule": rule,
        "verdict": verdict,
        "disagrees": disagrees,
        **where,
    }


def _place(line) -> dict:
    return {
        "paper_table": str(line["paper_table"]),
        "paper_column": str(line["column"]),
        "term": line["term"],
    }


def _marks(value) -> str:
    return "" if pd.isna(value) else str(value).strip()


def _sample(table, column, facts: Mapping) -> tuple[int, int, str]:
    """Cities and years lost of a column's sample, and what it is."""
    cities = int(facts["n_cities"])
    regions = {k.casefold(): v for k, v in dict(facts["regions"]).items()}
    name = str(column).strip().casefold()
    if str(table) == "4" and name in regions:
        return regions[name], 0, "cities of the region"
    if str(table) == "5" and name in ("(1)", "(2)"):
        lead = int(name.strip("()"))
        return cities, lead, f"outcome {lead} ahead"
    if str(table) == "5":
        return cities - int(facts["municipalities"]), 0, "without municipalities"
    return cities, 0, "whole sample"


def _degrees(r: pd.DataFrame, facts: Mapping) -> list[tuple[int, int]]:
    """Clusters less one, and rows less every coefficient, of each line's sample."""
    years = int(facts["last_year"]) - int(facts["first_year"]) + 1
    slopes = r[r["term"] != "const"].groupby(["paper_table", "column"])["term"].size()
    found = []
    for key in zip(r["paper_table"], r["column"], strict=True):
        units, lead, _ = _sample(*key, facts)
        span = years - lead
        found.append(
            (units - 1, units * span - (units + span - 1) - int(slopes.get(key, 0)))
        )
    return found


def _stars(r: pd.DataFrame, facts: Mapping) -> list[dict]:
    """Stars against the t statistic that coefficient and parentheses imply."""
    rows = []
    r = r.dropna(subset=["estimate", "parenthesised"])
    degrees = _degrees(r, facts)
    for (_, line), (clusters, residual) in zip(r.iterrows(), degrees, strict=True):
        t = abs(line["estimate"]) / line["parenthesised"]
        laws = {
            "N(0,1)": np.inf,
            f"t({clusters})": clusters,
            f"t({residual})": residual,
        }
        printed = _marks(line["stars"])
        for law, df in laws.items():
            p = 2 * (stats.norm.sf(t) if np.isinf(df) else stats.t.sf(t, df))
            implied = stars(p)
            wrong = implied != printed
            rows.append(
                _row(
                    "stars",
                    len(printed),
                    len(implied),
                    f"|{line['estimate']:g}| / {line['parenthesised']:g} = {t:.3f} "
                    f"under {law}: p = {p:.3f}",
                    f"printed {printed or 'no star'}, implied {implied or 'no star'}",
                    wrong,
                    quantity=f"stars under {law}",
                    **_place(line),
                )
            )
    return rows


def _readings(r: pd.DataFrame) -> list[dict]:
    """Whether the parentheses could be t statistics or p-values instead.

    One row per reading: how many of the stars it explains.
    """
    lines = r.dropna(subset=["estimate", "parenthesised"])
    shown = [_marks(value) for value in lines["stars"]]
    value = lines["parenthesised"].to_numpy(float)
    t = np.abs(lines["estimate"].to_numpy(float)) / value
    readings = {
        "standard errors": 2 * stats.norm.sf(t),
        "t statistics": 2 * stats.norm.sf(value),
        "p-values": value,
    }
    rows = []
    for name, p in readings.items():
        fits = sum(stars(q) == s for q, s in zip(p, shown, strict=True))
        rows.append(
            _row(
                "reading of the parentheses",
                len(shown),
                fits,
                f"stars that follow if the parentheses are {name}, under N(0,1)",
                f"explains {fits} of {len(shown)} rows",
                fits < len(shown),
                paper_table="3-5",
                paper_column=None,
                term=None,
                quantity=name,
            )
        )
    return rows


def _observations(r: pd.DataFrame, facts: Mapping) -> list[dict]:
    """N of each column against what its sample implies."""
    years = int(facts["last_year"]) - int(facts["first_year"]) + 1
    columns = r.groupby(["paper_table", "column"], sort=False)["n"].first()
    wanted = list(columns.index)
    # Columns the source does not show legibly still have an N to be expected.
    seen = {(str(t), str(c)) for t, c in wanted}
    for lead in (1, 2):
        if ("5", f"({lead})") not in seen and any(t == "5" for t, _ in seen):
            wanted.append(("5", f"({lead})"))
    rows = []
    for table, column in wanted:
        units, lead, sample = _sample(table, column, facts)
        n = columns.get((table, column), columns.iloc[0])
        legible = bool(np.isfinite(n))
        for span in (years, years - 1):
            implied = units * (span - lead)
            rows.append(
                _row(
                    "observations",
                    n,
                    implied,
                    f"{sample}: {units} cities x {span - lead} years",
                    "not legible"
                    if not legible
                    else "agrees"
                    if n == implied
                    else f"printed {n:g}, implied {implied}",
                    legible and n != implied,
                    paper_table=str(table),
                    paper_column=str(column),
                    term=None,
                    quantity=f"N at {span} rows a city",
                )
            )
    return rows


def _treated_share(d: pd.DataFrame, facts: Mapping) -> list[dict]:
    """The mean of the treatment against the batches' city-years."""
    line = d[d["variable"] == "sydid"]
    if line.empty:
        return []
    line = line.iloc[0]
    batches = {int(y): int(n) for y, n in dict(facts["batches"]).items()}
    last = int(facts["last_year"])
    total = sum(n * (last - y + 1) for y, n in batches.items())
    n, mean = line["n"], line["mean"]
    half = 0.5 * 10.0 ** -decimals(d["mean"])
    counts = np.arange(np.ceil((mean - half) * n), np.floor((mean + half) * n) + 1)
    lacking = total - counts
    causes = [
        f"{lack / (last - y + 1):.0f} city of the batch of {y} coded untreated"
        for lack in lacking
        for y in batches
        if lack == last - y + 1
    ]
    shown = ", ".join(f"{c:.0f}" for c in counts)
    wrong = not np.isin(total, counts)
    parts = " + ".join(f"{k} x {last - y + 1}" for y, k in batches.items())
    return [
        _row(
            "treated share",
            mean,
            total / n,
            f"treated city-years {parts} = {total}, over {n:g}; "
            f"the printed mean is {shown} of {n:g}",
            "agrees"
            if not wrong
            else "; ".join(causes) or "no single city explains it",
            wrong,
            paper_table="2",
            paper_column="mean",
            term="sydid",
            quantity="mean of sydid",
        )
    ]


def _binary_spread(d: pd.DataFrame) -> list[dict]:
    """The printed variance of a 0/1 variable against p (1 - p)."""
    rows = []
    half = 0.5 * 10.0 ** -decimals(d["variance_as_printed"])
    for _, line in d.iterrows():
        if not (line["min"] == 0 and line["max"] == 1 and line["variable"] == "sydid"):
            continue
        p = line["mean"]
        variance = p * (1 - p) * line["n"] / (line["n"] - 1)
        spread = float(np.sqrt(variance))
        is_sd = abs(line["variance_as_printed"] - spread) <= 2 * half
        rows.append(
            _row(
                "variance of a 0/1 variable",
                line["variance_as_printed"],
                variance,
                f"p (1 - p) at p = {p:g}; its square root is {spread:.3f}",
                "the column is the standard deviation"
                if is_sd
                else "neither variance nor standard deviation",
                abs(line["variance_as_printed"] - variance) > half,
                paper_table="2",
                paper_column="variance",
                term=line["variable"],
                quantity="variance",
            )
        )
    return rows


def _largest_spread(d: pd.DataFrame) -> list[dict]:
    """Bhatia and Davis (2000): variance <= (max - mean)(mean - min), for each row.

    The mean, minimum and maximum are taken at the edges of their rounding that allow
    the largest spread, and the sample variance's N/(N-1) is granted.
    """
    half = 0.5 * 10.0 ** -decimals(pd.concat([d["mean"], d["min"], d["max"]]))
    spread_half = 0.5 * 10.0 ** -decimals(d["variance_as_printed"])
    rows = []
    for _, line in d.iterrows():
        mean, low, high = line["mean"], line["min"], line["max"]
        exact = max((high - mean) * (mean - low), 0.0)
        loose = max(
            (high + half - m) * (m - low + half) for m in (mean - half, mean + half)
        )
        loose *= line["n"] / (line["n"] - 1)
        for reading, limit, edge in (
            ("standard deviation", np.sqrt(exact), np.sqrt(loose)),
            ("variance", exact, loose),
        ):
            printed = line["variance_as_printed"]
            wrong = printed - spread_half > edge
            rows.append(
                _row(
                    "largest possible spread",
                    printed,
                    float(limit),
                    f"read as a {reading}: (max - mean)(mean - min) = {exact:.3f} "
                    f"bounds the variance (Bhatia and Davis 2000)",
                    "impossible" if wrong else "possible",
                    wrong,
                    paper_table="2",
                    paper_column="variance",
                    term=line["variable"],
                    quantity=f"{reading} at most",
                )
            )
    return rows


def _log_base(d: pd.DataFrame) -> list[dict]:
    """Investment and retail sales over output under either base of the logarithms.

    Output is in 100 million yuan, the others in 10,000 yuan; a ratio between 0.05 and
    5 is an economy's.
    """
    table = d.set_index("variable")["mean"]
    if "eco" not in table:
        return []
    rows = []
    for name, meaning in (("inf", "investment"), ("con", "retail sales")):
        if name not in table:
            continue
        for base, label in ((10.0, "10"), (np.e, "e")):
            ratio = float(base ** table[name] / (base ** table["eco"] * 1e4))
            fits = 0.05 < ratio < 5
            rows.append(
                _row(
                    "log base",
                    table[name],
                    ratio,
                    f"{meaning} over output at the means if logs have base {label}",
                    f"base {label} is {'possible' if fits else 'impossible'}: "
                    f"{meaning} would be {ratio:.2g} of output",
                    not fits,
                    paper_table="2",
                    paper_column="mean",
                    term=name,
                    quantity=f"{meaning} / output, base {label}",
                )
            )
    return rows


def _controls(d: pd.DataFrame, r: pd.DataFrame, facts: Mapping) -> list[dict]:
    """Controls that the text defines and a table leaves out."""
    rows = []
    main = r[(r["paper_table"].astype(str) == "3") & (r["column"] == "(2)")]
    for table, present in (("2", set(d["variable"])), ("3", set(main["term"]))):
        for name in facts["controls"]:
            missing = name not in present
            rows.append(
                _row(
                    "controls defined in the text",
                    0.0 if missing else 1.0,
                    1.0,
                    "the text defines it, so the table should have it",
                    "missing" if missing else "present",
                    missing,
                    paper_table=table,
                    paper_column=None if table == "2" else "(2)",
                    term=name,
                    quantity="present in the table",
                )
            )
    return rows


SERIES = ("total", "exports", "imports")


def _growth(t: pd.DataFrame) -> list[dict]:
    """Printed growth against the printed amounts, at the edges of their rounding."""
    t = t.sort_values("year")
    rows = []
    for name in SERIES:
        amount, growth = t[f"{name}_100m_yuan"], t.get(f"{name}_yoy_pct")
        if growth is None:
            continue
        step = 0.5 * 10.0 ** -decimals(amount)
        half = 0.5 * 10.0 ** -decimals(growth)
        lines = list(zip(t["year"], amount, growth, strict=True))
        for (before, a, _), (year, b, printed) in itertools.pairwise(lines):
            if year - before != 1 or not np.isfinite([a, b, printed]).all():
                continue
            rate = 100 * (b / a - 1)
            low = 100 * ((b - step) / (a + step) - 1) - half
            high = 100 * ((b + step) / (a - step) - 1) + half
            wrong = not low <= printed <= high
            rows.append(
                _row(
                    "growth against amounts",
                    printed,
                    rate,
                    f"100 ({b:g} / {a:g} - 1), rounding allows {low:.2f} to {high:.2f}",
                    "agrees"
                    if not wrong
                    else f"computed {rate:.1f}, printed {printed:.1f}",
                    wrong,
                    paper_table="1",
                    paper_column=str(int(year)),
                    term=name,
                    quantity="growth, %",
                )
            )
    return rows


def _sums(t: pd.DataFrame) -> list[dict]:
    """Exports and imports against the printed total."""
    rows = []
    columns = [f"{name}_100m_yuan" for name in SERIES]
    step = 10.0 ** -decimals(pd.concat([t[c] for c in columns]))
    for year, total, exports, imports in zip(
        t["year"], *(t[c] for c in columns), strict=True
    ):
        wrong = abs(exports + imports - total) > 1.5 * step
        rows.append(
            _row(
                "exports and imports add up",
                total,
                exports + imports,
                f"{exports:g} + {imports:g}",
                "agrees" if not wrong else "does not add up",
                wrong,
                paper_table="1",
                paper_column=str(int(year)),
                term="total",
                quantity="amount, 100 million yuan",
            )
        )
    return rows
