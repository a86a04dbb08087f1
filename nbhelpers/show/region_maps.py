"""Regions on their images: knowledge points as coloured cells (Fig. 6), importance and strength as maps (Fig. 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap, to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke

from nbhelpers.images import ImageSet
from nbhelpers.maths.arrays import Array
from nbhelpers.method.knowledge import KnowledgePoints
from nbhelpers.show.arrays import check_each, objects, read, read_maps
from nbhelpers.show.highlights import Highlights, highlights
from nbhelpers.show.page.picture import Picture
from nbhelpers.show.style import INK, styled
from nbhelpers.show.text import entry, visible

GREY = (0.299, 0.587, 0.114)  # luma: how bright red, green and blue are
HALO = [withStroke(linewidth=2.4, foreground="white")]
# White is 0 and orange positive on every map, so that maps with and without negative numbers can be compared.
SIGNED = colormaps["PuOr_r"]
POSITIVE = ListedColormap(SIGNED(np.linspace(0.5, 1, 256)))


@styled
def points_on_images(
    images: ImageSet, points: KnowledgePoints, grid: tuple[int, int], captions: Sequence[str], *, alt: str
) -> Picture:
    """Draw every knowledge point as its cell on its image, Fig. 6 right.

    The images are grey, so that colours and symbols name categories only. Reliable points have a solid outline,
    unreliable ones are hatched with a dashed one. Where masks tell the object, it is outlined. Of more than ten
    categories, the ten that most points name have colours.

    Parameters
    ----------
    images : ImageSet
    points : KnowledgePoints
    grid : (int, int)
    captions : sequence of str

    Examples
    --------
    >>> images = ImageSet(np.zeros((1, 3, 4, 8), np.uint8), np.array([0]), ("coat", "bag"), "held_out")
    >>> yes, no = np.array([[True, False]]), np.array([[False, False]])
    >>> points = KnowledgePoints(np.array([[0, 1]]), np.array([[0.9, 0.2]]), yes, no)
    >>> points_on_images(images, points, (1, 2), ["a bag"], alt="The left half says coat.")
    The left half says coat.
    """
    read(points.masks, "points", images=len(images), regions=grid[0] * grid[1])
    captions = check_each("captions", captions, len(images))
    named = np.unique(points.category[points.masks])
    if named.size and named[-1] >= len(images.categories):
        raise ValueError(f"points name category {named[-1]}, but there are {len(images.categories)} categories")
    times = np.bincount(points.category[points.masks], minlength=len(images.categories))
    lit = highlights(images.categories, times, times)
    height, width = images.images.shape[2:]
    panels = []
    for i, (image, mask, caption) in enumerate(zip(images.images, objects(images), captions, strict=True)):
        figure, axes = plt.subplots(figsize=(2.25, 2.25 * height / width + 0.3))
        axes.imshow(_grey(image), extent=(0, width, height, 0))
        for region in np.flatnonzero(points.masks[i]):
            c, reliable = points.category[i, region], points.reliable_masks[i, region]
            square, middle = framed(region, grid, (height, width), **_cell(lit.hue(c), reliable))
            axes.add_patch(square)
            axes.plot(*middle, **_dot(lit.marker(c)))
        _outline(axes, mask)
        axes.set_title(caption, fontsize=9.5)
        axes.axis("off")
        panels.append(figure)
    return Picture([*panels, _legend(named, images.categories, lit)], alt=alt)


def framed(
    region: int, grid: tuple[int, int], shape: tuple[int, int], **look: Any
) -> tuple[Rectangle, tuple[float, float]]:
    """A region's square on an image of that height and width, and its middle.

    The square is inset, so that neighbours keep outlines of their own.
    """
    down, across = shape[0] / grid[0], shape[1] / grid[1]
    row, column = divmod(int(region), grid[1])
    x, y, inset = column * across, row * down, 0.06 * min(down, across)
    square = Rectangle((x + inset, y + inset), across - 2 * inset, down - 2 * inset, **look)
    return square, (x + across / 2, y + down / 2)


def _outline(axes: plt.Axes, mask: np.ndarray | None) -> None:
    """A line around the object, dark with a bright halo."""
    if mask is None or not mask.any():
        return
    around = np.pad(mask, 1).astype(float)  # an object at the edge has an outline, too
    x, y = (np.arange(-0.5, side + 1) for side in mask.shape[::-1])
    axes.contour(x, y, around, [0.5], colors=INK["light"], linewidths=1.1).set_path_effects(HALO)


def _legend(named: Sequence[int], categories: Sequence[str], lit: Highlights) -> plt.Figure:
    shown = [int(c) for c in named if c in lit.chosen]
    rest = [visible(categories[c]) for c in named if c not in lit.chosen]
    looks = [(lit.hue(c), lit.marker(c)) for c in [*shown, *lit.others[: bool(rest)]]]
    handles = [Patch(**_cell(INK["light"], reliable)) for reliable in (True, False)]
    handles += [(Patch(**_cell(hue, True)), Line2D([], [], ls="", **_dot(mark))) for hue, mark in looks]
    names = ["reliable: the true category", "unreliable", *(visible(categories[c]) for c in shown)]
    told = [entry(name) for name in names]
    if rest:
        told.append(f"{len(rest)} others")
        names.append(f"{told[-1]}: {', '.join(rest)}")
    figure = plt.figure(figsize=(2.25, max(2.55, 0.22 * len(told))))
    legend = figure.legend(handles, told, loc="center left", fontsize=9, handleheight=1.2, handlelength=1.8)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_label(name)  # in full, for the text alternative
    return figure


def _cell(hue: str, reliable: bool) -> dict:
    look = {"lw": 2.2, "ls": "-"} if reliable else {"lw": 0.9, "ls": (0, (3, 2)), "hatch": "//////"}
    return {"facecolor": to_rgba(hue, 0.6 if reliable else 0.3), "edgecolor": hue, **look}


def _dot(mark: str) -> dict:
    return {"marker": mark, "ms": 4, "mfc": "white", "mec": INK["light"], "mew": 0.8}


def _grey(image: np.ndarray) -> np.ndarray:
    """A bright grey image (H, W, 3) in 0 ... 1, on which colours show."""
    luma = np.tensordot(GREY, image, axes=1) / 255
    return np.repeat((0.5 + 0.5 * luma)[..., None], 3, axis=2)


def heat_maps(images: ImageSet, maps: Mapping[str, Array], grid: tuple[int, int], *, alt: str) -> Picture:
    """Draw an image and beside it one map for each number that its regions have, Fig. 5.

    White is 0 and orange above it; where a map has negative numbers they are purple, down to as far below 0 as the
    largest is above. Where a mask tells the object, it is outlined on every panel.

    Parameters
    ----------
    images : ImageSet
        One image.
    maps : mapping of str to array, (R,)
        For instance ``{"w": ..., "Shapley": ..., "‖h‖": ..., "‖f‖": ...}``.
    grid : (int, int)

    Raises
    ------
    ValueError
        If there is not one image, or no map.

    Examples
    --------
    >>> images = ImageSet(np.zeros((1, 3, 8, 8), np.uint8), np.array([0]), ("coat", "bag"), "held_out")
    >>> heat_maps(images, {"w": [0.1, 0.2, 0.3, 0.4]}, (2, 2), alt="w grows to the right.")
    w grows to the right.
    """
    if len(images) != 1:
        raise ValueError(f"heat_maps shows one image, got {len(images)}; map_browser shows several")
    shown = [("image", None), *read_maps(maps, grid).items()]
    mask = objects(images)[0]
    return Picture([_panel(name, images.images[0], values, mask) for name, values in shown], alt=alt)


@styled
def _panel(title: str, image: np.ndarray, values: np.ndarray | None, mask: np.ndarray | None) -> plt.Figure:
    """All panels have their image at the same place, whatever stands below it."""
    _, height, width = image.shape
    extent = (0, width, height, 0)
    across, down = 1.28, 1.28 * height / width
    size = across + 0.08, down + 0.56
    figure = plt.figure(figsize=size, layout="none")
    axes = figure.add_axes((0.04 / size[0], 0.32 / size[1], across / size[0], down / size[1]))
    if values is None:
        axes.imshow(image.transpose(1, 2, 0), extent=extent)
    else:
        axes.imshow(_grey(image), extent=extent)
        top = float(np.abs(values).max()) or 1.0
        signed = bool(values.min() < 0)
        low = -top if signed else 0
        heat = axes.imshow(values, cmap=SIGNED if signed else POSITIVE, vmin=low, vmax=top, extent=extent, alpha=0.8)
        below = figure.add_axes((0.04 / size[0], 0.22 / size[1], across / size[0], 0.07 / size[1]))
        bar = figure.colorbar(heat, cax=below, orientation="horizontal")
        ticks = {-top: f"−{top:.2g}", 0: "0", top: f"{top:.2g}"} if signed else {0: "0", top: f"{top:.2g}"}
        bar.set_ticks(list(ticks), labels=list(ticks.values()), fontsize=8)
        below.tick_params(length=2, pad=1.5)
        below.get_xticklabels()[0].set_ha("left")  # so that numbers stay on their panel
        below.get_xticklabels()[-1].set_ha("right")
        bar.outline.set_visible(False)
    _outline(axes, mask)
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_title(title, fontsize=9.5, pad=3)
    axes.axis("off")
    return figure
