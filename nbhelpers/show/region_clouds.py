"""Fig. 3 of the paper: how the regional features of one layer part into categories along training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from scipy.spatial import ConvexHull

from nbhelpers.maths.arrays import Array, as_tensor, check_labels, check_whole
from nbhelpers.show.directions import angles, neighbours_of, strength_and_angle, unit
from nbhelpers.show.page.figure import Figure, check_start
from nbhelpers.show.stage import arrow, clear_eye, layout, per_step, shaft, xyz
from nbhelpers.show.style import colour, symbol
from nbhelpers.show.tables import Table, at_steps


def region_clouds(
    h: Array,
    labels: Array,
    directions: Array,
    categories: Sequence[str],
    *,
    alt: str,
    step_labels: Sequence[str],
    weights: Array | None = None,
    slider: str = "epoch",
    start: int = -1,
    shown: int = 400,
    random_state: int = 0,
) -> Figure:
    """Draw the regional features ``h`` of every category as an ellipsoid, and some of them as points.

    An ellipsoid is the mean and, at one standard deviation, the covariance of all regions of a category's images.

    Parameters
    ----------
    h : array, (S, N, R, 3)
        Projected regional features at S checkpoints, in one frame. The axes are the same at every step.
    labels : array, (N,)
        True category of every image; an index into ``categories``.
    directions : array, (C, 3) or (S, C, 3)
        Category directions ``mu``, normalised here; one set serves all steps.
    categories : sequence of str
        The C names.
    alt : str
        What a reader who can't see the figure should know.
    step_labels : sequence of str
        One name for each of the S checkpoints.
    weights : array, (S, N, R), optional
        How much each region counts in mean, covariance and the table, for instance its importance ``w``.
    slider : str
        What the steps are.
    start : int
        The step shown first; negative numbers count from the end.
    shown : int
        How many regions are drawn as points: the same ones at every step, drawn by lot.
    random_state : int
        Decides the lot.

    Raises
    ------
    ValueError
        If shapes or lengths do not fit each other, values are not finite, a direction is zero, weights are negative or
        all zero for a category, or ``shown`` is no whole number above 0.

    Examples
    --------
    >>> h = np.random.default_rng(0).normal(size=(2, 4, 9, 3)) * [[[[0.1]]], [[[1.0]]]]
    >>> figure = region_clouds(h, [0, 0, 1, 1], [[0, 0, 1], [1, 0, 0]], ["coat", "bag"], step_labels=["0", "40"],
    ...                        alt="Two clouds that grow.", shown=10)
    >>> [row[0] for row in figure.table.rows]
    ['coat', 'bag']
    """
    points = as_tensor(h, "h", ndim=4).cpu().numpy().astype(float)
    known = check_labels(labels, len(categories))
    names = [str(label) for label in step_labels]
    if points.shape[:2] != (len(names), len(known)) or points.shape[3] != 3:
        raise ValueError(
            f"h must have shape (S, N, R, 3) with S = {len(names)} step_labels and N = {len(known)} labels; "
            f"got {points.shape}"
        )
    mu = unit(per_step(directions, "directions", len(names), len(categories), 3))
    w = _weights(weights, points.shape[:3], known, categories)
    start = check_start(start, len(names))
    lot = np.random.default_rng(random_state).permutation(points[0, ..., 0].size)[: check_whole(shown, "shown", 1)]
    image, region = np.divmod(np.sort(lot), points.shape[2])

    present = np.unique(known)
    sphere, faces = unit_sphere()
    clouds = np.stack(
        [[ellipsoid(at[known == c], by[known == c], sphere) for c in present] for at, by in zip(points, w, strict=True)]
    )
    strengths = np.linalg.norm(points, axis=-1)
    reaches = np.linalg.norm(clouds, axis=-1).max(axis=-1)
    strongest = max(1e-3, float(reaches.max()), float(strengths[:, image, region].max()))
    # One wide ellipsoid or one strong region must not make all others small; nearer, and some would be behind the eye.
    tip = max(0.4 * strongest, 1.2 * float(np.quantile(reaches, 0.9)))
    tips = tip * mu

    def positions(step: int) -> list[dict[str, Any]]:
        """All that differs between steps: the points of every category, then the ellipsoids, then the arrows."""
        lots = [(image[known[image] == c], region[known[image] == c]) for c in present]
        dots = [{**xyz(points[step][at]), "customdata": np.round(strengths[step][at], 2).tolist()} for at in lots]
        return dots + [xyz(cloud) for cloud in clouds[step]] + [shaft(tip) for tip in tips[step]]

    drawn = iter(positions(start))
    data: list[Any] = []
    for c in present:
        members = known[image] == c
        data.append(
            go.Scatter3d(
                **next(drawn),
                mode="markers",
                marker={"color": colour(c), "symbol": symbol(c), "size": 3, "line": {"width": 0}},
                name=categories[c],
                legendgroup=categories[c],
                showlegend=True,
                text=[f"image {i}, region {r}" for i, r in zip(image[members], region[members], strict=True)],
                hovertemplate=f"<b>{categories[c]}</b><br>%{{text}}<br>strength %{{customdata}}<extra></extra>",
            )
        )
    for c in present:
        data.append(
            go.Mesh3d(
                **next(drawn),
                **dict(zip("ijk", faces.T.tolist(), strict=True)),
                color=colour(c),
                opacity=0.3,
                name=categories[c],
                legendgroup=categories[c],
                hoverinfo="name",
            )
        )
    data += [arrow(tip, c, name) for c, (tip, name) in enumerate(zip(tips[start], categories, strict=True))]
    kinds = [type(trace) for trace in data]
    frames = [
        go.Frame(
            name=name,
            data=[kind(**moved) for kind, moved in zip(kinds, positions(step), strict=True)],
            traces=list(range(len(data))),
        )
        for step, name in enumerate(names)
    ]
    eye = clear_eye(mu[start], points[start, image, region], tip, strongest)
    plot = go.Figure(data, layout(tip, strongest, eye), frames if len(names) > 1 else None)
    headers = at_steps(slider, names)
    centres = dict(zip(present, clouds.mean(axis=-2).swapaxes(0, 1), strict=True))  # an ellipsoid's points are even
    rows = []
    for c, near in enumerate(neighbours_of(mu[start], categories)):
        members = known == c
        cells = ["–"] * len(names)
        if c in centres:
            turned = angles(centres[c], mu[:, c])
            cells = [strength_and_angle(*cell) for cell in zip(_means(strengths, w, members), turned, strict=True)]
        rows.append([categories[c], members.sum(), *cells, near])
    caption = (
        "Mean strength of each category's regions, and angle from the centre of its ellipsoid to its arrow; "
        f"the two arrows nearest to that, at {headers[start]}"
    )
    table = Table(["category", "images", *headers, "nearest arrows"], rows, caption)
    return Figure(plot, alt=alt, slider=slider, start=start, table=table)


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


def _means(strengths: np.ndarray, weights: np.ndarray, members: np.ndarray) -> np.ndarray:
    """The weighted mean strength of some images' regions at every step."""
    w = weights[:, members]
    return (w * strengths[:, members]).sum(axis=(1, 2)) / w.sum(axis=(1, 2))


def _weights(
    weights: Array | None, shape: tuple[int, ...], labels: np.ndarray, categories: Sequence[str]
) -> np.ndarray:
    """How much every region counts: all the same unless the caller says otherwise."""
    if weights is None:
        return np.ones(shape)
    w = as_tensor(weights, "weights", ndim=3).cpu().numpy().astype(float)
    if w.shape != shape:
        raise ValueError(f"weights must have the shape of h without its last axis, {shape}; got {w.shape}")
    if w.min() < 0:
        raise ValueError(f"weights must not be negative, the smallest is {w.min():.3g}")
    for c in np.unique(labels):
        empty = np.flatnonzero(w[:, labels == c].sum(axis=(1, 2)) == 0)
        if len(empty):
            raise ValueError(
                f"weights of {categories[c]} are all zero at step {empty[0]}: a mean needs at least one region that "
                "counts"
            )
    return w
