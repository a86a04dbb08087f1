"""What has known answers: regions with an object in front of a background, pictures, and a classifier of them."""

import itertools

import numpy as np
import torch
from torch import nn

from nbhelpers import ImageSet, Network

GREY, BLOCK = 128, 4
"""The pictures' background, of 255, and how many pixels a side a region has: the object fills one."""
COLOURS = np.array(list(itertools.product((1, -1), repeat=3)))
"""Colour of each category, up to eight: each channel lighter or darker than the background."""
GAIN = 200.0


def planted(n=60, k=24, side=4, categories=4, noise=0.2, seed=0, dtype=np.float32):
    """Regions (n, k, side, side), logits (n, categories), labels, and which regions hold the object (n, side**2).

    The object is a 2 x 2 block at a random place, twice as strong as the background.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % categories
    objects, backgrounds = np.zeros((2, categories, k))
    objects[np.arange(k - k // 3) % categories, np.arange(k - k // 3)] = 1  # each category has channels of its own
    backgrounds[:, -(k // 3) :] = rng.gamma(1.0, size=(categories, k // 3))
    mask = np.zeros((n, side, side), bool)
    for image, (top, left) in enumerate(rng.integers(0, side - 1, (n, 2))):
        mask[image, top : top + 2, left : left + 2] = True
    which = rng.integers(0, categories, (n, side, side))
    regions = np.where(mask[..., None], 2 * objects[labels][:, None, None], backgrounds[which])
    regions = regions / np.linalg.norm(objects[0]) * rng.gamma(20, 1 / 20, (n, side, side, 1))
    regions = regions + noise * np.abs(rng.normal(size=regions.shape))
    logits = 8 * np.eye(categories)[labels] + rng.normal(size=(n, categories))
    return regions.transpose(0, 3, 1, 2).astype(dtype), logits.astype(dtype), labels, mask.reshape(n, -1)


def bad_images():
    """Arguments (regions, logits) that must be refused, each with a pattern of the message."""
    regions, logits, *_ = planted(6)
    nan, silent, wild = regions.copy(), regions.copy(), logits.copy()
    nan[1, 2, 0, 0], silent[4], wild[0, 0] = np.nan, 0, np.inf
    return [
        (regions[0], logits, "regions.*4 axes"),
        (regions, logits[0], "logits.*2 axes"),
        (regions[:5], logits, "regions and logits.* in N.* 5 and 6"),
        (regions[:1], logits[:1], "3 images.*got 1"),
        (regions, logits[:, :1], "at least 2 categories"),
        (nan, logits, "regions.* 1 NaN"),
        (regions, wild, "logits.* 1 .*infinite"),
        (silent, logits, "image 4 .*zero"),
        (regions[:0], logits[:0], "regions.*empty"),
    ]


def pictures(n=12, categories=4, side=16, contrast=64, rightly=True, seed=0):
    """Grey pictures with one block in the colour of its category, at a random region; the masks tell where.

    With ``rightly=False`` each picture is labelled with the category after that of its colour.
    """
    rng = np.random.default_rng(seed)
    colours, cells = np.arange(n) % categories, rng.integers(0, side // BLOCK, (n, 2))
    inside = np.arange(side) // BLOCK == cells[..., None]  # (n, 2, side): rows and columns of the object
    block = inside[:, 0, :, None] & inside[:, 1, None, :]
    pixels = GREY + contrast * COLOURS[colours][:, :, None, None] * block[:, None]
    labels = colours if rightly else (colours + 1) % categories
    masks = np.where(block, colours[:, None, None], -1).astype(np.int8)
    return ImageSet(pixels.astype(np.uint8), labels, tuple("abcdefgh"[:categories]), "held_out", masks)


def classifier(categories=4, gain=GAIN):
    """A network that adds up how much of each category's colour it sees; layer ``regions`` has one region a block.

    A block of contrast c / 255 in colour a gives category b the evidence c / 255 max(0, a . b), with a . b = 3 where a
    is b; a logit is ``gain`` times the mean evidence over all regions. So :func:`pictures` are named by their colours,
    the Shapley value of a region is its own evidence times gain / regions, and an attack that moves every pixel by
    less than a third of the contrast fools nobody, one by more than all of it everybody.
    """
    see, head = nn.Conv2d(3, categories, 1, bias=False), nn.Linear(categories, categories, bias=False)
    see.weight.data = torch.tensor(COLOURS[:categories], dtype=torch.float32)[:, :, None, None]
    head.weight.data = gain * torch.eye(categories)
    pool = nn.AvgPool2d(BLOCK)
    body = nn.Sequential(see, nn.ReLU(), pool, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    return Network(body, {"pixels": "1", "regions": "2"}, head="5", mean=(GREY / 255,) * 3, std=(1, 1, 1)).eval()
