"""A classifier of images whose layers have names: any torch module, its normalisation, where its head is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nbhelpers.networks.forms import Form
from nbhelpers.networks.taps import tensors_in

if TYPE_CHECKING:
    from nbhelpers.networks.trial import Trial

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LUMA = (0.299, 0.587, 0.114)
"""How bright red, green and blue are (ITU-R BT.601): what a network of one channel sees of a colour."""


class Network(nn.Module):
    """A classifier of images in [0, 1] whose layers carry names.

    The normalisation is part of the network, so that an attack can work in pixel space.

    Parameters
    ----------
    body : Module
        From normalised images (N, 3, H, W), or grey (N, 1, H, W), to logits (N, C): any network. What it returns may
        hold more than the logits, as model outputs do; images come to it in the type of its weights.
    layers : dict of str to str
        The names that layers shall have, and where they are in the body, as in ``body.get_submodule``. Outputs
        (N, K, H, W), (N, H, W, K) and (N, tokens, K) are regional features, (N, D) sample features.
    head : str
        Where the last fully connected layer is, or the 1 x 1 convolution in its place: its input, averaged over
        positions, is the sample feature, and its output the logits.
    mean, std : three floats, or one
        Of each colour in [0, 1]; what is subtracted and divided by before the body sees the image. torchvision's
        weights want the values given here. With one, the body sees the images in grey.
    outputs : sequence of int, optional
        Which outputs of the head are the categories, in their order; by default all.
    forms : dict of str to (Form or str), optional
        The forms of layers, where a pass does not tell them or tells them wrong: see :class:`~nbhelpers.Form`.

    Attributes
    ----------
    layers : dict of str to Module
        In the order in which they run, once that is known from a pass.
    places : dict of str to str
        Where they are in the body.
    head : Linear or Conv2d
    head_place : str
        Where it is.
    outputs : tuple of int
        Which of the head's outputs the categories are.
    names : tuple of str or None
        What all outputs of the head are called, where the model knows it.
    forms : dict of str to Form
        Of each layer, once they are known from a pass.
    grids : dict of str to (int, int)
        Rows and columns of each layer's regions, once they are known from a pass.
    auxiliary : int
        How many outputs of the logits' shape the body gave beside them in the latest pass, as some do in training.

    Raises
    ------
    ValueError
        If the body has no module at one of the places (the message tells what is there), the head is neither linear
        nor a 1 x 1 convolution, an output does not exist or is named twice. At a forward pass: if what the network
        says is not what its head says, or its head does not run once.

    Examples
    --------
    >>> body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    >>> network = Network(body, {"conv": "1"}, head="4", outputs=[2, 0])
    >>> network(torch.zeros(2, 3, 16, 16)).shape, list(network.layers)
    (torch.Size([2, 2]), ['conv'])
    """

    def __init__(
        self,
        body: nn.Module,
        layers: dict[str, str],
        head: str,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        *,
        outputs: Sequence[int] | None = None,
        forms: Mapping[str, Form | str] | None = None,
    ) -> None:
        super().__init__()
        self.body = body = unwrapped(body)
        self.training = body.training
        self.places, self.head_place = dict(layers), head
        for place in (*layers.values(), head):
            _check_place(body, place)
        _check_head(self.head, head)
        for name, values in _scaling(mean, std).items():
            self.register_buffer(name, values)
        self.outputs = _chosen(outputs, self.head_outputs)
        chosen = None if outputs is None else torch.tensor(self.outputs)
        self.register_buffer("_chosen", chosen, persistent=False)
        if unknown := [layer for layer in forms or {} if layer not in self.places]:
            raise ValueError(f"forms of {', '.join(unknown)}, but the layers are {', '.join(self.places)}")
        self._told_forms = {
            layer: Form(form) if isinstance(form, str) else form for layer, form in (forms or {}).items()
        }
        self._trials: dict[tuple[int, int], Trial] = {}
        self.auxiliary = 0
        self.names: tuple[str, ...] | None = None
        self.scaling_from = "as given"
        self._contiguous = any(map(_overruns, body.modules()))

    @classmethod
    def of(
        cls,
        model: nn.Module,
        *,
        layers: Mapping[str, str] | Sequence[str] | None = None,
        head: str | nn.Linear | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        outputs: Sequence[int | str] | None = None,
        forms: Mapping[str, Form | str] | None = None,
        size: int | tuple[int, int] | None = None,
    ) -> Network:
        """Any classifier: its head, its layers, their forms and its scaling are found, and checked by passes of noise.

        What was found is printed as a table, which is also how the network shows itself; whatever is wrong in it can be
        given by name.

        Parameters
        ----------
        model : Module
            From images (N, 3, H, W) or grey (N, 1, H, W) to logits: of torchvision, timm, transformers or one's own.
        layers : dict of str to str, or sequence of str, optional
            Where layers are in the model, with names of their own or by their places. By default the last module of
            each stage, shallow to deep (as timm says it, else where the grid of regions changes); of a network without
            stages, such as a vision transformer, four blocks at equal distances.
        head : str or Linear, optional
            Where the head is; by default the last linear layer or 1 x 1 convolution whose output is the model's. A
            Linear layer is put after a model that gives features.
        mean, std : three floats, or one
            As of :class:`Network`. By default what the model says of itself: timm's ``pretrained_cfg``, the weights of
            its family in torchvision, the config of transformers.
        outputs : sequence of int or str, optional
            Which outputs are the categories, in their order, by number, or by name where the model knows names
            (``network.names``).
        forms : dict of str to (Form or str), optional
            The forms of layers that a pass does not tell, or tells wrong.
        size : int or (int, int), optional
            Of the images that it is tried with; by default what the model says, else 224 pixels.

        Raises
        ------
        ValueError
            If the model says nothing of its scaling and ``mean`` and ``std`` are not given; if it has no head, goes on
            after it, or what it says of an image depends on chance; if a layer that was asked for cannot be read.

        Examples
        --------
        >>> from torchvision.models import squeezenet1_1
        >>> _ = torch.manual_seed(0)
        >>> network = Network.of(squeezenet1_1(num_classes=4), size=64)
        Network of SqueezeNet
        layer        form  grid     channels
        features.1   grid  31 x 31  64
        features.4   grid  15 x 15  128
        features.7   grid  7 x 7    256
        features.12  grid  3 x 3    512
        head: classifier.1 (1 x 1 convolution, whose input is averaged over regions), 512 features to 4 outputs
        scaling: mean 0.485, 0.456, 0.406, std 0.229, 0.224, 0.225 (torchvision's weights of its family), tried with ...
        """
        from nbhelpers.networks.discovery import discover

        network = discover(model, layers, head, mean, std, outputs, forms, size)
        print(network)
        return network

    def __repr__(self) -> str:
        from nbhelpers.networks.summary import summary

        return summary(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.scores(self.scaled(images))

    def scores(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of the ``outputs`` from what the body sees, as :meth:`scaled` gives it."""
        said: list[tuple[torch.Tensor, int | None, torch.Tensor]] = []

        def say(_module: nn.Module, _args: Any, out: torch.Tensor) -> None:
            # Kept as it is now, for operations in place may follow.
            said.append((out, None if out.is_inference() else out._version, out.detach().clone()))

        handle = self.head.register_forward_hook(say)
        try:
            logits = self._logits(out := self._run(x, said), said)
        finally:
            handle.remove()
        self.auxiliary = sum(tensor.shape == logits.shape for tensor in tensors_in(out)) - 1
        if logits.dtype in (torch.float16, torch.bfloat16) and x.dtype == logits.dtype:
            logits = logits.float()
        return logits if self._chosen is None else logits[:, self._chosen]

    def scaled(self, images: torch.Tensor) -> torch.Tensor:
        """What the body sees of images in [0, 1]: scaled, in grey if it has one channel, in the type of its weights."""
        if not images.is_floating_point():
            raise ValueError(f"images must be numbers in [0, 1], got {images.dtype}; divide uint8 pixels by 255")
        if self.mean.shape[1] == 1:
            images = (images * images.new_tensor(LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
        scaled = (images - self.mean) / self.std
        return scaled.to(next((p.dtype for p in self.body.parameters() if p.is_floating_point()), scaled.dtype))

    def _run(self, x: torch.Tensor, said: list) -> Any:
        try:
            return self.body(x.contiguous() if self._contiguous else x)
        except RuntimeError as error:
            if "view size is not compatible" not in str(error):
                raise
        # A body that flattens by view() wants channels in front in memory, too, and so do its weights.
        said.clear()
        self._contiguous = True
        self.body.to(memory_format=torch.contiguous_format)
        return self.body(x.contiguous())

    def _logits(self, out: Any, said: list) -> torch.Tensor:
        """What the head said, in the network's output; a ``ValueError`` if it is not there."""
        path = self.head_place
        if not said:
            raise ValueError(
                f"the head {path} does not run in a forward pass, or not as a module: name the module whose output is "
                "the network's"
            )
        if len(said) > 1:
            raise ValueError(
                f"the head {path} runs {len(said)} times in one forward pass: which of its outputs the logits are "
                "cannot be known"
            )
        first, version, kept = said[0]
        here = tensors_in(logits_in(out))
        for tensor in here:
            if tensor is first and version is not None and tensor._version == version and tensor.ndim == 2:
                return tensor
        if (logits := holds(out, kept, self.head)) is not None:
            return logits
        raise ValueError(_other_than_the_head(path, here, kept if kept.ndim == 2 else pooled(kept, self.head)[0]))

    @property
    def layers(self) -> dict[str, nn.Module]:
        return {name: self.body.get_submodule(path) for name, path in self.places.items()}

    @property
    def head(self) -> nn.Linear | nn.Conv2d:
        return self.body.get_submodule(self.head_place)

    @property
    def head_outputs(self) -> int:
        """How many outputs the head has, categories or not."""
        head = self.head
        return head.out_features if isinstance(head, nn.Linear) else head.out_channels

    @property
    def memory_format(self) -> torch.memory_format:
        """The order in memory that convolutions like best, unless the body would break in it."""
        return torch.contiguous_format if self._contiguous else torch.channels_last

    @property
    def forms(self) -> dict[str, Form]:
        return self._trials[self.size].forms if self.size else self._told_forms

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the images of the latest trial pass, such as :func:`~nbhelpers.record` makes."""
        return next(reversed(self._trials), None)

    @property
    def grids(self) -> dict[str, tuple[int, int]]:
        return self._trials[self.size].grids if self.size else {}

    def picking(self, outputs: Sequence[int | str]) -> Network:
        """The same network, not a copy, with these of its head's outputs as the categories, by number or by name.

        Raises
        ------
        ValueError
            If there is no such output, one is named twice, or there are fewer than two.
        """
        chosen = numbers_of(outputs, self.names, self.head_outputs)
        scaling = self.mean.flatten().tolist(), self.std.flatten().tolist()
        picked = Network(self.body, self.places, self.head_place, *scaling, outputs=chosen, forms=self._told_forms)
        picked.names, picked.scaling_from, picked._trials = self.names, self.scaling_from, dict(self._trials)
        return picked.to(self.mean.device)

    def named(self, *layers: str) -> dict[str, nn.Module]:
        """The modules of these layers, or a ``ValueError`` that lists the layers there are."""
        modules = self.layers
        if unknown := [layer for layer in layers if layer not in modules]:
            raise ValueError(f"no layer {', '.join(unknown)}; this network has {', '.join(modules)}")
        return {layer: modules[layer] for layer in layers}


def numbers_of(outputs: Sequence[int | str], names: tuple[str, ...] | None, count: int) -> list[int]:
    """Outputs by their numbers, whether they were given by number or by name, or a ``ValueError``.

    >>> numbers_of(["dog", 0], ("cat", "dog", "cow"), 3)
    [1, 0]
    """
    chosen = []
    for output in outputs:
        if not isinstance(output, str):
            chosen.append(output)
            continue
        if names is None or len(names) != count:
            raise ValueError(f"the model does not say what its outputs are called: give the number of {output!r}")
        places = [i for i, name in enumerate(names) if name == output]
        if not places:
            alike = [name for name in names if output.lower() in name.lower()][:5]
            hint = f"; it has {', '.join(map(repr, alike))}" if alike else f"; the first is {names[0]!r}"
            raise ValueError(f"no output is called {output!r}{hint}")
        if len(places) > 1:
            raise ValueError(f"{output!r} is the name of the outputs {places}: give the number of the one you mean")
        chosen += places
    return chosen


def unwrapped(body: nn.Module) -> nn.Module:
    """The module itself, where it was compiled or spread over devices: hooks do not reach into that."""
    while isinstance(body, nn.DataParallel | nn.parallel.DistributedDataParallel) or hasattr(body, "_orig_mod"):
        body = body._orig_mod if hasattr(body, "_orig_mod") else body.module
    return body


def pooled(x: torch.Tensor, head: nn.Module) -> list[torch.Tensor]:
    """What a head says, or hears, at each position as one row an image: the mean over positions, also after ReLU."""
    where = tuple(range(2, x.ndim)) if isinstance(head, nn.Conv2d) else tuple(range(1, x.ndim - 1))
    return [x.mean(where), x.relu().mean(where)]


def logits_in(out: Any) -> Any:
    """What a model's output calls its logits, which counts alone; all of it where it calls nothing so."""
    if isinstance(out, Mapping):
        return out.get("logits", out)
    return getattr(out, "logits", out)


def holds(out: Any, said: torch.Tensor, head: nn.Module) -> torch.Tensor | None:
    """What a head said, as it stands in a model's output, alone or pooled over positions; None if it is not there."""
    wanted = [said] if said.ndim == 2 else pooled(said, head)
    return next((tensor for tensor in tensors_in(logits_in(out)) if any(_equal(tensor, one) for one in wanted)), None)


def _check_place(body: nn.Module, place: str) -> None:
    """Refuse a place where the body has no module, and tell what is there."""
    at = body
    for i, step in enumerate(steps := place.split(".")):
        below = dict(at.named_children())
        if step not in below:
            before = ".".join(steps[:i]) or "the body"
            raise ValueError(f"no module at {place!r}: {before} has {', '.join(below) or 'none'}")
        at = below[step]


def is_head(module: nn.Module) -> bool:
    """Whether a module scores categories: a linear layer, or a 1 x 1 convolution."""
    return isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and set(module.kernel_size) == {1})


def _check_head(module: nn.Module, path: str) -> None:
    if not is_head(module):
        raise ValueError(
            f"the head must be the last Linear layer, or a 1 x 1 convolution, but {path!r} is a {type(module).__name__}"
        )


def _scaling(mean: Sequence[float], std: Sequence[float]) -> dict[str, torch.Tensor]:
    values = {"mean": np.ravel(mean), "std": np.ravel(std)}
    if {len(value) for value in values.values()} not in ({1}, {3}):
        told = " and ".join(f"{len(value)} of {name}" for name, value in values.items())
        raise ValueError(f"mean and std must each be three numbers, or one for a network that sees grey, got {told}")
    if not np.isfinite([*values["mean"], *values["std"]]).all() or values["std"].min() <= 0:
        raise ValueError(f"mean must be finite and std above 0, got {tuple(mean)} and {tuple(std)}")
    return {name: torch.tensor(value.tolist()).view(1, -1, 1, 1) for name, value in values.items()}


def _chosen(outputs: Sequence[int] | None, count: int) -> tuple[int, ...]:
    if outputs is None:
        return tuple(range(count))
    chosen = tuple(outputs)
    for i in chosen:
        if isinstance(i, bool) or not isinstance(i, int | np.integer) or not 0 <= i < count:
            raise ValueError(f"outputs must be whole numbers of 0 ... {count - 1}, as the head has, got {i!r}")
    if len(set(chosen)) < len(chosen) or len(chosen) < 2:
        raise ValueError(f"outputs must be two or more that differ, got {list(chosen)}")
    return tuple(int(i) for i in chosen)


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    if one.shape != other.shape or one.is_meta:
        return one.shape == other.shape
    one, other = one.detach().float(), other.detach().float()
    return torch.allclose(one, other, rtol=0, atol=1e-4 * float(other.nan_to_num().abs().max()), equal_nan=True)


def _other_than_the_head(path: str, here: list[torch.Tensor], wanted: torch.Tensor) -> str:
    shapes = ", ".join(str(tuple(tensor.shape)) for tensor in here) or "no tensor"
    why = f"it gives {shapes}, the head {tuple(wanted.shape)}"
    if alike := [tensor.float() for tensor in here if tensor.shape == wanted.shape]:
        x = alike[0].detach()
        why = f"they differ by up to {float((x - wanted.float()).abs().max()):.3g}"
        if bool((x >= 0).all()) and bool(((x.sum(dim=1) - 1).abs() < 1e-2).all()):
            why = "it looks like probabilities, not logits"
        elif torch.allclose(x, F.log_softmax(wanted.float(), dim=1), atol=1e-3):
            why = "it looks like logarithms of probabilities, not logits"
    return (
        f"what the network says is not what its head {path} says: {why}. Take away what follows the head in the body's "
        "forward pass (softmax, scaling, a mean with another head), or name the module whose output is the network's"
    )


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


def _overruns(module: nn.Module) -> bool:
    """Whether the gradient of a convolution, channels last, is wrong or ends the process: oneDNN's issue 6035."""
    if not isinstance(module, nn.Conv2d):
        return False
    return set(module.kernel_size) == {1} and max(module.stride) > 1 and module.in_channels < 16
