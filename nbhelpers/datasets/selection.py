"""Which categories, and which images of each: by name, and the same ones on every machine."""

from __future__ import annotations

import difflib
import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from nbhelpers.datasets.crops import Crop
from nbhelpers.datasets.telling import Notes
from nbhelpers.maths.arrays import check_whole

MOST = {"train": 500, "held_out": 50}  # crops taken of each category where there are as many, by default
FEWEST, DRAWN = 2, 10
"""Usable images that a category needs in each split, and categories of a draw."""
Known = Mapping[int | str, Sequence[str]]
"""Every category's key -> its names: first the one to be shown, last the one that no other category has."""


def resolve(categories: Sequence[str], known: Known) -> list[int | str]:
    """The keys of the categories asked for; upper and lower case only matter where they tell two categories apart.

    Letters with accents may be asked for in either Unicode form; names that are known are composed (NFC).

    >>> resolve(["Cat"], {17: ["cat"], 18: ["dog"]})
    [17]
    """
    if isinstance(categories, str) or not categories:
        raise ValueError(f"categories must be a list of at least one name, got {categories!r}")
    keys: list[int | str] = []
    for name in (unicodedata.normalize("NFC", str(category)) for category in categories):
        matches = [key for key, names in known.items() if name in names] or [
            key for key, names in known.items() if name.strip().lower() in {other.lower() for other in names}
        ]
        if not matches:
            raise ValueError(f"there is no category {name!r}; {_alternatives(name, known)}")
        if len(matches) > 1:
            exact = ", ".join(known[key][-1] for key in matches)
            raise ValueError(f"{name!r} names several categories; give one of {exact}")
        if matches[0] in keys:
            raise ValueError(f"{name!r} is asked for twice: {list(categories)}")
        keys += matches
    return keys


def _alternatives(name: str, known: Known) -> str:
    """The categories of similar names; all where there are few of them, and the first where none is similar."""
    if len(known) <= 20:
        return f"there are {_listed(known, known)}"
    keys = {other.lower(): key for key, names in known.items() for other in names}
    close = dict.fromkeys(keys[other] for other in difflib.get_close_matches(name.lower(), keys, n=5, cutoff=0.5))
    return f"{'closest' if close else 'first'} of the {len(known)} are {_listed(close or list(known)[:5], known)}"


def _listed(keys: Iterable[int | str], known: Known) -> str:
    return ", ".join(known[key][0] + (f" ({known[key][-1]})" if len(known[key]) > 1 else "") for key in keys)


class Draw(NamedTuple):
    """Categories that nobody chose."""

    seed: int
    of: int
    """How many they were drawn from."""
    categories: tuple[str, ...]


def draw(known: Sequence[str], seed: int) -> Draw:
    """Ten of some categories, each at most once: those whose names, behind the seed, have the smallest sha256.

    So every ten are as likely as any other, and a seed draws the same ones everywhere, in the same order.

    >>> draw([f"n{i:02}" for i in range(40)], seed=3).categories[:5]
    ('n23', 'n18', 'n09', 'n22', 'n03')
    """
    if len(known) <= DRAWN:
        names = ", ".join(known)
        raise ValueError(
            f"{DRAWN} categories are drawn from more, and there are {len(known)} ({names}): name some of them"
        )
    lots = sorted(known, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
    return Draw(seed, len(known), tuple(lots[:DRAWN]))


def choose(
    crops: Sequence[Crop],
    categories: Sequence[str],
    split: str,
    per_category: int | None,
    told: Notes,
    *,
    fewest: int = FEWEST,
    most: int | None = None,
    usable: Callable[[list[Crop]], list[Crop]] = lambda some: some,
) -> list[Crop]:
    """Some crops of each category: those whose keys have the smallest sha256, category by category and by key.

    So the choice is as good as drawn by lot, yet the same everywhere, and a larger one holds every smaller one. Of
    each category ``most`` are taken where ``per_category`` does not say how many, :data:`MOST` by default.
    ``usable`` gives those of some crops that can be read; the next in the lot take the places of the others.
    """
    most = MOST[split] if most is None else most
    limit = most if per_category is None else check_whole(per_category, "per_category", 1)
    by_label: list[list[Crop]] = [[] for _ in categories]
    for crop in crops:
        by_label[crop.label].append(crop)
    taken: list[list[Crop]] = []
    for group in by_label:
        kept, rest = [], sorted(group, key=by_lot)
        while rest and len(kept) < limit:
            missing = limit - len(kept)
            kept, rest = kept + usable(rest[:missing]), rest[missing:]
        taken.append(kept)
        if per_category is None:
            told.left_out[f"images beyond {most} of a category are left out (see per_category)"] += [
                crop.file for crop in rest
            ]
    counts = [len(group) for group in taken]
    if min(counts) < fewest:
        each = ", ".join(f"{name} {count}" for name, count in zip(categories, counts, strict=True))
        needed = f"every category needs {fewest} usable images or more (leave out those that have fewer)"
        raise ValueError(told.after(f"{needed}; {split!r} has: {each}"))
    if per_category is not None and per_category > min(counts):
        scarce = categories[counts.index(min(counts))]
        raise ValueError(
            told.after(f"per_category must lie in 1 ... {min(counts)} (as {scarce!r} has), got {per_category}")
        )
    return [crop for group in taken for crop in sorted(group, key=lambda crop: crop.key)]


def by_lot(crop: Crop) -> str:
    """Sorting by this mixes crops in a way that depends on nothing but their keys."""
    return hashlib.sha256(str(crop.key).encode("utf-8", "surrogateescape")).hexdigest()
