"""The network in the box: an ImageNet classifier that needs no download."""

from __future__ import annotations

# ruff: noqa: E402
from collections.abc import Sequence

from nbhelpers.extras import require

require("data")

from nbhelpers.datasets.imagenet import NAMES
from nbhelpers.files import bundled
from nbhelpers.networks.architectures import build
from nbhelpers.networks.network import Network
from nbhelpers.networks.weights import start_from

FILE = "pretrained/mobilenet_v2.safetensors"
SIDE = 224
"""Pixels a side of the images that it was trained on."""


def pretrained(outputs: Sequence[int | str] | None = None) -> Network:
    """MobileNet-V2 as others trained it on ImageNet, bundled: no network access, no download.

    Images of 224 pixels suit it best. The weights are Apache-2.0; ``data/README.md`` says where they come from and how
    little is lost by keeping them in half precision.

    Parameters
    ----------
    outputs : sequence of int or str, optional
        Which of the 1,000 outputs are the categories, in their order: their numbers, or their names in
        :data:`nbhelpers.datasets.imagenet.NAMES`. By default all.

    Returns
    -------
    Network
        In evaluation mode, single precision, with the layers of ``build("mobilenet_v2")``: ``conv_0`` (112 x 112
        regions at 224 pixels), ``block_11`` ... ``block_71``, ``conv_8`` (7 x 7) and ``pool``.

    Raises
    ------
    ValueError
        If an output does not exist, is named twice, or has a name that two have; if there are fewer than two.
    OSError
        If the bundled file is missing or was changed.

    Examples
    --------
    >>> network = pretrained(outputs=["tench", "English springer", 701])
    >>> import torch
    >>> network(torch.zeros(1, 3, 224, 224)).shape
    torch.Size([1, 3])
    """
    network = build("mobilenet_v2", len(NAMES), input_size=SIDE)
    start_from(network, bundled(FILE), "symmetric")
    network.names = NAMES
    return (network if outputs is None else network.picking(outputs)).eval()
