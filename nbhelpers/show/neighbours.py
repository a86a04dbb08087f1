"""Which categories are neighbours: angles between their directions beside what the network confuses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
from scipy.spatial.distance import squareform

from nbhelpers.maths.arrays import Array
from nbhelpers.show.arrays import read
from nbhelpers.show.directions import arrows, nearest
from nbhelpers.show.page.picture import Picture
from nbhelpers.show.page.table import NOTHING, Cell, Table
from nbhelpers.show.style import FAINT, black_or_white, styled
from nbhelpers.show.text import ticks, visible

WRITTEN = 12  # categories whose numbers have room in the matrices
NAMED = 40  # and whose names have
BLOCKS = 12  # of all beyond
LONGEST = 24  # letters of a block's name


def neighbours(directions: Array, confusion: Array, categories: Sequence[str], *, alt: str) -> Picture:
    """Two matrices in one order: angles between category directions, and the network's confusions.

    The order puts neighbours side by side (optimal leaf order of average linkage on the angles). Up to twelve
    categories have their numbers written out, up to forty their names; of more, the matrices are drawn in blocks of
    neighbours, each called by the category in its middle. A table tells of every category.

    Parameters
    ----------
    directions : array, (C, d)
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
    tree = linkage(squareform(angles, checks=False), "average", optimal_ordering=True)
    order = leaves_list(tree)
    place = np.ix_(order, order)
    names = ticks(categories[i] for i in order)
    blocks = _blocks(tree, order) if len(names) > NAMED else None
    if blocks is not None:
        names = [_called(angles, order[begin:end], categories) for begin, end in blocks]
    between = _matrix(angles[place], names, "Angle between directions (degrees)", "Blues_r", 180, blocks)
    confused = _matrix(shares[place], names, "Network: row is called column (%)", "Oranges", 100, blocks)
    return Picture([between, confused], alt=alt, table=_table(angles, shares, order, blocks, categories))


def _blocks(tree: np.ndarray, order: np.ndarray) -> list[tuple[int, int]]:
    """Where at most :data:`BLOCKS` branches of the tree begin and end in the order of its leaves."""
    branch = fcluster(tree, BLOCKS, "maxclust")[order]
    edges = [0, *(np.flatnonzero(np.diff(branch)) + 1), len(order)]
    return [(int(begin), int(end)) for begin, end in pairwise(edges)]


def _called(angles: np.ndarray, members: np.ndarray, categories: Sequence[str]) -> str:
    """A block is called by the category that is nearest to all its others."""
    middle = members[angles[np.ix_(members, members)].sum(axis=1).argmin()]
    (name,) = ticks([categories[middle]], LONGEST)
    return name if len(members) == 1 else f"{name} + {len(members) - 1}"


@styled
def _matrix(
    values: np.ndarray,
    names: Sequence[str],
    title: str,
    colours: str,
    top: float,
    blocks: Sequence[tuple[int, int]] | None,
) -> plt.Figure:
    few = len(values) <= WRITTEN
    figure, axes = plt.subplots(figsize=(4.1, 4.1) if few else (6.8, 5.0) if blocks else (6.8, 6.4))
    picture = axes.imshow(values, cmap=colours, vmin=0, vmax=top if few else float(values.max()) or top)
    axes.set_title(title)
    if blocks is not None:
        _name_blocks(axes, names, blocks)
        figure.colorbar(picture, shrink=0.5)
    else:
        look = {} if few else {"fontsize": 9 if len(values) <= 24 else 6.5}
        slant = 45 if few else 90
        upright = {"ha": "right", "rotation_mode": "anchor"} if few else {"ha": "center"}
        axes.set_xticks(range(len(names)), names, rotation=slant, **upright, **look)
        axes.set_yticks(range(len(names)), names, **look)
    if few:
        for (row, column), value in np.ndenumerate(values):
            ink = black_or_white(picture.cmap(picture.norm(value)))
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=7.5, color=ink)
    elif blocks is None:
        figure.colorbar(picture, shrink=0.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def _name_blocks(axes: plt.Axes, names: Sequence[str], blocks: Sequence[tuple[int, int]]) -> None:
    """Lines between the blocks, and the name of each on the left, moved where small ones would stand too close."""
    end = blocks[-1][1]
    for begin, _ in blocks[1:]:
        for line in (axes.axhline, axes.axvline):
            line(begin - 0.5, color=FAINT, lw=0.5)
    middles = [(begin + last - 1) / 2 for begin, last in blocks]
    gap = end / 28
    at = []
    for middle in middles:
        at.append(max(middle, at[-1] + gap) if at else middle)
    over = max(0.0, at[-1] - end)
    for i in range(len(at) - 1, -1, -1):  # back, where the last ones would leave the picture
        at[i] = min(at[i], end - gap * (len(at) - 1 - i)) if over else at[i]
    axes.set_xticks([])
    axes.set_yticks([])
    for name, middle, y in zip(names, middles, at, strict=True):
        line = {"arrowstyle": "-", "color": FAINT, "lw": 0.6, "shrinkA": 0, "shrinkB": 0}
        place = {"xytext": (-0.025 * end - 0.5, y), "textcoords": "data", "ha": "right", "va": "center", "fontsize": 8}
        axes.annotate(name, (-0.5, middle), **place, arrowprops=line, annotation_clip=False)


def _table(
    angles: np.ndarray,
    shares: np.ndarray,
    order: np.ndarray,
    blocks: Sequence[tuple[int, int]] | None,
    categories: Sequence[str],
) -> Table:
    """Every category in the order of the matrices: its neighbours, and what the network calls it."""
    names = list(map(visible, categories))
    apart, missed = angles.copy(), shares.copy()
    np.fill_diagonal(apart, np.nan)
    np.fill_diagonal(missed, -1)
    of_block = {} if blocks is None else {int(order[i]): b for b, ends in enumerate(blocks, 1) for i in range(*ends)}
    rows = []
    for c in map(int, order):
        other = int(missed[c].argmax())
        right, wrong = float(shares[c, c]), float(missed[c, other])
        mistaken = {"most often mistaken for": names[other], "most often mistaken for (%)": wrong}
        cells = [nearest(apart[c], names), Cell(f"{right:.0f} %", {"{} (%)": right})]
        cells.append(Cell(f"{names[other]} {wrong:.0f} %", mistaken) if wrong > 0 else NOTHING)
        rows.append([names[c], *([of_block[c]] if of_block else []), *cells])
    headers = [
        "category",
        *(["block"] if of_block else []),
        "nearest arrows",
        "classified correctly",
        "most often mistaken for",
    ]
    return Table(headers, rows, "Every category: its two nearest neighbours, and what the network calls its images")
