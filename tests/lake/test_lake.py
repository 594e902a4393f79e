"""Publishing to a DuckLake: many write and read at once, and one may be killed.

`make test-lake` makes the environment: DuckDB 1.5.5 with the extensions from their
packages, and Postgres where the machine has it.
"""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import duckdb
import pytest

from citypanel.errors import PublicationError
from citypanel.warehouse import lake
from citypanel.warehouse.publish import Table, publish
from citypanel.warehouse.published import Publication

SERVERS = sorted(glob.glob("/usr/lib/postgresql/*/bin"))


def server(name: str) -> str | None:
    """A program of Postgres."""
    found = shutil.which(name)
    return found or (f"{SERVERS[-1]}/{name}" if SERVERS else None)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    """A Postgres of this run's own on a loopback port."""
    if server("initdb") is None:
        pytest.skip("no Postgres on this machine: its lakes are not tested")
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # The path of a socket is short.
    folder = Path(tempfile.mkdtemp(prefix="citypanel-lake-"))
    as_user = {}
    if os.geteuid() == 0:  # Postgres does not run as root
        as_user = {"user": "postgres"}
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)

    def run(*command: str) -> None:
        subprocess.run(
            command, check=True, cwd=folder, **as_user, stdout=subprocess.DEVNULL
        )

    run(server("initdb"), "-D", "data", "-A", "trust", "-U", "postgres", "-E", "UTF8")
    control = (server("pg_ctl"), "-D", "data", "-w", "-l", "log")
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=."
    run(*control, "-o", settings, "start")
    try:
        yield f"host=127.0.0.1 port={port} user=postgres", run
    finally:
        run(*control, "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture(params=["file", "postgres"])
def address(request, tmp_path):
    """Catalog and data folder of an empty lake."""
    folder = tmp_path / "data"
    if request.param == "file":
        return f"ducklake:{tmp_path / 'lake.ducklake'}", str(folder)
    return postgres_lake(request, folder)


@pytest.fixture
def shared(request, tmp_path):
    """The same on Postgres, which takes several processes."""
    return postgres_lake(request, tmp_path / "data")


def postgres_lake(request, folder):
    where, run = request.getfixturevalue("postgres")
    name = f"lake_{time.time_ns()}"
    parts = [part.split("=")[1] for part in where.split()]
    run(server("createdb"), "-h", parts[0], "-p", parts[1], "-U", parts[2], name)
    return f"ducklake:postgres:dbname={name} {where}", str(folder)


def published(
    path: Path,
    run_id: str,
    value: int,
    *,
    study: str = "zones",
    options: str = "a",
    columns: str = "",
    rows: int = 50,
) -> Path:
    """A published file of a study: three tables that all say the run's value."""
    record = Publication(
        run_id=run_id,
        published_at=datetime.now(UTC).replace(tzinfo=None),
        target="build",
        options_sha256=options * 64,
        options=f'{{"study": "{study}"}}',
        options_changed="{}",
        code_version="0",
        code_sha256="0" * 64,
        nodes_sha256="0" * 64,
        software="{}",
    )
    tables = [
        Table("marts", "rpt_estimates", "Estimates.", "About {}".format),
        Table("marts", "dim_cities", "Cities.", "About {}".format),
        Table("quality", "dq_findings", "Findings.", "About {}".format),
    ]
    with duckdb.connect() as connection:
        connection.execute("create schema marts; create schema quality")
        for table in tables:
            connection.execute(
                f"create table {table.schema}.{table.name} as "
                f"select i as id, {value}::integer as value, 'A' || i as name{columns} "
                f"from range({rows}) as numbers(i)"
            )
        publish(connection, tables, target=path, record=record)
    return path


def read(address, sql):
    with closing(lake.connect(address[0])) as connection:
        return connection.execute(sql).fetchall()


def test_a_publication_is_one_snapshot_with_everything(address, tmp_path):
    to, data = address
    first = lake.publish_to_lake(published(tmp_path / "a", "r1", 1), to, data=data)
    assert (first.sequence, first.n_tables, first.n_rows) == (1, 3, 150)
    stored = read(address, "from lake.zones.rpt_estimates order by id")
    with duckdb.connect(str(tmp_path / "a"), read_only=True) as own:
        rows = own.execute("from marts.rpt_estimates order by id").fetchall()
    assert stored == [("r1", "a" * 64, *row) for row in rows]
    assert read(
        address,
        "select comment from duckdb_columns() where database_name = 'lake' "
        "and table_name = 'dim_cities' and column_name = 'name'",
    ) == [("About name",)]
    between = datetime.now(UTC) + timedelta(seconds=0.5)
    time.sleep(1)
    second = lake.publish_to_lake(published(tmp_path / "b", "r2", 2), to)
    other = lake.publish_to_lake(published(tmp_path / "c", "r3", 3, options="b"), to)
    assert [second.sequence, other.sequence] == [2, 3]
    assert len({first.snapshot, second.snapshot, other.snapshot}) == 3
    listed = "select run_id from lake.publication.{} order by sequence"
    assert read(address, listed.format("runs")) == [("r1",), ("r2",), ("r3",)]
    assert read(address, listed.format("latest")) == [("r2",), ("r3",)]
    for at in (f"version => {first.snapshot}", f"timestamp => '{between:%F %T.%f}+00'"):
        found = read(
            address,
            f"select distinct run_id, value from lake.zones.dim_cities at ({at})",
        )
        assert found == [("r1", 1)], at


def test_a_run_is_published_once(address, tmp_path):
    to, data = address
    file = published(tmp_path / "a", "r1", 1)
    entries = [lake.publish_to_lake(file, to, data=data) for _ in range(2)]
    assert [entry.is_new for entry in entries] == [True, False]
    assert entries[0].snapshot == entries[1].snapshot
    assert read(address, "select count(*) from lake.zones.dim_cities") == [(50,)]


def test_studies_stand_side_by_side(address, tmp_path):
    to, data = address
    for study in ("zones", "carbon", "publication"):
        file = published(tmp_path / f"of_{study}", study, 1, study=study)
        lake.publish_to_lake(file, to, data=data)
    for schema in ("zones", "carbon", "publication_study"):
        assert read(address, f"select count(*) from lake.{schema}.dim_cities") == [
            (50,)
        ]


def test_columns_that_come_later_are_null_before(address, tmp_path):
    to, data = address
    lake.publish_to_lake(published(tmp_path / "a", "r1", 1), to, data=data)
    more = ", 2.5::double as share, null as later"
    lake.publish_to_lake(published(tmp_path / "b", "r2", 1, columns=more), to)
    lake.publish_to_lake(published(tmp_path / "c", "r3", 1), to)
    assert read(
        address,
        "select run_id, any_value(share) from lake.zones.dim_cities "
        "group by run_id order by run_id",
    ) == [("r1", None), ("r2", 2.5), ("r3", None)]


def test_another_type_is_refused_and_nothing_written(address, tmp_path):
    to, data = address
    whole = ", 1::integer as share"
    lake.publish_to_lake(
        published(tmp_path / "a", "r1", 1, columns=whole), to, data=data
    )
    part = published(tmp_path / "b", "r2", 1, columns=", 1.5::double as share")
    with pytest.raises(PublicationError, match="INTEGER in the lake, DOUBLE now"):
        lake.publish_to_lake(part, to)
    taken = published(tmp_path / "c", "r3", 1, columns=", 1 as run_id")
    with pytest.raises(PublicationError, match="run_id"):
        lake.publish_to_lake(taken, to)
    assert read(address, "select run_id from lake.publication.runs") == [("r1",)]


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("postgres:dbname=x", "no address of a lake"),
        ("ducklake:postgres:dbname=x host=127.0.0.1 port=1", "does not answer"),
        ("ducklake:mysql:db=x", "no extension mysql_scanner"),
        ("ducklake:/nowhere/lake.ducklake", "does not answer"),
    ],
)
def test_what_is_no_lake_is_said(to, message, tmp_path):
    file = published(tmp_path / "a", "r1", 1)
    with pytest.raises(PublicationError, match=message):
        lake.publish_to_lake(file, to)
    with pytest.raises(PublicationError, match="does not say"):
        lake.publish_to_lake(tmp_path / "none", to)


