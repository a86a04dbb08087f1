"""The command line, for long or remote runs: ``nbhelpers datasets``, ``nbhelpers reproduce`` and ``nbhelpers look``."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from nbhelpers import datasets
from nbhelpers.experiments import looking
from nbhelpers.experiments.options import check, parser
from nbhelpers.experiments.pieces import AGAIN, TimeUp
from nbhelpers.experiments.reproduce import EXPERIMENTS, sweep
from nbhelpers.experiments.study import Study


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the ``nbhelpers`` command; returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        if options.command == "datasets":
            for name, about in datasets.available().items():
                print(f"{name} ({about.origin}): {about.description}\n    licence: {about.licence}")
        elif options.command == "look":
            print(looking.run(options))
        else:
            check(options)
            studies = _studies(options)
            commands = [f"nbhelpers {_shown(options, study, out)}" for out, study in studies.items()]
            chosen = {key: getattr(options, key) for key in ("experiments", "jobs", "cluster", "minutes", "overwrite")}
            sweep(studies, commands=commands, **chosen)
            for out in studies:
                if out.is_file():  # else the result went to a device or a pipe, perhaps to where this would go
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


def _shown(options: argparse.Namespace, study: Study, out: Path) -> str:
    """The command that repeats one study, without the folders of one machine."""
    words = ["reproduce", "--dataset", study.dataset, "--network", study.network, "--seed", str(study.seed)]
    words += ["--data", "DIR"] if study.root else []
    words += ["--categories", *study.categories] if study.categories else []
    words += ["--preset", study.preset] if study.preset != "laptop" else []
    if len(options.experiments) < len(EXPERIMENTS):
        words += ["--experiments", *(name for name in EXPERIMENTS if name in options.experiments)]
    if study.weights:
        words += ["--weights", "/".join(Path(study.weights).parts[-2:]), "--scaling", study.scaling]
    words += ["--retrain"] if study.retrain else []
    return shlex.join([*words, "--out", out.name])


if __name__ == "__main__":
    sys.exit(main())
