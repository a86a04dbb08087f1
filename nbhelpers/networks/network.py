"""Networks from torchvision: building them at any size, naming their layers, recording what they compute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from nbhelpers.images import ImageSet, read_pixels
from nbhelpers.maths.arrays import Array, check_positive, check_same_length, resolve_device
from nbhelpers.method.activations import Activations
from nbhelpers.method.matching import pool_regions
from nbhelpers.networks.architectures import FAMILIES, halvings_to_skip

NETWORKS = tuple(FAMILIES)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MIN_GRID = 7
"""Regions a side that the deepest layer must keep: a 4 x 4 grid is too coarse to tell regions apart."""


class Network(nn.Module):
    """A classifier of images in [0, 1] whose layers carry the paper's names.

    The normalisation is part of the network, so that an attack can work in pixel space.

    Parameters
    ----------
    body : Module
        From normalised images (N, 3, H, W) to logits (N, C): any network.
    layers : dict of str to str
        The names that layers shall have, shallow to deep, and where they are in the body, as in
        ``body.get_submodule``. Outputs (N, K, H, W) are regional features, (N, D) sample features.
    head : str
        Where the last fully connected layer is: its input is the sample feature, its output the logits.
    mean, std : three floats
        Of each colour in [0, 1]; what is subtracted and divided by before the body sees the image. torchvision's
        weights want the values given here.

    Attributes
    ----------
    layers : dict of str to Module
    head : Linear

    Raises
    ------
    ValueError
        If the body has no module at one of the places (the message tells what is there), or the head is not linear.

    Examples
    --------
    >>> body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    >>> network = Network(body, {"conv": "1"}, head="4")
    >>> network(torch.zeros(2, 3, 16, 16)).shape, list(network.layers)
    (torch.Size([2, 4]), ['conv'])
    """

    def __init__(
        self,
        body: nn.Module,
        layers: dict[str, str],
        head: str,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.body = body
        self._layer_paths, self._head_path = dict(layers), head
        for place in (*layers.values(), head):
            _check_place(body, place)
        if not isinstance(self.head, nn.Linear):
            raise ValueError(f"the head must be the last Linear layer, but {head!r} is a {type(self.head).__name__}")
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.body((images - self.mean) / self.std)

    @property
    def layers(self) -> dict[str, nn.Module]:
        return {name: self.body.get_submodule(path) for name, path in self._layer_paths.items()}

    @property
    def head(self) -> nn.Linear:
        return self.body.get_submodule(self._head_path)


def _check_place(body: nn.Module, place: str) -> None:
    """Refuse a place where the body has no module, and tell what is there."""
    at = body
    for i, step in enumerate(steps := place.split(".")):
        below = dict(at.named_children())
        if step not in below:
            before = ".".join(steps[:i]) or "the body"
            raise ValueError(f"no module at {place!r}: {before} has {', '.join(below) or 'none'}")
        at = below[step]


def build(
    name: str,
    categories: int = 10,
    *,
    width: float = 1.0,
    input_size: int = 64,
    min_grid: int = MIN_GRID,
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
        Regions a side that the deepest layer keeps at least. Where the images are too small for it, the first
        poolings and strides are left out; with the default and at 224 pixels, networks are torchvision's.
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
    if name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}; known are {', '.join(NETWORKS)}")
    if categories < 2:
        raise ValueError(f"a classifier needs at least 2 categories, got {categories}")
    if input_size < 32:
        raise ValueError(f"input_size must be at least 32 pixels, got {input_size}")
    check_positive(width, "width")
    if not 1 <= min_grid <= input_size:
        raise ValueError(f"min_grid must lie in 1 ... {input_size} for images of {input_size} pixels, got {min_grid}")
    family = FAMILIES[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(*family.make(categories, width, halvings_to_skip(family, input_size, min_grid), input_size))


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
        Average every layer to this many regions a side, as :func:`~nbhelpers.method.matching.pool_regions` does; by
        default layers keep their own grids.
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


def check_evaluating(model: nn.Module, name: str = "model") -> None:
    """Batch statistics and dropout would make what it says, and its gradient, another at every call."""
    if any(module.training for module in model.modules()):
        raise ValueError(f"the {name}, or a part of it, is in training mode; call {name}.eval() first")
