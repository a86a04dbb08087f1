"""What is really in each region, where masks tell: the object, a fragment of another category, or background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from nbhelpers.datasets.base import ImageSet


@dataclass(frozen=True)
class RegionTruth:
    """Shares of the pixels of every region, row by row of the grid.

    Attributes
    ----------
    object : float32 (N, R)
        Share of the pixels that show the image's own category.
    fragment : float32 (N, R)
        Share that shows any other category.
    fragment_category : int64 (N, R)
        The other category that fills most of the region; -1 where there is none.
    """

    object: np.ndarray
    fragment: np.ndarray
    fragment_category: np.ndarray

    @property
    def place(self) -> np.ndarray:
        """What fills at least half of the region: "object", "fragment", "background", or "mixed"; (N, R)."""
        background = 1 - self.object - self.fragment
        return np.select(
            [self.object >= 0.5, self.fragment >= 0.5, background >= 0.5], ["object", "fragment", "background"], "mixed"
        )


def region_truth(images: ImageSet, grid: int | tuple[int, int]) -> RegionTruth:
    """Read the masks of a data set on a grid of regions.

    Raises
    ------
    ValueError
        If the data set has no masks.

    Examples
    --------
    >>> masks = np.array([[[1, 1, -1, -1], [1, 1, -1, 0]]], np.int8)
    >>> one = ImageSet(np.zeros((1, 3, 2, 4), np.uint8), np.array([1]), ("bag", "coat"), "held_out", masks)
    >>> truth = region_truth(one, (1, 2))
    >>> truth.object.tolist(), truth.fragment.tolist(), truth.fragment_category.tolist(), truth.place.tolist()
    ([[1.0, 0.0]], [[0.0, 0.25]], [[-1, 0]], [['object', 'background']])
    """
    if images.masks is None:
        raise ValueError(
            f"{images!r} has no masks; only data sets with known masks, such as scenes, tell what is where"
        )
    size = (grid, grid) if isinstance(grid, int) else grid
    masks = torch.from_numpy(images.masks)
    shares = torch.stack(
        [F.adaptive_avg_pool2d((masks == c).float(), size).flatten(1) for c in range(len(images.categories))], dim=2
    ).numpy()
    own = np.arange(len(images)), slice(None), images.labels
    seen = shares[own].copy()
    shares[own] = 0
    other = shares.argmax(axis=2)
    return RegionTruth(seen, shares.sum(axis=2), np.where(shares.max(axis=2) > 0, other, -1))
