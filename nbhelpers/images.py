"""The currency of pictures: an :class:`ImageSet`, one split of one data set."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F

from nbhelpers.maths.arrays import Array, as_tensor, check_labels, check_same_length

SPLITS = ("train", "held_out")


def check_split(split: str) -> str:
    """``"train"`` or ``"held_out"``, or a ``ValueError`` that says so."""
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(map(repr, SPLITS))}, got {split!r}")
    return split


@dataclass(frozen=True, eq=False)
class ImageSet:
    """One split of one data set.

    Parameters
    ----------
    images : uint8 (N, 3, H, W)
        RGB, 0 ... 255.
    labels : int64 (N,)
        An index into ``categories`` for each image.
    categories : tuple of str
        The names, in the order of the labels.
    split : {"train", "held_out"}
    masks : int8 (N, H, W), optional
        What is seen at each pixel: -1 for the background, else the index of a category. The object is
        ``masks == label``; any other non-negative value is a fragment of that category.

    Raises
    ------
    ValueError
        If the arrays have other types or shapes than these, or do not describe the same images.

    Examples
    --------
    >>> images = np.zeros((4, 3, 8, 8), np.uint8)
    >>> pets = ImageSet(images, np.array([0, 1, 1, 0]), ("cat", "dog"), "train")
    >>> len(pets), pets.subset(per_category=1).labels.tolist()
    (4, [0, 1])
    """

    images: np.ndarray
    labels: np.ndarray
    categories: tuple[str, ...]
    split: str
    masks: np.ndarray | None = None

    def __post_init__(self) -> None:
        check_split(self.split)
        if self.images.ndim != 4 or self.images.shape[1] != 3 or self.images.dtype != np.uint8:
            raise ValueError(f"images must be uint8 (N, 3, H, W), got {self.images.dtype} {self.images.shape}")
        check_same_length(images=self.images, labels=self.labels)
        object.__setattr__(self, "labels", check_labels(self.labels, len(self.categories)))
        object.__setattr__(self, "categories", tuple(self.categories))
        shape = (len(self.images), *self.images.shape[2:])
        if self.masks is not None and (self.masks.shape != shape or self.masks.dtype != np.int8):
            raise ValueError(f"masks must be int8 {shape}, got {self.masks.dtype} {self.masks.shape}")

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        height, width = self.images.shape[2:]
        return f"ImageSet({len(self)} images of {height}x{width}, {len(self.categories)} categories, {self.split!r})"

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over shape, images and labels: what recorded results call ``data_sha256``."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(self.labels.astype("<i8").data)
        return digest.hexdigest()

    def subset(self, indices: Sequence[int] | np.ndarray | None = None, *, per_category: int | None = None) -> ImageSet:
        """Some of the images: those at ``indices`` in that order (or where they are true), or the first
        ``per_category`` of each category in the order in which they stand.

        Raises
        ------
        ValueError
            If not exactly one of the two is given, an index is out of range, or a category has too few images.
        """
        if (indices is None) == (per_category is None):
            raise ValueError("give either indices or per_category")
        if per_category is not None:
            indices = self.first_of_each(per_category)
        try:
            chosen = np.arange(len(self))[np.asarray(indices)]
        except IndexError as error:
            raise ValueError(f"indices do not fit {len(self)} images: {error}") from None
        return replace(
            self,
            images=self.images[chosen],
            labels=self.labels[chosen],
            masks=None if self.masks is None else self.masks[chosen],
        )

    def first_of_each(self, per_category: int, *, or_all: bool = False) -> np.ndarray:
        """Where the first ``per_category`` images of each category stand; ``or_all`` takes all where there are fewer.

        Raises
        ------
        ValueError
            If a category has fewer, without ``or_all``.
        """
        counts = np.bincount(self.labels, minlength=len(self.categories))
        if per_category < 1 or (per_category > counts.min() and not or_all):
            scarce = self.categories[counts.argmin()]
            raise ValueError(f"per_category must lie in 1 ... {counts.min()} (as {scarce!r} has), got {per_category}")
        return np.sort(np.concatenate([np.flatnonzero(self.labels == c)[:per_category] for c in range(len(counts))]))


def resized(images: ImageSet, side: int) -> ImageSet:
    """The same images, square at another size; masks keep whole categories.

    >>> one = ImageSet(np.zeros((1, 3, 8, 8), np.uint8), np.array([0]), ("cat", "dog"), "train")
    >>> resized(one, 16).images.shape
    (1, 3, 16, 16)
    """
    if images.images.shape[2:] == (side, side):
        return images
    # A few images at a time: in floats, all of them would take four times their memory.
    parts = torch.from_numpy(images.images).split(100)
    pixels = [
        F.interpolate(part.float(), size=(side, side), mode="bilinear", antialias=True).round().clamp(0, 255).byte()
        for part in parts
    ]
    masks = images.masks
    if masks is not None:
        masks = F.interpolate(torch.from_numpy(masks)[:, None].float(), size=(side, side)).to(torch.int8)[:, 0].numpy()
    return replace(images, images=torch.cat(pixels).numpy(), masks=masks)


def read_pixels(images: Array, name: str = "images", *, ndim: int = 4) -> torch.Tensor:
    """Images in [0, 1] as float32 on the CPU, or a ``ValueError`` that shows what was given."""
    pixels = as_tensor(images, name, ndim=ndim)
    low, high = float(pixels.min()), float(pixels.max())
    if low < 0 or high > 1:
        raise ValueError(f"{name} must lie in [0, 1], found {low:g} ... {high:g}; divide uint8 pixels by 255")
    return pixels
