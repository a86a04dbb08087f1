"""Category directions as every figure reads them: any length will do but zero."""

from __future__ import annotations

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
