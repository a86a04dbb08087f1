"""Category directions as every figure reads them: any length will do but zero; and how far vectors are from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def unit(directions: np.ndarray) -> np.ndarray:
    """Each vector along the last axis divided by its length.

    Raises
    ------
    ValueError
        If a vector is zero.
    """
    lengths = np.linalg.norm(directions, axis=-1, keepdims=True)
    if not lengths.all():
        raise ValueError("directions must not be zero: a zero vector points nowhere")
    return directions / lengths


def angles(vectors: np.ndarray, mu: np.ndarray) -> np.ndarray:
    """Degrees between vectors (..., 3) and unit vectors of a shape that fits; NaN for a zero vector."""
    lengths = np.linalg.norm(vectors, axis=-1)
    cosines = (vectors * mu).sum(axis=-1) / np.where(lengths > 0, lengths, np.nan)
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))


def nearest(degrees: np.ndarray, categories: Sequence[str]) -> str:
    """The two nearest categories with their angles, such as ``"coat 21°, shirt 34°"``; none at an angle of NaN."""
    order = [c for c in np.argsort(degrees) if np.isfinite(degrees[c])][:2]
    return ", ".join(f"{categories[c]} {degrees[c]:.0f}°" for c in order) or "–"


def neighbours_of(mu: np.ndarray, categories: Sequence[str]) -> list[str]:
    """The two nearest arrows of each arrow, with the angle between them."""
    between = angles(mu[:, None], mu)
    np.fill_diagonal(between, np.nan)
    return [nearest(row, categories) for row in between]


def strength_and_angle(strength: float, degrees: float) -> str:
    """A cell of a table, such as ``"2.31, 17°"``."""
    return f"{strength:.2f}, " + (f"{degrees:.0f}°" if np.isfinite(degrees) else "–")
