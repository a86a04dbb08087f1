"""How often a computation makes the host wait for the device."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

READS = ("aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::equal")


class HostReads(TorchDispatchMode):
    """On a processor nothing waits; these operations would, because Python needs a number or a size from the device."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name
        masks = args[1] if name in ("aten::index", "aten::index_put_") else ()
        by_mask = any(mask is not None and mask.dtype == torch.bool for mask in masks)
        if by_mask or name in READS:
            stack = [frame for frame in traceback.extract_stack() if "nbhelpers" in frame.filename]
            self.places.append(f"{stack[-1].filename.rsplit('nbhelpers/', 1)[-1]}:{stack[-1].lineno}" if stack else "?")
        return func(*args, **(kwargs or {}))


def waits(device: torch.device, function: Callable[[], Any]) -> list[str]:
    """Where ``function`` makes the host wait, one entry each time: on CUDA as torch itself tells."""
    if device.type != "cuda":
        with HostReads() as reads:
            function()
        return reads.places
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            function()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return [f"{w.filename}:{w.lineno}" for w in caught if "synchronizing CUDA operation" in str(w.message)]
