"""Which categories have a colour where there are more of them than colours; all others are grey together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nbhelpers.show.style import COLOURS, FAINT, MARKERS, SYMBOLS, colour, marker, symbol
from nbhelpers.show.text import visible

MOST = len(COLOURS)
GREY = FAINT  # reads on white and on black


@dataclass(frozen=True)
class Highlights:
    """Up to ten categories in colour. Of ten or fewer each has its own; of more, the chosen ones share them out."""

    count: int
    chosen: tuple[int, ...]

    @property
    def others(self) -> list[int]:
        """The categories that are grey."""
        return sorted(set(range(self.count)) - set(self.chosen))

    def _number(self, category: int) -> int:
        return category if self.count <= MOST else self.chosen.index(category)

    def hue(self, category: int) -> str:
        """Its colour, or grey."""
        return colour(self._number(category)) if category in self.chosen else GREY

    def symbol(self, category: int) -> str:
        """Its symbol in 3-D."""
        return symbol(self._number(category)) if category in self.chosen else SYMBOLS[0]

    def marker(self, category: int) -> str:
        """Its marker in still pictures."""
        return marker(self._number(category)) if category in self.chosen else MARKERS[0]

    @property
    def rest(self) -> str:
        """How a legend calls all that are grey."""
        return f"{len(self.others)} others"


def highlights(
    categories: Sequence[str], counts: np.ndarray, strengths: np.ndarray, coloured: Sequence[str] | None = None
) -> Highlights:
    """The categories to colour: those that are asked for, else all of ten or fewer, else the ten that have the most
    images, among equals the strongest, then the first; none that has no image.

    Parameters
    ----------
    categories : sequence of str
    counts, strengths : array, (C,)
    coloured : sequence of str, optional

    Raises
    ------
    ValueError
        If ``coloured`` names an unknown category or more than ten.

    Examples
    --------
    >>> names = [f"category {c}" for c in range(12)]
    >>> highlights(names, np.arange(12), np.zeros(12)).others
    [0, 1]
    >>> highlights(names, np.arange(12), np.zeros(12), ["category 3"]).chosen
    (3,)
    """
    count = len(categories)
    if coloured is None:
        if count <= MOST:
            return Highlights(count, tuple(range(count)))
        order = np.lexsort([np.arange(count), -np.nan_to_num(strengths), -np.asarray(counts)])[:MOST]
        return Highlights(count, tuple(sorted(int(c) for c in order if counts[c] > 0)))
    seen = list(map(visible, categories))
    asked = list(dict.fromkeys(visible(name) for name in coloured))
    if unknown := [name for name in asked if name not in seen]:
        raise ValueError(f"coloured names {', '.join(unknown)}, but the categories are {_some(seen)}")
    if len(asked) > MOST:
        raise ValueError(f"coloured names {len(asked)} categories; no more than {MOST} colours can be told apart")
    return Highlights(count, tuple(sorted(map(seen.index, asked))))


def _some(names: Sequence[str]) -> str:
    """All of a few names, the first of many."""
    return ", ".join(names[:MOST]) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")
