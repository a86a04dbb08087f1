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


def heat_look(title: str, ticks: Sequence[float], colours: Sequence[str], number: str) -> dict[str, Any]:
    """Colours from the first tick to the last, told by a bar below all panels, and what hovering tells of a cell."""
    bar = {"orientation": "h", "len": 0.6, "thickness": 10, "yref": "container", "y": 0, "yanchor": "bottom"}
    bar |= {"title": {"text": title, "side": "top"}, "tickvals": ticks}
    scale = {"colorscale": colours, "zmin": ticks[0], "zmax": ticks[-1], "colorbar": bar}
    told = f"row %{{y}}, column %{{x}}: %{{{number}}}<extra></extra>"
    return {"xgap": 1, "ygap": 1, **scale, "hovertemplate": told}


def add_squares(plot: go.Figure, traces: Sequence[dict[str, Any]], columns: int) -> None:
    """Panels, row by row, without axes, whose pixels or cells are squares, counted downwards, close to their titles."""
    down = {"autorange": "reversed", "constrain": "domain", "constraintoward": "top"}
    for i, trace in enumerate(traces):
        at = {"row": 1 + i // columns, "col": 1 + i % columns}
        plot.add_trace(trace, **at)
        plot.update_xaxes(visible=False, constrain="domain", **at)
        (axis,) = plot.select_xaxes(**at)
        plot.update_yaxes(visible=False, **down, scaleanchor=axis.plotly_name.replace("axis", ""), **at)


def finish(plot: go.Figure) -> None:
    """Room for the titles and for the colour bar."""
    plot.update_layout(margin={"l": 8, "r": 8, "t": 32, "b": 64}, showlegend=False)
    plot.update_annotations(font={"size": 13})
