"""A call in a worker is the call, elsewhere."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from joblib import Parallel, delayed

from citypanel import workers
from citypanel.errors import OptionError
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


def test_without_a_pool_the_call_runs_here(monkeypatch):
    def none(function):
        raise OSError("no semaphores")

    monkeypatch.setattr(workers, "_executor", none)
    assert in_worker("os.getpid") == os.getpid()
