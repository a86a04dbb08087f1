"""Images in the files of a folder: looked at when they are loaded, decoded where they are needed, several at once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from nbhelpers.datasets.archive import read_file
from nbhelpers.datasets.crops import Crop, cut, decode, look
from nbhelpers.datasets.telling import Notes, shown
from nbhelpers.images import LazyImages

_IMAGE_BYTES = 2**28


def looked_at(crops: Sequence[Crop], root: Path, told: Notes, bar: tqdm) -> list[Crop]:
    """Those whose files can be read, with the sha256 of these; of the others is noted why not."""
    usable = []
    with ThreadPoolExecutor(_workers()) as pool:
        for crop, (digest, changes, failure) in zip(crops, pool.map(partial(_look, root), crops), strict=True):
            bar.update()
            if failure:
                told.left_out["images that cannot be read are left out"].append(failure)
                continue
            usable.append(crop._replace(sha256=digest))
            for change in changes:
                told.changed[change].append(crop.file)
    return usable


def _look(root: Path, crop: Crop) -> tuple[str, list[str], str]:
    """The sha256 of a file and what is to be noted of it, or why it can't be read."""
    try:
        content = read_file(Path(crop.file), root, _IMAGE_BYTES)
        return hashlib.sha256(content).hexdigest(), look(content, crop.file), ""
    except OSError as error:
        return "", [], str(error)


def lazy_images(crops: Sequence[Crop], root: Path, side: int) -> LazyImages:
    """The middle of each file that was looked at, once it is indexed."""
    names, digests = tuple(crop.file for crop in crops), tuple(crop.sha256 for crop in crops)
    return LazyImages(partial(_read, names, digests, root, side), names, digests, (side, side))


def _read(names: Sequence[str], digests: Sequence[str], root: Path, side: int, numbers: np.ndarray) -> np.ndarray:
    images = np.empty((len(numbers), 3, side, side), np.uint8)

    def put(place: int) -> None:
        name, digest = names[numbers[place]], digests[numbers[place]]
        content = read_file(Path(name), root, _IMAGE_BYTES)
        if hashlib.sha256(content).hexdigest() != digest:
            raise OSError(f"{shown(name)} is another file than when it was loaded; load the images again")
        images[place] = cut(decode(content, name, [Crop(name, 0, name)])[0], None, side)

    with ThreadPoolExecutor(_workers()) as pool:
        list(pool.map(put, range(len(numbers))))  # which raises what one of them raises
    return images


def _workers() -> int:
    """Threads that decode: Pillow leaves the interpreter to others meanwhile."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
