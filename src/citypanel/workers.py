"""Run a library call in another process, beside the caller's own work.

A dbt build is one Python process that keeps one core busy with its own work; what
takes seconds runs beside it here. A worker keeps what it has imported, so that the
second call to Great Expectations, or to linearmodels, does not pay for it again.

A worker imports the library for itself, on another machine perhaps, or after a file was
edited. None computes with other code than its caller's.
"""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from heapq import heappop, heappush
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from threading import Condition, Lock, Thread
from time import sleep
from typing import Any

from citypanel.errors import ClusterError, describe
from citypanel.identity import running_code

# An idle worker ends after this long.
IDLE_SECONDS = 60
# A worker whose parent was killed ends after this long.
ORPHAN_SECONDS = 1.0

# One core a worker: threads of a linear algebra library would fight over the cores, and
# sums would depend on how many there are.
ENVIRONMENT = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)

# The packages whose release can move a digit.
NUMERICAL = ("numpy", "pandas", "scipy")

# Calls of the library import much the same: they share these, and whichever is free
# takes the next. A third would import it once more, beside a caller that is at work.
_OF_THE_LIBRARY = 2

# These go before others that wait: the call that takes longest, so that at the end of a
# build no worker is left alone with it, then those that most nodes wait for.
_FIRST = (
    "citypanel.study.referee.answers",
    "citypanel.study.productivity.tfp_intervals",
    "citypanel.quality.expectations.validate_panels",
    "citypanel.study.estimates.regressions",
    "citypanel.study.credibility.inference",
)

_executors: dict[str, _Executor] = {}
_lock = Lock()


def code_here() -> dict[str, str]:
    """Return what computes in this process: the library's digest, others' releases."""
    return dict(_CODE)


def _code_here() -> dict[str, str]:
    found = {"citypanel": running_code().digest}
    for name in NUMERICAL:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


# Taken on import: what a file says later is not what was imported.
_CODE = _code_here()


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    """Return in words how two processes' code differs, or nothing."""
    return ", ".join(
        f"{name} {found.get(name, 'none')[:12]} (here {value[:12]})"
        for name, value in expected.items()
        if found.get(name) != value
    )


@dataclass(frozen=True)
class SameCode:
    """A function that a worker calls only where its code is the caller's.

    Attributes
    ----------
    function : callable
        Pickled with this, so that it must be one of a module.
    code : dict of str to str
        The caller's.
    """

    function: Callable
    code: dict[str, str]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        other = differences(self.code, _CODE)
        if other:
            raise ClusterError(
                describe(
                    "A worker runs other code than the process that asked it",
                    [f"process {os.getpid()} on {socket.gethostname()}: {other}"],
                    consequence="its numbers would not be this code's; the run "
                    "stopped, and earlier results are as they were",
                    remedy="run the command again where a file was edited meanwhile; "
                    "on other machines install the same code and restart the workers",
                )
            )
        return self.function(*args, **kwargs)


def same_code(function: Callable) -> SameCode:
    """Return the function as workers are to call it: with this process's code only."""
    return SameCode(function, code_here())


def in_worker(function: str, *args: Any, **kwargs: Any) -> Any:
    """Call a function of the library in a worker process and return what it returns.

    The library has two workers, so that little is imported twice: an import takes
    longer here than most calls, which wait for each other. Another package has one.
    Whatever the function raises is raised here. Where this machine has no worker to
    give the call runs here: the result is the same, the time is not.

    Parameters
    ----------
    function : str
        Full name, such as "citypanel.study.estimates.regressions": the caller does not
        import it, and does not wait for what it imports.
    *args, **kwargs
        Its arguments; they are pickled, and so is the result. A relation of DuckDB
        arrives as a frame (`citypanel.handover`), also as a value of a mapping.

    Raises
    ------
    ClusterError
        The worker's library is not this process's: a file was edited meanwhile.
    """
    # Not above: it imports pandas, which a start and the doctor do without.
    from citypanel.handover import packed, unpacked

    try:
        executor = _executor(function)
    except (ImportError, OSError):  # no semaphores on this machine
        return unpacked(_call(function, packed(dict(enumerate(args))), packed(kwargs)))
    with executor.turn(function):
        given = packed(dict(enumerate(args))), packed(kwargs)
        try:
            task = executor.submit(same_code(_call), function, *given)
        except OSError:  # no process to be had
            result = _call(function, *given)
        else:
            del given
            result = task.result()
    return unpacked(result)


