"""Square crops of photographs: by an annotated box, or from the middle; every image is decoded once."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from nbhelpers.datasets.telling import Notes, shown
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
    sha256: str = ""
    """Of its file, where that was looked at."""


def clip(box: Sequence[Any], image_size: tuple[int, int], name: str, told: Notes) -> Box | None:
    """A box of x, y, width and height without what sticks out of the image.

    None if it then is tiny, as COCO's few boxes without any height are, if nothing of it is inside, or if it is no box:
    its name is noted for that.

    >>> told = Notes()
    >>> clip((-5, 10, 60, 80), (100, 60), "box 7", told), clip((-5, 10, 60, 80), (100, 57), "box 8", told)
    ((0, 10, 55, 60), None)
    >>> print(told)
    boxes with fewer than 48 pixels a side in their image are left out: 1, such as box 8: [-5, 10, 60, 80] in 100x57
    """
    name, (right, bottom) = f"{name}: {list(box)} in {image_size[0]}x{image_size[1]}", image_size
    numbers = len(box) == 4 and all(isinstance(number, int | float) and math.isfinite(number) for number in box)
    if not numbers or min(box[2:]) < 0:
        told.left_out["boxes that are not x, y, width and height are left out"].append(name)
        return None
    x, y, width, height = box
    clipped = (max(x, 0), max(y, 0), min(x + width, right), min(y + height, bottom))
    inside = clipped[2] - clipped[0], clipped[3] - clipped[1]
    if any(seen < 0 or seen == 0 < whole for seen, whole in zip(inside, (width, height), strict=True)):
        told.left_out["boxes outside their image are left out"].append(name)
        return None
    if min(inside) < SHORTEST:
        told.left_out[f"boxes with fewer than {SHORTEST} pixels a side in their image are left out"].append(name)
        return None
    return clipped


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
    patch = Image.fromarray(pixels[_run(rows)][:, _run(columns)])
    return np.asarray(patch.resize((side, side), Image.Resampling.BICUBIC)).transpose(2, 0, 1)


def _places(middle: float, count: int, length: int) -> np.ndarray:
    """The ``count`` places along an axis of ``length`` pixels around a middle, as far inside as they go."""
    lowest, highest = sorted((0, length - count))
    start = min(max(math.floor(middle - count / 2), lowest), highest)
    return np.clip(np.arange(start, start + count), 0, length - 1)


def _run(places: np.ndarray) -> np.ndarray | slice:
    """Places without a gap as a slice, which is faster."""
    first, last = int(places[0]), int(places[-1])
    return slice(first, last + 1) if last - first == len(places) - 1 else places


def read_crops(
    crops: Sequence[Crop], read: Callable[[str], bytes], categories: Sequence[str], split: str, side: int, told: Notes
) -> ImageSet:
    """Cut every crop, in the order given, from the content that ``read`` gives for its file; then all is told."""
    images = np.empty((len(crops), 3, side, side), np.uint8)
    by_file: dict[str, list[int]] = {}
    for place, crop in enumerate(crops):
        by_file.setdefault(crop.file, []).append(place)
    for file, places in tqdm(by_file.items(), desc=f"{split} images", delay=2):
        pixels, changes = decode(read(file), file, [crops[place] for place in places])
        for change in changes:
            told.changed[change].append(file)
        for place in places:
            images[place] = cut(pixels, crops[place].box, side)
    told.tell(stacklevel=5)
    labels = np.array([crop.label for crop in crops], np.int64)
    return ImageSet(images, labels, tuple(categories), split, left_out=told.counts())


def image_size(content: bytes, file: str) -> tuple[int, int]:
    """Width and height from an image's header; nothing is decoded."""
    with _opened(content, file) as image:
        return image.size


def decode(content: bytes, file: str, crops: Sequence[Crop]) -> tuple[np.ndarray, list[str]]:
    """uint8 (H, W, 3), turned as its camera says unless there are boxes, which are drawn on unturned photographs.

    What is transparent is put on white; of several pictures, such as those of an animation, the first counts: notes
    say so.

    Raises
    ------
    OSError
        If it is no usable image, or has another size than its crops say; the message names the file.
    """
    changes = []
    with _opened(content, file) as image:
        for crop in crops:
            if crop.image_size not in (None, image.size):
                right = "x".join(map(str, crop.image_size))
                raise OSError(f"it is {image.width}x{image.height} pixels, not {right} (crop {crop.key})")
        _check_depth(image)
        if getattr(image, "is_animated", False) and image.format != "MPO":  # a camera's, with a preview
            changes.append("of images with several frames the first is read")
        if crops[0].box is None:
            ImageOps.exif_transpose(image, in_place=True)
        if "A" in image.getbands() or "transparency" in image.info:
            image = image.convert("RGBA")
            if image.getextrema()[3][0] < 255:
                changes.append("transparent images are put on white")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.asarray(image.convert("RGB")), changes


def look(content: bytes, file: str) -> list[str]:
    """What :func:`decode` would note of an image without a box, or its ``OSError``, in a third of the time.

    All that compressed a JPEG is unpacked, to an eighth of the size; other formats have to be decoded.
    """
    with _opened(content, file) as image:
        if image.format in ("JPEG", "MPO"):
            _check_depth(image)
            image.draft(None, (1, 1))
            ImageOps.exif_transpose(image, in_place=True)
            image.convert("RGB")
            return []
    return decode(content, file, [Crop(file, 0, file)])[1]


def _check_depth(image: Image.Image) -> None:
    if image.mode.startswith(("I", "F")):
        raise OSError("it has more than 8 bits a pixel and channel; save it with 8")


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
