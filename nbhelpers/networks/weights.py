"""Files of weights: checkpoints, and starting from what was learned elsewhere, on ImageNet or another data set."""

from __future__ import annotations

# ruff: noqa: E402
import os
import re
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import nn
from tqdm import tqdm

from nbhelpers.extras import require
from nbhelpers.files import tell
from nbhelpers.images import ImageSet, batches
from nbhelpers.maths.arrays import resolve_device
from nbhelpers.networks.network import IMAGENET_MEAN, IMAGENET_STD, Network, evaluating
from nbhelpers.networks.recording import to_unit
from nbhelpers.networks.taps import tapped
from nbhelpers.networks.tensors import load_tensors, save_tensors

require("data")

from torchvision.models import get_model_weights

SCALINGS = {"imagenet": (IMAGENET_MEAN, IMAGENET_STD), "symmetric": ((0.5,) * 3, (0.5,) * 3)}
"""How pixels in [0, 1] are scaled before the body: as torchvision's weights want, or to [-1, 1]."""
TORCHVISION = "torchvision"
_TORCHVISION_NAMES = {"vgg16": "vgg16_bn"}
_WRAPPERS = ("module.", "_orig_mod.", "model.")
"""What others put in front of all names: of networks spread over devices, compiled, and trained by a framework."""
_NUMBERED = re.compile(r"(body\.features\.)(\d+)\.")


def save_checkpoint(network: Network, path: Path) -> None:
    """Write the weights as safetensors: whole or not at all, and not if :func:`start_from` would refuse them."""
    _check_sound(network.state_dict(), path, network.state_dict())
    save_tensors(network.state_dict(), path)


def load_checkpoint(network: Network, path: str | os.PathLike) -> Network:
    """Read weights written by :func:`save_checkpoint` into ``network``; half precision is widened.

    Raises
    ------
    OSError
        If the file is missing or damaged.
    ValueError
        If the weights belong to another network, or :func:`start_from` would refuse them as unsound.
    """
    tensors = read_weights(Path(path))
    _check_sound(tensors, path, network.state_dict())
    for name in ("mean", "std"):  # checkpoints of before these were kept were of networks with the usual ones
        tensors.setdefault(name, network.get_buffer(name))
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit this network: {error}") from None
    return network


def start_from(network: Network, weights: str | os.PathLike, scaling: str | None = None) -> list[str]:
    """Read weights into a network; what does not depend on the categories must fit.

    Parameters
    ----------
    network : Network
        Changed in place.
    weights : path
        A file of safetensors, or of torch (``.pth``, ``.pt``: read with ``weights_only=True``, so that it cannot run
        code), with the names of the network's body or as written by :func:`save_checkpoint`. What wrappers put in front
        of all names (``module.``, ``_orig_mod.``, ``model.``) is taken away.
    scaling : {"imagenet", "symmetric"}, optional
        How the network that these weights come from scaled its pixels; by default as this one does. Ignored where the
        file itself tells.

    Returns
    -------
    list of str
        The layers that keep their initial, random weights, whose tensors are told by name as well: the head, where the
        categories differ, with auxiliary heads; all of VGG-16's fully connected layers, where the size of the images
        does, since what follows a layer without its weights has lost its inputs.

    Raises
    ------
    ValueError
        If a tensor is missing, another has another shape (the message names it and both shapes), or the file has
        tensors for which there is no place, as those of a deeper network; or if one is unsound, with NaN, infinities,
        whole numbers or negative variances.
    OSError
        If the file is missing or damaged.

    Examples
    --------
    >>> import tempfile
    >>> from nbhelpers.networks.architectures import build
    >>> path = Path(tempfile.mkdtemp()) / "ten.safetensors"
    >>> save_checkpoint(build("resnet34", 10, width=0.0625), path)
    >>> start_from(build("resnet34", 4, width=0.0625, seed=1), path)
    ['body.fc']
    """
    if scaling is not None and scaling not in SCALINGS:
        raise ValueError(f"scaling must be one of {', '.join(map(repr, SCALINGS))}, got {scaling!r}")
    own = network.state_dict()
    tensors = _without_wrappers(read_weights(Path(weights)), own)
    for i, name in enumerate(("mean", "std")):
        kept_scaling = own[name] if scaling is None else torch.tensor(SCALINGS[scaling][i]).view(1, 3, 1, 1)
        tensors.setdefault(name, kept_scaling)
    tensors = _renumbered(tensors, own)
    _check_sound(tensors, weights, own)
    random = _random_layers(network, tensors, own)
    keys = [key for key in own if key.rpartition(".")[0] in random]
    tensors |= {key: own[key] for key in keys}
    _check_fit(own, tensors, weights)
    network.load_state_dict({key: tensors[key] for key in own if key in tensors}, strict=False)
    if keys:
        tell(f"{', '.join(keys)} keep their initial, random weights: {Path(weights).name} has other shapes")
    return random


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


