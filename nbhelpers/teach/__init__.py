"""Checks of the book's exercises: each takes the reader's own function and says what should have been true.

A check calls the function on copies of numbers that it knows the answer for, and returns ``"Right."``, or raises an
AssertionError that explains the first thing that does not hold; where the answer is that of a mistake which people
really make, it explains the mistake. Each docstring says how the function is called, with the shapes of its arrays.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

PASSED = "Right."
Answer = Callable[..., Any]
"""A reader's function."""


def expect(holds: Any, explanation: str) -> None:
    """Say what should have been true unless it is, everywhere."""
    if not np.all(holds):
        raise AssertionError(explanation)


def ask(
    function: Answer, *arguments: Any, shape: tuple[int, ...] = (), what: str = "one number for all images"
) -> np.ndarray:
    """The numbers that a reader's function returns for copies of the arguments, which it must not change.

    Changed arguments, nothing, no numbers, and another shape than ``what`` needs are refused.
    """
    handed = copy.deepcopy(arguments)
    answer = function(*handed)
    try:
        np.testing.assert_equal(handed, arguments)
    except AssertionError:
        unchanged = "the function must not change the arrays that it is given: work with new ones"
        raise AssertionError(f"{unchanged}, such as x + 1 and not x += 1") from None
    expect(answer is not None, f"the function returns nothing: end it with `return`, and {what}")
    try:
        got = np.asarray(answer)
    except ValueError:  # arrays of different shapes
        raise AssertionError(f"{what}: expected shape {shape}, got parts of different shapes") from None
    expect(got.dtype.kind in "biuf", f"{what}: expected numbers, got {type(answer).__name__}")
    expect(got.shape == shape, f"{what}: expected shape {shape}, got {got.shape}")
    return got


def compare(got: Any, right: Any, explanation: str, *mistakes: tuple[Any, str], **tolerance: float) -> None:
    """Accept what is near ``right``; else explain the mistake that it comes of, or what is right.

    A mistake is what comes of it and its explanation; ``tolerance`` is that of :func:`numpy.allclose`.

    >>> compare(6, 3, "expected the mean, 3", (6, "this is the sum"))
    Traceback (most recent call last):
    AssertionError: this is the sum
    """
    if not np.allclose(got, right, **tolerance):
        for wrong, why in mistakes:
            expect(not np.allclose(got, wrong, **tolerance), why)
        raise AssertionError(explanation)
