"""A long run in pieces: work that ends by itself when its time is over, and goes on in the next piece."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


class TimeUp(KeyboardInterrupt):
    """The minutes of a piece are over. Like Ctrl-C, it is no error that anybody on the way would handle."""


@contextmanager
def time_limit(minutes: float | None) -> Iterator[None]:
    """Raise :class:`TimeUp` in the midst of the work when the minutes are over (POSIX, main thread)."""
    if minutes is None:
        yield
        return

    def stop(*_: object) -> NoReturn:
        raise TimeUp(f"out of time after {minutes:g} minutes")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 60 * minutes)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
