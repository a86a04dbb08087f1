"""How sharply a strength points: kappa(l), still and with a slider; and strength against entropy (Table 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from scipy.stats import pearsonr

from nbhelpers.maths.arrays import Array, as_tensor, check_positive, check_same_length
from nbhelpers.maths.kappa import MeasuredKappa
from nbhelpers.show.page.figure import Figure, check_start
from nbhelpers.show.page.picture import Picture
from nbhelpers.show.style import COLOURS, INK, MATPLOTLIB
from nbhelpers.show.tables import Table, at_steps

DASHES = ("dot", "dashdot", "dash", "solid")  # the stronger, the fuller


def kappa_curve(
    curves: Mapping[str, Callable[[np.ndarray], np.ndarray]],
    *,
    alt: str,
    measured: MeasuredKappa | None = None,
    max_strength: float = 6.0,
) -> Picture:
    """Draw concentration kappa against strength l, with measured points whose numbers are their counts.

    Parameters
    ----------
    curves : mapping of str to callable
        Legend text and ``kappa(l)`` of every line, for instance ``{"κ_max = 10": KappaCurve(10.0)}``.
    alt : str
        What a reader who can't see the picture should know.
    measured : MeasuredKappa, optional
        Points beside the theory.
    max_strength : float
        Where the axis ends.

    Raises
    ------
    ValueError
        If there is no curve, ``max_strength`` is not positive, or the three arrays of ``measured`` differ in length.

    Examples
    --------
    >>> from nbhelpers.maths.kappa import KappaCurve
    >>> kappa_curve({"κ_max = 10": KappaCurve(10.0)}, alt="Concentration grows with strength.")
    Concentration grows with strength.
    """
    strengths, kappas = _evaluate(curves, max_strength)
    if measured is not None:
        check_same_length(**measured._asdict())
    with plt.rc_context(MATPLOTLIB):
        figure, axes = plt.subplots(figsize=(5.4, 3.6))
        for line, (name, dash) in enumerate(zip(kappas, ("-", "--", ":", "-.") * len(kappas), strict=False)):
            axes.plot(strengths, kappas[name], dash, color=COLOURS[line % len(COLOURS)], linewidth=2, label=name)
        if measured is not None:
            area = 12 + 100 * np.asarray(measured.counts) / np.max(measured.counts)
            axes.scatter(
                measured.strength, measured.kappa, area, color=INK["light"], alpha=0.8, label="measured", zorder=3
            )
            for strength, kappa, count in zip(*measured, strict=True):
                axes.annotate(
                    f"{count}", (strength, kappa), (0, 8), textcoords="offset points", ha="center", fontsize=7.5
                )
        axes.set(xlabel="strength l", ylabel="concentration κ(l)", xlim=(0, max_strength), ylim=(0, None))
        axes.legend(frameon=False)
    return Picture(figure, alt=alt)


def kappa_slider(
    curves: Mapping[str, Callable[[np.ndarray], np.ndarray]],
    *,
    alt: str,
    slider: str = "κ_max",
    start: int = -1,
    strengths: tuple[float, ...] = (1.0, 2.0, 4.0),
    measured: MeasuredKappa | None = None,
    max_strength: float = 6.0,
) -> Figure:
    """The same curve with a slider that needs no kernel, and below it what the curve means for three features.

    The lower panel shows the von Mises-Fisher density exp(kappa(l) (cos a - 1)), relative to its peak, at angle ``a``
    from the category direction, for features of the given ``strengths``.

    Parameters
    ----------
    curves : mapping of str to callable
        One step of the slider each: its text and ``kappa(l)``, for instance ``{"5": KappaCurve(5), ...}``.
    alt : str
        What a reader who can't see the figure should know.
    slider : str
        What the steps are.
    start : int
        The step shown first.
    strengths : tuple of float
        At most four strengths for the lower panel.
    measured : MeasuredKappa, optional
        Points beside the curve.
    max_strength : float
        Where the axis ends.

    Raises
    ------
    ValueError
        As :func:`kappa_curve`; or if there are more than four ``strengths``.

    Examples
    --------
    >>> from nbhelpers.maths.kappa import KappaCurve
    >>> figure = kappa_slider({str(k): KappaCurve(k) for k in (5, 10)}, alt="The higher, the steeper.")
    >>> [frame.name for frame in figure.plot.frames]
    ['5', '10']
    """
    if len(strengths) > len(DASHES):
        raise ValueError(f"strengths must be at most {len(DASHES)}, so that their lines differ; got {len(strengths)}")
    lengths, kappas = _evaluate(curves, max_strength)
    angles = np.arange(0, 181, 3)

    def lines(name: str) -> list[go.Scatter]:
        at = np.asarray(curves[name](np.asarray(strengths, dtype=float)))
        density = np.exp(at[:, None] * (np.cos(np.radians(angles)) - 1))
        return [go.Scatter(y=np.round(y, 4).tolist()) for y in (kappas[name], *density)]

    names = list(kappas)
    start = check_start(start, len(names))
    plot = make_subplots(rows=2, cols=1, vertical_spacing=0.17)
    for row, line in enumerate(lines(names[start])):
        text = "κ(l)" if row == 0 else f"strength {strengths[row - 1]:g}"
        dash = DASHES[row - 1 - len(strengths)] if row else "solid"
        style = {"color": COLOURS[6 if row else 0], "dash": dash, "width": 3}
        line.update(x=(angles if row else np.round(lengths, 3)).tolist(), name=text, line=style, mode="lines")
        plot.add_trace(line, row=2 if row else 1, col=1)
    moving = list(range(len(plot.data)))
    if measured is not None:
        check_same_length(**measured._asdict())
        counts = np.asarray(measured.counts)
        points = go.Scatter(
            x=np.round(measured.strength, 3).tolist(),
            y=np.round(measured.kappa, 3).tolist(),
            customdata=[[None, int(count)] for count in counts],
            marker={"size": (6 + 12 * np.sqrt(counts / counts.max())).tolist(), "color": COLOURS[8]},
            mode="markers",
            name="measured",
            hovertemplate="strength %{x}<br>κ %{y}<br>%{customdata[1]} features<extra></extra>",
        )
        plot.add_trace(points, row=1, col=1)
    plot.frames = [go.Frame(name=name, data=lines(name), traces=moving) for name in names]
    top = max(float(np.max(y)) for y in kappas.values())
    plot.update_xaxes(title_text="strength l", range=[0, max_strength], row=1, col=1)
    plot.update_yaxes(title_text="concentration κ(l)", range=[0, 1.05 * top], row=1, col=1)
    plot.update_xaxes(
        title_text="angle to the category direction (degrees)",
        range=[0, 180],
        tickvals=list(range(0, 181, 30)),
        row=2,
        col=1,
    )
    plot.update_yaxes(title_text="relative density", range=[0, 1.05], row=2, col=1)
    plot.update_xaxes(title_standoff=6, title_font_size=13)
    plot.update_yaxes(title_standoff=6, title_font_size=13)
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    plot.update_layout(legend=legend, margin={"l": 60, "r": 20, "t": 40, "b": 50}, dragmode=False, uirevision="keep")
    return Figure(
        plot, alt=alt, slider=slider, start=start, height=600, table=_halves(curves, strengths, at_steps(slider, names))
    )


def _halves(
    curves: Mapping[str, Callable[[np.ndarray], np.ndarray]], strengths: tuple[float, ...], names: list[str]
) -> Table:
    """The figure in numbers: how high the curve is, and how narrow the density."""
    rows = []
    for name, curve in zip(names, curves.values(), strict=True):
        kappas = np.asarray(curve(np.asarray(strengths, dtype=float)))
        # Half the peak is where kappa (cos a - 1) = log 1/2: a small kappa never falls so far.
        cosines = 1 - np.log(2) / np.maximum(kappas, 1e-12)
        halves = [f"{np.degrees(np.arccos(cosine)):.0f}°" if cosine >= -1 else "never" for cosine in cosines]
        rows.append([name, *(f"{kappa:.2f}, {half}" for kappa, half in zip(kappas, halves, strict=True))])
    caption = "Concentration κ at each strength, and the angle at which the density is half as high as at its peak"
    return Table(["curve", *(f"strength {strength:g}" for strength in strengths)], rows, caption)


def strength_entropy(strengths: Mapping[str, Array], entropy: Array, *, alt: str) -> Picture:
    """Scatter the entropy H(Y|x) of every image against its strength, one panel a method, with Pearson's r (Table 1).

    Parameters
    ----------
    strengths : mapping of str to array, (N,)
        For every method its name and the strengths ``||g||`` of the images.
    entropy : array, (N,)
        Entropy of P(y|x) in nats.
    alt : str
        What a reader who can't see the picture should know.

    Raises
    ------
    ValueError
        If there is no method, or the arrays differ in length or are not finite.

    Examples
    --------
    >>> strength_entropy({"ours": [1.0, 2.0, 3.0]}, [2.0, 1.5, 0.1], alt="The stronger, the surer.")
    The stronger, the surer.
    """
    h = as_tensor(entropy, "entropy", ndim=1).cpu().numpy()
    panels = []
    for name, strength in strengths.items():
        x = as_tensor(strength, f"strengths[{name!r}]", ndim=1).cpu().numpy()
        check_same_length(**{"entropy": h, f"strengths[{name!r}]": x})
        with plt.rc_context(MATPLOTLIB):
            figure, axes = plt.subplots(figsize=(2.3, 2.3))
            axes.scatter(x, h, 7, color=COLOURS[0], alpha=0.55, linewidths=0)
            r = f"{pearsonr(x, h).statistic:.3f}".replace("-", "−")
            axes.set_title(f"{name}\nr = {r}")
            axes.set(xlabel="strength", ylabel="entropy (nats)", ylim=(0, 1.05 * h.max()))
        panels.append(figure)
    return Picture(panels, alt=alt)


def _evaluate(
    curves: Mapping[str, Callable[[np.ndarray], np.ndarray]], max_strength: float
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    if not curves:
        raise ValueError("curves is empty: give at least one kappa(l)")
    strengths = np.linspace(0, check_positive(max_strength, "max_strength"), 121)
    return strengths, {name: np.asarray(curve(strengths)) for name, curve in curves.items()}
