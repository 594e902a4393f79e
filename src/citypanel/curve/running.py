"""Thousands of specifications, in batches, in several processes or on a cluster.

A batch that is done is on disk before the next one counts: an interrupted run goes on
from there. The result depends on neither the number of processes, nor their order, nor
where they run.
"""

from __future__ import annotations

import gc
import hashlib
import io
import json
import os
import pickle
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from citypanel.cluster import connect
from citypanel.curve.choices import Choices
from citypanel.curve.permutation import Shuffles
from citypanel.curve.specifications import (
    Specification,
    columns_of,
    engine_of,
    evaluate,
    fingerprint,
    headline_values,
    shared_order,
    typed,
)
from citypanel.errors import ClusterError, OutputError
from citypanel.files import write_bytes
from citypanel.study.options import Options
from citypanel.study.run import Study
from citypanel.workers import (
    ENVIRONMENT,
    code_here,
    differences,
    end_with_parent,
    same_code,
)

BATCH = 25
# Workers of a cluster that may die under a batch before it counts as its fault.
RETRIES = 5

# A worker keeps the study of the run it serves, with all it has computed.
_kept: dict[str, tuple] = {}


@dataclass(frozen=True)
class Run:
    """What a run computes.

    Attributes
    ----------
    study : Study
    rows : sequence of Specification
    choices : Choices
    base : Options
    permutations, seed : int
        Of the joint inference.
    """

    study: Study
    rows: Sequence[Specification]
    choices: Choices
    base: Options
    permutations: int
    seed: int

    @property
    def name(self) -> str:
        """The same for the same sources, specifications and options."""
        return fingerprint(
            self.study, self.rows, self.base, self.permutations, self.seed, BATCH
        )

    def batches(self) -> list[list[int]]:
        """Places of the rows of each batch; neighbours share inputs."""
        order = shared_order(self.rows, self.choices)
        # linearmodels takes long to import: one process does, in the first batch.
        headline = headline_values(self.choices, self.base)
        order.sort(key=lambda i: engine_of(self.rows[i].values, headline) is None)
        return [order[i : i + BATCH] for i in range(0, len(order), BATCH)]


