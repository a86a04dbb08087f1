"""Which categories, and which images of each: by name, and the same ones on every machine."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence

from nbhelpers.datasets.crops import Crop
from nbhelpers.maths.arrays import check_whole

MOST = {"train": 500, "held_out": 50}
"""How many crops of each category are taken if there are as many, and ``per_category`` is not given."""


def resolve(wanted: Sequence[str], known: Mapping[int | str, Sequence[str]]) -> list[int | str]:
    """The keys of the categories asked for.

    Parameters
    ----------
    wanted : sequence of str
        Names; upper and lower case only matter where they tell two categories apart.
    known : mapping
        Every category's key -> its names, the one to be shown first.

    Raises
    ------
    ValueError
        If nothing is asked for, or a name is unknown, ambiguous or asked for twice.

    Examples
    --------
    >>> resolve(["Cat"], {17: ["cat"], 18: ["dog"]})
    [17]
    """
    if isinstance(wanted, str) or not wanted:
        raise ValueError(f"categories must be a list of at least one name, got {wanted!r}")
    keys: list[int | str] = []
    for name in map(str, wanted):
        matches = [key for key, names in known.items() if name in names] or [
            key for key, names in known.items() if name.strip().lower() in {other.lower() for other in names}
        ]
        if not matches:
            raise ValueError(f"there is no category {name!r}; {_alternatives(name, known)}")
        if len(matches) > 1:
            raise ValueError(f"{name!r} names several categories: {', '.join(known[key][0] for key in matches)}")
        if matches[0] in keys:
            raise ValueError(f"{name!r} is asked for twice: {list(wanted)}")
        keys += matches
    return keys


def _alternatives(name: str, known: Mapping[int | str, Sequence[str]]) -> str:
    shown = [names[0] for names in known.values()]
    if len(shown) <= 20:
        return f"there are {', '.join(shown)}"
    lowered = {other.lower(): other for other in shown}
    close = difflib.get_close_matches(name.lower(), lowered, n=5, cutoff=0.5)
    return f"closest of the {len(shown)} are {', '.join(lowered[other] for other in close) or 'none'}"


def choose(
    crops: Sequence[Crop], categories: Sequence[str], split: str, per_category: int | None, fewest: int = 2
) -> list[Crop]:
    """Some crops of each category: those whose keys have the smallest sha256, category by category and by key.

    So the choice is as good as drawn by lot, yet the same everywhere, and a larger one holds every smaller one.

    Raises
    ------
    ValueError
        If a category has less than ``fewest`` crops, or than a ``per_category`` that was given.
    """
    by_label: list[list[Crop]] = [[] for _ in categories]
    for crop in crops:
        by_label[crop.label].append(crop)
    counts = [len(group) for group in by_label]
    if min(counts) < fewest:
        found = ", ".join(f"{name} {count}" for name, count in zip(categories, counts, strict=True))
        raise ValueError(f"every category needs at least {fewest} usable images; {split!r} has: {found}")
    if per_category is not None and check_whole(per_category, "per_category", 1) > min(counts):
        scarce = categories[counts.index(min(counts))]
        raise ValueError(f"per_category must lie in 1 ... {min(counts)} (as {scarce!r} has), got {per_category}")
    most = MOST[split] if per_category is None else per_category
    chosen = (sorted(group, key=by_lot)[:most] for group in by_label)
    return [crop for group in chosen for crop in sorted(group, key=lambda crop: crop.key)]


def by_lot(crop: Crop) -> str:
    """Sorting by this mixes crops in a way that depends on nothing but their keys."""
    return hashlib.sha256(str(crop.key).encode()).hexdigest()
