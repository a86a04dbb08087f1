"""The long part of a report, stage by stage: what a killed command has finished is read again, not computed."""

from __future__ import annotations

# ruff: noqa: E402
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nbhelpers.extras import require
from nbhelpers.files import replace_file

require("data")

from nbhelpers.networks.store import Store

_SECONDS = "seconds"
Value = TypeVar("Value")


class Work:
    """A folder in which the arrays of finished stages are kept, and how long each took.

    Parameters
    ----------
    folder : path
    of : dict
        What all stages rest on, such as the images, the weights and the settings: stages of other things are not read.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> Work(folder, {"images": "a"}).stage("ones", lambda: {"x": np.ones(2)})["x"]
    array([1., 1.])
    >>> Work(folder, {"images": "a"}).stage("ones", lambda: 1 / 0)["x"]  # finished before
    array([1., 1.])
    """

    def __init__(self, folder: Path, of: dict[str, Any]) -> None:
        self.folder, self.of = folder, of
        self.seconds: dict[str, float] = {}

    def stage(self, name: str, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """The arrays of a stage: read where they are there and whole, else computed and kept."""

        def timed() -> dict[str, np.ndarray]:
            start = time.perf_counter()
            arrays = compute()
            return {**arrays, _SECONDS: np.array([time.perf_counter() - start])}

        arrays = Store(self.folder).arrays(self._description(name), timed)
        self.seconds[name] = float(arrays.pop(_SECONDS)[0])
        return arrays

    def timed(self, name: str, compute: Callable[[], Value]) -> Value:
        """What keeps itself, such as a recording in a folder; its seconds of all commands count together."""
        path = self.path(name, ".seconds")
        before = float(path.read_text()) if path.is_file() else 0.0
        start = time.perf_counter()
        value = compute()
        self.seconds[name] = before + time.perf_counter() - start
        replace_file(path, lambda part: part.write_text(repr(self.seconds[name])))
        return value

    def path(self, name: str, suffix: str) -> Path:
        """Where what a stage gives, or took, is kept."""
        return Store(self.folder).path(self._description(name), suffix)

    def _description(self, name: str) -> dict[str, Any]:
        return {"stage": name, **self.of}
