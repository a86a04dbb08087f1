"""Images of regions whose truth is known: an object of one category in front of backgrounds that all share."""

import numpy as np


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
