"""What every figure and every table can do outside a notebook: open in a browser, and be kept in a file."""

from __future__ import annotations

import os
import tempfile
import webbrowser
from collections.abc import Callable, Mapping
from pathlib import Path

from IPython import get_ipython
from IPython.display import display

from nbhelpers.files import replace_file, tell
from nbhelpers.show.page.document import document

Writers = Mapping[str, Callable[[], bytes]]


class Shown:
    """The base of :class:`Figure`, :class:`Picture`, :class:`Explore` and :class:`Table`."""

    def html(self) -> str:
        """What it is on a page."""
        raise NotImplementedError

    def _sentence(self) -> str:
        """What is to be seen."""
        raise NotImplementedError

    def _stills(self) -> Writers:
        """By the ending of a file's name, what else than a page it can be kept as."""
        raise NotImplementedError

    def __str__(self) -> str:
        *others, last = (f'"x{ending}"' for ending in (".html", *self._stills()))
        keep = f".save({', '.join(others)} or {last})"
        return f"{type(self).__name__}: {self._sentence()}\nSee it: .show(). Keep it: {keep}."

    def save(self, path: str | os.PathLike[str]) -> None:
        """Keep it in a file, whose name says as what. It is written whole or not at all.

        ``.html`` is a page of its own, with all that moves on it, which opens without a server and without a network
        (with a figure of plotly it has 5 MB). ``.png`` and ``.svg`` are still pictures that carry the sentence ``alt``;
        of a figure with a slider they show the step that is shown first, and not what stands below it. A 3-D figure
        needs Chrome or Chromium and the extra ``stills`` for them. A :class:`Table` is kept as ``.html`` or ``.csv``.

        Raises
        ------
        ValueError
            If the name ends otherwise.
        ImportError
            If a still picture needs the extra ``stills``.
        OSError
            If the file cannot be written, or no browser draws the picture.

        Examples
        --------
        >>> from nbhelpers.show import Table
        >>> folder = tempfile.mkdtemp()
        >>> Table(["method", "r"], [["ours", "-0.9"]], "Correlations").save(f"{folder}/x.csv")
        >>> Path(folder, "x.csv").read_text().split()
        ['method,r', 'ours,-0.9']
        """
        path = Path(path)
        writers = {".html": self._page, **self._stills()}
        if (ending := path.suffix.lower()) not in writers:
            *others, last = writers
            raise ValueError(f"{path} must end in {', '.join(others)} or {last}, which says as what it is kept")
        content = writers[ending]()  # before the file is touched: what cannot be drawn leaves it alone
        replace_file(path, lambda part: part.write_bytes(content))

    def show(self) -> None:
        """Show it: in a notebook below the cell, else as a page in the browser.

        The page is a file among the system's temporary ones, which no one deletes here.
        """
        if hasattr(get_ipython(), "kernel"):
            display(self)
            return
        handle, name = tempfile.mkstemp(prefix="nbhelpers-", suffix=".html")
        with open(handle, "wb") as file:
            file.write(self._page())
        if not webbrowser.open(Path(name).as_uri()):
            tell(f"no browser could be opened here; the page is {name}")

    def _page(self) -> bytes:
        # Half letters are no text that a file could hold.
        return document(self.html(), self._sentence()).encode("utf-8", "backslashreplace")
