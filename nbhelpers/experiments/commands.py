"""From the options of ``nbhelpers reproduce`` to studies and the commands that repeat them, and back."""

from __future__ import annotations

import argparse
import io
import os
import shlex
from contextlib import redirect_stderr, suppress
from pathlib import Path

from nbhelpers.experiments.options import parser
from nbhelpers.experiments.reproduce import EXPERIMENTS
from nbhelpers.experiments.results import Run
from nbhelpers.experiments.study import Study
from nbhelpers.networks.weights import TORCHVISION

ELSEWHERE = ("data", "weights", "workspace", "jobs", "cluster", "minutes", "yes")
"""What a recorded command does not say, for it differs from machine to machine."""


def studies_of(options: argparse.Namespace) -> dict[Path, Study]:
    """Every network with every seed, by the file of its results."""
    out = Path(options.out)
    pairs = [(network, seed) for network in options.network for seed in options.seed]
    if len(pairs) > 1 and not out.is_dir() and (out.exists() or out.suffix == ".json"):
        raise ValueError(f"{len(pairs)} results need a folder: --out names the file {out}")
    if len(pairs) == 1 and options.out.endswith(os.sep):
        raise ValueError(f"--out is the folder {options.out}: one result needs a file, such as {out / 'result.json'}")
    same = {key: getattr(options, key) for key in ("retrain", "workspace", "preset", "weights")}
    same |= {"scaling": options.scaling} if options.scaling else {}
    same["categories"] = tuple(options.categories)
    studies = {}
    for network, seed in pairs:
        study = Study(options.dataset, network, root=options.data, seed=seed, **same)
        name = study.name + (f"-seed{seed}" if seed else "")
        studies[out if len(pairs) == 1 else out / f"{name}.json"] = study
    return studies


def command_of(options: argparse.Namespace, study: Study, out: Path) -> str:
    """The command that repeats one study, without the folders of one machine."""
    words = ["nbhelpers", "reproduce", "--dataset", study.dataset, "--network", study.network]
    words += ["--seed", str(study.seed)]
    words += ["--data", "DIR"] if study.root else []
    words += ["--categories", *study.categories] if study.categories else []
    words += ["--preset", study.preset] if study.preset != "laptop" else []
    if len(options.experiments) < len(EXPERIMENTS):
        words += ["--experiments", *(name for name in EXPERIMENTS if name in options.experiments)]
    if study.weights:
        words += ["--weights", "/".join(Path(study.weights).parts[-2:]), "--scaling", study.scaling]
    words += ["--retrain"] if study.retrain else []
    return shlex.join([*words, "--out", out.name])


def options_again(options: argparse.Namespace, run: Run) -> argparse.Namespace:
    """The options of the command that a file recorded, with those of this machine.

    Raises
    ------
    ValueError
        If the command is none of ``nbhelpers reproduce`` or of one study, if it needs ``--data`` or ``--weights`` that
        are not given, or if options are given that it says itself.
    """
    plain = parser().parse_args(["reproduce", "--check", options.check])
    beside = [key for key, value in vars(options).items() if value != getattr(plain, key) and key not in ELSEWHERE]
    if beside:
        raise ValueError(f"the command in {options.check} says --{beside[0]} itself: leave it out beside --check")
    again = plain
    with suppress(SystemExit, ValueError), redirect_stderr(io.StringIO()):
        program, *words = shlex.split(run["command"])
        again = parser().parse_args(words if program == "nbhelpers" else [])
    if again.command != "reproduce" or again.check or len(again.network) * len(again.seed) > 1:
        raise ValueError(f"{options.check} was not recorded by nbhelpers reproduce as it is now, but: {run['command']}")
    if again.data and not options.data:
        raise ValueError(f"{options.check} was recorded of {again.dataset}: name these images with --data")
    if again.weights not in (None, TORCHVISION) and not options.weights:
        raise ValueError(f"{options.check} started from {again.weights}: name this file with --weights")
    for key in ELSEWHERE:
        if key != "weights" or again.weights != TORCHVISION:
            setattr(again, key, getattr(options, key))
    return again
