"""What needs no network: the dumb cues that a map of regions has to beat before it may be said to find the object."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from nbhelpers.images import ImageSet
from nbhelpers.maths.arrays import Array

_BATCH = 100  # bounds the memory; the result does not depend on it


def region_cues(images: ImageSet, grid: int | tuple[int, int]) -> dict[str, Array]:
    """Cues of every region of every image, the larger the more of it.

    Parameters
    ----------
    images : ImageSet
    grid : int or (int, int)
        Rows and columns of regions.

    Returns
    -------
    dict of str to float32 (N, R)
        ``"brightness"``, the mean of the three colours in 0 ... 1; ``"contrast"``, its standard deviation over the
        region's pixels; ``"saturation"``, the mean range of the three colours; ``"colour apart"``, the distance of a
        region's mean colour from the median colour of its image's regions; ``"nearness to the centre"``, minus the
        distance of the region's centre from the image's, in regions.

    Examples
    --------
    >>> pixels = np.zeros((1, 3, 2, 6), np.uint8)
    >>> pixels[0, 0, :, 4:] = 255
    >>> cues = region_cues(ImageSet(pixels, np.array([0]), ("red", "black"), "held_out"), (1, 3))
    >>> cues["saturation"].tolist(), cues["colour apart"].tolist(), cues["nearness to the centre"].tolist()
    ([[0.0, 0.0, 1.0]], [[0.0, 0.0, 1.0]], [[-1.0, 0.0, -1.0]])
    """
    size = (grid, grid) if isinstance(grid, int) else grid
    cues = [_of_pixels(torch.from_numpy(images.images[i : i + _BATCH]), size) for i in range(0, len(images), _BATCH)]
    return {name: torch.cat([part[name] for part in cues]).numpy() for name in cues[0]} | {
        "nearness to the centre": np.tile(_nearness(size), (len(images), 1))
    }


def _of_pixels(images: torch.Tensor, size: tuple[int, int]) -> dict[str, torch.Tensor]:
    x = images.float() / 255
    grey = x.mean(dim=1, keepdim=True)
    spread = x.amax(dim=1, keepdim=True) - x.amin(dim=1, keepdim=True)
    means = F.adaptive_avg_pool2d(torch.cat([grey, grey.square(), spread, x], dim=1), size).flatten(2)
    brightness, squares, saturation = means[:, :3].unbind(1)
    colours = means[:, 3:]
    return {
        "brightness": brightness,
        "contrast": (squares - brightness.square()).clamp(min=0).sqrt(),
        "saturation": saturation,
        "colour apart": (colours - colours.quantile(0.5, dim=2, keepdim=True)).norm(dim=1),
    }


def _nearness(size: tuple[int, int]) -> np.ndarray:
    rows, columns = (np.arange(side) - (side - 1) / 2 for side in size)
    return -np.hypot(rows[:, None], columns).astype(np.float32).ravel()
