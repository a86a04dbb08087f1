"""Images below a 3-D figure: a reader picks one of their regions and follows it, or some of them are marked."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from nbhelpers.show.page.figure import data_uri


@dataclass(frozen=True)
class Picker:
    """What :class:`Figure` needs to let a region be picked with no kernel.

    A point of the figure is a region when its ``customdata`` begins with the number of its image, its number within
    that image (row by row), and its strength.

    Parameters
    ----------
    images : array, uint8 (n, 3, H, W)
    names : sequence of str
        What to call each image, for instance ``"image 2 (coat)"``.
    colours : sequence of str
        CSS colours that say which points of the figure belong to which image.
    grid : (int, int)
        Rows and columns of regions of every image.
    picked : (int, int)
        The image and the region picked first.
    path : int
        Which trace runs through the places of the picked region at all steps.
    here : int
        Which trace, one of those that frames move, marks its place at the present step.
    """

    images: np.ndarray
    names: Sequence[str]
    colours: Sequence[str]
    grid: tuple[int, int]
    picked: tuple[int, int]
    path: int
    here: int

    def html(self) -> str:
        """The images; the script lays the regions over them."""
        over = ['<div class="nbh-regions"></div>'] * len(self.images)
        captions = [
            f'<i style="background:{colour}"></i>{html.escape(name)}'
            for name, colour in zip(self.names, self.colours, strict=True)
        ]
        return (
            f'<p class="nbh-told" role="status"></p>{_strip(self.images, self.names, captions, over)}'
            '<p class="nbh-hint">Point at a region to see it above; click to keep it. '
            "With the keyboard: Tab, arrow keys, Enter.</p>"
        )

    def data(self) -> dict[str, Any]:
        """What the script has to know."""
        return {
            "names": list(self.names),
            "grid": self.grid,
            "picked": self.picked,
            "path": self.path,
            "here": self.here,
        }


class Mark(NamedTuple):
    """An outline around one region: its row and column, counted from 0, a CSS colour and a short text."""

    row: int
    column: int
    colour: str
    text: str


@dataclass(frozen=True)
class MarkedImages:
    """Images below a figure with some of their regions outlined; nothing on them can be picked.

    Parameters
    ----------
    images : array, uint8 (n, 3, H, W)
    names : sequence of str
        What stands below each image.
    grid : (int, int)
        Rows and columns of regions of every image.
    marks : mapping of int to sequence of Mark
        The outlines on each image, by its number.
    """

    images: np.ndarray
    names: Sequence[str]
    grid: tuple[int, int]
    marks: Mapping[int, Sequence[Mark]]

    def html(self) -> str:
        """The images with their outlines, in shares of width and height, so that they fit at any size."""
        rows, columns = self.grid
        size = f"width:{1 / columns:.2%};height:{1 / rows:.2%}"
        over = [
            "".join(
                f'<b class="nbh-mark" style="left:{mark.column / columns:.2%};top:{mark.row / rows:.2%};{size};'
                f'border-color:{mark.colour}">{html.escape(mark.text)}</b>'
                for mark in self.marks.get(i, ())
            )
            for i in range(len(self.images))
        ]
        return _strip(self.images, self.names, [html.escape(name) for name in self.names], over)

    def data(self) -> None:
        """Nothing for the script to do."""


def _strip(images: np.ndarray, names: Sequence[str], captions: Sequence[str], over: Sequence[str]) -> str:
    """Images side by side, each with its name, markup that lies ``over`` it and markup below it."""
    pictures = "".join(
        f'<figure><div><img alt="{html.escape(name)}" src="{_small(image)}">{above}</div>'
        f"<figcaption>{caption}</figcaption></figure>"
        for image, name, caption, above in zip(images, names, captions, over, strict=True)
    )
    return f'<div class="nbh-strip">{pictures}</div>'


def _small(image: np.ndarray, side: int = 192) -> str:
    picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return data_uri(picture, quality=80, method=6)
