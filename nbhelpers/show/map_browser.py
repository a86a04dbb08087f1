"""Fig. 5 of the paper for many images: a slider chooses the image, and maps of its regions change with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from PIL import Image
from plotly.subplots import make_subplots

from nbhelpers._checks import Array, as_tensor
from nbhelpers.show.figure import Figure, Table, check_start, data_uri

_SCALE = ((0, "#5e3c99"), (0.5, "#f7f7f7"), (1, "#e66101"))  # purple below 0, white at 0, orange above
_COLUMNS = 3
_SIDE = 160  # pixels that a thumbnail is enlarged to, so that the object's outline is fine


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
        return [{"type": "image", "source": pictures[i]}, *(_heat(array[i].reshape(grid)) for array in read.values())]

    rows = -(-(1 + len(read)) // _COLUMNS)
    plot = make_subplots(
        rows, _COLUMNS, subplot_titles=["image", *read], horizontal_spacing=0.04, vertical_spacing=0.12
    )
    places = [(1 + i // _COLUMNS, 1 + i % _COLUMNS) for i in range(1 + len(read))]
    for trace, (row, column) in zip(step(start), places, strict=True):
        kind = trace.pop("type")
        if kind == "image":
            plot.add_trace(go.Image(**trace, hoverinfo="skip"), row, column)
        else:
            look = {
                "colorscale": _SCALE,
                "zmin": -1,
                "zmax": 1,
                "xgap": 1,
                "ygap": 1,
                "showscale": (row, column) == places[1],
            }
            bar = {
                "title": {"text": "share of the image's largest", "side": "top"},
                "orientation": "h",
                "len": 0.6,
                "thickness": 10,
                "yref": "container",
                "y": 0,
                "yanchor": "bottom",
                "tickvals": [-1, 0, 1],
            }
            hover = "row %{y}, column %{x}: %{customdata:.3g}<extra></extra>"
            plot.add_trace(go.Heatmap(**trace, **look, colorbar=bar, hovertemplate=hover), row, column)
    plot.update_xaxes(visible=False, constrain="domain")
    plot.update_yaxes(visible=False, autorange="reversed", constrain="domain")
    for i in range(1 + len(read)):
        plot.update_yaxes(scaleanchor=f"x{i + 1 if i else ''}", row=places[i][0], col=places[i][1])
    plot.update_layout(margin={"l": 8, "r": 8, "t": 32, "b": 64}, showlegend=False)
    plot.update_annotations(font={"size": 14})
    plot.frames = [go.Frame(name=name, data=step(i), traces=list(range(1 + len(read)))) for i, name in enumerate(names)]
    strongest = [[names[i], *(_where(array[i].reshape(grid)) for array in read.values())] for i in range(len(images))]
    table = Table(["image", *(f"{name}: largest at" for name in read)], strongest)
    return Figure(plot, alt=alt, slider="image", start=start, height=96 + 200 * rows, table=table)


def _heat(values: np.ndarray) -> dict:
    top = float(np.abs(values).max()) or 1.0
    whole = np.arange(1, max(values.shape) + 1)
    return {
        "type": "heatmap",
        "x": whole[: values.shape[1]].tolist(),
        "y": whole[: values.shape[0]].tolist(),
        "z": np.round(values / top, 3).tolist(),
        "customdata": [[float(f"{v:.3g}") for v in row] for row in values],
    }


def _where(values: np.ndarray) -> str:
    row, column = np.unravel_index(values.argmax(), values.shape)
    return f"row {row + 1}, column {column + 1} ({values.max():.3g})"


def _outlined(image: np.ndarray, mask: np.ndarray | None) -> str:
    """The image as a data URI, with a line where the object ends."""
    big = np.asarray(Image.fromarray(image.transpose(1, 2, 0)).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)).copy()
    if mask is not None:
        inside = np.asarray(Image.fromarray(mask).resize((_SIDE, _SIDE), Image.Resampling.NEAREST))
        padded = np.pad(inside, 1)
        core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        big[inside & ~core] = 255
    return data_uri(Image.fromarray(big), quality=80)
