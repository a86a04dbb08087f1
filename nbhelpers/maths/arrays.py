"""The door: arrays are read, checked and moved once, where a caller hands them in, and results go back as they came."""

from __future__ import annotations

import functools
import inspect
import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
import torch

Array = np.ndarray | torch.Tensor
P, R = ParamSpec("P"), TypeVar("R")
BLOCK, ROOM = 256, 2**26
"""Images that are looked at together, and the numbers that they may hold, where all would take too much memory."""
REACH = 1e33
"""The largest number of an array, if not 0, lies between 1 / REACH and REACH: float32 holds what is learned from it."""


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """``"auto"`` is CUDA when there is one; anything else is taken at its word."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def on_tensors(
    dtype: torch.dtype = torch.float64, *, graph: bool = False, **axes: str
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function work on tensors, whatever its callers hand in.

    The arrays named in ``axes`` reach the function as finite tensors of ``dtype``, on the device of the estimator it
    belongs to, else on that of the first array. Tensors that it returns, alone or in tuples, or learns (attributes of
    an estimator that end in ``_``), become what that array was: NumPy or torch, in its floating type and on its device.
    They are finite, too, or a ``ValueError``. Arrays of any scale within :data:`REACH` are taken, others refused.

    Parameters
    ----------
    dtype : torch.dtype
        That the function computes in.
    graph : bool
        Whether derivatives flow through.
    **axes : str
        The axes of an array by its parameter's name, such as ``"N D"``: axes of one name have one size in a call.
        ``"..."`` stands for any axes in front, ``"*"`` for any shape and scale. What may follow a comma: ``"as given"``
        for large arrays, which are neither moved nor converted, and ``"of C"`` for labels 0 ... C - 1, with C an axis.

    Examples
    --------
    >>> @on_tensors(points="N d", centre="d")
    ... def distances(points, centre):
    ...     return (points - centre).norm(dim=1)
    >>> distances([[3.0, 4.0]], np.zeros(2))
    array([5.])
    >>> distances([[3.0, 4.0]], np.zeros(3))
    Traceback (most recent call last):
    ...
    ValueError: points and centre must agree in d, but have 2 and 3: shapes (1, 2) and (3,)
    """
    specs = {name: _Spec(name, *spec.split(", ")) for name, spec in axes.items()}
    order = sorted(specs.values(), key=lambda spec: spec.note.startswith("of "))  # labels last: they need to know C

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def at_the_door(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = signature.bind(*args, **kwargs)
            arguments = bound.arguments
            first = next(arguments[name] for name in specs if arguments.get(name) is not None)
            owner = arguments.get("self")
            device = first.device if isinstance(first, torch.Tensor) else torch.device("cpu")
            device = resolve_device(getattr(owner, "device", device))
            sizes: dict[str, tuple[int, str, tuple[int, ...]]] = {}
            for spec in order:
                x = arguments.get(spec.name)
                if x is None:
                    continue
                if spec.note == "as given":
                    tensor = read_large(x, spec.name)
                elif spec.note:
                    count = sizes[spec.note.removeprefix("of ")][0]
                    tensor = torch.from_numpy(check_labels(x, count, spec.name)).to(device)
                else:
                    tensor = as_tensor(x, spec.name, dtype=dtype, device=device, graph=graph, bounded=spec.axes != "*")
                spec.check(tuple(tensor.shape), sizes)
                arguments[spec.name] = tensor
            result = function(*bound.args, **bound.kwargs)
            kind = float_type(first)
            if kind in (torch.float16, torch.bfloat16) and not graph:
                kind = torch.float32  # what is summed up in halves is lost
            if result is not owner or owner is None:
                return hand_back(result, first, kind)
            for name, value in vars(owner).items():
                if name.endswith("_"):
                    setattr(owner, name, hand_back(value, first, kind))
            return result

        return at_the_door

    return decorate


class _Spec(NamedTuple):
    """What one array must look like."""

    name: str
    axes: str
    note: str = ""

    def check(self, shape: tuple[int, ...], sizes: dict[str, tuple[int, str, tuple[int, ...]]]) -> None:
        """Compare with the ``sizes`` of axes that other arrays have told, and add one's own."""
        if self.axes == "*":
            return
        names = self.axes.removeprefix("... ").split()
        if len(shape) < len(names) or (len(shape) > len(names) and not self.axes.startswith("...")):
            raise ValueError(f"{self.name} must have {len(names)} axes ({', '.join(names)}), got shape {shape}")
        for axis, size in zip(names, shape[len(shape) - len(names) :], strict=True):
            known, other, others = sizes.setdefault(axis, (size, self.name, shape))
            if known != size:
                raise ValueError(
                    f"{other} and {self.name} must agree in {axis}, but have {known} and {size}: "
                    f"shapes {others} and {shape}"
                )


def as_tensor(
    x: Any,
    name: str,
    *,
    ndim: int | tuple[int, ...] | None = None,
    dtype: torch.dtype | None = torch.float32,
    device: str | torch.device | None = "cpu",
    graph: bool = False,
    bounded: bool = False,
) -> torch.Tensor:
    """Read ``x`` as a finite tensor that shares no memory anyone will write to.

    Raises
    ------
    ValueError
        If ``x`` is not numeric, has the wrong number of axes, is empty, or holds NaN or infinities; if it is to be
        ``bounded``, and its largest number is neither 0 nor within :data:`REACH`.
    """
    try:
        # A copy of a read-only array, because torch warns that it could write to it; nothing here would. Torch reads
        # no array that runs backwards, such as a mirrored image, and its order in memory must not decide what is drawn.
        tensor = x if isinstance(x, torch.Tensor) else torch.as_tensor(np.require(x, requirements=("C", "W")))
        if tensor.is_complex():
            raise TypeError("it is complex")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array of numbers, got {type(x).__name__}: {error}") from None
    tensor = tensor if graph else tensor.detach()
    axes = (ndim,) if isinstance(ndim, int) else ndim
    if axes is not None and tensor.ndim not in axes:
        raise ValueError(f"{name} must have {' or '.join(map(str, axes))} axes, got shape {tuple(tensor.shape)}")
    if tensor.numel() == 0:
        raise ValueError(f"{name} is empty: shape {tuple(tensor.shape)}")
    if tensor.is_floating_point() and not tensor.is_meta:
        size = largest(tensor)
        if not math.isfinite(size):
            bad = int((~torch.isfinite(tensor)).sum())
            raise ValueError(
                f"{name} holds {bad} NaN or infinite values of {tensor.numel()}; remove or repair them first"
            )
        if bounded and size and not 1 / REACH <= size <= REACH:
            raise ValueError(
                f"the largest number of {name} is {size:g}, but must be 0 or lie between {1 / REACH:g} and {REACH:g}; "
                "divide all by one number first"
            )
    return tensor.to(device=device, dtype=dtype)


def read_large(x: Any, name: str) -> torch.Tensor:
    """The same where and as it is, if need be on the disk: nothing is copied that torch can read in place."""
    if isinstance(x, np.ndarray) and not x.flags.writeable and min(x.strides, default=0) >= 0 and x.dtype.isnative:
        with warnings.catch_warnings():  # torch warns that it could write to a read-only array; nothing here would
            warnings.simplefilter("ignore")
            x = torch.as_tensor(x)
    return as_tensor(x, name, dtype=None, device=None, bounded=True)


def blocks(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """One array of many images as parts that memory has room for."""
    return x.split(max(1, min(BLOCK, ROOM // max(1, x[:1].numel()))))


def largest(x: torch.Tensor) -> float:
    """The largest number of a tensor, whatever its sign: NaN or infinite where one is."""
    # aminmax takes no memory, but copies what has gaps: a block at a time
    ends = [end for block in blocks(torch.atleast_1d(x.detach())) for end in block.aminmax()]
    return float(torch.stack(ends).abs().max())


def unit_scale(x: torch.Tensor, dim: int | tuple[int, ...]) -> torch.Tensor:
    """The power of two, along ``dim``, that brings the largest number of ``x`` to 1 ... 2 when ``x`` is divided by it.

    No bit is lost or changed thereby, and squares neither overflow nor vanish. Where all are zero it is 1.

    >>> unit_scale(torch.tensor([[3e-30, 0.0], [0.0, 0.0]]), dim=1).log2()
    tensor([[-99.],
            [  0.]])
    """
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    size = torch.maximum(x.amax(dim, keepdim=True), -x.amin(dim, keepdim=True))
    return torch.where(size > 0, size / (2 * torch.frexp(size).mantissa), 1)


def polar(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Directions and lengths (..., 1) along the last axis, of vectors of any scale; a zero vector stays zero."""
    scale = unit_scale(x, -1)
    x = x / scale
    length = x.norm(dim=-1, keepdim=True)
    return x / length.where(length > 0, 1), scale * length


def hand_back(result: Any, first: Any, kind: torch.dtype | None = None) -> Any:
    """``result`` as what the caller gave: NumPy for NumPy, tensors on their device, numbers for numbers."""
    if isinstance(result, tuple):
        parts = [hand_back(part, first, kind) for part in result]
        return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
    if not isinstance(result, torch.Tensor):
        return result
    if kind and result.is_floating_point():
        result = result.to(kind)
        if not result.is_meta and not math.isfinite(largest(result)):
            raise ValueError(f"the result is beyond the reach of {kind}: bring all arrays to one scale first")
    if isinstance(first, torch.Tensor):
        return result.to(first.device)
    array = result.detach().cpu().numpy()
    return array if array.ndim or isinstance(first, np.ndarray) else array.item()


def float_type(x: Any) -> torch.dtype:
    """The floating type of ``x``; float64 for numbers and whole-number arrays."""
    if isinstance(x, torch.Tensor):
        return x.dtype if x.is_floating_point() else torch.float64
    return torch.float32 if getattr(x, "dtype", None) in (np.float32, np.float16) else torch.float64


def check_range(x: torch.Tensor, name: str, low: float = 0.0, below: float = np.inf) -> torch.Tensor:
    """All numbers in [``low``, ``below``), or a ``ValueError`` that shows the smallest and the largest."""
    if not x.is_meta and not bool(((x >= low) & (x < below)).all()):
        limit = "" if below == np.inf else f" and below {below:g}"
        raise ValueError(f"{name} must be {low:g} or more{limit}, found {float(x.min()):g} ... {float(x.max()):g}")
    return x


def check_weights(weights: torch.Tensor, name: str, width: int) -> torch.Tensor:
    """Rows of ``width`` numbers of 0 or more that sum to 1, or a ``ValueError``."""
    if weights.shape[1] != width:
        raise ValueError(f"{name} must have {width} columns, got shape {tuple(weights.shape)}")
    if float(weights.min()) < 0:
        raise ValueError(f"{name} must not be negative, found {float(weights.min()):g}")
    sums = weights.sum(dim=1)
    if bool(((sums - 1).abs() > 1e-3).any()):
        raise ValueError(
            f"each row of {name} must sum to 1, but the sums run from {float(sums.min()):.4g} to "
            f"{float(sums.max()):.4g}; divide each row by its sum"
        )
    return weights


def check_positive(value: float, name: str) -> float:
    """A finite number above zero, or a ``ValueError`` that shows what was given."""
    if not isinstance(value, (int, float, np.integer, np.floating)) or not np.isfinite(value) or value <= 0:
        raise ValueError(f"{name} must be a finite number above 0, got {value!r}")
    return float(value)


def check_not_negative(value: float, name: str) -> float:
    """The same, or zero."""
    return 0.0 if value == 0 else check_positive(value, name)


def check_whole(value: int, name: str, lowest: int) -> int:
    """A whole number of at least ``lowest``, or a ``ValueError`` that shows what was given."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < lowest:
        raise ValueError(f"{name} must be a whole number of at least {lowest}, got {value!r}")
    return int(value)


def check_choice(value: str, name: str, choices: tuple[str, ...]) -> str:
    """One of ``choices``, or a ``ValueError`` that lists them."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def check_same_length(**arrays: Any) -> int:
    """Every array has the same first axis; the message names each one's length."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) != 1:
        each = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise ValueError(f"the arrays must describe the same images, but {each}")
    return next(iter(lengths.values()))


def check_labels(labels: Any, categories: int, name: str = "labels") -> np.ndarray:
    """Whole-number labels in ``0 ... categories - 1`` as int64."""
    array = np.asarray(labels.cpu() if isinstance(labels, torch.Tensor) else labels)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be one whole number an image, got shape {array.shape} of {array.dtype}")
    if array.size and (array.min() < 0 or array.max() >= categories):
        raise ValueError(f"{name} must lie in 0 ... {categories - 1}, found {array.min()} ... {array.max()}")
    return array.astype(np.int64)
