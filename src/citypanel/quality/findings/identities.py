"""What must hold between columns, and between growth and levels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from citypanel.quality.findings.tables import (
    MAD_TO_SIGMA,
    SAID,
    Cells,
    finding,
    nanmedian,
    neighbours,
    sigma,
)

GDP, SECONDARY, TERTIARY = "gdp_cny_10k", "secondary_cny_10k", "tertiary_cny_10k"
GROWTH = "gdp_growth_pct"
# (whole, parts): the parts together cannot exceed the whole.
PARTS = (
    (GDP, (SECONDARY, TERTIARY)),
    ("fai_cny_10k", ("real_estate_cny_10k",)),
    ("fiscal_expenditure_cny_10k", ("education_expenditure_cny_10k",)),
)
# Rounding of the printed figures: one part in a thousand (2026-11-25).
PARTS_TOLERANCE = 0.001
# Printed shares of one city move slowly: four robust standard deviations of their
# yearly changes, and five percentage points at least.
SHARE_K = 4.0
SHARE_FLOOR = 0.05
# Published rates carry one or two decimals: a rate is the nominal one within 0.06.
NOMINAL_TOLERANCE = 0.06
# A whole year is defective when nine cities of ten print nominal growth (in 2013 all 73
# do, in no other year more than 4 in 100; 2026-11-24).
NOMINAL_SHARE = 0.9
# In a single city the coincidence counts only where prices moved by this many points.
NOMINAL_PRICES = 2.0
# Levels against growth: four robust standard deviations, and five per cent at least;
# beyond 15 per cent it is critical. The revision of 2019 reaches 40 per cent.
LEVEL_K = 4.0
LEVEL_FLOOR = 0.05
LEVEL_CRITICAL = 0.15
# Density is rounded to whole persons and areas to whole km2; some cities use the
# population at the middle of the year: two per cent (2026-11-25).
DENSITY_TOLERANCE = 0.02
# Ratios of two columns, compared with the other cities of the year.
RATIOS = (
    ("fai_cny_10k", GDP),
    ("retail_sales_cny_10k", GDP),
    ("fiscal_expenditure_cny_10k", GDP),
    ("education_expenditure_cny_10k", "fiscal_expenditure_cny_10k"),
    ("real_estate_cny_10k", "fai_cny_10k"),
    ("unit_employment_persons_10k", "population_persons_10k"),
    ("private_employment_persons", "population_persons_10k"),
    ("university_students_persons", "population_persons_10k"),
    ("vocational_students_persons", "population_persons_10k"),
    (GDP, "population_persons_10k"),
)
# Cities differ for good reasons: five robust standard deviations of the year.
RATIO_K = 5.0
# Printed figures have six digits or so: logarithms closer than this are the same.
RATIO_FLOOR = 1e-6
# Investment above output for a year, or under a fifth of it, starts or leaves a capital
# stock that no city of China had (national ratio 2010 to 2016: 0.6 to 0.8, NBS).
INVESTMENT_RANGE = (0.2, 1.3)
# An input that doubles against output within this many years changes the frontier.
RISE_YEARS = 2
RISE_FACTOR = 1.6


def parts_of_a_whole(panel: Cells) -> Iterator[dict[str, Any]]:
    """Rule parts_exceed_whole: parts together above their whole."""
    for whole_name, part_names in PARTS:
        names = (whole_name, *part_names)
        if not all(name in panel.series for name in names):
            continue
        whole = panel.series[whole_name]
        parts = sum(panel.series[name].values for name in part_names)
        with np.errstate(invalid="ignore"):
            beyond = parts > whole.values * (1 + PARTS_TOLERANCE)
        for place, t in zip(*np.nonzero(beyond), strict=True):
            yield finding(
                "parts_exceed_whole",
                "critical",
                **whole.cell(place, t),
                low=parts[place, t],
                joined=" + ".join(part_names),
            )


def sector_shares(panel: Cells) -> Iterator[dict[str, Any]]:
    """Rule share_jump: a sector's share of output leaves and returns, or breaks.

    The yearly change of the share of the secondary, the tertiary or the remaining
    (primary) sector, less the median change of the cities, is above
    max(`SHARE_FLOOR`, `SHARE_K` sigma). One row per city and year, for the largest.
    """
    if not all(name in panel.series for name in (GDP, SECONDARY, TERTIARY)):
        return
    gdp = panel.series[GDP].values
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = {
            SECONDARY: panel.series[SECONDARY].values / gdp,
            TERTIARY: panel.series[TERTIARY].values / gdp,
        }
        shares[GDP] = 1 - shares[SECONDARY] - shares[TERTIARY]
    largest: dict[tuple[int, int], tuple[float, str, float]] = {}
    common = {name: nanmedian(np.diff(share, axis=1)) for name, share in shares.items()}
    for name, share in shares.items():
        own = np.diff(share, axis=1) - common[name]
        limit = max(SHARE_FLOOR, SHARE_K * sigma(own))
        with np.errstate(invalid="ignore"):
            beyond = np.abs(own) > limit
        for place, t in zip(*np.nonzero(beyond), strict=True):
            size = abs(own[place, t])
            if size > largest.get((place, t), (0.0, "", 0.0))[0]:
                largest[place, t] = (size, name, limit)
    for (place, t), (_, name, limit) in sorted(largest.items()):
        share = shares[name][place]
        expected = share[t] + common[name][t]
        bounds = (np.nan, np.nan)
        if name != GDP:
            bounds = tuple(
                gdp[place, t + 1] * (expected + side * limit) for side in (-1, 1)
            )
        yield finding(
            "share_jump",
            "warning",
            **panel.series[name].cell(place, t + 1),
            low=bounds[0],
            high=bounds[1],
            what=SAID("primary") if name == GDP else name,
            before=share[t],
            after=share[t + 1],
        )


def defective_growth_years(panel: Cells) -> list[int]:
    """Years in which nearly every printed growth rate is the nominal one."""
    near, both = _nominal(panel)
    n_both = both.sum(axis=0)
    with np.errstate(invalid="ignore"):
        share = np.where(n_both > 0, near.sum(axis=0) / np.maximum(n_both, 1), 0.0)
    return [int(year) for year in panel.years[share >= NOMINAL_SHARE]]


def _nominal(panel: Cells) -> tuple[np.ndarray, np.ndarray]:
    shape = (len(panel.city_ids), len(panel.years))
    if GDP not in panel.series or GROWTH not in panel.series:
        return np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    levels, growth = panel.series[GDP].values, panel.series[GROWTH].values
    nominal = np.full(shape, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        nominal[:, 1:] = 100 * (levels[:, 1:] / levels[:, :-1] - 1)
        both = np.isfinite(nominal) & np.isfinite(growth)
        near = both & (np.abs(growth - nominal) <= NOMINAL_TOLERANCE)
    return near, both


def real_growth_of_levels(panel: Cells) -> np.ndarray:
    """Log growth of output less the province's prices; first year empty."""
    logs = panel.series[GDP].logs
    growth = np.full(logs.shape, np.nan)
    growth[:, 1:] = np.diff(logs, axis=1) - _prices(panel)[:, 1:]
    return growth


