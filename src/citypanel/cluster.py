"""Workers of a Dask scheduler, for whatever runs in several processes here."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from citypanel.errors import ClusterError
from citypanel.workers import code_here, differences

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 5


@contextmanager
def joblib_on(address: str | None) -> Iterator[None]:
    """Within it `joblib.Parallel` computes on the workers of a scheduler, if any.

    joblib computes here where they have one thread in all.

    Raises
    ------
    ClusterError
        As `connect`.
    """
    if address is None:
        yield
        return
    import joblib

    with (
        connect(address) as client,
        joblib.parallel_config(backend="dask", client=client),
    ):
        yield


def connect(address: str) -> Client:
    """A client of the scheduler that has a worker, all of them with this code.

    Raises
    ------
    ClusterError
        As `check_scheduler`; there is no worker, or one with another library.
    """
    check_scheduler(address)
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise _no_scheduler(address, error) from error
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        _check_workers(client, address)
    except TimeoutError as error:
        client.close()
        raise ClusterError.of("cluster.no_worker", address=address) from error
    except BaseException:
        client.close()
        raise
    return client


def _check_workers(client, address: str) -> None:
    """Refuse workers with another library, or other releases of what it computes with.

    One that joins later is refused by `citypanel.workers.same_code`.
    """
    expected = code_here()
    wrong = []
    for worker, found in client.run(code_here, on_error="return").items():
        if isinstance(found, BaseException):
            wrong.append(f"{worker}: {type(found).__name__}: {found}")
        elif other := differences(expected, found):
            wrong.append(f"{worker}: {other}")
    if wrong:
        raise ClusterError.of("cluster.other_code", wrong, address=address)


def check_scheduler(address: str) -> None:
    """Refuse an address at which no Dask scheduler answers, within a few seconds.

    Raises
    ------
    ClusterError
        The package distributed is missing, or says why nobody answers.
    """
    import asyncio

    try:
        import distributed  # noqa: F401
        from distributed.comm.addressing import get_address_host_port, parse_address
    except ImportError as error:
        raise ClusterError.of("cluster.dask_not_installed") from error
    # distributed tries a closed port for as long as it may, and logs what it meets.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    logging.getLogger("tornado").setLevel(logging.CRITICAL)
    try:
        if parse_address(address)[0] in ("tcp", "tls"):
            place = get_address_host_port(address)
            socket.create_connection(place, timeout=CONNECT_SECONDS).close()
        kind = asyncio.run(asyncio.wait_for(_greet(address), CONNECT_SECONDS))
        if kind != "Scheduler":
            raise ValueError(f"a {kind} answers there, not a scheduler")
    # What is no scheduler can answer anything.
    except Exception as error:
        raise _no_scheduler(address, error) from error


async def _greet(address: str) -> str:
    """What calls itself by which name at an address."""
    from distributed.comm import connect
    from distributed.security import Security

    arguments = Security().get_connection_args("client")
    comm = await connect(address, timeout=CONNECT_SECONDS, **arguments)
    try:
        await comm.write({"op": "identity", "reply": True})
        return (await comm.read())["type"]
    finally:
        comm.abort()


def _no_scheduler(address: str, error: Exception) -> ClusterError:
    told = f"{type(error).__name__}: {error}".splitlines()[0]
    if isinstance(error, TimeoutError):
        told = f"no answer within {CONNECT_SECONDS} s"
    return ClusterError.of(
        "cluster.no_scheduler", [told], address=address or "an empty address"
    )
