"""A network run on from one of its layers: what comes before it is kept from one pass, and not computed again.

Tracing would have to understand a network's code. Here that code itself runs, whatever it is: the layer gives what it
is told to, and each module that had ended before the layer began gives again what it gave in one pass. So only what
comes after the layer costs time, and the little that the code does between the modules before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import count
from typing import Any

import torch
from torch import nn

Rows = Callable[[torch.Tensor], torch.Tensor]
"""Makes the rows that a module gives in a replay of those that it gave in the pass."""


@dataclass(frozen=True)
class Call:
    """One call of a module that ended before the layer began."""

    module: nn.Module
    began: int
    output: Any  # None where it holds not just tensors of one row an image: then the module runs again


@dataclass(frozen=True)
class Replay:
    """What a pass computed up to ``layer``, and how to run on from there.

    Attributes
    ----------
    calls : list of Call
        The outermost calls before the layer, as they came.
    inputs : (N, ...)
        What ``body`` was called with.
    output : Tensor, or what holds it
        What the layer gave.
    copied : bool
        Whether modules give copies, for a network that writes into what it is given; views cost nothing.
    """

    body: nn.Module
    layer: nn.Module
    calls: list[Call]
    inputs: torch.Tensor
    output: Any
    copied: bool = False

    def first(self) -> Replay:
        """The same of the first image alone."""
        calls = [replace(call, output=mapped(call.output, lambda x: x[:1].clone())) for call in self.calls]
        return replace(self, calls=calls, inputs=self.inputs[:1].clone())

    @contextmanager
    def giving(self, output: torch.Tensor) -> Iterator[None]:
        """While it lasts the layer gives ``output``, and all else comes from the first image, as often as is needed."""

        def first(x: torch.Tensor) -> torch.Tensor:
            x = x[:1].to(output.device).expand(len(output), *x.shape[1:])
            return x.clone() if self.copied else x

        with self.giving_rows(output, first):
            yield

    @contextmanager
    def giving_rows(self, output: torch.Tensor, rows: Rows) -> Iterator[None]:
        """The same, where ``rows`` makes all else."""
        forwards = {}
        for module in {call.module for call in self.calls}:
            outputs = [call.output for call in self.calls if call.module is module]
            forwards[module] = _again(iter(outputs), rows, module.forward)
        run = self.body.forward
        forwards[self.body] = lambda *_args, **_kwargs: run(rows(self.inputs))
        # A copy, for what follows may write into it.
        forwards[self.layer] = lambda *_args, **_kwargs: mapped(self.output, lambda _: output.clone())
        with _replaced(forwards):
            yield


def passed(body: nn.Module, layer: nn.Module, run: Callable[[], object]) -> Replay:
    """What ``body`` computes before ``layer`` while ``run`` runs it once."""
    calls: list[Call] = []
    inputs: list[torch.Tensor] = []
    outputs: list[Any] = []
    unfinished: list[int] = []
    clock = count()
    before = True

    def begins(module: nn.Module, args: tuple) -> None:
        nonlocal before
        if module is body:
            inputs.append(args[0].clone())
        before = before and module is not layer
        unfinished.append(next(clock))

    def ends(module: nn.Module, _args: tuple, output: Any) -> None:
        began = unfinished.pop()
        if module is layer:
            outputs.append(mapped(output, torch.clone))
        if before:
            kept = mapped(output, torch.clone) if _has_rows(output, len(inputs[0])) else None
            if kept is not None:  # what it called within will not be called again
                calls[:] = [call for call in calls if call.began < began]
            calls.append(Call(module, began, kept))

    handles = [m.register_forward_pre_hook(begins) for m in body.modules()]
    handles += [m.register_forward_hook(ends) for m in body.modules()]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return Replay(body, layer, calls, inputs[0], outputs[0])


def mapped(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """The same structure with each of its tensors changed, as modules give them: alone, in sequences, or in fields.

    >>> mapped((torch.ones(2), None), lambda x: 2 * x)
    (tensor([2., 2.]), None)
    """
    if isinstance(value, torch.Tensor):
        return change(value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: mapped(getattr(value, field.name), change) for field in fields(value)})
    if isinstance(value, Mapping):
        return type(value)({key: mapped(part, change) for key, part in value.items()})
    if isinstance(value, tuple | list):
        parts = [mapped(part, change) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def _has_rows(output: Any, rows: int) -> bool:
    """Whether an output is made of tensors alone that have one row an image."""
    shapes: list[torch.Size] = []
    mapped(output, lambda x: shapes.append(x.shape) or x)
    return bool(shapes) and all(shape[:1] == (rows,) for shape in shapes)


def _again(kept: Iterator[Any], rows: Rows, forward: Callable[..., Any]) -> Callable[..., Any]:
    """A module that gives what it gave in its first calls, where that is kept, and then runs."""

    def run(*args: Any, **kwargs: Any) -> Any:
        output = next(kept, None)
        return forward(*args, **kwargs) if output is None else mapped(output, rows)

    return run


@contextmanager
def _replaced(forwards: dict[nn.Module, Callable[..., Any]]) -> Iterator[None]:
    """Modules compute something else for a while."""
    own = {module: vars(module).get("forward") for module in forwards}
    try:
        for module, forward in forwards.items():
            module.forward = forward
        yield
    finally:
        for module, forward in own.items():
            if forward is not None:
                module.forward = forward
            else:
                vars(module).pop("forward", None)