def _prices(panel: Cells) -> np.ndarray:
    """Log change of each city's province deflator; shape (n, T), first year empty."""
    prices = np.full((len(panel.city_ids), len(panel.years)), np.nan)
    for province_id, rows in panel.cities.groupby("province_id").indices.items():
        with np.errstate(invalid="ignore", divide="ignore"):
            nominal = np.log(panel.province_row("GDP", province_id))
            real = np.log(panel.province_row("GDPIDX", province_id) / 100)
        prices[rows, 1:] = np.diff(nominal) - real[1:]
    return prices


def nominal_growth(panel: Cells) -> Iterator[dict[str, Any]]:
    """Rule nominal_as_real: the growth rate printed is that of nominal output.

    A year in which nine cities of ten do it is one finding; elsewhere a city's cell is,
    where the province's prices moved by `NOMINAL_PRICES` points or more.
    """
    near, both = _nominal(panel)
    prices = _prices(panel)
    years = defective_growth_years(panel)
    for year in years:
        t = int(year - panel.years[0])
        yield finding(
            "nominal_as_real",
            "critical",
            GROWTH,
            scope="study",
            year=year,
            n_near=int(near[:, t].sum()),
            n_both=int(both[:, t].sum()),
            tolerance=NOMINAL_TOLERANCE,
        )
    moved = np.abs(100 * np.expm1(np.nan_to_num(prices))) >= NOMINAL_PRICES
    for place, t in zip(*np.nonzero(near & moved), strict=True):
        if panel.years[t] in years:
            continue
        growth = panel.series[GROWTH]
        real = growth.values[place, t] - 100 * np.expm1(prices[place, t])
        yield finding(
            "nominal_as_real",
            "warning",
            **growth.cell(place, t),
            low=real - 1.0,
            high=real + 1.0,
            prices=np.expm1(prices[place, t]),
            said="nominal_as_real_city",
        )


