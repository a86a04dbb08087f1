"""Networks that others trained, as they are: ten of their 1,000 outputs, on a reader's own copy of Imagenette."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import nn
from torchvision.models import squeezenet1_0

from nbhelpers import datasets
from nbhelpers.datasets.imagenet import NAMES
from nbhelpers.experiments.fingerprint import code_hash
from nbhelpers.files import bundled, cache_dir
from nbhelpers.images import ImageSet
from nbhelpers.method.activations import Activations
from nbhelpers.method.importance import RegionImportance
from nbhelpers.method.regional import RegionalFeatures, regional_features
from nbhelpers.method.regions import RegionProjection
from nbhelpers.method.samples import SampleProjection
from nbhelpers.networks.architectures import FAMILIES
from nbhelpers.networks.network import Network
from nbhelpers.networks.pretrained import FILE, SIDE, pretrained
from nbhelpers.networks.recording import record
from nbhelpers.networks.store import Store, file_hash
from nbhelpers.networks.weights import read_weights

PER_CATEGORY = 100
"""Validation images of each category."""
OUTPUTS = {
    "n01440764": 0,
    "n02102040": 217,
    "n02979186": 482,
    "n03000684": 491,
    "n03028079": 497,
    "n03394916": 566,
    "n03417042": 569,
    "n03425413": 571,
    "n03445777": 574,
    "n03888257": 701,
}
"""Imagenette's folders, and the output of an ImageNet classifier that each is of."""


class Source(NamedTuple):
    """What others trained."""

    load: Callable[[Path | None], Network]
    """The network with all its outputs, from its file of weights; of the bundled one there is none to name."""
    depth: tuple[str, ...]
    """Five layers, shallow to deep, each the end of a stage: chosen before anything was measured."""
    fine: int
    """How many of them have 14 x 14 regions or more at 224 pixels."""


def _mobilenet_v2(weights: Path | None) -> Network:
    if weights is not None:
        raise ValueError(f"mobilenet_v2 is bundled and takes no file of weights, got {weights}")
    return pretrained()


def _efficientnet_lite0(weights: Path | None) -> Network:
    """A chain of the modules of ``efficientnet-lite-pytorch``, so that every layer has a tail."""
    from efficientnet_lite_pytorch import EfficientNet

    made = EfficientNet.from_name("efficientnet-lite0")
    made.load_state_dict(read_weights(_needed(weights, "efficientnet_lite0")))
    stem = nn.Sequential(made._conv_stem, made._bn0, nn.ReLU6())
    top = nn.Sequential(made._conv_head, made._bn1, nn.ReLU6())
    blocks = OrderedDict((f"block_{i}", block) for i, block in enumerate(made._blocks, start=1))
    ends = {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "fc": made._fc}
    body = nn.Sequential(OrderedDict(stem=stem, **blocks, top=top, **ends))
    return Network(body, {name: name for name in ("stem", *blocks, "top")}, "fc", (127 / 255,) * 3, (128 / 255,) * 3)


def _squeezenet1_0(weights: Path | None) -> Network:
    """torchvision's chain, with the padding of one that these weights were trained with before the last convolution."""
    made = squeezenet1_0()
    made.classifier[1].padding = (1, 1)
    made.load_state_dict(read_weights(_needed(weights, "squeezenet1_0")))
    body = nn.Sequential(OrderedDict(features=made.features, classifier=made.classifier, flatten=nn.Flatten()))
    layers = {f"fire_{i}": f"features.{place}" for i, place in enumerate((3, 4, 5, 7, 8, 9, 10, 12), start=2)}
    return Network(body, layers, "classifier.1", tuple(x / 255 for x in (123, 117, 104)), (1 / 255,) * 3)


def _needed(weights: Path | None, network: str) -> Path:
    if weights is None:
        raise ValueError(f"{network} is not bundled: name its file of weights")
    return weights


SOURCES = {
    "mobilenet_v2": Source(_mobilenet_v2, FAMILIES["mobilenet_v2"].depth, fine=3),
    "efficientnet_lite0": Source(_efficientnet_lite0, ("block_3", "block_5", "block_11", "block_15", "top"), fine=3),
    "squeezenet1_0": Source(_squeezenet1_0, ("fire_2", "fire_4", "fire_6", "fire_8", "fire_9"), fine=4),
}


