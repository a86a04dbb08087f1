"""Where a model's head and stages are, found by passes of noise and by what it says of itself."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from nbhelpers.files import tell
from nbhelpers.networks.forms import Form, same_aspect
from nbhelpers.networks.network import Network, evaluating, holds, is_head, logits_in, numbers_of, unwrapped
from nbhelpers.networks.taps import tensors_in
from nbhelpers.networks.told import Told, read_size, what_it_says
from nbhelpers.networks.trial import Trial, survey, try_out

SIDE = 224
"""Of the images that a model is tried with if neither it nor the caller says another."""
SPREAD = 4
"""How many of a long row of equal blocks are taken, where a network has no stages."""
T = TypeVar("T")
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def discover(
    model: nn.Module,
    layers: Mapping[str, str] | Sequence[str] | None = None,
    head: str | nn.Linear | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    outputs: Sequence[int | str] | None = None,
    forms: Mapping[str, Form | str] | None = None,
    size: int | tuple[int, int] | None = None,
) -> Network:
    """As :meth:`Network.of` says."""
    told, body = what_it_says(unwrapped(model)), unwrapped(model)
    mean, std, source = _scaling(told, mean, std)
    height, width = read_size(size) if size is not None else told.size or (SIDE, SIDE)
    noise = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    if isinstance(head, nn.Module):
        body, head = _with_head(body, head, noise, len(mean)), "head"
    say = _Passes(body, mean, std, noise, size is None and told.size is None)
    path = head or say.head()
    network = Network(body, {}, path, mean, std)
    chosen = None if outputs is None else numbers_of(outputs, told.names, network.head_outputs)
    forms, found = dict(forms or {}), layers is None
    if layers is None:
        every = {place: place for place, _ in body.named_modules() if place}
        network = Network(body, every, path, mean, std)
        trial = say.tried(lambda: survey(network.to(say.noise.device), say.noise))
        layers = _stages(body, trial, path, told.stages, (height, width))
        layers += [layer for layer in forms if layer not in layers]
    places = dict(layers) if isinstance(layers, Mapping) else {place: place for place in layers}
    network = Network(body, places, path, mean, std, outputs=chosen, forms=forms)
    network.names, network.scaling_from = told.names, source
    trial = say.tried(lambda: try_out(network.to(say.noise.device), say.noise))
    for layer in places:
        try:
            trial.form(layer)
        except ValueError as error:
            if not found:
                raise
            tell(f"left out: {error}")
            del network.places[layer]
    return network


def _scaling(
    told: Told, mean: Sequence[float] | None, std: Sequence[float] | None
) -> tuple[tuple[float, ...], tuple[float, ...], str]:
    if (mean is None) != (std is None):
        raise ValueError("mean and std belong together: give both or none of them")
    if mean is not None and std is not None:
        return tuple(np.ravel(mean).tolist()), tuple(np.ravel(std).tolist()), "as given"
    if told.mean is None or told.std is None:
        raise ValueError(
            "the model does not say how its images were scaled: give mean and std, of each colour in [0, 1], as it was "
            "trained with. Usual are mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), or (0.5, 0.5, 0.5) for "
            "both; for a model of transformers they are image_mean and image_std of its image processor"
        )
    return tuple(told.mean), tuple(told.std), told.source


def _with_head(body: nn.Module, head: nn.Module, noise: torch.Tensor, channels: int) -> nn.Module:
    """A model of features and a head for it, in one."""
    if not is_head(head):
        raise ValueError(f"head must be where the head is, or a Linear layer, got a {type(head).__name__}")
    wide = head.in_features if isinstance(head, nn.Linear) else head.in_channels
    with torch.no_grad(), evaluating(body):
        out = body(noise[:, :channels].to(next(body.parameters())))
    shapes = [tuple(tensor.shape) for tensor in tensors_in(out)]
    if not isinstance(out, torch.Tensor) or shapes != [(len(noise), wide)]:
        raise ValueError(
            f"the head takes ({len(noise)}, {wide}) features of {len(noise)} images, but the model gives "
            f"{', '.join(map(str, shapes)) or type(out).__name__}: wrap it so that it gives these alone"
        )
    return nn.Sequential(OrderedDict(body=body, head=head)).train(body.training)


class _Passes:
    """Passes of noise, whose failures say what to do."""

    def __init__(
        self, body: nn.Module, mean: Sequence[float], std: Sequence[float], noise: torch.Tensor, guessed: bool
    ) -> None:
        device = next((p.device for p in body.parameters()), torch.device("cpu"))
        self.body, self.noise, self.guessed = body, noise.to(device), guessed
        self.mean, self.std = mean, std

    def head(self) -> str:
        """The last linear layer, or 1 x 1 convolution, whose output is the model's."""
        said: dict[str, tuple[nn.Module, torch.Tensor]] = {}
        paths = {path: module for path, module in self.body.named_modules() if path and is_head(module)}

        def keep(path: str, module: nn.Module) -> Callable[..., None]:
            def hook(_module: nn.Module, _args: object, out: torch.Tensor) -> None:
                said.pop(path, None)
                said[path] = (module, out.detach().clone())

            return hook

        def pass_by(_module: nn.Module, _args: object, _out: object) -> None:
            # A convolution that others follow is no head, though its output may survive as it is in an untrained model.
            for path in [path for path, (_, value) in said.items() if value.ndim > 2]:
                del said[path]

        handles = [module.register_forward_hook(keep(path, module)) for path, module in paths.items()]
        for module in self.body.modules():
            if not is_head(module) and next(module.parameters(recurse=False), None) is not None:
                handles.append(module.register_forward_hook(pass_by))
        dtype = next((p.dtype for p in self.body.parameters() if p.is_floating_point()), torch.float32)
        x = (4 * self.noise[:, : len(self.mean)] - 2).to(dtype)  # about as wide as scaled images are
        try:
            with torch.no_grad(), evaluating(self.body):
                out = self.tried(lambda: self.body(x))
        finally:
            for handle in handles:
                handle.remove()
        # Of several that the output holds, the first in it, and of those the last to run.
        tensors = [id(tensor) for tensor in tensors_in(logits_in(out))]
        places: dict[int, str] = {}
        for path, (module, value) in said.items():
            if (tensor := holds(out, value, module)) is not None:
                places[tensors.index(id(tensor))] = path
        if not places:
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors_in(out)) or type(out).__name__
            raise ValueError(
                f"no head: for 2 images the model gives {shapes}, which is what none of its linear layers or 1 x 1 "
                "convolutions says. A model without a head (num_classes=0) needs one: give head=nn.Linear(features, "
                "categories), trained for your categories. Of a model that goes on after its head (softmax, a mean of "
                "two heads) take that away"
            )
        return places[min(places)]

    def tried(self, go: Callable[[], T]) -> T:
        """What a pass gives, or a ``ValueError`` that says what it may want."""
        try:
            return go()
        except (RuntimeError, AssertionError, TypeError, ValueError) as error:
            if isinstance(error, ValueError) and not self.guessed:
                raise
            height, width = self.noise.shape[2:]
            advice = ": give size=, the height and width of its images" if self.guessed else ""
            raise ValueError(f"a pass of images of {height} x {width} fails{advice} ({error})") from error


