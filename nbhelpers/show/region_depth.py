"""Fig. 4 of the paper: the same regions from layer to layer, or along an attack, one of them followed all the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from nbhelpers.maths.arrays import Array, as_tensor, check_labels, check_whole
from nbhelpers.show.directions import unit
from nbhelpers.show.page.figure import Figure, check_start
from nbhelpers.show.page.picker import Picker
from nbhelpers.show.stage import arrow, clear_eye, layout, xyz
from nbhelpers.show.style import colour, symbol
from nbhelpers.show.tables import Table, at_steps


def region_depth(
    h: Mapping[str, Array],
    images: np.ndarray,
    labels: Array,
    directions: Array,
    categories: Sequence[str],
    grid: tuple[int, int],
    *,
    alt: str,
    picked: tuple[int, int] | None = None,
    slider: str = "layer",
    names: Sequence[str] | None = None,
    start: int = -1,
) -> Figure:
    """Draw all regions of a few images at every step of a slider, and follow one of them all the way.

    The steps are layers from shallow to deep, steps of an attack, or networks that are compared. On a page the images
    stand below the figure. Hovering one of their regions, or going there by Tab and arrow keys, shows where the region
    is at every step; a click or Enter, or a click on a point, picks it.

    Parameters
    ----------
    h : mapping of str to array, (n, R, 3)
        Projected regional features at each step, by its name and in order, in one frame and brought to one scale
        (:func:`nbhelpers.method.knowledge.normalize_strength`, :func:`nbhelpers.follow`). Regions are counted
        row by row.
    images : array, uint8 (n, 3, H, W)
        The images, at best three to six.
    labels : array, (n,)
        True category of every image; an index into ``categories``.
    directions : array, (C, 3)
        Category directions ``mu``, normalised here.
    categories : sequence of str
        The C names.
    grid : (int, int)
        Rows and columns of regions; their product is R.
    alt : str
        What a reader who can't see the figure should know.
    picked : (int, int), optional
        Image and region that are followed first; by default the strongest region of the first image at the last step.
    slider : str
        What the steps are.
    names : sequence of str, optional
        What to call each image; by default its number and its true category, such as ``"image 2 (coat)"``.
    start : int
        The step shown first; negative numbers count from the end.

    Raises
    ------
    ValueError
        If there are fewer than two steps, shapes or lengths do not fit each other, values are not finite, a direction
        is zero, or ``picked`` names no region.

    Examples
    --------
    >>> h = {layer: np.full((1, 4, 3), scale) for layer, scale in {"conv_12": 0.1, "conv_53": 1.0}.items()}
    >>> figure = region_depth(h, np.zeros((1, 3, 8, 8), np.uint8), [0], [[1, 1, 1], [1, 0, 0]], ["coat", "bag"], (2, 2),
    ...                       alt="Four regions move outwards.", picked=(0, 3))
    >>> [frame.name for frame in figure.plot.frames]
    ['conv_12', 'conv_53']
    """
    known = check_labels(labels, len(categories))
    rows, columns = check_grid(grid)
    points = _stack(h, len(known), grid)
    pictures = check_images(images, len(known))
    mu = check_directions(directions, len(categories))
    names = [f"image {i + 1} ({categories[c]})" for i, c in enumerate(known)] if names is None else list(names)
    if len(names) != len(known):
        raise ValueError(f"names must hold one text for each of the {len(known)} images, got {len(names)}")
    start = check_start(start, len(h))
    strengths = np.linalg.norm(points, axis=-1)
    image, region = (0, int(strengths[-1, 0].argmax())) if picked is None else picked
    if not (0 <= image < len(known) and 0 <= region < rows * columns):
        raise ValueError(
            f"picked must be one of {len(known)} images and one of {rows * columns} regions, counted from 0; "
            f"got {picked}"
        )

    strongest = max(1e-3, float(strengths.max()))
    tip = 0.6 * strongest  # few regions are as strong as the strongest: stay near the many
    tips = tip * mu
    of_category = {c: np.flatnonzero(known == c) for c in np.unique(known)}

    def positions(step: int) -> list[dict[str, Any]]:
        """All that differs between steps: the points of every category, then the mark of the picked region."""
        dots = [
            {
                **xyz(points[step, members].reshape(-1, 3)),
                "customdata": [
                    [int(i), r, round(float(strengths[step, i, r]), 2)] for i in members for r in range(rows * columns)
                ],
            }
            for members in of_category.values()
        ]
        return [*dots, xyz(points[step, image, region][None])]

    drawn = iter(positions(start))
    data = []
    for c, members in of_category.items():
        data.append(
            go.Scatter3d(
                **next(drawn),
                mode="markers",
                marker={"color": colour(c), "symbol": symbol(c), "size": 4, "line": {"width": 0}},
                name=categories[c],
                legendgroup=categories[c],
                showlegend=True,
                text=[
                    f"{names[i]}, row {row + 1}, column {column + 1}"
                    for i in members
                    for row in range(rows)
                    for column in range(columns)
                ],
                hovertemplate="%{text}<br>strength %{customdata[2]}<extra></extra>",
            )
        )
    # These two have no colour of their own: they are written in the ink of the page.
    here, path = len(data), len(data) + 1
    data.append(
        go.Scatter3d(
            **next(drawn), mode="markers", marker={"size": 10}, name="picked", showlegend=False, hoverinfo="skip"
        )
    )
    data.append(
        go.Scatter3d(
            **xyz(points[:, image, region]),
            mode="lines+markers",
            line={"width": 5},
            marker={"size": 4},
            text=list(h),
            name="the picked region",
            showlegend=True,
            hovertemplate=f"{slider} %{{text}}<extra>the picked region</extra>",
        )
    )
    data += [arrow(tip, c, name) for c, (tip, name) in enumerate(zip(tips, categories, strict=True))]
    frames = [
        go.Frame(name=name, data=[go.Scatter3d(**moved) for moved in positions(step)], traces=list(range(here + 1)))
        for step, name in enumerate(h)
    ]
    return Figure(
        go.Figure(data, layout(tip, strongest, clear_eye(mu, points[start].reshape(-1, 3), tip, strongest)), frames),
        alt=alt,
        slider=slider,
        start=start,
        picker=Picker(pictures, names, [colour(c) for c in known], (rows, columns), (image, region), path, here),
        table=_summary(at_steps(slider, list(h)), names, points, strengths, mu, known),
    )


def check_grid(grid: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of regions, at least one of each."""
    rows, columns = (
        check_whole(size, f"{name} of grid", 1) for name, size in zip(("rows", "columns"), grid, strict=True)
    )
    return rows, columns


