"""What dbt asks of a study's declaration while it runs, as functions of DuckDB.

dbt parses nothing that depends on a declaration. The macros of options ask for the
names of the options, hands back what was given to the run, and takes every option's
value.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from citypanel.errors import CityPanelError
from citypanel.study.declaration import Declaration, declared
from citypanel.study.options import Options
from citypanel.study.parts import Roster


def study_declaration() -> str:
    """The names of the options, and the study's words, as JSON."""
    study = declared()
    words = {
        "name": study.name,
        "title": study.title,
        "unit": study.unit_noun,
        "policy": study.policy_label,
        "source": study.source,
        "effect": study.effect,
        "compares": study.effect is not None,
    }
    return json.dumps({"options": list(study.build_options), "words": words})


def study_options(given: str) -> str:
    """Every option of a run, as JSON.

    Parameters
    ----------
    given : str
        JSON of the values given to the run, by name; null is nothing given.

    Returns
    -------
    str
        JSON of problem (why the values cannot be used, or null), options, variants (the
        headline and those beside it, by name), listed (options with one column of text
        each), labour_series (the series of the labour measure's formula), years (those
        whose figures are read) and policy (what is declared of the roster).
    """
    try:
        return json.dumps({"problem": None, **_options(declared(), json.loads(given))})
    except CityPanelError as error:
        # Raised here it would reach the reader inside DuckDB's words.
        return json.dumps({"problem": str(error)})


def _options(study: Declaration, given: dict[str, Any]) -> dict[str, Any]:
    headline = study.resolve(given)
    roster_of(study)  # What is wrong with it is said before anything is built.
    choices = [o for o in study.options.values() if o.name in study.build_options]
    labour = study.options["labour_measure"].formula_of(headline["labour_measure"])
    listed = [o.name for o in choices if o.kind in ("choice", "switch")]
    roster = study.roster_named(headline["policy"])
    # Who is compared with whom.
    groups = ("others", "control", "always_treated")
    return {
        "options": headline,
        "variants": {
            name: values | _years(values)
            for name, values in study.variants(headline).items()
        },
        "listed": listed,
        "labour_series": list(labour.names),
        "years": list(range(study.years[0], study.years[1] + 1)),
        "policy": {name: getattr(roster, name) for name in groups},
    }


def study_roster() -> str:
    """The study's own roster, matched with the cities of seeds/, as JSON.

    Returns
    -------
    str
        JSON of problem (why it cannot be used, or null) and rows: mappings by
        `ROSTER_COLUMNS`, none where the roster is a seed.
    """
    try:
        return json.dumps({"problem": None, "rows": roster_of(declared())})
    except CityPanelError as error:
        return json.dumps({"problem": str(error), "rows": []})


def roster_of(study: Declaration) -> list[dict[str, str]]:
    """The rows of a study's own roster, by `ROSTER_COLUMNS`.

    Raises
    ------
    ImporterError
        With every cell that cannot be used.
    """
    if study.roster is None or study.roster.path is None:
        return []
    return _read_roster(study.roster, study.roster.path.stat().st_mtime_ns)


@cache
def _read_roster(roster: Roster, changed: int) -> list[dict[str, str]]:
    from citypanel.importers.files import read_file
    from citypanel.importers.policy import ROSTER_COLUMNS, read_roster
    from citypanel.importers.project import find_spec, load_reference

    reference = load_reference(Path.cwd())
    files = [read_file(Path(str(roster.path)))]
    reading = read_roster(
        files,
        spec=find_spec(None, "policy", files, reference),
        gazetteer=reference.gazetteer,
        units=reference.units,
        choices=roster.choices,
    )
    names = ROSTER_COLUMNS
    return [dict(zip(names, (roster.name, *row), strict=True)) for row in reading.rows]


def _years(values: dict[str, Any]) -> dict[str, int]:
    """The years that follow from a variant's options."""
    options = Options(**values)
    names = ("panel_first_year", "capital_first_year")
    return {name: getattr(options, name) for name in names}


def no_declaration() -> str:
    """As `study_declaration` of a study that brings its panel: it has no options."""
    return json.dumps({"options": []})


def no_options(given: str) -> str:
    """As `study_options` of a study that brings its panel."""
    empty: dict[str, Any] = {"options": {}, "variants": {}}
    empty |= {"listed": [], "labour_series": []}
    return json.dumps({"problem": None, **empty})


def register(conn: duckdb.DuckDBPyConnection, *, brings_panel: bool = False) -> None:
    """Make the functions known to a connection, once."""
    known = conn.execute(
        "select 1 from duckdb_functions() where function_name = 'study_options'"
    ).fetchall()
    if not known:
        names = no_declaration if brings_panel else study_declaration
        values = no_options if brings_panel else study_options
        conn.create_function("study_declaration", names, [], "varchar")
        conn.create_function("study_options", values, ["varchar"], "varchar")
        conn.create_function("study_roster", study_roster, [], "varchar")


class Plugin:
    """Makes the functions known to every connection of dbt.

    The project's own profile has them from `citypanel.warehouse.preflight`; this is for
    the profile of a project that takes this one as a package.

    RuntimeError is what dbt-duckdb shows as an error of the run and not as a crash.
    """

    def __init__(self, name: str, plugin_config: dict[str, Any], credentials: Any):
        self.name = name
        try:
            declared()
        except CityPanelError as error:
            raise RuntimeError(f"\n{error}") from error

    def update_connection_config(self, creds: Any, config: dict[str, Any]) -> None:
        """Leave the configuration as it is."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Make the functions known."""
        register(conn)

    def configure_cursor(self, cursor: Any) -> None:
        """A cursor knows what its connection knows."""
