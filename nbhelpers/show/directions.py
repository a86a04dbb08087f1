"""Category directions as every figure reads them: any length will do but zero; and how far vectors are from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nbhelpers.images import ImageSet
from nbhelpers.maths.arrays import Array
from nbhelpers.show.arrays import read, read_steps
from nbhelpers.show.page.table import NOTHING, Cell, Table
from nbhelpers.show.space import dimensions
from nbhelpers.show.text import visible


def arrows(directions: Array, categories: Sequence[str], steps: int | None = None) -> np.ndarray:
    """The unit vector of each category, (C, d), or with steps (S, C, d); one set of directions serves all steps."""
    axes = {"categories": len(categories), "axes": dimensions(directions)}
    if steps is None:
        return unit(read(directions, "directions", **axes))
    return unit(read_steps(directions, "directions", steps, **axes))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Each vector along the last axis divided by its length."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not lengths.all():
        raise ValueError("directions must not be zero: a zero vector points nowhere")
    return vectors / lengths


def angles(vectors: np.ndarray, mu: np.ndarray) -> np.ndarray:
    """Degrees between vectors (..., d) and unit vectors of a shape that fits; NaN for a zero vector."""
    lengths = np.linalg.norm(vectors, axis=-1)
    cosines = (vectors * mu).sum(axis=-1) / np.where(lengths > 0, lengths, np.nan)
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))


def nearest(degrees: np.ndarray, categories: Sequence[str]) -> str:
    """The two nearest categories with their angles, such as ``"coat 21°, shirt 34°"``; none at an angle of NaN."""
    order = [c for c in np.argsort(degrees) if np.isfinite(degrees[c])][:2]
    numbers = {}
    for which, c in zip(("nearest arrow", "second arrow"), order, strict=False):
        numbers |= {which: categories[c], f"{which} (°)": float(degrees[c])}
    return Cell(", ".join(f"{categories[c]} {degrees[c]:.0f}°" for c in order) or NOTHING, numbers)


def by_category(labels: np.ndarray, strengths: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each category: how many images, and their mean strength, 0 of none."""
    counts = np.bincount(labels, minlength=count)
    return counts, np.bincount(labels, strengths, count) / np.maximum(counts, 1)


def category_table(
    images: ImageSet,
    mu: np.ndarray,
    headers: Sequence[str],
    strengths: Mapping[int, np.ndarray],
    turned: Mapping[int, np.ndarray],
    caption: str,
) -> Table:
    """Of each category that has images: strength and angle at every step; of each arrow: its two nearest others."""
    between = angles(mu[:, None], mu)
    np.fill_diagonal(between, np.nan)
    rows = []
    categories = list(map(visible, images.categories))
    # The one header of a figure without steps says what the numbers are; of steps it says which.
    named = ["{}: mean " if len(headers) > 1 else "mean "] * len(headers)
    for c, category in enumerate(categories):
        cells = [NOTHING] * len(headers)
        if c in strengths:
            cells = [
                _strength_and_angle(*numbers, of) for *numbers, of in zip(strengths[c], turned[c], named, strict=True)
            ]
        rows.append([category, (images.labels == c).sum(), *cells, nearest(between[c], categories)])
    return Table(["category", "images", *headers, "nearest arrows"], rows, caption)


def _strength_and_angle(strength: float, degrees: float, of: str) -> Cell:
    angle = f"{degrees:.0f}°" if np.isfinite(degrees) else NOTHING
    return Cell(f"{strength:.2f}, {angle}", {f"{of}strength": float(strength), f"{of}angle (°)": float(degrees)})
