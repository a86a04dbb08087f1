"""A dozen free photographs, to see what an ImageNet classifier says of them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from nbhelpers.datasets.about import About
from nbhelpers.datasets.imagenet import NAMES
from nbhelpers.files import bundled
from nbhelpers.images import ImageSet

ABOUT = About(
    "a dozen photographs, with the one of ImageNet's 1,000 names that comes nearest to each (224x224)",
    "public domain, CC0, and CC BY 2.0 (danielbuechele, vultilion); see data/README.md",
    origin="bundled",
)
PHOTOGRAPHS = {
    "astronaut": "space shuttle",
    "brick": "stone wall",
    "cameraman": "tripod",
    "cat": "tiger cat",
    "clock": "wall clock",
    "coffee": "espresso",
    "dahlia": "daisy",
    "lake": "lakeside",
    "officer": "military uniform",
    "palace": "palace",
    "rocket": "missile",
    "shuttle": "space shuttle",
}
"""The photographs in their order, and what each shows in the words of ImageNet, chosen by eye: it has no astronaut,
only the shuttle behind her, and where it has no brick, dahlia or unarmed rocket either, the nearest name stands."""


def load(split: str) -> ImageSet:
    """Read the photographs. None was held back from a training here, so there is only one split, ``"held_out"``.

    >>> photographs = load("held_out")
    >>> len(photographs), photographs.categories[photographs.labels[5]]
    (12, 'espresso')
    """
    if split != "held_out":
        raise ValueError("the photographs are there to look at, and too few to train with: load them as 'held_out'")
    pictures = [np.asarray(Image.open(bundled(f"photographs/{name}.jpg"))) for name in PHOTOGRAPHS]
    labels = np.array([NAMES.index(nearest) for nearest in PHOTOGRAPHS.values()])
    return ImageSet(np.stack(pictures).transpose(0, 3, 1, 2).copy(), labels, NAMES, split)
