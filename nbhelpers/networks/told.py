"""What a model says of itself: how its images were scaled and sized, where its stages end, what its outputs are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Told:
    """What a model says of itself; None where it says nothing.

    Attributes
    ----------
    mean, std : tuple of float, optional
        Of what its images are scaled by.
    source : str
        Where that was read.
    size : (int, int), optional
        Height and width of its images.
    names : tuple of str, optional
        What the outputs of its head are called.
    stages : tuple of str
        Where it says that its stages end.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    source: str = ""
    size: tuple[int, int] | None = None
    names: tuple[str, ...] | None = None
    stages: tuple[str, ...] = ()


def what_it_says(model: nn.Module) -> Told:
    """What a model of timm, transformers or torchvision says of itself, and of any other nothing.

    >>> what_it_says(nn.Linear(2, 3))
    Told(mean=None, std=None, source='', size=None, names=None, stages=())
    """
    library = type(model).__module__.split(".")[0]
    if hasattr(model, "pretrained_cfg"):
        return _timm(model)
    if hasattr(getattr(model, "config", None), "model_type"):
        return _transformers(model)
    return _torchvision(model) if library == "torchvision" else Told()


def read_size(size: int | Sequence[int]) -> tuple[int, int]:
    """Height and width from one number, or from the last two of several.

    >>> read_size(224), read_size((3, 224, 256))
    ((224, 224), (224, 256))
    """
    return (int(size), int(size)) if isinstance(size, int) else (int(size[-2]), int(size[-1]))


def _timm(model: Any) -> Told:
    config = model.pretrained_cfg
    config = config if isinstance(config, Mapping) else vars(config)
    info = getattr(model, "feature_info", None) or []
    embed = getattr(getattr(model, "patch_embed", None), "img_size", None)  # a model made for other images says it here
    names = config.get("label_names")
    return Told(
        mean=config.get("mean"),
        std=config.get("std"),
        source="timm's pretrained_cfg",
        size=read_size(embed or config["input_size"]) if embed or config.get("input_size") else None,
        names=tuple(names) if names else None,
        stages=tuple(entry["module"] for entry in info if isinstance(entry, Mapping) and entry.get("module")),
    )


def _transformers(model: Any) -> Told:
    config = model.config
    size, names = getattr(config, "image_size", None), getattr(config, "id2label", None)
    mean, std = getattr(config, "image_mean", None), getattr(config, "image_std", None)
    # transformers fills in LABEL_0, LABEL_1 ... where nobody gave names
    named = names and any(name != f"LABEL_{i}" for i, name in names.items())
    return Told(
        mean=tuple(mean) if mean else None,
        std=tuple(std) if std else None,
        source="its config",
        size=read_size(size) if size else None,
        names=tuple(names[i] for i in sorted(names)) if named else None,
    )


def _torchvision(model: nn.Module) -> Told:
    """Of all weights of its family, which share one scaling but for one network, told by its size."""
    from torchvision import models

    module = type(model).__module__
    entries = [
        entry
        for name in models.list_models()
        if models.get_model_builder(name).__module__ == module
        for entry in models.get_model_weights(name)
        if entry.meta.get("categories")
    ]
    alike = [
        entry for entry in entries if entry.meta["num_params"] == _parameters(model, len(entry.meta["categories"]))
    ]
    scalings = {(tuple(t.mean), tuple(t.std)) for t in (entry.transforms() for entry in alike or entries)}
    names = {tuple(entry.meta["categories"]) for entry in alike}
    side = getattr(model, "image_size", None)
    if len(scalings) != 1:
        return Told(size=read_size(side) if side else None)
    mean, std = scalings.pop()
    return Told(
        mean=mean,
        std=std,
        source="torchvision's weights of its family",
        size=read_size(side) if side else None,
        names=names.pop() if len(names) == 1 and _outputs(model) == 1000 else None,
    )


def _outputs(model: nn.Module) -> int:
    """Of the last module that may be a head."""
    heads = [m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    return (heads[-1].out_features if isinstance(heads[-1], nn.Linear) else heads[-1].out_channels) if heads else 0


def _parameters(model: nn.Module, categories: int) -> int:
    """How many parameters it would have with a head of this many outputs."""
    count = sum(p.numel() for p in model.parameters())
    heads = [m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    own = _outputs(model)
    if not own:
        return count
    return count + (categories - own) * sum(p.numel() for p in heads[-1].parameters()) // own
