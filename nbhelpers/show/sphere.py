"""Fig. 2 of the paper: projected features in 3-D, where direction says category and length says how strongly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from nbhelpers.maths.arrays import Array, check_labels, check_positive
from nbhelpers.show.directions import angles, nearest, neighbours_of, strength_and_angle, unit
from nbhelpers.show.page.figure import Figure, check_start
from nbhelpers.show.stage import WIDE, arrow, as_seen, clear_eye, layout, per_step, shaft, xyz
from nbhelpers.show.style import WIRE, colour, symbol
from nbhelpers.show.tables import Table, at_steps

FEW = 20  # points that a table tells one by one


def sample_space(
    embeddings: Array,
    labels: Array,
    directions: Array,
    categories: Sequence[str],
    *,
    alt: str,
    probabilities: Array | None = None,
    step_labels: Sequence[str] | None = None,
    slider: str = "epoch",
    start: int = -1,
    strength_rings: Mapping[str, float] | None = None,
    names: Sequence[str] | None = None,
    thumbnails: np.ndarray | None = None,
) -> Figure:
    """Draw sample features ``g`` around the directions of their categories.

    Parameters
    ----------
    embeddings : array, (N, 3) or (S, N, 3)
        Projected features of one network, or of S checkpoints in one frame. The axes are the same at every step.
    labels : array, (N,)
        True category of every image; an index into ``categories``.
    directions : array, (C, 3) or (S, C, 3)
        Category directions ``mu``, normalised here; one set serves all steps.
    categories : sequence of str
        The C names.
    alt : str
        What a reader who can't see the figure should know.
    probabilities : array, (N, C) or (S, N, C), optional
        Q(y|x) or P(y|x): hovering then also tells the most probable category.
    step_labels : sequence of str, optional
        One name for each of the S checkpoints; with them comes a slider.
    slider : str
        What the steps are.
    start : int
        The step shown first; negative numbers count from the end.
    strength_rings : mapping of str to float, optional
        Faint wire spheres: what to write at each, and its strength (the radius).
    names : sequence of str, optional
        One name an image, told when hovering.
    thumbnails : array, uint8 (N, 3, H, W), optional
        The images, shown when hovering.

    Raises
    ------
    ValueError
        If shapes or lengths do not fit each other, values are not finite, or a direction is zero.

    Examples
    --------
    >>> figure = sample_space([[0.0, 0.0, 2.0], [1.0, 0.0, 0.0]], [0, 1], [[0, 0, 1], [1, 0, 0]], ["coat", "bag"],
    ...                       alt="A coat points up, twice as far from the centre as a bag that points right.")
    >>> [trace.name for trace in figure.plot.data if trace.showlegend]
    ['coat', 'bag']
    """
    labels = check_labels(labels, len(categories))
    count = len(labels)
    step_labels = [""] if step_labels is None else [str(label) for label in step_labels]
    steps = len(step_labels)
    start = check_start(start, steps)
    g = per_step(embeddings, "embeddings", steps, count, 3)
    mu = per_step(directions, "directions", steps, len(categories), 3)
    p = None if probabilities is None else per_step(probabilities, "probabilities", steps, count, len(categories))
    for name, things in {"names": names, "thumbnails": thumbnails}.items():
        if things is not None and len(things) != count:
            raise ValueError(f"{name} must hold one entry for each of the {count} images, got {len(things)}")
    mu = unit(mu)
    rings = {text: check_positive(radius, "strength_rings") for text, radius in (strength_rings or {}).items()}

    strengths = np.linalg.norm(g, axis=-1)
    reach = max(1e-3, float(strengths.max()), *rings.values())
    tip = 1.05 * reach
    tips = tip * mu

    def positions(step: int) -> list[dict[str, Any]]:
        """All that differs between steps: the points of every category, then the arrows."""
        points = []
        for category in range(len(categories)):
            members = np.flatnonzero(labels == category)
            hover = [[int(i), round(float(strengths[step, i]), 2)] for i in members]
            if p is not None:
                for row in hover:
                    best = int(p[step, row[0]].argmax())
                    row += [categories[best], round(float(p[step, row[0], best]), 2)]
            points.append({**xyz(g[step, members]), "customdata": hover})
        return points + [shaft(tip) for tip in tips[step]]

    shown = iter(positions(start))
    story = "image %{customdata[0]}<br>strength %{customdata[1]}"
    if p is not None:
        story += "<br>most probable: %{customdata[2]} (%{customdata[3]})"
    data = []
    for c, category in enumerate(categories):
        marker = {"color": colour(c), "symbol": symbol(c), "size": 4.5, "line": {"width": 0}}
        members = np.flatnonzero(labels == c)
        data.append(
            go.Scatter3d(
                **next(shown),
                mode="markers",
                marker=marker,
                name=category,
                legendgroup=category,
                showlegend=True,
                text=None if names is None else [names[i] for i in members],
                hovertemplate=f"<b>{category}</b>{'' if names is None else ' %{text}'}<br>{story}<extra></extra>",
            )
        )
    data += [arrow(tip, c, category) for c, (tip, category) in enumerate(zip(tips[start], categories, strict=True))]
    moving = list(range(len(data)))
    eye = clear_eye(mu[start], g[start], tip, reach)
    data += _wires(rings, g[start], tips[start], tip, reach, eye)
    frames = [
        go.Frame(name=name, data=[go.Scatter3d(**moved) for moved in positions(step)], traces=moving)
        for step, name in enumerate(step_labels)
    ]
    plot = go.Figure(data, layout(tip, reach, eye), frames if steps > 1 else None)
    if steps == 1 and count <= FEW:
        table = _one_by_one(g[0], labels, mu[0], categories, names)
    else:
        headers = ["mean strength, mean angle to its arrow"] if steps == 1 else at_steps(slider, step_labels)
        table = _by_category(g, labels, mu, categories, headers, start)
    return Figure(plot, alt=alt, slider=slider, start=start, thumbnails=thumbnails, table=table)


def _wires(
    rings: Mapping[str, float], g: np.ndarray, tips: np.ndarray, tip: float, reach: float, eye: np.ndarray
) -> list[go.Scatter3d]:
    """Spheres of equal strength as three great circles and two parallels, with texts clear of points and arrows."""
    t = np.linspace(0, 2 * np.pi, 49)
    c, s, o = np.cos(t), np.sin(t), np.zeros_like(t)
    circles = [[c, s, o], [c, o, s], [o, c, s]]
    circles += [[np.sqrt(0.5) * c, np.sqrt(0.5) * s, o + z] for z in (-np.sqrt(0.5), np.sqrt(0.5))]
    circles = np.array(circles).swapaxes(1, 2)
    pieces = [np.append(circle, np.full((1, 3), np.nan), axis=0) for circle in circles]
    arrows = (np.linspace(0.2, 1.1, 10)[:, None, None] * tips).reshape(-1, 3)  # with their names
    taken = as_seen(np.concatenate([g, arrows]), tip, reach, eye)
    traces = []
    for text, radius in rings.items():
        places = radius * circles.reshape(-1, 3)
        seen = as_seen(places, tip, reach, eye)
        best = np.linalg.norm((seen[:, None] - taken) * WIDE, axis=-1).min(axis=1).argmax()
        taken = np.append(taken, seen[best, None], axis=0)
        line = np.concatenate([places[best, None], [[np.nan] * 3], *(radius * piece for piece in pieces)])
        traces.append(
            go.Scatter3d(
                **xyz(line),
                mode="lines+text",
                line={"color": WIRE, "width": 1.5},
                text=[text] + [""] * (len(line) - 1),
                textposition="middle center",
                showlegend=False,
                hoverinfo="skip",
            )
        )
    return traces


def _one_by_one(
    g: np.ndarray, labels: np.ndarray, mu: np.ndarray, categories: Sequence[str], names: Sequence[str] | None
) -> Table:
    """The figure in numbers, one row a point."""
    strengths = np.linalg.norm(g, axis=1)
    rows = [
        [
            f"image {i}" if names is None else names[i],
            categories[labels[i]],
            f"{strengths[i]:.2f}",
            nearest(row, categories),
        ]
        for i, row in enumerate(angles(g[:, None], mu))
    ]
    caption = "Every point: its strength, and its angles to the two nearest arrows"
    return Table(["image", "category", "strength", "nearest arrows"], rows, caption)


def _by_category(
    g: np.ndarray,
    labels: np.ndarray,
    mu: np.ndarray,
    categories: Sequence[str],
    headers: Sequence[str],
    start: int,
) -> Table:
    """The figure in numbers: how strong each category is at each step, and how far it strays from its arrow."""
    strengths, turned = np.linalg.norm(g, axis=-1), angles(g, mu[:, labels])
    rows = []
    for c, (category, near) in enumerate(zip(categories, neighbours_of(mu[start], categories), strict=True)):
        members = labels == c
        cells = [
            strength_and_angle(strength[members].mean(), turn[members].mean()) if members.any() else "–"
            for strength, turn in zip(strengths, turned, strict=True)
        ]
        rows.append([category, members.sum(), *cells, near])
    at = "" if len(headers) == 1 else f", at {headers[start]}"
    caption = f"Mean strength of each category and mean angle to its arrow; the two arrows nearest to that{at}"
    return Table(["category", "images", *headers, "nearest arrows"], rows, caption)
