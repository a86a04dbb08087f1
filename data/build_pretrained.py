"""Make the bundled ImageNet classifier again, with half of the precision and half of the bytes of the weights in FILE.

    python data/build_pretrained.py FILE

FILE is a file of safetensors with torchvision's names for mobilenet_v2, in single precision; README.md tells where it
came from. Counts of a training's batches, which play no part, are left out.
"""

import argparse
from pathlib import Path

from build_scenes_data import HERE, register

from nbhelpers.networks.tensors import save_tensors
from nbhelpers.networks.weights import read_weights

NAME = "pretrained/mobilenet_v2.safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="the weights in single precision")
    tensors = read_weights(parser.parse_args().file)
    halves = {name: tensor.half() for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")}
    if beyond := [name for name, half in halves.items() if not half.isfinite().all()]:
        raise ValueError(f"half precision has no number as large as one of {', '.join(beyond)}")
    (HERE / NAME).parent.mkdir(exist_ok=True)
    save_tensors(halves, HERE / NAME)
    register({NAME: {"licence": "Apache-2.0", "source": "see README.md, “An ImageNet classifier”"}})


if __name__ == "__main__":
    main()
