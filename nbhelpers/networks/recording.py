"""What a network computes for a set of images, caught at its layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from tqdm import tqdm

from nbhelpers.images import ImageSet, batches, read_pixels
from nbhelpers.maths.arrays import Array, check_same_length, resolve_device
from nbhelpers.method.activations import Activations
from nbhelpers.method.matching import pool_regions
from nbhelpers.networks.network import Network, evaluating, pooled
from nbhelpers.networks.taps import tapped
from nbhelpers.networks.trial import try_out


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

    def read(batch: torch.Tensor) -> torch.Tensor:
        return to_unit(batch, where) if pixels is None else batch.to(where, memory_format=torch.channels_last)

    trial = try_out(network, read(torch.from_numpy(np.asarray(seen[:2]))))
    names = trial.ordered(layers)
    logits, features, regions = [], [], {layer: [] for layer in names}
    # No inference mode: what a network keeps of its first pass would be of no use for derivatives.
    with (
        torch.no_grad(),
        evaluating(network),
        tapped(network.body, {layer: modules[layer] for layer in names}) as caught,
        tapped(network.body, {"the head": network.head}, inputs=True) as heard,
    ):
        count = -(-len(seen) // batch_size)
        for batch in map(torch.from_numpy, tqdm(batches(seen, batch_size), "recording", count, delay=2)):
            logits.append(_kept(network(read(batch)), "the logits"))
            feature = heard["the head"]
            features.append(_kept(feature if feature.ndim == 2 else pooled(feature, network.head)[0], "the features"))
            for layer in names:
                value = trial.form(layer).regions(caught[layer]).float()
                regions[layer].append(_kept(value if grid is None else pool_regions(value, grid), layer))
    joined = {layer: np.concatenate(collected) for layer, collected in regions.items()}
    return Activations(np.concatenate(logits), np.concatenate(features), images.labels, images.categories, joined)


def _kept(value: torch.Tensor, name: str) -> np.ndarray:
    """In single precision on the CPU; refused where it is not finite."""
    array = value.float().cpu().numpy()
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name} hold NaN or infinite values, though all weights are finite: numbers grow beyond {value.dtype}; "
            "record the network in single precision (network.float())"
        )
    return array


def to_unit(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Uint8 pixels as float32 in [0, 1] on ``device``, in the memory order that convolutions like best."""
    return images.to(device).to(torch.float32, memory_format=torch.channels_last).div_(255)
