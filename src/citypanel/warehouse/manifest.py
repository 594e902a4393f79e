"""dbt's manifest, read as the nodes of `results`: what each depends on, as digests.

dbt keeps the parsed project and its configuration in the process; what is read of them
here is the same in every release of dbt-core 1.11.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from citypanel.identity import digest_of, digest_of_file
from citypanel.warehouse.results import Node, Relation

PACKAGE = "citypanel"
_BUILT_IN = ("dbt", "dbt_duckdb")
_KINDS = ("model", "seed", "snapshot", "test")
# Macros by which a project takes over a step of dbt; no node names them.
_OVERRIDES = re.compile(r"(duckdb__|default__|materialization_|generate_\w+_name$)")
# They ask the declaration of the study for every option, to check it; who calls
# `study_options` says which of them it takes.
_OPTIONS_MACROS = ("study_options", "resolved_study", "study_roster_rows")
_VAR = re.compile(r"\bvar\s*\(\s*(?:(['\"])(\w+)\1)?")
_OPTION = re.compile(r"\bstudy_options\s*\(\s*\)\s*(?:\.\s*(\w+))?")
_ALL_OPTIONS = re.compile(r"\bresolved_study\s*\(")
_ENVIRONMENT = re.compile(r"\benv_var\s*\(\s*(?:(['\"])(\w+)\1)?")
# What a result does not depend on: who may read it, and what is said of it.
_ABOUT = ("access", "docs", "enabled", "group", "meta", "persist_docs", "tags")
_EVERY = "*"


@dataclass(frozen=True)
class Surroundings:
    """What nodes depend on beside the manifest.

    Attributes
    ----------
    root : Path
        The project that dbt runs.
    packages : mapping
        Folder of every installed package by name, the project's own included.
    variables : mapping
        dbt's variables by package, the command line's above those of the files.
    library : str
        Digest of the library that Python models call.
    study : str
        Digest of the study's declaration and what stands beside it.
    software : mapping
        Versions of what runs: dbt and DuckDB for all nodes.
    python : mapping
        The same for Python models: Python and the packages the library needs.
    sources : mapping
        Digest of what every source holds, by id.
    """

    root: Path
    packages: Mapping[str, Path] = field(default_factory=dict)
    variables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    library: str = ""
    study: str = ""
    software: Mapping[str, str] = field(default_factory=dict)
    python: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)


def nodes_of(manifest: Any, surroundings: Surroundings) -> dict[str, Node]:
    """Return every enabled node of the manifest that dbt runs, and what those read.

    Parameters
    ----------
    manifest : dbt.contracts.graph.manifest.Manifest
    surroundings : Surroundings
    """
    return _Reader(manifest, surroundings).nodes()


def input_files(manifest: Any, surroundings: Surroundings) -> dict[str, str]:
    """Return the digest of every file that nodes read while they run, by its path."""
    return _Reader(manifest, surroundings).files()


def package_folder() -> Path:
    """Return the folder of this dbt project, also where it is another's package.

    Outside dbt it is the current folder.
    """
    try:
        from dbt.adapters.factory import FACTORY

        projects = FACTORY.adapters["duckdb"].config.load_dependencies()
        return Path(projects[PACKAGE].project_root)
    except (ImportError, KeyError):
        return Path()


@dataclass
class _Reader:
    manifest: Any
    surroundings: Surroundings
    digests: dict[Path, str] = field(default_factory=dict)

    def nodes(self) -> dict[str, Node]:
        found = {}
        for node in self.manifest.nodes.values():
            kind = str(node.resource_type)
            # A test of a disabled model stays in the manifest, disabled like it.
            if kind not in _KINDS or not node.config.enabled:
                continue
            is_ephemeral = node.config.materialized == "ephemeral"
            found[node.unique_id] = Node(
                id=node.unique_id,
                name=node.name,
                kind=kind,
                own=self.own(node),
                parents=self.parents(node),
                runs=not is_ephemeral,
                relation=None
                if is_ephemeral or kind == "test"
                else Relation(node.database, node.schema, node.alias),
            )
        for function in self.manifest.functions.values():
            found[function.unique_id] = Node(
                id=function.unique_id,
                name=function.name,
                kind="function",
                own=self.own(function),
                parents=self.parents(function),
            )
        for test in self.manifest.unit_tests.values():
            # It runs on rows of its own: what it depends on is the model's code.
            nodes, content = self.manifest.nodes, test.to_dict()
            tested = [self.own(nodes[i]) for i in test.depends_on.nodes if i in nodes]
            said = ("model", "given", "expect", "overrides", "versions")
            definition = {key: content[key] for key in said if key in content}
            found[test.unique_id] = Node(
                id=test.unique_id,
                name=test.name,
                kind="unit test",
                own=_digest([definition, tested]),
            )
        for id_ in self.manifest.sources:
            found[id_] = Node(
                id=id_,
                name=".".join(id_.split(".")[-2:]),
                kind="source",
                own=self.surroundings.sources.get(id_, ""),
                runs=False,
            )
        return found

    def parents(self, node: Any) -> tuple[str, ...]:
        depends_on = getattr(node, "depends_on", None)
        return tuple(sorted({*getattr(depends_on, "nodes", ())}))

    def own(self, node: Any) -> str:
        """Digest of what a node's result depends on beside its parents."""
        config = node.config.to_dict()
        language = str(getattr(node, "language", "sql"))
        contract = config.get("contract") or {}
        macros = self.macros_of(node)
        texts = [node.raw_code or "", json.dumps(config, default=str)]
        texts += [m.macro_sql for m in self.macros_of(node, beyond=_OPTIONS_MACROS)]
        parts: dict[str, Any] = {
            "code": node.raw_code,
            "relation": [node.schema, getattr(node, "alias", None)],
            "config": {k: v for k, v in config.items() if k not in _ABOUT},
            "macros": [macro.macro_sql for macro in macros],
            "options": self.options_read(node, texts),
            "software": dict(self.surroundings.software),
        }
        if contract.get("enforced"):
            parts["columns"] = [
                [column.name, column.data_type, [str(c) for c in column.constraints]]
                for column in node.columns.values()
            ]
        if str(node.resource_type) == "test":
            metadata = getattr(node, "test_metadata", None)
            parts["arguments"] = metadata.to_dict() if metadata else None
        if any(macro.name in _OPTIONS_MACROS for macro in macros):
            parts["study"] = self.surroundings.study
        if language.endswith("python"):
            parts["study"] = self.surroundings.study
            parts["library"] = self.surroundings.library
            parts["python"] = dict(self.surroundings.python)
        parts["files"] = {
            path.as_posix(): self.digest(node, path) for path in self.files_read(node)
        }
        return _digest(parts)

    def macros_of(self, node: Any, *, beyond: tuple[str, ...] = ()) -> list[Any]:
        """The project's macros that a node's code reaches, and those that override dbt.

        `beyond` are macros left out with all that only they reach.
        """
        found: dict[str, Any] = {macro.unique_id: macro for macro in self.overrides}
        waiting = list(node.depends_on.macros)
        while waiting:
            id_ = waiting.pop()
            macro = self.manifest.macros.get(id_)
            if macro is None or id_ in found or macro.package_name in _BUILT_IN:
                continue
            if macro.name in beyond:
                continue
            found[id_] = macro
            waiting += macro.depends_on.macros
        return [found[id_] for id_ in sorted(found)]

    @cached_property
    def overrides(self) -> list[Any]:
        built_in = {
            macro.name
            for macro in self.manifest.macros.values()
            if macro.package_name in _BUILT_IN
        }
        return [
            macro
            for macro in self.manifest.macros.values()
            if macro.package_name not in _BUILT_IN
            and (macro.name in built_in or _OVERRIDES.match(macro.name))
        ]

    def options_read(self, node: Any, texts: Iterable[str]) -> dict[str, str]:
        """Values of the variables that the texts name; of all where a text takes all.

        A text takes all where it does not say which: `study_options()` without the
        name of an option, `var(name)`.
        """
        names, environment = set(), set()
        for text in texts:
            names |= {found[2] or _EVERY for found in _VAR.finditer(text)}
            names |= {found[1] or _EVERY for found in _OPTION.finditer(text)}
            if _ALL_OPTIONS.search(text):
                names.add(_EVERY)
            environment |= {found[2] or _EVERY for found in _ENVIRONMENT.finditer(text)}
        variables = self.surroundings.variables.get(node.package_name, {})
        if _EVERY in names:
            names = set(variables)
        read = {name: str(variables.get(name)) for name in names}
        if _EVERY in environment:
            environment = {name for name in os.environ if name.startswith("DBT_")}
        read |= {
            f"environment {name}": str(os.environ.get(name)) for name in environment
        }
        return read

    def files(self) -> dict[str, str]:
        return {
            str(self.folder(node) / path): self.digest(node, path)
            for node in self.manifest.nodes.values()
            if str(node.resource_type) in _KINDS
            for path in self.files_read(node)
        }

    def files_read(self, node: Any) -> list[Path]:
        """Files a node reads while it runs: a seed's own, and those of meta.reads."""
        if str(node.resource_type) == "seed":
            return [Path(node.original_file_path)]
        named = (node.config.meta or {}).get("reads") or []
        return [Path(name) for name in ([named] if isinstance(named, str) else named)]

    def folder(self, node: Any) -> Path:
        root = self.surroundings.root
        return Path(self.surroundings.packages.get(node.package_name, root))

    def digest(self, node: Any, path: Path) -> str:
        whole = self.folder(node) / path
        if whole not in self.digests:
            try:
                found = digest_of(whole) if whole.is_dir() else digest_of_file(whole)
            except OSError as error:
                found = f"not readable: {error.strerror}"
            self.digests[whole] = found
        return self.digests[whole]


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
