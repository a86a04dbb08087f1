"""A study: one data set, one network, its checkpoints and what they compute; lazily, cached, resumable."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from nbhelpers import datasets
from nbhelpers.experiments.settings import PAPER, PRESETS, SETTINGS, Setting
from nbhelpers.experiments.store import Store
from nbhelpers.files import cache_dir, data_dir
from nbhelpers.images import ImageSet, resized
from nbhelpers.method.activations import Activations
from nbhelpers.networks.architectures import FAMILIES, build
from nbhelpers.networks.distillation import ALONE, SOFT, distill
from nbhelpers.networks.network import Network
from nbhelpers.networks.recording import record
from nbhelpers.networks.training import Recipe, finished, train
from nbhelpers.networks.weights import TORCHVISION, load_checkpoint, recentre, start_from, torchvision_weights

CENTRED = 500
"""Training images whose statistics a network with given weights starts from."""
_STUDENT_SEEDS = 1000
"""Students start from other weights than any teacher: their likeness must be learned."""


@dataclass(frozen=True)
class Study:
    """Images, a network along its training, and the activations of any checkpoint.

    Parameters
    ----------
    dataset : str
        One of :func:`nbhelpers.datasets.available`.
    network : str
        One of :data:`nbhelpers.networks.architectures.FAMILIES`.
    root : path, optional
        Where the images are, for data sets that are not bundled.
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

    Raises
    ------
    ValueError
        For a data set, a network or a preset that does not exist; the message lists those that do.

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

    def __post_init__(self) -> None:
        known = {"dataset": sorted(datasets.available()), "network": FAMILIES, "preset": PRESETS}
        for name, values in known.items():
            if getattr(self, name) not in values:
                raise ValueError(f"there is no {name} {getattr(self, name)!r}; there are {', '.join(values)}")

    @property
    def setting(self) -> Setting:
        return SETTINGS[self.dataset, self.network] if self.preset == "laptop" else PAPER

    @property
    def name(self) -> str:
        return f"{self.dataset}-{self.network}" + ("" if self.preset == "laptop" else f"-{self.preset}")

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

    @property
    def lessons(self) -> tuple[str, ...]:
        """What the book's students learn: to mimic the deepest or the penultimate layer, soft labels, or alone."""
        return (self.deepest, self.penultimate, SOFT, ALONE)

    @cache  # noqa: B019  a study is small, frozen and lives as long as the notebook
    def images(self, split: str = "held_out") -> ImageSet:
        """The images of one split, at the size that the network wants."""
        side = self.setting.input_size
        options = {"side": side} if datasets.available()[self.dataset].any_size else {}
        return resized(datasets.load(self.dataset, split, root=self.root, **options), side)

    @property
    def home(self) -> Path:
        """Where trainings, activations and stages are kept."""
        return Path(self.workspace or cache_dir())

    @property
    def folder(self) -> Path:
        """Where the checkpoints of this study are."""
        bundled = data_dir() / "networks" / self.name
        if not self.retrain and self.seed == 0 and not self.weights and bundled.is_dir():
            return bundled
        start = f"-from-{self._start['sha256'][:12]}" if self._start else ""
        return self.home / "networks" / f"{self.name}-seed{self.seed}{start}"

    @cached_property
    def checkpoints(self) -> list[Path]:
        """The checkpoints, first to last: read where they are bundled or trained, else trained now."""
        if done := finished(self.folder):
            return done
        network, images = self._untrained(), self.images("train")
        if self._start:
            start_from(network, self._start_file, self.scaling)
            recentre(network, images.subset(np.arange(0, len(images), max(1, len(images) // CENTRED))))
        return train(network, images, self.folder, self.recipe, seed=self.seed)

    @property
    def recipe(self) -> Recipe:
        """How the network is trained: from scratch, or from the given weights."""
        return self.setting.finetune if self.weights else self.setting.recipe

    @property
    def run(self) -> dict:
        """How the checkpoints were trained, as recorded beside them."""
        return json.loads((self.checkpoints[0].parent / "run.json").read_text())

    @property
    def steps(self) -> list[int]:
        """The training step of each checkpoint."""
        return [int(path.stem.removeprefix("step-")) for path in self.checkpoints]

    @property
    def epochs(self) -> list[float]:
        """The same in passes over the training images."""
        return [step / self.steps[-1] * self.recipe.epochs for step in self.steps]

    def load(self, checkpoint: int = -1) -> Network:
        """The network as it was at one checkpoint (an index into :attr:`checkpoints`), in evaluation mode."""
        return load_checkpoint(self._untrained(), self.checkpoints[checkpoint]).eval()

    def student(self, lesson: str, seed: int = 0) -> Network:
        """A student of the last checkpoint in evaluation mode: read where it is bundled or trained, else trained now.

        Parameters
        ----------
        lesson : str
            As of :func:`~nbhelpers.distill`.
        seed : int
            Of the student's initial weights, which no teacher shares, and of its training.
        """
        student = self._untrained(_STUDENT_SEEDS + seed)
        bundled = data_dir() / "students" / self.name / f"{lesson}.safetensors"
        if not self.retrain and self.seed == seed == 0 and not self.weights and bundled.exists():
            return load_checkpoint(student, bundled).eval()
        folder = self.home / "students" / self.folder.name / f"{lesson}-seed{seed}"
        images, recipe = self.images("train"), self.setting.students
        distill(student, self.load(), images, folder, lesson, recipe, seed=seed)
        return student.eval()

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
            Index into :attr:`checkpoints`.
        layers : tuple of str
            Layers whose regional features to keep.
        images : ImageSet, optional
            Others than the held-out ones.
        grid : int, optional
            Regions a side to which every layer is averaged; by default layers keep their own grids.
        """
        chosen = self.images() if images is None else images
        path = self.checkpoints[checkpoint]
        store = Store(self.home / "activations")
        description = {
            "weights": hashlib.sha256(path.read_bytes()).hexdigest(),
            "images": chosen.fingerprint,
            "layers": list(layers),
            "grid": grid,
        }

        def compute() -> dict[str, np.ndarray]:
            got = record(self.load(checkpoint), chosen, layers, grid=grid)
            return {
                "logits": got.logits,
                "features": got.features,
                **{f"regions {k}": v for k, v in got.regions.items()},
            }

        arrays = store.arrays(description, compute)
        regions = {layer: arrays[f"regions {layer}"] for layer in layers}
        return Activations(arrays["logits"], arrays["features"], chosen.labels, chosen.categories, regions)

    def describe(self) -> dict:
        """What fixes this study's numbers, as JSON."""
        return {
            "dataset": self.dataset,
            "network": self.network,
            "seed": self.seed,
            "preset": self.preset,
            **asdict(self.setting),
            "recipe": asdict(self.recipe),
            "start": self._start,
        }

    @cached_property
    def _start_file(self) -> Path:
        return torchvision_weights(self.network) if self.weights == TORCHVISION else Path(self.weights or "")

    @cached_property
    def _start(self) -> dict[str, str] | None:
        """Name and sha256 of the weights that the training starts from."""
        if not self.weights:
            return None
        if not self._start_file.is_file():
            raise OSError(f"there is no file of weights at {self._start_file}")
        sha256 = hashlib.sha256(self._start_file.read_bytes()).hexdigest()
        # A checkpoint's folder tells which network it is of.
        return {"file": "/".join(self._start_file.parts[-2:]), "sha256": sha256, "scaling": self.scaling}

    def _untrained(self, seed: int | None = None) -> Network:
        size, seed = self.setting, self.seed if seed is None else seed
        categories = len(self.images().categories)
        return build(
            self.network, categories, width=size.width, input_size=size.input_size, min_grid=size.grid, seed=seed
        )


def recorded(name: str) -> dict:
    """Read ``data/results/<name>.json``, what ``nbhelpers reproduce`` wrote.

    Raises
    ------
    OSError
        If there is no such file; the message names those that exist.
    """
    path = data_dir() / "results" / f"{name}.json"
    if not path.exists():
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.json"))) or "none"
        raise OSError(f"no recorded result {name!r}; recorded are: {there}. Write it with `nbhelpers reproduce`")
    return json.loads(path.read_text())
