"""Every claim on every row: the number here with its interval, the paper's, the controls', and what was claimed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from textwrap import fill
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from nbhelpers.show.page.picture import Picture
from nbhelpers.show.page.table import NOTHING, Cell, Table, minus
from nbhelpers.show.style import CARD, COLOURS, FAINT, INK, styled
from nbhelpers.show.text import ticks, visible

WIDTH, LEFT, RIGHT = 3.8, 1.65, 0.12  # inches of a panel, which a phone shows in full, and beside its axes
LINE, FOOT = 0.19, 0.32  # inches of a line, and below the axes
LETTERS = 55  # of the claim, in a line above its panel
UNDECIDED = "undecided"
HERE = {
    "supported": {"marker": "o", "color": COLOURS[0], "mfc": COLOURS[0]},
    UNDECIDED: {"marker": "o", "color": INK["light"], "mfc": CARD},
    "contradicted": {"marker": "s", "color": COLOURS[2], "mfc": COLOURS[2]},
}
PAPER = {"marker": "D", "mfc": CARD, "mec": COLOURS[6], "ms": 5, "mew": 1.4, "ls": ""}
CONTROL = {"marker": "x", "mec": COLOURS[8], "ms": 4.5, "mew": 1.3, "ls": ""}


class Line(NamedTuple):
    """One line of a panel: a row's name with its verdict, or one of its numbers."""

    text: str
    part: Any = None
    bold: bool = False


@styled
def forest(judgements: Sequence[Any], *, alt: str) -> Picture:
    """Draw each claim as a panel, with one line for each row's number: a forest plot.

    The number here is a dot with its 95 % interval, full and round where the claim is supported, full and square where
    it is contradicted, and hollow where nothing is decided; a diamond is the paper's number, crosses are controls. The
    claim says that the number lies in the shaded part. A number in brackets decides nothing.

    Parameters
    ----------
    judgements : sequence of Judgement
        As of :func:`nbhelpers.experiments.claims.judge.judgements`; those of one claim stand together.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> from nbhelpers.experiments.claims.judge import judgements
    >>> forest(judgements(["T2"]), alt="Strength goes with importance wherever that is decided.")
    Strength goes with importance wherever that is decided.
    """
    if not judgements:
        raise ValueError("judgements is empty: give at least one")
    panels = [_legend()]
    for claim, its in groupby(judgements, key=lambda judgement: judgement.claim):
        panels.append(_panel(claim, list(its)))
    return Picture(panels, alt=alt, table=_table(judgements))


def _legend() -> plt.Figure:
    figure = plt.figure(figsize=(WIDTH, 1.15))
    entries = [Line2D([], [], lw=1.6, ms=5.5, label=f"here: {verdict}", **look) for verdict, look in HERE.items()]
    entries += [Line2D([], [], label="the paper", **PAPER), Line2D([], [], label="a control", **CONTROL)]
    entries.append(Patch(facecolor=FAINT, alpha=0.25, label="where the claim puts it"))
    figure.legend(handles=entries, loc="center left", ncols=2, fontsize=8.5)
    return figure


def _panel(claim: Any, judgements: Sequence[Any]) -> plt.Figure:
    """One claim: its words, and below them its rows."""
    lines = [line for judgement in judgements for line in _lines(judgement)]
    title = fill(f"{claim.key}, {claim.place}: {claim.text}", LETTERS)
    above = 0.17 * (title.count("\n") + 1) + 0.12
    tall = LINE * len(lines)
    height = FOOT + tall + above
    figure = plt.figure(figsize=(WIDTH, height), layout="none")
    axes = figure.add_axes((LEFT / WIDTH, FOOT / height, 1 - (LEFT + RIGHT) / WIDTH, tall / height))
    edge = -LEFT / (WIDTH - LEFT - RIGHT)
    axes.set_title(title, loc="left", x=edge + 0.02, fontsize=9)
    for y, line in enumerate(lines):
        if line.part is not None:
            _draw(axes, y, line.part)
        indent = 0.02 if line.bold else 0.07
        look = {"fontsize": 8, "fontweight": "bold" if line.bold else "normal", "va": "center"}
        axes.text(edge + indent, y, line.text, transform=axes.get_yaxis_transform(), **look)
    _trim(axes, len(lines))
    _shade(axes, lines)
    return figure


