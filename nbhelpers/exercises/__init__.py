"""Checks of the book's exercises: each takes the reader's own function and says what should have been true."""

from __future__ import annotations

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