def growth_against_levels(panel: Cells) -> Iterator[dict[str, Any]]:
    """Rule growth_against_levels: output moves otherwise than growth and prices say.

    gap = ln(Y_t / Y_s) - sum of ln(1 + g) - ln(P_t / P_s) between two printed levels,
    with the city's own printed growth g (the province's where the city has none or the
    year is defective) and the province's implicit deflator P. Years of defective growth
    are compared with the province's growth and twice the tolerance. The tolerance is
    max(`LEVEL_FLOOR`, `LEVEL_K` sigma), and `LEVEL_FLOOR` where output falls although
    growth is above zero.
    """
    if GDP not in panel.series or GROWTH not in panel.series:
        return
    levels, growth = panel.series[GDP], panel.series[GROWTH].values
    logs, prices = levels.logs, _prices(panel)
    defective = np.isin(panel.years, defective_growth_years(panel))
    own = np.log1p(np.where(defective, np.nan, growth) / 100)
    other = np.full(own.shape, np.nan)
    for province_id, rows in panel.cities.groupby("province_id").indices.items():
        with np.errstate(invalid="ignore", divide="ignore"):
            other[rows] = np.log(panel.province_row("GDPIDX", province_id) / 100)
    is_own = np.isfinite(own)
    real = np.where(is_own, own, other)
    at, before, after = neighbours(np.isfinite(logs))
    said, nominal = real[at, after], (real + prices)[at, after]
    owns = is_own[at, after]
    for k in np.flatnonzero(after - before > 1):
        place, span = at[k], slice(before[k] + 1, after[k] + 1)
        said[k] = real[place, span].sum()
        nominal[k] = np.sum(real[place, span] + prices[place, span])
        owns[k] = is_own[place, span].all()
    moved = logs[at, after] - logs[at, before]
    gaps = moved - nominal
    there = np.isfinite(gaps)
    if not there.any():
        return
    spread = MAD_TO_SIGMA * np.median(np.abs(gaps[there]))
    limit = max(LEVEL_FLOOR, LEVEL_K * spread)
    tolerances = np.where(owns, limit, 2 * limit)
    # Output falls where growth and prices both say that it rose.
    rises = (said > 0) & (gaps < 0) & (logs[at, after] < logs[at, before])
    tolerances[owns & rises] = LEVEL_FLOOR
    for k in np.flatnonzero(there & ~(np.abs(gaps) <= tolerances)):
        place, a, b, gap = at[k], before[k], after[k], gaps[k]
        values = levels.values[place]
        yield finding(
            "growth_against_levels",
            "critical" if abs(gap) > LEVEL_CRITICAL else "warning",
            **levels.cell(place, b),
            expected=values[b] * np.exp(-gap),
            within=tolerances[k],
            stays=True,
            from_value=values[a],
            start=panel.years[a],
            change=np.log(values[b] / values[a]),
            whose=SAID("own_growth" if owns[k] else "province_growth"),
            growth=np.expm1(said[k]),
            gap=gap,
        )


def density(panel: Cells) -> Iterator[dict[str, Any]]:
    """Rule density_identity: printed density against population over area."""
    names = ("density_persons_per_km2", "population_persons_10k", "area_km2")
    if not all(name in panel.series for name in names):
        return
    printed, people, area = (panel.series[name].values for name in names)
    with np.errstate(invalid="ignore", divide="ignore"):
        implied = 10000 * people / area
        gap = printed / implied - 1
        beyond = np.abs(printed - implied) > np.maximum(
            DENSITY_TOLERANCE * implied, 1.0
        )
    for place, t in zip(*np.nonzero(beyond), strict=True):
        yield finding(
            "density_identity",
            "warning",
            **panel.series[names[0]].cell(place, t),
            low=implied[place, t] * (1 - DENSITY_TOLERANCE),
            high=implied[place, t] * (1 + DENSITY_TOLERANCE),
            people=people[place, t],
            area=area[place, t],
            implied=implied[place, t],
            gap=gap[place, t],
        )


