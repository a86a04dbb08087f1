"""The 3-D scene of every figure with arrows: a cube that is equal at every step, seen from where names can be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from nbhelpers.show.directions import unit
from nbhelpers.show.page.figure import Figure
from nbhelpers.show.style import colour
from nbhelpers.show.text import engraved, label, short

EYE = np.array([0.95, 0.8, 0.5])  # of the reader, where arrows reach as far as all that is drawn
WIDE = np.array([0.3, 1])  # a text is wider than high: what lies beside it must be further away
ROOM = 0.06  # that a name needs, of the 0.83 that a view is high: on a phone as much as a line
MARGIN = 1.14  # of the cube, for names beyond the tips

MUTE = {"showlegend": False, "hoverinfo": "skip"}  # what neither hovering nor the legend tells

Places = dict[str, Any]
"""What a step may change in a trace: its coordinates, and what is told of each point."""


class Scene:
    """Arrows of categories with points around them, alike at every step.

    ``mu`` (C, 3) and ``points`` (N, 3) are those of the step shown first, ``start``: the view keeps the arrows' names
    clear of both. Arrows reach to ``tip`` and the furthest point of any step to ``strongest``; where that is further,
    some points may be out of sight until the reader turns the cube. A single step has no slider.
    """

    def __init__(
        self, mu: np.ndarray, points: np.ndarray, tip: float, strongest: float, steps: Sequence[str], start: int
    ) -> None:
        self.tip = tip
        self.reach = max(tip, strongest)
        self.steps = steps
        self.start = start
        self.eye = self._clear_eye(mu, points)
        self.traces: list[dict[str, Any]] = []
        self.moves: dict[int, Sequence[Places]] = {}

    def add(self, places: Places | Sequence[Places], **look: Any) -> int:
        """A trace that stays, or one that moves when it has places for every step; its number."""
        number = len(self.traces)
        if not isinstance(places, dict):
            self.moves[number] = places
            places = places[self.start]
        self.traces.append({"type": "scatter3d", **look, **places})
        return number

    def add_arrows(self, mu: np.ndarray, categories: Sequence[str], hue: str | None = None) -> None:
        """An arrow for each category, (C, 3) or at each step (S, C, 3); the legend hides it with its points."""
        for c, category in enumerate(categories):
            tips = self.tip * mu[..., c, :]
            places = shaft(tips) if tips.ndim == 1 else [shaft(tip) for tip in tips]
            line = {"mode": "lines+text", "line": {"color": hue or colour(c), "width": 5}, "legendgroup": category}
            name = {"text": ["", "", "", engraved(category)], "textposition": "middle center", "textfont": {"size": 14}}
            self.add(places, **line, **name, **MUTE)

    def figure(self, **rest: Any) -> Figure:
        """The figure; what is not of the scene goes to :class:`Figure`."""
        frames = []
        for step, name in enumerate(self.steps):
            data = [{"type": self.traces[i]["type"], **places[step]} for i, places in self.moves.items()]
            frames.append({"name": name, "data": data, "traces": list(self.moves)})
        plot = go.Figure(self.traces, self._layout(), frames if len(frames) > 1 else None)
        return Figure(plot, start=self.start, **rest)

    def as_seen(self, points: np.ndarray, eye: np.ndarray | None = None) -> np.ndarray:
        """Where points (..., 3) lie on the screen before the reader turns the cube: right and up."""
        eye = self.eye if eye is None else eye
        forth = unit(eye)
        right = unit(np.cross([0, 0, 1], forth))
        inside = points / (2 * MARGIN * self.reach)  # plotly's cube is one wide
        flat = np.stack([inside @ right, inside @ np.cross(forth, right)], axis=-1)
        return flat / (np.linalg.norm(eye) * self.tip / self.reach - inside @ forth)[..., None]

    def _clear_eye(self, mu: np.ndarray, points: np.ndarray) -> np.ndarray:
        """From where the names of arrows cover each other and the points least."""
        turns, heights = np.meshgrid(np.radians(np.arange(0, 360, 5)), np.radians([10, 20, 30, 40]))
        around = np.stack([np.cos(heights) * np.cos(turns), np.cos(heights) * np.sin(turns), np.sin(heights)], axis=-1)
        eyes = [EYE, *np.linalg.norm(EYE) * around.reshape(-1, 3)]

        def room(eye: np.ndarray) -> float:
            names, dots = (self.as_seen(x, eye) for x in (1.1 * self.tip * mu, points))
            between = np.linalg.norm((names[:, None] - np.concatenate([names, dots])) * WIDE, axis=-1)
            np.fill_diagonal(between, np.inf)
            # The root: room for a name that has none counts more than for one that has some.
            return np.sqrt(np.minimum(between.min(axis=1), ROOM)).sum()

        return max(eyes, key=room)

    def _layout(self) -> dict[str, Any]:
        axis = {"visible": False, "range": [-MARGIN * self.reach, MARGIN * self.reach]}
        return {
            "scene": {
                **{f"{name}axis": axis for name in "xyz"},
                "aspectmode": "cube",
                "camera": {"eye": dict(zip("xyz", self.eye * self.tip / self.reach, strict=True))},
                "dragmode": "orbit",
            },
            "uirevision": "keep",  # the camera stays where the reader put it
            "legend": dict(orientation="h", yanchor="top", y=0, xanchor="center", x=0.5, itemsizing="constant"),
            "margin": dict.fromkeys("lrtb", 0),
        }


def xyz(points: np.ndarray) -> dict[str, list[float]]:
    """Coordinates as short numbers: a thousandth of a strength is finer than a pixel."""
    return dict(zip("xyz", np.round(points.astype(float), 3).T.tolist(), strict=True))


def with_strengths(points: np.ndarray) -> Places:
    """Places whose ``customdata`` is their strength."""
    return {**xyz(points), "customdata": np.linalg.norm(points, axis=-1).round(2).tolist()}


def shaft(tip: np.ndarray) -> dict[str, list[float]]:
    """The line of an arrow to ``tip``. Its name stands beyond the tip; NaN keeps the line from running into it."""
    return xyz(np.stack([np.zeros(3), tip, np.full(3, np.nan), 1.1 * tip]))


def dots(name: str, hue: str, form: str, size: float) -> dict[str, Any]:
    """The look of points that have an entry in the legend."""
    marker = {"color": hue, "symbol": form, "size": size, "line": {"width": 0}}
    return {"mode": "markers", "marker": marker, "name": label(short(name)), "legendgroup": name, "showlegend": True}
