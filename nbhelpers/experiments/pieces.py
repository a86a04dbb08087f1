"""A long run in pieces: work that ends by itself when its time is over, and goes on in the next piece."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

AGAIN = 75
"""The exit status of a piece that ended before the work did: EX_TEMPFAIL of sysexits.h, "try again"."""


class TimeUp(KeyboardInterrupt):
    """The minutes of a piece are over. Like Ctrl-C, it is no error that anybody on the way would handle."""


@contextmanager
def time_limit(minutes: float | None) -> Iterator[None]:
    """Raise :class:`TimeUp` in the midst of the work when the minutes are over.

    It may get lost on its way, in a destructor, or become another one, where C calls Python: then the alarm rings again
    a second later, and what comes out is :class:`TimeUp` all the same.

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

    over = TimeUp(f"out of time after {minutes:g} minutes")
    rung = False

    def stop(*_: object) -> None:
        nonlocal rung
        rung = True
        if sys.exc_info()[1] is not over:  # else it is on its way, and what it meets is being cleared up
            raise over

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 60 * minutes, 1)
    try:
        yield
    except Exception:
        if rung:
            raise over from None
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
