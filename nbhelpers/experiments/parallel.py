"""The running of many calls at once, here or on a cluster."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from joblib import Parallel, delayed
from tqdm import tqdm

PATIENCE = 60
"""Seconds in which a cluster must have its first worker."""


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
        Processes on this machine; with 1, all runs in this one.
    cluster : str, optional
        Address of a Dask scheduler, such as ``tcp://10.0.0.1:8786``, whose workers run the calls instead. They must see
        the same folders as this machine.

    Raises
    ------
    OSError
        If there is no Dask, no scheduler at the address, or it has no workers.

    Examples
    --------
    >>> in_parallel(divmod, [(7, 2), (9, 4)], describe="dividing")
    [(3, 1), (2, 1)]
    """
    weights = [1.0] * len(calls) if costs is None else costs
    found: list[Any] = [None] * len(calls)
    results = _here(task, calls, jobs) if cluster is None else _on_cluster(task, calls, cluster)
    with tqdm(total=sum(weights), desc=describe, bar_format=_BAR, delay=1) as bar:
        for i, value in results:
            found[i] = value
            bar.update(weights[i])
    return found


_BAR = "{desc}: {percentage:3.0f}% |{bar}| {elapsed} gone, about {remaining} to go"


def _here(task: Callable[..., Any], calls: Sequence[tuple], jobs: int) -> Iterator[tuple[int, Any]]:
    """Number and result of each call as it ends, on this machine."""
    before = os.environ.get("TQDM_DISABLE")
    if jobs != 1:
        os.environ["TQDM_DISABLE"] = "1"  # read by new processes: bars of many would write over each other
    try:
        run = Parallel(jobs, "loky", "generator_unordered", batch_size=1)
        yield from run(delayed(_numbered)(i, task, call) for i, call in enumerate(calls))
    finally:
        os.environ.pop("TQDM_DISABLE", None)
        os.environ |= {} if before is None else {"TQDM_DISABLE": before}


def _on_cluster(task: Callable[..., Any], calls: Sequence[tuple], address: str) -> Iterator[tuple[int, Any]]:
    """The same on a Dask cluster.

    Not through joblib: it waits for ever for a call that killed every worker it was given to, and spreads whatever
    parallel code a call may hold over the cluster again.
    """
    try:
        from distributed import Client, KilledWorker, as_completed
    except ImportError:
        raise OSError("a cluster needs Dask: pip install 'nbhelpers[cluster]'") from None
    try:
        client = Client(address, timeout="20s")
    except (OSError, ValueError) as error:
        raise OSError(
            f"no Dask scheduler answers at {address} ({error}); start one with `dask scheduler`, and workers with "
            f"`dask worker {address}`"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except asyncio.TimeoutError:
            raise OSError(
                f"the Dask scheduler at {address} has no workers; start some with `dask worker {address}`"
            ) from None
        futures = [client.submit(_numbered, i, task, call, pure=False) for i, call in enumerate(calls)]
        for future in as_completed(futures):
            try:
                yield future.result()
            except KilledWorker as error:
                raise OSError(
                    f"a stage ended every worker that it was given to, perhaps for want of memory: {error}"
                ) from None


def _numbered(i: int, task: Callable[..., Any], call: tuple) -> tuple[int, Any]:
    return i, task(*call)
