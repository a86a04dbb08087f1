"""Make the bundled networks: train one study (or read a finished training) and keep its checkpoints in half precision.

Run once by the maintainers, not by readers, who call ``Study("scenes", retrain=True)`` to train for themselves::

    python data/build_networks.py scenes vgg16
"""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version
from pathlib import Path

import torch
from build_scenes_data import register
from safetensors.torch import load_file, save_file

from nbhelpers.study import Study
from nbhelpers.training import accuracy

HERE = Path(__file__).resolve().parent


def halve(tensor: torch.Tensor) -> torch.Tensor:
    """Half the bytes; three decimal digits are plenty for a weight."""
    return tensor.half() if tensor.is_floating_point() else tensor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("network")
    parser.add_argument("--workspace", help="where the training is, or will be, kept (default: the user's cache)")
    options = parser.parse_args()
    trained = Study(options.dataset, options.network, retrain=True, workspace=options.workspace)
    target = HERE / "networks" / trained.name
    target.mkdir(parents=True, exist_ok=True)
    for path in trained.checkpoints:
        save_file({name: halve(tensor) for name, tensor in load_file(path).items()}, target / path.name)
    run = json.loads((trained.folder / "run.json").read_text())
    (target / "run.json").write_text(json.dumps(run, indent=1) + "\n")
    bundled = Study(options.dataset, options.network)
    held_out = bundled.images()
    run["accuracy"] = {step: accuracy(bundled.load(index), held_out) for index, step in enumerate(bundled.steps)}
    run["versions"] = {name: version(name) for name in ("nbhelpers", "torch", "torchvision")}
    (target / "run.json").write_text(json.dumps(run, indent=1) + "\n")
    ours = {"licence": "MIT", "source": f"data/build_networks.py {options.dataset} {options.network}"}
    register({f"networks/{trained.name}/{path.name}": ours for path in sorted(target.iterdir())})


if __name__ == "__main__":
    main()
