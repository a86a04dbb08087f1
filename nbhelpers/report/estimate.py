"""How long a report will take on this machine, told before the work: a few images are tried, the rest is counted."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from nbhelpers.report.findings import CHOSEN, FITTED
from nbhelpers.report.regions import PERMUTATIONS

PARTNERS = 200
"""Images that each one is compared with."""
PAIR, CHANNEL = 3.4e-7, 3.9e-10
"""Seconds of one core that the fits of a layer take for each pair of regions, and more for each channel: measured on
layers of 160 and 1,280 channels of MobileNet-V2."""
FIT = 2e-5
"""Seconds that the fits of arrows take for each number of the features."""
DRAWING = 15.0
"""Seconds that figures and page take."""


def estimate(
    each: float, tail: float, images: int, compared: int, features: int, channels: Mapping[str, int], regions: int
) -> dict[str, float]:
    """Seconds by stage.

    Parameters
    ----------
    each : float
        Seconds to read and record an image.
    tail : float
        Seconds of one run of the deepest layer's tail for one image.
    images, compared : int
        How many there are, and of how many the regions are compared.
    features : int
        Numbers of one sample feature.
    channels : mapping of str to int
        Of the layers whose regions are compared, shallow to deep.
    regions : int
        Of an image.
    """
    passes = images + (compared if compared < images else 0)
    pairs = compared * min(compared, PARTNERS) * regions**2 / torch.get_num_threads()
    layers = [PAIR + CHANNEL * count for count in channels.values()]
    return {
        "recording": each * passes,
        "fits of arrows": FIT * min(images, FITTED) * features,
        "regions": pairs * (sum(layers) + layers[-1]),  # the deepest once more, for its controls
        "Shapley values": tail * CHOSEN * PERMUTATIONS * (regions - 1),
        "page": DRAWING,
    }


def in_minutes(seconds: Mapping[str, float]) -> str:
    """The whole and its parts.

    >>> in_minutes({"recording": 60, "regions": 90})
    'about 2.5 minutes (recording 1.0, regions 1.5)'
    """
    parts = ", ".join(f"{stage} {its / 60:.1f}" for stage, its in seconds.items())
    return f"about {sum(seconds.values()) / 60:.1f} minutes ({parts})"