def recentre(network: Network, images: ImageSet, *, device: str | torch.device = "auto") -> None:
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
    >>> from nbhelpers.networks.architectures import build
    >>> pixels = np.random.default_rng(0).integers(0, 256, (20, 3, 32, 32)).astype(np.uint8)
    >>> twenty = ImageSet(pixels, np.arange(20) % 2, ("cat", "dog"), "train")
    >>> network = build("resnet34", 2, width=0.0625, input_size=32).eval()
    >>> before = network(torch.ones(1, 3, 32, 32))
    >>> recentre(network, twenty)
    >>> torch.allclose(network(torch.ones(1, 3, 32, 32)), before, atol=1e-4)
    True
    """
    where = resolve_device(device)
    network.to(where)
    norms = {name: m for name, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)}
    sums = {name: torch.zeros(3, m.num_features, dtype=torch.float64, device=where) for name, m in norms.items()}
    with torch.no_grad(), evaluating(network), tapped(network.body, norms, inputs=True) as caught:
        count = -(-len(images) // 100)
        for batch in tqdm(batches(images.images, 100), "batch statistics", count, delay=2):
            network(to_unit(torch.from_numpy(batch), where))
            for name, x in caught.items():
                x = x.transpose(0, 1).flatten(1).double()
                # The count stands in every channel, so that one tensor holds all three sums.
                sums[name] += torch.stack([torch.full_like(x[:, 0], x.shape[1]), x.sum(dim=1), x.square().sum(dim=1)])
    with torch.no_grad():
        for name, norm in norms.items():
            count, first, second = sums[name]
            mean = first / count
            variance = (second / count - mean.square()).clamp(min=0)
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            norm.bias += scale * (mean - norm.running_mean).to(scale)
            norm.weight.copy_(scale * (variance + norm.eps).sqrt())
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file by their names there, widened to single precision; whether they are sound is not asked."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file of weights at {path}")
    path.open("rb").close()  # what may not be read is not damaged
    try:
        if path.suffix == ".safetensors":
            tensors = load_tensors(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:  # torch advises to run the code all the same
        raise OSError(
            f"{path} is no file of tensors alone, and to read it may run code; save the state_dict() of a network"
        ) from None
    except Exception as error:  # torch raises types of its own
        raise OSError(f"{path} is no whole file of weights ({error}); delete it and fetch or train it again") from None
    named = isinstance(tensors, dict) and all(isinstance(name, str) for name in tensors)
    if not named or not all(isinstance(value, torch.Tensor) for value in tensors.values()):
        raise ValueError(f"{path} must hold tensors by name (a state_dict), and holds something else")
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def _without_wrappers(tensors: dict[str, torch.Tensor], own: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors by the network's own names, if they have these behind what wrappers put in front of them."""
    variants = [tensors, {name.replace("_orig_mod.", ""): tensor for name, tensor in tensors.items()}]
    for variant in variants:  # which grows
        for wrapper in _WRAPPERS:
            if variant and all(name.startswith(wrapper) for name in variant):
                variants.append({name.removeprefix(wrapper): tensor for name, tensor in variant.items()})
    variants += [{f"body.{name}": tensor for name, tensor in variant.items()} for variant in variants]
    return max(variants, key=lambda variant: sum(name in own for name in variant))


