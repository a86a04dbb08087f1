"""Fig. 8 right of the paper: the ways of some regions through the steps of an attack, in 3-D and on their images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from nbhelpers.maths.arrays import Array, as_tensor, check_labels
from nbhelpers.method.trajectories import TYPES
from nbhelpers.show.page.figure import Figure, check_start
from nbhelpers.show.page.picker import Mark, MarkedImages
from nbhelpers.show.region_depth import check_directions, check_grid, check_images
from nbhelpers.show.stage import arrow, clear_eye, layout, xyz
from nbhelpers.show.style import COLOURS, WIRE
from nbhelpers.show.tables import Table, minus

LOOKS = {
    "none": (COLOURS[5], "circle-open"),
    "direct": (COLOURS[0], "circle"),
    "rebuilt": (COLOURS[1], "diamond"),
    "awakened": (COLOURS[4], "square"),
    "damaged": (COLOURS[2], "cross"),
}
"""Colour and symbol of each type of trajectory."""


class _Example(NamedTuple):
    """One region on its way; all numbers are counted from 0."""

    kind: str
    image: int
    region: int
    new: int


def region_paths(
    h: Array,
    images: np.ndarray,
    labels: Array,
    directions: Array,
    categories: Sequence[str],
    grid: tuple[int, int],
    examples: Sequence[tuple[str, int, int, int]],
    *,
    alt: str,
    step_labels: Sequence[str] | None = None,
    slider: str = "step",
    start: int = -1,
) -> Figure:
    """Draw the ways of a few regions, each by its type, and where the regions are at the step of the slider.

    A small ring marks where each way begins. On a page the images stand below the figure, with the regions outlined;
    the numbers are those in the figure and in its table.

    Parameters
    ----------
    h : array, (T + 1, n, R, 3)
        Projected regional features of every iterate, as in :class:`nbhelpers.method.trajectories.Trail`.
    images : array, uint8 (n, 3, H, W)
        The clean images.
    labels : array, (n,)
        True category of every image; an index into ``categories``.
    directions : array, (C, 3)
        Category directions ``mu``, normalised here.
    categories : sequence of str
        The C names.
    grid : (int, int)
        Rows and columns of regions; their product is R.
    examples : sequence of (str, int, int, int)
        The regions to follow, at best no more than twelve: type (a name of ``trajectories.TYPES``), image,
        region, and the category the image is taken for after the attack; counted from 0.
    alt : str
        What a reader who can't see the figure should know.
    step_labels : sequence of str, optional
        One name for each of the T + 1 steps; by default their numbers.
    slider : str
        What the steps are.
    start : int
        The step shown first; negative numbers count from the end.

    Raises
    ------
    ValueError
        If shapes or lengths do not fit each other, values are not finite, a direction is zero, there are fewer than two
        steps, or an example is missing, unknown, or at odds with another.

    Examples
    --------
    >>> h = np.array([[1.0, 0.1, 0], [0.5, 0.6, 0], [0, 1.5, 0]]).reshape(3, 1, 1, 3)
    >>> figure = region_paths(h, np.zeros((1, 3, 8, 8), np.uint8), [0], [[1, 0, 0], [0, 1, 0]], ["coat", "shirt"],
    ...                       (1, 1), [("rebuilt", 0, 0, 1)], alt="One region turns from coat to shirt.")
    >>> figure.table.rows[0][:3]
    [1, 'rebuilt', 'image 1 (coat → shirt)']
    """
    known = check_labels(labels, len(categories))
    rows, columns = check_grid(grid)
    points = as_tensor(h, "h", ndim=4).cpu().numpy().astype(float)
    if len(points) < 2 or points.shape[1:] != (len(known), rows * columns, 3):
        raise ValueError(
            f"h must have shape (T + 1, {len(known)}, {rows * columns}, 3) with at least two steps, for {len(known)} "
            f"labels and a grid of {rows} x {columns}; got {points.shape}"
        )
    steps = [str(name) for name in (range(len(points)) if step_labels is None else step_labels)]
    if len(steps) != len(points):
        raise ValueError(f"step_labels must hold one name for each of the {len(points)} steps, got {len(steps)}")
    start = check_start(start, len(steps))
    pictures = check_images(images, len(known))
    mu = check_directions(directions, len(categories))
    chosen = _read(examples, len(known), rows * columns, len(categories))
    after = {example.image: example.new for example in chosen}
    names = {i: f"image {i + 1} ({categories[known[i]]} → {categories[new]})" for i, new in sorted(after.items())}

    ways = np.stack([points[:, example.image, example.region] for example in chosen], axis=1)  # (T + 1, E, 3)
    strengths = np.linalg.norm(ways, axis=-1)
    strongest = max(1e-3, float(strengths.max()))
    tip = 0.8 * strongest  # nearer, and the strongest way would leave the view
    of_kind = {
        kind: [e for e, example in enumerate(chosen) if example.kind == kind]
        for kind in LOOKS
        if any(example.kind == kind for example in chosen)
    }

    def positions(step: int) -> list[dict[str, Any]]:
        """All that differs between steps: the present places of every kind."""
        return [
            {**xyz(ways[step, members]), "customdata": strengths[step, members].round(2).tolist()}
            for members in of_kind.values()
        ]

    data = []
    for (kind, members), drawn in zip(of_kind.items(), positions(start), strict=True):
        hue, form = LOOKS[kind]
        places = [f"row {e.region // columns + 1}, column {e.region % columns + 1}" for e in chosen]
        data.append(
            go.Scatter3d(
                **drawn,
                mode="markers+text",
                marker={"color": hue, "symbol": form, "size": 8, "line": {"width": 0}},
                text=[str(e + 1) for e in members],
                textposition="top center",
                textfont={"size": 14},
                hovertext=[f"{kind}: {names[chosen[e].image]}, {places[e]}" for e in members],
                name=kind,
                legendgroup=kind,
                showlegend=True,
                hovertemplate="%{text}, %{hovertext}<br>strength %{customdata}<extra></extra>",
            )
        )
    for kind, members in of_kind.items():
        hue, _ = LOOKS[kind]
        gap = np.full((1, 3), np.nan)  # so that no line joins one way to the next
        line = np.concatenate([part for e in members for part in (ways[:, e], gap)])
        look = {"legendgroup": kind, "showlegend": False, "hoverinfo": "skip"}
        data.append(go.Scatter3d(**xyz(line), mode="lines", line={"color": hue, "width": 3}, **look))
        ring = {"color": hue, "symbol": "circle-open", "size": 4}
        data.append(go.Scatter3d(**xyz(ways[0, members]), mode="markers", marker=ring, **look))
    # Colours tell types here: arrows, which have their names, are grey.
    data += [
        arrow(end, c, name).update(line_color=WIRE)
        for c, (end, name) in enumerate(zip(tip * mu, categories, strict=True))
    ]
    frames = [
        go.Frame(name=name, data=[go.Scatter3d(**moved) for moved in positions(step)], traces=list(range(len(of_kind))))
        for step, name in enumerate(steps)
    ]
    return Figure(
        go.Figure(data, layout(tip, strongest, clear_eye(mu, ways[start], tip, strongest)), frames),
        alt=alt,
        slider=slider,
        start=start,
        picker=_below(pictures, names, chosen, (rows, columns)),
        table=_summary(chosen, names, known, ways, mu, columns),
    )


def _read(examples: Sequence[tuple[str, int, int, int]], images: int, regions: int, categories: int) -> list[_Example]:
    """The examples, each of a known type and all of one mind about what became of an image."""
    if not len(examples):
        raise ValueError("examples is empty: name at least one region to follow")
    found: list[_Example] = []
    for number, given in enumerate(examples):
        if len(given) != 4:
            raise ValueError(f"examples[{number}] must be (type, image, region, new category), got {given!r}")
        kind, *place = given
        if kind not in TYPES:
            raise ValueError(f"examples[{number}] must be of a type among {', '.join(TYPES)}; got {kind!r}")
        for value, what, size in zip(
            place, ("image", "region", "category"), (images, regions, categories), strict=True
        ):
            if not 0 <= value < size:
                raise ValueError(f"examples[{number}] names {what} {value}, but there are 0 ... {size - 1}")
        found.append(_Example(kind, *(int(value) for value in place)))
    for example in found:
        others = {other.new for other in found if other.image == example.image} - {example.new}
        if others:
            raise ValueError(
                f"examples of image {example.image} must name one new category; "
                f"they name {', '.join(map(str, sorted(others | {example.new})))}"
            )
    return found


def _below(
    images: np.ndarray,
    names: dict[int, str],
    examples: Sequence[_Example],
    grid: tuple[int, int],
) -> MarkedImages:
    """The images that have an example, each example outlined, numbered and named."""
    captions, marks = [], {}
    for place, (i, name) in enumerate(names.items()):
        here = [(number, example) for number, example in enumerate(examples, 1) if example.image == i]
        captions.append(f"{name}: " + ", ".join(f"{number} {example.kind}" for number, example in here))
        marks[place] = [Mark(*divmod(e.region, grid[1]), LOOKS[e.kind][0], str(number)) for number, e in here]
    return MarkedImages(images[list(names)], captions, grid, marks)


def _summary(
    examples: Sequence[_Example],
    names: dict[int, str],
    labels: np.ndarray,
    ways: np.ndarray,
    mu: np.ndarray,
    columns: int,
) -> Table:
    """The figure in numbers, one row an example."""
    strengths = np.linalg.norm(ways, axis=-1)
    cosines = np.einsum("ted,cd->tec", ways, mu) / np.where(strengths > 0, strengths, 1)[..., None]
    rows = [
        [
            e + 1,
            kind,
            names[image],
            f"{region // columns + 1}, {region % columns + 1}",
            _numbers(strengths[0, e], strengths[:, e].min(), strengths[-1, e]),
            *(_numbers(cosines[0, e, c], cosines[-1, e, c]) for c in (labels[image], new)),
        ]
        for e, (kind, image, region, new) in enumerate(examples)
    ]
    headers = ["number", "type", "image (original → new)", "row, column", "strength: start, least, end"]
    headers += [f"cosine with {which}: start, end" for which in ("original", "new")]
    return Table(
        headers, rows, "Every region: its strength on its way, and the cosine with the arrows of two categories"
    )


def _numbers(*values: float) -> str:
    return ", ".join(minus(f"{value:.2f}") for value in values)
