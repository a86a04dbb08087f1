"""The arguments of the command line; what does not fit is refused in the words of the shell, before any work."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from typing import Any

import torch

import nbhelpers
from nbhelpers import datasets
from nbhelpers.experiments import looking
from nbhelpers.experiments.costs import study_cost
from nbhelpers.experiments.pieces import AGAIN
from nbhelpers.experiments.reproduce import EXPERIMENTS
from nbhelpers.experiments.settings import DATASETS, PAPER, PRESETS
from nbhelpers.files import is_utf8
from nbhelpers.networks.architectures import FAMILIES
from nbhelpers.networks.weights import SCALINGS, TORCHVISION

IMAGES, RATE = 5000, 1e11
"""Training images of a data set of the paper, and operations a second of a processor: what ``--preset paper`` tells."""
HIGHEST_SEED, MOST_JOBS = 2**32 - 1, 1000
YEAR = 525_600
"""In minutes."""


def parser() -> argparse.ArgumentParser:
    """The arguments of ``nbhelpers``."""
    top = argparse.ArgumentParser(prog="nbhelpers", description="Helpers of the book on emerging visual patterns.")
    top.add_argument("--version", action="version", version=f"%(prog)s {nbhelpers.__version__}")
    commands = top.add_subparsers(dest="command", required=True)
    commands.add_parser("datasets", help="list the data sets, their licences and where they come from")
    run = commands.add_parser(
        "reproduce",
        help="run the paper's experiments and record the results as JSON",
        description="Train a network, run every experiment of the book on it, and record the results as JSON. "
        "Ends with status 0 when all is recorded or came out again, with 1 when --check finds other numbers, with 2 on "
        f"an error, with {AGAIN} when --minutes are over, and with 128 and a signal's number when one stops it, as 130 "
        "for Ctrl-C; the same command then goes on.",
        epilog="Example: nbhelpers reproduce --dataset scenes --network resnet34 --out scenes-resnet34.json",
    )
    option, everything = run.add_argument, list(EXPERIMENTS)
    several: dict[str, Any] = {"nargs": "+", "action": _Different}
    what = run.add_mutually_exclusive_group(required=True)
    what.add_argument("--dataset", choices=DATASETS, help="see: nbhelpers datasets")
    what.add_argument(
        "--check",
        type=_path,
        metavar="FILE.json",
        help="run the command that a file recorded again, in the workspace, and tell which numbers came out again, and "
        "within what; takes the options of this machine alone: --data, --weights, --workspace, --jobs and the like",
    )
    option("--network", **several, default=["vgg16"], choices=list(FAMILIES), help="one or several (default: vgg16)")
    option("--data", type=_path, metavar="PATH", help="the data set's own folder or archive, where it is not bundled")
    option("--seed", **several, type=_seed, default=[0], help="of training and fits, one or several (default: 0)")
    option("--preset", default="laptop", choices=PRESETS, help="sizes and trainings (default: laptop)")
    option(
        "--categories",
        **several,
        type=_text,
        default=[],
        metavar="NAME",
        help="others than the paper's, for data that have more: names or ids; or: draw:3, ten by lot, 3 their seed",
    )
    option("--experiments", **several, default=everything, choices=everything, help="which to run (default: all)")
    option("--weights", type=_path, metavar="FILE", help="what the training starts from; or: torchvision")
    option("--scaling", choices=list(SCALINGS), help="how pixels were scaled for --weights (default: imagenet)")
    option("--retrain", action="store_true", help="train anew even where trained networks are bundled")
    where = run.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=_jobs, default=1, help="processes on this machine (default: 1)")
    where.add_argument("--cluster", type=_text, metavar="ADDRESS", help="a Dask scheduler whose workers work instead")
    option("--workspace", type=_path, metavar="DIR", help="where trainings are kept (default: the user's cache)")
    option("--minutes", type=_minutes, help="stop after so long; the same command goes on")
    option("--yes", action="store_true", help="go on with --preset paper where there is no GPU")
    option(
        "--out",
        type=_path,
        metavar="FILE.json",
        help="where the result goes; of several networks or seeds: the folder of their files; one that is there is "
        "written again by the same command alone",
    )
    option("--overwrite", action="store_true", help="write --out whatever is there")
    looking.add_arguments(commands, _path, _whole)
    return top


def check(options: argparse.Namespace) -> None:
    """Refuse options that do not fit each other or what there is.

    Raises
    ------
    ValueError
        The message is what the shell shows.
    """
    if not options.out:
        raise ValueError("--out is needed: the file to write, such as --out result.json")
    origin = datasets.available()[options.dataset].origin
    if options.data and origin == "bundled":
        raise ValueError(f"--dataset {options.dataset} is bundled: leave out --data {options.data}")
    if not options.data and origin == "yours":
        raise ValueError(f"--dataset {options.dataset} needs --data, the folder of your images")
    if options.data and not os.path.exists(options.data):
        raise ValueError(f"--data {options.data} is not there")
    if options.scaling and not options.weights:
        raise ValueError("--scaling is of --weights: give both or neither")
    if options.weights not in (None, TORCHVISION) and not os.path.isfile(options.weights):
        raise ValueError(f"--weights {options.weights} is no file; or: --weights {TORCHVISION}")
    if options.workspace and os.path.exists(options.workspace) and not os.path.isdir(options.workspace):
        raise ValueError(f"--workspace {options.workspace} is a file, where a folder is needed")
    if options.preset == "paper" and not (options.yes or options.cluster or torch.cuda.is_available()):
        setting = replace(PAPER, recipe=PAPER.finetune) if options.weights else PAPER
        costs = [study_cost(network, setting, IMAGES) for network in options.network]
        hours = len(options.seed) * sum(cost.hours(RATE) for cost in costs)
        raise ValueError(
            f"--preset paper is for a GPU, and there is none: with {IMAGES:,} training images this takes about "
            f"{hours / 24:,.0f} days at {RATE:.0e} operations a second, and Shapley values beside; add --yes to go on"
        )


class _Different(argparse.Action):
    """Several values, each once."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: Any = None) -> None:
        if twice := [value for i, value in enumerate(values) if value in values[:i]]:
            parser.error(f"argument {option_string}: {twice[0]} is asked for twice")
        setattr(namespace, self.dest, values)


def _text(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty")
    return text


def _path(text: str) -> str:
    path = os.path.expanduser(_text(text))
    if not is_utf8(path):
        raise argparse.ArgumentTypeError(f"its name is not UTF-8: {path!a}; rename it")
    return path


def _whole(text: str, low: int, high: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}, got {text!r}")
    return value


def _seed(text: str) -> int:
    return _whole(text, 0, HIGHEST_SEED)


def _jobs(text: str) -> int:
    return _whole(text, 1, MOST_JOBS)


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value <= YEAR:
        raise argparse.ArgumentTypeError(f"must be a number above 0 and of a year at most, got {text!r}")
    return value
