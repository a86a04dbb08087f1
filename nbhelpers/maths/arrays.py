"""What every public function does first: read arrays, choose a device, refuse bad input clearly."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

Array = np.ndarray | torch.Tensor


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """``"auto"`` is CUDA when there is one; anything else is taken at its word."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def as_tensor(
    x: Any,
    name: str,
    *,
    ndim: int | tuple[int, ...] | None = None,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
) -> torch.Tensor:
    """Read ``x`` as a finite tensor that shares no memory anyone will write to.

    Raises
    ------
    ValueError
        If ``x`` is not numeric, has the wrong number of axes, is empty, or holds NaN or infinities.
    """
    try:
        # A copy of a read-only array, because torch warns that it could write to it; nothing here would. Torch reads
        # no array that runs backwards, such as a mirrored image, and its order in memory must not decide what is drawn.
        tensor = x.detach() if isinstance(x, torch.Tensor) else torch.as_tensor(np.require(x, requirements=("C", "W")))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array of numbers, got {type(x).__name__}: {error}") from None
    axes = (ndim,) if isinstance(ndim, int) else ndim
    if axes is not None and tensor.ndim not in axes:
        wanted = " or ".join(str(a) for a in axes)
        raise ValueError(f"{name} must have {wanted} axes, got shape {tuple(tensor.shape)}")
    if tensor.numel() == 0:
        raise ValueError(f"{name} is empty: shape {tuple(tensor.shape)}")
    if tensor.is_floating_point() and not tensor.is_meta:
        bad = int((~torch.isfinite(tensor)).sum())
        if bad:
            raise ValueError(
                f"{name} holds {bad} NaN or infinite values of {tensor.numel()}; remove or repair them first"
            )
    return tensor.to(device=device, dtype=dtype)


def like(result: torch.Tensor, given: Any) -> Any:
    """Return ``result`` as what the caller gave: NumPy in, NumPy out; a tensor stays on its device."""
    if isinstance(given, torch.Tensor):
        return result.to(given.device)
    return result.cpu().numpy()


def check_positive(value: float, name: str) -> float:
    """A finite number above zero, or a ``ValueError`` that shows what was given."""
    if not isinstance(value, (int, float, np.integer, np.floating)) or not np.isfinite(value) or value <= 0:
        raise ValueError(f"{name} must be a finite number above 0, got {value!r}")
    return float(value)


def check_whole(value: int, name: str, lowest: int) -> int:
    """A whole number of at least ``lowest``, or a ``ValueError`` that shows what was given."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < lowest:
        raise ValueError(f"{name} must be a whole number of at least {lowest}, got {value!r}")
    return int(value)


def check_same_length(**arrays: Any) -> int:
    """Every array has the same first axis; the message names each one's length."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) != 1:
        found = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise ValueError(f"the arrays must describe the same images, but {found}")
    return next(iter(lengths.values()))


def check_labels(labels: Any, categories: int) -> np.ndarray:
    """Whole-number labels in ``0 ... categories - 1`` as int64."""
    array = np.asarray(labels.cpu() if isinstance(labels, torch.Tensor) else labels)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"labels must be one whole number an image, got shape {array.shape} of {array.dtype}")
    if array.size and (array.min() < 0 or array.max() >= categories):
        raise ValueError(f"labels must lie in 0 ... {categories - 1}, found {array.min()} ... {array.max()}")
    return array.astype(np.int64)
