"""A study: one data set, one network, its checkpoints and what they compute; lazily, cached, resumable."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from nbhelpers import datasets
from nbhelpers.activations import Activations
from nbhelpers.datasets.base import ImageSet
from nbhelpers.distillation import distill
from nbhelpers.networks import Network, build, record
from nbhelpers.paths import cache_dir, data_dir
from nbhelpers.store import Store
from nbhelpers.training import Recipe, finished, load_checkpoint, train


@dataclass(frozen=True)
class Setting:
    """The size of a network, and how it and its students are trained on one data set."""

    width: float
    input_size: int = 64
    recipe: Recipe = field(default_factory=Recipe)
    students: Recipe = field(default_factory=lambda: Recipe(epochs=12, checkpoints=2))


SETTINGS = {
    ("scenes", "vgg16"): Setting(width=0.125, recipe=Recipe(epochs=40, first_checkpoint=60)),
    ("tiny-imagenet", "vgg16"): Setting(
        width=0.25, recipe=Recipe(epochs=40), students=Recipe(epochs=8, batch_size=32, checkpoints=2)
    ),
}
_STUDENT_SEEDS = 1000
"""Students start from other weights than any teacher: their likeness must be learned."""


@dataclass(frozen=True)
class Study:
    """Images, a network along its training, and the activations of any checkpoint.

    Parameters
    ----------
    dataset, network : str
        A pair of :data:`SETTINGS`.
    root : path, optional
        Where the images are, for data sets that are not bundled.
    seed : int
        Of the initial weights and of the training.
    retrain : bool
        Train anew even where trained networks are bundled. A killed training goes on where it stopped.
    workspace : path, optional
        Where trainings and activations are kept; the user's cache folder by default.

    Raises
    ------
    ValueError
        For a pair that has no setting; the message lists those that do.

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

    def __post_init__(self) -> None:
        if (self.dataset, self.network) not in SETTINGS:
            known = ", ".join(f"{d} x {n}" for d, n in SETTINGS)
            raise ValueError(f"no setting for {self.dataset} x {self.network}; there are {known}")

    @property
    def setting(self) -> Setting:
        return SETTINGS[self.dataset, self.network]

    @property
    def name(self) -> str:
        return f"{self.dataset}-{self.network}"

    @cache  # noqa: B019  a study is small, frozen and lives as long as the notebook
    def images(self, split: str = "held_out") -> ImageSet:
        """The images of one split."""
        return datasets.load(self.dataset, split, root=self.root)

    @property
    def home(self) -> Path:
        """Where trainings, activations and stages are kept."""
        return Path(self.workspace or cache_dir())

    @property
    def folder(self) -> Path:
        """Where the checkpoints of this study are."""
        bundled = data_dir() / "networks" / self.name
        if not self.retrain and self.seed == 0 and bundled.is_dir():
            return bundled
        return self.home / "networks" / f"{self.name}-seed{self.seed}"

    @cached_property
    def checkpoints(self) -> list[Path]:
        """The checkpoints, first to last: read where they are bundled or trained, else trained now."""
        return finished(self.folder) or train(
            self._untrained(), self.images("train"), self.folder, self.setting.recipe, seed=self.seed
        )

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
        return [step / self.steps[-1] * self.setting.recipe.epochs for step in self.steps]

    def load(self, checkpoint: int = -1) -> Network:
        """The network as it was at one checkpoint (an index into :attr:`checkpoints`), in evaluation mode."""
        return load_checkpoint(self._untrained(), self.checkpoints[checkpoint]).eval()

    def student(self, lesson: str, seed: int = 0) -> Network:
        """A student of the last checkpoint in evaluation mode: read where it is bundled or trained, else trained now.

        Parameters
        ----------
        lesson : str
            As of :func:`~nbhelpers.distillation.distill`.
        seed : int
            Of the student's initial weights, which no teacher shares, and of its training.
        """
        student = self._untrained(_STUDENT_SEEDS + seed)
        bundled = data_dir() / "students" / self.name / f"{lesson}.safetensors"
        if not self.retrain and self.seed == seed == 0 and bundled.exists():
            return load_checkpoint(student, bundled).eval()
        folder = self.home / "students" / f"{self.name}-seed{self.seed}" / f"{lesson}-seed{seed}"
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
            **asdict(self.setting),
        }

    def _untrained(self, seed: int | None = None) -> Network:
        categories = len(self.images().categories)
        seed = self.seed if seed is None else seed
        return build(self.network, categories, width=self.setting.width, input_size=self.setting.input_size, seed=seed)


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
