"""What a network computes for a set of images, caught at its layers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from tqdm import tqdm

from nbhelpers.files import in_words, memory_left
from nbhelpers.images import ImageSet, LazyImages, batches, read_pixels
from nbhelpers.maths.arrays import Array, check_same_length, check_whole, resolve_device
from nbhelpers.method.activations import Activations
from nbhelpers.method.matching import pool_regions
from nbhelpers.method.regional import telling
from nbhelpers.networks.network import Network, evaluating, pooled
from nbhelpers.networks.taps import tapped
from nbhelpers.networks.trial import try_out

if TYPE_CHECKING:
    from nbhelpers.networks.recording_folder import RecordingFolder

BATCH, LARGE, BATCH_OF_LARGE = 100, 128, 32
"""Images a pass, and from how many pixels a side on they are fewer, which is faster there and takes a third of the
memory."""


def record(
    network: Network,
    images: ImageSet,
    layers: Sequence[str] = (),
    *,
    grid: int | tuple[int, int] | None = None,
    pixels: Array | None = None,
    batch_size: int | None = None,
    folder: str | os.PathLike | None = None,
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
    grid : int or (rows, columns), optional
        Average every layer to this many regions a side, as :func:`~nbhelpers.method.matching.pool_regions` does; by
        default layers keep their own grids.
    pixels : (N, 3, H, W), optional
        What the network sees in place of the images, in [0, 1], such as an iterate of an attack on them.
    batch_size : int, optional
        Images a forward pass; bounds the memory. By default 100 of at most 128 pixels a side, and 32 of larger ones.
    folder : path, optional
        Where to keep what is recorded: the arrays are then read from there as they are used, so they may be larger than
        the memory. A killed recording goes on where it stopped, and one that is there is not computed again but for
        its first batch, which tells whether it is the same.
    device : str or torch.device
        ``"auto"`` is CUDA when there is one.

    Returns
    -------
    Activations
        Everything in float32 NumPy arrays on the CPU; read-only ones where there is a ``folder``.

    Raises
    ------
    ValueError
        If a layer does not exist (the message lists those that do), its own grid is coarser than ``grid``, or
        ``pixels`` are not one for each image, or lie outside [0, 1]; without ``folder``, if what is to be kept does not
        fit in memory (the message tells how much it is); if ``folder`` holds another recording (it tells which).
    OSError
        If the disk of ``folder`` has too little room, which is looked at first, or takes no more, or if an image cannot
        be read.
    """
    seen = images.images if pixels is None else read_pixels(pixels, "pixels").numpy()
    check_same_length(images=images.labels, pixels=seen)
    modules = network.named(*layers)
    where = resolve_device(device)
    network.to(where)
    if batch_size is None:
        size = BATCH if max(seen.shape[2:]) <= LARGE else BATCH_OF_LARGE
    else:
        size = check_whole(batch_size, "batch_size", 1)

    def read(batch: np.ndarray) -> torch.Tensor:
        x = torch.from_numpy(batch)
        return to_unit(x, where) if pixels is None else x.to(where, memory_format=torch.channels_last)

    trial = try_out(network, read(seen[:2]))
    names = trial.ordered(layers)
    if folder is None:
        keeper = _Memory(len(seen))
    else:
        from nbhelpers.networks.recording_folder import RecordingFolder, described  # needs more than the core

        about = described(network, images, names, grid, None if pixels is None else seen)
        keeper = RecordingFolder(Path(folder), about, len(seen))
    # No inference mode: what a network keeps of its first pass would be of no use for derivatives.
    with (
        torch.no_grad(),
        evaluating(network),
        tapped(network.body, {layer: modules[layer] for layer in names}) as caught,
        tapped(network.body, {"the head": network.head}, inputs=True) as heard,
    ):

        def compute(batch: np.ndarray) -> dict[str, np.ndarray]:
            logits = _kept(network(read(batch)), "the logits")
            feature = heard["the head"]
            feature = feature if feature.ndim == 2 else pooled(feature, network.head)[0]
            values = {"logits": logits, "features": _kept(feature, "the features")}
            for layer in names:
                value = trial.form(layer).regions(caught[layer]).float()
                if grid is not None:
                    with telling(layer):
                        value = pool_regions(value, grid)
                values[f"layer {layer}"] = _kept(value, layer)
            return values

        joined = _recorded(compute, seen, size, keeper)
    regions = {layer: joined[f"layer {layer}"] for layer in names}
    return Activations(joined["logits"], joined["features"], images.labels, images.categories, regions)


def _recorded(
    compute: Callable[[np.ndarray], dict[str, np.ndarray]],
    images: np.ndarray | LazyImages,
    batch_size: int,
    kept: _Memory | RecordingFolder,
) -> dict[str, np.ndarray]:
    """What is computed of all images, batch after batch; the first one is always computed."""
    first = compute(images[:batch_size])
    size = len(first["logits"])
    with kept.opened(first) as done, tqdm(desc="recording", total=len(images), unit=" images", delay=2) as bar:
        if done < size:
            kept.add(done, {name: array[done:] for name, array in first.items()})
            done = size
        bar.update(done)
        for batch in batches(images, batch_size, done):
            kept.add(done, compute(batch))
            done += len(batch)
            bar.update(len(batch))
    return kept.arrays()


class _Memory:
    """What is recorded of ``count`` images, in memory."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._arrays: dict[str, np.ndarray] = {}

    @contextmanager
    def opened(self, first: dict[str, np.ndarray]) -> Iterator[int]:
        """Take the memory, or refuse to."""
        needed, left = sum(self.count * array[0].nbytes for array in first.values()), memory_left()
        if left is not None and needed > left:
            raise ValueError(
                f"what is recorded of {self.count} images takes {in_words(needed)}, and {in_words(left)} of memory are "
                "left: keep it on a disk with folder=..., or record fewer layers or a coarser grid"
            )
        # Each in the order in which its batches lie in memory: sums in another order have other last bits.
        shapes = {name: (self.count, *array.shape[1:]) for name, array in first.items()}
        self._arrays = {name: np.empty_like(array, shape=shapes[name]) for name, array in first.items()}
        yield 0

    def add(self, start: int, arrays: dict[str, np.ndarray]) -> None:
        for name, array in arrays.items():
            self._arrays[name][start : start + len(array)] = array

    def arrays(self) -> dict[str, np.ndarray]:
        return self._arrays


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
