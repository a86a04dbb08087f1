"""What a data set says of itself."""

from __future__ import annotations

from typing import NamedTuple


class About(NamedTuple):
    """What a reader should know of a data set before loading it."""

    description: str
    licence: str
    origin: str
    """``"bundled"``, ``"download"`` or ``"yours"``."""
    any_size: bool = False
    """Whether ``load`` takes ``side``, the side of its square images in pixels."""
