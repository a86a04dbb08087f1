"""What the check finds: one line a check on the screen, and one JSON file that is written anew after every section."""

from __future__ import annotations

import json
import platform
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

import nbhelpers
from nbhelpers.extras import require


class TimeLimit(Exception):
    """A section took longer than it may."""


class Report:
    """Checks with their limits, measurements without, and what was left out, section by section.

    Parameters
    ----------
    path : Path
        Of the JSON file.
    device : torch.device
        What is held against the processor.
    size : str
        Of the problems.
    """

    def __init__(self, path: Path, device: torch.device, size: str) -> None:
        self.path, self.device, self.size = path, device, size
        self.content: dict[str, Any] = {
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "size": size,
            "device": _device(device),
            "processor": {"machine": platform.machine(), "name": _processor(), "threads": torch.get_num_threads()},
            "versions": _versions(),
            "seconds": 0.0,
            "passed": True,
            "sections": {},
        }
        self._start = time.monotonic()
        self._write()

    def run(self, section: Callable[[Report], None], seconds: float, extra: str | None = None) -> None:
        """Run one section, at most so long; whatever happens in it, the next one follows."""
        name = section.__name__
        self._now = self.content["sections"][name] = {"status": "done", "seconds": 0.0, "checks": [], "measured": []}
        begun = time.monotonic()
        try:
            if extra:
                require(extra)
            with _limited(seconds), warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # a fit may be cut short here
                section(self)
        except TimeLimit:
            self._end(name, "time limit", f"more than {seconds:g} s")
        except ImportError as error:
            self._end(name, "left out", str(error))
        except Exception as error:
            self._end(name, "failed", f"{type(error).__name__}: {error}")
            traceback.print_exc()
        self._now["seconds"] = round(time.monotonic() - begun, 2)
        self.content["seconds"] = round(time.monotonic() - self._start, 2)
        self._write()

    def check(self, name: str, difference: Any, at_most: float, detail: str = "") -> None:
        """One difference and its limit."""
        value = float(difference)
        passed = bool(value <= at_most)
        self._now["checks"].append({"name": name, "difference": value, "at_most": at_most, "passed": passed})
        self.content["passed"] &= passed
        word = "ok  " if passed else "FAIL"
        print(f"{word}  {name}: {value:.2g} (at most {at_most:g}) {detail}".rstrip(), flush=True)

    def measure(self, name: str, value: float, unit: str) -> None:
        """One number without a limit."""
        self._now["measured"].append({"name": name, "value": float(value), "unit": unit})
        print(f"      {name}: {value:.3g} {unit}", flush=True)

    def _end(self, name: str, status: str, reason: str) -> None:
        self._now |= {"status": status, "reason": reason}
        self.content["passed"] &= status == "left out"
        print(f"{'----' if status == 'left out' else 'FAIL'}  {name}: {status}, {reason}", flush=True)

    def _write(self) -> None:
        self.path.write_text(json.dumps(self.content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise :class:`TimeLimit` when the time is used up; where there are no signals, time is not limited."""

    def stop(*_: Any) -> None:
        raise TimeLimit

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _device(device: torch.device) -> dict[str, Any]:
    if device.type != "cuda":
        return {"type": device.type, "name": _processor(), "memory_bytes": None}
    properties = torch.cuda.get_device_properties(device)
    return {"type": "cuda", "name": properties.name, "memory_bytes": properties.total_memory}


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.split(":", 1)[1].strip() for line in names if line.startswith("model name")), platform.machine())


def _versions() -> dict[str, str | None]:
    return {
        "python": platform.python_version(),
        "nbhelpers": nbhelpers.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "cuda": torch.version.cuda,
        "cudnn": str(torch.backends.cudnn.version()) if torch.cuda.is_available() else None,
    }
