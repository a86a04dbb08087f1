"""The sphere of orientations as a map: which category a feature of given strength speaks for, and how surely."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patheffects
from matplotlib.colors import to_rgb
from scipy.special import softmax

from nbhelpers.maths.arrays import Array, check_positive
from nbhelpers.show.arrays import read
from nbhelpers.show.directions import arrows
from nbhelpers.show.page.picture import Picture
from nbhelpers.show.style import CARD, INK, colour, styled
from nbhelpers.show.text import ticks

LINES = {0.5: ":", 0.7: "--", 0.9: "-"}  # probability and how its line is drawn
HALO = [patheffects.withStroke(linewidth=2, foreground=CARD)]


@styled
def probability_map(
    directions: Array,
    weights: Array,
    kappa: Callable[[float], float],
    strengths: Sequence[float],
    categories: Sequence[str],
    *,
    alt: str,
) -> Picture:
    """Map the most probable category over all directions, one equal-area (Mollweide) panel for each strength.

    At direction ``o`` and strength ``l`` the panel shows p(c | o, l) = softmax_c(log pi_c + kappa(l) cos(o, mu_c))
    (Eq. 6): the hue is the most probable category, the fuller the more probable; lines are drawn at 0.5, 0.7 and 0.9.

    Parameters
    ----------
    directions : array, (C, 3)
        The middle of the map is +x, its top +z.
    weights : array, (C,)
        Category weights ``pi``, positive.
    kappa : callable
        Concentration as a function of strength, for instance a ``KappaCurve``.
    strengths : sequence of float
        One panel each; positive.
    categories : sequence of str

    Examples
    --------
    >>> mu, pi = [[1, 0, 0], [0, 1, 0]], [0.5, 0.5]
    >>> probability_map(mu, pi, np.sqrt, [1.0], ["coat", "bag"], alt="Two halves of a sphere: coat and bag.")
    Two halves of a sphere: coat and bag.
    """
    mu = arrows(directions, categories)
    pi = read(weights, "weights", categories=len(categories))
    if pi.min() <= 0:
        raise ValueError(f"weights must be positive, the smallest is {pi.min():.3g}")
    longitude, latitude = np.meshgrid(np.radians(np.linspace(-180, 180, 361)), np.radians(np.linspace(-90, 90, 181)))
    wide = np.cos(latitude)
    sphere = np.stack([wide * np.cos(longitude), wide * np.sin(longitude), np.sin(latitude)], axis=-1)
    hues = np.array([to_rgb(colour(c)) for c in range(len(categories))])
    names = ticks(categories)
    panels = []
    for strength in strengths:
        concentration = float(kappa(check_positive(strength, "strengths")))
        p = softmax(np.log(pi) + concentration * (sphere @ mu.T), axis=-1)
        best = p.max(axis=-1)
        fullness = 0.12 + 0.88 * best[..., None]
        shade = fullness * hues[p.argmax(axis=-1)] + (1 - fullness) * np.array(to_rgb(CARD))
        figure, axes = plt.subplots(figsize=(4.0, 2.5), subplot_kw={"projection": "mollweide"})
        axes.pcolormesh(longitude, latitude, shade, shading="gouraud", rasterized=True)
        for level, style in LINES.items():
            if best.min() < level < best.max():
                axes.contour(longitude, latitude, best, [level], colors=INK["light"], linewidths=0.8, linestyles=style)
            axes.plot([], [], style, color=INK["light"], linewidth=0.8, label=f"p = {level:g}")
        places = np.stack([np.arctan2(mu[:, 1], mu[:, 0]), np.arcsin(np.clip(mu[:, 2], -1, 1))], axis=-1)
        in_points = axes.transData.transform(places) * 72 / figure.dpi
        for name, place, at in zip(names, places, in_points, strict=True):
            axes.plot(*place, ".", color=INK["light"], markersize=5)
            right, up = (in_points - at).T
            covers = ((abs(right) < 20) & (0 < up) & (up < 14)).any()  # the dot of another, if it stood above
            beside = {"xytext": (5, 0), "ha": "left", "va": "center"}
            where = beside if covers else {"xytext": (0, 4), "ha": "center", "va": "baseline"}
            axes.annotate(name, place, textcoords="offset points", fontsize=7.5, path_effects=HALO, **where)
        axes.set(xticks=[], yticks=[])
        axes.legend(fontsize=7.5, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 0.02))
        axes.set_title(f"strength {strength:g}  (κ = {concentration:.1f})")
        panels.append(figure)
    return Picture(panels, alt=alt)
