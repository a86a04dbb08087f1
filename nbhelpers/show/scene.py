"""The 3-D scene of every figure with arrows: a cube that is equal at every step, seen from where names can be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from nbhelpers.show.directions import unit
from nbhelpers.show.highlights import GREY, Highlights
from nbhelpers.show.page.figure import Figure
from nbhelpers.show.text import engraved, label, short

EYE = np.array([0.95, 0.8, 0.5])  # of the reader, where arrows reach as far as all that is drawn
WIDE = np.array([0.3, 1])  # a text is wider than high: what lies beside it must be further away
ROOM = 0.06  # that a name needs, of the 0.83 that a view is high: on a phone as much as a line
MARGIN = 1.14  # of the cube, for names beyond the tips

NAME = {"textposition": "middle center", "textfont": {"size": 14}}
OTHERS = "others\n"  # their group in the legend: no name of a category has two lines
SHORT = 0.6  # of an arrow that has no name, so that those that have are seen
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
        self.said = ""
        self.search: dict[str, Any] | None = None
        self.traces: list[dict[str, Any]] = []
        self.moves: dict[int, Sequence[Places]] = {}
        self.members: dict[int, list[int]] = {}
        """Of which category each point of a trace is."""
        self.shafts: dict[int, list[int]] = {}
        """And each point of the lines of arrows; -1 between them."""

    def add(self, places: Places | Sequence[Places], **look: Any) -> int:
        """A trace that stays, or one that moves when it has places for every step; its number."""
        number = len(self.traces)
        if not isinstance(places, dict):
            self.moves[number] = places
            places = places[self.start]
        self.traces.append({"type": "scatter3d", **look, **places})
        return number

    def add_arrows(self, mu: np.ndarray, categories: Sequence[str], lit: Highlights, hue: str | None = None) -> None:
        """An arrow for each category, (C, 3) or at each step (S, C, 3); the legend hides it with its points.

        Where there are others than those in colour, their arrows are thin and have no names: hovering tells them, and a
        reader can search for each.
        """
        for c in lit.chosen:
            tips = self.tip * mu[..., c, :]
            places = shaft(tips) if tips.ndim == 1 else [shaft(tip) for tip in tips]
            line = {
                "mode": "lines+text",
                "line": {"color": hue or lit.hue(c), "width": 5},
                "legendgroup": categories[c],
            }
            name = {"text": ["", "", "", engraved(categories[c])], **NAME}
            self.shafts[self.add(places, **line, **name, **MUTE)] = [c] * 4
        if lit.others:
            self._add_thin_arrows(SHORT * self.tip * mu[..., lit.others, :], [categories[c] for c in lit.others], lit)
            self._add_search(categories)

    def _add_thin_arrows(self, tips: np.ndarray, names: Sequence[str], lit: Highlights) -> None:
        places = shafts(tips) if tips.ndim == 2 else [shafts(at) for at in tips]
        told = {"text": [label(name) for name in names for _ in range(5)], "hovertemplate": "%{text}<extra></extra>"}
        look = {"mode": "lines", "line": {"color": GREY, "width": 1.5}, "legendgroup": OTHERS, "showlegend": False}
        number = self.add(places, **look, **told)
        self.shafts[number] = [i for c in lit.others for i in (c, c, c, c, -1)]

    def _add_search(self, categories: Sequence[str]) -> None:
        """What a reader searches for is drawn once more, in the ink of the page; first it is nothing."""
        nowhere = [{"x": [], "y": [], "z": []}] * len(self.steps)
        dot = {"mode": "markers", "marker": {"size": 8, "symbol": "circle-open"}}
        here = self.add(nowhere, **dot, **MUTE)
        line = {"mode": "lines+text", "line": {"width": 8}, "text": [], **NAME}
        arrow = self.add(nowhere, **line, **MUTE)
        names = [[category, engraved(category)] for category in categories]
        self.search = {"names": names, "here": here, "arrow": arrow, "members": self.members, "shafts": self.shafts}

    def note(self, text: str) -> None:
        """A line above all, if it says anything."""
        self.said = text

    def figure(self, **rest: Any) -> Figure:
        """The figure; what is not of the scene goes to :class:`Figure`."""
        frames = []
        for step, name in enumerate(self.steps):
            data = [{"type": self.traces[i]["type"], **places[step]} for i, places in self.moves.items()]
            frames.append({"name": name, "data": data, "traces": list(self.moves)})
        plot = go.Figure(self.traces, self._layout(), frames if len(frames) > 1 else None)
        if self.said:
            at = {
                "xref": "paper",
                "yref": "paper",
                "x": 0,
                "y": 1,
                "xanchor": "left",
                "yanchor": "top",
                "align": "left",
            }
            words = label(self.said).replace(", which", ",<br>which")  # a phone has no room for one line
            plot.add_annotation(text=words, showarrow=False, font={"size": 12}, **at)
        return Figure(plot, start=self.start, search=self.search, **rest)

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
        degrees = [10, 20, 30, 40]
        if not (mu[..., 2].any() or points[..., 2].any()):
            degrees = [50, 60, 70, 80]  # a plane is looked at from above
        turns, heights = np.meshgrid(np.radians(np.arange(0, 360, 5)), np.radians(degrees))
        around = np.stack([np.cos(heights) * np.cos(turns), np.cos(heights) * np.sin(turns), np.sin(heights)], axis=-1)
        eyes = [*([] if degrees[0] > 40 else [EYE]), *np.linalg.norm(EYE) * around.reshape(-1, 3)]

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


def told(strengths: np.ndarray) -> Places:
    """What hovering tells of points: their strengths."""
    return {"customdata": strengths.round(2).tolist()}


def shaft(tip: np.ndarray) -> dict[str, list[float]]:
    """The line of an arrow to ``tip``. Its name stands beyond the tip; NaN keeps the line from running into it."""
    return xyz(np.stack([np.zeros(3), tip, np.full(3, np.nan), 1.1 * tip]))


def shafts(tips: np.ndarray) -> dict[str, list[float]]:
    """The lines of several arrows (C, 3) in one trace, five points each."""
    gap, nought = np.full_like(tips, np.nan), np.zeros_like(tips)
    return xyz(np.stack([nought, tips, gap, 1.1 * tips, gap], axis=1).reshape(-1, 3))


def dots(name: str, hue: str, form: str, size: float) -> dict[str, Any]:
    """The look of points that have an entry in the legend."""
    marker = {"color": hue, "symbol": form, "size": size, "line": {"width": 0}}
    return {"mode": "markers", "marker": marker, "name": label(short(name)), "legendgroup": name, "showlegend": True}


def grey_dots(lit: Highlights, size: float) -> dict[str, Any]:
    """The look of the points of all categories that have no colour, with one entry in the legend."""
    return dots(lit.rest, GREY, "circle", size) | {"legendgroup": OTHERS, "opacity": 0.6}
