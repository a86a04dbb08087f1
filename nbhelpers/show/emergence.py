"""When categories leave the centre: mean strength along training, above the network's accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np

from nbhelpers.images import ImageSet
from nbhelpers.maths.arrays import Array
from nbhelpers.show.arrays import read
from nbhelpers.show.directions import by_category
from nbhelpers.show.highlights import highlights
from nbhelpers.show.page.picture import Picture
from nbhelpers.show.page.table import NOTHING, Cell, Table
from nbhelpers.show.style import INK, styled
from nbhelpers.show.text import entry, visible


@styled
def emergence(
    epochs: Sequence[float],
    strengths: Array,
    images: ImageSet,
    *,
    accuracy: Sequence[float],
    alt: str,
    coloured: Sequence[str] | None = None,
) -> Picture:
    """Draw the mean strength of every category at every checkpoint, and the accuracy below.

    Checkpoints stand at equal distances.

    Parameters
    ----------
    epochs : sequence of float, (S,)
        Passes over the training images at each checkpoint.
    strengths : array, (S, N)
        ``||g||`` of every image at every checkpoint.
    images : ImageSet
    accuracy : sequence of float, (S,)
        Share of images classified correctly.
    coloured : sequence of str, optional
        The names of up to ten categories to colour. By default all of ten or fewer; of more, the ten that have the most
        images, among equals the strongest in the end. The others are thin grey lines; the table tells of all.

    Examples
    --------
    >>> images = ImageSet(np.zeros((2, 3, 8, 8), np.uint8), np.array([0, 1]), ("coat", "bag"), "held_out")
    >>> emergence([0, 1], [[0.0, 0.1], [2.0, 1.0]], images, accuracy=[0.5, 1.0], alt="Two lines rise.")
    Two lines rise.
    """
    length = read(strengths, "strengths", epochs=len(epochs), images=len(images))
    accuracy = read(accuracy, "accuracy", epochs=len(epochs))
    categories = list(map(visible, images.categories))
    means = np.full((len(categories), len(epochs)), np.nan)
    for category in np.unique(images.labels):
        means[category] = length[:, images.labels == category].mean(axis=1)
    lit = highlights(categories, *by_category(images.labels, length[-1], len(categories)), coloured)
    ticks = [f"{epoch:.2g}" for epoch in epochs]
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(6.9, 4.6), sharex=True, height_ratios=(3, 1))
    for category in lit.others:
        rest = lit.rest if category == lit.others[0] else None
        top.plot(means[category], lw=0.7, alpha=0.5, color=lit.hue(category), label=rest)
    for category in lit.chosen:
        look = {"color": lit.hue(category), "marker": lit.marker(category), "mec": INK["light"], "mew": 0.5}
        top.plot(means[category], ms=5, lw=1.8, label=entry(categories[category]), **look)
    top.set_ylabel("mean strength")
    top.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    bottom.plot(accuracy, color=INK["light"], marker="o", ms=4)
    bottom.axhline(1 / len(categories), color=INK["light"], lw=0.8, ls=":")
    bottom.annotate("guessing", (len(epochs) - 1, 1 / len(categories)), ha="right", va="bottom", fontsize=8.5)
    bottom.set(ylabel="accuracy", ylim=(0, 1), xlabel="epoch", xticks=range(len(epochs)), xticklabels=ticks)
    rows = [
        [name, *(Cell(f"{mean:.2f}", float(mean)) if np.isfinite(mean) else NOTHING for mean in line)]
        for name, line in zip(categories, means, strict=True)
    ]
    rows.append(["all: accuracy", *(Cell(f"{share:.0%}", float(share)) for share in accuracy)])
    caption = "Mean strength of each category at each epoch, and the share of images that it classifies correctly"
    return Picture(figure, alt=alt, table=Table(["category", *(f"epoch {tick}" for tick in ticks)], rows, caption))
