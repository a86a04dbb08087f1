"""The command ``nbhelpers``, or ``python -m nbhelpers``: what an installation lacks is said in one line."""

from __future__ import annotations

import sys
import warnings


def main() -> int:
    """Run the command line; returns the exit status."""
    warnings.formatwarning = lambda message, *_, **__: f"nbhelpers: {message}\n"
    try:
        from nbhelpers.experiments import cli
    except ImportError as error:
        print(f"nbhelpers: {error}", file=sys.stderr)
        return 2
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
