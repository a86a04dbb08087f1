"""A content-addressed cache: what was computed once from one description is read, not computed again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from nbhelpers.files import replace_file


class Store:
    """Results kept in a folder under the sha256 of their description.

    Parameters
    ----------
    folder : path
        Made when first needed.

    Examples
    --------
    >>> import tempfile
    >>> store = Store(tempfile.mkdtemp())
    >>> store.arrays({"what": "ones"}, lambda: {"x": np.ones(2)})["x"]
    array([1., 1.])
    >>> store.arrays({"what": "ones"}, lambda: 1 / 0)["x"]  # found: not computed again
    array([1., 1.])
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = Path(folder)

    def path(self, description: dict, suffix: str) -> Path:
        """Where the result of ``description`` lives."""
        text = json.dumps(description, sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:20]}{suffix}"

    def arrays(self, description: dict, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """The arrays of ``description``: read if they are there and whole, else computed and kept."""
        path = self.path(description, ".safetensors")
        if path.exists():
            with suppress(SafetensorError):
                return load_file(path)
        result = {name: np.ascontiguousarray(array) for name, array in compute().items()}
        replace_file(path, lambda part: save_file(result, part))
        return result

    def numbers(self, description: dict, compute: Callable[[], Any]) -> Any:
        """The JSON value of ``description``: read if it is there and whole, else computed and kept."""
        path = self.path(description, ".json")
        if path.exists():
            with suppress(ValueError, KeyError):
                return json.loads(path.read_text())["result"]
        result = compute()
        content = json.dumps({"description": description, "result": result}, indent=1)
        replace_file(path, lambda part: part.write_text(content))
        return result


def file_hash(path: Path) -> str:
    """sha256 of a file, which is read once as long as it stays as it is."""
    return _file_hash(path, path.stat().st_mtime_ns)


@cache
def _file_hash(path: Path, changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
