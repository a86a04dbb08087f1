"""Tiny ImageNet from its original zip (read in place, nothing is unpacked) or from the unpacked folder."""

from __future__ import annotations

import difflib
import io
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image
from tqdm import tqdm

from nbhelpers.datasets.about import About
from nbhelpers.datasets.archive import Files, open_files
from nbhelpers.datasets.download import fetch
from nbhelpers.files import cache_dir
from nbhelpers.images import ImageSet, check_split

ABOUT = About(
    "200 categories of ImageNet photographs at 64x64; by default the ten of the paper",
    "not stated; ImageNet's terms allow non-commercial research and education, not passing the images on",
    origin="download",
)
URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
SHA256 = "6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821"
FOLDER = "tiny-imagenet-200"
SIDE = 64
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

    Parameters
    ----------
    split : {"train", "held_out"}
    root : path, optional
        The original zip, the unpacked folder, or a folder that holds one of them. If not given, the zip in the
        cache, where ``download=True`` puts it.
    categories : sequence of str
        WordNet ids, or names as in ``words.txt`` (any of a category's names; upper or lower case).
    download : bool
        Fetch the zip (248 MB) into the cache if it is not there.

    Returns
    -------
    ImageSet
        64x64 images (grayscale ones as RGB), category by category in the order asked for, each by its number.

    Raises
    ------
    ValueError
        If the split or a category does not exist, or a category is ambiguous or asked for twice.
    OSError
        If the data set is not there, a file is missing, damaged, too large or no 64x64 image, or a path in it
        leads out of the folder.
    """
    check_split(split)
    if isinstance(categories, str) or not categories:
        raise ValueError(f"categories must be a list of at least one name or WordNet id, got {categories!r}")
    with open_files(_locate(root, download), "wnids.txt") as files:
        ids, names = _resolve(categories, files)
        members = _train_members(ids, files) if split == "train" else _held_out_members(ids, files)
        progress = tqdm(members, desc=f"tiny-imagenet {split}", delay=2)
        images = np.stack([_image(member, files) for member, _ in progress])
    return ImageSet(images, np.array([label for _, label in members]), names, split)


def _locate(root: str | Path | None, download: bool) -> Path:
    """The zip, or the folder that holds ``wnids.txt``."""
    archive = f"{FOLDER}.zip"
    if root is None:
        path = cache_dir() / archive
        if download:
            return fetch(URL, SHA256, archive)
        if not path.is_file():
            raise OSError(
                f"Tiny ImageNet is not at {path}; pass download=True to fetch it (248 MB) from {URL}, or root=... "
                "with the path of the zip or of the unpacked folder"
            )
        return path
    if download:
        raise ValueError("download=True fetches into the cache (NBHELPERS_CACHE moves it); leave root out")
    root = Path(root).expanduser()
    for path in (root, root / FOLDER, root / archive):
        if path.is_file() or (path / "wnids.txt").is_file():
            return path
    found = "is a folder without wnids.txt" if root.is_dir() else "does not exist"
    raise OSError(f"no Tiny ImageNet at {root}: it {found}; root is {archive}, or the folder {FOLDER} made from it")


def _lines(member: str, files: Files) -> list[list[str]]:
    """A text file as lists of tab-separated fields."""
    text = files.read(member, _TEXT_BYTES).decode("utf-8", errors="replace")
    return [line.split("\t") for line in text.splitlines() if line.strip()]


def _resolve(categories: Sequence[str], files: Files) -> tuple[list[str], tuple[str, ...]]:
    """WordNet ids and short names of the categories asked for."""
    here = dict.fromkeys(fields[0].strip() for fields in _lines("wnids.txt", files))
    names = {fields[0]: [name.strip() for name in fields[-1].split(",")] for fields in _lines("words.txt", files)}
    by_name: dict[str, list[str]] = {}
    for wnid in here:
        for name in {wnid, *names.get(wnid, [])}:
            by_name.setdefault(name.lower(), []).append(wnid)
    ids = []
    for category in categories:
        matches = by_name.get(str(category).strip().lower(), [])
        if not matches:
            others = _alternatives(str(category), here, names, by_name)
            raise ValueError(f"there is no category {category!r}; {others}")
        if len(matches) > 1:
            raise ValueError(f"{category!r} names several categories: give one of the ids {', '.join(matches)}")
        if matches[0] in ids:
            raise ValueError(f"{category!r} is asked for twice: {list(categories)}")
        ids += matches
    return ids, tuple(names.get(wnid, [wnid])[0] for wnid in ids)


def _alternatives(wanted: str, here: dict, names: dict, by_name: dict) -> str:
    if len(here) <= 20:
        return "there are " + ", ".join(f"{names.get(wnid, [wnid])[0]} ({wnid})" for wnid in here)
    close = difflib.get_close_matches(wanted.lower(), by_name, n=5, cutoff=0.5)
    return f"closest of the {len(here)} are " + (", ".join(close) or "none; wnids.txt and words.txt list them")


def _train_members(ids: list[str], files: Files) -> list[tuple[str, int]]:
    members = []
    for label, wnid in enumerate(ids):
        folder = f"train/{wnid}/images"
        found = [name for name in files.names(folder) if name.endswith(".JPEG")]
        if not found:
            raise OSError(f"{files.path} holds no {folder}/*.JPEG: the data set is not in its original layout")
        members += [(f"{folder}/{name}", label) for name in sorted(found, key=_number)]
    return members


def _held_out_members(ids: list[str], files: Files) -> list[tuple[str, int]]:
    annotations = "val/val_annotations.txt"
    found: dict[str, list[str]] = {wnid: [] for wnid in ids}
    for name, *rest in _lines(annotations, files):
        if rest and rest[0] in found:
            found[rest[0]].append(name)
    missing = [wnid for wnid in ids if not found[wnid]]
    if missing:
        raise OSError(f"{annotations} in {files.path} names no image of {', '.join(missing)}")
    return [(f"val/images/{name}", ids.index(wnid)) for wnid in ids for name in sorted(found[wnid], key=_number)]


def _number(file: str) -> tuple[int, str]:
    """``n01644900_12.JPEG`` and ``val_12.JPEG`` come twelfth, not after ``_119``."""
    digits = re.findall(r"\d+", PurePosixPath(file).stem)
    return (int(digits[-1]) if digits else 0, file)


def _image(member: str, files: Files) -> np.ndarray:
    """uint8 (3, 64, 64). The size is read from the header and refused before anything is decoded."""
    content = files.read(member, _IMAGE_BYTES)
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            if image.size != (SIDE, SIDE):
                raise OSError(f"it is {image.width}x{image.height} pixels, not {SIDE}x{SIDE}")
            return np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise OSError(f"{member} is not a usable image: {error}") from None
