"""Run a library call in another process, beside the caller's own work.

A dbt build is one Python process that keeps one core busy with its own work; what
takes seconds runs beside it here. A worker keeps what it has imported, so that the
second call to Great Expectations, or to linearmodels, does not pay for it again.
"""

from __future__ import annotations

import os
from importlib import import_module
from threading import Lock, Thread
from time import sleep
from typing import Any

# An idle worker ends after this long.
IDLE_SECONDS = 60
# A worker whose parent was killed ends after this long.
ORPHAN_SECONDS = 1.0

# One core a worker: threads of a linear algebra library would fight over the cores, and
# sums would depend on how many there are.
ENVIRONMENT = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)

_pools: dict[str, Any] = {}
_lock = Lock()


def in_worker(function: str, *args: Any, **kwargs: Any) -> Any:
    """Call a function of the library in a worker process and return what it returns.

    Each subpackage of the library has one worker, so that nothing is imported twice: an
    import takes longer here than most calls, which wait for each other. Whatever the
    function raises is raised here. Where this machine has no worker to give the call
    runs here: the result is the same, the time is not.

    Parameters
    ----------
    function : str
        Full name, such as "citypanel.study.estimates.regressions": the caller does not
        import it, and does not wait for what it imports.
    *args, **kwargs
        Its arguments; they are pickled, and so is the result.
    """
    try:
        task = _executor(function).submit(_call, function, args, kwargs)
    except (ImportError, OSError):  # no semaphores on this machine
        return _call(function, args, kwargs)
    return task.result()


def _call(function: str, args: tuple, kwargs: dict[str, Any]) -> Any:
    module, _, name = function.rpartition(".")
    return getattr(import_module(module), name)(*args, **kwargs)


def _executor(function: str):
    """The worker of a function's subpackage; apart from those joblib keeps for itself.

    loky's workers do not import the caller's main module, which for dbt takes seconds.
    """
    from joblib.externals.loky import ProcessPoolExecutor

    part = ".".join(function.split(".")[:2])
    with _lock:
        if part not in _pools:
            _pools[part] = ProcessPoolExecutor(
                1,
                timeout=IDLE_SECONDS,
                initializer=end_with_parent,
                initargs=(os.getpid(),),
                env=ENVIRONMENT,
            )
        return _pools[part]


def end_with_parent(parent: int) -> None:
    """Make this worker end when the process that started it has ended, even killed.

    A worker that is sending its result, or is being sent a call, otherwise waits for
    ever: it holds the other end of the pipe itself.
    """

    def watch() -> None:
        while os.getppid() == parent:
            sleep(ORPHAN_SECONDS)
        os._exit(1)

    Thread(target=watch, daemon=True).start()
