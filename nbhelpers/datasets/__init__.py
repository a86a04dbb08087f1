"""Data sets behind one protocol: each module has ``ABOUT`` and a ``load`` that gives an :class:`ImageSet`."""

from __future__ import annotations

# ruff: noqa: E402
from pathlib import Path
from typing import Any

from nbhelpers.extras import require

require("data")

from nbhelpers.datasets import coco, cub, folder, photographs, scenes, selection, tiny_imagenet
from nbhelpers.datasets.about import About
from nbhelpers.datasets.telling import DataWarning
from nbhelpers.images import ImageSet, check_split
from nbhelpers.maths.arrays import check_whole

__all__ = ["About", "DataWarning", "ImageSet", "available", "draw", "load"]

_MODULES = {
    "scenes": scenes,
    "photographs": photographs,
    "tiny-imagenet": tiny_imagenet,
    "coco": coco,
    "cub": cub,
    "folder": folder,
}


def available() -> dict[str, About]:
    """Every data set's name, and what it is, its licence, and where it comes from.

    >>> available()["scenes"].origin
    'bundled'
    """
    return {name: module.ABOUT for name, module in _MODULES.items()}


def load(name: str, split: str, root: str | Path | None = None, **options: Any) -> ImageSet:
    """Load one split of a data set.

    Parameters
    ----------
    name : str
        One of :func:`available`.
    split : {"train", "held_out"}
    root : path, optional
        The archive of a data set that is not bundled, its unpacked folder, or a folder that holds one of them; your
        own images for ``"folder"``. If not given, the archive in the cache.
    **options
        What the data set's own ``load`` takes: ``size`` and ``seed`` for scenes; for the others

        - ``categories``, their names in the order of the labels; upper or lower case;
        - ``side`` of the square images in pixels (not for Tiny ImageNet, which has 64);
        - ``per_category``, how many images of each, chosen by lot but always the same; if not given, all, but at most
          500 for training and 50 held out (Tiny ImageNet: always all);
        - ``download=True`` to fetch into the cache what is not there (not for ``"folder"``);
        - ``lazy=True``, for ``"folder"`` alone: images come into memory only where they are indexed.

    Returns
    -------
    ImageSet
        Category by category in the order asked for, each in the order of its numbers or names; scenes mix them. Its
        ``left_out`` counts what was left out.

    Raises
    ------
    ValueError
        If the name or split is unknown, ``root`` is given for a bundled data set or missing for ``"folder"``, or a
        category is unknown, ambiguous, asked for twice, or has too few images, or images of an archive are to be lazy.
    OSError
        If files of a data set are missing, damaged, too large, not regular, not what their annotations say, or lead out
        of their folder.

    Warns
    -----
    DataWarning
        If something is left out (such as boxes outside their image, or damaged images of your own), images are put on
        white where they are transparent, or more than one picture is in a file: one line, with how many and an example.

    Examples
    --------
    >>> load("scenes", "held_out", size=30)
    ImageSet(30 images of 64x64, 10 categories, 'held_out')
    """
    _check_name(name)
    check_split(split)
    if "side" in options:
        check_whole(options["side"], "side", 8)
    if options.get("lazy") and name != "folder":
        raise ValueError(f"{name!r} takes no lazy=True: only images of a 'folder' are read where they are needed")
    if root is not None:
        if _MODULES[name].ABOUT.origin == "bundled":
            raise ValueError(f"{name!r} is bundled and takes no root, got {str(root)!r}")
        options["root"] = root
    return _MODULES[name].load(split, **options)


def draw(name: str, seed: int, root: str | Path | None = None) -> selection.Draw:
    """Draw ten categories of a data set by lot, for results on categories that nobody chose.

    Parameters
    ----------
    name : str
        One of :func:`available` that is not bundled.
    seed : int
        Another one draws others; the same one, of the same categories, draws the same everywhere.
    root : path, optional
        As of :func:`load`.

    Returns
    -------
    Draw
        The ``seed``, ``of`` how many they were drawn, and the ten ``categories`` as :func:`load` takes them. They are
        drawn from those that the data set lists; of COCO, whose boxes may all be tiny, from those with usable ones.

    Raises
    ------
    ValueError
        If there are no more than ten categories, or the data set is unknown or bundled.
    OSError
        As :func:`load`.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> alphabet = Path(tempfile.mkdtemp())
    >>> for letter in "abcdefghijklmnop":
    ...     (alphabet / letter).mkdir()
    ...     for i in range(2):
    ...         Image.new("L", (8, 8)).save(alphabet / letter / f"{i}.png")
    >>> seed, of, categories = draw("folder", seed=0, root=alphabet)
    >>> of, "".join(categories)
    (16, 'nikegojmhl')
    """
    _check_name(name)
    if _MODULES[name].ABOUT.origin == "bundled":
        raise ValueError(f"{name!r} is bundled, and its categories are not to choose from: draw those of other data")
    return selection.draw(_MODULES[name].categories(root), seed)


def _check_name(name: str) -> None:
    if name not in _MODULES:
        raise ValueError(f"there is no data set {name!r}; there are {', '.join(map(repr, _MODULES))}")
