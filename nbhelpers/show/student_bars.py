"""Knowledge points of a teacher and of its students, over seeds (Fig. 9 left)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from nbhelpers.show.arrays import columns, same_names
from nbhelpers.show.page.picture import Picture
from nbhelpers.show.region_curves import Rows
from nbhelpers.show.style import COLOURS, INK, styled
from nbhelpers.show.text import ticks, visible

BARS = (  # what, look of the bar, where it stands
    ("total", {"color": "none", "edgecolor": INK["light"], "label": "all"}, -0.21),
    ("reliable", {"color": COLOURS[0], "edgecolor": "white", "hatch": "///", "lw": 0, "label": "reliable"}, 0.21),
)


@styled
def student_points(networks: Mapping[str, Mapping[str, Rows]], *, alt: str) -> Picture:
    """Draw knowledge points per image, all and reliable, and the reliable ratio of each network (Fig. 9 left).

    One panel a layer, all on the same scales: bars are means over seeds, their lines one standard deviation to either
    side, dots the seeds.

    Parameters
    ----------
    networks : mapping of str to mapping
        For each network and layer one row a seed: ``total``, ``reliable`` and ``ratio``, None where there is no point.

    Raises
    ------
    ValueError
        If there is no network or layer, networks differ in layers, or one has no seed.

    Examples
    --------
    >>> seed = {"total": 20.0, "reliable": 15.0, "ratio": 0.75}
    >>> student_points({"teacher": {"conv_53": [seed]}, "student": {"conv_53": [seed, seed]}}, alt="As many.")
    As many.
    """
    layers = same_names("layers of networks", list(networks.values()))
    empty = [visible(name) for name, its in networks.items() if not all(its.values())]
    if empty:
        raise ValueError(f"{', '.join(empty)} must have one row for each seed, got none")
    names = "total", "reliable", "ratio"
    read = {layer: {name: columns(its[layer], *names) for name, its in networks.items()} for layer in layers}
    top = 1.2 * max(its["total"].max() for rows in read.values() for its in rows.values()) or 1.0
    panels = []
    for layer, rows in read.items():
        figure, (above, below) = plt.subplots(2, 1, figsize=(2.4, 4.6), sharex=True, height_ratios=(3, 2))
        for what, look, aside in BARS:
            _bars(above, [its[what] for its in rows.values()], aside, 0.38, **look)
        above.set(title=visible(layer), ylabel="points per image", ylim=(0, top))
        figure.legend(*above.get_legend_handles_labels(), loc="outside upper center", ncols=2)
        _bars(below, [its["ratio"] for its in rows.values()], 0, 0.6, written=True, **BARS[1][1])
        below.set(ylabel="reliable ratio", ylim=(0, 1.2), yticks=(0, 0.5, 1))
        seeds = [f"{name} ({len(its['total'])})" for name, its in zip(ticks(rows), rows.values(), strict=True)]
        below.set_xticks(range(len(seeds)), seeds, rotation=45, ha="right", rotation_mode="anchor")
        figure.supxlabel("dots: seeds (how many)\nlines: ± 1 std over seeds", fontsize=8)
        panels.append(figure)
    return Picture(panels, alt=alt)


def _bars(
    axes: plt.Axes, columns: Sequence[np.ndarray], aside: float, width: float, *, written: bool = False, **look: object
) -> None:
    """A bar for the mean of each column, a dot for each number, and a line where there are two or more."""
    for place, column in enumerate(columns):
        x = place + aside
        numbers = column[~np.isnan(column)]
        if not len(numbers):
            axes.annotate("–", (x, 0), (0, 2), textcoords="offset points", ha="center")
            continue
        several = len(numbers) > 1
        mean, deviation = numbers.mean(), numbers.std(ddof=1) if several else 0
        axes.bar(x, mean, width, **look)
        look = {**look, "label": None}  # one entry in the legend
        spread = width * np.linspace(-0.3, 0.3, len(numbers)) if several else 0
        axes.plot(x + spread, numbers, "o", ms=2.8, color=COLOURS[1], mec=INK["light"], mew=0.5, zorder=4)
        if several:
            axes.errorbar(x, mean, deviation, color=INK["light"], elinewidth=1.2, capsize=2.5, zorder=5)
        if written:
            top = max(numbers.max(), mean + deviation)
            axes.annotate(f"{mean:.2f}", (x, top), (0, 3), textcoords="offset points", ha="center", fontsize=8)
