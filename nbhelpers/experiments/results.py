"""Recorded results: JSON files of one schema, read and checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nbhelpers.experiments.schema import check_file, check_paper, lacking
from nbhelpers.files import data_dir


class Run(dict):
    """What one file holds; a key that it lacks is answered with how to record it.

    Attributes
    ----------
    name : str
        The file's, without its ending.
    lacks : list of str
        What it does not say of what it is of, because older code wrote it.
    """

    name = ""

    @property
    def lacks(self) -> list[str]:
        return lacking(self)

    def __missing__(self, key: str) -> Any:
        raise KeyError(f"{self.name}.json has no {key!r}: run that experiment, too, with {self.get('command')}")


def recorded(name: str) -> Run:
    """Read ``data/results/<name>.json``, what ``nbhelpers reproduce`` wrote, or the figures printed in the ``"paper"``.

    Raises
    ------
    OSError
        If there is no such file; the message names those that exist.
    ValueError
        If it is not JSON, or a key holds what the schema does not allow; the message says which, and what.

    Examples
    --------
    >>> recorded("scenes-vgg16")["images"]["fitted"]
    500
    """
    path = data_dir() / "results" / f"{name}.json"
    if not path.exists():
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.json"))) or "none"
        raise OSError(f"no recorded result {name!r}; recorded are: {there}. Write it with `nbhelpers reproduce`")
    return read(path, check_paper if name == "paper" else check_file)


def read(path: Path, check: Callable[[Mapping[str, Any]], None] = check_file) -> Run:
    """Read a recorded file, as :func:`recorded`, wherever it lies."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__}, where a run is a dict")
        check(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {error}; restore the file (git checkout) or record it again") from None
    run = Run(content)
    run.name = path.stem
    return run


def runs_of(name: str) -> list[Run]:
    """The recorded runs of one data set and network: seed 0, then every other seed.

    Raises
    ------
    OSError
        If there is none.

    Examples
    --------
    >>> [run["seed"] for run in runs_of("scenes-vgg16")]
    [0, 1, 2]
    """
    others = sorted((data_dir() / "results").glob(f"{name}-seed*.json"))
    return [recorded(name), *(recorded(path.stem) for path in others)]