def check_images(images: np.ndarray, count: int) -> np.ndarray:
    """As many uint8 images as there are labels."""
    pictures = np.asarray(images)
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[:2] != (count, 3):
        raise ValueError(
            f"images must be uint8 of shape ({count}, 3, H, W), one for each label; "
            f"got {pictures.dtype} of shape {pictures.shape}"
        )
    return pictures


def check_directions(directions: Array, categories: int) -> np.ndarray:
    """One unit vector in 3-D for each category."""
    mu = as_tensor(directions, "directions", ndim=2).cpu().numpy()
    if mu.shape != (categories, 3):
        raise ValueError(f"directions must have shape ({categories}, 3), one for each category; got {mu.shape}")
    return unit(mu)


def _stack(h: Mapping[str, Array], images: int, grid: tuple[int, int]) -> np.ndarray:
    """All steps in one array, (S, n, R, 3)."""
    if len(h) < 2:
        raise ValueError(f"h must hold at least two steps for the slider to go through; got {', '.join(h) or 'none'}")
    wanted = (images, grid[0] * grid[1], 3)
    for name, features in h.items():
        shape = tuple(as_tensor(features, f"h[{name!r}]", ndim=3).shape)
        if shape != wanted:
            raise ValueError(
                f"h[{name!r}] must have shape {wanted}, for {images} labels and a grid of "
                f"{grid[0]} x {grid[1]}; got {shape}"
            )
    return np.stack([as_tensor(features, name).cpu().numpy() for name, features in h.items()])


def _summary(
    steps: Sequence[str],
    names: Sequence[str],
    points: np.ndarray,
    strengths: np.ndarray,
    mu: np.ndarray,
    labels: np.ndarray,
) -> Table:
    """The figure in words: how strong each image's regions are, and how many point to its own category."""
    nearest = (points @ mu.T).argmax(axis=-1)
    own = (nearest == labels[:, None]).mean(axis=-1)
    rows = [
        [name, *(f"{strengths[step, i].mean():.2f}, {own[step, i]:.0%}" for step in range(len(steps)))]
        for i, name in enumerate(names)
    ]
    caption = (
        f"Mean strength of each image's {points.shape[2]} regions, background included, "
        "and how many of them are nearest to the arrow of its category"
    )
    return Table(["image", *steps], rows, caption)
