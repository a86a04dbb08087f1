"""A row of images, each with what the network (P) and the projection (Q) say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from nbhelpers.maths.arrays import Array, as_tensor
from nbhelpers.show.page.picture import Picture
from nbhelpers.show.style import COLOURS, INK, MATPLOTLIB


def image_row(
    images: np.ndarray,
    captions: Sequence[str],
    *,
    alt: str,
    probabilities: Mapping[str, Array] | None = None,
    categories: Sequence[str] | None = None,
    top: int = 4,
) -> Picture:
    """Show images side by side, each above bars for its most probable categories.

    Parameters
    ----------
    images : array, uint8 (N, 3, H, W)
    captions : sequence of str
        One text above each image.
    alt : str
        What a reader who can't see the picture should know.
    probabilities : mapping of str to array, (N, C), optional
        For instance ``{"P": ..., "Q": ...}``; one bar each, for the ``top`` categories by the largest of them.
    categories : sequence of str, optional
        The C names; needed with ``probabilities``.
    top : int
        How many categories to show.

    Raises
    ------
    ValueError
        If ``images`` are no uint8 images, or lengths do not fit.

    Examples
    --------
    >>> image_row(np.zeros((1, 3, 8, 8), np.uint8), ["night"], alt="A black square.")
    A black square.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1] != 3 or images.dtype != np.uint8:
        raise ValueError(f"images must be uint8 of shape (N, 3, H, W), got {images.dtype} of shape {images.shape}")
    if len(captions) != len(images):
        raise ValueError(f"captions must hold one text for each of the {len(images)} images, got {len(captions)}")
    bars = {}
    for name, values in (probabilities or {}).items():
        bars[name] = as_tensor(values, f"probabilities[{name!r}]", ndim=2).cpu().numpy()
        if categories is None or bars[name].shape != (len(images), len(categories)):
            size = "categories, which are missing" if categories is None else f"{len(categories)} categories"
            raise ValueError(
                f"probabilities[{name!r}] must have one row for each of {len(images)} images and one column "
                f"for each of the {size}; got {bars[name].shape}"
            )
    panels = []
    for i, (image, caption) in enumerate(zip(images, captions, strict=True)):
        with plt.rc_context(MATPLOTLIB):
            # On a page 690 px wide, five bare images fill a row, or three with bars.
            figure = plt.figure(figsize=(2.3, 4.1) if bars else (1.37, 1.6))
            # Subfigures, so that long category names don't shrink the image above them.
            upper, *lower = figure.subfigures(2, 1, height_ratios=(1.5, 1)) if bars else [figure]
            axes = upper.subplots()
            axes.imshow(image.transpose(1, 2, 0))
            axes.set_title(caption, fontsize=9.5)
            axes.axis("off")
            if bars:
                _draw_bars(lower[0].subplots(), {name: values[i] for name, values in bars.items()}, categories, top)
        panels.append(figure)
    return Picture(panels, alt=alt)


def _draw_bars(axes: plt.Axes, bars: Mapping[str, np.ndarray], categories: Sequence[str], top: int) -> None:
    """Horizontal bars, the most probable category on top."""
    best = np.argsort(-np.max(list(bars.values()), axis=0), kind="stable")[:top]
    rows = np.arange(len(best))
    height = 0.8 / len(bars)
    for place, (name, values) in enumerate(bars.items()):
        axes.barh(
            rows + place * height,
            values[best],
            height,
            color=COLOURS[place],
            edgecolor=INK["light"],
            lw=0.6,
            label=name,
        )
    axes.set_yticks(rows + 0.4 - height / 2, [categories[c] for c in best])
    axes.tick_params(axis="y", length=0)
    axes.set(xlim=(0, 1), xticks=(0, 0.5, 1))
    axes.invert_yaxis()
    axes.legend(frameon=False, fontsize=7.5, loc="lower right")
