"""Fig. 4 of the paper: the same regions from layer to layer, or along an attack, one of them followed all the way."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nbhelpers.images import ImageSet
from nbhelpers.maths.arrays import Array
from nbhelpers.show.arrays import cell, read
from nbhelpers.show.directions import arrows, by_category
from nbhelpers.show.highlights import highlights
from nbhelpers.show.page.figure import Figure, check_start
from nbhelpers.show.page.picker import pickable
from nbhelpers.show.page.table import Cell, Table, at_steps
from nbhelpers.show.scene import MUTE, Scene, dots, grey_dots, xyz
from nbhelpers.show.space import dimensions, view
from nbhelpers.show.text import label, named, visible


def region_depth(
    h: Mapping[str, Array],
    images: ImageSet,
    directions: Array,
    grid: tuple[int, int],
    *,
    alt: str,
    picked: tuple[int, int] | None = None,
    slider: str = "layer",
    start: int = -1,
) -> Figure:
    """Draw all regions of a few images at every step of a slider, and follow one of them all the way.

    On a page the images stand below the figure. Hovering one of their regions, or going there by Tab and arrow keys,
    shows where the region is at every step; a click or Enter, or a click on a point, picks it.

    Parameters
    ----------
    h : mapping of str to array, (n, R, d)
        Projected regional features at each step, by its name and in order, in one frame and brought to one scale
        (:func:`nbhelpers.method.knowledge.normalize_strength`, :func:`nbhelpers.follow`); more dimensions than three as
        in :func:`sample_space`.
    images : ImageSet
        At best three to six.
    directions : array, (C, d)
        Where there are more than ten categories, only those of the images have coloured and named arrows.
    grid : (int, int)
    picked : (int, int), optional
        Image and region that are followed first; by default the strongest region of the first image at the last step.
    slider : str
        What the steps are: layers, steps of an attack, or networks that are compared.
    start : int
        The step shown first; negative numbers count from the end.

    Raises
    ------
    ValueError
        If there are fewer than two steps, or ``picked`` names no region.

    Examples
    --------
    >>> images = ImageSet(np.zeros((1, 3, 8, 8), np.uint8), np.array([0]), ("coat", "bag"), "held_out")
    >>> h = {"conv_12": np.full((1, 4, 3), 0.1), "conv_53": np.ones((1, 4, 3))}
    >>> figure = region_depth(h, images, [[1, 1, 1], [1, 0, 0]], (2, 2), alt="Four regions move outwards.")
    >>> [frame.name for frame in figure.plot.frames]
    ['conv_12', 'conv_53']
    """
    categories, labels = list(map(visible, images.categories)), images.labels
    h, slider = named(h), visible(slider)
    steps = list(h)
    regions = grid[0] * grid[1]
    if len(steps) < 2:
        raise ValueError(f"h must hold at least two steps for the slider to go through, got {', '.join(h) or 'none'}")
    axes = {"images": len(images), "regions": regions, "axes": dimensions(directions)}
    features = np.stack([read(at, f"h[{step!r}]", **axes) for step, at in h.items()])
    mu = arrows(directions, categories)
    start = check_start(start, len(steps))
    names = [f"image {i + 1} ({categories[c]})" for i, c in enumerate(labels)]
    strengths = np.linalg.norm(features, axis=-1)
    image, region = (0, int(strengths[-1, 0].argmax())) if picked is None else picked
    if not (0 <= image < len(images) and 0 <= region < regions):
        raise ValueError(f"picked must be one of {len(images)} images and {regions} regions, got {picked}")

    strongest = max(1e-3, float(strengths.max()))
    # Few regions are as strong as the strongest: stay near the many.
    placed = view(features[-1].reshape(-1, features.shape[-1]))
    points, tips = placed(features), placed(mu)
    lit = highlights(categories, *by_category(labels, strengths[-1].mean(axis=1), len(categories)))
    scene = Scene(tips[[*lit.chosen]], points[start].reshape(-1, 3), 0.6 * strongest, strongest, steps, start)
    scene.note(placed.note)

    def add(of: np.ndarray, look: dict[str, object]) -> None:
        members = [(int(i), r) for i in np.flatnonzero(of) for r in range(regions)]
        told = [[[i, r, round(float(strength[i, r]), 2)] for i, r in members] for strength in strengths]
        number = scene.add(
            [{**xyz(at[of].reshape(-1, 3)), "customdata": its} for at, its in zip(points, told, strict=True)],
            **look,
            text=[f"{label(names[i])}, {cell(r, grid)}" for i, r in members],
            hovertemplate="%{text}<br>strength %{customdata[2]}<extra></extra>",
        )
        scene.members[number] = [int(labels[i]) for i, _ in members]

    for c in np.unique(labels):
        if c in lit.chosen:
            add(labels == c, dots(categories[c], lit.hue(c), lit.symbol(c), 4))
    if np.isin(labels, lit.others).any():
        add(np.isin(labels, lit.others), grey_dots(lit, 3))
    # These two have no colour of their own: they are written in the ink of the page.
    dot = {"mode": "markers", "marker": {"size": 10}, "name": "picked"}
    here = scene.add([xyz(at[image, region][None]) for at in points], **dot, **MUTE)
    line = {"mode": "lines+markers", "line": {"width": 5}, "marker": {"size": 4}, "name": "the picked region"}
    where = {"text": [label(step) for step in steps], "showlegend": True}
    where["hovertemplate"] = f"{label(slider)} %{{text}}<extra>the picked region</extra>"
    path = scene.add(xyz(points[:, image, region]), **line, **where)
    scene.add_arrows(tips, categories, lit)
    own = ((features @ mu.T).argmax(axis=-1) == labels[:, None]).mean(axis=-1)
    means = strengths.mean(axis=-1)
    rows = [
        [name, *(_strength_and_share(*numbers) for numbers in zip(means[:, i], own[:, i], strict=True))]
        for i, name in enumerate(names)
    ]
    caption = (
        f"Mean strength of each image's {regions} regions, background included, "
        "and how many of them are nearest to the arrow of its category"
    )
    caption += placed.note and f". {placed.note}"
    return scene.figure(
        alt=alt,
        slider=slider,
        below=pickable(images.images, names, [lit.hue(c) for c in labels]),
        picker={"names": names, "grid": grid, "picked": (image, region), "path": path, "here": here},
        table=Table(["image", *at_steps(slider, steps)], rows, caption),
    )


def _strength_and_share(strength: float, own: float) -> Cell:
    numbers = {"{}: mean strength": float(strength), "{}: share nearest to its arrow": float(own)}
    return Cell(f"{strength:.2f}, {own:.0%}", numbers)
