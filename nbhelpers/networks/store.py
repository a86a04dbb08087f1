"""A content-addressed cache: what was computed once from one description is read, not computed again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nbhelpers.files import Damaged, replace_file, tell
from nbhelpers.networks.tensors import load_tensors, save_tensors


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
        return self.folder / f"{description_hash(description)[:20]}{suffix}"

    def arrays(self, description: dict, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """The arrays of ``description``: read if they are there and whole, else computed and kept."""

        def read(path: Path) -> dict[str, np.ndarray]:
            return {name: tensor.numpy() for name, tensor in load_tensors(path, of=path.stem).items()}

        def laid_out() -> dict[str, np.ndarray]:  # as they will be read: sums in another order have other last bits
            return {name: np.ascontiguousarray(array) for name, array in compute().items()}

        def write(result: dict[str, np.ndarray], path: Path) -> None:
            save_tensors({name: torch.from_numpy(array) for name, array in result.items()}, path, of=path.stem)

        return _kept(self.path(description, ".safetensors"), read, laid_out, write)

    def numbers(self, description: dict, compute: Callable[[], Any]) -> Any:
        """The JSON value of ``description``: read if it is there and whole, else computed and kept."""

        def write(result: Any, path: Path) -> None:
            content = {"description": description, "result": result, "sha256": _json_hash(result, of=path.stem)}
            replace_file(path, lambda part: part.write_text(json.dumps(content, indent=1)))

        return _kept(self.path(description, ".json"), _read_number, compute, write)


def _kept(
    path: Path, read: Callable[[Path], Any], compute: Callable[[], Any], write: Callable[[Any, Path], None]
) -> Any:
    try:
        return read(path)
    except FileNotFoundError:
        pass
    except Damaged as error:
        tell(f"{path} is damaged ({error}): it is computed anew")
    result = compute()
    write(result, path)
    return result


def _read_number(path: Path) -> Any:
    content = path.read_bytes()
    try:
        kept = json.loads(content)
        if kept["sha256"] == _json_hash(kept["result"], of=path.stem):
            return kept["result"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise Damaged(f"{type(error).__name__}: {error}") from None
    raise Damaged("its checksum tells of another value")


def _json_hash(result: Any, of: str) -> str:
    return hashlib.sha256(f"{of} {json.dumps(result)}".encode()).hexdigest()


def description_hash(description: dict[str, Any]) -> str:
    """sha256 of what JSON can say, in whatever order it is said: what files and folders are named after."""
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def file_hash(path: Path) -> str:
    """sha256 of a file, which is read once as long as it stays as it is."""
    return _file_hash(path, path.stat().st_mtime_ns)


@cache
def _file_hash(path: Path, changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
