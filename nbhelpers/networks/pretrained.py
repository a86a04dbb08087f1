"""The network in the box: an ImageNet classifier that needs no download."""

from __future__ import annotations

# ruff: noqa: E402
from collections.abc import Sequence

import torch
from torch import nn

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
    >>> network(torch.zeros(1, 3, 224, 224)).shape
    torch.Size([1, 3])
    """
    network = build("mobilenet_v2", len(NAMES), input_size=SIDE)
    start_from(network, bundled(FILE), "symmetric")
    if outputs is not None:
        network.body.classifier[-1] = part_of(network.head, numbers(outputs))
    return network.eval()


def numbers(outputs: Sequence[int | str]) -> list[int]:
    """Outputs by their numbers, whether they were given by number or by name.

    >>> numbers(["tench", 217])
    [0, 217]
    """
    chosen = []
    for output in outputs:
        places = [i for i, name in enumerate(NAMES) if output in (i, name)]
        if not places:
            raise ValueError(f"ImageNet has no output {output!r}: give numbers of 0 ... {len(NAMES) - 1}, or names")
        if len(places) > 1:
            raise ValueError(f"{output!r} is the name of the outputs {places}: give the number of the one you mean")
        chosen += places
    if len(set(chosen)) < len(chosen) or len(chosen) < 2:
        raise ValueError(f"outputs must be two or more that differ, got {list(outputs)}")
    return chosen


def part_of(head: nn.Linear, outputs: Sequence[int]) -> nn.Linear:
    """A head with some of the outputs of another."""
    part = nn.Linear(head.in_features, len(outputs))
    with torch.no_grad():
        part.weight.copy_(head.weight[outputs])
        part.bias.copy_(head.bias[outputs])
    return part
