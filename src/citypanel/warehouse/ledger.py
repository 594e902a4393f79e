"""The build file's own book: which nodes have passed, and which tables are ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import duckdb

from citypanel.warehouse.results import Node

# Beside the tables of a build and never published.
LEDGER_SCHEMA = "citypanel_runs"
_TABLE = f"{LEDGER_SCHEMA}.nodes"
_STUDY = f"{LEDGER_SCHEMA}.study"
# Kinds a build makes again from the start. A snapshot is history, and so may be what
# an incremental model holds: nobody could make them again.
_REMADE = ("table", "view", "seed")


@dataclass
class Ledger:
    """One row per node that a run has made or tested, in the build file.

    Parameters
    ----------
    cursor : DuckDBPyConnection
        On the build file, with a transaction of its own.
    database : str
        The build file's name in the connection.
    """

    cursor: duckdb.DuckDBPyConnection
    database: str

    def open(self) -> None:
        """Make the table where there is none."""
        self.cursor.execute(
            f'create schema if not exists "{self.database}".{LEDGER_SCHEMA}'
        )
        self.cursor.execute(
            f'create table if not exists "{self.database}".{_TABLE} ('
            "node varchar primary key, fingerprint varchar, schema_name varchar, "
            "relation_name varchar, materialized varchar, run_id varchar)"
        )

    def study(self) -> str | None:
        """Return the study whose tables the file holds; None where it does not say."""
        self.cursor.execute(
            f'create table if not exists "{self.database}".{_STUDY} (name varchar)'
        )
        row = self.cursor.execute(
            f'select name from "{self.database}".{_STUDY}'
        ).fetchone()
        return row[0] if row else None

    def hold(self, study: str) -> None:
        """Write down the study whose tables the file holds."""
        if self.study() is None:
            self.cursor.execute(
                f'insert into "{self.database}".{_STUDY} values (?)', [study]
            )

    def recorded(self) -> dict[str, str]:
        """Return under which fingerprint each node passed."""
        rows = self.cursor.execute(
            f'select node, fingerprint from "{self.database}".{_TABLE} '
            "where fingerprint is not null"
        ).fetchall()
        return dict(rows)

    def forget(self, nodes: Iterable[str]) -> None:
        """Strike out the fingerprints of nodes that are about to run.

        A build that is killed then leaves no node that seems to stand and does not.
        """
        self.cursor.execute(
            f'update "{self.database}".{_TABLE} set fingerprint = null '
            "where node in (select unnest(?))",
            [list(nodes)],
        )

    def record(
        self,
        nodes: Mapping[str, Node],
        standing: Mapping[str, str],
        ran: Mapping[str, str],
        *,
        run_id: str,
    ) -> None:
        """Write down what this run has made and what has passed in it.

        Parameters
        ----------
        nodes : mapping
            By id.
        standing : mapping
            By id, the fingerprint of a node that has passed.
        ran : mapping
            By id, how a node of this run is materialized.
        run_id : str
        """
        rows = []
        for id_, materialized in ran.items():
            relation = nodes[id_].relation
            # A relation in another database is not in this file to be dropped.
            if relation is not None and relation.database == self.database:
                place: tuple[str | None, str | None] = (relation.schema, relation.name)
            else:
                place = (None, None)
            rows.append((id_, standing.get(id_), *place, materialized, run_id))
        if not rows:
            return
        self.cursor.execute("begin")
        try:
            # One statement: a row at a time takes as long as copying the file.
            self.cursor.execute(
                f'insert or replace into "{self.database}".{_TABLE} select '
                + ", ".join(["unnest(?::varchar[])"] * len(rows[0])),
                [list(column) for column in zip(*rows, strict=True)],
            )
            self.cursor.execute("commit")
        except duckdb.Error:
            self.cursor.execute("rollback")
            raise

    def drop_leftovers(
        self, nodes: Mapping[str, Node], spared: set[tuple]
    ) -> list[str]:
        """Drop the tables of earlier runs of this project that it no longer makes.

        Parameters
        ----------
        nodes : mapping
            Nodes of the project as it is now.
        spared : set of (str, str)
            Schema and name of relations that somebody reads as a source.
        """
        made = {
            (node.relation.schema.lower(), node.relation.name.lower())
            for node in nodes.values()
            if node.relation is not None
        }
        made |= {(schema.lower(), name.lower()) for schema, name in spared}
        rows = self.cursor.execute(
            "select ours.node, ours.schema_name, ours.relation_name, "
            f'stands.table_type from "{self.database}".{_TABLE} as ours '
            "left join information_schema.tables as stands "
            "on stands.table_catalog = ? and stands.table_schema = ours.schema_name "
            "and stands.table_name = ours.relation_name "
            "where ours.relation_name is not null and list_contains(?, materialized)",
            [self.database, list(_REMADE)],
        ).fetchall()
        dropped = []
        for node, schema, name, kind in rows:
            if (schema.lower(), name.lower()) in made:
                continue
            if kind is not None:
                what = "view" if kind == "VIEW" else "table"
                self.cursor.execute(
                    f'drop {what} if exists "{self.database}"."{schema}"."{name}"'
                )
                dropped.append(f"{schema}.{name}")
            self.cursor.execute(
                f'delete from "{self.database}".{_TABLE} where node = ?', [node]
            )
        return dropped
