"""The networks of a study: where its checkpoints and students are, read if they are there, else trained now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nbhelpers.experiments.store import file_hash
from nbhelpers.files import data_dir
from nbhelpers.networks.distillation import distill
from nbhelpers.networks.network import Network
from nbhelpers.networks.training import Recipe, finished, train
from nbhelpers.networks.weights import TORCHVISION, load_checkpoint, recentre, start_from, torchvision_weights

if TYPE_CHECKING:
    from nbhelpers.experiments.study import Study

CENTRED = 500
"""Training images whose statistics a network with given weights starts from."""


def start(study: Study) -> tuple[Path, dict[str, str]] | None:
    """The file of weights that the training starts from, and what is recorded of it; torchvision's are downloaded."""
    if not study.weights:
        return None
    file = torchvision_weights(study.network) if study.weights == TORCHVISION else Path(study.weights)
    if not file.is_file():
        raise OSError(f"there is no file of weights at {file}")
    name = "/".join(file.parts[-2:])  # a checkpoint's folder tells which network it is of
    return file, {"file": name, "sha256": file_hash(file), "scaling": study.scaling}


def recipe(study: Study) -> Recipe:
    """How the network is trained: from scratch, or from given weights."""
    return study.setting.finetune if study.weights else study.setting.recipe


def folder(study: Study) -> Path:
    """Where the checkpoints are."""
    bundled = data_dir() / "networks" / study.name
    if _may_be_bundled(study) and bundled.is_dir():
        return bundled
    begun = start(study)
    origin = f"-from-{begun[1]['sha256'][:12]}" if begun else ""
    return study.home / "networks" / f"{study.name}-seed{study.seed}{origin}"


def checkpoints(study: Study) -> list[Path]:
    """The checkpoints, first to last."""
    if done := finished(folder(study)):
        return done
    network, images = study.untrained(), study.images("train")
    if begun := start(study):
        start_from(network, begun[0], study.scaling)
        recentre(network, images.subset(np.arange(0, len(images), max(1, len(images) // CENTRED))))
    return train(network, images, folder(study), recipe(study), seed=study.seed)


def teach(study: Study, network: Network, lesson: str, seed: int) -> Network:
    """Make a student of the last checkpoint of a network with initial weights."""
    bundled = data_dir() / "students" / study.name / f"{lesson}.safetensors"
    if _may_be_bundled(study) and seed == 0 and bundled.exists():
        return load_checkpoint(network, bundled)
    place = study.home / "students" / folder(study).name / f"{lesson}-seed{seed}"
    distill(network, study.load(), study.images("train"), place, lesson, study.setting.students, seed=seed)
    return network


def _may_be_bundled(study: Study) -> bool:
    return not study.retrain and study.seed == 0 and not study.weights
