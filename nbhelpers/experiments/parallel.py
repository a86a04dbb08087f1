"""The running of many calls at once, here or on a cluster."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from threading import Thread
from typing import Any

from tqdm import tqdm

from nbhelpers.experiments.workers import in_processes

PATIENCE = 60
"""Seconds in which a cluster must have answered and have its first worker."""


def in_parallel(
    task: Callable[..., Any],
    calls: Sequence[tuple],
    *,
    describe: str,
    costs: Sequence[float] | None = None,
    jobs: int = 1,
    cluster: str | None = None,
) -> list[Any]:
    """Results of ``task(*call)`` for every call, in the order of the calls.

    Parameters
    ----------
    task : callable
        Importable by name, and without side effects but those that may happen twice: a call whose process dies on the
        cluster is made again.
    calls : sequence of tuple
        The arguments.
    describe : str
        What the progress bar says.
    costs : sequence of float, optional
        How long the calls take beside each other; they make the bar's estimate.
    jobs : int
        Processes on this machine; with 1, all runs in this one. A script that asks for more is imported by each of
        them, so it calls this under ``if __name__ == "__main__":``.
    cluster : str, optional
        Address of a Dask scheduler, such as ``tcp://10.0.0.1:8786``, whose workers run the calls instead. They must see
        the same folders as this machine.

    Raises
    ------
    ValueError
        If there are no jobs; and what the task raises.
    OSError
        If a process is killed, there is no Dask, no scheduler at the address, or it has no workers.

    Examples
    --------
    >>> in_parallel(divmod, [(7, 2), (9, 4)], describe="dividing")
    [(3, 1), (2, 1)]
    """
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    weights = [1.0] * len(calls) if costs is None else costs
    values: list[Any] = [None] * len(calls)
    results = _here(task, calls, jobs) if cluster is None else _on_cluster(task, calls, cluster)
    with closing(results), tqdm(total=sum(weights), desc=describe, bar_format=_BAR, delay=1) as bar:
        for i, value in results:
            values[i] = value
            bar.update(weights[i])
    return values


_BAR = "{desc}: {percentage:3.0f}% |{bar}| {elapsed} gone, about {remaining} to go"


def _here(task: Callable[..., Any], calls: Sequence[tuple], jobs: int) -> Iterator[tuple[int, Any]]:
    """Number and result of each call as it ends, on this machine."""
    if jobs == 1:
        yield from (_numbered(i, task, call) for i, call in enumerate(calls))
        return
    before = os.environ.get("TQDM_DISABLE")
    os.environ["TQDM_DISABLE"] = "1"  # read by new processes: bars of many would write over each other
    try:
        yield from in_processes(task, calls, jobs)
    finally:
        os.environ.pop("TQDM_DISABLE")
        os.environ |= {} if before is None else {"TQDM_DISABLE": before}


def _on_cluster(task: Callable[..., Any], calls: Sequence[tuple], address: str) -> Iterator[tuple[int, Any]]:
    """The same on a Dask cluster. If the iteration ends early, what runs there ends by itself, and no more is begun."""
    try:
        from distributed import Client, KilledWorker, as_completed
    except ImportError:
        raise OSError("a cluster needs Dask: pip install 'nbhelpers[cluster]'") from None
    _await_workers(address)
    with Client(address, timeout=PATIENCE) as client:
        futures = [client.submit(_numbered, i, task, call, pure=False) for i, call in enumerate(calls)]
        for future in as_completed(futures):
            try:
                yield future.result()
            except KilledWorker as error:
                raise OSError(
                    f"a stage ended every worker that it was given to, perhaps for want of memory: {error}"
                ) from None


def _await_workers(address: str) -> None:
    """Refuse an address at which, within :data:`PATIENCE` seconds, no Dask scheduler answers that has a worker.

    In a thread that nobody need wait for, as a notebook runs a loop of its own in this one. And not by Dask's client:
    whatever else listens there, it waits for without an end, or believes any length of an answer.
    """
    from distributed import rpc

    heard = f"no answer in {PATIENCE:g} seconds"

    async def ask() -> None:
        nonlocal heard
        async with rpc(address) as scheduler:
            while not (await scheduler.identity())["workers"]:
                heard = "no workers"
                await asyncio.sleep(0.1)
        heard = "workers"

    def ask_in_time() -> None:
        nonlocal heard
        try:
            asyncio.run(asyncio.wait_for(ask(), PATIENCE))
        except asyncio.TimeoutError:
            pass
        except Exception as error:
            heard = str(error)

    thread = Thread(target=ask_in_time, daemon=True)
    thread.start()
    thread.join(PATIENCE + 1)
    if heard == "no workers":
        raise OSError(f"the Dask scheduler at {address} has no workers; start some with `dask worker {address}`")
    if heard != "workers":
        raise OSError(
            f"no Dask scheduler answers at {address} ({heard}); start one with `dask scheduler`, and workers with "
            f"`dask worker {address}`"
        )


def _numbered(i: int, task: Callable[..., Any], call: tuple) -> tuple[int, Any]:
    return i, task(*call)
