"""How sharply a strength points: kappa(l), still and with a slider; and strength against entropy (Table 1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from scipy.stats import pearsonr

from nbhelpers.maths.arrays import Array, check_positive, check_same_length
from nbhelpers.probes.concentration import MeasuredKappa
from nbhelpers.show.arrays import read
from nbhelpers.show.page.figure import Figure, check_start
from nbhelpers.show.page.picture import Picture
from nbhelpers.show.page.table import Cell, Table, at_steps, minus
from nbhelpers.show.style import COLOURS, INK, colour, styled
from nbhelpers.show.text import entry, named

DASHES = {1.0: "dashdot", 2.0: "dash", 4.0: "solid"}  # of three strengths: the stronger, the fuller
MAX_STRENGTH = 6.0  # where the axis ends unless told

Curves = Mapping[str, Callable[[np.ndarray], np.ndarray]]


@styled
def kappa_curve(
    curves: Curves, *, alt: str, measured: MeasuredKappa | None = None, max_strength: float = MAX_STRENGTH
) -> Picture:
    """Draw concentration kappa against strength l, with measured points whose numbers are their counts.

    Parameters
    ----------
    curves : mapping of str to callable
        Legend text and ``kappa(l)`` of every line.
    measured : MeasuredKappa, optional
        Points beside the theory.
    max_strength : float
        Where the axis ends.

    Raises
    ------
    ValueError
        If there is no curve, ``max_strength`` is not positive, or the arrays of ``measured`` differ in length.

    Examples
    --------
    >>> kappa_curve({"the square": np.square}, alt="Concentration grows with strength.")
    Concentration grows with strength.
    """
    strengths, kappas = _evaluate(curves, max_strength)
    if measured is not None:
        check_same_length(**measured._asdict())
    figure, axes = plt.subplots(figsize=(5.4, 3.6))
    for line, (name, values) in enumerate(kappas.items()):
        dash = ("-", "--", ":", "-.")[line % 4]
        axes.plot(strengths, values, dash, color=colour(line), linewidth=2, label=entry(name))
    if measured is not None:
        area = 12 + 100 * np.asarray(measured.counts) / np.max(measured.counts)
        look = {"color": INK["light"], "alpha": 0.8, "label": "measured", "zorder": 3}
        axes.scatter(measured.strength, measured.kappa, area, **look)
        above = {"xytext": (0, 8), "textcoords": "offset points", "ha": "center", "fontsize": 7.5}
        for *place, count in zip(*measured, strict=True):
            axes.annotate(f"{count}", place, **above)
    axes.set(xlabel="strength l", ylabel="concentration κ(l)", xlim=(0, max_strength), ylim=(0, None))
    axes.legend()
    return Picture(figure, alt=alt)


def kappa_slider(curves: Curves, *, alt: str, start: int = -1) -> Figure:
    """The same curve with a slider that needs no kernel, and below it what the curve means for three features.

    The lower panel shows the von Mises-Fisher density exp(kappa(l) (cos a - 1)), relative to its peak, at angle ``a``
    from the category direction, for features of strength 1, 2 and 4.

    Parameters
    ----------
    curves : mapping of str to callable
        One step of the slider each: its kappa_max and ``kappa(l)``.
    start : int
        The step shown first.

    Examples
    --------
    >>> figure = kappa_slider({"5": np.sqrt, "10": np.square}, alt="The higher, the steeper.")
    >>> [frame.name for frame in figure.plot.frames]
    ['5', '10']
    """
    lengths, kappas = _evaluate(curves, MAX_STRENGTH)
    start = check_start(start, len(kappas))
    angles = np.arange(0, 181, 3)
    at = {name: np.asarray(curve(np.array(list(DASHES)))) for name, curve in named(curves).items()}

    def lines(name: str) -> list[go.Scatter]:
        density = np.exp(at[name][:, None] * (np.cos(np.radians(angles)) - 1))
        return [go.Scatter(y=np.round(y, 4).tolist()) for y in (kappas[name], *density)]

    plot = make_subplots(rows=2, cols=1, vertical_spacing=0.17)
    drawn = lines(list(kappas)[start])
    drawn[0].update(x=np.round(lengths, 3).tolist(), name="κ(l)", line={"color": COLOURS[0], "dash": "solid"})
    for line, (strength, dash) in zip(drawn[1:], DASHES.items(), strict=True):
        line.update(x=angles.tolist(), name=f"strength {strength:g}", line={"color": COLOURS[6], "dash": dash})
    plot.add_traces(drawn, rows=[1, 2, 2, 2], cols=[1] * 4)
    plot.update_traces(mode="lines", line_width=3)
    plot.frames = [go.Frame(name=name, data=lines(name), traces=list(range(len(drawn)))) for name in kappas]
    top = max(float(np.max(y)) for y in kappas.values())
    small = {"title_standoff": 6, "title_font_size": 13}
    plot.update_xaxes(title_text="strength l", range=[0, MAX_STRENGTH], **small, row=1)
    plot.update_yaxes(title_text="concentration κ(l)", range=[0, 1.05 * top], **small, row=1)
    degrees = {"title_text": "angle to the category direction (degrees)", "tickvals": list(range(0, 181, 30))}
    plot.update_xaxes(**degrees, range=[0, 180], **small, row=2)
    plot.update_yaxes(title_text="relative density", range=[0, 1.05], **small, row=2)
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    plot.update_layout(legend=legend, margin={"l": 60, "r": 20, "t": 40, "b": 50}, dragmode=False, uirevision="keep")
    return Figure(plot, alt=alt, slider="κ_max", start=start, height=600, table=_halves(at))


def _halves(at: Mapping[str, np.ndarray]) -> Table:
    """The figure in numbers: how high each curve is at each strength, and how narrow the density."""
    rows = []
    for name, kappas in zip(at_steps("κ_max", list(at)), at.values(), strict=True):
        # Half the peak is where kappa (cos a - 1) = log 1/2: a small kappa never falls so far.
        cosines = 1 - np.log(2) / np.maximum(kappas, 1e-12)
        halves = [float(np.degrees(np.arccos(cosine))) if cosine >= -1 else math.nan for cosine in cosines]
        rows.append([name, *(_kappa_and_half(float(k), half) for k, half in zip(kappas, halves, strict=True))])
    caption = "Concentration κ at each strength, and the angle at which the density is half as high as at its peak"
    return Table(["curve", *(f"strength {strength:g}" for strength in DASHES)], rows, caption)


def _kappa_and_half(kappa: float, half: float) -> Cell:
    text = "never" if math.isnan(half) else f"{half:.0f}°"
    return Cell(f"{kappa:.2f}, {text}", {"{}: κ": kappa, "{}: half as high at (°)": half})


@styled
def strength_entropy(strengths: Mapping[str, Array], entropy: Array, *, alt: str) -> Picture:
    """Scatter the entropy H(Y|x) of every image against its strength, one panel a method, with Pearson's r (Table 1).

    Parameters
    ----------
    strengths : mapping of str to array, (N,)
        The strengths ``||g||`` of the images by every method.
    entropy : array, (N,)
        Entropy of P(y|x) in nats.

    Examples
    --------
    >>> strength_entropy({"ours": [1.0, 2.0, 3.0]}, [2.0, 1.5, 0.1], alt="The stronger, the surer.")
    The stronger, the surer.
    """
    h = read(entropy, "entropy", images=None)
    panels = []
    for name, strength in named(strengths).items():
        x = read(strength, f"strengths[{name!r}]", images=len(h))
        figure, axes = plt.subplots(figsize=(2.3, 2.3))
        axes.scatter(x, h, 7, color=COLOURS[0], alpha=0.55, linewidths=0)
        axes.set_title(f"{name}\nr = {minus(f'{pearsonr(x, h).statistic:.3f}')}")
        axes.set(xlabel="strength", ylabel="entropy (nats)", ylim=(0, 1.05 * h.max()))
        panels.append(figure)
    return Picture(panels, alt=alt)


def _evaluate(curves: Curves, max_strength: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    if not curves:
        raise ValueError("curves is empty: give at least one kappa(l)")
    strengths = np.linspace(0, check_positive(max_strength, "max_strength"), 121)
    return strengths, {name: np.asarray(curve(strengths)) for name, curve in named(curves).items()}