def ratios(panel: Cells) -> Iterator[dict[str, Any]]:
    """Rule ratio_out_of_range: two columns of one row against the year's other cities.

    z = (ln ratio - median of the year) / sigma of the year; above `RATIO_K` in size.
    A sigma below `RATIO_FLOOR` is that of a ratio that most cities have in common.
    One row per city and ratio, for the most extreme year.
    """
    for top, bottom in RATIOS:
        if top not in panel.series or bottom not in panel.series:
            continue
        ratio = panel.series[top].logs - panel.series[bottom].logs
        centre = nanmedian(ratio)
        spread = MAD_TO_SIGMA * nanmedian(np.abs(ratio - centre))
        spread = np.maximum(spread, RATIO_FLOOR)
        with np.errstate(invalid="ignore", divide="ignore"):
            z = (ratio - centre) / spread
        z = np.where(np.isfinite(z), z, 0.0)
        for place in np.flatnonzero((np.abs(z) > RATIO_K).any(axis=1)):
            t = int(np.argmax(np.abs(z[place])))
            base = panel.series[bottom].values[place, t]
            yield finding(
                "ratio_out_of_range",
                "warning",
                **panel.series[top].cell(place, t),
                low=base * np.exp(centre[t] - RATIO_K * spread[t]),
                high=base * np.exp(centre[t] + RATIO_K * spread[t]),
                bottom=bottom,
                ratio=panel.series[top].values[place, t] / base,
                usual=np.exp(centre[t]),
                deviations=abs(z[place, t]),
                n_years=int((np.abs(z[place]) > RATIO_K).sum()),
            )


def investment_ratio(panel: Cells) -> Iterator[dict[str, Any]]:
    """Rule investment_ratio: investment that output cannot explain.

    Investment over output outside `INVESTMENT_RANGE`, one row a city for its most
    extreme year; and a ratio that rises by `RISE_FACTOR` within `RISE_YEARS` years
    beyond the median city: too low before, or too high after. The years before the rise
    give a stock that is too small, and a productivity that is too high.
    """
    name = "fai_cny_10k"
    if name not in panel.series or GDP not in panel.series:
        return
    investment, output = panel.series[name].values, panel.series[GDP].values
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(output > 0, investment / output, np.nan)
        logs = np.where(ratio > 0, np.log(ratio), np.nan)
    low, high = INVESTMENT_RANGE
    told: set[tuple[int, int]] = set()
    beyond = np.maximum(np.log(low) - logs, logs - np.log(high))
    beyond = np.where(np.isfinite(beyond), beyond, -np.inf)
    for place in np.flatnonzero((beyond > 0).any(axis=1)):
        t = int(np.argmax(beyond[place]))
        years = panel.years[beyond[place] > 0]
        told.add((place, t))
        yield finding(
            "investment_ratio",
            "warning",
            **panel.series[name].cell(place, t),
            low=low * output[place, t],
            high=high * output[place, t],
            ratio=ratio[place, t],
            least=100 * low,
            most=100 * high,
            n_years=len(years),
            years=list(years),
            said="investment_range",
        )
    span = RISE_YEARS
    if logs.shape[1] <= span:
        return
    rise = logs[:, span:] - logs[:, :-span]
    rise = rise - nanmedian(rise)
    for place in np.flatnonzero(
        (np.nan_to_num(rise, nan=-np.inf) > np.log(RISE_FACTOR)).any(axis=1)
    ):
        t = int(np.nanargmax(rise[place]))
        if (place, t) not in told:
            yield finding(
                "investment_ratio",
                "warning",
                **panel.series[name].cell(place, t),
                low=investment[place, t] * RISE_FACTOR / 1.25,
                ratio=ratio[place, t],
                ratio_after=ratio[place, t + span],
                after=int(panel.years[t]) + span,
                factor=RISE_FACTOR,
                said="investment_rise",
            )
