"""Make the bundled networks: train one study (or read a finished training) and keep its checkpoints in half precision.

Run once by the maintainers, not by readers, who call ``Study("scenes", retrain=True)`` to train for themselves::

    python data/build_networks.py scenes vgg16
    python data/build_networks.py scenes vgg16 --students   # of the bundled network
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import torch
from build_scenes_data import forget, register
from safetensors.torch import load_file, save_file

from nbhelpers.experiments.rows.students import lessons
from nbhelpers.experiments.study import Study
from nbhelpers.experiments.trained import identity
from nbhelpers.networks.recording import record

HERE = Path(__file__).resolve().parent


def save_halves(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Half the bytes; three decimal digits are plenty for a weight."""
    halves = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    save_file({name: tensor.contiguous() for name, tensor in halves.items()}, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("network")
    parser.add_argument("--students", action="store_true", help="make the students of the bundled network")
    parser.add_argument("--workspace", help="where the training is, or will be, kept (default: the user's cache)")
    options = parser.parse_args()
    make = students if options.students else checkpoints
    make(options.dataset, options.network, options.workspace)


def checkpoints(dataset: str, network: str, workspace: str | None) -> None:
    """The networks along one training."""
    study = Study(dataset, network, retrain=True, workspace=workspace)
    weights = {path.name: load_file(path) for path in study.checkpoints}
    run = identity(study)
    source = f"data/build_networks.py {dataset} {network}"
    target = HERE / "networks" / study.name
    forget(target)
    shutil.rmtree(target, ignore_errors=True)
    bundle(target, weights, run, source)
    made = Study(dataset, network)
    run["accuracy"] = {step: record(made.load(i), made.images()).accuracy for i, step in enumerate(made.steps)}
    bundle(target, {}, run, source)


def students(dataset: str, network: str, workspace: str | None) -> None:
    """The students of seed 0."""
    study = Study(dataset, network, workspace=workspace)
    target = HERE / "students" / study.name
    forget(target)  # what is bundled would be read, not made
    weights = {f"{lesson}.safetensors": study.student(lesson).state_dict() for lesson in lessons(study)}
    run: dict = {"recipe": asdict(study.setting.students), "teacher": study.steps[-1]}
    source = f"data/build_networks.py {dataset} {network} --students"
    bundle(target, weights, run, source)
    run["accuracy"] = {
        lesson: record(study.student(lesson), study.images()).accuracy  # as it is read from now on
        for lesson in lessons(study)
    }
    bundle(target, {}, run, source)


def bundle(target: Path, weights: dict[str, dict[str, torch.Tensor]], run: dict, source: str) -> None:
    """Write files of weights and how they came about, and register all that is in the folder."""
    target.mkdir(parents=True, exist_ok=True)
    for name, tensors in weights.items():
        save_halves(tensors, target / name)
    versions = {name: version(name) for name in ("nbhelpers", "torch", "torchvision")}
    (target / "run.json").write_text(json.dumps(run | {"versions": versions}, indent=1) + "\n")
    ours = {"licence": "MIT", "source": source}
    register({path.relative_to(HERE).as_posix(): ours for path in sorted(target.iterdir())})


if __name__ == "__main__":
    main()
