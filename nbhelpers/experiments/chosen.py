"""Which categories a study is of: those of the paper or of the data, others by name, or ten drawn by lot."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from nbhelpers import datasets
from nbhelpers.datasets.selection import Draw
from nbhelpers.networks.store import description_hash

LOT = "draw:"
"""What stands before the seed of a draw, in the place of a name."""


def check_choice(dataset: str, categories: Sequence[str]) -> None:
    """Refuse categories of a data set that has no others, and what is no draw.

    Raises
    ------
    ValueError
        What they are and what to give instead.

    Examples
    --------
    >>> check_choice("cub", ["draw:7"])
    >>> check_choice("cub", ["draw:7", "Sooty Albatross"])
    Traceback (most recent call last):
    ...
    ValueError: a draw stands alone, as draw:0: got draw:7, Sooty Albatross
    """
    if categories and datasets.available()[dataset].origin == "bundled":
        raise ValueError(f"{dataset} is bundled, with ten categories and no others: leave out {', '.join(categories)}")
    lots = [name for name in categories if name.startswith(LOT)]
    if lots and not (len(categories) == 1 and re.fullmatch(rf"{LOT}(0|[1-9]\d*)", lots[0], flags=re.ASCII)):
        raise ValueError(f"a draw stands alone, as {LOT}0: got {', '.join(categories)}")


def suffix(categories: Sequence[str]) -> str:
    """What tells a choice from others in the names of files and folders; empty for that of the data set.

    >>> suffix(["draw:7"]), suffix([]), suffix(["cat", "dog"])
    ('-draw7', '', '-cd73b277')
    """
    if not categories:
        return ""
    return "-" + (categories[0].replace(":", "") if categories[0].startswith(LOT) else description_hash(categories)[:8])


@cache
def drawn(dataset: str, root: str | None, categories: tuple[str, ...]) -> Draw | None:
    """The draw that a choice asks for, if it asks for one; as :func:`nbhelpers.datasets.draw`."""
    if not categories or not categories[0].startswith(LOT):
        return None
    return datasets.draw(dataset, int(categories[0].removeprefix(LOT)), root)
