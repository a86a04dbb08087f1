"""Regions counted: knowledge points along training (Fig. 6), agreement image by image, and where points lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from nbhelpers.maths.arrays import Array
from nbhelpers.show.arrays import columns, same_names
from nbhelpers.show.page.picture import Picture
from nbhelpers.show.page.table import minus
from nbhelpers.show.style import CARD, COLOURS, FAINT, INK, styled
from nbhelpers.show.text import entry, named, short, ticks, visible

HATCHES = ("", "///", "...", "xxx")
Rows = Sequence[Mapping[str, float | None]]


@styled
def points_along(epochs: Sequence[float], runs: Sequence[Mapping[str, Rows]], *, alt: str) -> Picture:
    """Draw knowledge points per image, all and reliable, and the reliable ratio of each layer along training (Fig. 6).

    One panel a layer, all on the same scales, with the last numbers written out. The first run has markers, and bands
    one standard deviation over images to either side of the counts; further runs, such as other seeds, are thin lines.
    Checkpoints stand at equal distances.

    Parameters
    ----------
    epochs : sequence of float, (S,)
        Passes over the training images at each checkpoint.
    runs : sequence of mapping of str to sequence
        For each run and layer one row a checkpoint: ``total``, ``total_std``, ``reliable``, ``reliable_std``, ``ratio``
        (or None).

    Raises
    ------
    ValueError
        If there is no run or layer, runs differ in layers, or rows do not fit the epochs.

    Examples
    --------
    >>> row = {"total": 20.0, "total_std": 1.0, "reliable": 10.0, "reliable_std": 1.0, "ratio": 0.5}
    >>> points_along([0, 1], [{"conv_53": [row, row]}], alt="Always 20 points, half of them reliable.")
    Always 20 points, half of them reliable.
    """
    layers = same_names("layers of runs", runs)
    counts = {len(rows) for run in runs for rows in run.values()}
    if counts != {len(epochs)}:
        raise ValueError(f"every layer must have one row for each of the {len(epochs)} epochs, got {counts}")
    names = "total", "total_std", "reliable", "reliable_std", "ratio"
    read = [{layer: columns(run[layer], *names) for layer in layers} for run in runs]
    top = 1.35 * max(run[layer]["total"].max() for run in read for layer in layers) or 1.0  # room for a legend
    place = np.arange(len(epochs))
    black, blue = {"color": INK["light"], "ls": "-"}, {"color": COLOURS[0], "ls": "--"}
    panels = []
    for layer in layers:
        figure, (above, below) = plt.subplots(2, 1, figsize=(2.25, 3.7), sharex=True, height_ratios=(3, 2))
        lines = (above, "total", black, "o"), (above, "reliable", blue, "s"), (below, "ratio", blue, "s")
        for run in read[1:]:
            for axes, what, look, _ in lines:
                axes.plot(run[layer][what], lw=0.8, alpha=0.7, **look)
        first = read[0][layer]
        for axes, what, look, mark in lines:
            mean, deviation = first[what], first.get(f"{what}_std")
            axes.plot(mean, lw=1.8, ms=3.5, marker=mark, label="all" if what == "total" else what, **look)
            if deviation is not None:
                axes.fill_between(place, mean - deviation, mean + deviation, color=look["color"], alpha=0.18, lw=0)
            if np.isfinite(mean[-1]):
                text = f"{mean[-1]:.2f}" if mean[-1] < 1 else f"{mean[-1]:.0f}"
                at = place[-1], mean[-1]
                axes.annotate(text, at, (5, 0), textcoords="offset points", va="center", fontsize=8.5)
        tight = {"columnspacing": 0.8, "handlelength": 1.7, "borderaxespad": 0}
        above.legend(fontsize=8.5, loc="upper right", ncols=2, **tight)
        above.set(title=visible(layer), ylabel="points per image", ylim=(0, top))
        below.set(ylabel="reliable ratio", ylim=(0, 1), yticks=(0, 0.5, 1), xlabel="epoch")
        every = 1 if len(epochs) <= 5 else 3  # as many as there is room for, the last one in any case
        shown = place[(len(epochs) - 1) % every :: every]
        below.set_xticks(shown, [f"{epochs[i]:.2g}" for i in shown])
        below.set_xticks(place, minor=True)
        figure.supxlabel("bands: ± 1 std over images", fontsize=8)
        panels.append(figure)
    return Picture(panels, alt=alt)


@styled
def agreement(values: Mapping[str, Array], *, alt: str) -> Picture:
    """Draw how two maps agree in each image: a dot an image, a bar over the middle half, and the mean with its number.

    Parameters
    ----------
    values : mapping of str to array, (N,)
        Pearson's correlation over the regions of each image; NaN, where it is undefined, is left out and counted.

    Raises
    ------
    ValueError
        If there is no row, a row has no number, or a correlation lies outside -1 ... 1.

    Examples
    --------
    >>> agreement({"w and Shapley": [0.9, 0.7, float("nan")]}, alt="Two images agree, one has no correlation.")
    Two images agree, one has no correlation.
    """
    if not values:
        raise ValueError("values is empty: give the correlations of at least one pair of maps")
    rows = {}
    for name, correlations in named(values).items():
        r = np.asarray(correlations, dtype=float)
        known = r[~np.isnan(r)]
        furthest = np.abs(known).max(initial=0)
        if r.ndim != 1 or not len(known) or furthest > 1 + 1e-6:
            raise ValueError(
                f"values[{name!r}] must be correlations in -1 ... 1, one an image, got shape {r.shape} with "
                f"{len(known)} numbers up to {furthest:g}"
            )
        undefined = f", {len(r) - len(known)} undefined" if len(known) < len(r) else ""
        rows[f"{short(name)} ({len(known)} images{undefined})"] = known
    jitter = np.random.default_rng(0)
    figure, axes = plt.subplots(figsize=(4.9, 0.72 * len(rows) + 0.6))
    for row, (label, known) in enumerate(rows.items()):
        hue = COLOURS[row % len(COLOURS)]
        axes.plot(known, row + jitter.uniform(0.08, 0.4, len(known)), "o", ms=2.2, color=hue, alpha=0.4, mew=0)
        low, median, high = np.percentile(known, [25, 50, 75])
        axes.plot([low, high], [row, row], color=hue, lw=7, alpha=0.5, solid_capstyle="butt")
        axes.plot(median, row, "|", ms=9, mew=1.6, color=INK["light"])
        axes.plot(known.mean(), row, "D", ms=6, color=hue, mec=INK["light"], zorder=4)
        said = minus(f"mean {known.mean():.2f} ± {known.std():.2f}")
        look = {"transform": axes.get_yaxis_transform(), "va": "center", "backgroundcolor": CARD}
        axes.text(0, row - 0.3, label, ha="left", **look)
        axes.text(1, row - 0.3, said, ha="right", weight="bold", **look)
    axes.axvline(0, color=FAINT, lw=0.8, ls=":", zorder=0)
    lowest = min(0.0, *(known.min() for known in rows.values()))
    axes.set(xlim=(lowest - 0.03, 1.03), ylim=(len(rows) - 0.5, -0.5), yticks=[])
    axes.set_xlabel("Pearson's r over the regions of each image")
    axes.spines["left"].set_visible(False)
    return Picture(figure, alt=alt)


@styled
def shares(rows: Mapping[str, Mapping[str, float]], *, alt: str, chance: Mapping[str, float]) -> Picture:
    """Draw which share of the points lies at each place, beside what chance by area would give.

    Below each percentage stands its multiple of chance.

    Parameters
    ----------
    rows : mapping of str to mapping
        At most four kinds of points, and the share (0 ... 1) of each that lies at each place.
    chance : mapping of str to float
        Share of all regions that each place has.

    Raises
    ------
    ValueError
        If there is no row or more than four, a row has other places than ``chance``, or a share is not in 0 ... 1.

    Examples
    --------
    >>> rows = {"reliable": {"object": 0.4, "background": 0.6}}
    >>> shares(rows, chance={"object": 0.2, "background": 0.8}, alt="Twice as often on the object as by area.")
    Twice as often on the object as by area.
    """
    if not 1 <= len(rows) <= len(HATCHES):
        raise ValueError(f"rows must hold 1 ... {len(HATCHES)} kinds of points, so that they differ; got {len(rows)}")
    places = same_names("places", [chance, *rows.values()])
    outside = [share for row in rows.values() for share in row.values() if not 0 <= share <= 1]
    if outside:
        raise ValueError(f"rows must hold shares in 0 ... 1, found {outside[0]}")
    width = 0.84 / (len(rows) + 1)
    start = np.arange(len(places)) - 0.42 + width / 2
    groups = len(rows) + 1
    figure, axes = plt.subplots(figsize=(np.clip(0.36 * groups * len(places) + 0.6, 4.4, 6.9), 3))
    looks = [{"color": hue, "hatch": hatch, "lw": 0.6} for hue, hatch in zip(COLOURS, HATCHES, strict=False)]
    looks[len(rows) :] = [{"color": "none", "ls": "--"}]
    names = [*map(visible, rows), "all regions (chance)"]
    for number, (name, row) in enumerate(zip(names, [*rows.values(), chance], strict=True)):
        at = start + number * width
        axes.bar(at, [row[p] for p in places], 0.92 * width, label=entry(name), edgecolor=INK["light"], **looks[number])
        for x, p in zip(at, places, strict=True):
            multiple = f"\n{row[p] / chance[p]:.1f}×" if chance[p] and number < len(rows) else ""
            look = {"ha": "center", "va": "bottom", "fontsize": 8}
            axes.annotate(f"{row[p]:.0%}{multiple}", (x, row[p]), (0, 2), textcoords="offset points", **look)
    axes.set(xticks=range(len(places)), xticklabels=ticks(places), yticks=[])
    axes.tick_params(axis="x", length=0)
    axes.spines["left"].set_visible(False)
    axes.margins(y=0.2)
    axes.legend(fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
    return Picture(figure, alt=alt)
