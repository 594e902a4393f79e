"""Which results stand: a rule over nodes, what is recorded of them, and one run.

A node is what dbt builds or tests: a model, a seed, a snapshot, a test. Its fingerprint
says all that its result depends on: its own code and inputs, and the fingerprints of
what it reads. A result stands when the node has passed under the fingerprint that it
has now; it does not matter in which run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

from citypanel.errors import FIRST_OFFENDERS

# dbt's words for a node that did what it should; a test that only warns has passed.
PASSED = frozenset({"success", "pass", "warn"})


@dataclass(frozen=True)
class Relation:
    """A table or view: its database, schema and name."""

    database: str
    schema: str
    name: str


@dataclass(frozen=True)
class Node:
    """What dbt builds, tests or reads.

    Attributes
    ----------
    id : str
        dbt's unique_id.
    name : str
    kind : str
        model, seed, snapshot, test, unit test, function or source.
    own : str
        Digest of all that its result depends on, but for `parents`.
    parents : tuple of str
        Ids of the nodes it reads.
    runs : bool
        Whether dbt runs it; a source and an ephemeral model only pass on.
    relation : Relation or None
        What it leaves in the database.
    """

    id: str
    name: str
    kind: str
    own: str
    parents: tuple[str, ...] = ()
    runs: bool = True
    relation: Relation | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Verdict:
    """Whether every result stands, and which do not.

    Attributes
    ----------
    failed : tuple of Node
        Failed in this run.
    skipped : tuple of Node
        Did not run in this run though they were asked for.
    changed : tuple of Node
        Not built or tested since they, or what they read, became what they are now;
        of a chain only its beginning.
    behind : int
        Number of the nodes further down such a chain.
    standing : dict of str to str
        By id, the fingerprint under which a node has passed, this run included.
    """

    failed: tuple[Node, ...]
    skipped: tuple[Node, ...]
    changed: tuple[Node, ...]
    behind: int
    standing: dict[str, str]

    @property
    def is_sound(self) -> bool:
        """Whether nothing failed, was left out or is out of date."""
        return not (self.failed or self.skipped or self.changed or self.behind)

    def reason(self) -> str:
        """Say in one sentence, without its full stop, what does not stand."""
        parts = []
        if self.failed:
            parts.append(f"{len(self.failed)} failed ({_listed(self.failed)})")
        if self.skipped:
            # After a failure the nodes behind it are many and not what to look at.
            names = "" if self.failed else f" ({_listed(self.skipped)})"
            parts.append(f"{len(self.skipped)} did not run{names}")
        if self.changed:
            verb = "is" if len(self.changed) == 1 else "are"
            parts.append(
                f"{len(self.changed)} {verb} not built or tested as now defined "
                f"({_listed(self.changed)})"
            )
        if self.behind:
            verb = "reads" if self.behind == 1 else "read"
            parts.append(f"{self.behind} {verb} from what is out of date")
        return "; ".join(parts)


def present_fingerprints(nodes: Mapping[str, Node]) -> dict[str, str]:
    """Return what every node's result depends on as things are now, as one digest."""
    found: dict[str, str] = {}
    for node in in_order(nodes):
        found[node.id] = _combined(node, found)
    return found


def standing_fingerprints(
    nodes: Mapping[str, Node], recorded: Mapping[str, str], statuses: Mapping[str, str]
) -> dict[str, str]:
    """Return under which fingerprint every node last passed.

    A node that passed in this run did so on what its parents were then: a parent that
    is out of date, or not recorded at all, gives it a fingerprint that it does not have
    now.

    Parameters
    ----------
    nodes : mapping
        By id.
    recorded : mapping
        Fingerprints of nodes that passed in earlier runs.
    statuses : mapping
        dbt's status of every node that has a result in this run.
    """
    found: dict[str, str] = {}
    for node in in_order(nodes):
        if node.id in statuses:
            if statuses[node.id] in PASSED:
                found[node.id] = _combined(node, found)
        elif not node.runs:
            found[node.id] = _combined(node, found)
        elif node.id in recorded:
            found[node.id] = recorded[node.id]
    return found


def judge(
    nodes: Mapping[str, Node],
    recorded: Mapping[str, str],
    statuses: Mapping[str, str],
    selected: Iterable[str] = (),
) -> Verdict:
    """Decide whether what stands in the build file may be published.

    Parameters
    ----------
    nodes, recorded, statuses
        As in `standing_fingerprints`.
    selected : iterable of str
        Ids that this run was asked for; one without a result did not run.
    """
    present = present_fingerprints(nodes)
    standing = standing_fingerprints(nodes, recorded, statuses)
    stale = {id_ for id_ in nodes if standing.get(id_) != present[id_]}
    asked = set(selected)
    failed, skipped, changed, behind = [], [], [], 0
    for node in in_order(nodes):
        if not node.runs:
            continue
        status = statuses.get(node.id)
        if status == "skipped" or (status is None and node.id in asked & stale):
            skipped.append(node)
        elif status is not None and status not in PASSED:
            failed.append(node)
        elif node.id in stale:
            if any(parent in stale for parent in node.parents):
                behind += 1
            else:
                changed.append(node)
    return Verdict(tuple(failed), tuple(skipped), tuple(changed), behind, standing)


def in_order(nodes: Mapping[str, Node]) -> Iterable[Node]:
    """Give the nodes so that each comes after those it reads."""
    graph = {
        id_: [parent for parent in node.parents if parent in nodes]
        for id_, node in sorted(nodes.items())
    }
    return [nodes[id_] for id_ in TopologicalSorter(graph).static_order()]


def _combined(node: Node, parents: Mapping[str, str]) -> str:
    lines = [node.own, *(f"{p} {parents.get(p, '-')}" for p in sorted(node.parents))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _listed(nodes: tuple[Node, ...]) -> str:
    names = [str(node) for node in nodes[:FIRST_OFFENDERS]]
    if len(nodes) > FIRST_OFFENDERS:
        names.append(f"and {len(nodes) - FIRST_OFFENDERS} more")
    return ", ".join(names)
