"""A classifier of images whose layers have names: any torch module, its normalisation, where its head is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


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

    def named(self, *layers: str) -> dict[str, nn.Module]:
        """The modules of these layers, or a ``ValueError`` that lists the layers there are."""
        modules = self.layers
        if unknown := [layer for layer in layers if layer not in modules]:
            raise ValueError(f"no layer {', '.join(unknown)}; this network has {', '.join(modules)}")
        return {layer: modules[layer] for layer in layers}


def _check_place(body: nn.Module, place: str) -> None:
    """Refuse a place where the body has no module, and tell what is there."""
    at = body
    for i, step in enumerate(steps := place.split(".")):
        below = dict(at.named_children())
        if step not in below:
            before = ".".join(steps[:i]) or "the body"
            raise ValueError(f"no module at {place!r}: {before} has {', '.join(below) or 'none'}")
        at = below[step]


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


def check_evaluating(model: nn.Module, name: str = "model") -> None:
    """Batch statistics and dropout would make what it says, and its gradient, another at every call."""
    if any(module.training for module in model.modules()):
        raise ValueError(f"the {name}, or a part of it, is in training mode; call {name}.eval() first")
