"""What a network computes for a set of images, caught at its layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from nbhelpers.images import ImageSet, batches, read_pixels
from nbhelpers.maths.arrays import Array, check_same_length, resolve_device
from nbhelpers.method.activations import Activations
from nbhelpers.method.matching import pool_regions
from nbhelpers.networks.network import Network, evaluating


def record(
    network: Network,
    images: ImageSet,
    layers: Sequence[str] = (),
    *,
    grid: int | None = None,
    pixels: Array | None = None,
    batch_size: int = 100,
    device: str | torch.device = "auto",
) -> Activations:
    """Run the network over the images and keep what the method needs.

    Parameters
    ----------
    network : Network
        Put into evaluation mode while it runs, and back afterwards.
    images : ImageSet
        N images, uint8.
    layers : sequence of str
        Layers whose regional features to keep; none by default, since they are large.
    grid : int, optional
        Average every layer to this many regions a side, as :func:`~nbhelpers.method.matching.pool_regions` does; by
        default layers keep their own grids.
    pixels : (N, 3, H, W), optional
        What the network sees in place of the images, in [0, 1], such as an iterate of an attack on them.
    batch_size : int
        Images a forward pass; bounds the memory.
    device : str or torch.device
        ``"auto"`` is CUDA when there is one.

    Returns
    -------
    Activations
        Everything in float32 NumPy arrays on the CPU.

    Raises
    ------
    ValueError
        If a layer does not exist (the message lists those that do), its own grid is coarser than ``grid``, or
        ``pixels`` are not one for each image, or lie outside [0, 1].
    """
    seen = images.images if pixels is None else read_pixels(pixels, "pixels").numpy()
    check_same_length(images=images.labels, pixels=seen)
    modules = network.named(*layers)
    where = resolve_device(device)
    network.to(where)
    parts: dict[str, list[np.ndarray]] = {"logits": [], "features": [], **{layer: [] for layer in layers}}
    with torch.inference_mode(), evaluating(network), tapped(modules, {"features": network.head}) as caught:
        count = -(-len(seen) // batch_size)
        for batch in map(torch.from_numpy, tqdm(batches(seen, batch_size), "recording", count, delay=2)):
            x = to_unit(batch, where) if pixels is None else batch.to(where, memory_format=torch.channels_last)
            caught["logits"] = network(x)
            for key, collected in parts.items():
                value = caught[key].float()
                if grid is not None and key in modules:
                    value = pool_regions(value, grid)
                collected.append(value.cpu().numpy())
    joined = {key: np.concatenate(collected) for key, collected in parts.items()}
    logits, features = joined.pop("logits"), joined.pop("features")
    return Activations(logits, features, images.labels, images.categories, joined)


@contextmanager
def tapped(modules: dict[str, nn.Module], inputs: dict[str, nn.Module]) -> Iterator[dict[str, torch.Tensor]]:
    """Catch the outputs of ``modules`` and the inputs of ``inputs`` of each forward pass; hooks are always released."""
    caught: dict[str, torch.Tensor] = {}

    # A hook that returned something would replace what it sees: update() returns None.
    handles = [m.register_forward_hook(lambda _m, _i, out, n=n: caught.update({n: out})) for n, m in modules.items()]
    handles += [
        m.register_forward_pre_hook(lambda _m, args, n=n: caught.update({n: args[0]})) for n, m in inputs.items()
    ]
    try:
        yield caught
    finally:
        for handle in handles:
            handle.remove()


def to_unit(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Uint8 pixels as float32 in [0, 1] on ``device``, in the memory order that convolutions like best."""
    return images.to(device).to(torch.float32, memory_format=torch.channels_last).div_(255)


def features_of(network: Network, layer: str, images: torch.Tensor) -> torch.Tensor:
    """What one layer computes, in single precision."""
    with tapped(network.named(layer), {}) as caught:
        network(images)
    return caught[layer].float()
