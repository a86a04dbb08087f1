"""Matplotlib figures with a text alternative, in panels that stand side by side or, on a phone, below each other."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.text import Text
from PIL import Image

from nbhelpers.show.page import stills
from nbhelpers.show.page.inline import asset, check_alt, data_uri
from nbhelpers.show.page.shown import Shown, Writers
from nbhelpers.show.page.table import Table

DPI = 192  # two pixels for each CSS pixel


class Picture(Shown):
    """One or several matplotlib figures as one image with a text alternative.

    The figures are drawn at once, at two pixels for each CSS pixel, and closed, so that no notebook shows them twice.

    Parameters
    ----------
    panels : matplotlib Figure, or a sequence of them
    alt : str
    table : Table, optional
        The numbers behind the picture, folded away below it.

    Raises
    ------
    ValueError
        If ``alt`` is empty or there is no panel.

    Examples
    --------
    >>> Picture(plt.figure(), alt="Nothing.")
    Nothing.
    >>> plt.get_fignums()
    []
    """

    def __init__(self, panels: plt.Figure | Sequence[plt.Figure], *, alt: str, table: Table | None = None) -> None:
        self.panels = [panels] if isinstance(panels, plt.Figure) else list(panels)
        self._images = [_draw(panel) for panel in self.panels]
        if not self.panels:
            raise ValueError("panels is empty: give at least one matplotlib figure")
        self.alt = check_alt(alt)
        self.table = table
        self._alts = [alt] if len(self.panels) == 1 else _name_parts(self.panels)

    def __repr__(self) -> str:
        return self.alt

    def _sentence(self) -> str:
        return self.alt

    def _stills(self) -> Writers:
        return {
            ".png": lambda: stills.png(stills.side_by_side(self._images, DPI), self.alt),
            ".svg": lambda: stills.svg(stills.nested(self.panels, DPI), self.alt),
        }

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": self.alt}

    def html(self) -> str:
        """The picture for a page: panels that shrink by a fifth before they wrap."""
        images = "".join(
            f'<img alt="{html.escape(alt)}" src="{_smallest(image)}"'
            f' width="{image.width // 2}" height="{image.height // 2}">'
            for alt, image in zip(self._alts, self._images, strict=True)
        )
        narrowest = int(0.8 * max(image.width // 2 for image in self._images))
        group = f' role="group" aria-label="{html.escape(self.alt)}"' if len(self.panels) > 1 else ""
        return (
            f'<div class="nbh-picture"{group} style="--narrowest:{narrowest}px">'
            f"<style>{asset('figure.css')}</style>{images}</div>{self.table.folded() if self.table else ''}"
        )


def _name_parts(panels: Sequence[plt.Figure]) -> list[str]:
    """What each panel is called: its first title, what a panel with a legend alone lists, or which part it is."""
    names = []
    for i, panel in enumerate(panels, 1):
        entries = "; ".join(_words(text) for legend in panel.legends for text in legend.get_texts())
        titles = [_words(axes.title) for axes in panel.axes] + [entries and f"legend: {entries}"]
        title = next(filter(None, titles), "")
        names.append(" ".join(title.split()) or f"part {i} of {len(panels)}")
    return names


def _words(text: Text) -> str:
    """A name in full where it was drawn shortened; a formula without its dollars."""
    words = text.get_label() or text.get_text()
    return words.replace("$", "") if text.get_parse_math() else words


def _smallest(image: Image.Image) -> str:
    """Lines are smaller without loss, shades with some that nobody sees."""
    return min(data_uri(image, lossless=True), data_uri(image, quality=90), key=len)


def _draw(figure: plt.Figure) -> Image.Image:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    plt.close(figure)
    return Image.open(buffer).convert("RGB")
