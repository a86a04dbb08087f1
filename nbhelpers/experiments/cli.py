"""The command line, for long or remote runs: ``nbhelpers datasets`` and ``nbhelpers reproduce``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nbhelpers import datasets
from nbhelpers.experiments.pieces import TimeUp
from nbhelpers.experiments.reproduce import EXPERIMENTS, sweep
from nbhelpers.experiments.settings import PRESETS
from nbhelpers.experiments.study import Study
from nbhelpers.networks.architectures import FAMILIES
from nbhelpers.networks.weights import SCALINGS

AGAIN = 75
"""The exit status of a piece that ended before the work did: EX_TEMPFAIL of sysexits.h, "try again"."""


def parser() -> argparse.ArgumentParser:
    """The arguments of ``nbhelpers``."""
    top = argparse.ArgumentParser(prog="nbhelpers", description="Helpers of the book on emerging visual patterns.")
    commands = top.add_subparsers(dest="command", required=True)
    commands.add_parser("datasets", help="list the data sets, their licences and where they come from")
    run = commands.add_parser(
        "reproduce",
        help="run the paper's experiments and record the results as JSON",
        description="Train a network, run every experiment of the book on it, and record the results as JSON. "
        f"Ends with status 0 when all is recorded, with 2 on an error, and with {AGAIN} when --minutes are over.",
        epilog="Example: nbhelpers reproduce --dataset scenes --network resnet34 --out scenes-resnet34.json",
    )
    option, everything = run.add_argument, list(EXPERIMENTS)
    option("--dataset", required=True, choices=sorted(datasets.available()), help="see: nbhelpers datasets")
    option("--network", nargs="+", default=["vgg16"], choices=list(FAMILIES), help="one or several (default: vgg16)")
    option("--data", metavar="PATH", help="the data set's own folder or archive, where it is not bundled")
    option("--seed", type=int, nargs="+", default=[0], help="of training and fits, one or several (default: 0)")
    option("--preset", default="laptop", choices=PRESETS, help="sizes and trainings (default: laptop)")
    option("--experiments", nargs="+", default=everything, choices=everything, help="which to run (default: all)")
    option("--weights", metavar="FILE", help="what the training starts from; or: torchvision")
    option("--scaling", default="imagenet", choices=list(SCALINGS), help="how pixels were scaled for these weights")
    option("--retrain", action="store_true", help="train anew even where trained networks are bundled")
    option("--jobs", type=int, default=1, help="processes on this machine (default: 1)")
    option("--cluster", metavar="ADDRESS", help="a Dask scheduler whose workers do the work instead")
    option("--workspace", metavar="DIR", help="where trainings and stages are kept (default: the user's cache)")
    option("--minutes", type=float, help="stop after so long; the same command goes on")
    option("--out", required=True, metavar="FILE.json", help="of several networks or seeds: the folder of their files")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the ``nbhelpers`` command; returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        if options.command == "datasets":
            for name, about in datasets.available().items():
                print(f"{name} ({about.origin}): {about.description}\n    licence: {about.licence}")
        else:
            studies = _studies(options)
            commands = [f"nbhelpers {_shown(options, study, out)}" for out, study in studies.items()]
            chosen = {key: getattr(options, key) for key in ("experiments", "jobs", "cluster", "minutes")}
            sweep(studies, commands=commands, **chosen)
            for out in studies:
                print(f"wrote {out}")
    except TimeUp as stop:
        print(f"{stop}: the same command goes on where it stopped")
        return AGAIN
    except (OSError, ValueError) as error:
        print(f"nbhelpers: {error}", file=sys.stderr)
        return 2
    return 0


def _studies(options: argparse.Namespace) -> dict[Path, Study]:
    """Every network with every seed, by the file of its results."""
    out = Path(options.out)
    pairs = [(network, seed) for network in options.network for seed in options.seed]
    if len(pairs) > 1 and out.suffix:
        raise ValueError(f"{len(pairs)} results need a folder: --out names the file {out}")
    same = {key: getattr(options, key) for key in ("retrain", "workspace", "preset", "weights", "scaling")}
    found = {}
    for network, seed in pairs:
        study = Study(options.dataset, network, root=options.data, seed=seed, **same)
        name = study.name + (f"-seed{seed}" if seed else "")
        found[out if len(pairs) == 1 else out / f"{name}.json"] = study
    return found


def _shown(options: argparse.Namespace, study: Study, out: Path) -> str:
    """The command that repeats one study, without the folders of one machine."""
    words = ["reproduce", "--dataset", study.dataset, "--network", study.network, "--seed", str(study.seed)]
    words += ["--data DIR"] if study.root else []
    words += ["--preset", study.preset] if study.preset != "laptop" else []
    if options.experiments != list(EXPERIMENTS):
        words += ["--experiments", *options.experiments]
    if study.weights:
        words += ["--weights", "/".join(Path(study.weights).parts[-2:]), "--scaling", study.scaling]
    words += ["--retrain"] if study.retrain else []
    return " ".join([*words, "--out", out.name])


if __name__ == "__main__":
    sys.exit(main())
