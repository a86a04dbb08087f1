"""Fig. 3 of the paper: how the regional features of one layer part into categories along training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import ConvexHull

from nbhelpers.images import ImageSet
from nbhelpers.maths.arrays import Array
from nbhelpers.show.arrays import read
from nbhelpers.show.directions import angles, arrows, by_category, category_table, unit
from nbhelpers.show.highlights import highlights
from nbhelpers.show.page.figure import Figure
from nbhelpers.show.page.table import at_steps
from nbhelpers.show.scene import Scene, dots, grey_dots, told, xyz
from nbhelpers.show.space import dimensions, view
from nbhelpers.show.text import label, visible

SHOWN = 400  # regions drawn as points: the same ones at every step, by lot


def region_clouds(
    h: Array,
    images: ImageSet,
    directions: Array,
    *,
    alt: str,
    step_labels: Sequence[str],
    weights: Array | None = None,
    coloured: Sequence[str] | None = None,
) -> Figure:
    """Draw the regional features ``h`` of every category as an ellipsoid, and 400 of them as points.

    An ellipsoid is the mean and, at one standard deviation, the covariance of all regions of a category's images. Where
    there are more than ten categories, the grey ones have points only.

    Parameters
    ----------
    h : array, (S, N, R, d)
        Projected regional features at S checkpoints, in one frame; more dimensions than three as in
        :func:`sample_space`.
    images : ImageSet
    directions : array, (C, d) or (S, C, d)
    step_labels : sequence of str
    weights : array, (S, N, R), optional
        How much each region counts in mean, covariance and the table, for instance its importance ``w``.
    coloured : sequence of str, optional
        As of :func:`sample_space`.

    Raises
    ------
    ValueError
        If weights are negative, or all zero for a category.

    Examples
    --------
    >>> images = ImageSet(np.zeros((4, 3, 8, 8), np.uint8), np.array([0, 0, 1, 1]), ("coat", "bag"), "held_out")
    >>> h = np.random.default_rng(0).normal(size=(2, 4, 9, 3))
    >>> figure = region_clouds(h, images, [[0, 0, 1], [1, 0, 0]], step_labels=["0", "40"], alt="Two clouds.")
    >>> [row[0] for row in figure.table.rows]
    ['coat', 'bag']
    """
    categories, labels = list(map(visible, images.categories)), images.labels
    steps = [visible(name) for name in step_labels]
    h = read(h, "h", steps=len(steps), images=len(images), regions=None, axes=dimensions(directions))
    mu = arrows(directions, categories, len(steps))
    sizes = dict(zip(("steps", "images", "regions"), h.shape, strict=False))
    w = np.ones(h.shape[:3]) if weights is None else read(weights, "weights", **sizes)
    present = np.unique(labels)
    empty = [categories[c] for c in present if not w[:, labels == c].sum(axis=(1, 2)).all()]
    if w.min() < 0 or empty:
        raise ValueError(
            f"weights must not be negative (the smallest is {w.min():.3g}), nor all zero at a step, as those of "
            f"{', '.join(empty) or 'no category'}"
        )
    lot = np.random.default_rng(0).permutation(h[0, ..., 0].size)[:SHOWN]
    image, region = np.divmod(np.sort(lot), h.shape[2])

    placed = view(h[-1].reshape(-1, h.shape[-1]))
    points, tips = placed(h), placed(mu)
    strengths = np.linalg.norm(h, axis=-1)
    lit = highlights(categories, *by_category(labels, strengths[-1].mean(axis=1), len(categories)), coloured)
    lit_present = [c for c in present if c in lit.chosen]
    sphere, faces = unit_sphere()
    clouds = {
        c: np.stack([ellipsoid(at[labels == c], by[labels == c], sphere) for at, by in zip(points, w, strict=True)])
        for c in lit_present
    }
    reaches = np.linalg.norm(list(clouds.values()), axis=-1).max(axis=-1) if clouds else strengths[:, image, region]
    strongest = max(1e-3, float(reaches.max()), float(strengths[:, image, region].max()))
    # One wide ellipsoid or one strong region must not make all others small; nearer, and some would be behind the eye.
    tip = max(0.4 * strongest, 1.2 * float(np.quantile(reaches, 0.9)))
    scene = Scene(tips[-1, lit.chosen], points[-1, image, region], tip, strongest, steps, len(steps) - 1)
    scene.note(placed.note)

    def add(of_category: np.ndarray, look: dict[str, object], begin: str, called: Sequence[str] | None = None) -> None:
        members = image[of_category], region[of_category]
        text = [f"image {i}, region {r}" for i, r in zip(*members, strict=True)]
        if called is not None:
            text = [f"<b>{label(called[labels[i]])}</b><br>{words}" for i, words in zip(members[0], text, strict=True)]
        number = scene.add(
            [{**xyz(at[members]), **told(length[members])} for at, length in zip(points, strengths, strict=True)],
            **look,
            text=text,
            hovertemplate=f"{begin}%{{text}}<br>strength %{{customdata}}<extra></extra>",
        )
        scene.members[number] = labels[members[0]].tolist()

    for c in lit_present:
        look = dots(categories[c], lit.hue(c), lit.symbol(c), 3)
        add(labels[image] == c, look, f"<b>{label(categories[c])}</b><br>")
    if lit.others:
        add(np.isin(labels[image], lit.others), grey_dots(lit, 2.5), "", categories)
    mesh = {"type": "mesh3d", **dict(zip("ijk", faces.T.tolist(), strict=True)), "opacity": 0.3}
    for c, cloud in clouds.items():
        told_of = {"legendgroup": categories[c], "hovertemplate": f"{label(categories[c])}<extra></extra>"}
        scene.add([xyz(surface) for surface in cloud], **mesh, color=lit.hue(c), **told_of)
    scene.add_arrows(tips, categories, lit)

    means = {c: np.average(strengths[:, labels == c], (1, 2), w[:, labels == c]) for c in present}
    turned = {c: angles(_centres(h[:, labels == c], w[:, labels == c]), mu[:, c]) for c in present}
    headers = at_steps("epoch", steps)
    caption = (
        "Mean strength of each category's regions, and angle from the centre of its ellipsoid to its arrow; "
        f"the two arrows nearest to that, at {headers[-1]}"
    )
    caption += placed.note and f". {placed.note}"
    table = category_table(images, mu[-1], headers, means, turned, caption)
    return scene.figure(alt=alt, slider="epoch", table=table)


def _centres(h: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted mean of one category's regions (S, n, R, d) at each step."""
    return np.stack(
        [np.average(at.reshape(-1, at.shape[-1]), 0, by.ravel()) for at, by in zip(h, weights, strict=True)]
    )


def unit_sphere(n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """4 n^2 + 2 points of the unit sphere, evenly from the faces of an octahedron, and the triangles between them."""
    grid = np.indices((2 * n + 1,) * 3).reshape(3, -1).T - n
    points = unit(grid[np.abs(grid).sum(axis=1) == n].astype(float))
    faces = ConvexHull(points).simplices
    inwards = np.linalg.det(points[faces]) < 0  # seen from outside all triangles turn the same way, as light asks for
    faces[inwards] = faces[inwards, ::-1]
    return points, faces


def ellipsoid(h: np.ndarray, weights: np.ndarray, sphere: np.ndarray) -> np.ndarray:
    """The points of ``sphere`` around the weighted mean of ``h`` (..., 3), one standard deviation away.

    The symmetric root of the covariance carries them there: it has no axes that could swap from one step to the next.
    """
    h, weights = h.reshape(-1, 3), weights.ravel() / weights.sum()
    mean = weights @ h
    values, vectors = np.linalg.eigh((weights[:, None] * (h - mean)).T @ (h - mean))
    return mean + sphere @ (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
