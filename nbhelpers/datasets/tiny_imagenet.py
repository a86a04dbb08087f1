"""Tiny ImageNet from its original zip (read in place, nothing is unpacked), a .tgz, or the unpacked folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from nbhelpers.datasets.about import About
from nbhelpers.datasets.archive import Files, open_original
from nbhelpers.datasets.crops import Crop, read_crops
from nbhelpers.datasets.download import Original, locate
from nbhelpers.datasets.selection import resolve
from nbhelpers.datasets.telling import Notes
from nbhelpers.images import ImageSet

ABOUT = About(
    "200 categories of ImageNet photographs at 64x64; by default the ten of the paper",
    "not stated; ImageNet's terms allow non-commercial research and education, not passing the images on",
    origin="download",
)
ORIGINAL = Original(
    "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
    "6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821",
    248_100_043,
    marker="wnids.txt",
)
SIDE = 64
FOLDER = "tiny-imagenet-200"
_TABLES = (ORIGINAL.marker, "words.txt")
_ANNOTATIONS = "val/val_annotations.txt"
# The ten categories of the paper, in the order of its list.
PAPER_CATEGORIES = (
    "n04146614",  # school bus
    "n02123045",  # tabby
    "n02099601",  # golden retriever
    "n03179701",  # desk
    "n03584254",  # iPod
    "n04285008",  # sports car
    "n04311004",  # steel arch bridge
    "n07747607",  # orange
    "n01644900",  # tailed frog
    "n03662601",  # lifeboat
)
_TEXT_BYTES, _IMAGE_BYTES = 2**24, 2**18  # words.txt takes 2.6 MB, the largest image about 10 kB


def load(
    split: str,
    root: str | Path | None = None,
    *,
    categories: Sequence[str] = PAPER_CATEGORIES,
    download: bool = False,
) -> ImageSet:
    """Read the training images, or as held-out ones the original validation images.

    Categories are WordNet ids, or names as in ``words.txt``; grayscale images become RGB; ``download`` fetches the zip
    (248 MB). Validation images may have been sorted into ``val/<wnid>/`` or ``val/<wnid>/images/``; those that are
    listed and not there are left out and told. What is needed of a .tgz is unpacked into the cache. All else is as in
    :func:`nbhelpers.datasets.load`.
    """
    (path,) = locate("Tiny ImageNet", [ORIGINAL], FOLDER, root, download)
    with open_original(path, FOLDER, _TABLES) as (files, bring):
        words = {fields[0]: fields[-1] for fields in _lines("words.txt", files)}
        known = {
            wnid: [name.strip() for name in (*words.get(wnid, "").split(","), wnid) if name] for wnid in _listed(files)
        }
        wnids, told = resolve(categories, known), Notes()
        bring([f"train/{wnid}/images" for wnid in wnids] if split == "train" else ["val"])
        paths = _training(wnids, files) if split == "train" else _validation(wnids, files, told)
        places = [(path, label) for label, group in enumerate(paths) for path in sorted(group, key=_number)]
        crops = [Crop(path, label, path, None, (SIDE, SIDE)) for path, label in places]
        names = [known[wnid][0] for wnid in wnids]
        return read_crops(crops, partial(files.read, most=_IMAGE_BYTES), names, split, SIDE, told)


def categories(root: str | Path | None = None) -> list[str]:
    """The WordNet ids in ``wnids.txt``."""
    (path,) = locate("Tiny ImageNet", [ORIGINAL], FOLDER, root, download=False)
    with open_original(path, FOLDER, _TABLES) as (files, _):
        return _listed(files)


def _listed(files: Files) -> list[str]:
    return [fields[0].strip() for fields in _lines("wnids.txt", files)]


def _lines(member: str, files: Files) -> list[list[str]]:
    """A text file as lists of tab-separated fields."""
    text = files.read(member, _TEXT_BYTES).decode("utf-8", errors="replace")
    return [line.split("\t") for line in text.splitlines() if line.strip()]


def _training(wnids: Sequence[str], files: Files) -> list[list[str]]:
    paths = []
    for folder in (f"train/{wnid}/images" for wnid in wnids):
        paths.append([f"{folder}/{name}" for name in _images(folder, files)])
        if not paths[-1]:
            raise OSError(f"{files.path} holds no {folder}/*.JPEG: the data set is not in its original layout")
    return paths


def _validation(wnids: Sequence[str], files: Files, told: Notes) -> list[list[str]]:
    """Where the validation images of each category are: all in one folder, or sorted by category."""
    paths = {
        wnid: [f"{folder}/{name}" for folder in _sorted(wnid) for name in _images(folder, files)] for wnid in wnids
    }
    if not any(paths.values()) or files.holds(_ANNOTATIONS):
        paths = {wnid: [] for wnid in wnids}
        for name, *rest in _lines(_ANNOTATIONS, files):
            if rest and rest[0] in paths:
                places = [f"{folder}/{name}" for folder in ("val/images", *_sorted(rest[0]))]
                if there := next(filter(files.holds, places), None):
                    paths[rest[0]].append(there)
                else:
                    told.left_out["listed images that are not there are left out"].append(places[0])
    if missing := [wnid for wnid in wnids if not paths[wnid]]:
        lacking = f"{files.path} holds no validation images of {', '.join(missing)}: name other categories"
        raise ValueError(told.after(lacking))
    return list(paths.values())


def _sorted(wnid: str) -> tuple[str, str]:
    """Where people sort validation images into."""
    return f"val/{wnid}", f"val/{wnid}/images"


def _images(folder: str, files: Files) -> list[str]:
    return [name for name in files.names(folder) if name.endswith(".JPEG")]


def _number(path: str) -> tuple[int, str]:
    """``n01644900_12.JPEG`` and ``val_12.JPEG`` come twelfth, not after ``_119``."""
    digits = re.findall(r"\d+", Path(path).stem)
    return int(digits[-1]) if digits else 0, path
