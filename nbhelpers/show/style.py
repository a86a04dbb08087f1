"""Colours, symbols and themes shared by every figure.

The ten colours are Petroff's sequence (M. A. Petroff, "Accessible color sequences for data visualization",
arXiv:2107.02270): they stay apart under protanopia, deuteranopia and tritanopia. Colour never speaks alone: plotly's
eight 3-D symbols are dealt so that two categories with one symbol have colours that nobody confuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt

COLOURS = (
    "#3f90da",  # blue
    "#ffa90e",  # orange
    "#bd1f01",  # red
    "#94a4a2",  # light grey
    "#832db6",  # purple
    "#a96b59",  # brown
    "#e76300",  # dark orange
    "#b9ac70",  # sand
    "#717581",  # slate
    "#92dadd",  # pale blue
)
# Plotly's eighth 3-D symbol, "x", is left out: it is a letter that some systems' fonts do not have.
SYMBOLS = ("circle", "diamond", "square", "cross", "circle-open", "diamond-open", "square-open")
MARKERS = "osD^vP*X<>"  # of matplotlib, one for each colour
INK = {"light": "#23272f", "dark": "#e3e6ea"}
FAINT = "#8b929c"  # grids: reads on white and on black
WIRE = "#757c87"  # spheres among points
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
CARD = "#fcfcfa"  # behind matplotlib pictures, in both themes

MATPLOTLIB = {
    "figure.facecolor": CARD,
    "axes.facecolor": CARD,
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK["light"],
    "axes.labelcolor": INK["light"],
    "axes.titlesize": 10.5,
    "text.color": INK["light"],
    "xtick.color": INK["light"],
    "ytick.color": INK["light"],
    "font.size": 9.5,
    "legend.frameon": False,
}
styled = plt.rc_context(MATPLOTLIB | {"text.parse_math": False, "text.usetex": False})
"""Decorates what draws with matplotlib: a ``$`` in a name is no formula."""


def colour(category: int) -> str:
    """The colour of one category."""
    return COLOURS[category % len(COLOURS)]


def symbol(category: int) -> str:
    """The plotly 3-D symbol of one category: seven against ten colours, so that a pair returns only after seventy."""
    return SYMBOLS[category % len(SYMBOLS)]


def marker(category: int) -> str:
    """The matplotlib marker of one category."""
    return MARKERS[category % len(MARKERS)]


def black_or_white(background: Sequence[float]) -> str:
    """What is easier to read on a colour: the contrast is 4.6 or more, whatever the colour."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in background[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if luminance > 0.179 else "white"


def plotly_template(theme: str, background: str = "rgba(0,0,0,0)") -> dict[str, Any]:
    """Plotly's defaults for the ``"light"`` or ``"dark"`` page: ink, grid and hover label on a clear background."""
    ink, other = INK[theme], INK["dark" if theme == "light" else "light"]
    axis = {"color": ink, "gridcolor": FAINT + "55", "zerolinecolor": FAINT + "99", "linecolor": FAINT}
    return {
        "data": {"scatter3d": [{"marker": {"color": ink}, "line": {"color": ink}}]},  # what has no colour of its own
        "layout": {
            "paper_bgcolor": background,
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": ink, "family": FONT, "size": 13},
            "xaxis": axis,
            "yaxis": axis,
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": FAINT, "activecolor": ink},
            "hoverlabel": {"bgcolor": other, "font": {"color": ink}, "align": "left"},
        },
    }
