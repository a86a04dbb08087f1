"""The paper's four networks as chains of torchvision's own modules, at any width and any size of image.

A chain (``Sequential`` of ``Sequential`` ...) has a tail after every link, so every named layer can be cut out of the
network's middle and run on from there. Parameters keep torchvision's names, so its weights fit; only the numbers in
VGG-16's shift where poolings are left out, which :func:`~nbhelpers.start_from` allows for.
"""

from __future__ import annotations

# ruff: noqa: E402
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from nbhelpers.extras import require
from nbhelpers.maths.arrays import check_positive
from nbhelpers.networks.network import Network

require("data")

from torchvision.models import mobilenetv2, resnet, vgg


class Family(NamedTuple):
    """How to make a network, and which of its layers the book's figures show."""

    make: Callable[[int, float, int, int], Network]
    """From the number of categories, the width, how many halvings of the grid to leave out, and the images' side."""
    halvings: int
    """Of the grid's side, from the image to the deepest layer."""
    depth: tuple[str, ...]
    """Five layers, shallow to deep; knowledge points of the last three are counted along training."""
    penultimate: str
    """The layer whose output is the sample feature."""


def _vgg16(categories: int, width: float, skip: int, input_size: int) -> Network:
    plan, names = [], []
    for block, convolutions in enumerate((2, 2, 3, 3, 3), start=1):
        names += [f"conv_{block}{i}" for i in range(1, convolutions + 1)]
        channels = max(1, round(width * min(512, 32 * 2**block)))
        plan += [channels] * convolutions + (["M"] if block > skip else [])
    features = vgg.make_layers(plan, batch_norm=True)
    pool = min(7, input_size // 32)
    hidden = max(1, round(4096 * width * min(1.0, input_size / 128)))
    first, second = nn.Linear(channels * pool**2, hidden), nn.Linear(hidden, hidden)
    drop = 0.5 * min(1.0, width)  # half of 4096 units can be spared, but half of a few hundred keeps them from learning
    between = (nn.ReLU(), nn.Dropout(drop), second, nn.ReLU(), nn.Dropout(drop))
    classifier = nn.Sequential(first, *between, nn.Linear(hidden, categories))
    ends = {"avgpool": nn.AdaptiveAvgPool2d(pool), "flatten": nn.Flatten(), "classifier": classifier}
    body = nn.Sequential(OrderedDict(features=features, **ends))
    for module in body.modules():
        # torchvision's N(0, 0.01) is made for 4096 inputs: narrow layers would start with vanishing gradients.
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, mode="fan_out" if isinstance(module, nn.Conv2d) else "fan_in")
            nn.init.zeros_(module.bias)
    relus = [f"features.{i}" for i, module in enumerate(features) if isinstance(module, nn.ReLU)]
    return Network(body, {**dict(zip(names, relus, strict=True)), "fc": "classifier.4"}, "classifier.6")


def _resnet(block: type[resnet.BasicBlock] | type[resnet.Bottleneck]) -> Callable[..., Network]:
    counts = (3, 4, 6, 3)  # of both ResNet-34 and ResNet-50

    def make(categories: int, width: float, skip: int, input_size: int) -> Network:
        channels = max(1, round(64 * width))
        stem: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=nn.Conv2d(3, channels, 7, _stride(0, skip), padding=3, bias=False),
            bn1=nn.BatchNorm2d(channels),
            relu=nn.ReLU(inplace=True),
            maxpool=nn.MaxPool2d(3, 2, padding=1) if _stride(1, skip) == 2 else nn.Identity(),
        )
        stages, layers = OrderedDict(), {"conv_1": "relu"}
        for stage, count in enumerate(counts, start=1):
            planes, stride = max(1, round(64 * width)) * 2 ** (stage - 1), _stride(stage, skip) if stage > 1 else 1
            blocks, width_out = [], planes * block.expansion
            for _ in range(count):
                shortcut = None
                if stride != 1 or channels != width_out:
                    shortcut = nn.Sequential(resnet.conv1x1(channels, width_out, stride), nn.BatchNorm2d(width_out))
                blocks.append(block(channels, planes, stride, shortcut))
                channels, stride = width_out, 1
            stages[f"layer{stage}"] = nn.Sequential(*blocks)
            layers |= {f"block_{stage}{i + 1}": f"layer{stage}.{i}" for i in range(count)}
        ends = OrderedDict(avgpool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=nn.Linear(channels, categories))
        body = nn.Sequential(OrderedDict(**stem, **stages, **ends))
        for module in body.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        return Network(body, {**layers, "pool": "flatten"}, "fc")

    return make


