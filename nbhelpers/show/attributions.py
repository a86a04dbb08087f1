"""Which map of regions tells a reader where to look: every map by every measure, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from nbhelpers.show.arrays import columns, same_names
from nbhelpers.show.page.picture import Picture
from nbhelpers.show.page.table import NOTHING, Cell, Table, minus
from nbhelpers.show.style import FAINT, colour, marker, styled
from nbhelpers.show.text import entry, named, ticks, visible

Rows = Mapping[str, Mapping[str, Mapping[str, Any]]]


class Measure(NamedTuple):
    """What a measure is called, and towards which end of its axis a map is better."""

    name: str
    better: str = "better →"


MEASURES = {
    "shapley_pearson": Measure("Pearson, Shapley"),
    "shapley_spearman": Measure("Spearman, Shapley"),
    "object_auroc": Measure("AUROC, object"),
    "pointing": Measure("pointing game"),
    "object_mass": Measure("mass: object"),
    "fragment_mass": Measure("mass: fragments", "← better"),
    "background_mass": Measure("mass: background", "← better"),
    "deletion": Measure("deletion area", "← better"),
    "insertion": Measure("insertion area"),
    "seconds": Measure("seconds an image", "← better"),
}
"""In the order of the panels, by the recorded names."""
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@styled
def attributions(layers: Rows, *, alt: str) -> Picture:
    """Draw how well maps of regions do, one panel a measure: dots are means over images, lines their 95 % intervals.

    All maps are of the same images: their differences are surer than the intervals of each let one think.

    Parameters
    ----------
    layers : mapping of str to mapping
        For each layer, or layer of a run, the same maps, and of each its measures by the names of :data:`MEASURES`:
        ``mean``, ``low`` and ``high``, None where there is nothing to measure; and ``seconds``, a number or None. A
        panel is left out where no map has its measure.

    Raises
    ------
    ValueError
        If there is no layer, map or measure, or layers differ in maps.

    Examples
    --------
    >>> row = {"seconds": 0.1, "pointing": {"mean": 0.9, "low": 0.8, "high": 1.0}}
    >>> attributions({"conv_53": {"w": row, "Grad-CAM": row}}, alt="Both point at the object.")
    Both point at the object.
    """
    maps = same_names("maps of layers", list(layers.values()))
    read = {key: {layer: _column(rows, maps, key) for layer, rows in named(layers).items()} for key in MEASURES}
    read = {key: its for key, its in read.items() if any(np.isfinite(x["mean"]).any() for x in its.values())}
    if not read:
        raise ValueError(f"no map has any of the measures {', '.join(MEASURES)}: give at least one")
    panels = [_panel(key, its, ticks(maps)) for key, its in read.items()]
    return Picture(panels, alt=alt, table=_table(read, [visible(name) for name in maps]))


def _column(rows: Mapping[str, Mapping[str, Any]], maps: list[str], key: str) -> dict[str, np.ndarray]:
    """Mean and ends of one measure of all maps; seconds have no ends."""
    nothing = dict.fromkeys(("mean", "low", "high"))
    if key == "seconds":
        return columns([nothing | {"mean": rows[name].get(key)} for name in maps], *nothing)
    return columns([rows[name].get(key, nothing) for name in maps], *nothing)


def _panel(key: str, layers: Mapping[str, dict[str, np.ndarray]], names: list[str]) -> plt.Figure:
    pitch = 0.06 + 0.08 * len(layers)  # inches a map
    figure, axes = plt.subplots(figsize=(2.34, pitch * len(names) + 0.9))
    place = np.arange(len(names))
    for number, (layer, column) in enumerate(layers.items()):
        at = place + 0.6 * ((number + 0.5) / len(layers) - 0.5)
        ends = np.nan_to_num([column["mean"] - column["low"], column["high"] - column["mean"]])
        look = {"color": colour(number), "marker": marker(number), "ms": 3.5, "elinewidth": 1, "label": entry(layer)}
        axes.errorbar(column["mean"], at, xerr=ends.clip(0), ls="none", **look)
    axes.hlines(place, 0, 1, transform=axes.get_yaxis_transform(), color=FAINT, lw=0.4, ls=":", zorder=0)
    axes.set_title(MEASURES[key].name, x=1, ha="right")
    axes.set(xlabel=MEASURES[key].better, ylim=(len(names) - 0.5, -0.5))
    axes.set_yticks(place, names, fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    _scale(axes, np.concatenate([numbers for column in layers.values() for numbers in column.values()]), key)
    figure.legend(loc="outside upper center", ncols=2, fontsize=8, handletextpad=0.2, columnspacing=0.8)
    return figure


def _scale(axes: plt.Axes, numbers: np.ndarray, key: str) -> None:
    """Few ticks, which depend on the numbers alone; seconds go by powers of ten."""
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    if key == "seconds":
        first = math.floor(math.log10(low))
        last = max(math.ceil(math.log10(high)), first + 1)
        places = {10.0**power: f"10{str(power).translate(RAISED)}" for power in (first, (first + last) // 2, last)}
        axes.set_xscale("log")
        axes.set(xlim=(10.0**first / 1.3, 10.0**last * 1.3))
        axes.set_xticks([], minor=True)
    else:
        room = 0.05 * (high - low) or 0.05
        steps = MaxNLocator(3, steps=[1, 2, 5, 10]).tick_values(low, high).round(9)
        places = {x: minus(f"{x:g}") for x in steps if low - room <= x <= high + room}
        axes.set(xlim=(low - room, high + room))
    axes.set_xticks(list(places), list(places.values()), fontsize=8)


def _table(read: Mapping[str, Mapping[str, dict[str, np.ndarray]]], maps: list[str]) -> Table:
    layers = list(next(iter(read.values())))
    rows = [
        [f"{name}, {layer}", *(_cell({part: x[number] for part, x in its[layer].items()}) for its in read.values())]
        for number, name in enumerate(maps)
        for layer in layers
    ]
    headers = ["map", *(MEASURES[key].name for key in read)]
    return Table(headers, rows, "Means over images, with the ends of their 95 % intervals")


def _cell(numbers: Mapping[str, float]) -> str:
    if not np.isfinite(numbers["mean"]):
        return NOTHING
    if not np.isfinite(numbers["low"]):
        return Cell(f"{numbers['mean']:.2g}", numbers["mean"])
    text = "{mean:.2f} ({low:.2f} … {high:.2f})".format(**numbers)
    return Cell(minus(text), {"{}": numbers["mean"], "{}: low": numbers["low"], "{}: high": numbers["high"]})
