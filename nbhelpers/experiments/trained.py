"""The networks of a study: where its checkpoints and students are, read if they are there, else trained now."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nbhelpers.experiments.fingerprint import code_hash
from nbhelpers.files import bundled, registry, tell
from nbhelpers.networks.architectures import build
from nbhelpers.networks.distillation import distill
from nbhelpers.networks.network import Network
from nbhelpers.networks.run_folder import differing, finished, read_run
from nbhelpers.networks.store import description_hash, file_hash
from nbhelpers.networks.training import Recipe, described, train
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


def identity(study: Study) -> dict[str, Any]:
    """All that goes into the network, as JSON: what its folder is named after, and its ``run.json`` says."""
    begun = start(study)
    about = {
        **_sizes(study),
        "start": {key: begun[1][key] for key in ("sha256", "scaling")} if begun else None,
        "code": [code_hash(build), code_hash(train)],
    }
    return described(study.images("train"), recipe(study), study.seed, about=about)


def folder(study: Study) -> Path:
    """Where a training of this study keeps its checkpoints."""
    return _named(study.home / "networks" / f"{study.name}-seed{study.seed}", identity(study))


@dataclass(frozen=True)
class Untrained:
    """A study by what goes into its network, not by what came out: for the stage that trains it."""

    study: Study

    @property
    def identity(self) -> dict[str, Any]:
        return identity(self.study) | {"bundled": bundled_names(self.study)}


def checkpoints(study: Study) -> list[Path]:
    """The checkpoints, first to last: read where they are bundled or trained, else trained now."""
    if names := bundled_names(study):
        return [bundled(name) for name in names]
    run, place = identity(study), folder(study)
    if done := finished(place, run):
        return done
    _tell_of_others(place, run)
    network, images = study.untrained(), study.images("train")
    if begun := start(study):
        start_from(network, begun[0], study.scaling)
        recentre(network, images.subset(np.arange(0, len(images), max(1, len(images) // CENTRED))))
    return train(network, images, place, recipe(study), seed=study.seed, about=run)


def bundled_names(study: Study) -> list[str]:
    """The registered checkpoints of its network, first to last, if a study may use them."""
    if study.retrain or study.seed or study.weights:
        return []
    return sorted(name for name in registry() if name.startswith(f"networks/{study.name}/step-"))


def teach(study: Study, network: Network, lesson: str) -> Network:
    """Make a student of the last checkpoint of a network with initial weights."""
    name = f"students/{study.name}/{lesson}.safetensors"
    if bundled_names(study) and name in registry():
        return load_checkpoint(network, bundled(name))
    images, students = study.images("train"), study.setting.students
    about = {
        **_sizes(study),
        "lesson": lesson,
        "teacher": file_hash(study.checkpoints[-1]),
        "code": [code_hash(build), code_hash(distill)],
    }
    run = described(images, students, study.seed, about=about)
    place = _named(study.home / "students" / f"{study.name}-seed{study.seed}" / lesson, run)
    _tell_of_others(place, run)
    distill(network, study.load(), images, place, lesson, students, seed=study.seed, about=about)
    return network


def _sizes(study: Study) -> dict[str, Any]:
    setting = study.setting
    return {
        "network": study.network,
        "width": setting.width,
        "input_size": setting.input_size,
        "grid": setting.grid,
    }


def _named(begin: Path, run: dict[str, Any]) -> Path:
    """A folder that no other run has."""
    return begin.with_name(f"{begin.name}-{description_hash(run)[:12]}")


def _tell_of_others(place: Path, run: dict[str, Any]) -> None:
    """Where a training begins although one of the same name is there, say so, and in what that differs."""
    if place.exists():
        return
    name, others = place.name.rpartition("-")[0], {}
    for other in place.parent.glob(f"{name}*"):
        if other != place and other.name.removeprefix(name)[:1] in ("", "-"):
            with suppress(OSError):
                others[other] = differing(read_run(other), run)
    if others:
        nearest = min(others, key=lambda other: len(others[other]))
        tell(f"{nearest} holds a training with other {', '.join(others[nearest])}: a new one begins in {place}")
