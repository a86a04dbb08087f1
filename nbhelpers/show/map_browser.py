"""Fig. 5 of the paper for many images: a slider chooses the image, and maps of its regions change with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from PIL import Image
from plotly.subplots import make_subplots
from scipy.ndimage import binary_erosion

from nbhelpers.images import ImageSet
from nbhelpers.maths.arrays import Array
from nbhelpers.show.arrays import cell, check_each, objects, read_maps
from nbhelpers.show.page.figure import Figure
from nbhelpers.show.page.table import Cell, Table
from nbhelpers.show.panels import ORANGE, PURPLE, SIDE, WHITE, add_squares, enlarged, finish, heat, heat_look, picture
from nbhelpers.show.text import label, short

_COLUMNS = 3


def map_browser(
    images: ImageSet, maps: Mapping[str, Array], grid: tuple[int, int], captions: Sequence[str], *, alt: str
) -> Figure:
    """Show one image and, beside it, one map for each number that its regions have; a slider goes through the images.

    Every map is divided by its largest absolute value in that image, which hovering tells, so that maps of different
    units can be compared: orange above 0, purple below. Where masks tell the object, it is outlined on the image.

    Parameters
    ----------
    images : ImageSet
    maps : mapping of str to array, (n, R)
        For instance ``{"w": ..., "Shapley": ..., "‖h‖": ..., "‖f‖": ...}``.
    grid : (int, int)
    captions : sequence of str
        Short ones, such as categories: the names of the slider's steps.

    Examples
    --------
    >>> images = ImageSet(np.zeros((2, 3, 8, 8), np.uint8), np.array([0, 1]), ("coat", "bag"), "held_out")
    >>> figure = map_browser(images, {"w": np.ones((2, 4))}, (2, 2), images.categories, alt="All regions matter alike.")
    >>> [frame.name for frame in figure.plot.frames]
    ['1, coat', '2, bag']
    """
    captions = check_each("captions", captions, len(images))
    shown = read_maps(maps, grid, images=len(images))
    pictures = [_outlined(image, mask) for image, mask in zip(images.images, objects(images), strict=True)]
    names = [f"{i + 1}, {caption}" for i, caption in enumerate(captions)]

    steps = [[pictures[i], *(_heat(values[i]) for values in shown.values())] for i in range(len(images))]
    rows = -(-(1 + len(shown)) // _COLUMNS)
    titles = ["image", *(label(short(name)) for name in shown)]
    plot = make_subplots(rows, _COLUMNS, subplot_titles=titles, horizontal_spacing=0.04, vertical_spacing=0.12)
    look = heat_look("share of the image's largest", [-1, 0, 1], (PURPLE, WHITE, ORANGE), "customdata:.3g")
    first, *others = steps[0]
    traces = [first | {"hoverinfo": "skip"}, *(trace | look | {"showscale": trace is others[0]} for trace in others)]
    add_squares(plot, traces, _COLUMNS)
    finish(plot)
    numbers = list(range(len(traces)))
    plot.frames = [go.Frame(name=name, data=step, traces=numbers) for name, step in zip(names, steps, strict=True)]
    largest = [[name, *(_largest(values) for values in its)] for name, *its in zip(names, *shown.values(), strict=True)]
    headers = ["image", *(f"{name}: largest at" for name in shown)]
    table = Table(headers, largest, "The region of each image where a map is largest, and how large it is there")
    return Figure(plot, alt=alt, slider="image", start=0, height=96 + 200 * rows, table=table)


def _heat(values: np.ndarray) -> dict:
    top = float(np.abs(values).max()) or 1.0
    return heat(values / top) | {"customdata": [[float(f"{v:.3g}") for v in row] for row in values]}


def _largest(values: np.ndarray) -> Cell:
    row, column = divmod(int(values.argmax()), values.shape[1])
    top = float(values.max())
    numbers = {"{}: row": row + 1, "{}: column": column + 1, "{}: value": top}
    return Cell(f"{cell(values.argmax(), values.shape)} ({top:.3g})", numbers)


def _outlined(image: np.ndarray, mask: np.ndarray | None) -> dict:
    """The image, with a line where the object ends."""
    big = enlarged(image.transpose(1, 2, 0)).copy()
    if mask is not None:
        inside = np.asarray(Image.fromarray(mask).resize((SIDE, SIDE), Image.Resampling.NEAREST))
        big[inside & ~binary_erosion(inside)] = 255
    return picture(big)
