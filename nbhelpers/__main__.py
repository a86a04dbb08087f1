"""The command ``nbhelpers``, or ``python -m nbhelpers``: what an installation lacks is said in one line."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; returns the exit status."""
    try:
        from nbhelpers.experiments import cli
    except ImportError as error:
        print(f"nbhelpers: {error}", file=sys.stderr)
        return 2
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
