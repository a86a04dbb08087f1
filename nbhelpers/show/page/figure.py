"""One display object for every figure that moves: alive in a notebook, and on a static page with no kernel."""

from __future__ import annotations

import html
import io
import json
from functools import partial
from typing import Any

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from nbhelpers.show.page import stills
from nbhelpers.show.page.inline import asset, check_alt, sprite_sheet
from nbhelpers.show.page.shown import Shown, Writers
from nbhelpers.show.page.table import Table
from nbhelpers.show.style import plotly_template
from nbhelpers.show.text import in_script, label, page

WIDEST = 128  # pixels beside a slider's rail, at most: names that are longer would leave it no room
TURN = '<p class="nbh-hint nbh-turn">Turn: drag, or arrow keys. Zoom: + and −. Back: Home.</p>'

FIND = (
    '<div class="nbh-find"><label>Find a category <input type="search" autocomplete="off" disabled></label>'
    '<output aria-live="polite"></output></div>'
)


class Figure(Shown):
    """A plotly figure for notebooks and for the static book.

    JupyterLab and VS Code receive plotly's own JSON, whose frames become plotly's slider. A page without a kernel
    receives HTML: the figure is drawn when it comes near the viewport, by one ``plotly.min.js`` for the whole page
    (named in ``<meta name="nbhelpers-plotly" content="...">``, else plotly's CDN), follows the theme of the page, and
    an ``<input type="range">`` walks through the frames. Arrow keys turn a 3-D figure. A screen reader is told the
    sentence, the controls and the table; what plotly draws is hidden from it.

    Parameters
    ----------
    plot : plotly.graph_objects.Figure
        Its frames, when it has any, are the steps of the slider, named by ``frame.name``; a frame may change top-level
        lists of a trace (``x``, ``y``, ``z``, ``customdata``, ``text``). The data must equal frame ``start``.
    alt : str
    slider : str
        What the slider chooses, for instance ``"epoch"``.
    start : int
        The frame shown first; negative numbers count from the end.
    height : int
        In CSS pixels.
    thumbnails : array, uint8 (N, 3, H, W), optional
        Shown beside the figure while a point is hovered whose ``customdata[0]`` is the number of the image.
    below : str
        HTML below the figure on a page, such as the images of :mod:`nbhelpers.show.page.picker`.
    picker : dict, optional
        How their regions are picked and followed: ``names`` of the images, ``grid`` of regions, the ``picked`` image
        and region, and the numbers of two traces, its ``path`` and its place ``here``. A point is a region when its
        ``customdata`` begins with the number of its image, its number within that image, and its strength.
    search : dict, optional
        How a reader finds a category among many: ``names`` of the categories, each also as it is written in a scene;
        by the number of a trace, of which category each point is, of ``members`` and of ``shafts`` of arrows; and the
        numbers of the traces that show what is found, ``here`` its points and ``arrow``.
    table : Table, optional
        The numbers behind the figure, folded away below it.

    Raises
    ------
    ValueError
        If ``alt`` is empty or ``start`` names no frame.

    Examples
    --------
    >>> frames = [go.Frame(name=str(n), data=[{"y": [0, n]}], traces=[0]) for n in (0, 1)]
    >>> Figure(go.Figure(go.Scatter(x=[0, 1], y=[0, 1]), frames=frames), alt="A line that rises step by step.")
    A line that rises step by step.
    """

    def __init__(
        self,
        plot: go.Figure,
        *,
        alt: str,
        slider: str = "step",
        start: int = -1,
        height: int = 560,
        thumbnails: np.ndarray | None = None,
        below: str = "",
        picker: dict[str, Any] | None = None,
        search: dict[str, Any] | None = None,
        table: Table | None = None,
    ) -> None:
        self.plot = plot
        self.alt = check_alt(alt)
        self.slider = slider
        self.start = check_start(start, len(plot.frames)) if plot.frames else 0
        self.height = height
        self.sprite = None if thumbnails is None else sprite_sheet(thumbnails)
        self.below = below
        self.picker = picker
        self.search = search
        self.table = table

    def __repr__(self) -> str:
        return self.alt

    def _sentence(self) -> str:
        return self.alt

    def _stills(self) -> Writers:
        return {f".{kind}": partial(self._still, kind) for kind in ("png", "svg")}

    def _still(self, kind: str) -> bytes:
        """The step that is shown first, with its name above."""
        figure = self.plotly_json()
        layout, height = figure["layout"], self.height
        layout.pop("sliders", None)
        if figure.pop("frames", None):
            step = label(f"{self.slider}: {self.plot.frames[self.start].name}")
            above = layout.get("title", {}).get("text")
            look = {"x": 0.5, "y": 0.99, "yanchor": "top", "font": {"size": 15}}
            layout["title"] = look | {"text": f"{above} ({step})" if above else step}
            layout["margin"]["t"] += 28
            height += 28
        layout["height"] = height
        drawing = stills.drawn(figure, height, kind)
        if kind == "svg":
            return stills.svg(drawing.decode("utf-8"), self.alt)
        return stills.png(Image.open(io.BytesIO(drawing)).convert("RGB"), self.alt)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"application/vnd.plotly.v1+json": self.plotly_json(), "text/html": self.html(), "text/plain": self.alt}

    def plotly_json(self) -> dict[str, Any]:
        """The figure in plotly's own format, with plotly's slider when there are frames."""
        figure = json.loads(self.plot.to_json())
        figure["layout"] |= {"height": self.height, "template": plotly_template("light", background="white")}
        if self.plot.frames:
            figure["layout"]["height"] += 160  # the slider, below a legend of two lines
            at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
            names = [frame.name for frame in self.plot.frames]
            steps = [{"label": label(n), "method": "animate", "args": [[n], at_once]} for n in names]
            chosen = {"prefix": f"{label(self.slider)}: "}
            # the names of the first and the last step reach beyond the rail by half their width
            left, right = (min(max(40, 4 * len(names[at])), WIDEST) for at in (0, -1))
            pad = {"t": 60, "r": right, "b": 10, "l": left}
            figure["layout"]["sliders"] = [{"active": self.start, "currentvalue": chosen, "pad": pad, "steps": steps}]
        return figure

    def html(self) -> str:
        """The figure for a page: markup, data and the script that draws it."""
        figure = {"frames": [], **json.loads(self.plot.to_json()), "sprite": self.sprite, "picker": self.picker}
        if self.search:
            figure["search"] = self.search
        figure["themes"] = {theme: plotly_template(theme) for theme in ("light", "dark")}
        figure["layout"].pop("template", None)
        # The sentence is text of the page: seen until the figure is drawn, and read aloud before and after.
        return (
            f'<div class="nbh-figure" role="group" aria-label="Interactive figure"><style>{asset("figure.css")}</style>'
            f'<div class="nbh-stage" style="height:{self.height}px">'
            f'<p class="nbh-alt">{page(self.alt)}</p><div class="nbh-plot"></div>'
            f'<div class="nbh-hover" aria-hidden="true" hidden><span></span></div></div>'
            f"{TURN if 'scene' in figure['layout'] else ''}{self._controls()}{FIND if self.search else ''}"
            f"{self.below}{self.table.folded() if self.table else ''}"
            f'<script type="application/json">{in_script(figure)}</script><script>{asset("figure.js")}</script></div>'
        )

    def _controls(self) -> str:
        if not self.plot.frames:
            return ""
        name = self.plot.frames[self.start].name
        # A form control that a script drives stays off until the script is there.
        return (
            '<div class="nbh-controls"><button type="button" disabled>Play</button>'
            f'<label>{page(self.slider)}<input type="range" min="0" max="{len(self.plot.frames) - 1}" step="1"'
            f' value="{self.start}" aria-valuetext="{html.escape(name)}" autocomplete="off" disabled></label>'
            f'<output aria-live="off">{page(name)}</output></div>'
        )


def check_start(start: int, steps: int) -> int:
    """The number of the step shown first, counted from 0."""
    if not -steps <= start < steps:
        raise ValueError(f"start must be one of {steps} steps, from {-steps} to {steps - 1}; got {start}")
    return start % steps
