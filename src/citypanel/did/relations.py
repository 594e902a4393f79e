"""The moments of a panel that stays in a DuckDB relation or a Parquet file.

DuckDB turns rows into one line a unit, with its outcomes side by side, for some of the
units at a time; the sums of each part are added up. Neither rows nor units are ever all
in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from citypanel.did.moments import SUMS, Groups, MomentPanel, group_sums, grouping
from citypanel.did.panels import FAR, Design, starts_of
from citypanel.did.periods import read_periods
from citypanel.errors import PanelError
from citypanel.panel import require_columns
from citypanel.sql import sql_name

MEMORY = "3GB"
# Units that are in memory at once.
PART = 1_000_000
# One unit in so many is looked at to cut them into parts.
SAMPLE = 64
MOST_PERIODS = 400
WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UINTEGER", "UBIGINT")
# Numbers that the products of all groups may take.
MOST = 50_000_000


def read_moments(relation: Any, design: Design) -> MomentPanel:
    """The sums of a relation (or of the Parquet file at a path) as a panel of groups.

    Raises
    ------
    PanelError
        What `panels.build` refuses, and weights, clusters or treatments for which sums
        do not suffice.
    """
    with opened(relation) as rows:
        return Reader(rows, design).panel()


@contextmanager
def opened(relation: Any) -> Iterator[Any]:
    """The relation, or that of the Parquet file at a path."""
    if not isinstance(relation, str | Path):
        yield relation
        return
    import tempfile

    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        options = {"memory_limit": MEMORY, "temp_directory": folder}
        with duckdb.connect(config=options) as connection:
            connection.execute("set preserve_insertion_order = false")
            yield connection.read_parquet(str(relation))


class Reader:
    """The queries of one panel.

    Attributes
    ----------
    used : str
        The condition of the rows that are used.
    literals : list of str
        The periods in order, as SQL writes them; known once the panel is read.
    """

    def __init__(self, relation: Any, design: Design, strata: bool = True):
        self.relation, self.design = relation, design
        self.strata = design.controls if strata else ()
        require_columns(pd.DataFrame(columns=relation.columns), design.columns)
        kinds = dict(zip(relation.columns, map(str, relation.types), strict=True))
        for column in design.numeric:
            if kinds[column] == "VARCHAR":
                raise PanelError.of(
                    "did.column_holds_text", [f"{column}: text"], column=column
                )
        self.reasons = self._reasons()
        lost = " or ".join(f"({test})" for test in self.reasons.values())
        self.used = f"not coalesce({lost}, false)"
        self.n_units = 1
        self.unit_is_whole = kinds[design.unit] in WHOLE
        self.has_unknown_cohort = True

    def ask(self, sql: str) -> pd.DataFrame:
        return self.relation.query("panel", sql).df()

    def _reasons(self) -> dict[str, str]:
        """Why a row is left out, and the test for it."""
        design, out = self.design, {}
        for column in design.numeric:
            name = sql_name(column)
            out[f"missing value of {column}"] = (
                f"{name} is null or isnan({name}::double)"
            )
            out[f"infinite {column}"] = f"isinf({name}::double)"
        for column in design.cluster:
            out[f"missing value of {column}"] = f"{sql_name(column)} is null"
        if design.weights is not None:
            out[f"{design.weights} of zero"] = f"{sql_name(design.weights)} = 0"
        return out

    def panel(self) -> MomentPanel:
        design = self.design
        total, lost = self._count()
        seen = self.ask(
            f"""select period, period::varchar as written, typeof(period) as kind
            from (select distinct {sql_name(design.period)} as period
                from panel where {self.used})"""
        )
        if seen.empty:
            raise PanelError.of(
                "did.no_unit_left_after",
                [f"{reason}: {count} rows" for reason, count in lost.items()],
                balancing=False,
                named=", ".join(design.numeric),
            )
        cohorts = pd.Series([], dtype=float)
        if design.cohort is not None:
            cohorts = self.ask(f"select distinct {sql_name(design.cohort)} from panel")
            cohorts = cohorts.iloc[:, 0]
        grid = read_periods(
            seen["period"],
            name=design.period,
            frequency=design.frequency,
            others=cohorts.tolist(),
        )
        if len(grid.positions) > MOST_PERIODS:
            raise too_little(f"{len(grid.positions)} periods")
        place = grid.place(seen["period"]).astype(int)
        order = np.argsort(place)
        self.literals = [
            f"cast('{text.replace(chr(39), 2 * chr(39))}' as {kind})"
            for text, kind in zip(
                seen["written"].iloc[order], seen["kind"].iloc[order], strict=True
            )
        ]
        start, remark = {}, None
        if design.cohort is not None:
            frame = pd.DataFrame({design.cohort: cohorts})
            frame[design.unit] = frame[design.period] = np.arange(len(frame))
            found, remark = starts_of(frame, design, grid, np.arange(len(frame)))
            start = dict(zip(_keys(cohorts), found.tolist(), strict=True))
        sums = _Sums(grid.positions, design, self.strata)
        codes = self._cluster_codes()
        periods = dict(zip(_keys(seen["period"]), place.tolist(), strict=True))
        for part in self._units():
            sums.add(part, start, codes, periods)
        return sums.panel(grid, total, lost, () if remark is None else (remark,))

    def _count(self) -> tuple[int, dict[str, int]]:
        """Rows, and those left out by their first reason; broken keys are errors."""
        design, free, tests = self.design, "true", []
        for j, test in enumerate(self.reasons.values()):
            test = f"coalesce({test}, false)"
            tests.append(f"count(*) filter (where {free} and {test}) as lost_{j}")
            free += f" and not {test}"
        unit, period = sql_name(design.unit), sql_name(design.period)
        tests.append(f"count(*) filter (where {unit} is null or {period} is null) as k")
        if design.weights is not None:
            w = sql_name(design.weights)
            tests.append(f"count(*) filter (where {w} < 0 or isinf({w}::double)) as b")
        if design.cohort is not None:
            tests.append(f"count(*) - count({sql_name(design.cohort)}) as unknown")
        if design.treatment is not None:
            d = sql_name(design.treatment)
            tests.append(
                f"count(*) filter (where {self.used} and {d} not in (0, 1)) "
                "as fractions"
            )
        tests.append(f"approx_count_distinct({unit}) as n_units")
        row = self.ask(f"select count(*) as total, {', '.join(tests)} from panel")
        found = row.iloc[0].to_dict()
        if found["k"]:
            raise PanelError.of(
                "did.rows_without_or",
                [f"{int(found['k'])} rows"],
                unit=design.unit,
                period=design.period,
            )
        if found.get("b"):
            raise PanelError.of(
                "did.weights_negative_or_infinite",
                [f"{int(found['b'])} rows"],
                weights=design.weights,
            )
        if found.get("fractions"):
            raise too_little(f"{design.treatment}: {int(found['fractions'])} rows")
        self.has_unknown_cohort = bool(found.get("unknown"))
        self.n_units = max(int(found["n_units"]), 1)
        if not any(found[f"lost_{j}"] for j in range(len(self.reasons))):
            self.used = "true"
        lost = {
            reason: int(found[f"lost_{j}"]) for j, reason in enumerate(self.reasons)
        }
        return int(found["total"]), {r: n for r, n in lost.items() if n}

    def _cluster_codes(self) -> pd.Index | None:
        column = cluster_of(self.design)
        if column is None:
            return None
        name = sql_name(column)
        found = self.ask(f"select distinct {name} as c from panel where {self.used}")
        return pd.Index(found["c"].sort_values())

    def _units(self) -> Iterator[pd.DataFrame]:
        """Parts of the units: their outcomes y0, y1, ... and what they are."""
        design = self.design
        period, y = sql_name(design.period), sql_name(design.outcome)
        columns = [f"{sql_name(design.unit)} as unit", "count(*) as n_rows"]
        ends = {"cohort": design.cohort, "w": design.weights, "c": cluster_of(design)}
        ends |= {f"x{j}": column for j, column in enumerate(self.strata)}
        for short, column in ends.items():
            if column is not None:
                name = sql_name(column)
                columns.append(f"min({name}) as {short}_low, max({name}) as {short}")
        if self.has_unknown_cohort and design.cohort is not None:
            columns.append(f"count({sql_name(design.cohort)}) as known")
        if design.treatment is not None:
            d = sql_name(design.treatment)
            columns += [
                f"min({period}) filter (where {d} > 0) as first",
                f"sum({d}::integer) as treated",
            ]
        columns += [
            f"sum({y}::double) filter (where {period} = {literal}) as y{j}"
            for j, literal in enumerate(self.literals)
        ]
        unit = sql_name(design.unit)
        for some in self._parts():
            part = self.ask(
                f"select {', '.join(columns)} from panel "
                f"where {self.used}{some} group by {unit} order by {unit}"
            )
            if len(part):
                yield part

    def _parts(self) -> list[str]:
        """Conditions that each take some of the units.

        Whole numbers are cut into ranges, so that a file in their order is read once;
        the cuts are quantiles of some of the units, the same in every run.
        """
        parts, unit = -(-self.n_units // PART), sql_name(self.design.unit)
        if parts == 1:
            return [""]
        if self.unit_is_whole:
            shares = [k / parts for k in range(1, parts)]
            cuts = self.ask(
                f"select unnest(quantile_disc({unit}, {shares})) as cut "
                f"from panel where hash({unit}) % {SAMPLE} = 0"
            )["cut"]
            cuts = sorted({int(cut) for cut in cuts.dropna()})
            if cuts:
                ends = zip([None, *cuts], [*cuts, None], strict=True)
                return [
                    ("" if low is None else f" and {unit} >= {low}")
                    + ("" if high is None else f" and {unit} < {high}")
                    for low, high in ends
                ]
        return [f" and hash({unit}) % {parts} = {k}" for k in range(parts)]


class _Sums:
    """Sums of the parts, group by group."""

    def __init__(self, positions: np.ndarray, design: Design, strata: Sequence[str]):
        self.positions, self.design, self.strata = positions, design, strata
        self.places: dict[tuple, int] = {}
        self.parts: list[list] = []

    def add(self, part: pd.DataFrame, start: dict, clusters, place: dict) -> None:
        design, width = self.design, len(self.positions)
        y = part[[f"y{j}" for j in range(width)]].to_numpy(float)
        seen = ~np.isnan(y)
        twice = part["n_rows"].to_numpy() != seen.sum(axis=1)
        if twice.any():
            raise PanelError.of(
                "did.moments_key_twice",
                [f"{design.unit} {u}" for u in part.loc[twice, "unit"]],
                unit=design.unit,
                period=design.period,
            )
        keys = [np.zeros(len(part), np.int64)] * 3
        if design.cohort is not None:
            keys[0] = self._starts(part, start)
        keys[1] = self._first(part, seen, place)
        if clusters is not None:
            self._constant(part, "c", cluster_of(design))
            keys[2] = clusters.get_indexer(part["c"])
        weight = None
        if design.weights is not None:
            self._constant(part, "w", design.weights)
            weight = part["w"].to_numpy(float)
        for j, column in enumerate(self.strata):
            self._constant(part, f"x{j}", column)
        names = [f"x{j}" for j in range(len(self.strata))]
        controls = part[names].to_numpy(float)
        keys += list(controls.T)
        whole = seen.all()
        packed = [] if whole else list(np.packbits(seen, axis=1).T)
        _, members = grouping([*keys, *packed], len(part), len(part))
        own = np.array([units[0] for units in members])
        y = y if whole else np.where(seen, y, 0.0)
        found = group_sums(y, seen[own], weight, members, width)
        for j, unit in enumerate(own):
            row = (*(int(key[unit]) for key in keys[:3]), tuple(controls[unit]))
            sums = [np.array(found[name][j]) for name in SUMS]
            at = self.places.setdefault((row, seen[unit].tobytes()), len(self.parts))
            if at == len(self.parts):
                self.parts.append([*row, seen[unit], sums])
                if len(self.parts) * (width + 1) ** 2 > MOST:
                    raise too_little(f"{len(self.parts)} groups of units and more")
            else:
                self.parts[at][-1] = _joined(self.parts[at][-1], sums)

    def _starts(self, part: pd.DataFrame, start: dict) -> np.ndarray:
        low, high = (_mapped(part[name], start) for name in ("cohort_low", "cohort"))
        varies = low != high
        if "known" in part:
            known = part["known"].to_numpy()
            some_null = (known > 0) & (known < part["n_rows"].to_numpy())
            varies |= some_null & (high != FAR)
        if varies.any():
            design = self.design
            raise PanelError.of(
                "did.cohort_varies_within_unit",
                [
                    f"{design.unit} {row.unit}: {row.cohort_low}, {row.cohort}"
                    for row in part[varies].itertuples()
                ],
                cohort=design.cohort,
            )
        return high

    def _first(self, part, seen, place) -> np.ndarray:
        first = np.full(len(part), FAR)
        if self.design.treatment is None:
            return first
        some = part["treated"].to_numpy() > 0
        first[some] = _mapped(part.loc[some, "first"], place)
        after = (seen & (self.positions >= first[:, None])).sum(axis=1)
        odd = after != part["treated"].to_numpy()
        if odd.any():
            raise too_little(
                *(f"{self.design.unit} {u}: treatment" for u in part.loc[odd, "unit"])
            )
        return first

    def _constant(self, part: pd.DataFrame, short: str, column: str | None) -> None:
        changes = (part[short] != part[f"{short}_low"]).to_numpy()
        if changes.any():
            raise PanelError.of(
                "did.column_changes_within_unit",
                [str(u) for u in part.loc[changes, "unit"]],
                column=column,
            )

    def panel(self, grid, total, lost, remarks) -> MomentPanel:
        design = self.design
        starts, first, cluster, x, seen, found = zip(*self.parts, strict=True)
        x = np.array(x).reshape(len(starts), -1)
        pattern = np.packbits(seen, axis=1).T
        order = np.lexsort((*pattern, *x.T, cluster, first, starts))
        columns = [np.array(column)[order] for column in zip(*found, strict=True)]
        groups = Groups(
            self.positions,
            np.array(first)[order],
            np.array(seen)[order],
            **dict(zip(SUMS, columns, strict=True)),
            controls=x[order] if self.strata else None,
            cluster=None if cluster_of(design) is None else np.array(cluster)[order],
        )
        log = pd.DataFrame({"reason": list(lost), "rows": list(lost.values())})
        log = log.reindex(columns=[design.unit, design.period, "reason", "rows"])
        start = None if design.cohort is None else np.array(starts)[order]
        return MomentPanel.of(groups, design, log, grid, start, total, remarks)


def _joined(left: list, right: list) -> list:
    """`moments.group_sums` of two sets of units of a group."""
    n, w, s, uneven, mean, cross, spread, once, large = zip(left, right, strict=True)
    count, total, squares = n[0] + n[1], w[0] + w[1], s[0] + s[1]
    middle = mean[0] + (mean[1] - mean[0]) * (w[1] / total)
    gap = w[1] / n[1] - w[0] / n[0]
    cross_all, spread_all, once_all = 0.0, 0.0, 0.0
    for j in (0, 1):
        e = mean[j] - middle
        cross_all = cross_all + cross[j] + s[j] * e
        spread_all = spread_all + spread[j] + s[j] * np.outer(e, e)
        spread_all = spread_all + np.outer(cross[j], e) + np.outer(e, cross[j])
        once_all = once_all + once[j] + w[j] * np.outer(e, e)
    spread_weights = uneven[0] + uneven[1] + gap**2 * n[0] * n[1] / count
    return [
        count, total, squares, spread_weights, middle, cross_all, spread_all, once_all,
        np.maximum(*large),
    ]  # fmt: skip


def too_little(*places: str) -> PanelError:
    return PanelError.of("did.moments_do_not_suffice", places)


def cluster_of(design: Design) -> str | None:
    """The column of clusters above the units."""
    if not design.cluster or design.cluster == (design.unit,):
        return None
    if len(design.cluster) > 1:
        raise too_little(f"cluster: {', '.join(design.cluster)}")
    return design.cluster[0]


def _keys(values: pd.Series) -> list:
    """Values as keys of a dictionary: a null is None."""
    return [None if pd.isna(v) else v for v in values.tolist()]


def _mapped(values: pd.Series, to: dict) -> np.ndarray:
    """What each value stands for, by a dictionary of `_keys`."""
    codes, kinds = pd.factorize(values, use_na_sentinel=False)
    return np.array([to[key] for key in _keys(pd.Series(kinds))], np.int64)[codes]
