"""A trial pass: in which order a network's layers run, in which forms, and whether what it says can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn

from nbhelpers.networks.forms import CHANNELS_LAST, GRID, TOKENS, Evidence, Form, find_form
from nbhelpers.networks.network import Network, evaluating
from nbhelpers.networks.taps import Caught, tapped, tensors_in

_BY_CHANNEL = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d)
_BY_LAST_AXIS = (nn.Linear, nn.LayerNorm)
CHANGES = 9
"""Places of an image that are changed to see whether tokens lie there: at least a third must."""
_PREFIX = {"class_token", "cls_token", "distillation_token", "dist_token", "register_tokens", "reg_token"}
"""How networks name the tokens that they put in front of those of patches."""


@dataclass
class Trial:
    """What a pass of images of one size told.

    Attributes
    ----------
    order : tuple of str
        The layers that run, shallow to deep.
    forms : dict of str to Form
        Of those that can be read.
    """

    order: tuple[str, ...]
    forms: dict[str, Form] = field(default_factory=dict)
    _shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _troubles: dict[str, str] = field(default_factory=dict)

    @property
    def grids(self) -> dict[str, tuple[int, int]]:
        """Rows and columns of each layer that has regions."""
        found = {layer: form.of(self._shapes[layer]) for layer, form in self.forms.items()}
        return {layer: grid for layer, grid in found.items() if grid is not None}

    def form(self, layer: str) -> Form:
        """Of one layer, or a ``ValueError`` that says why it cannot be recorded."""
        if layer in self._troubles:
            raise ValueError(self._troubles[layer])
        return self.forms[layer]

    def refuse(self, layer: str, why: str) -> None:
        """Let the layer be asked for in vain, and say why."""
        self.forms.pop(layer, None)
        self._troubles[layer] = f"the layer {why if why.startswith(layer) else f'{layer} cannot be read: {why}'}"

    def channels(self, layer: str) -> int:
        """How many numbers a region of the layer has, or the whole image if it has no regions."""
        return self.form(layer).channels(self._shapes[layer])

    def ordered(self, layers: Sequence[str]) -> tuple[str, ...]:
        """These layers in the order in which they run."""
        for layer in layers:
            self.form(layer)
        return tuple(layer for layer in self.order if layer in set(layers))


def try_out(network: Network, images: torch.Tensor) -> Trial:
    """What a pass of some of these images (N, 3, H, W) in [0, 1] tells; for each size of images, it is made once.

    Raises
    ------
    ValueError
        If weights are not finite, or what the network says of an image depends on the images beside it, or on chance.
    """
    check_finite(network)
    size = (images.shape[2], images.shape[3])
    if size in network._trials:
        network._trials[size] = network._trials.pop(size)  # the latest stands last
    else:
        x = images[:2] if len(images) > 1 else torch.cat([images, images.flip(3)])
        with torch.no_grad(), evaluating(network):
            network._trials[size] = _trial(network, x)
        order = network._trials[size].order
        paths = network.places
        network.places = {layer: paths[layer] for layer in (*order, *(name for name in paths if name not in order))}
    return network._trials[size]


def survey(network: Network, images: torch.Tensor) -> Trial:
    """What one pass of two images tells of forms and order, whether or not the network can be trusted."""
    with torch.no_grad(), evaluating(network):
        return _survey(network, images)[0]


def check_finite(network: nn.Module) -> None:
    """Refuse NaN and infinite weights by the name of the first tensor that holds any."""
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point() and not tensor.is_meta and not bool(torch.isfinite(tensor).all()):
            bad = int((~torch.isfinite(tensor)).sum())
            raise ValueError(
                f"the weights {name} hold {bad} NaN or infinite values of {tensor.numel()}: load or train them again"
            )


def _trial(network: Network, x: torch.Tensor) -> Trial:
    trial, logits = _survey(network, x)
    _check_alone(logits[:1], _pass(network, x[:1]))
    told = network._told_forms
    tokens = {k: form for k, form in trial.forms.items() if form.kind == TOKENS and k not in told}
    for layer, why in _out_of_place(network, x, tokens).items():
        trial.refuse(layer, why)
    return trial


def _survey(network: Network, x: torch.Tensor) -> tuple[Trial, torch.Tensor]:
    modules, size = network.layers, (x.shape[2], x.shape[3])
    with (
        tapped(network.body, modules, copy=lambda x: x.to("meta")) as caught,
        _watched(network.body, modules, size) as evidence,
    ):
        logits = _pass(network, x)
    trial, unclear = Trial(tuple(caught)), {}
    for layer in (*trial.order, *(layer for layer in modules if layer not in trial.order)):
        try:
            trial._shapes[layer] = _shape(caught, layer, len(x))
            trial.forms[layer] = find_form(trial._shapes[layer], evidence[layer], network._told_forms.get(layer))
        except ValueError as error:
            unclear[layer] = str(error)
    # As many channels as rows and columns may have been turned after the module with weights that tells of them.
    cubes = [layer for layer, shape in trial._shapes.items() if len(shape) == 4 and len(set(shape[1:])) == 1]
    asked = {layer: trial._shapes[layer] for layer in {*unclear, *cubes} if layer in trial._shapes}
    wider = _by_another_width(network, x, asked)
    trial.forms |= wider
    for layer in unclear.keys() - wider.keys():
        trial.refuse(layer, unclear[layer])
    return trial, logits


def _by_another_width(network: Network, x: torch.Tensor, shapes: dict[str, tuple[int, ...]]) -> dict[str, Form]:
    """The form of outputs of four axes whose sizes do not tell it: images of twice the width widen columns alone."""
    shapes = {layer: shape for layer, shape in shapes.items() if len(shape) == 4 and layer not in network._told_forms}
    if not shapes:
        return {}
    modules = network.named(*shapes)
    try:
        with tapped(network.body, modules, copy=lambda x: x.to("meta")) as caught:
            network(torch.cat([x, x], dim=3))
        seen = {layer: tuple(caught[layer].shape) for layer in shapes}
    except (RuntimeError, ValueError, AssertionError):  # as of networks for one size of images
        return {}
    wider = {GRID: 3, CHANNELS_LAST: 2}
    forms = {}
    for layer, shape in shapes.items():
        for kind, axis in wider.items():
            if seen[layer] == tuple(side * (1 + (i == axis)) for i, side in enumerate(shape)):
                forms[layer] = Form(kind)
    return forms


def _out_of_place(network: Network, x: torch.Tensor, tokens: dict[str, Form]) -> dict[str, str]:
    """Why tokens are no rows of regions: changes of the image in one place are the largest in another."""
    if x.is_meta:
        return {}
    troubles = {}
    for rows, columns in {form.grid for form in tokens.values() if form.grid is not None}:
        drawn = torch.randperm(rows * columns, generator=torch.Generator().manual_seed(0))[:CHANGES].tolist()
        changes = [(place // columns, place % columns) for place in drawn]
        seen = x[:1].repeat(1 + len(changes), 1, 1, 1)
        for changed, (row, column) in zip(seen[1:], changes, strict=True):
            high = slice(row * x.shape[2] // rows, (row + 1) * x.shape[2] // rows)
            wide = slice(column * x.shape[3] // columns, (column + 1) * x.shape[3] // columns)
            changed[:, high, wide] = float(changed[:, high, wide].mean() < 0.5)
        here = {layer: form for layer, form in tokens.items() if form.grid == (rows, columns)}
        with tapped(network.body, network.named(*here)) as caught:
            network(seen)
        for layer, form in here.items():
            regions = form.regions(caught[layer]).float()
            largest = (regions[1:] - regions[:1]).norm(dim=1).flatten(1).argmax(dim=1).tolist()
            if 3 * sum(at == place for at, place in zip(largest, drawn, strict=True)) < len(drawn):
                troubles[layer] = (
                    f"its tokens do not seem to lie row by row on a grid of {rows} x {columns}: changes of the image "
                    "are not the largest where they were made. If they do all the same, say it, as in "
                    f'forms={{"{layer}": Form("tokens", prefix={form.prefix}, grid=({rows}, {columns}))}}'
                )
    return troubles


def _shape(caught: Caught, layer: str, images: int) -> tuple[int, ...]:
    shape = tuple(caught[layer].shape)
    if not shape or shape[0] != images:
        raise ValueError(f"its output of shape {shape} does not have the images, here {images}, as its first axis")
    return shape


def _pass(network: Network, x: torch.Tensor) -> torch.Tensor:
    try:
        return network(x)
    except RuntimeError as error:
        first = next((m for m in network.body.modules() if isinstance(m, nn.Conv2d)), None)
        channels = network.mean.shape[1]
        if first is None or first.in_channels == channels or "channels" not in str(error):
            raise
        advice = "mean and std of one number each" if first.in_channels == 1 else "a body of three or one channels"
        raise ValueError(
            f"the network's first convolution takes {first.in_channels} channels, and gets {channels}: give {advice}"
        ) from None


def _check_alone(among: torch.Tensor, alone: torch.Tensor) -> None:
    if among.is_meta:
        return
    size = among.abs().max()
    # Halves are summed in another order for another number of images; what is random differs by much more.
    if bool((among - alone).abs().max() > 0.05 * size):
        raise ValueError(
            "what the network says of an image depends on the images beside it, or on chance: twice the same image "
            f"gave logits that differ by {float((among - alone).abs().max()):.3g}. In evaluation mode it must use no "
            "dropout (F.dropout needs training=self.training) and no statistics of the batch (BatchNorm2d needs "
            "track_running_stats=True)"
        )


@contextmanager
def _watched(body: nn.Module, layers: dict[str, nn.Module], image: tuple[int, int]) -> Iterator[dict[str, Evidence]]:
    """What modules with weights show on the way to each layer's end."""
    evidence: dict[str, Evidence] = {}
    grids: dict[tuple[int, int], None] = {}
    leaf: list[tuple[str, tuple[int, ...]]] = []
    prefix = told_prefix(body)

    def look(module: nn.Module, _args: object, out: object) -> None:
        if len(tensors := tensors_in(out)) != 1:
            return
        shape = tuple(tensors[0].shape)
        leaf[:] = [(kind, shape)] if (kind := _channels_of(module, shape)) else []
        if isinstance(module, nn.Conv2d) and len(shape) == 4:
            grids[shape[2:]] = None

    def end(name: str) -> Callable[..., None]:
        def keep(_module: nn.Module, _args: object, _out: object) -> None:
            evidence[name] = Evidence(image, tuple(grids), leaf[0] if leaf else None, prefix)

        return keep

    watched = [module for module in body.modules() if isinstance(module, _BY_CHANNEL + _BY_LAST_AXIS)]
    handles = [module.register_forward_hook(look) for module in watched]
    handles += [module.register_forward_hook(end(name)) for name, module in layers.items()]
    try:
        yield evidence
    finally:
        for handle in handles:
            handle.remove()


def _channels_of(module: nn.Module, shape: tuple[int, ...]) -> str | None:
    """Where the output of a module with weights holds its channels; None where that cannot be known."""
    if isinstance(module, _BY_CHANNEL):
        return GRID
    width = module.out_features if isinstance(module, nn.Linear) else module.normalized_shape[-1]
    if len(shape) == 4 and shape[1] == width != shape[-1]:
        return GRID  # a normalisation that turns its input to and fro
    return CHANNELS_LAST if shape[-1] == width != shape[1] or type(module) in _BY_LAST_AXIS else None


def told_prefix(body: nn.Module) -> int | None:
    """How many tokens a network says that it puts in front of those of patches; None if it says nothing."""
    if isinstance(told := getattr(body, "num_prefix_tokens", None), int):
        return told
    tokens = [p.shape[1] for name, p in body.named_parameters() if name.split(".")[-1] in _PREFIX and p.ndim == 3]
    return sum(tokens) if tokens else None
