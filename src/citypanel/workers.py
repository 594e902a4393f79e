"""Run a library call in another process, beside the caller's own work.

A dbt build is one Python process that keeps one core busy with its own work; what
takes seconds runs beside it here. A worker keeps what it has imported, so that the
second call to Great Expectations, or to linearmodels, does not pay for it again.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

WORKERS = 2
# An idle worker ends after this long.
IDLE_SECONDS = 60

# One core a worker: threads of a linear algebra library would fight over the cores, and
# sums would depend on how many there are.
ENVIRONMENT = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)

_pool: list = []
_lock = Lock()


def in_worker(
    function: Callable[Arguments, Result],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:
    """Call `function` in a worker process and return what it returns.

    Whatever the function raises is raised here. Where this machine has no worker to
    give the call runs here: the result is the same, the time is not.

    Parameters
    ----------
    function : callable
        A function of an importable module.
    *args, **kwargs
        Its arguments; they are pickled, and so is the result.
    """
    try:
        task = _executor().submit(function, *args, **kwargs)
    except (ImportError, OSError):  # no semaphores on this machine
        return function(*args, **kwargs)
    return task.result()


def _executor():
    """The one pool of this process; apart from the pool that joblib keeps for itself.

    loky's workers do not import the caller's main module, which for dbt takes seconds.
    """
    from joblib.externals.loky import ProcessPoolExecutor

    with _lock:
        if not _pool:
            _pool.append(
                ProcessPoolExecutor(WORKERS, timeout=IDLE_SECONDS, env=ENVIRONMENT)
            )
    return _pool[0]