def _stages(body: nn.Module, trial: Trial, head: str, told: Sequence[str], image: tuple[int, int]) -> list[str]:
    """The last module of each stage, shallow to deep; of a network without stages, blocks at equal distances."""
    grids = {layer: grid for layer, grid in trial.grids.items() if min(grid) >= 2 and same_aspect(grid, image)}
    order = [layer for layer in trial.order[: trial.order.index(head)] if layer in grids]
    if told and all(place in grids for place in told):
        rows = [place for place in order if place in set(told)]
    else:
        rows = [
            place for place in order if not _within_a_block(body, place, trial.grids) and not _passes_on(body, place)
        ]
    last = {grids[place]: place for place in rows}
    # Grids that differ by the margins of convolutions belong to one stage; a grid that grows says nothing new.
    ends: list[str] = []
    for place in sorted(last.values(), key=rows.index):
        if ends and grids[place][0] > grids[ends[-1]][0]:
            continue
        if ends and grids[ends[-1]][0] < 1.5 * grids[place][0]:
            ends.pop()
        ends.append(place)
    if len(ends) < 3:
        ends = _spread(body, rows, grids, ends)
    return [_last_link(place, ends, rows, grids) for place in ends]


def _spread(body: nn.Module, rows: list[str], grids: Mapping[str, tuple[int, int]], ends: list[str]) -> list[str]:
    """Of the longest row of equal blocks some at equal distances, in place of the one end of their grid."""
    series: dict[tuple, list[str]] = {}
    for place in rows:
        module = body.get_submodule(place)
        if next(module.children(), None) is not None:
            series.setdefault((place.rpartition(".")[0], type(module), grids[place]), []).append(place)
    longest = max(series.values(), key=len, default=[])
    if len(longest) < 2:
        return ends
    count = min(SPREAD, len(longest))
    blocks = [longest[round((i + 1) * len(longest) / count) - 1] for i in range(count)]
    return [place for place in rows if place in blocks or (place in ends and grids[place] != grids[longest[0]])]


def _last_link(place: str, ends: list[str], rows: list[str], grids: Mapping[str, tuple[int, int]]) -> str:
    """Of a module that holds other stages the last of its own links on the same grid."""
    if not any(other.startswith(f"{place}.") for other in ends):
        return place
    links = [link for link in rows if link.startswith(f"{place}.") and grids[link] == grids[place]]
    shallow = min((link.count(".") for link in links), default=0)
    return [place, *(link for link in links if link.count(".") == shallow)][-1]


def _passes_on(body: nn.Module, place: str) -> bool:
    return isinstance(body.get_submodule(place), nn.Identity | nn.Dropout | nn.AdaptiveAvgPool2d)


def _within_a_block(body: nn.Module, place: str, grids: Mapping[str, tuple[int, int]]) -> bool:
    """Whether a module lies inside one that goes on to another grid: not a chain, but a block with a way around it."""
    steps = place.split(".")
    for i in range(1, len(steps)):
        around = ".".join(steps[:i])
        module = body.get_submodule(around)
        if around not in grids or grids[around] == grids[place] or type(module) in _CONTAINERS:
            continue
        if grids[around][0] > grids[place][0]:  # such as windows of attention
            return True
        inside = [grid for other, grid in grids.items() if other.startswith(f"{around}.") and grid != (1, 1)]
        octaves = {round(math.log2(grid[0])) for grid in (*inside, grids[around])}  # margins do not count
        if len(octaves) <= 2 and not any(isinstance(child, nn.ModuleList) for child in module.children()):
            return True
    return False
