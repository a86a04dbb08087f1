"""What an attack changes, beside its random control: by layer, by type of trajectory, and its success (Fig. 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from nbhelpers.method.trajectories import TYPES
from nbhelpers.show.arrays import columns, same_names
from nbhelpers.show.page.picture import Picture
from nbhelpers.show.page.table import minus
from nbhelpers.show.style import COLOURS, FAINT, INK, styled
from nbhelpers.show.text import ticks

LOOKS = {
    "attack": {"color": COLOURS[2], "ls": "-", "marker": "o"},
    "random control": {"color": COLOURS[8], "ls": "--", "marker": "s"},
}
Sweep = Mapping[str, Mapping[str, Any]]
NUMBERS = (COLOURS[2], INK["light"])  # written beside each: slate is too faint for small letters
ABOVE = {"loc": "outside upper center", "ncols": 2}  # where the legend stands


@styled
def layer_changes(runs: Sequence[Mapping[str, Mapping[str, float]]], *, alt: str) -> Picture:
    """Draw how far an attack turns and weakens regional features, layer by layer, beside its control (Fig. 8 left).

    The first run has markers, and error bars of one standard deviation over images; further runs, such as other seeds,
    are thin lines. The last layer's numbers are written out.

    Parameters
    ----------
    runs : sequence of mapping of str to mapping
        For each run and layer, from shallow to deep, one row with ``delta_orientation`` (:math:`1 - \\cos`) and
        ``delta_strength`` (before minus after, in units of the layer's mean strength), with ``_std`` of each over
        images, and the same four of the control, ``control_delta_orientation`` and so on.

    Raises
    ------
    ValueError
        If there is no run or layer, or runs differ in layers.

    Examples
    --------
    >>> keys = "delta_orientation", "delta_strength", "control_delta_orientation", "control_delta_strength"
    >>> row = dict.fromkeys([*keys, *(f"{key}_std" for key in keys)], 0.5)
    >>> layer_changes([{"conv_33": row, "conv_53": row}], alt="The attack turns no more than its control.")
    The attack turns no more than its control.
    """
    layers = same_names("layers of runs", runs)
    keys = [f"{who}delta_{what}" for who in ("", "control_") for what in ("orientation", "strength")]
    keys += [f"{key}_std" for key in keys]
    read = [columns([run[layer] for layer in layers], *keys) for run in runs]
    place = np.arange(len(layers))
    span = -0.3, place[-1] + 0.2
    panels = []
    for what, label in (("orientation", "turned (1 − cos)"), ("strength", "lost (layer's mean = 1)")):
        figure, axes = plt.subplots(figsize=(3.4, 2.9))
        last = []
        for (name, look), prefix, aside in zip(LOOKS.items(), ("", "control_"), (-0.05, 0.05), strict=True):
            key = f"{prefix}delta_{what}"
            for run in read[1:]:
                axes.plot(place + aside, run[key], lw=0.8, alpha=0.7, color=look["color"], ls=look["ls"])
            look = look | {"lw": 1.8, "ms": 5, "elinewidth": 1, "capsize": 2}
            axes.errorbar(place + aside, read[0][key], read[0][f"{key}_std"], label=name, **look)
            last.append(read[0][key][-1])
        _write(axes, place[-1] + 0.05, last, digits=2, aside=8)
        axes.set(title=what, ylabel=label)
        _name_ticks(axes, ticks(layers))
        axes.spines["bottom"].set_bounds(span)
        axes.set_xlim(span[0], span[1] + 0.12 * len(layers))  # room for the numbers
        if what == "orientation":
            axes.set_ylim(bottom=0)
        else:
            axes.hlines(0, *span, color=FAINT, lw=0.8, zorder=0)
        figure.legend(**ABOVE)
        figure.supxlabel("bars: ± 1 std over images", fontsize=8)
        panels.append(figure)
    return Picture(panels, alt=alt)


@styled
def type_shares(sweep: Sweep, *, alt: str) -> Picture:
    """Draw which share of regions has each of the four trajectory types, along the size of the attack (Fig. 8 right).

    One panel a type, all on the same scale, the control beside the attack, every number written out; below them
    the share of regions that have none of the four types.

    Parameters
    ----------
    sweep : mapping of str to mapping
        For each size ε, such as ``"1/255"``, the ``types`` and the ``control_types``: the shares (0 ... 1) of ``"1"``,
        ``"2"``, ``"3"``, ``"4"`` and ``"none"`` among all regions.

    Examples
    --------
    >>> moved = {"1": 0.1, "2": 0.2, "3": 0.1, "4": 0.1, "none": 0.5}
    >>> still = {"1": 0.0, "2": 0.0, "3": 0.0, "4": 0.1, "none": 0.9}
    >>> type_shares({"1/255": {"types": moved, "control_types": still}}, alt="Half of the regions have a type.")
    Half of the regions have a type.
    """
    types, controls = _read(sweep, "types")
    figure, panels = plt.subplots(2, 2, figsize=(4.2, 4.4), sharex=True, sharey=True)
    for kind, axes in enumerate(panels.flat, start=1):
        _along(axes, *([100 * shares[str(kind)] for shares in its] for its in (types, controls)), digits=1)
        axes.set_title(f"{kind} {TYPES[kind]}")
    low, high = panels[0, 0].get_ylim()
    room = 0.15 * (high - low)  # for the numbers
    panels[0, 0].set(yticks=[tick for tick in panels[0, 0].get_yticks() if 0 <= tick <= high])
    panels[0, 0].set_ylim(low - room, high + room)
    for axes in panels[:, 0]:
        axes.set_ylabel("% of all regions")
    for axes in panels[1]:
        axes.set_xlabel("ε")
        _name_ticks(axes, ticks(sweep))
    figure.legend(*panels[0, 0].get_legend_handles_labels(), **ABOVE)
    attack, control = (", ".join(f"{100 * shares['none']:.1f}" for shares in its) for its in (types, controls))
    figure.supxlabel(f"none of the four types (%), by ε:\nattack {attack}; control {control}", fontsize=8.5)
    return Picture(figure, alt=alt)


@styled
def success_along(sweep: Sweep, *, alt: str) -> Picture:
    """Draw how often an attack succeeds along its size, beside the random control, with every number written out.

    Parameters
    ----------
    sweep : mapping of str to mapping
        For each size ε, such as ``"1/255"``, the ``success_rate`` and the ``control_success_rate``: the shares
        (0 ... 1) of fooled images among those that were classified correctly.

    Examples
    --------
    >>> sweep = {"1/255": {"success_rate": 0.4, "control_success_rate": 0.0}}
    >>> success_along(sweep, alt="Only the attack succeeds.")
    Only the attack succeeds.
    """
    rates = _read(sweep, "success_rate")
    figure, axes = plt.subplots(figsize=(4.2, 3))
    _along(axes, *rates, digits=2)
    axes.set(xlabel="size of the attack ε", ylabel="success rate", ylim=(-0.13, 1.13), yticks=(0, 0.5, 1))
    axes.set_xticks(range(len(sweep)), ticks(sweep))
    figure.legend(**ABOVE)
    return Picture(figure, alt=alt)


def _read(sweep: Sweep, key: str) -> tuple[list[Any], list[Any]]:
    """What attack and control have under the key, along the size."""
    same_names("numbers of each size", list(sweep.values()))
    return [row[key] for row in sweep.values()], [row[f"control_{key}"] for row in sweep.values()]


def _along(axes: plt.Axes, attack: Sequence[float], control: Sequence[float], digits: int) -> None:
    """Attack and control along the size, each with its number: the larger's above it, the smaller's below."""
    for (name, look), values in zip(LOOKS.items(), (attack, control), strict=True):
        axes.plot(values, lw=1.8, ms=5, label=name, **look)
    for x, pair in enumerate(zip(attack, control, strict=True)):
        _write(axes, x, pair, digits)
    axes.set_xlim(-0.4, len(attack) - 0.6)


def _write(axes: plt.Axes, x: float, pair: Sequence[float], digits: int, aside: float = 0) -> None:
    """The two numbers at x, where neither hides the other."""
    upper = int(pair[1] > pair[0])  # the attack's number stands above where both are equal
    for i, (ink, value) in enumerate(zip(NUMBERS, pair, strict=True)):
        text = minus(f"{round(value, digits) + 0.0:.{digits}f}")  # + 0.0: no minus before a zero
        gap, va = (1 if aside else 5, "bottom") if i == upper else (-1 if aside else -5, "top")
        look = {"ha": "left" if aside else "center", "va": va, "fontsize": 8.5, "color": ink}
        axes.annotate(text, (x, value), (aside, gap), textcoords="offset points", **look)


def _name_ticks(axes: plt.Axes, names: Sequence[str]) -> None:
    """Slanted where they are too long to stand side by side."""
    slant = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if len("".join(names)) > 24 else {}
    axes.set_xticks(range(len(names)), names, fontsize=9, **slant)
