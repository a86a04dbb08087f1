"""One attacked image, step by step: what is added to it, what its regions say, and what the network answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from nbhelpers.images import read_pixels
from nbhelpers.maths.arrays import Array, check_labels, check_positive
from nbhelpers.method.knowledge import THRESHOLD
from nbhelpers.show.arrays import read
from nbhelpers.show.highlights import MOST, Highlights
from nbhelpers.show.page.figure import Figure
from nbhelpers.show.page.table import Cell, Table
from nbhelpers.show.panels import ORANGE, WHITE, add_squares, enlarged, finish, heat, heat_look, picture
from nbhelpers.show.style import FAINT
from nbhelpers.show.text import label, short, visible


def attack_steps(
    path: Array,
    probabilities: Array,
    regions: Array,
    original: int,
    new: int,
    categories: Sequence[str],
    grid: tuple[int, int],
    *,
    eps: float,
    alt: str,
) -> Figure:
    """Show an attacked image at the step of a slider, beside what was added to it and what is said of it.

    The perturbation is enlarged around grey until ``eps`` becomes white and ``-eps`` black. Two maps tell how probable
    the original and the new category are to every region, and bars what the network answers: of more than ten
    categories those two, the eight that are most probable at one of the steps, and all others together.

    Parameters
    ----------
    path : array, (T + 1, 3, H, W)
        The iterates of one image, in [0, 1], from the clean image on; for instance ``pgd(...)[:, i]``.
    probabilities : array, (T + 1, C)
        The network's answer at each step.
    regions : array, (T + 1, R, C)
        What every region says at each step, as of :func:`nbhelpers.method.knowledge.category_probabilities`.
    original, new : int
        What the network takes the image for before the attack, and after it, or the target. A title says that the
        attack failed if the two are the same, or if the last answer is not ``new``.
    categories : sequence of str
    grid : (int, int)
    eps : float
        How far the attack may move a pixel, as it was given to :func:`nbhelpers.pgd`.

    Raises
    ------
    ValueError
        If a value lies outside 0 ... 1, a category does not exist, or a pixel moves further than ``eps``.

    Examples
    --------
    >>> path, said = np.full((2, 3, 8, 8), 0.5), np.array([[0.7, 0.3], [0.4, 0.6]])
    >>> figure = attack_steps(path, said, said[:, None], 0, 1, ["coat", "shirt"], (1, 1), eps=0.1, alt="Now a shirt.")
    >>> figure.table.rows
    [['0', '0.700', '0.300', 1, 0], ['1', '0.400', '0.600', 0, 1]]
    """
    pixels = _read_path(path, check_positive(eps, "eps"))
    axes = {"steps": len(pixels), "regions": grid[0] * grid[1], "categories": len(categories)}
    said = _probabilities(regions, "regions", **axes)
    answers = _probabilities(probabilities, "probabilities", steps=len(pixels), categories=len(categories))
    pair = check_labels([original, new], len(categories), "original and new")
    categories = list(map(visible, categories))
    called = [categories[c] for c in pair]
    labels = [label(short(name)) for name in called]
    barred = _most_probable(answers, pair)
    bars_of = np.column_stack([answers[:, barred], 1 - answers[:, barred].sum(axis=1)])
    moved = 0.5 + (pixels - pixels[0]) * (0.5 / eps)

    names = [categories[c] for c in barred]
    if len(barred) < len(categories):
        names.append(f"{len(categories) - len(barred)} others")

    def step(t: int) -> list[dict[str, Any]]:
        """All that differs between steps: image, perturbation, two maps, bars."""
        return [
            picture(enlarged(_bytes(pixels[t]))),
            picture(_bytes(moved[t])),
            *(heat(said[t, :, c].reshape(grid)) for c in pair),
            {"type": "bar", "x": bars_of[t, : len(names)].round(3).tolist()},
        ]

    steps = [step(t) for t in range(len(pixels))]
    titles = ["attacked image", f"perturbation ×{0.5 / eps:.3g}", "network's P(c)"]
    titles += [f"p(c | h) for<br>{name}" for name in labels]
    places = [[{}, {}, {"rowspan": 2}], [{}, {}, None]]
    plot = make_subplots(2, 3, specs=places, subplot_titles=titles, horizontal_spacing=0.04, vertical_spacing=0.16)
    look = heat_look("what a region says, p(c | h)", [0, 0.5, 1], (WHITE, ORANGE), "z:.2f")
    look["colorbar"] |= {"x": 0.33, "xanchor": "center"}  # below the maps, clear of the bars' numbers
    rest = [{"hoverinfo": "skip"}, {"hoverinfo": "skip"}, look, look | {"showscale": False}]
    *squares, bars = steps[-1]
    add_squares(plot, [trace | other for trace, other in zip(squares, rest, strict=True)], columns=2)
    lit = Highlights(len(categories), tuple(sorted(set(map(int, pair)))))
    _draw_bars(plot, bars, names, {place: lit.hue(c) for place, c in enumerate(barred) if c in pair})
    finish(plot)
    failed = original == new or answers[-1].argmax() != new
    way = " → ".join(labels) + (": the attack failed" if failed else "")
    plot.update_layout(title={"text": way, "x": 0.5, "y": 0.98, "yanchor": "top", "font": {"size": 15}}, margin_t=66)
    plot.frames = [go.Frame(name=str(t), data=data, traces=list(range(5))) for t, data in enumerate(steps)]
    headers = [*(f"P({name})" for name in called), *(f"regions with p({name} | h) > {THRESHOLD}" for name in called)]
    rows = [
        [
            str(t),
            *(Cell(f"{p:.3f}", float(p)) for p in answers[t, pair]),
            *(int((said[t, :, c] > THRESHOLD).sum()) for c in pair),
        ]
        for t in range(len(pixels))
    ]
    caption = f"What the network answers at each step, and how many of {axes['regions']} regions say so"
    return Figure(plot, alt=alt, height=550, table=Table(["step", *headers], rows, caption))


def _most_probable(answers: np.ndarray, pair: np.ndarray) -> list[int]:
    """The categories that have bars, in their order: all of a few."""
    order = [*pair, *np.argsort(-answers.max(axis=0), kind="stable")]
    return sorted(list(dict.fromkeys(map(int, order)))[:MOST])


def _draw_bars(plot: go.Figure, lengths: dict[str, Any], categories: Sequence[str], lit: dict[int, str]) -> None:
    """One bar a category with its name above, so that long names take no width from the bars; some have colours."""
    place = np.arange(len(categories))
    labels = [label(short(name)) for name in categories]
    hues = [lit.get(int(c), FAINT) for c in place]
    bars = {
        "y": (place + 0.15).tolist(),
        "width": 0.4,
        "orientation": "h",
        "marker": {"color": hues, "line": {"color": FAINT, "width": 1}},
        "hovertext": [label(name) for name in categories],
        "hovertemplate": "P(%{hovertext}) = %{x:.3f}<extra></extra>",
    }
    names = {
        "type": "scatter",
        "x": [0] * len(place),
        "y": place - 0.28,
        "mode": "text",
        "text": [f"<b>{name}</b>" if c in lit else name for c, name in enumerate(labels)],
        "textposition": "middle right",
        "textfont": {"size": 12},
        "hoverinfo": "skip",
        "cliponaxis": False,
    }
    plot.add_traces([lengths | bars, names], rows=1, cols=3)
    plot.update_xaxes(range=[0, 1], tickvals=[0, 0.5, 1], row=1, col=3)
    plot.update_yaxes(range=[len(place) - 0.5, -0.6], visible=False, row=1, col=3)


def _read_path(path: Array, eps: float) -> np.ndarray:
    """The iterates of one image, float (T + 1, 3, H, W)."""
    pixels = read_pixels(path, "path").numpy()
    if pixels.shape[1] != 3 or len(pixels) < 2:
        raise ValueError(f"path must be two or more iterates of one image, (T + 1, 3, H, W); got {pixels.shape}")
    furthest = float(np.abs(pixels - pixels[0]).max())
    if furthest > eps * (1 + 1e-3):
        raise ValueError(
            f"a pixel moves by {furthest:.4g} from path[0], further than eps = {eps:.4g}: give the attack's own eps, "
            "and the clean image as path[0]"
        )
    return pixels


def _probabilities(x: Array, name: str, **axes: int) -> np.ndarray:
    p = read(x, name, **axes)
    if p.min() < 0 or p.max() > 1 + 1e-6:
        raise ValueError(f"{name} must lie in 0 ... 1, found {p.min():g} ... {p.max():g}; logits need a softmax first")
    return p


def _bytes(image: np.ndarray) -> np.ndarray:
    """float (3, H, W) in [0, 1] as uint8 (H, W, 3)."""
    return np.rint(255 * image.clip(0, 1)).astype(np.uint8).transpose(1, 2, 0)
