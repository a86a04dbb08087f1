"""Flat panels side by side that a slider changes: images, and maps of their regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from nbhelpers.show.page.inline import data_uri

PURPLE, WHITE, ORANGE = "#5e3c99", "#f7f7f7", "#e66101"  # below 0, 0, above 0
SIDE = 160  # pixels that an image is enlarged to, so that lines on it are fine


def picture(pixels: np.ndarray) -> dict[str, Any]:
    """An image trace of uint8 (H, W, 3)."""
    return {"type": "image", "source": data_uri(Image.fromarray(pixels), quality=80)}


def enlarged(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) at :data:`SIDE` pixels a side."""
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def heat(values: np.ndarray) -> dict[str, Any]:
    """A map of numbers (rows, columns), both counted from 1; a thousandth is finer than any shade."""
    rows, columns = (list(range(1, size + 1)) for size in values.shape)
    return {"type": "heatmap", "x": columns, "y": rows, "z": values.round(3).tolist()}


def heat_look(title: str, ticks: Sequence[float]) -> dict[str, Any]:
    """Cells with a gap between them, and the bar below all panels that tells their colours."""
    bar = {"orientation": "h", "len": 0.6, "thickness": 10, "yref": "container", "y": 0, "yanchor": "bottom"}
    return {"xgap": 1, "ygap": 1, "colorbar": bar | {"title": {"text": title, "side": "top"}, "tickvals": ticks}}


def square(plot: go.Figure, row: int, column: int) -> None:
    """A panel without axes whose pixels or cells are squares, counted downwards, close to its title."""
    plot.update_xaxes(visible=False, constrain="domain", row=row, col=column)
    (axis,) = plot.select_xaxes(row=row, col=column)
    down = {"autorange": "reversed", "constrain": "domain", "constraintoward": "top"}
    across = axis.plotly_name.replace("axis", "")
    plot.update_yaxes(visible=False, **down, scaleanchor=across, row=row, col=column)


def finish(plot: go.Figure) -> None:
    """Room for the titles and for the colour bar."""
    plot.update_layout(margin={"l": 8, "r": 8, "t": 32, "b": 64}, showlegend=False)
    plot.update_annotations(font={"size": 13})
