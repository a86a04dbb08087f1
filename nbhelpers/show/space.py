"""Features of any number of dimensions in the three that a scene has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nbhelpers.maths.arrays import Array


def dimensions(directions: Array) -> int:
    """How many dimensions directions have, or a ``ValueError`` where that is no space to look at."""
    shape = np.shape(directions)
    if len(shape) < 2 or shape[-1] < 2:
        raise ValueError(f"directions must be (..., categories, axes) with at least two axes, got the shape {shape}")
    return shape[-1]


@dataclass(frozen=True)
class View:
    """Where features of d dimensions stand in a scene.

    Attributes
    ----------
    axes : array, (d, 3)
    share : float
        Of the squared strengths of what it was made for, how much these axes hold: less than 1 beyond three dimensions.
    """

    axes: np.ndarray
    share: float

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Features (..., d) as points (..., 3)."""
        return features if len(self.axes) == 3 else features @ self.axes

    @property
    def note(self) -> str:
        """What a reader has to know of it, or nothing."""
        count = len(self.axes)
        if count <= 3:
            return ""
        return f"Drawn by the first 3 principal axes of {count}, which hold {self.share:.0%} of the squared strength"


def view(features: np.ndarray) -> View:
    """Three dimensions as they are, two as a plane, more by the principal axes of these features (N, d).

    The axes go through the centre, where strength is zero, and not through the mean.

    >>> view(np.array([[3.0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 1]])).axes.T
    array([[1., 0., 0., 0.],
           [0., 1., 0., 0.],
           [0., 0., 0., 1.]])
    """
    count = features.shape[-1]
    if count <= 3:
        return View(np.eye(count, 3), 1.0)
    squares, axes = np.linalg.eigh(features.T @ features)  # the least comes first
    axes = axes.T[:-4:-1]
    # The sign of an axis is nobody's choice: its largest part is positive, on every machine.
    axes = axes * np.sign(axes[np.arange(3), np.abs(axes).argmax(axis=1)])[:, None] + 0.0
    return View(axes.T, float(squares[-3:].sum() / (squares.sum() or 1)))
