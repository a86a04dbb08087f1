"""Checks of the book's exercises: each takes the reader's own function and says what should have been true."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

PASSED = "Right."


def expect(holds: Any, explanation: str) -> None:
    """Say what should have been true unless it is, everywhere.

    Raises
    ------
    AssertionError
        With the explanation.
    """
    if not np.all(holds):
        raise AssertionError(explanation)


def ask(function: Callable[..., Any], *given: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    """The numbers that a reader's function returns for copies of what is given, which it must not change.

    Raises
    ------
    AssertionError
        If it changes them, or returns nothing, no numbers, or another shape than ``what`` needs.

    Examples
    --------
    >>> ask(np.cumsum, np.array([1, 2]), shape=(2,), what="a sum for each number")
    array([1, 3])
    """
    handed = copy.deepcopy(given)
    answer = function(*handed)
    expect(
        all(np.array_equal(mine, original) for mine, original in zip(handed, given, strict=True)),
        "the function must not change the arrays that it is given: work with new ones, such as x + 1 and not x += 1",
    )
    expect(answer is not None, f"the function returns nothing: end it with `return`, and {what}")
    try:
        got = np.asarray(answer)
    except ValueError:  # arrays of different shapes
        raise AssertionError(f"{what}: expected shape {shape}, got parts of different shapes") from None
    expect(got.dtype.kind in "biuf", f"{what}: expected numbers, got {type(answer).__name__}")
    expect(got.shape == shape, f"{what}: expected shape {shape}, got {got.shape}")
    return got
