"""What every 3-D figure stands on: short coordinates, category arrows, and axes that are equal at every step."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from nbhelpers.maths.arrays import Array, as_tensor
from nbhelpers.show.directions import unit
from nbhelpers.show.style import colour

EYE = np.array([0.95, 0.8, 0.5])  # of the reader, where arrows reach as far as all that is drawn
WIDE = np.array([0.3, 1])  # a text is wider than high: what lies beside it must be further away
ROOM = 0.06  # that a name needs, of the 0.83 that a view is high: on a phone as much as a line
MARGIN = 1.14  # of the cube, for names beyond the tips


def per_step(x: Array, name: str, steps: int, rows: int, columns: int) -> np.ndarray:
    """Read (rows, columns) or (steps, rows, columns) as the latter."""
    array = as_tensor(x, name, ndim=(2, 3)).cpu().numpy()
    if array.shape not in {(rows, columns), (steps, rows, columns)}:
        raise ValueError(
            f"{name} must have shape {(rows, columns)} or, with {steps} step_labels, {(steps, rows, columns)}; "
            f"got {array.shape}"
        )
    return np.broadcast_to(array, (steps, rows, columns))


def xyz(points: np.ndarray) -> dict[str, list[float]]:
    """Coordinates as short numbers: a thousandth of a strength is finer than a pixel."""
    return dict(zip("xyz", np.round(points.astype(float), 3).T.tolist(), strict=True))


def shaft(tip: np.ndarray) -> dict[str, list[float]]:
    """The line of an arrow to ``tip``. Its name stands beyond the tip; NaN keeps the line from running into it."""
    return xyz(np.stack([np.zeros(3), tip, np.full(3, np.nan), 1.1 * tip]))


def arrow(tip: np.ndarray, category: int, name: str) -> go.Scatter3d:
    """The direction of one category, in its colour and with its name; the legend hides it with its points."""
    return go.Scatter3d(
        **shaft(tip),
        mode="lines+text",
        line={"color": colour(category), "width": 5},
        text=["", "", "", name],
        textposition="middle center",
        textfont={"size": 14},
        legendgroup=name,
        showlegend=False,
        hoverinfo="skip",
    )


def as_seen(points: np.ndarray, tip: float, strongest: float, eye: np.ndarray) -> np.ndarray:
    """Where points (..., 3) lie on the screen before the reader turns the cube of :func:`layout`: right and up."""
    reach = max(tip, strongest)
    distance = np.linalg.norm(eye) * tip / reach
    forth = unit(eye)
    right = unit(np.cross([0, 0, 1], forth))
    inside = points / (2 * MARGIN * reach)  # plotly's cube is one wide
    flat = np.stack([inside @ right, inside @ np.cross(forth, right)], axis=-1)
    return flat / (distance - inside @ forth)[..., None]


def clear_eye(mu: np.ndarray, points: np.ndarray, tip: float, strongest: float) -> np.ndarray:
    """From where the names of arrows to ``tip`` times ``mu`` (C, 3) cover each other and points (N, 3) least."""
    turns, heights = np.meshgrid(np.radians(np.arange(0, 360, 5)), np.radians([10, 20, 30, 40]))
    around = np.stack([np.cos(heights) * np.cos(turns), np.cos(heights) * np.sin(turns), np.sin(heights)], axis=-1)
    eyes = [EYE, *np.linalg.norm(EYE) * around.reshape(-1, 3)]

    def room(eye: np.ndarray) -> float:
        names, dots = (as_seen(x, tip, strongest, eye) for x in (1.1 * tip * mu, points))
        between = np.linalg.norm((names[:, None] - np.concatenate([names, dots])) * WIDE, axis=-1)
        np.fill_diagonal(between, np.inf)
        # The root: room for a name that has none counts more than for one that has some.
        return np.sqrt(np.minimum(between.min(axis=1), ROOM)).sum()

    return max(eyes, key=room)


def layout(tip: float, strongest: float, eye: np.ndarray = EYE) -> dict[str, Any]:
    """A cube around all that is drawn, seen from where arrows of length ``tip`` fill the view, and a legend below it.

    Points stronger than the arrows are long are drawn too; some may be out of sight until the reader turns the cube.
    """
    reach = max(tip, strongest)
    axis = {"visible": False, "range": [-MARGIN * reach, MARGIN * reach]}
    return {
        "scene": {
            **{f"{name}axis": axis for name in "xyz"},
            "aspectmode": "cube",
            "camera": {"eye": dict(zip("xyz", eye * tip / reach, strict=True))},
            "dragmode": "orbit",
        },
        "uirevision": "keep",  # the camera stays where the reader put it
        "legend": {
            "orientation": "h",
            "yanchor": "top",
            "y": 0,
            "xanchor": "center",
            "x": 0.5,
            "itemsizing": "constant",
        },
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
    }