def test_passwords_are_not_shown():
    assert "secret" not in lake.shown("ducklake:postgres:dbname=x password=secret")
    assert "secret" not in lake.shown("ducklake:postgres:postgres://me:secret@db/x")


# --- many at once ---


def publish_all(address, files) -> None:
    for file in files:
        lake.publish_to_lake(Path(file), address[0], data=address[1])


def look(address, stop, seen) -> None:
    """Read studies until told to stop: what the record says is what the tables hold."""
    with closing(lake.connect(address[0])) as connection:
        while not stop.is_set():
            connection.execute("begin")
            runs = connection.execute(
                "select study, run_id, n_rows from lake.publication.runs"
            ).fetchall()
            for study, run_id, n_rows in runs:
                found = connection.execute(
                    " union all ".join(
                        f"select count(*), min(value), max(value) from "
                        f"lake.{study}.{table} where run_id = ?"
                        for table in ("rpt_estimates", "dim_cities", "dq_findings")
                    ),
                    [run_id] * 3,
                ).fetchall()
                values = {value for row in found for value in row[1:]}
                assert sum(row[0] for row in found) == n_rows, (study, run_id, found)
                assert values == {int(run_id.rpartition("_")[2])}
            connection.execute("commit")
            seen.append(len(runs))


def look_many(address, stop, faults, counts, n) -> None:
    seen: list[int] = []

    def one():
        try:
            look(address, stop, seen)
        except Exception as error:  # told by the process that asked
            faults.put(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=one) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts.put(len(seen))