def _lines(judgement: Any) -> Iterator[Line]:
    """A row in a line of its own, and its numbers below; or all in one where there is but one number."""
    name, *called = ticks([judgement.row, *(part.called for part in judgement.parts)])
    if len(called) == 1:
        yield Line(name, judgement.parts[0], bold=True)
        return
    yield Line(f"{name}: {'apart' if judgement.apart else judgement.verdict}", bold=True)
    for text, part in zip(called, judgement.parts, strict=True):
        yield Line(f"({text})" if part.beside else text, part)


def _draw(axes: plt.Axes, y: int, part: Any) -> None:
    """What is recorded of one number."""
    axes.plot(part.bound, y, ls="")  # so that it is in sight
    for value in part.controls.values():
        if value is not None:
            axes.plot(value, y, zorder=2, **CONTROL)
    if part.paper is not None:
        axes.plot(part.paper, y, zorder=3, **PAPER)
    if part.estimate is None:
        look = {"fontsize": 7.5, "style": "italic", "va": "center", "ha": "center"}
        axes.text(0.5, y, "not recorded", transform=axes.get_yaxis_transform(), **look)
        return
    look = HERE[part.verdict]
    if part.interval is not None:
        axes.plot(part.interval, [y, y], color=look["color"], lw=1.6, solid_capstyle="butt", zorder=3.5)
    axes.plot(part.estimate, y, ms=5.5, mew=1.4, ls="", zorder=4, **look)


def _trim(axes: plt.Axes, lines: int) -> None:
    axes.set_ylim(lines - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", labelsize=8)
    axes.locator_params(axis="x", nbins=4)


def _shade(axes: plt.Axes, lines: Sequence[Line]) -> None:
    """On each line the side of the bound on which the claim puts the number."""
    low, high = axes.get_xlim()
    for y, line in enumerate(lines):
        if line.part is not None:
            bound = line.part.bound
            sides = (bound, high) if line.part.above else (low, bound)
            axes.fill_betweenx([y - 0.5, y + 0.5], *sides, color=FAINT, alpha=0.22, lw=0, zorder=0)
            axes.plot([bound, bound], [y - 0.5, y + 0.5], color=INK["light"], lw=0.8, zorder=1)
    axes.set_xlim(low, high)


def _table(judgements: Sequence[Any]) -> Table:
    """Every number of the figure."""
    headers = ["claim", "row", "number", "paper", "here", "control", "claimed", "verdict", "why open"]
    rows = []
    for judgement in judgements:
        digits = judgement.claim.digits
        for part in judgement.parts:
            low, high = part.interval or (None, None)
            here = _number(part.estimate, digits)
            if low is not None:
                ends = f"[{_number(low, digits)}, {_number(high, digits)}]"
                here = Cell(f"{here} {ends}", {"{}": part.estimate, "{}: low": low, "{}: high": high})
            told = [f"{name} {_number(value, digits)}" for name, value in part.controls.items() if value is not None]
            rows.append(
                [
                    judgement.claim.key,
                    visible(judgement.row),
                    part.called or NOTHING,
                    _number(part.paper, digits),
                    here,
                    ", ".join(told) or NOTHING,
                    f"{'above' if part.above else 'below'} {_number(part.bound, digits)}",
                    UNDECIDED if judgement.apart else part.verdict,
                    judgement.apart or part.reason or NOTHING,
                ]
            )
    return Table(headers, rows, "Every claim on every row")


def _number(value: float | None, digits: int) -> str:
    return NOTHING if value is None else Cell(minus(f"{value:.{digits}f}"), value)
