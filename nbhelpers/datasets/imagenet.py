"""What the outputs of ImageNet's classifiers are called."""

from __future__ import annotations

# ruff: noqa: E402
from nbhelpers.extras import require

require("data")

from torchvision.models import MobileNet_V2_Weights

NAMES: tuple[str, ...] = tuple(MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"])
"""The 1,000 names in the order of the outputs, as torchvision brings them."""
