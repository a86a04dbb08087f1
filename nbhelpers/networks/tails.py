"""What comes after a layer: the part of a network that runs on from its regional features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from nbhelpers.images import ImageSet
from nbhelpers.maths.arrays import check_same_length
from nbhelpers.networks.forms import GRID, VECTOR, Form
from nbhelpers.networks.network import Network, evaluating
from nbhelpers.networks.recording import to_unit
from nbhelpers.networks.replay import Replay, Rows, mapped, passed
from nbhelpers.networks.taps import tapped
from nbhelpers.networks.trial import try_out

BATCH = 100
"""Images a forward pass where their tokens are looked at."""

ROUNDING = 16
"""Units in the last place by which numbers that are to be equal may differ."""

SUMMED = 1e-2
"""Share of the largest number by which they may differ where sums are taken in another order, in half precision too."""


def tail_of(network: Network, layer: str, images: ImageSet | None = None) -> nn.Module:
    """What comes after a layer, as a module from that layer's regional features (N, K, H, W) to logits.

    Every layer has a tail on whose output the rest of the network depends alone, whatever its code and its form. Where
    the body is no chain of modules, that is tried out on three images of noise: with the layer's output kept and all
    else exchanged between them, the logits and the sample features must stay as they were, to the last digits.

    Parameters
    ----------
    network : Network
        The tail runs its own modules, no copies: trained on or loaded anew, the tail follows, on its device and in its
        mode (:func:`region_shapley` runs it in evaluation mode and puts the mode back).
    layer : str
        One of ``network.layers``.
    images : ImageSet, optional
        N images. Needed where the body is no chain and has not yet run, to know the images' size; and where class or
        register tokens stand before the patches. The rest of the network depends on these, too: the tail *holds them
        as they were in each image*, so its regions are those of these images.

    Returns
    -------
    Module
        A ``Sequential`` where the body is a chain of modules (``Sequential``, nested or not), else a :class:`Tail`.

    Raises
    ------
    ValueError
        If the layer does not exist (the message lists those that do), its output is not all that the rest of the
        network sees, as inside a residual block (the message says what else it sees), or images are needed.

    Examples
    --------
    >>> body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    >>> tail = tail_of(Network(body, {"conv": "1"}, head="4"), "conv")
    >>> tail(torch.zeros(2, 8, 14, 14)).shape
    torch.Size([2, 4])
    """
    module = network.named(layer)[layer]
    rest = _after(network.body, module)
    form = network.forms.get(layer)
    if rest is not None and (form is None or form.kind in (GRID, VECTOR)):
        return Chain(rest, network.outputs)
    size = network.size if images is None else tuple(images.images.shape[2:])
    if size is None:
        raise ValueError(
            f"the tail of {layer} is found by a pass, and the network has not seen an image yet: give images"
        )
    noise = _noise(size).to(network.mean.device)
    form = try_out(network, noise).form(layer)
    with torch.no_grad(), evaluating(network):
        held = _held(network, layer, form, images)
        return Tail(network, noise[:1], form, _replay(network, layer, noise), held)


class Chain(nn.Sequential):
    """The modules of a chain that run after a layer. What they are given stays as it is, whatever they write into."""

    def __init__(self, rest: list[nn.Module], outputs: tuple[int, ...]) -> None:
        super().__init__(*rest)
        self.outputs = list(outputs)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        own = next(self.parameters()).dtype
        logits = super().forward(features.to(own, copy=True)).to(features.dtype)
        return logits if self.outputs == list(range(logits.shape[1])) else logits[:, self.outputs]


class Tail(nn.Module):
    """What runs after a layer of any network, from that layer's regional features (N, K, H, W) to logits.

    Attributes
    ----------
    network : Network
    held : (N, P, K) or None
        The tokens before the patches of each of N images, which stay as they were.
    """

    def __init__(
        self, network: Network, image: torch.Tensor, form: Form, replay: Replay, held: torch.Tensor | None
    ) -> None:
        super().__init__()
        self.network, self.form, self.replay, self.held = network, form, replay, held
        self.register_buffer("image", image, persistent=False)  # what it shows does not matter

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        held = self.held
        if held is not None:
            held = held.expand(len(features), -1, -1) if len(held) == 1 else held
            check_same_length(features=features, images=held)
        output = self.form.restored(features, held).to(self.replay.inputs.dtype)
        with self.replay.giving(output if self.form.kind == GRID else output.contiguous()):
            return self.network(self.image)

    def of_images(self, index: torch.Tensor | Sequence[int]) -> Tail:
        """The tail of these images, each as often as it is named; of one, for any number of variants of its regions."""
        if self.held is None:
            return self
        return Tail(self.network, self.image, self.form, self.replay, self.held[index])


def _after(module: nn.Module, layer: nn.Module) -> list[nn.Module] | None:
    """The modules of a nested chain that run after ``layer``; None where the chain does not lead to it."""
    if module is layer:
        return []
    for i, child in enumerate(module if isinstance(module, nn.Sequential) else ()):
        if (rest := _after(child, layer)) is not None:
            return [*rest, *module[i + 1 :]]
    return None


def _noise(size: tuple[int, int]) -> torch.Tensor:
    """Three images that differ in all that a network may look at, in brightness and colour, too."""
    noise = torch.Generator().manual_seed(0)
    return torch.rand(3, 3, *size, generator=noise) * torch.rand(3, 3, 1, 1, generator=noise)


def _replay(network: Network, layer: str, images: torch.Tensor) -> Replay:
    """The network run on from the layer, or a ``ValueError`` that says what else it needs."""
    body, module = network.body, network.named(layer)[layer]
    with tapped(body, {layer: module}) as caught, tapped(body, {"the head": network.head}, inputs=True) as heard:

        def says() -> torch.Tensor:
            logits = network(images)
            return torch.cat([logits.flatten(1), heard["the head"].flatten(1).to(logits)], dim=1)

        told = []
        replay = passed(body, module, lambda: told.append(says()))
        output = caught[layer]

        def differs(rows: Rows) -> bool:
            with replay.giving_rows(output, rows):
                gap = (says() - told[0]).abs().max()
            return bool(gap > ROUNDING * torch.finfo(output.dtype).eps * told[0].abs().max())

        if differs(lambda x: x.roll(1, 0)):
            names = {module: name for name, module in body.named_modules()}
            others = {names[call.module]: None for call in replay.calls if differs(_of(call.output))}
            gave = f"{', '.join(others)} gave" if others else "the body was given"
            raise ValueError(
                f"the rest of the network does not depend on {layer} alone, but also on what {gave} before it: name a "
                "layer behind which they meet, such as the whole block around it"
            )
        for first in (replay.first(), replace(replay.first(), copied=True)):
            try:
                with first.giving(output[1:]):
                    fewer = says()
                break
            except RuntimeError as error:  # views cannot be written into, nor be viewed in any other shape
                reason = error
        else:
            raise ValueError(f"the network does not run on from {layer}: {reason}")
        if float((fewer - told[0][1:]).abs().max()) > SUMMED * float(told[0].abs().max()):
            raise ValueError(
                f"what the network says after {layer} depends on how many images there are: it has no tail"
            )
        return first


def _of(output: Any) -> Rows:
    """Other images' rows for this output, and all else as it was."""
    theirs: list[torch.Tensor] = []
    mapped(output, lambda x: theirs.append(x) or x)
    return lambda x: x.roll(1, 0) if any(x is one for one in theirs) else x.clone()


def _held(network: Network, layer: str, form: Form, images: ImageSet | None) -> torch.Tensor | None:
    """The tokens before the patches in each image; None where there are none."""
    if not form.prefix:
        return None
    if images is None:
        raise ValueError(
            f"{layer} has {form.prefix} tokens before those of the patches, on which the rest of the network depends, "
            "too: give the images whose tokens the tail is to hold"
        )
    held = []
    with tapped(network.body, network.named(layer)) as caught:
        for start in range(0, len(images), BATCH):
            network(to_unit(torch.as_tensor(images.images[start : start + BATCH]), network.mean.device))
            held.append(caught[layer][:, : form.prefix].clone())
    return torch.cat(held)
