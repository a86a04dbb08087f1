"""Starting from weights that were learned elsewhere: on ImageNet, or on another data set of this book."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from torchvision.models import get_model_weights
from tqdm import tqdm

from nbhelpers.images import ImageSet
from nbhelpers.maths.arrays import resolve_device
from nbhelpers.networks.network import IMAGENET_MEAN, IMAGENET_STD, Network, evaluating, tapped, to_unit

SCALINGS = {"imagenet": (IMAGENET_MEAN, IMAGENET_STD), "symmetric": ((0.5,) * 3, (0.5,) * 3)}
"""How pixels in [0, 1] are scaled before the body: as torchvision's weights want, or to [-1, 1]."""
TORCHVISION = "torchvision"
_TORCHVISION_NAMES = {"vgg16": "vgg16_bn"}


def start_from(network: Network, weights: str | os.PathLike, scaling: str = "imagenet") -> list[str]:
    """Read weights into a network; what does not depend on the categories must fit.

    Parameters
    ----------
    network : Network
        Changed in place.
    weights : path
        A file of safetensors, or of torch (``.pth``, ``.pt``: read with ``weights_only=True``, so that it cannot run
        code), with torchvision's names or as written by :func:`~nbhelpers.networks.training.save_checkpoint`.
    scaling : {"imagenet", "symmetric"}
        How the network that these weights come from scaled its pixels; ignored where the file itself tells.

    Returns
    -------
    list of str
        The fully connected layers that keep their initial weights: the first that has another shape in the file, and
        all after it. That is the last one where the categories differ, all of VGG-16's where the size of the images
        does.

    Raises
    ------
    ValueError
        If a tensor is missing, a convolution has another shape (the message names it and both shapes), or the file has
        tensors for which there is no place, as those of a deeper network.
    OSError
        If the file is missing or damaged.

    Examples
    --------
    >>> import tempfile
    >>> from nbhelpers.networks.network import build
    >>> from nbhelpers.networks.training import save_checkpoint
    >>> path = Path(tempfile.mkdtemp()) / "ten.safetensors"
    >>> save_checkpoint(build("resnet34", 10, width=0.0625), path)
    >>> start_from(build("resnet34", 4, width=0.0625, seed=1), path)
    ['body.fc']
    """
    if scaling not in SCALINGS:
        raise ValueError(f"scaling must be one of {', '.join(map(repr, SCALINGS))}, got {scaling!r}")
    found = _read(Path(weights))
    if not any(name.startswith("body.") for name in found):
        found = {f"body.{name}": tensor for name, tensor in found.items()}
    for name, values in zip(("mean", "std"), SCALINGS[scaling], strict=True):
        found.setdefault(name, torch.tensor(values).view(1, 3, 1, 1))
    own = network.state_dict()
    found = _renumbered(found, own)
    kept = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear):
            keys = [f"{name}.{parameter}" for parameter, _ in module.named_parameters()]
            # What follows a layer with other weights than in the file has lost its inputs.
            if kept or any(key in found and found[key].shape != own[key].shape for key in keys):
                kept.append(name)
                found |= {key: own[key] for key in keys}
    _check_fit(own, found, weights)
    network.load_state_dict({key: found[key] for key in own if key in found}, strict=False)
    return kept


def torchvision_weights(name: str) -> Path:
    """The file of torchvision's ImageNet weights for one of the networks, downloaded into torch's cache if need be.

    Raises
    ------
    OSError
        If the download fails; the message names the file and where to put it by hand.
    """
    entry = get_model_weights(_TORCHVISION_NAMES.get(name, name)).DEFAULT
    path = Path(torch.hub.get_dir()) / "checkpoints" / entry.url.rsplit("/", 1)[-1]
    if not path.exists():
        try:
            entry.get_state_dict(progress=True, check_hash=True, weights_only=True)
        except (OSError, RuntimeError) as error:  # the latter for a file with another hash than it should have
            raise OSError(
                f"could not download {entry.url}: {error}\nWith no network, get the file elsewhere and put it at {path}"
            ) from None
    return path