def execute(
    run: Run,
    *,
    folder: Path,
    workers: int = 1,
    dask: str | None = None,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Compute a run's specifications.

    Parameters
    ----------
    run : Run
    folder : Path
        Where batches are kept while the run lasts.
    workers : int
        Processes on this machine; not used with `dask`.
    dask : str, optional
        Address of a Dask scheduler, such as tcp://host:8786, whose workers compute.
    resume : bool
        Take the batches of an interrupted run of the same specifications. Without it
        they are computed anew, as are those that are damaged and those that other code
        than this has computed.
    progress : callable, optional
        Called with the specifications done and all of them; first with those that an
        earlier run has done.
    say : callable, optional
        Gets a line where kept batches are computed anew.

    Returns
    -------
    table, draws
        As `citypanel.curve.specifications.specifications`.

    Raises
    ------
    ClusterError
        The scheduler cannot be reached or has no worker, workers run other code, or
        processes have died. The batches that are done are kept.
    OutputError
        A batch cannot be kept: the disk is full, or the folder read-only.
    """
    name = run.name
    kept = folder / name
    try:
        if not resume and folder.exists():
            shutil.rmtree(folder)
        kept.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(kept, error) from error
    batches = run.batches()
    out: list[dict | None] = [None] * len(run.rows)
    draws = np.full((len(run.rows), 2, run.permutations), np.nan)
    done = 0

    def take(batch: int, rows: list[dict], drawn: np.ndarray) -> None:
        nonlocal done
        for place, row, one in zip(batches[batch], rows, drawn, strict=True):
            out[place], draws[place] = row, one
        done += len(rows)

    open_batches = []
    for batch in range(len(batches)):
        path = kept / f"{batch:05d}.npz"
        found = _read(path, len(batches[batch]), run.permutations, say)
        if found is None:
            open_batches.append(batch)
        else:
            take(batch, *found)
    if progress is not None:
        progress(done, len(run.rows))
    if open_batches:
        blob = zlib.compress(
            pickle.dumps(
                (run.study, run.choices, run.base, run.permutations, run.seed)
            ),
            level=1,
        )
        tasks = [
            (batch, (name, blob, [run.rows[place] for place in batches[batch]]))
            for batch in open_batches
        ]
        compute = _on_cluster(tasks, dask) if dask else _in_processes(tasks, workers)
        for batch, (rows, drawn) in compute:
            _write(kept / f"{batch:05d}.npz", rows, drawn)
            take(batch, rows, drawn)
            if progress is not None:
                progress(done, len(run.rows))
    return typed(out, columns_of(run.choices), "specification_order"), draws


def _batch(name: str, blob: bytes, rows: Sequence[Specification]):
    """Rows and draws of a batch, in a worker."""
    if name not in _kept:
        _kept.clear()
        gc.unfreeze()
        study, choices, base, permutations, seed = pickle.loads(zlib.decompress(blob))
        study = study.instead(has_scale=False)
        shuffles = (
            Shuffles.of(study, base, draws=permutations, seed=seed)
            if permutations
            else None
        )
        _kept[name] = study, choices, base, permutations, shuffles
        # It stays to the end of the run, as what was imported does.
        gc.freeze()
    study, choices, base, permutations, shuffles = _kept[name]
    out = []
    draws = np.full((len(rows), 2, permutations), np.nan)
    for i, row in enumerate(rows):
        found, drawn = evaluate(
            study, row, choices=choices, base=base, shuffles=shuffles
        )
        out.append({key: _plain(value) for key, value in found.items()})
        if drawn is not None:
            draws[i] = drawn
    return out, draws


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _in_processes(tasks: list, workers: int) -> Iterator[tuple]:
    """Batches as processes of this machine finish them."""
    from concurrent.futures import as_completed

    from joblib.externals.loky import ProcessPoolExecutor
    from joblib.externals.loky.process_executor import BrokenProcessPool

    with ProcessPoolExecutor(
        workers,
        initializer=end_with_parent,
        initargs=(os.getpid(), __name__),
        env=ENVIRONMENT,
    ) as pool:
        futures = {
            pool.submit(same_code(_batch), *task): batch for batch, task in tasks
        }
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise ClusterError.of("curve.process_died") from error
        except BaseException:
            pool.shutdown(kill_workers=True)
            raise


def _on_cluster(tasks: list, address: str) -> Iterator[tuple]:
    """Batches as the workers of a Dask scheduler finish them."""
    with connect(address) as client:
        from distributed import as_completed

        submitted = [
            client.submit(same_code(_batch), *task, pure=False, retries=RETRIES)
            for _, task in tasks
        ]
        futures = {
            future.key: batch
            for future, (batch, _) in zip(submitted, tasks, strict=True)
        }
        finished = as_completed(submitted, loop=client.loop)
        del submitted
        for future in finished:
            try:
                result = future.result()
            except ClusterError:
                raise
            except Exception as error:
                raise ClusterError.of(
                    "curve.cluster_failed",
                    [f"{type(error).__name__}: {error}"],
                    address=address,
                ) from error
            yield futures[future.key], result
            future.release()


def _write(path: Path, rows: list[dict], draws: np.ndarray) -> None:
    """A batch on disk, whole or not at all, with its digest and the code's."""
    content = io.BytesIO()
    np.savez(
        content,
        rows=_text(json.dumps(rows)),
        draws=draws,
        code=_text(json.dumps(code_here())),
    )
    packed = content.getvalue()
    try:
        write_bytes(path, hashlib.sha256(packed).digest() + packed)
    except OSError as error:
        raise _unwritable(path, error) from error


def _text(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _read(
    path: Path,
    size: int,
    permutations: int,
    say: Callable[[str], None] = lambda line: None,
):
    """A batch from disk; None where there is none, said where it cannot be taken."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        say(f"Batch {path.name} is computed again: {error.strerror or error}")
        return None
    length = hashlib.sha256().digest_size
    if hashlib.sha256(content[length:]).digest() != content[:length]:
        say(f"Batch {path.name} is computed again: the kept one is damaged.")
        return None
    with np.load(io.BytesIO(content[length:])) as file:
        rows, code = (json.loads(file[name].tobytes()) for name in ("rows", "code"))
        draws = file["draws"]
    other = differences(code_here(), code)
    if other:
        say(f"Batch {path.name} is computed again: the kept one is of {other}.")
        return None
    whole = len(rows) == size and draws.shape == (size, 2, permutations)
    return (rows, draws) if whole else None


def _unwritable(path: Path, error: OSError) -> OutputError:
    why = error.strerror or error
    return OutputError.of("curve.not_kept", path=path, why=why)
