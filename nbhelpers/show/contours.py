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
from nbhelpers.show.highlights import highlights
from nbhelpers.show.page.picture import Picture
from nbhelpers.show.page.table import Cell, Table
from nbhelpers.show.space import dimensions
from nbhelpers.show.style import CARD, INK, styled
from nbhelpers.show.text import ticks, visible

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
    Of more than ten categories, the ten that have the largest parts of the maps have hues and names; a table tells of
    all.

    Parameters
    ----------
    directions : array, (C, 3)
        The middle of the map is +x, its top +z. There is no such map of other than three dimensions.
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
    if (count := dimensions(directions)) != 3:
        raise ValueError(
            f"directions must be of axes 3, for a sphere has them, got {count} in the shape {np.shape(directions)}: "
            "sample_space shows any"
        )
    mu = arrows(directions, categories)
    pi = read(weights, "weights", categories=len(categories))
    if pi.min() <= 0:
        raise ValueError(f"weights must be positive, the smallest is {pi.min():.3g}")
    longitude, latitude = np.meshgrid(np.radians(np.linspace(-180, 180, 361)), np.radians(np.linspace(-90, 90, 181)))
    wide = np.cos(latitude)
    sphere = np.stack([wide * np.cos(longitude), wide * np.sin(longitude), np.sin(latitude)], axis=-1)
    kappas = [float(kappa(check_positive(strength, "strengths"))) for strength in strengths]
    maps, parts = [], []  # of each strength: the most probable category and how probable it is; and the area of each
    for concentration in kappas:
        p = softmax(np.log(pi) + concentration * (sphere @ mu.T), axis=-1)
        maps.append((p.argmax(axis=-1), p.max(axis=-1)))
        parts.append(np.bincount(maps[-1][0].ravel(), wide.ravel(), len(categories)) / wide.sum())
    area = np.sum(parts, axis=0)
    lit = highlights(categories, area, area)
    hues = np.array([to_rgb(lit.hue(c)) for c in range(len(categories))])
    names = ticks(categories)
    panels = []
    for strength, concentration, (which, best) in zip(strengths, kappas, maps, strict=True):
        fullness = 0.12 + 0.88 * best[..., None]
        shade = fullness * hues[which] + (1 - fullness) * np.array(to_rgb(CARD))
        figure, axes = plt.subplots(figsize=(4.0, 2.5), subplot_kw={"projection": "mollweide"})
        axes.pcolormesh(longitude, latitude, shade, shading="gouraud", rasterized=True)
        for level, style in LINES.items():
            if best.min() < level < best.max():
                axes.contour(longitude, latitude, best, [level], colors=INK["light"], linewidths=0.8, linestyles=style)
            axes.plot([], [], style, color=INK["light"], linewidth=0.8, label=f"p = {level:g}")
        places = np.stack([np.arctan2(mu[:, 1], mu[:, 0]), np.arcsin(np.clip(mu[:, 2], -1, 1))], axis=-1)
        in_points = axes.transData.transform(places) * 72 / figure.dpi
        if lit.others:
            axes.plot(*places[lit.others].T, ".", color=INK["light"], markersize=2)
        for name, place, at in [(names[c], places[c], in_points[c]) for c in lit.chosen]:
            axes.plot(*place, ".", color=INK["light"], markersize=5)
            right, up = (in_points[[*lit.chosen]] - at).T
            covers = ((abs(right) < 20) & (0 < up) & (up < 14)).any()  # the dot of another, if it stood above
            beside = {"xytext": (5, 0), "ha": "left", "va": "center"}
            where = beside if covers else {"xytext": (0, 4), "ha": "center", "va": "baseline"}
            axes.annotate(name, place, textcoords="offset points", fontsize=7.5, path_effects=HALO, **where)
        axes.set(xticks=[], yticks=[])
        axes.legend(fontsize=7.5, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 0.02))
        axes.set_title(f"strength {strength:g}  (κ = {concentration:.1f})")
        panels.append(figure)
    return Picture(panels, alt=alt, table=_areas(categories, strengths, np.array(parts)) if lit.others else None)


def _areas(categories: Sequence[str], strengths: Sequence[float], parts: np.ndarray) -> Table:
    """Of which part of the directions each category is the most probable one."""
    rows = [
        [visible(category), *(Cell(f"{part:.1%}", float(part)) for part in its)]
        for category, its in zip(categories, parts.T, strict=True)
    ]
    caption = "For how much of all directions each category is the most probable one"
    return Table(["category", *(f"strength {strength:g}" for strength in strengths)], rows, caption)
