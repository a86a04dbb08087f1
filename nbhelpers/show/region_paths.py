"""Fig. 8 right of the paper: the ways of some regions through the steps of an attack, in 3-D and on their images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nbhelpers.images import ImageSet
from nbhelpers.maths.arrays import Array
from nbhelpers.show.arrays import cell, read
from nbhelpers.show.directions import arrows
from nbhelpers.show.highlights import highlights
from nbhelpers.show.page.figure import Figure
from nbhelpers.show.page.picker import marked
from nbhelpers.show.page.table import Cell, Table, minus
from nbhelpers.show.scene import MUTE, Scene, dots, told, xyz
from nbhelpers.show.space import dimensions, view
from nbhelpers.show.style import COLOURS, WIRE
from nbhelpers.show.text import label, visible

LOOKS = {
    "none": (COLOURS[5], "circle-open"),
    "direct": (COLOURS[0], "circle"),
    "rebuilt": (COLOURS[1], "diamond"),
    "awakened": (COLOURS[4], "square"),
    "damaged": (COLOURS[2], "cross"),
}
"""Colour and symbol of each type of trajectory."""

Example = tuple[str, int, int, int]


def region_paths(
    h: Array, images: ImageSet, directions: Array, grid: tuple[int, int], examples: Sequence[Example], *, alt: str
) -> Figure:
    """Draw the ways of a few regions, each by its type, and where the regions are at the step of the slider.

    A small ring marks where each way begins. On a page the images stand below the figure, with the regions outlined;
    the numbers are those in the figure and in its table.

    Parameters
    ----------
    h : array, (T + 1, n, R, d)
        Projected regional features of every iterate, as in :class:`nbhelpers.probes.attacks.Trail`; more dimensions
        than three as in :func:`sample_space`.
    images : ImageSet
        The n clean images.
    directions : array, (C, d)
        Where there are more than ten categories, at most ten arrows have names: those of the examples.
    grid : (int, int)
    examples : sequence of (str, int, int, int)
        The regions to follow, at best no more than twelve: type (a name of ``trajectories.TYPES``), image,
        region, and the category the image is taken for after the attack; counted from 0.

    Raises
    ------
    ValueError
        If there are fewer than two steps, or an example is missing, unknown, or at odds with another.

    Examples
    --------
    >>> images = ImageSet(np.zeros((1, 3, 8, 8), np.uint8), np.array([0]), ("coat", "shirt"), "held_out")
    >>> h = np.array([[1.0, 0.1, 0], [0.5, 0.6, 0], [0, 1.5, 0]]).reshape(3, 1, 1, 3)
    >>> figure = region_paths(h, images, np.eye(3)[:2], (1, 1), [("rebuilt", 0, 0, 1)], alt="From coat to shirt.")
    >>> figure.table.rows[0][:3]
    [1, 'rebuilt', 'image 1 (coat → shirt)']
    """
    categories, regions = list(map(visible, images.categories)), grid[0] * grid[1]
    h = read(h, "h", steps=None, images=len(images), regions=regions, axes=dimensions(directions))
    if len(h) < 2:
        raise ValueError(f"h must hold at least two steps for the slider to go through, got {len(h)}")
    mu = arrows(directions, categories)
    after = _check(examples, (len(images), regions, len(categories)))
    names = {i: f"image {i + 1} ({categories[images.labels[i]]} → {categories[new]})" for i, new in after.items()}

    _, image, region, _ = zip(*examples, strict=True)
    features = h[:, image, region]  # (T + 1, E, d)
    placed = view(features.reshape(-1, features.shape[-1]))
    ways, tips = placed(features), placed(mu)
    strengths = np.linalg.norm(features, axis=-1)
    pairs = np.array([(images.labels[i], new) for _, i, _, new in examples])
    named = np.bincount(pairs.ravel(), minlength=len(categories))
    lit = highlights(categories, named, named)
    strongest = max(1e-3, float(strengths.max()))
    # Nearer than this, and the strongest way would leave the view.
    scene = Scene(
        tips[[*lit.chosen]], ways[-1], 0.8 * strongest, strongest, [str(t) for t in range(len(ways))], len(ways) - 1
    )
    kinds = [kind for kind, *_ in examples]
    of_kind = {kind: [e for e, its in enumerate(kinds) if its == kind] for kind in LOOKS if kind in kinds}
    places = [f"{names[i]}, {cell(r, grid)}" for _, i, r, _ in examples]
    for kind, members in of_kind.items():
        scene.add(
            [{**xyz(at[members]), **told(length[members])} for at, length in zip(ways, strengths, strict=True)],
            **dots(kind, *LOOKS[kind], 8) | {"mode": "markers+text"},
            text=[str(e + 1) for e in members],
            textposition="top center",
            textfont={"size": 14},
            hovertext=[f"{kind}: {label(places[e])}" for e in members],
            hovertemplate="%{text}, %{hovertext}<br>strength %{customdata}<extra></extra>",
        )
    for kind, members in of_kind.items():
        hue, _ = LOOKS[kind]
        gap = np.full((1, 3), np.nan)  # so that no line joins one way to the next
        line = np.concatenate([part for e in members for part in (ways[:, e], gap)])
        scene.add(xyz(line), mode="lines", line={"color": hue, "width": 3}, legendgroup=kind, **MUTE)
        ring = {"color": hue, "symbol": "circle-open", "size": 4}
        scene.add(xyz(ways[0, members]), mode="markers", marker=ring, legendgroup=kind, **MUTE)
    scene.note(placed.note)
    scene.add_arrows(tips, categories, lit, hue=WIRE)  # colours tell types here; arrows have their names
    return scene.figure(
        alt=alt,
        slider="step",
        below=_below(images.images, names, examples, grid),
        table=_summary(examples, names, features, mu[pairs], grid, placed.note),
    )


def _check(examples: Sequence[Example], sizes: tuple[int, int, int]) -> dict[int, int]:
    """What each image that has an example is taken for in the end."""
    if not len(examples):
        raise ValueError("examples is empty: name at least one region to follow")
    after: dict[int, int] = {}
    for example in examples:
        kind, *place = example
        fits = len(place) == 3 and all(0 <= value < size for value, size in zip(place, sizes, strict=True))
        if kind not in LOOKS or not fits:
            raise ValueError(
                f"examples must be (type, image, region, category), of the types {', '.join(LOOKS)} and of {sizes} "
                f"images, regions and categories; got {example!r}"
            )
        image, _, new = place
        if after.setdefault(image, new) != new:
            raise ValueError(f"examples must name one new category of image {image}, got {after[image]} and {new}")
    return dict(sorted(after.items()))


def _below(images: np.ndarray, names: dict[int, str], examples: Sequence[Example], grid: tuple[int, int]) -> str:
    """The images that have an example, each example outlined, numbered and named."""
    captions, marks = [], []
    for i, name in names.items():
        here = [(number, kind, region) for number, (kind, image, region, _) in enumerate(examples, 1) if image == i]
        captions.append(f"{name}: " + ", ".join(f"{number} {kind}" for number, kind, _ in here))
        marks.append([(region, LOOKS[kind][0], str(number)) for number, kind, region in here])
    return marked(images[list(names)], captions, grid, marks)


def _summary(
    examples: Sequence[Example],
    names: dict[int, str],
    ways: np.ndarray,
    pairs: np.ndarray,
    grid: tuple[int, int],
    note: str,
) -> Table:
    """The figure in numbers, one row an example, with the arrows (E, 2, d) of its original and its new category."""
    strengths = np.linalg.norm(ways, axis=-1)
    cosines = np.einsum("ted,ecd->tec", ways, pairs) / np.where(strengths > 0, strengths, 1)[..., None]
    rows = []
    for e, (kind, image, region, _) in enumerate(examples):
        row, column = region // grid[1] + 1, region % grid[1] + 1
        strength = {"start": strengths[0, e], "least": strengths[:, e].min(), "end": strengths[-1, e]}
        cells = [Cell(f"{row}, {column}", {"row": row, "column": column}), _numbers("strength", strength)]
        for which, (start, end) in zip(("original", "new"), cosines[[0, -1], e].T, strict=True):
            cells.append(_numbers(f"cosine with {which}", {"start": start, "end": end}))
        rows.append([e + 1, kind, names[image], *cells])
    headers = ["number", "type", "image (original → new)", "row, column", "strength: start, least, end"]
    headers += [f"cosine with {which}: start, end" for which in ("original", "new")]
    caption = "Every region: its strength on its way, and the cosine with the arrows of two categories"
    caption += note and f". {note}"
    return Table(headers, rows, caption)


def _numbers(what: str, along: dict[str, float]) -> Cell:
    """One number at several steps of the way."""
    text = ", ".join(minus(f"{value:.2f}") for value in along.values())
    return Cell(text, {f"{what}: {when}": float(value) for when, value in along.items()})
