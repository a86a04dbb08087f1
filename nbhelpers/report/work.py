"""The long part of a report, stage by stage: what a killed command has finished is read again, not computed."""

from __future__ import annotations

# ruff: noqa: E402
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from nbhelpers.extras import require
from nbhelpers.files import Damaged, replace_file, tell

require("data")

from nbhelpers.networks.tensors import load_tensors, save_tensors

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
        path = self.path(name, ".safetensors")
        key = path.stem
        try:
            arrays = {entry: tensor.numpy() for entry, tensor in load_tensors(path, of=key).items()}
        except (FileNotFoundError, Damaged) as error:
            if isinstance(error, Damaged):
                tell(f"{path} is damaged ({error}): it is computed anew")
            start = time.perf_counter()
            arrays = {entry: np.ascontiguousarray(array) for entry, array in compute().items()}
            arrays[_SECONDS] = np.array([time.perf_counter() - start])
            save_tensors({entry: torch.from_numpy(array) for entry, array in arrays.items()}, path, of=key)
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
        key = hashlib.sha256(json.dumps([name, self.of], sort_keys=True).encode()).hexdigest()[:20]
        return self.folder / f"{key}{suffix}"
