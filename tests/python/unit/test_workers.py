"""A call in a worker is the call, elsewhere."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from joblib import Parallel, delayed

from citypanel import workers
from citypanel.errors import ClusterError, OptionError
from citypanel.identity import running_code
from citypanel.warehouse.run import computes_everything
from citypanel.workers import in_worker


def test_the_call_runs_in_another_process_and_returns():
    assert in_worker("os.getpid") != os.getpid()
    assert in_worker("math.hypot", 3, 4) == 5


def test_errors_come_back_as_they_are():
    with pytest.raises(OptionError, match="'nobody' is not an option"):
        in_worker(
            "citypanel.frontier.technology.check_option", "who", "nobody", ("all",)
        )


def test_threads_share_a_worker_and_joblib_keeps_its_own():
    with ThreadPoolExecutor(4) as threads:
        pids = set(threads.map(lambda _: in_worker("os.getpid"), range(8)))
    assert len(pids) == 1
    roots = Parallel(n_jobs=2)(delayed(math.sqrt)(n) for n in range(4))
    assert roots == [math.sqrt(n) for n in range(4)]
    assert in_worker("math.hypot", 3, 4) == 5


def test_calls_wait_for_a_place_and_those_that_take_longest_go_first():
    """One worker has two places: one to run, one ready."""
    executor = workers._Executor(1)
    began = []

    def call(name):
        with executor.turn(name):
            began.append(name)

    with ThreadPoolExecutor(4) as threads, ExitStack() as holding:
        for held in ("a", "b"):
            holding.enter_context(executor.turn(held))
        for waits, name in enumerate(("c", "d", workers._FIRST[0]), 1):
            threads.submit(call, name)
            limit = time.monotonic() + 60
            while len(executor.waiting) < waits:
                assert time.monotonic() < limit
                time.sleep(0.01)
        assert not began
        holding.pop_all().close()
    assert began[0] == workers._FIRST[0]
    assert sorted(began[1:]) == ["c", "d"]


def test_workers_that_start_early_import_what_the_first_calls_need(
    tmp_path, monkeypatch
):
    module = "from pathlib import Path\nPath(__file__).with_suffix('.seen').touch()\n"
    (tmp_path / "needed_first.py").write_text(module, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(workers, "_executors", {})
    workers.start_workers("needed_first")
    limit = time.monotonic() + 60
    while not (tmp_path / "needed_first.seen").exists():
        assert time.monotonic() < limit
        time.sleep(0.01)
    assert in_worker("citypanel.sql.sql_name", "a") == '"a"'


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"WHICH": "build"}, True),
        ({"WHICH": "run", "SELECT": ()}, True),
        ({"WHICH": "build", "SELECT": ("dim_cities",)}, False),
        ({"WHICH": "build", "EXCLUDE": ("tag:slow",)}, False),
        ({"WHICH": "build", "EMPTY": True}, False),
        ({"WHICH": "test"}, False),
        ({}, False),
    ],
)
def test_they_start_before_dbt_asks_where_everything_is_computed(
    monkeypatch, flags, expected
):
    monkeypatch.setattr("dbt.flags.get_flags", lambda: Namespace(**flags))
    assert computes_everything() is expected


def test_a_result_comes_back_as_a_frame_of_pandas():
    """For a class of the library the caller would import every estimator."""
    code = (
        "import sys, pandas as pd; from citypanel.workers import in_worker\n"
        "panel = pd.DataFrame({'city': [*'aaabbbccc'], 'year': [1, 2, 3] * 3,\n"
        "    'growth': [1, 2, 4, 1, 3, 3, 2, 2, 5.], 'zone': [0, 0, 1] + [0] * 6})\n"
        "found = in_worker('citypanel.did.twfe', panel, outcome='growth',\n"
        "    treatment='zone', unit='city', period='year')\n"
        "assert type(found) is pd.DataFrame and len(found) and not found.attrs\n"
        "assert 'citypanel.did' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_a_pool_the_call_runs_here(monkeypatch):
    def none(function):
        raise OSError("no semaphores")

    monkeypatch.setattr(workers, "_executor", none)
    assert in_worker("os.getpid") == os.getpid()


def test_without_a_process_the_call_runs_here(monkeypatch):
    def none(*call):
        raise OSError("cannot allocate memory")

    executor = workers._Executor(1)
    monkeypatch.setattr(executor, "submit", none)
    monkeypatch.setitem(workers._executors, "os", executor)
    assert in_worker("os.getpid") == os.getpid()


def test_a_worker_whose_code_differs_is_refused_by_name(monkeypatch):
    """A file edited between the start of a process and that of its worker."""
    assert workers.code_here()["citypanel"] == running_code().digest
    monkeypatch.setitem(workers._CODE, "citypanel", "f" * 64)
    with pytest.raises(ClusterError, match=r"process \d+ on .*\(here ffffffffffff\)"):
        in_worker("math.hypot", 3, 4)
    call = workers.same_code(math.sqrt)
    assert call(4) == 2
    with pytest.raises(ClusterError, match="Remedy: run the command again"):
        Parallel(n_jobs=2)(delayed(call)(n) for n in range(2))


@pytest.mark.skipif(not hasattr(os, "getppid"), reason="no parents on this system")
def test_a_worker_ends_when_its_parent_is_killed():
    """Killed while the worker waits for somebody to read its result."""
    code = (
        "import os, threading, time; from citypanel.workers import in_worker\n"
        "print(in_worker('os.getpid'), flush=True)\n"
        "threading.Timer(0.5, os.kill, (os.getpid(), 9)).start()\n"
        "in_worker('time.sleep', 600)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    worker = int(parent.stdout.readline())
    assert parent.wait() == -9
    limit = time.monotonic() + 60
    while _runs(worker):
        assert time.monotonic() < limit, "the worker outlived its parent"
        time.sleep(0.1)


def _runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or ") Z " not in status.read_text()
