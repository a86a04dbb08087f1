"""The currency of pictures: an :class:`ImageSet`, one split of one data set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

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
class LazyImages:
    """Images that come into memory only where they are indexed: to whoever does, a uint8 array (N, 3, H, W).

    ``images[3]``, ``images[:100]`` and ``images[[4, 2]]`` read these and no others; ``np.asarray(images)`` reads all.

    Parameters
    ----------
    read : callable
        From the numbers of some images to uint8 (n, 3, H, W).
    names : tuple of str
        Where each image is, such as the path of its file.
    digests : tuple of str
        For each image, what changes when its pixels do.
    size : (int, int)
        Height and width.

    Examples
    --------
    >>> def read(numbers):
    ...     return np.full((len(numbers), 3, 8, 8), 99, np.uint8)
    >>> grey = LazyImages(read, names=("a.png", "b.png"), digests=("1", "2"), size=(8, 8))
    >>> grey.shape, grey[0].shape, grey[[1]].mean()
    ((2, 3, 8, 8), (3, 8, 8), np.float64(99.0))
    """

    read: Callable[[np.ndarray], np.ndarray]
    names: tuple[str, ...]
    digests: tuple[str, ...]
    size: tuple[int, int]

    ndim = 4
    dtype = np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self), 3, *self.size

    def __getitem__(self, index: Any) -> np.ndarray:
        if isinstance(index, tuple):
            raise IndexError("images are read from their files: index them alone, then the pixels of what that gives")
        numbers = np.arange(len(self))[[] if isinstance(index, list) and not index else index]
        pixels = self.read(np.atleast_1d(numbers))
        return pixels if np.ndim(numbers) else pixels[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("images that are read from their files are always a copy")
        return self[:].astype(dtype or self.dtype, copy=False)

    def select(self, indices: np.ndarray) -> LazyImages:
        """Some of them, not read yet."""
        numbers = np.arange(len(self))[indices]
        names, digests = (tuple(texts[n] for n in numbers) for texts in (self.names, self.digests))
        return LazyImages(partial(_read_some, self.read, numbers), names, digests, self.size)


def _read_some(read: Callable[[np.ndarray], np.ndarray], chosen: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    return read(chosen[numbers])


@dataclass(frozen=True, eq=False)
class ImageSet:
    """One split of one data set.

    Parameters
    ----------
    images : uint8 (N, 3, H, W)
        RGB, 0 ... 255; an array, or :class:`LazyImages`, which are read where they are needed.
    labels : int64 (N,)
        An index into ``categories`` for each image.
    categories : tuple of str
        The names, in the order of the labels.
    split : {"train", "held_out"}
    masks : int8 (N, H, W), optional
        What is seen at each pixel: -1 for the background, else the index of a category. The object is
        ``masks == label``; any other non-negative value is a fragment of that category.
    left_out : mapping of str to int, optional
        What of the data set was left out, and how much; a subset has all of it, too.

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

    images: np.ndarray | LazyImages
    labels: np.ndarray
    categories: tuple[str, ...]
    split: str
    masks: np.ndarray | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)

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
        """sha256 over shape, images and labels: what recorded results call ``data_sha256``.

        Of lazy images the content of their files counts, so theirs is another than that of the same pixels in memory.
        """
        digest = hashlib.sha256(repr(self.images.shape).encode())
        if isinstance(self.images, LazyImages):
            digest.update("\n".join(self.images.digests).encode())
        else:
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
            images=self.images.select(chosen) if isinstance(self.images, LazyImages) else self.images[chosen],
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
    if isinstance(images.images, LazyImages):
        digests = tuple(f"{digest} resized from {images.images.size}" for digest in images.images.digests)
        read = partial(_read_resized, images.images.read, side)
        pixels = replace(images.images, read=read, digests=digests, size=(side, side))
    else:
        # A few images at a time: in floats, all of them would take four times their memory.
        pixels = np.concatenate([_interpolated(part, side) for part in batches(images.images, 100)])
    masks = images.masks
    if masks is not None:
        masks = F.interpolate(torch.from_numpy(masks)[:, None].float(), size=(side, side)).to(torch.int8)[:, 0].numpy()
    return replace(images, images=pixels, masks=masks)


def _interpolated(images: np.ndarray, side: int) -> np.ndarray:
    floats = torch.from_numpy(images).float()
    larger = F.interpolate(floats, size=(side, side), mode="bilinear", antialias=True)
    return larger.round().clamp(0, 255).byte().numpy()


def _read_resized(read: Callable[[np.ndarray], np.ndarray], side: int, numbers: np.ndarray) -> np.ndarray:
    return _interpolated(read(numbers), side)


def batches(images: np.ndarray | LazyImages, size: int, start: int = 0) -> Iterator[np.ndarray]:
    """``size`` images after the other, from number ``start`` on; lazy ones are read one batch ahead.

    >>> [len(batch) for batch in batches(np.zeros((7, 3, 8, 8), np.uint8), 3)]
    [3, 3, 1]
    """
    parts = [slice(first, first + size) for first in range(start, len(images), size)]
    if not isinstance(images, LazyImages):
        yield from (images[part] for part in parts)
        return
    with ThreadPoolExecutor(1) as ahead:
        coming = [ahead.submit(images.__getitem__, part) for part in parts[:1]]
        for part in (*parts[1:], None):
            batch = coming.pop().result() if coming else None
            if part is not None:
                coming.append(ahead.submit(images.__getitem__, part))
            if batch is not None:
                yield batch


def read_pixels(images: Array, name: str = "images", *, ndim: int = 4) -> torch.Tensor:
    """Images in [0, 1] as float32 on the CPU, or a ``ValueError`` that shows what was given."""
    pixels = as_tensor(images, name, ndim=ndim)
    low, high = float(pixels.min()), float(pixels.max())
    if low < 0 or high > 1:
        raise ValueError(f"{name} must lie in [0, 1], found {low:g} ... {high:g}; divide uint8 pixels by 255")
    return pixels
