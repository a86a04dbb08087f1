"""What is left out of a data set, or not read as it stands: told in one line, with how many and an example."""

from __future__ import annotations

import warnings

Notes = dict[str, list[str]]
"""What is told -> the names of all that it holds for."""


class DataWarning(UserWarning):
    """Some of a data set is left out, or not read as it stands."""


def tell(told: Notes, stacklevel: int) -> None:
    """One warning with all notes, if there are any, for the caller ``stacklevel`` steps up, as in ``warnings.warn``."""
    if line := summary(told):
        warnings.warn(line, DataWarning, stacklevel)


def summary(told: Notes) -> str:
    """All notes in one line; empty if there are none.

    >>> summary({"other files are passed over": ["notes.txt", "a.gif"], "links are not followed": []})
    'other files are passed over: 2, such as notes.txt'
    """
    return "; ".join(f"{what}: {len(names)}, such as {shown(names[0])}" for what, names in told.items() if names)


def shown(name: object) -> str:
    r"""A name or path on one line, with escapes for what cannot be printed.

    >>> print(shown("caf\udce9/1\n.png"))
    caf\udce9/1\n.png
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(name))
