"""The command line, for long or remote runs: ``nbhelpers datasets``, ``nbhelpers reproduce`` and ``nbhelpers look``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from nbhelpers import datasets
from nbhelpers.experiments import looking
from nbhelpers.experiments.again import run_again
from nbhelpers.experiments.commands import command_of, studies_of
from nbhelpers.experiments.options import check, parser
from nbhelpers.experiments.pieces import AGAIN, TimeUp
from nbhelpers.experiments.reproduce import sweep


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the ``nbhelpers`` command; returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        if options.command == "datasets":
            for name, about in datasets.available().items():
                print(f"{name} ({about.origin}): {about.description}\n    licence: {about.licence}")
        elif options.command == "look":
            print(looking.run(options))
        elif options.check:
            comparison = run_again(options)
            print(comparison)
            return 1 if comparison.differing else 0
        else:
            check(options)
            studies = studies_of(options)
            commands = [command_of(options, study, out) for out, study in studies.items()]
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


if __name__ == "__main__":
    sys.exit(main())
