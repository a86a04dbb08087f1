"""How figures read what they draw: the message names each axis or name that does not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from nbhelpers.images import ImageSet
from nbhelpers.maths.arrays import Array, as_tensor
from nbhelpers.show.text import named, visible, visible_lines


def read(x: Array, name: str, **axes: int | None) -> np.ndarray:
    """Finite numbers whose axes have these sizes, any size where it is None.

    >>> read(np.zeros((2, 3)), "h", images=2, regions=4)
    Traceback (most recent call last):
    ValueError: h must have the shape (images 2, regions 4), got (2, 3)
    """
    array = as_tensor(x, name, dtype=torch.float64).cpu().numpy()
    sizes = tuple(axes.values())
    if array.ndim != len(sizes) or any(size not in (None, n) for size, n in zip(sizes, array.shape, strict=True)):
        expected = ", ".join(axis if size is None else f"{axis} {size}" for axis, size in axes.items())
        raise ValueError(f"{name} must have the shape ({expected}), got {array.shape}")
    return array


def read_steps(x: Array, name: str, steps: int, **axes: int) -> np.ndarray:
    """The same with one axis more in front, the steps; what lacks it holds at every step."""
    array = read(x, name, **({"steps": steps} if np.ndim(x) > len(axes) else {}), **axes)
    return np.broadcast_to(array, (steps, *axes.values()))


def read_maps(maps: Mapping[str, Array], grid: tuple[int, int], **axes: int) -> dict[str, np.ndarray]:
    """Numbers of regions, as maps of rows and columns."""
    if not maps:
        raise ValueError("maps is empty: give at least one number a region")
    regions = grid[0] * grid[1]
    return {
        name: read(numbers, f"maps[{name!r}]", **axes, regions=regions).reshape(*axes.values(), *grid)
        for name, numbers in named(maps).items()
    }


def columns(rows: Sequence[Mapping[str, float | None]], *names: str) -> dict[str, np.ndarray]:
    """The numbers of recorded rows, NaN for None."""
    return {name: np.array([row[name] for row in rows], dtype=float) for name in names}


def objects(images: ImageSet) -> Sequence[np.ndarray | None]:
    """Which pixels are the object, for each image; None where nobody has marked them."""
    return [None] * len(images) if images.masks is None else images.masks == images.labels[:, None, None]


def check_each(name: str, texts: Sequence[str], count: int) -> list[str]:
    """One text for each image, such as a caption."""
    if len(texts) != count:
        raise ValueError(f"{name} must hold one text for each of the {count} images, got {len(texts)}")
    return [visible_lines(text) for text in texts]


def cell(region: int, grid: tuple[int, int]) -> str:
    """Where a region is, such as ``"row 1, column 2"``."""
    row, column = divmod(int(region), grid[1])
    return f"row {row + 1}, column {column + 1}"


def same_names(what: str, rows: Sequence[Mapping[str, object]]) -> list[str]:
    """The names that all rows have, such as their layers."""
    names = list(rows[0]) if rows else []
    if not names:
        raise ValueError(f"{what} are missing: give at least one")
    for row in rows:
        if set(row) != set(names):
            wanted, got = (", ".join(map(visible, its)) for its in (names, row))
            raise ValueError(f"{what} must be {wanted} everywhere, got {got or 'none'}")
    return names
