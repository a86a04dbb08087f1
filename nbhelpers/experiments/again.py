"""Recorded commands that are run again, to see which numbers come out again."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from nbhelpers.experiments.checks import is_of
from nbhelpers.experiments.commands import options_again, studies_of
from nbhelpers.experiments.comparison import Comparison, compare
from nbhelpers.experiments.options import check
from nbhelpers.experiments.reproduce import sweep
from nbhelpers.experiments.results import read
from nbhelpers.networks.store import file_hash


def run_again(options: argparse.Namespace) -> Comparison:
    """Run the command again that the file ``options.check`` recorded, and compare number by number.

    All is computed anew, in a folder of its own in the workspace; a check that was stopped goes on there, and one that
    is repeated after its end computes all anew once more.

    Raises
    ------
    ValueError
        For a file that is none of results, options that do not fit it, and other images or weights than it is of.
    OSError
        If a file cannot be read or written.
    TimeUp
        If the minutes are over first.
    """
    file = Path(options.check)
    if not file.is_file():
        raise OSError(f"--check {file} is no file; name one that nbhelpers reproduce wrote")
    before = read(file)
    again = options_again(options, before)
    again.out = file.name
    check(again)
    (study,) = studies_of(again).values()
    home = study.home / "checks" / f"{file.stem}-{file_hash(file)[:12]}"
    out = home / file.name
    if not is_of(before, study):
        raise ValueError(f"{file} was recorded of other images or weights: name those with --data and --weights")
    if out.exists():
        shutil.rmtree(home)
    there = replace(study, workspace=str(home))
    chosen = {key: getattr(again, key) for key in ("experiments", "jobs", "cluster", "minutes")}
    sweep({out: there}, commands=[before["command"]], **chosen)
    return compare(before, read(out))
