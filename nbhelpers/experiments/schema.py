"""The schema of recorded files, checked where they are written and where they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import inf, isfinite
from typing import Any, NamedTuple

VERSION = 1
"""Of the files that the present code writes. Older ones name none, and may lack what :data:`IDENTITY` asks for."""
EACH = "*"
"""Any key, such as a layer or a method."""


class Or(NamedTuple):
    """What fits a schema, or null where there is nothing."""

    schema: Any


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
_MEAN = {"images": POSITIVE, "mean": NUMBER, "low": NUMBER, "high": NUMBER}
IDENTITY: dict[str, Any] = {
    "schema": int,
    "command": str,
    "dataset": str,
    "network": str,
    "seed": int,
    "experiments": [str],
    "code": {"version": str, "sha256": str},
    "date": str,
    "machine": str,
    "versions": {EACH: str},
    "temperatures": {"fits": POSITIVE, "pearson_t4": POSITIVE, "pearson_t1": POSITIVE},
    "categories": [str],
    "draw": Or({"seed": int, "of": int, "categories": [str]}),
    "data_sha256": {"held_out": str},
    "images": {"train": POSITIVE, "held_out": POSITIVE, "fitted": POSITIVE},
    "start": Or({"file": str, "sha256": str, "scaling": str}),
    "weights_sha256": str,
}
"""What every file says of what it is of."""
RESULTS: dict[str, Any] = {
    "left_out": {EACH: {EACH: POSITIVE}},
    "accuracy": {"train": SHARE, "held_out": SHARE},
    "sample_fit": {"kl": POSITIVE},
    "weight_decay": {EACH: {"kl": POSITIVE, "pearson_t4": CORRELATION}},
    "table1": _TABLE1,
    "table1_train": _TABLE1,
    "table1_halves": {EACH: Or({"pearson_t4": [CORRELATION], "pearson_t1": [CORRELATION]})},
    "tsne_seeds": [Or({"pearson_t4": CORRELATION, "pearson_t1": CORRELATION})],
    "choices": {EACH: {EACH: [NUMBER]}},
    "angles": {EACH: [(0, 180)]},
    "table1_along": [{"epoch": POSITIVE, "accuracy": SHARE, "strength": POSITIVE, "cosine": CORRELATION}],
    "table2": {EACH: {"mean": CORRELATION, "std": POSITIVE, "control_mean": CORRELATION, "mean_strength": POSITIVE}},
    "table2_halves": {EACH: [CORRELATION]},
    "table2_controls": {EACH: CORRELATION},
    "followed": {EACH: {EACH: SHARE}},
    "table2_by_certainty": {"sure": CORRELATION, "unsure": CORRELATION},
    "knowledge_points": {EACH: {EACH: _POINTS}},
    "importance": {EACH: _IMPORTANCE},
    "attributions": {EACH: {EACH: {"seconds": POSITIVE, "deletion": _MEAN, "insertion": _MEAN}}},
    "ablation": {EACH: {**_IMPORTANCE, "h_pearson": CORRELATION, "reliable_ratio": SHARE}},
    "attack": {EACH: _CHANGES},
    "attack_sweep": {EACH: {"success_rate": SHARE, "control_success_rate": SHARE, "layers": {EACH: _CHANGES}}},
    "distillation": {EACH: {EACH: {EACH: _POINTS}}},
}
"""What the experiments record, where they were run: the least and the greatest value of a number, which may be null
where there is nothing to measure. Further keys are free, but their numbers are finite."""
PAPER: dict[str, Any] = {
    "table1": {EACH: {"ours": CORRELATION}},
    "table2": {EACH: {"mean": CORRELATION, "std": POSITIVE}},
    "figures": {},
}
"""Of the figures that are printed in the paper."""
ALWAYS = ("command", "dataset", "network", "seed", "images")
"""What files of before the schema have, too."""


def check_file(content: Mapping[str, Any]) -> None:
    """Refuse what is no recorded file: with a key that lacks, or a value of another kind or outside its limits.

    Raises
    ------
    ValueError
        The keys that lead there, and what stands there.

    Examples
    --------
    >>> check_file({"command": "", "dataset": "scenes", "network": "vgg16", "seed": 0.5, "images": {}})
    Traceback (most recent call last):
    ...
    ValueError: seed must be int, got 0.5
    """
    if content.get("schema", VERSION) != VERSION:
        raise ValueError(f"schema must be {VERSION}, got {content['schema']!r}: another version of nbhelpers wrote it")
    needed = IDENTITY if "schema" in content else ALWAYS
    _check_keys({**IDENTITY, **RESULTS}, content, needed)


def check_paper(content: Mapping[str, Any]) -> None:
    """Refuse what are not the figures that the paper prints, as :func:`check_file`."""
    _check_keys(PAPER, content, PAPER)


def lacking(content: Mapping[str, Any]) -> list[str]:
    """What an older file does not say of what it is of.

    >>> lacking({"command": "", "dataset": "scenes", "seed": 0})[:3]
    ['schema', 'network', 'experiments']
    """
    return [key for key in IDENTITY if key not in content]


def leaves(content: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """All that is neither a dict nor a list, with the keys that lead there.

    >>> list(leaves({"table1": {"pca": {"pearson_t4": -0.5}}, "checkpoints": [0, 60]}))
    [('table1.pca.pearson_t4', -0.5), ('checkpoints[0]', 0), ('checkpoints[1]', 60)]
    """
    if isinstance(content, Mapping):
        for key, inner in content.items():
            yield from leaves(inner, f"{place}.{key}" if place else key)
    elif isinstance(content, list):
        for i, inner in enumerate(content):
            yield from leaves(inner, f"{place}[{i}]")
    else:
        yield place, content


def _check_keys(schema: Mapping[str, Any], content: Mapping[str, Any], needed: Iterable[str]) -> None:
    """Refuse what does not fit those keys of a schema that are there or needed, and numbers that are not finite."""
    for place, value in leaves(content):
        if isinstance(value, float) and not isfinite(value):
            raise ValueError(f"{place} must be finite, or null, got {value!r}")
    _check({key: schema[key] for key in schema if key in content or key in needed}, content)


def _check(schema: Any, value: Any, place: str = "") -> None:
    """Refuse a value that does not fit, with the keys that lead to it."""
    if isinstance(schema, Or):
        if value is not None:
            _check(schema.schema, value, place)
    elif isinstance(schema, tuple):
        if value is not None and not (type(value) in (int, float) and schema[0] <= value <= schema[1]):
            raise ValueError(f"{place} must be a number in {schema[0]} ... {schema[1]}, or null, got {value!r}")
    elif not isinstance(value, kind := schema if isinstance(schema, type) else type(schema)) or isinstance(value, bool):
        raise ValueError(f"{place} must be {kind.__name__}, got {value!r}")
    elif isinstance(schema, list):
        for i, inner in enumerate(value):
            _check(schema[0], inner, f"{place}[{i}]")
    elif isinstance(schema, dict):
        for key, inner in schema.items():
            for name in value if key == EACH else (key,):
                if name not in value:
                    raise ValueError(f"{place} lacks {name!r}" if place else f"it lacks {name!r}")
                _check(inner, value[name], f"{place}.{name}" if place else name)
