"""The comments of published tables and columns, from dbt's descriptions."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

_PARTS = ("unit", "source", "formula")
# The schema of the tables that every study has.
GENERAL = "study"


def relation_comment(node: Any) -> str:
    """Return what is said of a table, or that nothing is."""
    said = " ".join((node.description or "").split())
    return said or f"{str(node.resource_type).capitalize()} {node.name}, not described."


def column_comment(column: Any) -> str:
    """Return labels, description, unit, source and formula of a column, as they are."""
    meta = getattr(column, "meta", None) or getattr(column.config, "meta", None) or {}
    labels = [str(meta[key]) for key in ("label_en", "label_zh") if meta.get(key)]
    parts = [f"{' / '.join(labels)}."] if labels else []
    parts.append(" ".join((column.description or "").split()))
    parts += [f"{key.capitalize()}: {meta[key]}." for key in _PARTS if meta.get(key)]
    return " ".join(part for part in parts if part)


class Comments:
    """Comments of the columns of a manifest's tables.

    A column is described once: where a table does not describe it, the description is
    that of the same name in the nearest table down the line or up the line, or the one
    that all tables with such a column share.

    Parameters
    ----------
    nodes : mapping
        dbt's models, seeds and snapshots by id.
    """

    def __init__(self, nodes: Mapping[str, Any]) -> None:
        self._nodes = nodes
        self._up = {
            id_: [p for p in getattr(node.depends_on, "nodes", ()) if p in nodes]
            for id_, node in nodes.items()
        }
        self._down: dict[str, list[str]] = {id_: [] for id_ in nodes}
        for id_, parents in self._up.items():
            for parent in parents:
                self._down[parent].append(id_)
        self._said: dict[str, set[str]] = {}
        for node in nodes.values():
            # What a table of every study says of its columns holds for no other.
            if getattr(node, "schema", "") == GENERAL:
                continue
            for name, column in node.columns.items():
                if comment := column_comment(column):
                    self._said.setdefault(name, set()).add(comment)

    def of_column(self, id_: str, name: str, otherwise: str = "") -> str:
        """Return the comment of a column; `otherwise` where nobody describes it."""
        found = [self._nearest(id_, name, line) for line in (self._down, self._up)]
        nearest = min(found, key=lambda each: each[0])[1]
        said = self._said.get(name, set())
        return nearest or (next(iter(said)) if len(said) == 1 else otherwise)

    def _nearest(
        self, id_: str, name: str, line: Mapping[str, list[str]]
    ) -> tuple[float, str]:
        """Distance and comment of the nearest table on a line that describes `name`."""
        seen, waiting = {id_}, deque([(0, id_)])
        while waiting:
            distance, here = waiting.popleft()
            column = self._nodes[here].columns.get(name)
            comment = column_comment(column) if column is not None else ""
            if comment:
                return distance, comment
            near = sorted(set(line[here]) - seen)
            seen.update(near)
            waiting.extend((distance + 1, each) for each in near)
        return float("inf"), ""
