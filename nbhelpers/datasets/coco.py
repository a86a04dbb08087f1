"""COCO 2014: things of everyday life, each cropped from its photograph by its annotated box."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nbhelpers.datasets.about import About
from nbhelpers.datasets.archive import Files, open_files
from nbhelpers.datasets.crops import Crop, clip, read_crops
from nbhelpers.datasets.download import Original, locate
from nbhelpers.datasets.selection import FEWEST, Known, choose, resolve
from nbhelpers.datasets.telling import Notes
from nbhelpers.images import ImageSet

ABOUT = About(
    "80 kinds of things of COCO 2014, cropped by their boxes; by default ten of them",
    "annotations CC BY 4.0; each image has the licence of its photographer on Flickr",
    origin="download",
    any_size=True,
)
# Sizes and sha256 as TensorFlow Datasets checks them (tensorflow/datasets, url_checksums/coco.txt).
ANNOTATIONS = Original(
    "http://images.cocodataset.org/annotations/annotations_trainval2014.zip",
    "031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009",
    252_872_794,
    marker="annotations",
)
IMAGES = {
    "train": Original(
        "http://images.cocodataset.org/zips/train2014.zip",
        "ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775",
        13_510_573_713,
        marker="train2014",
    ),
    "held_out": Original(
        "http://images.cocodataset.org/zips/val2014.zip",
        "fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0",
        6_645_013_297,
        marker="val2014",
    ),
}
CATEGORIES = ("dining table", "chair", "cup", "bowl", "car", "toilet", "tv", "cat", "pizza", "bus")
_JSON_BYTES = 2**30
_KEYS = {  # what is used of each list of the annotations
    "images": {"id": int, "file_name": str, "width": int, "height": int},
    "annotations": {"id": int, "image_id": int, "category_id": int, "bbox": list},
    "categories": {"id": int, "name": str},
}


def load(
    split: str,
    root: str | Path | None = None,
    *,
    categories: Sequence[str] = CATEGORIES,
    side: int = 64,
    per_category: int | None = None,
    download: bool = False,
) -> ImageSet:
    """Crop things of the original training images, or as held-out ones of the validation images.

    Boxes are clipped to their image; those around crowds, those whose shorter side then takes fewer than 48 pixels,
    those outside their image, and those whose image is not there are left out and told. A crop is the square around
    the middle of the box with 1.1 times its longer side (see :func:`nbhelpers.datasets.crops.cut`), so other things
    may be seen in it, too.

    Which ten categories the paper used is not known to us; the default are ten of those with many large boxes.

    ``root`` may also be a folder that holds the official zips, which are read where they are; ``download`` fetches
    those of the split: 253 MB, and 13.5 GB for training or 6.6 GB held out. All else is as in
    :func:`nbhelpers.datasets.load`.
    """
    with _opened(split, root, download) as (annotations, names, files):
        keys, told = resolve(categories, names), Notes()
        shown = [names[key][0] for key in keys]
        crops = _crops(annotations, keys, IMAGES[split].marker, files.holds, told)
        chosen = choose(crops, shown, split, per_category, told)
        return read_crops(chosen, files.read, shown, split, side, told)


def categories(root: str | Path | None = None) -> list[str]:
    """Those with as many usable boxes as are needed, in either split."""
    enough: list[list[str]] = []
    for split, original in IMAGES.items():
        with _opened(split, root) as (annotations, names, files):
            crops = _crops(annotations, list(names), original.marker, files.holds, Notes())
            boxes = Counter(crop.label for crop in crops)
            enough.append([name for label, (name,) in enumerate(names.values()) if boxes[label] >= FEWEST])
    training, held_out = enough
    return [name for name in training if name in held_out]


@contextmanager
def _opened(
    split: str, root: str | Path | None, download: bool = False
) -> Iterator[tuple[dict[str, list[dict[str, Any]]], Known, Files]]:
    """The annotations of a split, the names of all categories in them, and the images."""
    folder = IMAGES[split].marker
    member = f"{ANNOTATIONS.marker}/instances_{folder}.json"
    annotated, pictured = locate("COCO 2014", [ANNOTATIONS, IMAGES[split]], "coco2014", root, download)
    with open_files(annotated, member) as files:
        annotations = _read(member, files)
    with open_files(pictured, folder) as files:
        yield annotations, {entry["id"]: (entry["name"],) for entry in annotations["categories"]}, files


def _read(member: str, files: Files) -> dict[str, list[dict[str, Any]]]:
    """The annotations, of which every entry has the keys that are used here."""
    wrong = f"{member} in {files.path} is not COCO instances"
    try:
        annotations = json.loads(files.read(member, _JSON_BYTES), object_hook=_without_outline)
    except (ValueError, RecursionError) as error:
        raise OSError(f"{wrong}: {error}") from None
    for name, kinds in _KEYS.items():
        entries = annotations.get(name) if isinstance(annotations, dict) else None
        if not isinstance(entries, list):
            raise OSError(f"{wrong}: it has no list {name!r}")
        for place, entry in enumerate(entries):
            for key, kind in kinds.items():
                if not isinstance(entry, dict) or not isinstance(entry.get(key), kind):
                    raise OSError(f"{wrong}: {name}[{place}] has no {kind.__name__} {key!r}")
    return annotations


def _without_outline(entry: dict[str, Any]) -> dict[str, Any]:
    """Outlines are not used, and would take gigabytes of memory."""
    entry.pop("segmentation", None)
    return entry


def _crops(
    annotations: dict[str, list], keys: Sequence[int | str], folder: str, holds: Callable[[str], bool], told: Notes
) -> list[Crop]:
    """The boxes of some categories that are neither tiny nor around a crowd, and whose images are there."""
    labels = {key: label for label, key in enumerate(keys)}
    images = {entry["id"]: entry for entry in annotations["images"]}
    crops = []
    for entry in annotations["annotations"]:
        if entry["category_id"] not in labels:
            continue
        name, image = f"annotation {entry['id']}", images.get(entry["image_id"])
        if entry.get("iscrowd"):
            told.left_out["boxes around crowds are left out"].append(name)
        elif image is None:
            told.left_out["boxes of images that are not listed are left out"].append(f"{name} of {entry['image_id']}")
        elif not holds(file := f"{folder}/{image['file_name']}"):
            told.left_out["boxes of listed images that are not there are left out"].append(f"{name} of {file}")
        elif clipped := clip(entry["bbox"], size := (image["width"], image["height"]), f"{name} of {file}", told):
            crops.append(Crop(file, labels[entry["category_id"]], entry["id"], clipped, size))
    return crops
