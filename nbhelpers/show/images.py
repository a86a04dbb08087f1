"""A row of images, each with what the network (P) and the projection (Q) say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from nbhelpers.images import ImageSet
from nbhelpers.maths.arrays import Array
from nbhelpers.show.arrays import check_each, read
from nbhelpers.show.page.picture import Picture
from nbhelpers.show.style import COLOURS, INK, styled
from nbhelpers.show.text import entry, named, ticks

TOP = 4  # categories that have a bar
LONGEST = 24  # letters of their names: more would leave no room for the bars


@styled
def image_row(
    images: ImageSet, captions: Sequence[str], *, alt: str, probabilities: Mapping[str, Array] | None = None
) -> Picture:
    """Show images side by side, each above bars for its most probable categories.

    Parameters
    ----------
    images : ImageSet
    captions : sequence of str
    probabilities : mapping of str to array, (N, C), optional
        For instance ``{"P": ..., "Q": ...}``; one bar each, for the four categories that are largest in one of them.

    Examples
    --------
    >>> images = ImageSet(np.zeros((1, 3, 8, 8), np.uint8), np.array([0]), ("coat", "bag"), "held_out")
    >>> image_row(images, ["night"], alt="A black square.")
    A black square.
    """
    captions = check_each("captions", captions, len(images))
    bars = {
        name: read(values, f"probabilities[{name!r}]", images=len(images), categories=len(images.categories))
        for name, values in named(probabilities or {}).items()
    }
    panels = []
    for i, (image, caption) in enumerate(zip(images.images, captions, strict=True)):
        # On a page 690 px wide, five bare images fill a row, or three with bars.
        figure = plt.figure(figsize=(2.3, 4.1) if bars else (1.37, 1.6))
        # Subfigures, so that long category names don't shrink the image above them.
        upper, *lower = figure.subfigures(2, 1, height_ratios=(1.5, 1)) if bars else [figure]
        axes = upper.subplots()
        axes.imshow(image.transpose(1, 2, 0))
        axes.set_title(caption, fontsize=9.5)
        axes.axis("off")
        if bars:
            _draw_bars(lower[0].subplots(), {name: values[i] for name, values in bars.items()}, images.categories)
        panels.append(figure)
    return Picture(panels, alt=alt)


def _draw_bars(axes: plt.Axes, bars: Mapping[str, np.ndarray], categories: Sequence[str]) -> None:
    """Horizontal bars, the most probable category on top."""
    best = np.argsort(-np.max(list(bars.values()), axis=0), kind="stable")[:TOP]
    rows = np.arange(len(best))
    height = 0.8 / len(bars)
    for place, (name, values) in enumerate(bars.items()):
        look = {"color": COLOURS[place], "edgecolor": INK["light"], "lw": 0.6}
        axes.barh(rows + place * height, values[best], height, label=entry(name), **look)
    axes.set_yticks(rows + 0.4 - height / 2, ticks((categories[c] for c in best), LONGEST))
    axes.tick_params(axis="y", length=0)
    axes.set(xlim=(0, 1), xticks=(0, 0.5, 1))
    axes.invert_yaxis()
    axes.legend(fontsize=7.5, loc="lower right")
