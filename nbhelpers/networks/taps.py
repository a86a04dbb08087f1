"""What modules say and hear during one forward pass, copied at once and named if it cannot be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from nbhelpers.networks.network import Network


class Caught(Mapping[str, torch.Tensor]):
    """What each module said, or heard, in the latest forward pass, in the order in which they ran.

    To ask for a module that did not run, ran more than once, or gave more than one tensor is a ``ValueError``.
    """

    def __init__(self, names: Mapping[str, nn.Module], copy: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._expected, self._copy = tuple(names), copy
        self._values: dict[str, Any] = {}
        self._runs: dict[str, int] = {}

    def begin(self) -> None:
        """A new pass begins: forget the one before."""
        self._values.clear()
        self._runs.clear()

    def add(self, name: str, value: Any) -> None:
        self._runs[name] = self._runs.get(name, 0) + 1
        # At once, for operations in place may follow, and once, for a second run is refused.
        self._values.setdefault(name, [self._copy(tensor) for tensor in tensors_in(value)])

    def __getitem__(self, name: str) -> torch.Tensor:
        if name not in self._expected:
            raise KeyError(name)
        if not (runs := self._runs.get(name, 0)):
            raise ValueError(f"{name} does not run in a forward pass, or not as a module: name another module for it")
        if runs > 1:
            raise ValueError(
                f"{name} runs {runs} times in one forward pass, so which of its outputs is meant cannot be known: "
                "give each use a module of its own, or name the module around one use"
            )
        if len(tensors := self._values[name]) != 1:
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors) or "none"
            raise ValueError(f"{name} must give one tensor, but gives {shapes}: name a module inside it, or after it")
        return tensors[0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)


def tensors_in(value: Any) -> list[torch.Tensor]:
    """All tensors of floating-point numbers in a module's output: alone, in sequences, mappings, or objects of fields.

    >>> [len(tensors_in(value)) for value in (torch.ones(2), (torch.ones(2), None), {"z": torch.ones(2)}, 3)]
    [1, 1, 1, 0]
    """
    if isinstance(value, torch.Tensor):
        return [value] if value.is_floating_point() else []
    if isinstance(value, Mapping):
        parts = value.values()
    elif isinstance(value, tuple | list):
        parts = value
    else:
        parts = vars(value).values() if hasattr(value, "__dataclass_fields__") else ()
    return [tensor for part in parts for tensor in tensors_in(part)]


@contextmanager
def tapped(
    root: nn.Module,
    modules: Mapping[str, nn.Module],
    *,
    inputs: bool = False,
    copy: Callable[[torch.Tensor], torch.Tensor] = torch.clone,
) -> Iterator[Caught]:
    """Catch the outputs, or the first ``inputs``, of ``modules`` in each forward pass of ``root``.

    Hooks are always released. ``copy`` is what is kept of a tensor: its shape alone is on the device ``"meta"``.
    """
    caught = Caught(modules, copy)

    # A hook that returned something would replace what it sees: begin() and add() return None.
    def hear(name: str):
        return lambda _m, args, kwargs: caught.add(name, args[0] if args else next(iter(kwargs.values()), None))

    def say(name: str):
        return lambda _m, _args, out: caught.add(name, out)

    handles = [root.register_forward_pre_hook(lambda _m, _args: caught.begin())]
    for name, module in modules.items():
        if inputs:
            handles.append(module.register_forward_pre_hook(hear(name), with_kwargs=True))
        else:
            handles.append(module.register_forward_hook(say(name)))
    try:
        yield caught
    finally:
        for handle in handles:
            handle.remove()


def features_of(network: Network, layer: str, images: torch.Tensor) -> torch.Tensor:
    """What one layer computes, in its own form and in single precision."""
    with tapped(network.body, network.named(layer)) as caught:
        network(images)
    return caught[layer].float()
