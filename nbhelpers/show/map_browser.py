"""Fig. 5 of the paper for many images: a slider chooses the image, and maps of its regions change with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from PIL import Image
from plotly.subplots import make_subplots

from nbhelpers.maths.arrays import Array, as_tensor
from nbhelpers.show.page.figure import Figure, check_start
from nbhelpers.show.page.panels import ORANGE, PURPLE, SIDE, WHITE, enlarged, finish, heat, heat_look, picture, square
from nbhelpers.show.tables import Table

_COLUMNS = 3


def map_browser(
    images: np.ndarray,
    maps: Mapping[str, Array],
    grid: tuple[int, int],
    captions: Sequence[str],
    *,
    alt: str,
    masks: np.ndarray | None = None,
    start: int = 0,
) -> Figure:
    """Show one image and, beside it, one map for each number that its regions have; a slider goes through the images.

    Every map is divided by its largest absolute value in that image, which hovering tells, so that maps of different
    units can be compared: orange above 0, purple below.

    Parameters
    ----------
    images : array, uint8 (n, 3, H, W)
    maps : mapping of str to array, (n, R)
        For instance ``{"w": ..., "Shapley": ..., "‖h‖": ..., "‖f‖": ...}``.
    grid : tuple of int
        Rows and columns of regions.
    captions : sequence of str
        One short text an image, such as its category: the name of the slider's step.
    alt : str
        What a reader who can't see the figure should know.
    masks : array, bool (n, H, W), optional
        The objects, outlined on the images.
    start : int
        The image shown first.

    Raises
    ------
    ValueError
        If there is no map, or shapes or lengths do not fit each other.

    Examples
    --------
    >>> figure = map_browser(np.zeros((2, 3, 8, 8), np.uint8), {"w": np.ones((2, 4)) / 4}, (2, 2), ["coat", "bag"],
    ...                      alt="Two black images whose regions all matter alike.")
    >>> [frame.name for frame in figure.plot.frames]
    ['1, coat', '2, bag']
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1] != 3 or images.dtype != np.uint8 or not len(images):
        raise ValueError(f"images must be uint8 of shape (n, 3, H, W), got {images.dtype} of shape {images.shape}")
    if len(captions) != len(images):
        raise ValueError(f"captions must hold one text for each of the {len(images)} images, got {len(captions)}")
    if masks is not None and np.shape(masks) != (len(images), *images.shape[2:]):
        raise ValueError(f"masks must have shape {(len(images), *images.shape[2:])}, got {np.shape(masks)}")
    if not maps:
        raise ValueError("maps is empty: give at least one number a region")
    read = {}
    for name, given in maps.items():
        array = as_tensor(given, f"maps[{name!r}]", ndim=2).cpu().numpy()
        if array.shape != (len(images), grid[0] * grid[1]):
            raise ValueError(
                f"maps[{name!r}] must have one row for each of {len(images)} images and one number for each region of "
                f"the {grid[0]} x {grid[1]} grid, got shape {array.shape}"
            )
        read[name] = array
    start = check_start(start, len(images))
    pictures = [_outlined(image, None if masks is None else masks[i]) for i, image in enumerate(images)]
    names = [f"{i + 1}, {caption}" for i, caption in enumerate(captions)]

    def step(i: int) -> list[dict]:
        return [pictures[i], *(_heat(array[i].reshape(grid)) for array in read.values())]

    rows = -(-(1 + len(read)) // _COLUMNS)
    plot = make_subplots(
        rows, _COLUMNS, subplot_titles=["image", *read], horizontal_spacing=0.04, vertical_spacing=0.12
    )
    look = {
        **heat_look("share of the image's largest", [-1, 0, 1]),
        "colorscale": ((0, PURPLE), (0.5, WHITE), (1, ORANGE)),
        "zmin": -1,
        "zmax": 1,
        "hovertemplate": "row %{y}, column %{x}: %{customdata:.3g}<extra></extra>",
    }
    for i, trace in enumerate(step(start)):
        row, column = 1 + i // _COLUMNS, 1 + i % _COLUMNS
        rest = look | {"showscale": i == 1} if trace["type"] == "heatmap" else {"hoverinfo": "skip"}
        plot.add_trace(trace | rest, row, column)
        square(plot, row, column)
    finish(plot)
    plot.frames = [go.Frame(name=name, data=step(i), traces=list(range(1 + len(read)))) for i, name in enumerate(names)]
    strongest = [[names[i], *(_where(array[i].reshape(grid)) for array in read.values())] for i in range(len(images))]
    headers = ["image", *(f"{name}: largest at" for name in read)]
    table = Table(headers, strongest, "The region of each image where a map is largest, and how large it is there")
    return Figure(plot, alt=alt, slider="image", start=start, height=96 + 200 * rows, table=table)


def _heat(values: np.ndarray) -> dict:
    top = float(np.abs(values).max()) or 1.0
    return heat(values / top) | {"customdata": [[float(f"{v:.3g}") for v in row] for row in values]}


def _where(values: np.ndarray) -> str:
    row, column = np.unravel_index(values.argmax(), values.shape)
    return f"row {row + 1}, column {column + 1} ({values.max():.3g})"


def _outlined(image: np.ndarray, mask: np.ndarray | None) -> dict:
    """The image, with a line where the object ends."""
    big = enlarged(image.transpose(1, 2, 0)).copy()
    if mask is not None:
        inside = np.asarray(Image.fromarray(mask).resize((SIDE, SIDE), Image.Resampling.NEAREST))
        padded = np.pad(inside, 1)
        core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        big[inside & ~core] = 255
    return picture(big)
