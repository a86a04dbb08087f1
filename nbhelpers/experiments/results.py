"""Recorded results: JSON files of one schema, checked here, where they are read, and nowhere else."""

from __future__ import annotations

import json
from math import inf
from typing import Any

from nbhelpers.files import data_dir

EACH = "*"
"""Any key, such as a layer or a method."""
NUMBER, POSITIVE, SHARE, CORRELATION = (-inf, inf), (0, inf), (0, 1), (-1, 1)
_TABLE1 = {EACH: {"pearson_t4": CORRELATION, "pearson_t1": CORRELATION}}
_COUNTS = {"total": POSITIVE, "total_std": POSITIVE, "reliable": POSITIVE, "reliable_std": POSITIVE, "ratio": SHARE}
_POINTS = {**_COUNTS, "own": _COUNTS}
_CHANGES = {
    f"{who}delta_{what}": limits
    for who in ("", "control_")
    for what, limits in {"orientation": (0, 2), "strength": NUMBER, "orientation_std": POSITIVE}.items()
}
_AGREEMENT = {"shapley_pearson_mean": CORRELATION, "shapley_pearson_std": POSITIVE, "object_auroc": SHARE}
_IMPORTANCE = {f"{name}{key}": limits for name in ("", "strength_") for key, limits in _AGREEMENT.items()}
SCHEMA: dict[str, Any] = {
    "images": {"train": POSITIVE, "held_out": POSITIVE, "fitted": POSITIVE},
    "left_out": {EACH: {EACH: POSITIVE}},
    "accuracy": {"train": SHARE, "held_out": SHARE},
    "sample_fit": {"kl": POSITIVE},
    "weight_decay": {EACH: {"kl": POSITIVE, "pearson_t4": CORRELATION}},
    "table1": _TABLE1,
    "table1_train": _TABLE1,
    "table1_along": [{"epoch": POSITIVE, "accuracy": SHARE, "strength": POSITIVE, "cosine": CORRELATION}],
    "table2": {EACH: {"mean": CORRELATION, "std": POSITIVE, "control_mean": CORRELATION, "mean_strength": POSITIVE}},
    "table2_by_certainty": {"sure": CORRELATION, "unsure": CORRELATION},
    "knowledge_points": {EACH: {EACH: _POINTS}},
    "importance": {EACH: _IMPORTANCE},
    "ablation": {EACH: {**_IMPORTANCE, "h_pearson": CORRELATION, "reliable_ratio": SHARE}},
    "attack": {EACH: _CHANGES},
    "attack_sweep": {EACH: {"success_rate": SHARE, "control_success_rate": SHARE, "layers": {EACH: _CHANGES}}},
    "distillation": {EACH: {EACH: {EACH: _POINTS}}},
}
"""What the experiments record, where they were run: the least and the greatest value of a number, which may be null
where there is nothing to measure. Further keys are free."""
PAPER = {
    "table1": {EACH: {"ours": CORRELATION}},
    "table2": {EACH: {"mean": CORRELATION, "std": POSITIVE}},
    "figures": {},
}
ALWAYS = ("command", "dataset", "network", "seed", "images")


class Run(dict):
    """What one file holds; a key that it lacks is answered with how to record it."""

    name = ""

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
    try:
        run = Run(json.loads(path.read_text(encoding="utf-8")))
        schema, needed = (PAPER, PAPER) if name == "paper" else (SCHEMA, ALWAYS)
        _check({key: schema.get(key) for key in (*schema, *needed) if key in run or key in needed}, run)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; restore the file (git checkout) or record it again") from None
    run.name = name
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


def _check(schema: Any, value: Any, place: str = "") -> None:
    """Refuse a value that does not fit, with the keys that lead to it."""
    if schema is None:
        return
    if isinstance(schema, tuple):
        if value is not None and not (type(value) in (int, float) and schema[0] <= value <= schema[1]):
            raise ValueError(f"{place} must be a number in {schema[0]} ... {schema[1]}, or null, found {value!r}")
        return
    kind = type(schema)
    if not isinstance(value, kind):
        raise ValueError(f"{place} must be a {kind.__name__}, found {value!r}")
    if kind is list:
        for i, inner in enumerate(value):
            _check(schema[0], inner, f"{place}[{i}]")
        return
    for key, inner in schema.items():
        for found in value if key == EACH else (key,):
            if found not in value:
                raise ValueError(f"{place} lacks {found!r}" if place else f"it lacks {found!r}")
            _check(inner, value[found], f"{place}.{found}" if place else found)
