"""How numbers of several groups are spread: distribution functions, with medians (Fig. 7 and 9, right)."""

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
POINTS = 401  # of a line, at equal steps of the share


@styled
def distribution(
    values: Mapping[str, Array], *, xlabel: str, alt: str, range: tuple[float, float] | None = None
) -> Picture:
    """Draw how the numbers of up to four groups are spread: the share of each group at or below every number.

    Parameters
    ----------
    values : mapping of str to array
        Numbers of each group, of any shape; a group may be empty.
    xlabel : str
        What the numbers are, with their unit.
    range : pair of float, optional
        What is shown of the axis; numbers beyond it count. By default from the smallest to the largest of all groups.

    Raises
    ------
    ValueError
        If there is no group or more than four, all groups are empty, a number is not finite, or ``range`` has no width
        or shows no number.

    Examples
    --------
    >>> distribution({"attack": [0.1, 0.2], "control": [0.9, 0.9]}, xlabel="p", alt="The attack lowers p.")
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
    if range and not (low < high and low <= largest and least <= high):
        raise ValueError(f"range {low:g} ... {high:g} shows none of the values, which lie in {least:g} ... {largest:g}")
    figure, axes = plt.subplots(figsize=(4.2, 3.2))
    for (name, numbers), (line, mark), hue in zip(groups.items(), LOOKS, COLOURS, strict=False):
        look = {"ls": line, "marker": mark, "color": hue}
        if not len(numbers):
            axes.plot([], [], label=f"{entry(name)}: none", **look)
            continue
        shares = np.linspace(0, 1, min(POINTS, len(numbers) + 1))
        reached = np.quantile(numbers, shares, method="inverted_cdf")
        ends = [min(low, reached[0]), *reached, max(high, reached[-1])]
        axes.plot(ends, [0, *shares, 1], ls=line, lw=1.8, color=hue, drawstyle="steps-post")
        median = float(np.median(numbers))
        said = f"{entry(name)}: " + minus(f"median {median:.2f} (n = {len(numbers):,})")
        axes.plot(median, 0.5, ms=7, mec="white", zorder=4, label=said, **look)
    if low < high:
        axes.set_xlim(low, high)
    axes.set(xlabel=xlabel, ylabel="share at or below", ylim=(0, 1))
    figure.legend(fontsize=9, loc="outside upper left", handlelength=3.5)
    return Picture(figure, alt=alt)
