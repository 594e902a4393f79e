"""The rules: what each is called, the function that runs it, what it speaks of.

Their words are in `words/*/findings.yml`. Several rules share a function where one pass
decides between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from citypanel.quality.findings import (
    copies,
    coverage,
    identities,
    levels,
    slips,
    sources,
    trade,
)
from citypanel.quality.findings.tables import SAID, Cells


@dataclass(frozen=True)
class Rule:
    """A rule; `title`, `description` and `consequence` are words by language."""

    name: str
    run: Callable[[Cells], Iterable[dict[str, Any]]]
    scope: str = "city"
    # What it judges: every reading and the used cells, what any source prints, or the
    # provinces' own series.
    judges: str = "reading"

    def __getattr__(self, name: str) -> str:
        what, _, language = name.rpartition("_")
        try:
            return SAID.data("rules")[language][self.name][what]
        except KeyError:
            raise AttributeError(name) from None


RULES = (
    Rule("nominal_as_real", identities.nominal_growth, "study, city"),
    Rule("growth_against_levels", identities.growth_against_levels),
    Rule("power_of_ten", levels.departures_and_breaks),
    Rule("mixed_currency", trade.trade),
    Rule("total_in_part", trade.trade),
    Rule("halved_or_doubled", levels.departures_and_breaks),
    Rule("leaves_and_returns", levels.departures_and_breaks),
    Rule("level_break", levels.departures_and_breaks),
    Rule("erratic_series", levels.departures_and_breaks),
    Rule("drift", levels.drifts),
    Rule("break_year", levels.break_years, "study"),
    Rule("repeated_value", copies.repeated_values),
    Rule("copied_row", copies.repeated_values),
    Rule("same_in_two_cities", copies.across_cities),
    Rule("transposed_digits", slips.slips),
    Rule("parts_exceed_whole", identities.parts_of_a_whole),
    Rule("share_jump", identities.sector_shares),
    Rule("density_identity", identities.density),
    Rule("ratio_out_of_range", identities.ratios),
    Rule("investment_ratio", identities.investment_ratio),
    Rule("source_disagreement", sources.disagreement),
    Rule("source_jump", sources.disagreement),
    Rule("cities_exceed_province", sources.cities_against_province, "province"),
    Rule("province_break", levels.province_breaks, "province", "provinces"),
    Rule("discontinued", coverage.discontinued, "study", "printed"),
    Rule("missing_year", coverage.discontinued, "study", "printed"),
    Rule("missing_city", coverage.gaps, judges="printed"),
    Rule("missing_row", coverage.gaps, judges="printed"),
    Rule("missing_cell", coverage.gaps, judges="printed"),
    Rule("rounded", coverage.rounding, "study"),
)
