"""From recorded runs to the number that a claim rests on, with its interval; what is not recorded is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nbhelpers.experiments.claims.claim import Part
from nbhelpers.experiments.intervals import half_interval, mean_interval

Runs = Sequence[Mapping[str, Any]]
Measure = Callable[[Mapping[str, Any]], float]
ONE_SEED = "recorded of one seed, without refits: no interval holds what the fit adds"


class NotRecorded(ValueError):
    """A run has nothing under these keys."""


def at(run: Mapping[str, Any], *keys: str) -> Any:
    """What a run recorded under keys that lead inwards.

    Raises
    ------
    NotRecorded
        If there is nothing, or null; the message names the keys.

    Examples
    --------
    >>> at({"table1": {"ours": {"pearson_t4": -0.9}}}, "table1", "ours", "pearson_t4")
    -0.9
    """
    value: Any = run
    for key in keys:
        value = value[key] if key in value else None
        if value is None:
            raise NotRecorded(".".join(keys))
    return value


def each(runs: Runs, measure: Callable[[Mapping[str, Any]], Any]) -> tuple[list[Any], str]:
    """What the measure gives of every run that recorded enough, and which key the first other one lacks."""
    values, lacking = [], ""
    for run in runs:
        try:
            values.append(measure(run))
        except NotRecorded as missing:
            lacking = lacking or str(missing)
    return values, lacking


def mean(runs: Runs, measure: Measure) -> float | None:
    """Over the runs that recorded enough; None where there is none."""
    values, _ = each(runs, measure)
    return float(np.mean(values)) if values else None


def part(
    runs: Runs,
    called: str,
    measure: Measure,
    *,
    halves: Callable[[Mapping[str, Any]], Sequence[float]] | None = None,
    controls: Mapping[str, Measure] | None = None,
    at_least: int = 1,
    **known: Any,
) -> Part:
    """One number over the runs of a row, each of which trained and fitted anew.

    Parameters
    ----------
    runs : sequence of mapping
    called : str
    measure : callable
        Of one run: what is paired is paired in it.
    halves : callable, optional
        The same number for refits on random halves of the images, which give the interval of a single run.
    controls : mapping of str to callable, optional
        Measures where nothing should be found.
    at_least : int
        From how many runs the number may decide.
    **known
        Further attributes of :class:`~nbhelpers.experiments.claims.claim.Part`.

    Examples
    --------
    >>> runs = [{"r": 0.7}, {"r": 0.8}, {"r": 0.9}, {}]
    >>> found = part(runs, "", lambda run: at(run, "r"))
    >>> round(found.estimate, 2), found.verdict
    (0.8, 'supported')
    >>> part([{}], "", lambda run: at(run, "r")).reason
    'not recorded: r'
    """
    known["controls"] = {name: mean(runs, control) for name, control in (controls or {}).items()}
    values, lacking = each(runs, measure)
    if not values:
        return Part(called, reason=f"not recorded: {lacking}", **known)
    if len(values) < at_least:
        return Part(called, float(np.mean(values)), reason=f"{len(values)} of {at_least} trainings recorded", **known)
    if len(values) > 1:
        estimate, low, high = mean_interval(values)
    else:
        refits, _ = each(runs, halves) if halves else ([], "")
        if not refits:
            return Part(called, values[0], reason=ONE_SEED, **known)
        estimate, low, high = half_interval(values[0], refits[0])
    return Part(called, estimate, (low, high), **known)
