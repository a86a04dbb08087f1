"""What is really in each region, where masks tell: the object, a fragment of another category, or background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from nbhelpers.images import ImageSet
from nbhelpers.maths.arrays import check_same_length

PLACES = ("object", "fragment", "background", "mixed")


@dataclass(frozen=True)
class RegionTruth:
    """Shares of the pixels of every region, row by row of the grid.

    Attributes
    ----------
    object : float32 (N, R)
        Share of the pixels that show the image's own category.
    fragment : float32 (N, R)
        Share that shows any other category.
    fragment_category : int64 (N, R)
        The other category that fills most of the region; -1 where there is none.
    """

    object: np.ndarray
    fragment: np.ndarray
    fragment_category: np.ndarray

    @property
    def place(self) -> np.ndarray:
        """What fills at least half of the region: "object", "fragment", "background", or "mixed"; (N, R)."""
        background = 1 - self.object - self.fragment
        return np.select([part >= 0.5 for part in (self.object, self.fragment, background)], PLACES[:3], PLACES[3])


def region_truth(images: ImageSet, grid: int | tuple[int, int]) -> RegionTruth:
    """Read the masks of a data set on a grid of regions.

    Raises
    ------
    ValueError
        If the data set has no masks.

    Examples
    --------
    >>> masks = np.array([[[1, 1, -1, -1], [1, 1, -1, 0]]], np.int8)
    >>> one = ImageSet(np.zeros((1, 3, 2, 4), np.uint8), np.array([1]), ("bag", "coat"), "held_out", masks)
    >>> truth = region_truth(one, (1, 2))
    >>> truth.object.tolist(), truth.fragment.tolist(), truth.fragment_category.tolist(), truth.place.tolist()
    ([[1.0, 0.0]], [[0.0, 0.25]], [[-1, 0]], [['object', 'background']])
    """
    masks = torch.from_numpy(_masks(images))
    shares = torch.stack(
        [F.adaptive_avg_pool2d((masks == c).float(), grid).flatten(1) for c in range(len(images.categories))], dim=2
    ).numpy()
    own = np.arange(len(images)), slice(None), images.labels
    seen = shares[own].copy()
    shares[own] = 0
    other = shares.argmax(axis=2)
    return RegionTruth(seen, shares.sum(axis=2), np.where(shares.max(axis=2) > 0, other, -1))


def shown_categories(images: ImageSet) -> np.ndarray:
    """Of which other categories each image shows a fragment, bool (N, C).

    Raises
    ------
    ValueError
        If the data set has no masks.

    Examples
    --------
    >>> masks = np.array([[[1, 1, -1, 0]]], np.int8)
    >>> one = ImageSet(np.zeros((1, 3, 1, 4), np.uint8), np.array([1]), ("bag", "coat", "dress"), "held_out", masks)
    >>> shown_categories(one).tolist()
    [[True, False, False]]
    """
    masks = _masks(images)
    shown = np.stack([(masks == c).any(axis=(1, 2)) for c in range(len(images.categories))], axis=1)
    shown[np.arange(len(images)), images.labels] = False
    return shown


def _masks(images: ImageSet) -> np.ndarray:
    if images.masks is None:
        raise ValueError(
            f"{images!r} has no masks; only data sets with known masks, such as scenes, tell what is where"
        )
    return images.masks


class Chance(NamedTuple):
    """How often named categories are shown, how often by chance, and how probable it is to be so often by chance."""

    share: float
    expected: float
    p_value: float


def named_by_chance(named: np.ndarray, original: np.ndarray, shows: np.ndarray) -> Chance:
    """Are images given the name of a category whose fragment they show, more often than chance?

    By chance, the names of all images of one original category are dealt out among these images: categories that are
    easily confused stay as they are, only the fragments lose their say. The p-value counts 10,000 deals, and the names
    as they are.

    Parameters
    ----------
    named, original : int (N,)
        The names given, and the images' own categories.
    shows : bool (N, C)
        Of which categories each image shows a fragment.

    Raises
    ------
    ValueError
        If there is no image, or lengths differ.

    Examples
    --------
    >>> shows = np.array([[False, True, False], [False, False, True]])
    >>> chance = named_by_chance(np.array([1, 2]), np.array([0, 0]), shows)
    >>> chance.share, chance.expected
    (1.0, 0.5)
    """
    n = check_same_length(named=named, original=original, shows=shows)
    if not n:
        raise ValueError("no image was given a name: nothing to compare with chance")
    groups = [np.flatnonzero(original == c) for c in np.unique(original)]
    share = float(shows[np.arange(n), named].mean())
    expected = sum(float(shows[np.ix_(group, named[group])].mean()) * len(group) for group in groups) / n
    rng, shuffles = np.random.default_rng(0), 10_000
    hits = np.zeros(shuffles, dtype=np.int64)
    for group in groups:
        table = shows[np.ix_(group, named[group])]
        deals = rng.permuted(np.tile(np.arange(len(group)), (shuffles, 1)), axis=1)
        hits += table[np.arange(len(group)), deals].sum(axis=1)
    as_often = int((hits >= round(share * n)).sum())
    return Chance(share, expected, (1 + as_often) / (1 + shuffles))
