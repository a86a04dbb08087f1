"""A fixed number of threads: sums that are taken in other parts have other last bits, and training makes them large."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import torch
from threadpoolctl import threadpool_limits

_TURN = RLock()


@contextmanager
def fixed_threads(count: int) -> Iterator[None]:
    """Compute with so many threads, whatever runs beside.

    Threads and torch's random numbers belong to the process, so those of its threads that ask for them take turns.

    Examples
    --------
    >>> with fixed_threads(1):
    ...     torch.get_num_threads()
    1
    """
    with _TURN, threadpool_limits(count):
        before = torch.get_num_threads()
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)
