"""Run a library call in another process, beside the caller's own work.

A dbt build is one Python process that keeps one core busy with its own work; what
takes seconds runs beside it here. A worker keeps what it has imported, so that the
second call to Great Expectations, or to linearmodels, does not pay for it again.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

# Workers of a subpackage: great_expectations takes longer to import than to run.
WORKERS = {"citypanel.quality": 1, "citypanel.study": 2}
# An idle worker ends after this long.
IDLE_SECONDS = 60

# One core a worker: threads of a linear algebra library would fight over the cores, and
# sums would depend on how many there are.
ENVIRONMENT = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)

_pools: dict[str, Any] = {}
_lock = Lock()


def in_worker(
    function: Callable[Arguments, Result],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:
    """Call `function` in a worker process and return what it returns.

    Each subpackage of the library has workers of its own, so that none imports what
    another needs. Whatever the function raises is raised here. Where this machine has
    no worker to give the call runs here: the result is the same, the time is not.

    Parameters
    ----------
    function : callable
        A function of an importable module.
    *args, **kwargs
        Its arguments; they are pickled, and so is the result.
    """
    try:
        task = _executor(function.__module__).submit(function, *args, **kwargs)
    except (ImportError, OSError):  # no semaphores on this machine
        return function(*args, **kwargs)
    return task.result()


def _executor(module: str):
    """The worker of a module's subpackage; apart from the pool joblib keeps for itself.

    loky's workers do not import the caller's main module, which for dbt takes seconds.
    """
    from joblib.externals.loky import ProcessPoolExecutor

    part = ".".join(module.split(".")[:2])
    with _lock:
        if part not in _pools:
            _pools[part] = ProcessPoolExecutor(1, timeout=IDLE_SECONDS, env=ENVIRONMENT)
        return _pools[part]
