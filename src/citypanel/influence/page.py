"""A page of sentences and tables about what carries the headline.

Its sentences are chosen by rules over the tables, so that other data give others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

#: Cells in the table of the strongest.
STRONGEST = 10


def influence_page(tables: Mapping[str, pd.DataFrame], names: Mapping[str, str]) -> str:
    """Markdown about the six tables.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        As `citypanel.influence.tables.every_table`.
    names : mapping of str to str
        Cities by code.

    Returns
    -------
    str
    """
    parts = [
        "# What carries the headline\n",
        *_influence(tables["influence"], names),
        *_carriers(tables["frontier_carriers"], names),
        *_alternatives(tables["frontier_alternatives"], names),
        *_bounds(tables["assumed_bounds"]),
        *_uncertainty(tables["index_uncertainty"]),
        *_yardsticks(tables["yardsticks"]),
    ]
    return "\n".join(parts) + "\n"


def _influence(frame: pd.DataFrame, names: Mapping[str, str]) -> list[str]:
    base = frame.loc[frame["kind"] == "headline"].iloc[0]
    lines = [
        f"The headline is {base['estimate']:.4f} ({base['std_error']:.4f}); the index "
        f"has mean {base['mean']:.3f}, standard deviation {base['std_dev']:.3f} and "
        f"maximum {base['maximum']:.3f}.\n"
    ]
    deleted = frame.loc[frame["kind"].isin(["city", "city_year", "seed_cell"])]
    sign = deleted.loc[deleted["estimate"] * base["estimate"] < 0]
    if sign.empty:
        said = "No deletion of one city, city-year or figure changes the sign."
    elif len(sign) == 1:
        row = sign.iloc[0]
        which = [_name(row, names), _plain(row["year"]), _plain(row["variable"])]
        said = "One deletion changes the sign: " + " ".join(filter(None, which)) + "."
    else:
        said = f"{len(sign)} deletions of a city, city-year or figure change the sign."
    lines.append(said)
    slips = frame.loc[(frame["kind"] == "slip") & frame["estimate"].notna()]
    if len(slips):
        far = (slips["change_in_std_errors"].abs() > 1.96).mean()
        lines.append(
            f"One figure ten times too large or too small moves the estimate by more "
            f"than 1.96 standard errors in {100 * far:.0f} per cent of "
            f"{len(slips):,} slips.\n"
        )
    for kind, scope, title in (
        ("city", "sample", "Cities, out of the sample and so out of the frontier"),
        ("city_year", "sample", "City-years, out of the sample"),
        ("seed_cell", "yearbook", "Figures of the yearbook, deleted"),
        ("seed_cell", "province", "Figures of the province series, deleted"),
        ("slip", "yearbook", "Slips in the yearbook, times ten or a tenth"),
        ("slip", "province", "Slips in the province series"),
    ):
        part = frame.loc[(frame["kind"] == kind) & (frame["rank"] <= STRONGEST)]
        part = part.loc[part["scope"] == scope]
        if part.empty:
            continue
        part = part.sort_values("rank")
        lines += [
            f"\n## {title}\n",
            *_table(
                [
                    "unit",
                    "year",
                    "figure",
                    "x",
                    "origin",
                    "estimate",
                    "change / s.e.",
                    "mean",
                    "s.d.",
                    "maximum",
                    "note",
                ],
                (
                    [
                        _name(row, names),
                        _plain(row.year),
                        _plain(row.variable),
                        _number(row.factor, "g"),
                        _plain(row.origin),
                        _number(row.estimate, ".4f"),
                        _number(row.change_in_std_errors, "+.2f"),
                        _number(row.mean, ".3f"),
                        _number(row.std_dev, ".3f"),
                        _number(row.maximum, ".3f"),
                        _plain(row.note)[:60],
                    ]
                    for row in part.itertuples()
                ),
            ),
        ]
    return lines


def _name(row, names: Mapping[str, str]) -> str:
    given = getattr(row, "unit_name", None)
    if given is not None and pd.notna(given):
        return str(given)
    return names.get(row.unit, str(row.unit))


def _carriers(frame: pd.DataFrame, names: Mapping[str, str]) -> list[str]:
    lines = ["\n## Who carries the frontier\n"]
    for year, part in frame.groupby("year"):
        shown = ", ".join(
            f"{names.get(row.city_id, row.city_id)} {100 * row.weight:.0f}"
            for row in part.itertuples()
        )
        lines.append(f"- {year}: {shown} per cent of the cities' targets")
    alone = frame.groupby("year").size()
    alone = [str(year) for year in alone.index[alone == 1]]
    if alone:
        lines.append(f"\nOne city is the whole frontier in {', '.join(alone)}.")
    return lines


def _alternatives(frame: pd.DataFrame, names: Mapping[str, str]) -> list[str]:
    found = frame.loc[frame["estimate"].notna()]
    base = found.iloc[0]
    other = found.loc[found["estimate"] * base["estimate"] < 0, "alternative"]
    sentence = (
        "Every other frontier gives the same sign."
        if other.empty
        else f"The sign is another one under: {', '.join(other)}."
    )
    return [
        "\n## Other frontiers\n",
        sentence + "\n",
        *_table(
            [
                "frontier",
                "estimate",
                "s.e.",
                "mean",
                "s.d.",
                "maximum",
                "cities",
                "beyond",
                "no index",
            ],
            (
                [
                    _alternative(row.alternative, names),
                    _number(row.estimate, ".4f"),
                    _number(row.std_error, ".4f"),
                    _number(row.mean, ".3f"),
                    _number(row.std_dev, ".3f"),
                    _number(row.maximum, ".3f"),
                    _plain(row.n_cities),
                    _plain(row.n_beyond_frontier),
                    _plain(row.n_infeasible),
                ]
                for row in frame.itertuples()
            ),
        ),
    ]


def _alternative(text: str, names: Mapping[str, str]) -> str:
    code = text.removeprefix("without ")
    return f"without {names[code]}" if code in names else text


def _bounds(frame: pd.DataFrame) -> list[str]:
    bounds = frame.loc[frame["kind"] == "bound"]
    lines = ["\n## Assumed investment\n"]
    if bounds["target_value"].isna().all():
        return [*lines, "No investment is assumed under these options."]
    for row in bounds.itertuples():
        what = "times" if row.shape == "level" else "growing each year by the factor"
        whose = "all cities" if row.cities == "all" else f"{row.cities} cities"
        start = f"- Assumed investment of {whose}, {what} "
        if pd.isna(row.factor):
            lines.append(
                f"{start}{row.smallest_factor_tried:.2g} to "
                f"{row.largest_factor_tried:.2g}: the estimate stays between "
                f"{row.lowest_estimate:.4f} and {row.highest_estimate:.4f} and never "
                f"reaches {row.target_value:g}."
            )
        else:
            lines.append(
                f"{start}{row.factor:.3f}: the estimate is {row.target_value:g}."
            )
    return lines


def _uncertainty(frame: pd.DataFrame) -> list[str]:
    return [
        "\n## What the standard error leaves out\n",
        *_table(
            ["method", "estimate", "s.e.", "interval", "p", "over clustered", "note"],
            (
                [
                    row.method,
                    _number(row.estimate, ".4f"),
                    _number(row.std_error, ".4f"),
                    ""
                    if pd.isna(row.conf_low)
                    else f"{row.conf_low:.3f} to {row.conf_high:.3f}",
                    _number(row.p_value, ".2f"),
                    _number(row.ratio_to_clustered, ".2f"),
                    _plain(row.note),
                ]
                for row in frame.itertuples()
            ),
        ),
    ]


def _yardsticks(frame: pd.DataFrame) -> list[str]:
    part = frame.loc[
        (frame["estimator"] == "twfe") & frame["outcome"].isin(["growth", "level"])
    ]
    return [
        "\n## Other yardsticks, two-way fixed effects\n",
        *_table(
            [
                "yardstick",
                "labour share",
                "outcome",
                "estimate",
                "s.e.",
                "p",
                "cities",
                "mean growth factor",
                "correlation with tfpch",
            ],
            (
                [
                    row.yardstick,
                    _number(row.labour_share, ".1f"),
                    row.outcome,
                    _number(row.estimate, ".4f"),
                    _number(row.std_error, ".4f"),
                    _number(row.p_value, ".3f"),
                    _plain(row.n_cities),
                    _number(row.mean, ".3f"),
                    _number(row.correlation_with_index, ".2f"),
                ]
                for row in part.itertuples()
            ),
        ),
    ]


def _table(header: list[str], rows: Iterable[list[str]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return lines


def _plain(value: object) -> str:
    return "" if pd.isna(value) else str(value)


def _number(value: float, form: str) -> str:
    return "" if pd.isna(value) else format(float(value), form)
