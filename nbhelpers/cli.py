"""The command line, for long or remote runs: ``nbhelpers datasets`` and ``nbhelpers reproduce``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nbhelpers import datasets
from nbhelpers.reproduce import reproduce
from nbhelpers.study import SETTINGS, Study


def parser() -> argparse.ArgumentParser:
    """The arguments of ``nbhelpers``."""
    top = argparse.ArgumentParser(prog="nbhelpers", description="Helpers of the book on emerging visual patterns.")
    commands = top.add_subparsers(dest="command", required=True)
    commands.add_parser("datasets", help="list the data sets, their licences and where they come from")
    run = commands.add_parser("reproduce", help="run the paper's experiments and record the results as JSON")
    run.add_argument("--dataset", required=True, choices=sorted({d for d, _ in SETTINGS}))
    run.add_argument("--network", default="vgg16", choices=sorted({n for _, n in SETTINGS}))
    run.add_argument("--data", metavar="DIR", help="the data set's own folder or archive, where it is not bundled")
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--retrain", action="store_true", help="train anew even where trained networks are bundled")
    run.add_argument(
        "--workspace", metavar="DIR", help="where trainings and stages are kept (default: the user's cache)"
    )
    run.add_argument("--out", required=True, metavar="FILE.json")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the ``nbhelpers`` command; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(given)
    try:
        if options.command == "datasets":
            for name, about in datasets.available().items():
                where = "to download" if about.needs_download else "bundled"
                print(f"{name:15} {where:12} {about.licence:20} {about.description}")
        else:
            study = Study(
                options.dataset,
                options.network,
                root=options.data,
                seed=options.seed,
                retrain=options.retrain,
                workspace=options.workspace,
            )
            reproduce(study, options.out, command=f"nbhelpers {_shown(options)}")
            print(f"wrote {options.out}")
    except (OSError, ValueError) as error:
        print(f"nbhelpers: {error}", file=sys.stderr)
        return 2
    return 0


def _shown(options: argparse.Namespace) -> str:
    """The command that repeats a run, without the folders of one machine."""
    words = ["reproduce", "--dataset", options.dataset, "--network", options.network, "--seed", str(options.seed)]
    words += ["--data DIR"] if options.data else []
    words += ["--retrain"] if options.retrain else []
    return " ".join([*words, "--out", Path(options.out).name])


if __name__ == "__main__":
    sys.exit(main())