def test_four_publish_and_thirty_read_at_once(shared, tmp_path):
    first = published(tmp_path / "first", "first_0", 0)
    publish_all(shared, [first])
    # Two publishers of one study, and one file that all four publish.
    studies = ["zones", "zones", "carbon", "trade"]
    same = published(tmp_path / "same", "same_99", 99)
    files = [
        [
            str(published(tmp_path / f"{p}_{k}", f"p{p}_{10 * p + k}", 10 * p + k,
                          study=study))
            for k in range(4)
        ]
        for p, study in enumerate(studies)
    ]  # fmt: skip
    context = get_context("spawn")
    stop, faults, counts = context.Event(), context.Queue(), context.Queue()
    readers = [
        context.Process(target=look_many, args=(shared, stop, faults, counts, 10))
        for _ in range(3)
    ]
    publishers = [
        context.Process(target=publish_all, args=(shared, [*mine, str(same)]))
        for mine in files
    ]
    for process in (*readers, *publishers):
        process.start()
    for process in publishers:
        process.join()
    stop.set()
    looks = sum(counts.get(timeout=300) for _ in readers)
    for process in readers:
        process.join()
    assert faults.empty(), faults.get()
    assert [process.exitcode for process in publishers] == [0] * 4
    assert looks >= 30
    runs = read(
        shared, "select study, run_id, sequence from lake.publication.runs order by all"
    )
    wanted = {(studies[p], f"p{p}_{10 * p + k}") for p in range(4) for k in range(4)}
    assert {(s, r) for s, r, _ in runs} == wanted | {
        ("zones", "first_0"),
        ("zones", "same_99"),
    }
    assert len(runs) == len(wanted) + 2
    for study, count in (("zones", 10), ("carbon", 4), ("trade", 4)):
        turns = sorted(n for s, _, n in runs if s == study)
        assert turns == list(range(1, count + 1))


# --- killed ---

# Publishes once for each number read, in a fork that dies before that statement.
KILLED = """
import os, signal, sys
from pathlib import Path
from citypanel.warehouse import lake

class Dying:
    def __init__(self, connection, left):
        self.connection, self.left = connection, left

    def execute(self, *given):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.connection.execute(*given)

    def close(self):
        self.connection.close()

connect = lake.connect
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        lake.connect = lambda *a, **o: Dying(connect(*a, **o), int(line))
        lake.publish_to_lake(Path(sys.argv[1]), sys.argv[2])
        os._exit(0)
    print("status", os.waitpid(child, 0)[1], flush=True)
"""


def test_a_publisher_killed_at_any_point_leaves_the_last_snapshot(address, tmp_path):
    to, data = address
    lake.publish_to_lake(published(tmp_path / "a", "r_1", 1), to, data=data)
    state = (
        "select 'runs', count(*) from lake.publication.runs union all "
        "select 'rows', count(*) from lake.zones.dim_cities union all "
        "select 'snapshots', count(*) from ducklake_snapshots('lake') union all "
        "select 'columns', count(*) from duckdb_columns() where database_name = 'lake'"
    )
    before = read(address, state)
    file = published(tmp_path / "b", "r_2", 2, columns=", 1 as more")
    killed, status = 0, "9"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(file), to],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as publisher:
        while status == "9":
            print(killed + 1, file=publisher.stdin, flush=True)
            said = iter(publisher.stdout.readline, "")
            status = next(line for line in said if line.startswith("status")).split()[1]
            if status == "9":
                killed += 1
                now = read(address, state)
                if now != before:  # the commit was done before it was killed
                    assert now[:2] == [("runs", 2), ("rows", 100)]
                    break
    assert status in ("0", "9")
    assert killed > 20
    entry = lake.publish_to_lake(file, to)
    assert entry.n_rows == 150
    assert read(address, state)[:2] == [("runs", 2), ("rows", 100)]
