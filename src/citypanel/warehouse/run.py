"""One run of dbt, from its first hook to its last, and what it may publish.

The plug-in of profiles.yml registers two functions of SQL on the connection, which the
project's hooks call: `citypanel_begin_run` before the first node and `publish_if_sound`
after the last. Everything they need of dbt is in this process.
"""

from __future__ import annotations

import gc
import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import duckdb

from citypanel.errors import CityPanelError, PublicationError
from citypanel.identity import declared_packages, digest_of, running_code
from citypanel.study.declaration import SHIPPED, declared, folder_of
from citypanel.warehouse.comments import Comments, relation_comment
from citypanel.warehouse.ledger import Ledger
from citypanel.warehouse.manifest import PACKAGE, Surroundings, input_files, nodes_of
from citypanel.warehouse.publish import Table, publish
from citypanel.warehouse.published import (
    DEFAULT_TARGET,
    PUBLISH_TO,
    Publication,
    changed_options,
    destination,
    now,
    options_digest,
    read_record,
    refuse_destination,
)
from citypanel.warehouse.results import PASSED, Node, judge
from citypanel.warehouse.studies import (
    EXTENDS,
    STUDY,
    ChosenStudy,
    check_file,
    check_kind,
)

# Arguments of dbt that leave nodes out; a run with none of them means to publish.
_SELECTION = (
    "select", "exclude", "selector", "resource_types", "exclude_resource_types",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What became of the published file in one run.

    Attributes
    ----------
    is_published : bool
    message : str
        "published FILE (run, options)" or "not published, because ...".
    """

    is_published: bool
    message: str


# Of the last run in this process; None until its last hook.
last_outcome: Outcome | None = None


@dataclass(frozen=True)
class Request:
    """What dbt was asked to do, as the hooks say it.

    Attributes
    ----------
    run_id : str
        dbt's invocation id.
    command : str
        build, run, seed, test or snapshot.
    arguments : mapping
        dbt's arguments.
    selected : frozenset of str
        Ids of the nodes it will run.
    """

    run_id: str
    command: str
    arguments: Mapping[str, Any]
    selected: frozenset[str]

    @property
    def means_to_publish(self) -> bool:
        """Whether it is a build of everything, or the retry of one."""
        return self.command == "build" and not _leaves_out(self.arguments)

    @property
    def unreal(self) -> str:
        """What makes this run's tables something else than the study's, if anything."""
        if self.arguments.get("empty"):
            return "--empty builds tables without rows"
        if self.arguments.get("sample"):
            return "--sample builds tables with a part of their rows"
        if self.arguments.get("defer"):
            return "--defer reads tables of another build"
        if any(self.arguments.get(f"event_time_{end}") for end in ("start", "end")):
            return "--event-time-start and --event-time-end build a part of the rows"
        return ""


# Variables of dbt that choose no option of a study.
NO_OPTIONS = (PUBLISH_TO, STUDY, EXTENDS)
_PYTHON = ".".join(map(str, sys.version_info[:3]))
# A model of studies that bring their panel.
_OF_PANELS = "model.citypanel.est_study"

_NO_REQUEST = Request(run_id="", command="", arguments={}, selected=frozenset())


@dataclass
class Run:
    """One run, between the two hooks.

    Parameters
    ----------
    adapter : dbt.adapters.duckdb.DuckDBAdapter
        Holds the manifest and the configuration of this process.
    connection : DuckDBPyConnection
        Open on the build file.
    build_file : str
        Its path, as in profiles.yml.
    configured : str
        `publish_to` of the target.
    keep : int
        `keep` of the target.
    study : ChosenStudy
        The study that is built; the shipped one where nothing says another.
    """

    adapter: Any
    connection: duckdb.DuckDBPyConnection
    build_file: str
    configured: str = ""
    keep: int = 0
    study: ChosenStudy = field(
        default_factory=lambda: ChosenStudy(SHIPPED, folder_of(SHIPPED))
    )
    request: Request = field(default_factory=lambda: _NO_REQUEST)
    nodes: dict[str, Node] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)

    @property
    def manifest(self) -> Any:
        return self.adapter.get_macro_resolver()

    @property
    def config(self) -> Any:
        return self.adapter.config

    @property
    def root(self) -> Path:
        return Path(self.config.project_root)

    def begin(self, request: Request) -> str:
        """Note what this run starts from, and strike out what it will make again."""
        global last_outcome
        last_outcome = None
        self.request = request
        cursor = self.connection.cursor()
        try:
            ledger = Ledger(cursor, _current_database(cursor))
            ledger.open()
            self.check_study(ledger)
            surroundings = self.surroundings(cursor)
            self.nodes = nodes_of(self.manifest, surroundings)
            self.inputs = self.all_inputs(surroundings)
            if request.means_to_publish and not request.unreal:
                self.check_destination()
            ledger.forget(request.selected)
            if request.means_to_publish and not self.left_out() and not request.unreal:
                spared = {
                    (source.schema, source.identifier)
                    for source in self.manifest.sources.values()
                }
                ledger.drop_leftovers(self.nodes, spared)
        finally:
            cursor.close()
        # What dbt has loaded stays to the end of the run; else the garbage collector
        # walks it again and again while the nodes run, in a twentieth of their time.
        gc.freeze()
        return request.run_id

    def check_study(self, ledger: Ledger) -> None:
        """Refuse models, a variable or a build file of another study than the run's."""
        everywhere = _variables(self.config.vars.to_dict(), PACKAGE)
        named = {**everywhere, **self.config.cli_vars}.get(STUDY, "")
        file, holds = self.build_file, ledger.study()
        check_file(self.study, named=str(named), file=file, holds=holds)
        check_kind(self.study, builds_panels=_OF_PANELS in self.manifest.nodes)
        ledger.hold(self.study.name)

    def finish(self, statuses: Mapping[str, str]) -> Outcome:
        """Record what has passed, and publish if everything stands.

        Parameters
        ----------
        statuses : mapping
            dbt's status of every node with a result, by id.

        Raises
        ------
        PublicationError
            A build of everything, nothing of it failed, and it cannot be published.
        """
        global last_outcome
        statuses = {id_: s for id_, s in statuses.items() if id_ in self.nodes}
        has_failed = any(status not in PASSED for status in statuses.values())
        cursor = self.connection.cursor()
        try:
            outcome, is_due = self.decide(cursor, statuses)
        except (PublicationError, duckdb.Error) as error:
            why, _, rest = str(error).partition("\n")
            outcome, is_due = _not_published(why.rstrip("."), rest), True
        finally:
            cursor.close()
            gc.unfreeze()
        last_outcome = outcome
        if not outcome.is_published and is_due and not has_failed:
            raise PublicationError(outcome.message)
        return outcome

    def decide(
        self, cursor: duckdb.DuckDBPyConnection, statuses: Mapping[str, str]
    ) -> tuple[Outcome, bool]:
        """Say what becomes of the file, and whether this run was to publish it."""
        request = self.request
        if request is _NO_REQUEST:
            raise PublicationError("the run did not begin with its hook")
        stands = self.what_stands()
        if request.unreal:
            rest = (
                f"Consequence: {stands}; what this run built is not taken for the "
                "study's.\nRemedy: run dbt build."
            )
            return _not_published(request.unreal, rest), False
        database = _current_database(cursor)
        ledger = Ledger(cursor, database)
        changed = self.inputs_changed(cursor)
        # What read a file that changed meanwhile is known by neither of its contents.
        verdict = judge(
            self.nodes, ledger.recorded(), statuses, selected=request.selected
        )
        passed = {id_ for id_, status in statuses.items() if status in PASSED}
        if not changed:
            ledger.record(
                self.nodes,
                verdict.standing,
                {id_: self.materialized(id_) for id_ in passed},
                run_id=request.run_id,
            )
        ledger.forget(set(statuses) - passed)
        why = [] if verdict.is_sound else [verdict.reason()]
        if changed:
            why.append(f"{', '.join(changed)} changed while the run went on")
        if why:
            rest = f"Consequence: {stands}.\nRemedy: {self.remedy(verdict)}"
            is_due = bool(changed) or request.means_to_publish
            return _not_published("; ".join(why), rest), is_due
        refusal = self.foreign_database(cursor)
        if refusal:
            rest = (
                f"Consequence: {stands}.\nRemedy: publish from a target whose database "
                "is its own file, or query the target's database itself."
            )
            is_due = bool(self.configured) or self.config.target_name == DEFAULT_TARGET
            return _not_published(refusal, rest), is_due and request.means_to_publish
        record = self.publish(cursor, database, verdict.standing)
        path = self.destination()
        return Outcome(True, f"published {path} ({record.described()})"), True

    def publish(
        self,
        cursor: duckdb.DuckDBPyConnection,
        database: str,
        standing: Mapping[str, str],
    ) -> Publication:
        """Copy the project's tables to the published file."""
        self.check_destination()
        options = self.options
        code = running_code()
        text = "\n".join(f"{id_} {standing[id_]}" for id_ in sorted(standing))
        record = Publication(
            run_id=self.request.run_id,
            published_at=now(),
            target=self.config.target_name,
            options_sha256=options_digest(options),
            options=json.dumps(options, sort_keys=True, ensure_ascii=False),
            options_changed=json.dumps(self.changed_options, ensure_ascii=False),
            code_version=code.version,
            code_sha256=code.digest,
            nodes_sha256=hashlib.sha256(text.encode()).hexdigest(),
            software=json.dumps(_software() | {"python": _PYTHON}),
        )
        return publish(
            cursor,
            self.tables(cursor, database),
            target=self.root / self.destination(),
            record=record,
            keep=self.keep,
        )

    def tables(self, cursor: duckdb.DuckDBPyConnection, database: str) -> list[Table]:
        """The tables of the build file that the project makes and people may query.

        Raises
        ------
        PublicationError
            One that has passed is not there any more.
        """
        made = {
            id_: node
            for id_, node in self.manifest.nodes.items()
            if str(node.resource_type) in ("model", "seed", "snapshot")
        }
        comments = Comments(made)
        standing = set(
            cursor.execute(
                "select table_schema, table_name from information_schema.tables "
                "where table_catalog = ?",
                [database],
            ).fetchall()
        )
        found, missing = [], []
        for id_, node in sorted(made.items(), key=lambda each: each[1].name):
            relation = self.nodes[id_].relation
            if relation is None or relation.database != database:
                continue
            meta = node.config.meta or {}
            if (relation.schema, relation.name) not in standing:
                missing.append(str(self.nodes[id_]))
            elif meta.get("published", True):
                found.append(
                    Table(
                        schema=relation.schema,
                        name=relation.name,
                        comment=relation_comment(node),
                        column_comment=partial(
                            comments.of_column, id_, otherwise=meta.get("columns", "")
                        ),
                        may_be_empty=str(getattr(node, "access", "")) != "public"
                        or bool(meta.get("may_be_empty")),
                    )
                )
        if missing:
            raise PublicationError(
                f"{', '.join(missing)} has passed and is no more in the build file\n"
                f"Consequence: {self.what_stands()}.\nRemedy: run dbt build."
            )
        return found

    def surroundings(self, cursor: duckdb.DuckDBPyConnection) -> Surroundings:
        projects = self.config.load_dependencies()
        command_line = dict(self.config.cli_vars)
        return Surroundings(
            root=self.root,
            packages={name: Path(p.project_root) for name, p in projects.items()},
            variables={
                name: (self.declared if name == PACKAGE else {})
                | _variables(project.vars.to_dict(), name)
                | _variables(self.config.vars.to_dict(), name)
                | command_line
                for name, project in projects.items()
            },
            library=running_code().digest,
            study=self.study.digest(),
            software=_software(),
            python=_python_software(),
            sources=self.source_digests(cursor),
        )

    def source_digests(self, cursor: duckdb.DuckDBPyConnection) -> dict[str, str]:
        """Digests of what the sources hold that models read."""
        found = {}
        read = {
            id_
            for node in self.manifest.nodes.values()
            for id_ in getattr(node.depends_on, "nodes", ())
        }
        for id_, source in self.manifest.sources.items():
            if id_ not in read:
                continue
            relation = self.adapter.Relation.create_from(self.config, source)
            try:
                rows = cursor.execute(
                    f'select count(*), sum(hash("a row")) from {relation} as "a row"'
                ).fetchall()
                found[id_] = f"{rows[0][0]} rows, {rows[0][1]}"
            except duckdb.Error:
                # Only what this very run has read of it is known to belong together.
                found[id_] = f"not readable before run {self.request.run_id}"
        return found

    def all_inputs(self, surroundings: Surroundings) -> dict[str, str]:
        files = input_files(self.manifest, surroundings)
        sources = {
            f"source {self.nodes[id_].name}": digest
            for id_, digest in surroundings.sources.items()
        }
        return files | sources | {f"study {self.study.name}": surroundings.study}

    def inputs_changed(self, cursor: duckdb.DuckDBPyConnection) -> list[str]:
        """Name what is not as it was when the run began."""
        after = self.all_inputs(self.surroundings(cursor))
        names = [
            name for name, digest in self.inputs.items() if after.get(name) != digest
        ]
        code = running_code()
        if digest_of(code.folder) != code.digest:
            names.append(f"the library {code.folder}")
        root = f"{self.root}/"
        return [name.removeprefix(root) for name in names]

    @property
    def options(self) -> dict[str, Any]:
        """Every option of the study with its value in this run."""
        if self.study.brings_panel:
            return self.defaults
        every = self.defaults | dict(self.config.cli_vars)
        given = {k: v for k, v in every.items() if k not in NO_OPTIONS}
        return given | self.named

    @property
    def defaults(self) -> dict[str, Any]:
        if self.study.brings_panel:
            return self.named
        own = self.declared | _variables(self.config.vars.to_dict(), PACKAGE)
        return own | self.named

    @property
    def named(self) -> dict[str, str]:
        """The study's name, which the shipped one's file need not say."""
        return {} if self.study.name == SHIPPED else {STUDY: self.study.name}

    @property
    def declared(self) -> dict[str, Any]:
        """Defaults of the options that are variables of dbt."""
        if self.study.brings_panel:
            return {}
        study = declared()
        return {name: study.defaults[name] for name in study.build_options}

    @property
    def changed_options(self) -> dict[str, Any]:
        return changed_options(self.options, self.defaults)

    def destination(self) -> Path:
        return destination(
            target=self.config.target_name,
            configured=self.configured,
            asked=str(self.config.cli_vars.get(PUBLISH_TO, "")),
            changed=self.changed_options,
            digest=options_digest(self.options),
        )

    def check_destination(self) -> None:
        refuse_destination(
            self.root / self.destination(),
            root=self.root,
            target=self.config.target_name,
            is_named=bool(self.configured or self.config.cli_vars.get(PUBLISH_TO)),
            study=self.study.name,
        )

    def what_stands(self) -> str:
        """Say what a reader of the published file goes on reading."""
        path = self.destination()
        if not (self.root / path).exists():
            return f"there is no {path}"
        record = read_record(self.root / path)
        if record is None:
            return f"{path} stands as it was"
        return f"{path} stands as {record.described().partition(',')[0]} left it"

    def left_out(self) -> set[str]:
        """Nodes that this run leaves out; a unit test runs with its model."""
        return {
            id_
            for id_, node in self.nodes.items()
            if node.runs
            and node.kind != "unit test"
            and id_ not in self.request.selected
        }

    def foreign_database(self, cursor: duckdb.DuckDBPyConnection) -> str:
        """Say why the target's database is not the build file, if it is not."""
        rows = cursor.execute(
            "select database_name, path from duckdb_databases() where not internal"
        ).fetchall()
        if self.build_file == ":memory:":
            files = {name for name, path in rows if path is None}
        else:
            whole = Path(self.build_file).resolve()
            files = {
                name for name, path in rows if path and Path(path).resolve() == whole
            }
        target = self.config.credentials.database
        if target not in files or _current_database(cursor) not in files:
            return (
                f"target {self.config.target_name} builds in database {target}, which "
                f"is not its build file {self.build_file}"
            )
        return ""

    def materialized(self, id_: str) -> str:
        node = self.manifest.nodes.get(id_)
        return str(node.config.materialized) if node else self.nodes[id_].kind

    def remedy(self, verdict: Any) -> str:
        if any(node.kind == "seed" for node in verdict.changed):
            return (
                "run dbt build, which loads the seeds again; dbt retry does not, nor "
                "does a selection without them."
            )
        if verdict.failed:
            return (
                "mend the first of the errors below and run dbt build again; citypanel "
                "doctor checks versions, locks, disk and seeds."
            )
        if verdict.is_sound:
            return "run dbt build again."
        return "run dbt build, or select those and what reads from them (NAME+)."


def register(connection: duckdb.DuckDBPyConnection, **options: Any) -> None:
    """Make the two functions known to a connection.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Open on the build file.
    options
        Of `Run`: study, build_file, configured, keep.
    """
    run: dict[str, Run] = {}

    def begin(text: str) -> str:
        said = json.loads(text)
        request = Request(**said | {"selected": frozenset(said["selected"])})
        run["now"] = Run(_adapter(), connection, **options)
        return _plainly(lambda: run["now"].begin(request))

    def finish(text: str) -> str:
        ours = run.pop("now", None) or Run(_adapter(), connection, **options)
        outcome = _plainly(lambda: ours.finish(json.loads(text)))
        _say(outcome.message)
        return outcome.message

    for name, function in (
        ("citypanel_begin_run", begin),
        ("publish_if_sound", finish),
    ):
        connection.create_function(
            name, function, [duckdb.sqltypes.VARCHAR], duckdb.sqltypes.VARCHAR,
            side_effects=True,
        )  # fmt: skip


def computes_everything() -> bool:
    """Whether the dbt of this process was asked to compute every table."""
    from dbt.flags import get_flags

    flags = {name.lower(): value for name, value in vars(get_flags()).items()}
    is_real = flags.get("which") in ("build", "run") and not flags.get("empty")
    return is_real and not _leaves_out(flags)


def _leaves_out(arguments: Mapping[str, Any]) -> bool:
    """Whether arguments of dbt leave nodes out."""
    return any(arguments.get(name) for name in _SELECTION)


def _adapter() -> Any:
    from dbt.adapters.factory import FACTORY

    return FACTORY.adapters["duckdb"]


def _plainly(call: Any) -> Any:
    """Give DuckDB, which prints an error with its type, the words alone."""
    try:
        return call()
    except CityPanelError as error:
        raise RuntimeError(f"\n{error}") from error


def _say(text: str) -> None:
    from dbt_common.events.base_types import EventLevel
    from dbt_common.events.functions import fire_event
    from dbt_common.events.types import Note

    for line in text.splitlines():
        fire_event(Note(msg=line), level=EventLevel.INFO)


def _current_database(cursor: duckdb.DuckDBPyConnection) -> str:
    return cursor.execute("select current_database()").fetchall()[0][0]


def _not_published(why: str, rest: str) -> Outcome:
    return Outcome(False, f"not published, because {why}.\n{rest}".rstrip())


def _variables(every: Mapping[str, Any], package: str) -> dict[str, Any]:
    """Variables as a package sees them: its own above those of all."""
    own = every.get(package)
    common = {k: v for k, v in every.items() if not isinstance(v, dict)}
    return common | (dict(own) if isinstance(own, dict) else {})


@cache
def _software() -> dict[str, str]:
    return {name: version(name) for name in ("dbt-core", "dbt-duckdb", "duckdb")}


@cache
def _python_software() -> dict[str, str]:
    """Python and the packages that a build is declared to need."""
    found = {"python": _PYTHON}
    for name in declared_packages():
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found