def recentre(network: Network, images: ImageSet, *, batch_size: int = 100, device: str | torch.device = "auto") -> None:
    """Give every batch normalisation the statistics of these images, and leave what the network computes as it is.

    Weights whose batch normalisation was folded into the convolutions, or that were learned on other images, carry
    statistics that are not those of a batch: training, which normalises by the batch, would start from another
    function than evaluation shows. With m, v the mean and variance of what a normalisation sees here, and its old
    m', v', scale and shift, the new scale is :math:`scale \\sqrt{(v + ε) / (v' + ε)}` and the new shift
    :math:`shift + scale (m - m') / \\sqrt{v' + ε}`.

    Parameters
    ----------
    network : Network
        Changed in place.
    images : ImageSet
        Some hundred images like those of the coming training.

    Examples
    --------
    >>> import numpy as np
    >>> from nbhelpers.networks.network import build
    >>> pixels = np.random.default_rng(0).integers(0, 256, (20, 3, 32, 32)).astype(np.uint8)
    >>> some = ImageSet(pixels, np.arange(20) % 2, ("cat", "dog"), "train")
    >>> network = build("resnet34", 2, width=0.0625, input_size=32).eval()
    >>> before = network(torch.ones(1, 3, 32, 32))
    >>> recentre(network, some)
    >>> torch.allclose(network(torch.ones(1, 3, 32, 32)), before, atol=1e-4)
    True
    """
    where = resolve_device(device)
    network.to(where)
    norms = {name: m for name, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)}
    sums = {name: torch.zeros(3, m.num_features, dtype=torch.float64, device=where) for name, m in norms.items()}
    with torch.inference_mode(), evaluating(network), tapped({}, norms) as caught:
        for batch in tqdm(torch.from_numpy(images.images).split(batch_size), "batch statistics", delay=2):
            network(to_unit(batch, where))
            for name, x in caught.items():
                x = x.transpose(0, 1).flatten(1).double()
                # The count stands in every channel, so that one tensor holds all three sums.
                sums[name] += torch.stack([torch.full_like(x[:, 0], x.shape[1]), x.sum(dim=1), x.square().sum(dim=1)])
    for name, norm in norms.items():
        count, first, second = sums[name]
        mean = first / count
        variance = (second / count - mean.square()).clamp(min=0)
        with torch.no_grad():
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            norm.bias += scale * (mean - norm.running_mean).to(scale)
            norm.weight.copy_(scale * (variance + norm.eps).sqrt())
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)


def _read(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise OSError(f"there is no file of weights at {path}")
    try:
        found: Any
        if path.suffix == ".safetensors":
            found = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # both libraries raise types of their own
        raise OSError(f"{path} is no whole file of weights: {error}") from None
    named = isinstance(found, dict) and all(isinstance(name, str) for name in found)
    if not named or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise ValueError(f"{path} must hold tensors by name (a state_dict), and holds something else")
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in found.items()}


def _renumbered(found: dict[str, torch.Tensor], own: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Poolings that a network of small images leaves out shift the numbers of VGG-16's later features: count anew."""

    def numbers(tensors: dict[str, torch.Tensor]) -> list[int]:
        return sorted({int(match[2]) for name in tensors if (match := _NUMBERED.match(name))})

    if len(numbers(found)) != len(numbers(own)):
        return found
    ours = dict(zip(numbers(found), numbers(own), strict=True))
    return {_NUMBERED.sub(lambda m: f"{m[1]}{ours[int(m[2])]}.", name): tensor for name, tensor in found.items()}


_NUMBERED = re.compile(r"(body\.features\.)(\d+)\.")


def _check_fit(own: dict[str, torch.Tensor], found: dict[str, torch.Tensor], path: str | os.PathLike) -> None:
    # num_batches_tracked plays no part with a fixed momentum, and old files lack it.
    missing = [name for name in own if name not in found and not name.endswith("num_batches_tracked")]
    other = [name for name in own if name in found and found[name].shape != own[name].shape]
    extra = [name for name in found if name not in own]

    def shown(tensors: dict[str, torch.Tensor], name: str) -> str:
        return f"has shape {tuple(tensors[name].shape)}" if name in tensors else "does not exist"

    if wrong := missing + other + extra:
        raise ValueError(
            f"{path} belongs to another network: {wrong[0]} {shown(own, wrong[0])} here and {shown(found, wrong[0])} "
            f"in the file ({len(wrong)} tensors do not fit); build it with the same name and width"
        )
