"""Processes of this machine that make calls: none outlives the one that started it, and none leaves anything behind."""

from __future__ import annotations

import pickle
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.pool import ExceptionWithTraceback
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from threading import RLock, Thread
from typing import Any

from tqdm import tqdm

from nbhelpers.datasets.telling import DataWarning
from nbhelpers.files import leave

PATIENCE = 2
"""Seconds in which a process whose work is done, or is not wanted any more, must be gone."""
_SIGNALS = {getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)}


def in_processes(task: Callable[..., Any], calls: Sequence[tuple], jobs: int) -> Iterator[tuple[int, Any]]:
    """Number and result of each call as it ends, in new processes, which end with the iteration, however it ends.

    Each hangs on a pipe of its own. Nothing else is shared, no semaphore and no file; and a process whose pipe closes,
    because the work is done or because the process at the other end is gone, ends at once.
    """
    rest = ((i, task, call) for i, call in enumerate(calls))
    processes: dict[Connection, BaseProcess] = {}

    def give(pipe: Connection) -> bool:
        """Give the next call to a process, if there is one."""
        if (question := next(rest, None)) is None:
            return False
        with _words_for_the_end_of(processes[pipe]):
            pipe.send_bytes(pickle.dumps(question))
        return True

    try:
        for _ in range(min(jobs, len(calls))):
            with _signals_wait():
                pipe, process = _start()
                processes[pipe] = process
        busy = [pipe for pipe in processes if give(pipe)]
        while busy:
            for pipe in wait(busy):
                with _words_for_the_end_of(processes[pipe]):
                    i, value, error = pipe.recv()
                if error is not None:
                    raise error
                if not give(pipe):
                    busy.remove(pipe)
                yield i, value
    finally:
        for pipe in processes:
            pipe.close()
        last = time.monotonic() + PATIENCE
        for process in processes.values():
            process.join(max(0, last - time.monotonic()))
            process.kill()
            process.join()


def _start() -> tuple[Connection, BaseProcess]:
    here, there = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_work, args=(there,), daemon=True)
    process.start()
    there.close()
    return here, process


@contextmanager
def _signals_wait() -> Iterator[None]:
    """No signal comes before a process is in our list; and none, as Ctrl-C in a terminal, meets it unready."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # whose start would let signals through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _words_for_the_end_of(process: BaseProcess) -> Iterator[None]:
    try:
        yield
    except (EOFError, ConnectionError):
        process.join(PATIENCE)
        code = process.exitcode or 0
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        raise OSError(
            f"one of the processes that shared the work was {how}, perhaps for want of memory: try fewer --jobs; what "
            "was finished is kept"
        ) from None


def _work(pipe: Connection) -> None:
    """What a process does: one call after the other, as they come.

    Signals are for the process that started it, also those that ``timeout`` or the end of a terminal send to all; and
    so is what is told of images, which it has read before.
    """
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    warnings.simplefilter("ignore", DataWarning)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    tqdm.set_lock(RLock())  # its own would be a semaphore
    questions: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_receive, args=(pipe, questions), daemon=True).start()
    while True:
        i, task, call = pickle.loads(questions.get())  # imports what the task needs
        try:
            answer = i, task(*call), None
        except Exception as error:
            answer = i, None, ExceptionWithTraceback(error, error.__traceback__)
        pipe.send(answer)


def _receive(pipe: Connection, questions: SimpleQueue[bytes]) -> None:
    """Read on while the other thread computes, so that the end of the pipe ends the process at any time."""
    try:
        while True:
            questions.put(pipe.recv_bytes())
    except (EOFError, OSError):
        leave(0)
