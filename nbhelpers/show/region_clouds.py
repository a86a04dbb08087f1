"""Fig. 3 of the paper: how the regional features of one layer part into categories along training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import ConvexHull

from nbhelpers.images import ImageSet
from nbhelpers.maths.arrays import Array
from nbhelpers.show.arrays import read
from nbhelpers.show.directions import angles, arrows, category_table, unit
from nbhelpers.show.page.figure import Figure
from nbhelpers.show.page.table import at_steps
from nbhelpers.show.scene import Scene, dots, with_strengths, xyz
from nbhelpers.show.style import colour, symbol
from nbhelpers.show.text import label, visible

SHOWN = 400  # regions drawn as points: the same ones at every step, by lot


def region_clouds(
    h: Array, images: ImageSet, directions: Array, *, alt: str, step_labels: Sequence[str], weights: Array | None = None
) -> Figure:
    """Draw the regional features ``h`` of every category as an ellipsoid, and 400 of them as points.

    An ellipsoid is the mean and, at one standard deviation, the covariance of all regions of a category's images.

    Parameters
    ----------
    h : array, (S, N, R, 3)
        Projected regional features at S checkpoints, in one frame.
    images : ImageSet
    directions : array, (C, 3) or (S, C, 3)
    step_labels : sequence of str
    weights : array, (S, N, R), optional
        How much each region counts in mean, covariance and the table, for instance its importance ``w``.

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
    points = read(h, "h", steps=len(steps), images=len(images), regions=None, axes=3)
    mu = arrows(directions, categories, len(steps))
    sizes = dict(zip(("steps", "images", "regions"), points.shape, strict=False))
    w = np.ones(points.shape[:3]) if weights is None else read(weights, "weights", **sizes)
    present = np.unique(labels)
    empty = [categories[c] for c in present if not w[:, labels == c].sum(axis=(1, 2)).all()]
    if w.min() < 0 or empty:
        raise ValueError(
            f"weights must not be negative (the smallest is {w.min():.3g}), nor all zero at a step, as those of "
            f"{', '.join(empty) or 'no category'}"
        )
    lot = np.random.default_rng(0).permutation(points[0, ..., 0].size)[:SHOWN]
    image, region = np.divmod(np.sort(lot), points.shape[2])

    sphere, faces = unit_sphere()
    clouds = {
        c: np.stack([ellipsoid(at[labels == c], by[labels == c], sphere) for at, by in zip(points, w, strict=True)])
        for c in present
    }
    strengths = np.linalg.norm(points, axis=-1)
    reaches = np.linalg.norm(list(clouds.values()), axis=-1).max(axis=-1)
    strongest = max(1e-3, float(reaches.max()), float(strengths[:, image, region].max()))
    # One wide ellipsoid or one strong region must not make all others small; nearer, and some would be behind the eye.
    tip = max(0.4 * strongest, 1.2 * float(np.quantile(reaches, 0.9)))
    scene = Scene(mu[-1], points[-1, image, region], tip, strongest, steps, len(steps) - 1)
    for c in present:
        of_category = labels[image] == c
        members = image[of_category], region[of_category]
        scene.add(
            [with_strengths(at[members]) for at in points],
            **dots(categories[c], colour(c), symbol(c), 3),
            text=[f"image {i}, region {r}" for i, r in zip(*members, strict=True)],
            hovertemplate=f"<b>{label(categories[c])}</b><br>%{{text}}<br>strength %{{customdata}}<extra></extra>",
        )
    mesh = {"type": "mesh3d", **dict(zip("ijk", faces.T.tolist(), strict=True)), "opacity": 0.3}
    for c, cloud in clouds.items():
        told = {"legendgroup": categories[c], "hovertemplate": f"{label(categories[c])}<extra></extra>"}
        scene.add([xyz(surface) for surface in cloud], **mesh, color=colour(c), **told)
    scene.add_arrows(mu, categories)

    means = {c: np.average(strengths[:, labels == c], (1, 2), w[:, labels == c]) for c in present}
    # An ellipsoid's points are even around its centre.
    turned = {c: angles(cloud.mean(axis=1), mu[:, c]) for c, cloud in clouds.items()}
    headers = at_steps("epoch", steps)
    caption = (
        "Mean strength of each category's regions, and angle from the centre of its ellipsoid to its arrow; "
        f"the two arrows nearest to that, at {headers[-1]}"
    )
    table = category_table(images, mu[-1], headers, means, turned, caption)
    return scene.figure(alt=alt, slider="epoch", table=table)


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
