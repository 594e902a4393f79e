"""Unpack a package elsewhere, build it, and see whether it gives the same tables."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd

from citypanel.errors import OutputError
from citypanel.replication.fingerprints import compare, fingerprints

_COMMAND = ("--no-use-colors", "build")


@dataclass(frozen=True)
class Rebuild:
    """A build of the unpacked package.

    Attributes
    ----------
    seconds : float
        Of `dbt build`, its start included.
    peak_memory_mb : float or None
        Resident memory of its largest process; None where the system does not say.
    tables : DataFrame
        From `compare`.
    """

    seconds: float
    peak_memory_mb: float | None
    tables: pd.DataFrame


def rebuild(
    archive: bytes, *, arguments: list[str], expected: Mapping[str, Mapping]
) -> Rebuild:
    """Unpack, run `dbt build` with this interpreter, compare.

    The unpacked source stands first on the module path: what runs is the package's
    code, not the installed one.

    Raises
    ------
    OutputError
        The build fails, or a table differs.
    """
    with tempfile.TemporaryDirectory(prefix="citypanel_package_") as folder:
        with zipfile.ZipFile(io.BytesIO(archive)) as pack:
            pack.extractall(folder)
        (root,) = Path(folder).iterdir()
        environment = {
            name: value for name, value in os.environ.items() if name[:4] != "DBT_"
        }
        environment["PYTHONPATH"] = str(root / "src")
        started = time.monotonic()
        result = subprocess.run(
            [_beside_python("dbt"), *_COMMAND, *arguments],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - started
        if result.returncode:
            raise OutputError.of(
                "replication.does_not_build",
                what="\n".join((result.stdout + result.stderr).splitlines()[-20:]),
            )
        with duckdb.connect(str(root / "citypanel.duckdb"), read_only=True) as built:
            tables = compare(expected, fingerprints(built))
    different = tables[tables["verdict"] != "same"]
    if len(different):
        raise OutputError.of(
            "replication.other_tables",
            [f"{row.table}: {row.verdict}" for row in different.itertuples()],
        )
    return Rebuild(seconds, _peak_memory_mb(), tables)


def _beside_python(name: str) -> Path:
    """A command of the environment that runs; on Windows it ends in .exe."""
    python = Path(sys.executable)
    return python.with_name(name).with_suffix(python.suffix if os.name == "nt" else "")


def _peak_memory_mb() -> float | None:
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    # Linux counts kilobytes, macOS bytes.
    return peak / (1024.0**2 if sys.platform == "darwin" else 1024.0)
