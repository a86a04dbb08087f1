"""Fashion scenes: real garments on real textures, composed so that the truth about every pixel is known.

Each 64x64 image shows one coloured Fashion-MNIST garment before three patches of texture, in front of two to four small
fragments cut from garments of *other* categories. Patches, garment and fragments draw their colours from one
distribution, so that no colour gives the garment away. Only whole numbers, gathers and element-wise arithmetic are
used, in float32, so that a seed gives the same bytes on every machine.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from tqdm import tqdm

from nbhelpers.datasets.about import About
from nbhelpers.files import bundled
from nbhelpers.images import SPLITS, ImageSet
from nbhelpers.maths.arrays import check_whole

CATEGORIES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
ABOUT = About(
    "real garments on real textures among fragments of other garments, with masks (64x64, composed here)",
    "MIT (Fashion-MNIST garments), CC0 (textures)",
    origin="bundled",
)
SIDE = 64
_GARMENT = 28
_SIZES = {"train": 5000, "held_out": 500}
_PATCHES = 3
_CENTRES = 20, 43  # so near the middle, no patch is much larger than the others, whose colours would be the odd ones
_FRAGMENTS = 4
_TRIES = 12  # places tried for each fragment; the emptiest wins
_DRAWS = 8 + 12 * _PATCHES + _FRAGMENTS * (8 + 4 * _TRIES)  # random numbers for one image
_BATCH = 50  # bounds the memory; the result does not depend on it


class _Draws:
    """The random numbers of some images, one column a question, so that image ``i`` never depends on the others."""

    def __init__(self, uniforms: np.ndarray) -> None:
        self._columns = iter(uniforms.T)

    def real(self, low: float, high: float) -> np.ndarray:
        return (low + (high - low) * next(self._columns)).astype(np.float32)

    def whole(self, low: int | np.ndarray, high: int | np.ndarray) -> np.ndarray:
        """A whole number in ``low ... high``, both included."""
        return low + np.floor(next(self._columns) * (high - low + 1)).astype(np.int64)


def load(split: str, *, size: int | None = None, seed: int = 0) -> ImageSet:
    """Compose ``size`` scenes with their masks (5,000 for training, 500 held out, if not given).

    Labels go round the categories; the first images do not depend on ``size``. Training scenes use garments of
    Fashion-MNIST's own training split, held-out ones those of its test split.

    >>> scenes = load("held_out", size=20)
    >>> scenes.images.shape, scenes.categories[scenes.labels[3]]
    ((20, 3, 64, 64), 'dress')
    """
    size = _SIZES[split] if size is None else check_whole(size, "size", 1)
    sheet = np.asarray(Image.open(bundled(f"garments-{split}.png")))  # has a row for each category
    garments = sheet.reshape(len(CATEGORIES), _GARMENT, -1, _GARMENT).transpose(0, 2, 1, 3)  # (10, n, 28, 28)
    textures = np.stack([_read_texture(name) for name in ("brick", "grass", "gravel")])
    generator = np.random.Generator(np.random.PCG64([seed, SPLITS.index(split)]))
    images, masks = np.empty((size, 3, SIDE, SIDE), np.uint8), np.empty((size, SIDE, SIDE), np.int8)
    for start in tqdm(range(0, size, _BATCH), desc=f"scenes {split}", delay=2):
        numbers = np.arange(start, min(start + _BATCH, size))
        draws = _Draws(generator.random((len(numbers), _DRAWS)))
        images[numbers], masks[numbers] = _compose(numbers, draws, garments, textures)
    return ImageSet(images, np.arange(size) % len(CATEGORIES), CATEGORIES, split, masks)


def _read_texture(name: str) -> np.ndarray:
    """A texture at half its resolution, centred: float32 (256, 256) with whole-number sums of four grey values."""
    grey = np.asarray(Image.open(bundled(f"textures/{name}.png")).convert("L")).astype(np.int64)
    fourfold = grey[::2, ::2] + grey[1::2, ::2] + grey[::2, 1::2] + grey[1::2, 1::2]
    return ((fourfold - fourfold.sum() // fourfold.size) / 4).astype(np.float32)


def _compose(
    numbers: np.ndarray, draws: _Draws, garments: np.ndarray, textures: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    labels = numbers % len(CATEGORIES)
    canvas = _background(draws, textures)
    masks = np.full((len(numbers), SIDE, SIDE), -1, np.int8)

    # The object is drawn last, in front of the fragments, but placed first, so that they can avoid it.
    size = draws.whole(28, 44)
    outside = size // 6  # so much of it may lie beyond the frame: its place tells little
    garment = _flip(garments[labels, (numbers // len(CATEGORIES)) % garments.shape[1]], draws)
    top, left = (draws.whole(-outside, SIDE - size + outside) for _ in range(2))
    object_grey = _resample(garment, size, top, left)
    object_colour = _colour(draws)
    taken = _alpha(object_grey) >= 0.5
    count = draws.whole(2, _FRAGMENTS)
    for k in range(_FRAGMENTS):
        category = (labels + draws.whole(1, len(CATEGORIES) - 1)) % len(CATEGORIES)
        garment = garments[category, draws.whole(0, garments.shape[1] - 1)]
        grey = _fragment(garment, taken, draws) * (k < count)[:, None, None]
        taken |= _paint(canvas, masks, grey, _colour(draws), category)
    _paint(canvas, masks, object_grey, object_colour, labels)
    return np.rint(np.clip(canvas, 0, 255)).astype(np.uint8), masks


def _background(draws: _Draws, textures: np.ndarray) -> np.ndarray:
    """Patches of texture, each around a centre of its own (Voronoi's cells): float32 (N, 3, 64, 64)."""
    steps = np.arange(SIDE)
    patches, distances = [], []
    for _ in range(_PATCHES):
        row, column = draws.whole(*_CENTRES)[:, None], draws.whole(*_CENTRES)[:, None]
        distances.append(((steps - row) ** 2)[:, :, None] + ((steps - column) ** 2)[:, None])
        patches.append(_texture(draws, textures)[:, None] * _colour(draws)[:, :, None, None])
    nearest = np.stack(distances).argmin(0)[None, :, None]
    return np.take_along_axis(np.stack(patches), nearest, 0)[0]


def _texture(draws: _Draws, textures: np.ndarray) -> np.ndarray:
    """Random crops, flips, contrasts and levels of the textures: float32 (N, 64, 64)."""
    room = textures.shape[1] - SIDE
    texture, top, left = draws.whole(0, len(textures) - 1), draws.whole(0, room), draws.whole(0, room)
    steps = np.arange(SIDE)
    rows = np.where(draws.whole(0, 1)[:, None] == 1, SIDE - 1 - steps, steps) + top[:, None]
    columns = np.where(draws.whole(0, 1)[:, None] == 1, SIDE - 1 - steps, steps) + left[:, None]
    grey = textures[texture[:, None, None], rows[:, :, None], columns[:, None, :]]
    return grey * draws.real(0.5, 1.0)[:, None, None] + draws.real(120, 240)[:, None, None]


def _colour(draws: _Draws) -> np.ndarray:
    """Any hue, pale to vivid, for patches, garments and fragments alike: float32 (N, 3)."""
    hue, saturation, value = draws.real(0, 1), draws.real(0.1, 0.9), draws.real(0.8, 1.0)
    corner = np.array([0, 4, 2], np.float32)
    pure = np.clip(np.abs((hue[:, None] * 6 + corner) % 6 - 3) - 1, 0, 1)
    return (1 - saturation[:, None] * (1 - pure)) * value[:, None]


def _alpha(grey: np.ndarray) -> np.ndarray:
    """Opacity of a garment's pixel: its black surround is clear, its edge is soft."""
    return np.clip((grey - 8) / 32, 0, 1)


def _flip(garments: np.ndarray, draws: _Draws) -> np.ndarray:
    return np.where(draws.whole(0, 1)[:, None, None] == 1, garments[:, :, ::-1], garments)


def _resample(garments: np.ndarray, size: np.ndarray, top: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Enlarge each (28, 28) garment to ``size`` pixels by bilinear interpolation, its corner at (top, left)."""
    side = garments.shape[1]
    padded = np.pad(garments, ((0, 0), (1, 2), (1, 2))).astype(np.float32)

    def neighbours(corner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        at = (np.arange(SIDE) - corner[:, None] + 0.5) * (side / size)[:, None] + 0.5  # in the padded garment
        at = np.clip(at, 0, side + 1)
        low = np.floor(at).astype(np.int64)
        return low, (at - low).astype(np.float32)

    (row, down), (column, right) = neighbours(top), neighbours(left)
    down, right, column = down[:, :, None], right[:, None], column[:, None]
    image, line = np.arange(len(garments))[:, None], np.arange(SIDE)[:, None]
    rows = padded[image, row] * (1 - down) + padded[image, row + 1] * down
    image = image[:, None]
    return rows[image, line, column] * (1 - right) + rows[image, line, column + 1] * right


def _fragment(garments: np.ndarray, taken: np.ndarray, draws: _Draws) -> np.ndarray:
    """A square cut from the edge of each garment, laid where least is ``taken``: float32 (N, 64, 64).

    The square is one that the garment fills to about two thirds: cloth alone would look like any other cloth, while
    a sleeve, a heel or a handle says what it was cut from.
    """
    size, side = draws.whole(28, 44), draws.whole(8, 14)
    corner = np.zeros_like(size)
    whole = _resample(_flip(garments, draws), size, corner, corner)
    cut_top, cut_left = _window(_alpha(whole) >= 0.5, side, size - side, 2 * side**2 // 3, draws)
    top, left = _window(taken, side, SIDE - side, corner, draws)
    row, column = (np.arange(SIDE) - start[:, None] for start in (top, left))
    within = [(at >= 0) & (at < side[:, None]) for at in (row, column)]
    row, column = np.clip(row + cut_top[:, None], 0, SIDE - 1), np.clip(column + cut_left[:, None], 0, SIDE - 1)
    patch = whole[np.arange(len(whole))[:, None, None], row[:, :, None], column[:, None, :]]
    return patch * (within[0][:, :, None] & within[1][:, None, :])


def _window(
    covered: np.ndarray, side: np.ndarray, last: np.ndarray, count: np.ndarray, draws: _Draws
) -> tuple[np.ndarray, np.ndarray]:
    """Corner of the random window of ``side`` pixels whose pixels of ``covered`` come closest to ``count``."""
    top = np.stack([draws.whole(0, last) for _ in range(_TRIES)])
    left = np.stack([draws.whole(0, last) for _ in range(_TRIES)])
    sums = np.pad(covered, ((0, 0), (1, 0), (1, 0))).cumsum(1, dtype=np.int16).cumsum(2, dtype=np.int16)
    image = np.arange(len(covered))
    bottom, right = top + side, left + side
    held = sums[image, bottom, right] - sums[image, top, right] - sums[image, bottom, left] + sums[image, top, left]
    best = np.abs(held - count).argmin(0)
    return top[best, image], left[best, image]


def _paint(
    canvas: np.ndarray, masks: np.ndarray, grey: np.ndarray, colour: np.ndarray, category: np.ndarray
) -> np.ndarray:
    """Lay shaded colour over the canvas and note its category in the masks, both in place; return what it covers."""
    alpha = _alpha(grey)[:, None]
    shade = 64 + 0.75 * grey  # the garment's own shading; even its darkest folds keep some colour
    canvas += alpha * (shade[:, None] * colour[:, :, None, None] - canvas)
    covers = alpha[:, 0] >= 0.5
    np.copyto(masks, category[:, None, None].astype(np.int8), where=covers)
    return covers