@dataclass(frozen=True)
class PretrainedStudy:
    """A network that others trained, and what it computes of Imagenette's validation images.

    Parameters
    ----------
    network : str
        One of :data:`SOURCES`.
    root : path
        Imagenette's folder, which holds ``train`` and ``val``.
    weights : path, optional
        The file of the network's weights; none for the bundled network.
    grid : {7, 14}
        Regions a side. On the finer grid, layers that are coarser are left out.
    draw : int
        The random state of all fits: it draws the images that are compared with each other.
    workspace : path, optional
        Where what was computed is kept; the user's cache folder by default.
    """

    network: str
    root: str
    weights: str | None = None
    grid: int = 7
    draw: int = 0
    workspace: str | None = None

    @property
    def name(self) -> str:
        """What its file of results is called."""
        grid = "" if self.grid == 7 else f"-{self.grid}x{self.grid}"
        return f"imagenette-{self.network}{grid}" + (f"-seed{self.draw}" if self.draw else "")

    @property
    def home(self) -> Path:
        """Where what was computed is kept."""
        return Path(self.workspace or cache_dir()) / "pretrained"

    def images(self) -> ImageSet:
        """100 validation images of each category, under the category's name in ImageNet."""
        return _images(self.root)

    def load(self) -> Network:
        """The network with the ten outputs alone, in evaluation mode."""
        return self.load_whole().picking(tuple(OUTPUTS.values())).eval()

    def load_whole(self) -> Network:
        """The network with all its outputs, in evaluation mode."""
        return SOURCES[self.network].load(Path(self.weights) if self.weights else None).eval()

    @property
    def depth(self) -> tuple[str, ...]:
        """Those of the network's five layers that have as many regions as the common grid."""
        source = SOURCES[self.network]
        return source.depth if self.grid == 7 else source.depth[: source.fine]

    @property
    def deepest(self) -> str:
        """The last of them."""
        return self.depth[-1]

    def describe(self) -> dict[str, Any]:
        """What is recorded of the network and its images, as JSON; ``seed`` draws partners, for nothing was trained."""
        return {
            "dataset": "imagenette",
            "network": self.network,
            "seed": self.draw,
            "input_size": SIDE,
            "grid": self.grid,
            "grids": _own_grids(replace(self, draw=0)),
            "outputs": list(OUTPUTS.values()),
            "categories": list(self.images().categories),
            "draw": None,
            "start": None,
            "weights_sha256": self.weights_sha256,
            "data_sha256": {"held_out": self.images().fingerprint},
        }

    @property
    def weights_sha256(self) -> str:
        """Of the file of weights."""
        return file_hash(Path(self.weights) if self.weights else bundled(FILE))

    def described(self, function: Callable, **more: Any) -> dict[str, Any]:
        """What a value that a function computed is kept under."""
        about = {"network": self.network, "weights": self.weights_sha256, "images": self.images().fingerprint}
        return {**about, "code": code_hash(function), **more}

    def activations(self) -> Activations:
        """The ten logits, sample features, and the layers of :attr:`depth` on the common grid."""
        seen = _activations(replace(self, draw=0))
        ten = np.ascontiguousarray(seen.logits[:, list(OUTPUTS.values())])
        return replace(seen, logits=ten, labels=self.images().labels, categories=self.images().categories)

    @property
    def accuracy_of_all(self) -> float:
        """Share of the images that the network classifies correctly among all its 1,000 outputs."""
        return _activations(replace(self, draw=0)).accuracy

    def samples(self) -> SampleProjection:
        """The sample features' fit."""
        return _samples(replace(self, grid=7))

    def view(self, layer: str) -> RegionalFeatures:
        """Importance and projected features of one layer."""
        return _view(self, layer)


@lru_cache(maxsize=1)
def _images(root: str) -> ImageSet:
    folders = list(OUTPUTS)
    images = datasets.load("folder", "held_out", root, categories=folders, side=SIDE, per_category=PER_CATEGORY)
    return replace(images, categories=tuple(NAMES[output] for output in OUTPUTS.values()))


def _own_grids(study: PretrainedStudy) -> dict[str, list[int]]:
    """Rows and columns of the layers' own grids."""
    regions = record(study.load(), study.images().subset([0]), study.depth).regions
    return {layer: list(array.shape[2:]) for layer, array in regions.items()}


@lru_cache(maxsize=1)
def _activations(study: PretrainedStudy) -> Activations:
    """All outputs, in one pass for all draws: they do not change what the network computes."""
    images = study.images()
    images = replace(images, labels=np.array(list(OUTPUTS.values()))[images.labels], categories=NAMES)

    def compute() -> dict[str, np.ndarray]:
        seen = record(study.load_whole(), images, study.depth, grid=study.grid)
        return {"logits": seen.logits, "features": seen.features, **seen.regions}

    about = study.described(record, outputs=len(NAMES), layers=list(study.depth), grid=study.grid)
    arrays = Store(study.home / "activations").arrays(about, compute)
    regions = {layer: arrays[layer] for layer in study.depth}
    return Activations(arrays["logits"], arrays["features"], images.labels, images.categories, regions)


@lru_cache(maxsize=1)
def _samples(study: PretrainedStudy) -> SampleProjection:
    seen = study.activations()
    return SampleProjection(random_state=study.draw).fit(seen.features, seen.logits)


@lru_cache(maxsize=5)
def _view(study: PretrainedStudy, layer: str) -> RegionalFeatures:
    seen = study.activations()
    seen = replace(seen, regions={layer: seen.regions[layer]})
    importance, projection = RegionImportance(random_state=study.draw), RegionProjection(random_state=study.draw)

    def compute() -> dict[str, np.ndarray]:
        fits = {"importance": importance, "projection": projection}
        view = regional_features(seen, study.samples(), grid=study.grid, **fits)[layer]
        fit = view.projection
        learned = {"components": fit.components_, "curve": fit.loss_curve_, "iterations": np.array([fit.n_iter_])}
        return {"weights": view.weights, "h": view.h, **learned}

    about = study.described(regional_features, layer=layer, grid=study.grid, draw=study.draw)
    kept = Store(study.home / "views").arrays(about, compute)
    importance.weights_, projection.components_ = kept["weights"], kept["components"]
    projection.loss_curve_, projection.n_iter_ = kept["curve"], int(kept["iterations"][0])
    return RegionalFeatures(seen.regions[layer], kept["weights"], kept["h"], importance, projection)
