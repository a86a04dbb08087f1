"""The command ``nbhelpers``, or ``python -m nbhelpers``: what an installation lacks, or what stops it, is one line."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from contextlib import suppress
from types import FrameType

from nbhelpers.files import leave

PATIENCE = 5
"""Seconds in which a command that was stopped must be gone, whatever it does then."""
_STOPS = {"SIGINT": "Ctrl-C", "SIGTERM": "SIGTERM", "SIGHUP": "the end of its terminal"}
_ended: list[int] = []
"""The status of a command that was stopped."""


def main() -> int:
    """Run the command line; returns the exit status."""
    _heed_signals()
    for stream in ("stdout", "stderr"):  # which may have been closed
        setattr(sys, stream, getattr(sys, stream) or open(os.devnull, "w"))
    warnings.formatwarning = lambda message, *_, **__: f"nbhelpers: {message}\n"
    try:
        from nbhelpers.experiments import cli

        status = cli.main()
    except ImportError as error:
        print(f"nbhelpers: {error}", file=sys.stderr)
        status = 2
    try:
        sys.stdout.flush()
    except OSError:  # nobody reads on; what Python says of it at its own end is not wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return _ended[0] if _ended else status


def _heed_signals() -> None:
    """From the first import on; but not those that whoever called us ignores, as ``nohup`` does."""
    if threading.current_thread() is threading.main_thread():
        for number in _numbers():
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _stop)


def _numbers() -> list[signal.Signals]:
    return [getattr(signal, name) for name in _STOPS if hasattr(signal, name)]


def _stop(number: int, _: FrameType | None) -> None:
    """Say it once, and end: what is being written is cleared away, and processes that share the work end.

    The exception may get lost on its way, in a destructor, or become another one, where C calls Python: what is said
    then is not heard, and if the work goes on all the same, it is ended.
    """
    _ended.append(128 + number)
    for each in _numbers():
        signal.signal(each, signal.SIG_IGN)
    by = _STOPS[signal.Signals(number).name]
    with suppress(OSError):  # of a terminal that is gone
        os.write(2, f"nbhelpers: stopped by {by}; the same command goes on where it stopped\n".encode())
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    last = threading.Timer(PATIENCE, leave, [128 + number])
    last.daemon = True
    last.start()
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