def _random_layers(network: Network, tensors: dict[str, torch.Tensor], own: dict[str, torch.Tensor]) -> list[str]:
    """The layers that cannot have the file's weights: heads of other categories, and what images of another size ask.

    Of the latter kind are linear layers that take another number of features, and those that follow them.
    """
    random: list[str] = []
    lost: set[str] = set()  # where a linear layer takes others: what stands after it there follows it
    for name, module in network.named_modules():
        if not isinstance(module, nn.Linear) and module is not network.head:
            continue
        keys = [f"{name}.{parameter}" for parameter, _ in module.named_parameters()]
        other = [key for key in keys if key in tensors and tensors[key].shape != own[key].shape]
        place = name.rpartition(".")[0]
        if place in lost or other:
            random.append(name)
        if any(tensors[key].shape[1:] != own[key].shape[1:] for key in other):
            lost.add(place)
    return random


def _check_sound(tensors: dict[str, torch.Tensor], path: str | os.PathLike, own: dict[str, torch.Tensor]) -> None:
    """Refuse what no trained network holds, by the name of the tensor."""
    for name, tensor in tensors.items():
        if name.endswith("num_batches_tracked"):
            continue
        wrong, here = "", own.get(name, tensor)
        if name in own and not here.is_floating_point() and tensor.dtype == here.dtype:  # such as a table of indices
            if not torch.equal(tensor, here.to(tensor.device)):
                wrong = "holds other whole numbers than this network's"
        elif not tensor.is_floating_point() or tensor.layout != torch.strided or tensor.is_meta:
            wrong = f"is no array of floating-point numbers ({tensor.dtype}, {tensor.layout}, on {tensor.device})"
        elif bad := int((~tensor.isfinite()).sum()):
            wrong = f"has {bad} NaN or infinite values of {tensor.numel()}"
        elif name.endswith("running_var") and bool((tensor < 0).any()):
            wrong = f"has a variance of {float(tensor.min()):g}"
        elif name == "std" and bool((tensor <= 0).any()):
            wrong = f"has a standard deviation of {float(tensor.min()):g}"
        if wrong:
            raise ValueError(f"{path}: the weights {name} cannot be used: this tensor {wrong}")


def _renumbered(tensors: dict[str, torch.Tensor], own: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Poolings that a network of small images leaves out shift the numbers of VGG-16's later features: count anew."""
    theirs, ours = (
        sorted({int(match[2]) for name in names if (match := _NUMBERED.match(name))}) for names in (tensors, own)
    )
    if len(theirs) != len(ours):
        return tensors
    new = dict(zip(theirs, ours, strict=True))
    return {_NUMBERED.sub(lambda m: f"{m[1]}{new[int(m[2])]}.", name): tensor for name, tensor in tensors.items()}


def _check_fit(own: dict[str, torch.Tensor], tensors: dict[str, torch.Tensor], path: str | os.PathLike) -> None:
    # num_batches_tracked plays no part with a fixed momentum, and old files lack it.
    missing = [name for name in own if name not in tensors and not name.endswith("num_batches_tracked")]
    other = [name for name in own if name in tensors and tensors[name].shape != own[name].shape]
    extra = [name for name in tensors if name not in own]
    if wrong := missing + other + extra:
        here, there = (
            f"has shape {tuple(named[wrong[0]].shape)}" if wrong[0] in named else "does not exist"
            for named in (own, tensors)
        )
        raise ValueError(
            f"{path} belongs to another network: {wrong[0]} {here} here and {there} "
            f"in the file ({len(wrong)} tensors do not fit); build it with the same name and width"
        )
