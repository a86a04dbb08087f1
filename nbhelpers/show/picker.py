"""Images below a 3-D figure on which a reader picks a region, to follow it through all steps of the slider."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from nbhelpers.show.figure import data_uri


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
        pictures = "".join(
            f'<figure><div><img alt="" src="{_small(image)}"><div class="nbh-regions"></div></div>'
            f'<figcaption><i style="background:{colour}"></i>{html.escape(name)}</figcaption></figure>'
            for image, name, colour in zip(self.images, self.names, self.colours, strict=True)
        )
        return (
            f'<p class="nbh-told" role="status"></p><div class="nbh-strip">{pictures}</div>'
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


def _small(image: np.ndarray, side: int = 192) -> str:
    picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return data_uri(picture, quality=80, method=6)
