"""Make the bundled networks: train one study (or read a finished training) and keep its checkpoints in half precision.

Run once by the maintainers, not by readers, who call ``Study("scenes", retrain=True)`` to train for themselves::

    python data/build_networks.py scenes vgg16
    python data/build_networks.py scenes vgg16 --students   # of the bundled network
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import torch
from build_scenes_data import register
from safetensors.torch import load_file, save_file

from nbhelpers.experiments.rows.students import lessons
from nbhelpers.experiments.study import Study
from nbhelpers.experiments.trained import folder
from nbhelpers.networks.network import Network
from nbhelpers.networks.recording import record

HERE = Path(__file__).resolve().parent


def halve(tensor: torch.Tensor) -> torch.Tensor:
    """Half the bytes; three decimal digits are plenty for a weight."""
    return tensor.half() if tensor.is_floating_point() else tensor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("network")
    parser.add_argument("--students", action="store_true", help="make the students of the bundled network")
    parser.add_argument("--workspace", help="where the training is, or will be, kept (default: the user's cache)")
    options = parser.parse_args()
    make = students if options.students else checkpoints
    target = make(options.dataset, options.network, options.workspace)
    run = json.loads((target / "run.json").read_text())
    run["versions"] = {name: version(name) for name in ("nbhelpers", "torch", "torchvision")}
    (target / "run.json").write_text(json.dumps(run, indent=1) + "\n")
    flag = " --students" if options.students else ""
    ours = {"licence": "MIT", "source": f"data/build_networks.py {options.dataset} {options.network}{flag}"}
    register({path.relative_to(HERE).as_posix(): ours for path in sorted(target.iterdir())})


def checkpoints(dataset: str, network: str, workspace: str | None) -> Path:
    """The networks along one training."""
    study = Study(dataset, network, retrain=True, workspace=workspace)
    target = HERE / "networks" / study.name
    target.mkdir(parents=True, exist_ok=True)
    for path in study.checkpoints:
        save_file({name: halve(tensor) for name, tensor in load_file(path).items()}, target / path.name)
    run = json.loads((folder(study) / "run.json").read_text())
    (target / "run.json").write_text(json.dumps(run, indent=1) + "\n")
    bundled = Study(dataset, network)
    run["accuracy"] = {step: record(bundled.load(i), bundled.images()).accuracy for i, step in enumerate(bundled.steps)}
    (target / "run.json").write_text(json.dumps(run, indent=1) + "\n")
    return target


def students(dataset: str, network: str, workspace: str | None) -> Path:
    """The students of seed 0."""
    study = Study(dataset, network, workspace=workspace)
    target = HERE / "students" / study.name
    target.mkdir(parents=True, exist_ok=True)
    run = {"recipe": asdict(study.setting.students), "teacher": study.steps[-1], "accuracy": {}}
    for lesson in lessons(study):
        student: Network = study.student(lesson)
        weights = {name: halve(tensor).contiguous() for name, tensor in student.state_dict().items()}
        save_file(weights, target / f"{lesson}.safetensors")
        run["accuracy"][lesson] = record(study.student(lesson), study.images()).accuracy  # as it is read from now on
    (target / "run.json").write_text(json.dumps(run, indent=1) + "\n")
    return target


if __name__ == "__main__":
    main()
