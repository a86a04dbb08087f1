"""Square crops of photographs: by an annotated box, or from the middle; every image is decoded once."""

from __future__ import annotations

import io
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from nbhelpers.datasets.telling import Notes, shown, tell
from nbhelpers.images import ImageSet

CONTEXT = 1.1
"""How much longer a side of the square is than the longer side of its box, so that outlines stay in sight."""
SHORTEST = 48  # boxes are tiny, and left out, whose shorter side takes fewer pixels inside the image
MOST_PIXELS = 50_000_000
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")

Box = tuple[float, float, float, float]  # left, top, right, bottom


class Crop(NamedTuple):
    """One crop to be made."""

    file: str
    label: int
    key: int | str
    """Tells it from the others of its category, orders them, and decides which are chosen."""
    box: Box | None = None
    """Inside the image. Without one, the crop is the largest square in the middle."""
    image_size: tuple[int, int] | None = None
    """The width and height that the image must have, such as those in which the box was drawn."""


def clip(box: Sequence[float], image_size: tuple[int, int], what: str) -> Box | None:
    """A box of x, y, width and height without what sticks out of the image; none if it then is tiny.

    COCO has a few boxes without any height; they are tiny, too. ``what`` names the box where it can't be one.

    >>> clip((-5, 10, 60, 80), (100, 60), "box 7"), clip((-5, 10, 60, 80), (100, 57), "box 8")
    ((0, 10, 55, 60), None)
    """
    (x, y, width, height), (right, bottom) = box, image_size
    if not all(map(math.isfinite, box)) or width < 0 or height < 0:
        raise OSError(f"{what}: {list(box)} is no box of x, y, width and height (its image is {right}x{bottom} pixels)")
    clipped = (max(x, 0), max(y, 0), min(x + width, right), min(y + height, bottom))
    for seen, whole in ((clipped[2] - clipped[0], width), (clipped[3] - clipped[1], height)):
        if seen < 0 or seen == 0 < whole:
            raise OSError(f"{what}: the box {list(box)} lies outside its image of {right}x{bottom} pixels")
    return clipped if min(clipped[2] - clipped[0], clipped[3] - clipped[1]) >= SHORTEST else None


def cut(pixels: np.ndarray, box: Box | None, side: int) -> np.ndarray:
    """The square around a box, or in the middle of uint8 (H, W, 3), resized with antialiasing to (3, side, side).

    The square has the middle of the box and :data:`CONTEXT` times its longer side. Where it would stick out it is
    moved inside; where the image is too narrow for that, the pixels of its edge are repeated.

    >>> image = np.zeros((60, 200, 3), np.uint8)
    >>> image[:, 100:] = 255
    >>> cut(image, (130, 20, 170, 40), 44)[0].min(), cut(image, None, 60)[0, 0, [29, 30]].tolist()
    (np.uint8(255), [0, 255])
    """
    height, width = pixels.shape[:2]
    if box is None and (height, width) == (side, side):
        return pixels.transpose(2, 0, 1)
    if box is None:
        square, middle = min(width, height), (width / 2, height / 2)
    else:
        left, top, right, bottom = box
        square = max(1, round(CONTEXT * max(right - left, bottom - top)))
        middle = ((left + right) / 2, (top + bottom) / 2)
    columns, rows = (_places(at, square, length) for at, length in zip(middle, (width, height), strict=True))
    patch = Image.fromarray(pixels[rows[:, None], columns])
    return np.asarray(patch.resize((side, side), Image.Resampling.BICUBIC)).transpose(2, 0, 1)


def _places(middle: float, count: int, length: int) -> np.ndarray:
    """The ``count`` places along an axis of ``length`` pixels around a middle, as far inside as they go."""
    lowest, highest = sorted((0, length - count))
    start = min(max(math.floor(middle - count / 2), lowest), highest)
    return np.clip(np.arange(start, start + count), 0, length - 1)


def read_crops(
    crops: Sequence[Crop], read: Callable[[str], bytes], categories: Sequence[str], split: str, side: int
) -> ImageSet:
    """Cut every crop, in the order given, from the content that ``read`` gives for its file."""
    images = np.empty((len(crops), 3, side, side), np.uint8)
    by_file: dict[str, list[int]] = {}
    for place, crop in enumerate(crops):
        by_file.setdefault(crop.file, []).append(place)
    told: Notes = defaultdict(list)
    for file, places in tqdm(by_file.items(), desc=f"{split} images", delay=2):
        pixels = _decode(read(file), file, [crops[place] for place in places], told)
        for place in places:
            images[place] = cut(pixels, crops[place].box, side)
    tell(told, stacklevel=5)
    return ImageSet(images, np.array([crop.label for crop in crops], np.int64), tuple(categories), split)


def image_size(content: bytes, file: str) -> tuple[int, int]:
    """Width and height from an image's header; nothing is decoded."""
    with _opened(content, file) as image:
        return image.size


def _decode(content: bytes, file: str, crops: Sequence[Crop], told: Notes) -> np.ndarray:
    """uint8 (H, W, 3), turned as its camera says unless there are boxes, which are drawn on unturned photographs.

    What is transparent is put on white; of several pictures, such as those of an animation, the first counts.
    """
    with _opened(content, file) as image:
        for crop in crops:
            if crop.image_size not in (None, image.size):
                right = "x".join(map(str, crop.image_size))
                raise OSError(f"it is {image.width}x{image.height} pixels, not {right} (crop {crop.key})")
        if image.mode.startswith(("I", "F")):
            raise OSError("it has more than 8 bits a pixel and channel; save it with 8")
        if getattr(image, "is_animated", False) and image.format != "MPO":  # a camera's, with a preview
            told["of images with several frames the first is read"].append(file)
        if crops[0].box is None:
            ImageOps.exif_transpose(image, in_place=True)
        if "A" in image.getbands() or "transparency" in image.info:
            image = image.convert("RGBA")
            if image.getextrema()[3][0] < 255:
                told["transparent images are put on white"].append(file)
            return np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB"))
        return np.asarray(image.convert("RGB"))


@contextmanager
def _opened(content: bytes, file: str) -> Iterator[Image.Image]:
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise OSError(f"it is {image.width}x{image.height} pixels, more than {MOST_PIXELS // 10**6} million")
            yield image
    except UnidentifiedImageError:
        what = f"its content is none of {', '.join(FORMATS)}" if content else "it is empty"
        raise OSError(f"{shown(file)} is not a usable image: {what}") from None
    except Exception as error:  # a damaged file makes PIL's readers raise many types
        raise OSError(f"{shown(file)} is not a usable image: {error}") from None
