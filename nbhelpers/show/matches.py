"""Which region of one image is like which of another: both images side by side, matching regions joined by lines."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import ConnectionPatch

from nbhelpers.images import ImageSet
from nbhelpers.maths.arrays import Array
from nbhelpers.show.page.picture import Picture
from nbhelpers.show.region_maps import HALO, framed
from nbhelpers.show.style import COLOURS, styled
from nbhelpers.show.text import visible_lines


@styled
def matches(
    images: ImageSet, picked: Array, partners: Array, grid: tuple[int, int], captions: Sequence[str], *, alt: str
) -> Picture:
    """Draw the first image beside every other one, and join each picked region to its match there.

    Parameters
    ----------
    images : ImageSet
        Two images at least.
    picked : int array, (R',)
        Regions of the first image, up to ten.
    partners : int array, (N - 1, R')
        For every other image, the regions that match the picked ones.
    grid : (int, int)
    captions : sequence of str
        One text a pair.

    Raises
    ------
    ValueError
        If there are fewer than two images, no or too many picked regions, not one caption a pair, or a region lies
        outside of the grid.

    Examples
    --------
    >>> images = ImageSet(np.zeros((2, 3, 8, 8), np.uint8), np.array([0, 1]), ("coat", "bag"), "held_out")
    >>> matches(images, [0, 3], [[1, 2]], (2, 2), ["a coat and a bag"], alt="Corners match.")
    Corners match.
    """
    picked, partners = (np.asarray(regions) for regions in (picked, partners))
    if len(images) < 2:
        raise ValueError(f"matches are drawn between two images or more, got {len(images)}")
    if picked.ndim != 1 or not 1 <= len(picked) <= len(COLOURS):
        raise ValueError(
            f"picked must hold 1 ... {len(COLOURS)} regions, so that their lines differ; got shape {picked.shape}"
        )
    if partners.shape != (len(images) - 1, len(picked)):
        raise ValueError(f"partners has shape {partners.shape}, expected {(len(images) - 1, len(picked))}")
    for name, regions in {"picked": picked, "partners": partners}.items():
        if not np.issubdtype(regions.dtype, np.integer) or regions.min() < 0 or regions.max() >= grid[0] * grid[1]:
            raise ValueError(f"{name} must be regions 0 ... {grid[0] * grid[1] - 1} of the grid {grid}, got {regions}")
    if len(captions) != len(partners):
        raise ValueError(f"captions must hold one text for each of the {len(partners)} pairs, got {len(captions)}")
    height, width = images.images.shape[2:]
    panels = []
    for other, theirs, caption in zip(images.images[1:], partners, captions, strict=True):
        figure, sides = plt.subplots(1, 2, figsize=(4.4, 2.2 * height / width + 0.3))
        for axes, image in zip(sides, (images.images[0], other), strict=True):
            axes.imshow(image.transpose(1, 2, 0), extent=(0, width, height, 0))
            axes.axis("off")
        for hue, mine, its in zip(COLOURS, picked, theirs, strict=False):
            look = {"fill": False, "edgecolor": hue, "linewidth": 1.8, "path_effects": HALO}
            squares, middles = zip(*(framed(r, grid, (height, width), **look) for r in (mine, its)), strict=True)
            for axes, square in zip(sides, squares, strict=True):
                axes.add_patch(square)
            line = ConnectionPatch(*middles, "data", "data", axesA=sides[0], axesB=sides[1], color=hue, lw=1.6)
            line.set_path_effects(HALO)
            figure.add_artist(line)
        figure.suptitle(visible_lines(caption), fontsize=9.5)
        panels.append(figure)
    return Picture(panels, alt=alt)
