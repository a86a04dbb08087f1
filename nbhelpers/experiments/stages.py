"""A recorded run as stages: data that says what to call with what, and values that are kept as they end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbhelpers.experiments.fingerprint import code_hash
from nbhelpers.networks.store import Store
from nbhelpers.networks.threads import fixed_threads


@dataclass(frozen=True)
class Stage:
    """One part of a run: ``function(*arguments, *values of what it needs)`` is a JSON value.

    Attributes
    ----------
    function : callable
        Importable by name.
    arguments : tuple
        A :class:`~nbhelpers.Study`, and JSON scalars.
    needs : tuple of Stage
        Whose values it reads.
    seconds : float
        How long it takes beside others, on one core (Tiny ImageNet x VGG-16): the progress bar's estimate.

    Examples
    --------
    >>> import math, tempfile
    >>> from nbhelpers.experiments.intervals import mean_interval, spread_interval
    >>> pair = Stage(spread_interval, (0.0, 0.0, 4))
    >>> run(Stage(mean_interval, needs=(pair,)), Path(tempfile.mkdtemp()))["value"]
    (0.0, 0.0, 0.0)
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    needs: tuple[Stage, ...] = ()
    seconds: float = 3

    def describe(self) -> dict[str, Any]:
        """What tells its value from those of other stages, and from its own by other code."""
        return {
            "function": f"{self.function.__module__}.{self.function.__qualname__}",
            "code": code_hash(self.function),
            "arguments": [getattr(argument, "identity", argument) for argument in self.arguments],
            "needs": [need.describe() for need in self.needs],
        }


def run(stage: Stage, folder: Path) -> dict[str, Any]:
    """``value`` and ``seconds`` of a stage: read where they were kept in the folder, else computed and kept."""

    def compute() -> dict[str, Any]:
        values = [run(need, folder)["value"] for need in stage.needs]
        with fixed_threads(1):  # so that its last bits do not depend on how many run at once
            start = time.perf_counter()
            value = stage.function(*stage.arguments, *values)
            return {"value": value, "seconds": time.perf_counter() - start}

    return Store(folder).numbers(stage.describe(), compute)


def is_kept(stage: Stage, folder: Path) -> bool:
    """Whether the value of a stage lies in the folder."""
    return Store(folder).path(stage.describe(), ".json").exists()


def mapped(tree: Any, function: Callable[[Stage], Any]) -> Any:
    """Nested dicts and lists with what ``function`` makes of each stage in its place."""
    if isinstance(tree, dict):
        return {key: mapped(branch, function) for key, branch in tree.items()}
    return [mapped(branch, function) for branch in tree] if isinstance(tree, list) else function(tree)


def levels(tree: Any) -> list[list[Stage]]:
    """All stages in nested dicts and lists and those that they need, in groups, each after those that it needs."""
    depths: dict[Stage, int] = {}

    def depth(stage: Stage) -> int:
        if stage not in depths:
            depths[stage] = 1 + max(map(depth, stage.needs), default=-1)
        return depths[stage]

    mapped(tree, depth)
    return [[stage for stage, at in depths.items() if at == level] for level in sorted(set(depths.values()))]
