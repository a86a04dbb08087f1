"""Networks from torchvision: building them at any size, naming their layers, recording what they compute."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from torchvision.models import vgg
from tqdm import tqdm

from nbhelpers._checks import Array, check_positive, check_same_length, read_pixels, resolve_device
from nbhelpers.activations import Activations
from nbhelpers.datasets.base import ImageSet
from nbhelpers.matching import pool_regions

NETWORKS = ("vgg16",)
MIN_GRID = 8
"""Regions a side that the last convolution must keep: a 4 x 4 grid is too coarse to tell regions apart."""


class Network(nn.Module):
    """A classifier of images in [0, 1] whose layers carry the paper's names.

    The normalisation is part of the network, so that an attack can work in pixel space.

    Attributes
    ----------
    layers : dict of str to Module
        Named layers, shallow to deep: outputs of convolutions are regional features, that of ``fc`` the sample feature.
    head : Linear
        The last fully connected layer: its input is the sample feature, its output the logits.
    """

    def __init__(self, body: nn.Module, layers: dict[str, str], head: str) -> None:
        super().__init__()
        self.body = body
        self._layer_paths, self._head_path = layers, head
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.body((images - self.mean) / self.std)

    @property
    def layers(self) -> dict[str, nn.Module]:
        return {name: self.body.get_submodule(path) for name, path in self._layer_paths.items()}

    @property
    def head(self) -> nn.Module:
        return self.body.get_submodule(self._head_path)


def build(name: str, categories: int = 10, *, width: float = 1.0, input_size: int = 64, seed: int = 0) -> Network:
    """Build an untrained network.

    Parameters
    ----------
    name : str
        ``"vgg16"``: VGG-16 with batch normalisation, layers ``conv_11`` ... ``conv_53`` and ``fc``, all after ReLU.
    categories : int
        Number of outputs, at least 2.
    width : float
        Multiplies every number of channels; 1.0 is torchvision's network.
    input_size : int
        Side of the square images in pixels, at least 32. Below 128 the first poolings are left out, so that
        ``conv_53`` keeps a grid of 8 x 8 or finer; at 224 the network is torchvision's.
    seed : int
        Fixes the initial weights; the global random state is left alone.

    Raises
    ------
    ValueError
        For an unknown name, fewer than two categories, a non-positive width or an input below 32 pixels.

    Examples
    --------
    >>> network = build("vgg16", width=0.125, input_size=64)
    >>> list(network.layers)[-2:], network.head.out_features
    (['conv_53', 'fc'], 10)
    """
    if name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}; known are {', '.join(NETWORKS)}")
    if categories < 2:
        raise ValueError(f"a classifier needs at least 2 categories, got {categories}")
    if input_size < 32:
        raise ValueError(f"input_size must be at least 32 pixels, got {input_size}")
    check_positive(width, "width")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _vgg16(categories, width, input_size)


def _vgg16(categories: int, width: float, input_size: int) -> Network:
    skip = max(0, math.ceil(math.log2(MIN_GRID * 16 / input_size)))
    plan, names = [], []
    for block, convolutions in enumerate((2, 2, 3, 3, 3), start=1):
        names += [f"conv_{block}{i}" for i in range(1, convolutions + 1)]
        channels = max(1, round(width * min(512, 32 * 2**block)))
        plan += [channels] * convolutions + (["M"] if block > skip else [])
    features = vgg.make_layers(plan, batch_norm=True)
    pool = min(7, input_size // 32)
    hidden = round(4096 * width * min(1.0, input_size / 128))
    classifier = nn.Sequential(
        nn.Linear(channels * pool**2, hidden),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(hidden, categories),
    )
    body = nn.Sequential(
        OrderedDict(features=features, avgpool=nn.AdaptiveAvgPool2d(pool), flatten=nn.Flatten(), classifier=classifier)
    )
    for module in body.modules():
        # torchvision's N(0, 0.01) is made for 4096 inputs: narrow layers would start with vanishing gradients.
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, mode="fan_out" if isinstance(module, nn.Conv2d) else "fan_in")
            nn.init.zeros_(module.bias)
    relus = [f"features.{i}" for i, module in enumerate(features) if isinstance(module, nn.ReLU)]
    return Network(body, {**dict(zip(names, relus, strict=True)), "fc": "classifier.4"}, "classifier.6")


@contextmanager
def tapped(modules: dict[str, nn.Module], inputs: dict[str, nn.Module]) -> Iterator[dict[str, torch.Tensor]]:
    """Catch the outputs of ``modules`` and the inputs of ``inputs`` of each forward pass; hooks are always released."""
    caught: dict[str, torch.Tensor] = {}

    def keep(name: str, value: torch.Tensor) -> None:
        caught[name] = value

    handles = [m.register_forward_hook(lambda _m, _i, out, n=n: keep(n, out)) for n, m in modules.items()]
    handles += [m.register_forward_pre_hook(lambda _m, args, n=n: keep(n, args[0])) for n, m in inputs.items()]
    try:
        yield caught
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode; afterwards every submodule is in the mode in which it was."""
    modes = [(m, m.training) for m in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for m, training in modes:
            m.training = training


def record(
    network: Network,
    images: ImageSet,
    layers: Sequence[str] = (),
    *,
    grid: int | None = None,
    pixels: Array | None = None,
    batch_size: int = 100,
    device: str | torch.device = "auto",
) -> Activations:
    """Run the network over the images and keep what the method needs.

    Parameters
    ----------
    network : Network
        Put into evaluation mode while it runs, and back afterwards.
    images : ImageSet
        N images, uint8.
    layers : sequence of str
        Layers whose regional features to keep; none by default, since they are large.
    grid : int, optional
        Average every layer to this many regions a side, as :func:`~nbhelpers.matching.pool_regions` does; by default
        layers keep their own grids.
    pixels : (N, 3, H, W), optional
        What the network sees in place of the images, in [0, 1], such as an iterate of an attack on them.
    batch_size : int
        Images a forward pass; bounds the memory.
    device : str or torch.device
        ``"auto"`` is CUDA when there is one.

    Returns
    -------
    Activations
        Everything in float32 NumPy arrays on the CPU.

    Raises
    ------
    ValueError
        If a layer does not exist (the message lists those that do), its own grid is coarser than ``grid``, or
        ``pixels`` are not one for each image, or lie outside [0, 1].
    """
    seen = torch.from_numpy(images.images) if pixels is None else read_pixels(pixels, "pixels")
    check_same_length(images=images.labels, pixels=seen)
    named = network.layers
    unknown = [layer for layer in layers if layer not in named]
    if unknown:
        raise ValueError(f"no layer {', '.join(unknown)}; this network has {', '.join(named)}")
    where = resolve_device(device)
    network.to(where)
    taps = tapped({k: named[k] for k in layers}, {"features": network.head})
    parts: dict[str, list[np.ndarray]] = {"logits": [], "features": [], **{layer: [] for layer in layers}}
    with torch.inference_mode(), evaluating(network), taps as caught:
        for batch in tqdm(seen.split(batch_size), "recording", delay=2):
            x = to_unit(batch, where) if pixels is None else batch.to(where, memory_format=torch.channels_last)
            caught["logits"] = network(x)
            for key, collected in parts.items():
                value = caught[key].float()
                if grid is not None and key in layers:
                    value = pool_regions(value, grid)
                collected.append(value.cpu().numpy())
    joined = {key: np.concatenate(collected) for key, collected in parts.items()}
    logits, features = joined.pop("logits"), joined.pop("features")
    return Activations(logits, features, images.labels, images.categories, joined)


def to_unit(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Uint8 pixels as float32 in [0, 1] on ``device``, in the memory order that convolutions like best."""
    return images.to(device).to(torch.float32, memory_format=torch.channels_last).div_(255)