def _call(function: str, args: dict[int, Any], kwargs: dict[str, Any]) -> Any:
    """A function's result, packed, of packed arguments by position and by name.

    Of a frame its columns, as a frame of pandas: for a class of ours, and for the notes
    beside its columns, the caller would have to import the library.
    """
    module, _, name = function.rpartition(".")
    call = getattr(import_module(module), name)
    import pandas as pd

    from citypanel.handover import packed, unpacked

    result = call(*unpacked(args).values(), **unpacked(kwargs))
    if isinstance(result, pd.DataFrame):
        result = pd.DataFrame(result, copy=False)
        result.attrs = {}
    return packed(result)


def start_workers(*modules: str) -> None:
    """Have the library's workers start and import, while the caller does other things.

    One imports after the other, so that the caller has a core for itself.

    Parameters
    ----------
    *modules : str
        Full names of what the first calls will import.
    """

    def start() -> None:
        # in_worker makes do without them, and a caller that has ended needs none.
        with suppress(ImportError, OSError, RuntimeError):
            for _ in range(_OF_THE_LIBRARY):
                wait([_executor(__name__).submit(_import_all, modules)])

    Thread(target=start, daemon=True).start()


def _import_all(modules: tuple[str, ...]) -> None:
    # What is imported stays to the end: the garbage collector need not look at it.
    gc.disable()
    try:
        for name in modules:
            import_module(name)
        gc.freeze()
    finally:
        gc.enable()


class _Executor:
    """The workers of a package; apart from those joblib keeps for itself.

    loky's workers do not import the caller's main module, which for dbt takes seconds.

    Parameters
    ----------
    n_workers : int
    """

    def __init__(self, n_workers: int):
        from joblib.externals.loky import ProcessPoolExecutor

        pool = ProcessPoolExecutor(
            n_workers,
            timeout=IDLE_SECONDS,
            initializer=end_with_parent,
            initargs=(os.getpid(),),
            env=ENVIRONMENT,
        )
        self.submit = pool.submit
        # One more than can run, so that a worker that is done finds a call ready.
        self.places = n_workers + 1
        self.waiting: list[tuple[int, int]] = []
        self.numbers = count()
        self.changed = Condition()

    @contextmanager
    def turn(self, function: str) -> Iterator[None]:
        """Hold a place among the calls that run, waited for before tables are read.

        What all that wait are given would otherwise be in memory at once.
        """
        # Of two calls of one rank the earlier.
        rank = _FIRST.index(function) if function in _FIRST else len(_FIRST)
        mine = rank, next(self.numbers)
        with self.changed:
            heappush(self.waiting, mine)
            self.changed.wait_for(lambda: self.places and self.waiting[0] == mine)
            heappop(self.waiting)
            self.places -= 1
            self.changed.notify_all()
        try:
            yield
        finally:
            with self.changed:
                self.places += 1
                self.changed.notify_all()


def _executor(function: str) -> _Executor:
    """The workers of a function's package."""
    package = function.partition(".")[0]
    # Two threads that import joblib at once may each get half of it.
    with _lock:
        if package not in _executors:
            is_ours = package == __name__.partition(".")[0]
            _executors[package] = _Executor(_OF_THE_LIBRARY if is_ours else 1)
        return _executors[package]


def end_with_parent(parent: int, *modules: str) -> None:
    """Make this worker end when the process that started it has ended, even killed.

    A worker that is sending its result, or is being sent a call, otherwise waits for
    ever: it holds the other end of the pipe itself. What its calls need it imports now.
    """

    def watch() -> None:
        while os.getppid() == parent:
            sleep(ORPHAN_SECONDS)
        os._exit(1)

    Thread(target=watch, daemon=True).start()
    _import_all(modules)
