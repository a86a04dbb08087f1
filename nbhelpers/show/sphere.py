"""Fig. 2 of the paper: projected features in 3-D, where direction says category and length says how strongly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nbhelpers.images import ImageSet
from nbhelpers.maths.arrays import Array, check_positive
from nbhelpers.show.arrays import check_each, read_steps
from nbhelpers.show.directions import angles, arrows, by_category, category_table, nearest
from nbhelpers.show.highlights import highlights
from nbhelpers.show.page.figure import Figure
from nbhelpers.show.page.table import Cell, Table, at_steps
from nbhelpers.show.scene import MUTE, WIDE, Scene, dots, grey_dots, xyz
from nbhelpers.show.space import dimensions, view
from nbhelpers.show.style import WIRE
from nbhelpers.show.text import engraved, label, named, visible

FEW = 20  # points that a table tells one by one


def sample_space(
    embeddings: Array,
    images: ImageSet,
    directions: Array,
    *,
    alt: str,
    probabilities: Array | None = None,
    step_labels: Sequence[str] | None = None,
    slider: str = "epoch",
    strength_rings: Mapping[str, float] | None = None,
    coloured: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    thumbnails: bool = False,
) -> Figure:
    """Draw sample features ``g`` around the directions of their categories.

    Parameters
    ----------
    embeddings : array, (N, d) or (S, N, d)
        Projected features of one network, or of S checkpoints in one frame. More dimensions than three are drawn by
        their first three principal axes, which the figure says; its table tells of all.
    images : ImageSet
    directions : array, (C, d) or (S, C, d)
    probabilities : array, (N, C) or (S, N, C), optional
        Q(y|x) or P(y|x): hovering then also tells the most probable category.
    step_labels : sequence of str, optional
        With them comes a slider.
    slider : str
        What the steps are.
    strength_rings : mapping of str to float, optional
        Faint wire spheres: what to write at each, and its strength (the radius).
    coloured : sequence of str, optional
        The names of up to ten categories to colour. By default all of ten or fewer; of more, the ten that have the most
        images, among equals the strongest. The others are grey: hovering names them, and a reader can search.
    names : sequence of str, optional
        One name an image, told when hovering.
    thumbnails : bool
        Whether hovering shows the image. All together take some 2 MB at most: of more than 3,750 images each is
        smaller than 40 pixels, and more than 23,000 are refused.

    Examples
    --------
    >>> images = ImageSet(np.zeros((2, 3, 8, 8), np.uint8), np.array([0, 1]), ("coat", "bag"), "held_out")
    >>> figure = sample_space([[0, 0, 2.0], [1.0, 0, 0]], images, [[0, 0, 1], [1, 0, 0]], alt="A coat points up.")
    >>> [trace.name for trace in figure.plot.data if trace.showlegend]
    ['coat', 'bag']
    """
    categories, labels, count = list(map(visible, images.categories)), images.labels, len(images)
    steps = [""] if step_labels is None else [visible(name) for name in step_labels]
    slider = visible(slider)
    g = read_steps(embeddings, "embeddings", len(steps), images=count, axes=dimensions(directions))
    mu = arrows(directions, categories, len(steps))
    axes = {"images": count, "categories": len(categories)}
    p = None if probabilities is None else read_steps(probabilities, "probabilities", len(steps), **axes)
    names = None if names is None else check_each("names", names, count)
    rings = {text: check_positive(radius, "strength_rings") for text, radius in named(strength_rings or {}).items()}

    strengths = np.linalg.norm(g, axis=-1)
    reach = max(1e-3, float(strengths.max()), *rings.values())
    placed = view(g[-1])
    points, tips = placed(g), placed(mu)
    lit = highlights(categories, *by_category(labels, strengths[-1], len(categories)), coloured)
    scene = Scene(tips[-1, lit.chosen], points[-1], 1.05 * reach, reach, steps, len(steps) - 1)
    scene.note(placed.note)
    story = "image %{customdata[0]}<br>strength %{customdata[1]}"
    if p is not None:
        story += "<br>most probable: %{customdata[2]} (%{customdata[3]})"

    def told(step: int, image: int) -> list[object]:
        """What hovering tells of a point."""
        numbers = [int(image), round(float(strengths[step, image]), 2)]
        if p is None:
            return numbers
        best = int(p[step, image].argmax())
        return [*numbers, label(categories[best]), round(float(p[step, image, best]), 2)]

    def add(members: np.ndarray, look: dict[str, object], text: list[str] | None, begin: str) -> None:
        number = scene.add(
            [{**xyz(points[s, members]), "customdata": [told(s, i) for i in members]} for s in range(len(steps))],
            **look,
            text=text,
            hovertemplate=f"{begin}<br>{story}<extra></extra>",
        )
        scene.members[number] = labels[members].tolist()

    for c in lit.chosen:
        members = np.flatnonzero(labels == c)
        begin = f"<b>{label(categories[c])}</b>{' %{text}' if names else ''}"
        text = names and [label(names[i]) for i in members]
        add(members, dots(categories[c], lit.hue(c), lit.symbol(c), 4.5), text, begin)
    if lit.others:
        members = np.flatnonzero(np.isin(labels, lit.others))
        called = [f"<b>{label(categories[labels[i]])}</b>{f' {label(names[i])}' if names else ''}" for i in members]
        add(members, grey_dots(lit, 3), called, "%{text}")
    scene.add_arrows(tips, categories, lit)
    _add_rings(scene, rings, points[-1], tips[-1, lit.chosen])
    if len(steps) == 1 and count <= FEW:
        near = [nearest(degrees, categories) for degrees in angles(g[0, :, None], mu[0])]
        rows = zip(names or [f"image {i}" for i in range(count)], strengths[0], labels, near, strict=True)
        rows = [[name, categories[c], Cell(f"{s:.2f}", float(s)), arrow] for name, s, c, arrow in rows]
        caption = "Every point: its strength, and its angles to the two nearest arrows"
        table = Table(["image", "category", "strength", "nearest arrows"], rows, caption)
    else:
        headers = ["mean strength, mean angle to its arrow"] if len(steps) == 1 else at_steps(slider, steps)
        turned = angles(g, mu[:, labels])
        means = [{c: x[:, labels == c].mean(axis=1) for c in np.unique(labels)} for x in (strengths, turned)]
        caption = "Mean strength of each category and mean angle to its arrow; the two arrows nearest to that"
        caption += "" if len(steps) == 1 else f", at {headers[-1]}"
        caption += placed.note and f". {placed.note}"
        table = category_table(images, mu[-1], headers, *means, caption)
    return scene.figure(alt=alt, slider=slider, thumbnails=images.images if thumbnails else None, table=table)


def _add_rings(scene: Scene, rings: Mapping[str, float], g: np.ndarray, mu: np.ndarray) -> None:
    """Spheres of equal strength as three great circles and two parallels, with texts clear of points and arrows."""
    t = np.linspace(0, 2 * np.pi, 49)
    c, s, o = np.cos(t), np.sin(t), np.zeros_like(t)
    circles = [[c, s, o], [c, o, s], [o, c, s]]
    circles += [[np.sqrt(0.5) * c, np.sqrt(0.5) * s, o + z] for z in (-np.sqrt(0.5), np.sqrt(0.5))]
    circles = np.array(circles).swapaxes(1, 2)
    wire = np.pad(circles, ((0, 0), (0, 1), (0, 0)), constant_values=np.nan).reshape(-1, 3)  # no line between circles
    with_names = (np.linspace(0.2, 1.1, 10)[:, None, None] * (scene.tip * mu)).reshape(-1, 3)
    taken = scene.as_seen(np.concatenate([g, with_names]))
    for text, radius in rings.items():
        places = radius * circles.reshape(-1, 3)
        seen = scene.as_seen(places)
        best = np.linalg.norm((seen[:, None] - taken) * WIDE, axis=-1).min(axis=1).argmax()
        taken = np.append(taken, seen[best, None], axis=0)
        line = np.concatenate([places[best, None], [[np.nan] * 3], radius * wire])
        look = {"mode": "lines+text", "line": {"color": WIRE, "width": 1.5}, "textposition": "middle center"}
        scene.add(xyz(line), text=[engraved(text)] + [""] * (len(line) - 1), **look, **MUTE)
