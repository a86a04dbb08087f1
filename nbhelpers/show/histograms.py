"""How numbers of several groups are spread: step histograms on common bins, with medians (Fig. 7 and 9, right)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np

from nbhelpers.maths.arrays import Array
from nbhelpers.show.page.picture import Picture
from nbhelpers.show.page.table import minus
from nbhelpers.show.style import COLOURS, styled
from nbhelpers.show.text import entry, named

LOOKS = (("-", "o"), ("--", "s"), ("-.", "^"), (":", "D"))  # of each group: its line, and the mark of its median
BINS = 20


@styled
def histogram(
    values: Mapping[str, Array], *, xlabel: str, alt: str, range: tuple[float, float] | None = None
) -> Picture:
    """Draw how the numbers of up to four groups are spread, as shares of each group, with medians on the axis.

    Parameters
    ----------
    values : mapping of str to array
        Numbers of each group, of any shape; a group may be empty.
    xlabel : str
        What the numbers are, with their unit.
    range : pair of float, optional
        Where the 20 bins begin and end; by default the smallest and the largest number of all groups.

    Raises
    ------
    ValueError
        If there is no group or more than four, all groups are empty, or a number is not finite or outside ``range``.

    Examples
    --------
    >>> histogram({"attack": [0.1, 0.2], "control": [0.9, 0.9]}, xlabel="p", range=(0, 1), alt="The attack lowers p.")
    The attack lowers p.
    """
    if not 1 <= len(values) <= len(LOOKS):
        raise ValueError(f"values must hold 1 ... {len(LOOKS)} groups, so that they differ; got {len(values)}")
    groups = {name: np.ravel(numbers).astype(float) for name, numbers in named(values).items()}
    for name, numbers in groups.items():
        if bad := int((~np.isfinite(numbers)).sum()):
            raise ValueError(f"values[{name!r}] holds {bad} NaN or infinite values of {len(numbers)}; leave them out")
    together = np.concatenate(list(groups.values()))
    if not len(together):
        raise ValueError(f"no group of values has a number: {', '.join(groups)} are all empty")
    least, largest = together.min(), together.max()
    low, high = range or (least, largest)
    if not low <= least <= largest <= high:
        raise ValueError(
            f"values lie in {least:g} ... {largest:g}, partly outside the range {low:g} ... {high:g}: widen it, or the "
            "bars would not sum to 1"
        )
    edges = np.histogram_bin_edges(together, BINS, range)
    figure, axes = plt.subplots(figsize=(4.2, 3.2))
    for (name, numbers), (line, mark), hue in zip(groups.items(), LOOKS, COLOURS, strict=False):
        look = {"ls": line, "marker": mark, "color": hue}
        if not len(numbers):
            axes.plot([], [], label=f"{entry(name)}: none", **look)
            continue
        median = float(np.median(numbers))
        said = f"{entry(name)}: " + minus(f"median {median:.2f} (n = {len(numbers):,})")
        shares = np.histogram(numbers, edges)[0] / len(numbers)
        axes.stairs(shares, edges, ls=line, lw=1.8, color=hue, zorder=2.5)
        axes.plot(median, 0, ms=7, mec="white", clip_on=False, zorder=4, label=said, **look)
    axes.set(xlabel=xlabel, ylabel="share of each group", xlim=(edges[0], edges[-1]))
    axes.set_ylim(bottom=0)
    figure.legend(fontsize=9, loc="outside upper left", handlelength=3.5)
    return Picture(figure, alt=alt)
