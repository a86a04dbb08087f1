"""What is left out of a data set, or not read as it stands: told in one line, with how many and an example."""

from __future__ import annotations

import warnings
from collections import defaultdict


class DataWarning(UserWarning):
    """Some of a data set is left out, or not read as it stands."""


class Notes:
    """What is to be told of a data set: what it is -> the names of all that it holds for.

    >>> notes = Notes()
    >>> notes.left_out["other files are passed over"] += ["notes.txt", "a.gif"]
    >>> notes.changed["transparent images are put on white"].append("b.png")
    >>> print(notes)
    other files are passed over: 2, such as notes.txt; transparent images are put on white: 1, such as b.png
    >>> notes.counts()
    {'other files are passed over': 2}
    """

    def __init__(self) -> None:
        self.left_out: defaultdict[str, list[str]] = defaultdict(list)
        self.changed: defaultdict[str, list[str]] = defaultdict(list)
        """What is read, but not as it stands."""
        self._told: set[str] = set()

    def __str__(self) -> str:
        """All in one line; empty if there is nothing to tell."""
        return "; ".join(f"{what}: {len(names)}, such as {shown(names[0])}" for what, names in self._all().items())

    def _all(self) -> dict[str, list[str]]:
        return {what: names for what, names in (*self.left_out.items(), *self.changed.items()) if names}

    def after(self, message: str) -> str:
        """A message, and what was left out as its reason."""
        return f"{message}; {self}".removesuffix("; ")

    def tell(self, stacklevel: int) -> None:
        """One warning of what is not told yet, if anything, for the caller ``stacklevel`` steps up."""
        new = Notes()
        new.changed.update((what, names) for what, names in self._all().items() if what not in self._told)
        self._told.update(new.changed)
        if line := str(new):
            warnings.warn(line, DataWarning, stacklevel)

    def counts(self) -> dict[str, int]:
        """How much is left out."""
        return {what: len(names) for what, names in self.left_out.items() if names}


def shown(name: object) -> str:
    r"""A name or path on one line, with escapes for what cannot be printed.

    >>> print(shown("caf\udce9/1\n.png"))
    caf\udce9/1\n.png
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(name))
