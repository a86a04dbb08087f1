"""CUB-200-2011: one bird in each photograph, cropped by its annotated box."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nbhelpers.datasets.about import About
from nbhelpers.datasets.archive import Files, open_original
from nbhelpers.datasets.crops import Crop, clip, image_size, read_crops
from nbhelpers.datasets.download import Original, locate
from nbhelpers.datasets.selection import choose, resolve
from nbhelpers.datasets.telling import Notes
from nbhelpers.images import ImageSet

ABOUT = About(
    "200 kinds of birds, cropped by their boxes; by default the first ten",
    "not stated; for non-commercial research and education, the images belong to their photographers",
    origin="download",
    any_size=True,
)
# The sha256 as TensorFlow Datasets checks it (tensorflow/datasets, url_checksums/caltech_birds2011.txt).
ORIGINAL = Original(
    "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
    "0c685df5597a8b24909f6a7c9db6d11e008733779a671760afef78feb49bf081",
    1_150_585_339,
    marker="classes.txt",
)
FOLDER = "CUB_200_2011"
_FIRST = (
    "Black footed Albatross, Laysan Albatross, Sooty Albatross, Groove billed Ani, Crested Auklet, "
    "Least Auklet, Parakeet Auklet, Rhinoceros Auklet, Brewer Blackbird, Red winged Blackbird"
)
CATEGORIES = tuple(_FIRST.split(", "))
_TABLES = ("classes.txt", "images.txt", "image_class_labels.txt", "train_test_split.txt", "bounding_boxes.txt")


def load(
    split: str,
    root: str | Path | None = None,
    *,
    categories: Sequence[str] = CATEGORIES,
    side: int = 64,
    per_category: int | None = None,
    download: bool = False,
) -> ImageSet:
    """Crop the birds of the original training split, or as held-out ones those of its test split.

    Boxes are clipped to their image; those whose shorter side then takes fewer than 48 pixels, those outside their
    image, and images without a box or that are not there are left out and told. A crop is the square around the middle
    of the box with 1.1 times its longer side (see :func:`nbhelpers.datasets.crops.cut`).

    What is needed of an archive is unpacked into the cache; ``download`` fetches it (1.15 GB). A category has names
    such as ``"Laysan Albatross"``, ``"002.Laysan_Albatross"`` and ``"002"``. All else is as in
    :func:`nbhelpers.datasets.load`.
    """
    (path,) = locate("CUB-200-2011", [ORIGINAL], FOLDER, root, download)
    with open_original(path, FOLDER, _TABLES) as (files, bring):
        names = _known(files)
        keys = resolve(categories, names)
        bring([f"images/{names[key][1]}" for key in keys])
        shown, told = [names[key][0] for key in keys], Notes()
        crops = choose(_crops(keys, split, files, told), shown, split, per_category, told)
        return read_crops(crops, files.read, shown, split, side, told)


def categories(root: str | Path | None = None) -> list[str]:
    """The species in ``classes.txt``, such as ``"002.Laysan_Albatross"``."""
    (path,) = locate("CUB-200-2011", [ORIGINAL], FOLDER, root, download=False)
    with open_original(path, FOLDER, _TABLES) as (files, _):
        return [folder for _, folder, *_ in _known(files).values()]


def _known(files: Files) -> dict[int | str, tuple[str, ...]]:
    return {key: _names(text) for key, (text,) in _table("classes.txt", files, 1).items()}


def _names(folder: str) -> tuple[str, ...]:
    """``002.Laysan_Albatross``: as a reader would write it, as the folder is called, and its number."""
    number, _, name = folder.partition(".")
    return name.replace("_", " "), folder, number, number.lstrip("0")


def _table(name: str, files: Files, columns: int) -> dict[int, list[str]]:
    """A text file with a number and some columns in each line."""
    rows = {}
    for line in files.read(name).decode("utf-8", errors="replace").splitlines():
        key, *rest = line.split(maxsplit=columns) or [""]
        if key.isdecimal() and len(rest) == columns:
            rows[int(key)] = rest
        elif line.strip():
            raise OSError(f"{name} in {files.path} has a line without a number and {columns} more: {line!r}")
    return rows


def _crops(keys: Sequence[int | str], split: str, files: Files, told: Notes) -> list[Crop]:
    """The boxes of one split that are not tiny, and whose images are there."""
    paths, boxes = _table("images.txt", files, 1), _table("bounding_boxes.txt", files, 4)
    trains = _table("train_test_split.txt", files, 1)
    labels = {str(key): label for label, key in enumerate(keys)}
    crops = []
    for number, (category,) in _table("image_class_labels.txt", files, 1).items():
        if category not in labels:
            continue
        for name, table in (("images", paths), ("train_test_split", trains)):
            if number not in table:
                raise OSError(f"{name}.txt in {files.path} has no image {number}")
        if (trains[number][0] == "1") != (split == "train"):
            continue
        file = f"images/{paths[number][0]}"
        if not files.holds(file):
            told.left_out["listed images that are not there are left out"].append(file)
        elif number not in boxes:
            told.left_out["images without a box are left out"].append(file)
        elif clipped := clip(_numbers(boxes[number]), size := image_size(files.read(file), file), file, told):
            crops.append(Crop(file, labels[category], number, clipped, size))
    return crops


def _numbers(fields: Sequence[str]) -> list[float | str]:
    """Fields as numbers, where all are."""
    try:
        return [float(field) for field in fields]
    except ValueError:
        return list(fields)
