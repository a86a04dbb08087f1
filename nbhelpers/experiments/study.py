"""A study: one data set, one network, its checkpoints and what they compute; lazily, cached, resumable."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nbhelpers import datasets
from nbhelpers.datasets.selection import Draw
from nbhelpers.experiments import trained
from nbhelpers.experiments.chosen import check_choice, drawn, suffix
from nbhelpers.experiments.fingerprint import code_hash
from nbhelpers.experiments.settings import DATASETS, PAPER, PRESETS, SETTINGS, Setting
from nbhelpers.files import cache_dir
from nbhelpers.images import ImageSet, resized
from nbhelpers.method.activations import Activations
from nbhelpers.networks.architectures import FAMILIES, build
from nbhelpers.networks.network import Network
from nbhelpers.networks.recording import record
from nbhelpers.networks.store import Store, file_hash
from nbhelpers.networks.weights import load_checkpoint

PER_CATEGORY = 50
"""Images a category that the figures and tables rest on, as in the paper; all of them where there are fewer."""
STUDENT_SEEDS = 1000
"""Students start from other weights than any teacher: their likeness must be learned."""


@dataclass(frozen=True)
class Study:
    """Images, a network along its training, and the activations of any checkpoint.

    Parameters
    ----------
    dataset : str
        One of :data:`nbhelpers.experiments.settings.DATASETS`.
    network : str
        One of :data:`nbhelpers.networks.architectures.FAMILIES`.
    root : path, optional
        Where the images are, for data sets that are not bundled. A process reads them once: what changes in a folder
        is seen by the next one.
    seed : int
        Of the initial weights and of the training.
    retrain : bool
        Train anew even where trained networks are bundled. A killed training goes on where it stopped.
    workspace : path, optional
        Where trainings and activations are kept; the user's cache folder by default.
    preset : {"laptop", "paper"}
        As of :data:`PRESETS`.
    weights : path or "torchvision", optional
        What the training starts from, as of :func:`~nbhelpers.start_from`; torchvision's ImageNet weights are
        downloaded. By default it starts at random.
    scaling : str
        As of :func:`~nbhelpers.start_from`.
    categories : tuple of str
        Others than those of the paper, for a data set that has more: names as of :func:`nbhelpers.datasets.load`, or
        ``"draw:3"`` alone for the ten that :func:`nbhelpers.datasets.draw` draws with the seed 3.

    Raises
    ------
    ValueError
        For a data set, a network or a preset that does not exist, where the message lists those that do, and for
        categories where there are no others.

    Examples
    --------
    >>> study = Study("scenes")
    >>> study.steps[0]
    0
    """

    dataset: str
    network: str = "vgg16"
    root: str | None = None
    seed: int = 0
    retrain: bool = False
    workspace: str | None = None
    preset: str = "laptop"
    weights: str | None = None
    scaling: str = "imagenet"
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = {"dataset": DATASETS, "network": FAMILIES, "preset": PRESETS}
        for name, values in known.items():
            if getattr(self, name) not in values:
                raise ValueError(f"there is no {name} {getattr(self, name)!r}; there are {', '.join(values)}")
        check_choice(self.dataset, self.categories)

    @property
    def name(self) -> str:
        preset = "" if self.preset == "laptop" else f"-{self.preset}"
        return f"{self.dataset}-{self.network}{preset}{suffix(self.categories)}"

    @property
    def setting(self) -> Setting:
        """Sizes and recipes."""
        return SETTINGS[self.dataset, self.network] if self.preset == "laptop" else PAPER

    @property
    def home(self) -> Path:
        """Where trainings, activations and the values of stages are kept."""
        return Path(self.workspace or cache_dir())

    @property
    def draw(self) -> Draw | None:
        """The ten categories that were drawn by lot, if they were."""
        return drawn(self.dataset, self.root, self.categories)

    def images(self, split: str = "held_out") -> ImageSet:
        """The images of one split, at the size that the network wants."""
        return _images(self, split)

    def fitted(self, split: str = "held_out") -> ImageSet:
        """Those that figures and tables rest on: the first :data:`PER_CATEGORY` held out, and as many for training."""
        return _fitted(self, split)

    @property
    def layers(self) -> tuple[str, ...]:
        """Five layers of the network, shallow to deep: those of the figures along depth."""
        return FAMILIES[self.network].depth

    @property
    def counted(self) -> tuple[str, ...]:
        """The last three of them, whose knowledge points are counted along training."""
        return self.layers[-3:]

    @property
    def deepest(self) -> str:
        """The last of them."""
        return self.layers[-1]

    @property
    def penultimate(self) -> str:
        """The layer that gives the sample feature."""
        return FAMILIES[self.network].penultimate

    @cached_property
    def checkpoints(self) -> list[Path]:
        """The files of the network along its training; it is trained now if it was not."""
        return trained.checkpoints(self)

    @property
    def steps(self) -> list[int]:
        """The training step of each checkpoint."""
        return [int(path.stem.removeprefix("step-")) for path in self.checkpoints]

    @property
    def epochs(self) -> list[float]:
        """The same in passes over the training images."""
        return [step / self.steps[-1] * trained.recipe(self).epochs for step in self.steps]

    def untrained(self, seed: int | None = None) -> Network:
        """The network with the initial weights of a seed, by default its own."""
        size, categories = self.setting, len(self.images().categories)
        sizes = {"width": size.width, "input_size": size.input_size, "min_grid": size.grid}
        return build(self.network, categories, **sizes, seed=self.seed if seed is None else seed)

    def load(self, checkpoint: int = -1) -> Network:
        """The network as it was at one checkpoint (an index into :attr:`steps`), in evaluation mode."""
        return load_checkpoint(self.untrained(), self.checkpoints[checkpoint]).eval()

    def student(self, lesson: str) -> Network:
        """A student of the last checkpoint in evaluation mode: read where it is bundled or trained, else trained now.

        Its own seed is the study's, from which it starts with weights that no teacher shares.

        Parameters
        ----------
        lesson : str
            As of :func:`~nbhelpers.distill`.
        """
        return trained.teach(self, self.untrained(STUDENT_SEEDS + self.seed), lesson).eval()

    def activations(
        self,
        checkpoint: int = -1,
        layers: tuple[str, ...] = (),
        images: ImageSet | None = None,
        grid: int | None = None,
    ) -> Activations:
        """What the network computed at one checkpoint, from the cache where it was computed before.

        Parameters
        ----------
        checkpoint : int
            Index into :attr:`steps`.
        layers : tuple of str
            Layers whose regional features to keep.
        images : ImageSet, optional
            Others than the held-out ones.
        grid : int, optional
            Regions a side to which every layer is averaged; by default layers keep their own grids.
        """
        images = self.images() if images is None else images
        description = {
            "weights": file_hash(self.checkpoints[checkpoint]),
            "images": images.fingerprint,
            "layers": list(layers),
            "grid": grid,
            "code": code_hash(record),
        }

        def compute() -> dict[str, np.ndarray]:
            seen = record(self.load(checkpoint), images, layers, grid=grid)
            return {
                "logits": seen.logits,
                "features": seen.features,
                **{f"regions {k}": seen.regions[k] for k in layers},
            }

        arrays = Store(self.home / "activations").arrays(description, compute)
        regions = {layer: arrays[f"regions {layer}"] for layer in layers}
        return Activations(arrays["logits"], arrays["features"], images.labels, images.categories, regions)

    def describe(self) -> dict[str, Any]:
        """What is recorded of the network and its training, as JSON."""
        setting, start, draw = self.setting, trained.start(self), self.draw
        return {
            "dataset": self.dataset,
            "network": self.network,
            "seed": self.seed,
            "preset": self.preset,
            "width": setting.width,
            "input_size": setting.input_size,
            "grid": setting.grid,
            "recipe": asdict(trained.recipe(self)),
            "start": start[1] if start else None,
            "student_recipe": asdict(setting.students),
            "draw": {**draw._asdict(), "categories": list(draw.categories)} if draw else None,
        }

    @property
    def identity(self) -> dict[str, Any]:
        """What fixes this study's numbers, as JSON; the network is trained now if it was not."""
        images = {split: self.images(split) for split in ("train", "held_out")}
        return {
            **self.describe(),
            "data_sha256": {split: some.fingerprint for split, some in images.items()},
            "categories": list(images["train"].categories),
            "weights_sha256": file_hash(self.checkpoints[-1]),
        }


# One for all studies that are equal: a stage that another process sends brings its own copy.
@cache
def _images(study: Study, split: str) -> ImageSet:
    side = study.setting.input_size
    options: dict[str, Any] = {"side": side} if datasets.available()[study.dataset].any_size else {}
    if study.categories:
        options["categories"] = study.draw.categories if study.draw else study.categories
    return resized(datasets.load(study.dataset, split, root=study.root, **options), side)


@cache
def _fitted(study: Study, split: str) -> ImageSet:
    images = study.images(split)
    most = PER_CATEGORY if split == "held_out" else np.bincount(study.fitted().labels).max()
    return images.subset(images.first_of_each(most, or_all=True))
