"""Which categories are neighbours: angles between their directions beside what the network confuses."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from nbhelpers.maths.arrays import Array
from nbhelpers.show.arrays import read
from nbhelpers.show.directions import arrows
from nbhelpers.show.page.picture import Picture
from nbhelpers.show.style import black_or_white, styled
from nbhelpers.show.text import ticks


def neighbours(directions: Array, confusion: Array, categories: Sequence[str], *, alt: str) -> Picture:
    """Two matrices in one order: angles between category directions, and the network's confusions.

    The order puts neighbours side by side (optimal leaf order of average linkage on the angles).

    Parameters
    ----------
    directions : array, (C, 3)
    confusion : array, (C, C)
        Row: true category; column: what the network said. Each row is shown as shares of its sum.
    categories : sequence of str

    Raises
    ------
    ValueError
        If there are fewer than two categories, or a row of ``confusion`` has negative numbers or sums to zero.

    Examples
    --------
    >>> neighbours([[1, 0, 0], [0, 1, 0]], [[9, 1], [0, 5]], ["coat", "bag"], alt="Coat and bag at a right angle.")
    Coat and bag at a right angle.
    """
    mu = arrows(directions, categories)
    counts = read(confusion, "confusion", true=len(mu), called=len(mu))
    if counts.min() < 0 or not counts.sum(axis=1).all():
        raise ValueError("every row of confusion must hold numbers >= 0 with a sum above 0")
    angles = np.degrees(np.arccos(np.clip(mu @ mu.T, -1, 1)))
    np.fill_diagonal(angles, 0)  # rounding leaves some 1e-6 there
    shares = 100 * counts / counts.sum(axis=1, keepdims=True)
    order = leaves_list(linkage(squareform(angles, checks=False), "average", optimal_ordering=True))
    place = np.ix_(order, order)
    names = ticks(categories[i] for i in order)
    between = _matrix(angles[place], names, "Angle between directions (degrees)", "Blues_r", 180)
    confused = _matrix(shares[place], names, "Network: row is called column (%)", "Oranges", 100)
    return Picture([between, confused], alt=alt)


@styled
def _matrix(values: np.ndarray, names: Sequence[str], title: str, colours: str, top: float) -> plt.Figure:
    figure, axes = plt.subplots(figsize=(4.1, 4.1))
    picture = axes.imshow(values, cmap=colours, vmin=0, vmax=top)
    for (row, column), value in np.ndenumerate(values):
        ink = black_or_white(picture.cmap(picture.norm(value)))
        axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=7.5, color=ink)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title)
    return figure
