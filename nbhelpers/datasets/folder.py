"""Any folder of images with a folder for each category."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from nbhelpers.datasets import layout
from nbhelpers.datasets.about import About
from nbhelpers.datasets.crops import Crop
from nbhelpers.datasets.lazy import lazy_images, looked_at
from nbhelpers.datasets.selection import by_lot, choose, resolve
from nbhelpers.datasets.telling import Notes, shown
from nbhelpers.files import in_words, memory_left
from nbhelpers.images import ImageSet

ABOUT = About("your own images, a folder for each category", "yours", origin="yours", any_size=True)
HELD_OUT = 0.2  # of the smallest category, and as many images of every other, without folders of splits


def load(
    split: str,
    root: str | Path | None = None,
    *,
    categories: Sequence[str] | None = None,
    side: int = 64,
    per_category: int | None = None,
    lazy: bool = False,
) -> ImageSet:
    """Read images of ``root/<category>/``, or of ``root/train/<category>/`` and ``root/val/<category>/``.

    Of each image the largest square in the middle is taken and resized, with antialiasing. Folders of splits are known
    by their names in upper or lower case: ``train`` or ``training``, and ``held_out``, ``val``, ``valid``,
    ``validation`` or ``test``, the first of these that holds folders. Without such a pair a fifth of the smallest
    category is held out and as many images of every other, chosen by lot but always the same.

    The categories are all folders of training images in the order of the alphabet, if not given; each needs held-out
    images, too. Folders below that of a category belong to it. Only regular files are read, and links may not lead out
    of the root. Hidden files, and what systems and archivers leave behind, are passed over; whatever else is left out
    is told in one warning, with its number and an example.

    Every file is looked at first, so that whoever has many hears of damaged ones before anything is computed: they are
    left out and told, and others take their places. With ``lazy=True`` images are then decoded only where they are
    indexed (:class:`~nbhelpers.images.LazyImages`), so that any number of them can be recorded or trained on; without
    ``per_category`` all are taken. All else is as in :func:`nbhelpers.datasets.load`.

    >>> import tempfile
    >>> from PIL import Image
    >>> pets = Path(tempfile.mkdtemp())
    >>> for name in ("cat/1.png", "cat/2.png", "dog/a.png", "dog/b.png", "dog/c.png"):
    ...     (pets / name).parent.mkdir(exist_ok=True)
    ...     Image.new("RGB", (30, 20)).save(pets / name)
    >>> load("train", pets, categories=["dog"], side=16, per_category=2)
    ImageSet(2 images of 16x16, 1 categories, 'train')
    """
    root, told = _checked(root), Notes()
    groups = _groups(split, root, categories, told)
    told.tell(stacklevel=4)
    crops = [crop._replace(label=label) for label, group in enumerate(groups.values()) for crop in group]
    with tqdm(desc=f"looking at {split} images", unit=" files", delay=2) as bar:
        usable = partial(looked_at, root=root, told=told, bar=bar)
        most = len(crops) if lazy else None
        chosen = choose(crops, list(groups), split, per_category, told, fewest=1, most=most, usable=usable)
    told.tell(stacklevel=4)
    images, labels = lazy_images(chosen, root, side), np.array([crop.label for crop in chosen], np.int64)
    size, left = math.prod(images.shape), memory_left()
    if not lazy and left is not None and size > left:
        raise ValueError(
            f"{len(images)} images of {side} pixels a side take {in_words(size)}, and {in_words(left)} of memory are "
            "left: read them where they are needed, with lazy=True, or fewer of them (per_category)"
        )
    return ImageSet(images if lazy else np.asarray(images), labels, tuple(groups), split, left_out=told.counts())


def categories(root: str | Path | None = None) -> list[str]:
    """The names of all categories."""
    return list(_groups("held_out", _checked(root), None, Notes()))


def _checked(root: str | Path | None) -> Path:
    """The folder, which is there."""
    if root is None:
        raise ValueError("images of your own need their path: a folder that holds one of images for each category")
    root = Path(root).expanduser()
    if not root.is_dir():
        raise OSError(f"there is no folder {shown(root)}; it should hold a folder of images for each category")
    return root


def _groups(split: str, root: Path, categories: Sequence[str] | None, told: Notes) -> dict[str, list[Crop]]:
    """The images of each category in one split. What is told is the same for either, so that Python shows it once."""
    training, held_out = layout.splits(root, told)
    here = layout.categories(training, root, told)
    names = sorted(here) if categories is None else resolve(categories, {name: (name,) for name in here})
    groups = {name: _crops(here[name], root, told) for name in names}
    if categories is None:
        told.left_out["folders without images are left out"] += [str(here[name]) for name in names if not groups[name]]
        groups = {name: group for name, group in groups.items() if group}
    _check(groups, training, told)
    if training == held_out:
        sizes = [len(_crops(folder, root, Notes())) for folder in here.values()]
        return _share(groups, split, min(filter(None, sizes)))
    there = layout.categories(held_out, root, told)
    if categories is None:
        strange = sorted(there.keys() - here.keys())
        told.left_out["held-out categories without training images are left out"] += [
            str(there[name]) for name in strange
        ]
    tested = {name: _crops(there[name], root, told) if name in there else [] for name in groups}
    _check(tested, held_out, told)
    return groups if split == "train" else tested


def _crops(folder: Path, root: Path, told: Notes) -> list[Crop]:
    """The images of a category; the key of each, which decides the lot, is its composed (NFC) path in the folder."""
    paths = layout.images(folder, root, told)
    return [Crop(str(path), 0, unicodedata.normalize("NFC", path.relative_to(folder).as_posix())) for path in paths]


def _check(groups: dict[str, list[Crop]], folder: Path, told: Notes) -> None:
    """Every category must have images, and there must be one; what was told may be the reason."""
    lacking = ", ".join(repr(name) for name, group in groups.items() if not group)
    if lacking or not groups:
        what = f"images of {lacking}, and every category needs some for training and some held out"
        raise ValueError(told.after(f"{shown(folder)} holds no {what if lacking else 'images'}"))


def _share(groups: dict[str, list[Crop]], split: str, smallest: int) -> dict[str, list[Crop]]:
    """One split of each category by lot; the smallest category of all, asked for or not, decides how many are held out.

    So no choice of categories moves an image from one split to the other.
    """
    for name, group in groups.items():
        if len(group) < 2:
            raise ValueError(
                f"the category {name!r} has only the image {shown(group[0].file)}, and needs a second: one is held out"
            )
    held = max(1, round(HELD_OUT * smallest))
    kept = slice(held, None) if split == "train" else slice(held)
    return {name: sorted(group, key=by_lot)[kept] for name, group in groups.items()}