def _mobilenet_v2(categories: int, width: float, skip: int, input_size: int) -> Network:
    # Expansion, channels, blocks and stride of each stage (Table 2 of Sandler et al. 2018); the stem halves first.
    plan = [(1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1)]
    halving = {1: 1, 2: 2, 3: 3, 5: 4}  # stage of the plan -> which halving it is
    strides = [_stride(halving[i], skip) if i in halving else 1 for i in range(len(plan))]
    setting = [[t, c, n, s] for (t, c, n), s in zip(plan, strides, strict=True)]
    made = mobilenetv2.MobileNetV2(categories, width, setting)
    made.features[0][0].stride = (_stride(0, skip),) * 2
    ends = {"avgpool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "classifier": made.classifier}
    names = [f"block_{stage}{i + 1}" for stage, (_, _, n) in enumerate(plan, start=1) for i in range(n)]
    layers = {name: f"features.{i}" for i, name in enumerate(("conv_0", *names, "conv_8"))}
    body = nn.Sequential(OrderedDict(features=made.features, **ends))
    return Network(body, {**layers, "pool": "flatten"}, "classifier.1")


def _stride(halving: int, skip: int) -> int:
    """Of one halving of the grid, counted from the image: the first ``skip`` are left out."""
    return 1 if halving < skip else 2


_RESNET_DEPTH = ("conv_1", "block_13", "block_24", "block_36", "block_43")
FAMILIES = {
    "vgg16": Family(_vgg16, 4, ("conv_12", "conv_22", "conv_33", "conv_43", "conv_53"), "fc"),
    "resnet34": Family(_resnet(resnet.BasicBlock), 5, _RESNET_DEPTH, "pool"),
    "resnet50": Family(_resnet(resnet.Bottleneck), 5, _RESNET_DEPTH, "pool"),
    "mobilenet_v2": Family(_mobilenet_v2, 5, ("block_22", "block_33", "block_53", "block_63", "conv_8"), "pool"),
}
"""The paper's networks by name."""


def build(
    name: str,
    categories: int = 10,
    *,
    width: float = 1.0,
    input_size: int = 64,
    min_grid: int = 7,
    seed: int = 0,
) -> Network:
    """Build an untrained network.

    Parameters
    ----------
    name : str
        - ``"vgg16"``: with batch normalisation; layers ``conv_11`` ... ``conv_53`` and ``fc``, all after ReLU.
        - ``"resnet34"``, ``"resnet50"``: layers ``conv_1``, ``block_11`` ... ``block_43`` (third block of the fourth
          stage), all after ReLU, and ``pool``.
        - ``"mobilenet_v2"``: layers ``conv_0``, ``block_11`` ... ``block_71`` (linear, as that network's bottlenecks
          are), ``conv_8`` after ReLU6, and ``pool``.
    categories : int
        Number of outputs, at least 2.
    width : float
        Multiplies every number of channels; 1.0 is torchvision's network.
    input_size : int
        Side of the square images in pixels, at least 32.
    min_grid : int
        Regions a side that the deepest layer keeps at least: 4 x 4 are too coarse to tell regions apart. Where images
        are too small for it, the first poolings and strides are left out; by default, networks are torchvision's at
        224 pixels.
    seed : int
        Fixes the initial weights; the global random state is left alone.

    Raises
    ------
    ValueError
        For an unknown name, fewer than two categories, a non-positive width, an input below 32 pixels, or a grid finer
        than the images.

    Examples
    --------
    >>> network = build("vgg16", width=0.125, input_size=64)
    >>> list(network.layers)[-2:], network.head.out_features
    (['conv_53', 'fc'], 10)
    """
    if name not in FAMILIES:
        raise ValueError(f"unknown network {name!r}; known are {', '.join(FAMILIES)}")
    if categories < 2:
        raise ValueError(f"a classifier needs at least 2 categories, got {categories}")
    if input_size < 32:
        raise ValueError(f"input_size must be at least 32 pixels, got {input_size}")
    check_positive(width, "width")
    if not 1 <= min_grid <= input_size:
        raise ValueError(f"min_grid must lie in 1 ... {input_size} for images of {input_size} pixels, got {min_grid}")
    family = FAMILIES[name]
    skip = max(0, math.ceil(math.log2(min_grid * 2**family.halvings / input_size)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return family.make(categories, width, skip, input_size)
