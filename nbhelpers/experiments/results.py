"""Recorded results: JSON files of one schema, read and checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbhelpers.experiments.schema import check_file, check_paper, lacking
from nbhelpers.files import data_dir

if TYPE_CHECKING:
    from pandas import DataFrame


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


def tidy(name: str, key: str, *levels: str) -> DataFrame:
    """What all runs of one data set and network recorded under a key: one line per seed and entry.

    Parameters
    ----------
    name : str
        As of :func:`runs_of`.
    key : str
        One of the keys of a run; runs without it are left out.
    *levels : str
        What to call each level of names that lies above the numbers; in a list, entries are counted from 0.

    Returns
    -------
    DataFrame
        Columns ``seed``, the levels, then the numbers.

    Raises
    ------
    OSError
        If there is no such run.
    ValueError
        If no run has the key, or it has fewer levels.

    Examples
    --------
    >>> table1 = tidy("scenes-vgg16", "table1", "method")
    >>> table1.pivot(index="method", columns="seed", values="pearson_t4").shape
    (9, 3)
    """
    from pandas import DataFrame

    lines = [
        {"seed": run["seed"], **dict(zip(levels, place, strict=True)), **entry}
        for run in runs_of(name)
        if key in run
        for place, entry in _entries(run[key], len(levels), key)
    ]
    if not lines:
        raise ValueError(f"no run of {name!r} has {key!r} recorded")
    return DataFrame(lines)


def _entries(part: Any, depth: int, key: str) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """What lies ``depth`` levels down, with the names that lead to it."""
    if depth == 0:
        yield (), part if isinstance(part, dict) else {key: part}
        return
    if not isinstance(part, dict | list):
        raise ValueError(f"{key!r} ends {depth} levels above what was asked for, at {part!r}")
    for name, inner in part.items() if isinstance(part, dict) else enumerate(part):
        for place, entry in _entries(inner, depth - 1, key):
            yield (name, *place), entry
