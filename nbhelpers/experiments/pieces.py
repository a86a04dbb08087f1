"""A long run in pieces: work that ends by itself when its time is over, and goes on in the next piece."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

AGAIN = 75
"""The exit status of a piece that ended before the work did: EX_TEMPFAIL of sysexits.h, "try again"."""


class TimeUp(KeyboardInterrupt):
    """The minutes of a piece are over. Like Ctrl-C, it is no error that anybody on the way would handle."""


@contextmanager
def time_limit(minutes: float | None) -> Iterator[None]:
    """Raise :class:`TimeUp` in the midst of the work when the minutes are over.

    Raises
    ------
    ValueError
        For minutes where no alarm can come: outside the main thread, and on Windows.
    """
    if minutes is None:
        yield
        return
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        raise ValueError(f"a limit of {minutes:g} minutes needs the main thread of a POSIX system: run without one")

    def stop(*_: object) -> NoReturn:
        raise TimeUp(f"out of time after {minutes:g} minutes")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 60 * minutes)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
