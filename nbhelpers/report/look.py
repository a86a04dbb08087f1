"""A report on any network and a folder of photographs: recorded, fitted, judged, written; stopped, it goes on."""

from __future__ import annotations

# ruff: noqa: E402
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import nbhelpers
from nbhelpers.extras import require
from nbhelpers.files import tell
from nbhelpers.images import ImageSet
from nbhelpers.method.activations import Activations
from nbhelpers.method.samples import SampleProjection
from nbhelpers.networks.network import Network
from nbhelpers.networks.recording import record

require("data")
require("figures")

from nbhelpers.estimators import load_estimator, save_estimator
from nbhelpers.networks.tensors import digest
from nbhelpers.report.content import Content
from nbhelpers.report.drill import drill
from nbhelpers.report.estimate import estimate, in_minutes
from nbhelpers.report.findings import FITTED, find
from nbhelpers.report.numbers import write_numbers
from nbhelpers.report.page import write_page
from nbhelpers.report.regions import (
    MOST,
    LayerView,
    choose_layers,
    common_grid,
    control_lengths,
    points_by_layer,
    shapley_values,
    try_tail,
    view_layer,
)
from nbhelpers.report.trust import judge, of_regions
from nbhelpers.report.work import Work

ARROWS = "arrows.safetensors"
"""The fitted projection, for :func:`nbhelpers.load_estimator`."""
WORK = "work"
"""The folder, in that of a report, where finished stages are kept."""
TRIED = 8
"""Images that tell how long a report will take."""
FEWEST = 20
"""Images that a report needs: half of them are judged by a fit to the other half."""


def look(
    network: Network,
    images: ImageSet,
    out: str | Path,
    *,
    layers: Sequence[str] | None = None,
    grid: tuple[int, int] | None = None,
    files: Sequence[str] | None = None,
    title: str = "What a network sees in a folder of images",
    notes: Sequence[str] = (),
) -> Path:
    """Write a report on what a network says of images: a page that opens in any browser, and all numbers as CSV.

    Parameters
    ----------
    network : Network
        Its outputs are the categories of the images, in their order.
    images : ImageSet
        N images with the labels that are to be looked at; they may lie on disk.
    out : path
        A folder, which is made. What is finished is kept in ``work`` in it, so that a stopped report goes on there.
    layers : sequence of str, optional
        Whose regions are compared, shallow to deep; by default the last three that have regions.
    grid : (int, int), optional
        Rows and columns of regions; by default the deepest layer's own, halved until there are at most 8.
    files : sequence of str, optional
        A name for each image; their numbers by default.
    title : str
    notes : sequence of str
        Sentences for the end of the page, such as how categories were told.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    ValueError
        If outputs and categories differ in number, there are too few images, or a layer has no such regions.

    Examples
    --------
    >>> look(network, photographs, "report")  # doctest: +SKIP
    PosixPath('report/index.html')
    """
    folder, notes = Path(out), list(notes)
    if len(images) < FEWEST:
        raise ValueError(f"a report needs at least {FEWEST} images, got {len(images)}")
    names = list(map(str, range(len(images)))) if files is None else list(files)
    tried = images.subset(np.linspace(0, len(images) - 1, TRIED).astype(int))
    shapes = {layer: its.shape[1:] for layer, its in record(network, tried, tuple(network.layers)).regions.items()}
    shown = choose_layers(shapes, layers)
    heard, tail = try_tail(network, shown[-1], tried)
    if not heard:
        notes.append(f"{shown[-1]} is left out: the network's outputs do not depend on its regions.")
        del shapes[shown[-1]]
        shown = choose_layers(shapes, layers and [layer for layer in layers if layer in shapes])
        _, tail = try_tail(network, shown[-1], tried)
    cells = grid or common_grid(shapes[shown[-1]][1:])
    work = Work(folder / WORK, _identity(network, images, shown, cells))
    together = len(images) <= MOST  # then one pass records all, else regions come from a second one of some images
    seconds = _forecast(network, tried, len(images), tail, {layer: shapes[layer][0] for layer in shown}, cells)
    tell(f"this takes {in_minutes(seconds)}; stopped, it goes on where it was")
    activations = _recorded(work, "recording", network, images, shown if together else (), cells)
    samples = _samples(work, activations)
    findings = find(activations, samples)
    judged = work.stage("judging the projection", lambda: judge(_some(activations, FITTED), samples))
    rounds = work.stage("trying the ranking of suspects", lambda: drill(findings))
    why = findings.chosen()
    compared = _compared(len(images), why)
    regions = activations
    if not together:
        regions = _recorded(work, "recording regions", network, images.subset(compared), shown, cells)
    regions, compared = _without_silent(regions, compared, notes)

    views = {
        layer: LayerView(**work.stage(f"regions of {layer}", lambda layer=layer: view_layer(regions, samples, layer)))
        for layer in shown
    }
    deepest = views[shown[-1]]
    controls = work.stage("controls", lambda: control_lengths(regions, samples, shown[-1], deepest.weights))
    place_of = {image: place for place, image in enumerate(compared.tolist())}
    places = {place_of[image]: kind for image, kind in why.items() if image in place_of}
    few = compared[list(places)]
    shapley = _shapley(work, network, images.subset(few), shown[-1], findings.said[few], cells, notes)
    content = Content(
        title=title,
        images=images,
        files=names,
        samples=samples,
        findings=findings,
        judged=judged,
        rounds=rounds,
        compared=compared,
        chosen=places,
        views=views,
        points=points_by_layer(views, samples, findings.labels[compared]),
        correlations=of_regions(deepest, controls, np.array(list(places)), shapley.get("values")),
        shapley=shapley,
        grid=cells,
        notes=notes,
        seconds=work.seconds,
    )
    save_estimator(samples, folder / ARROWS)
    return write_page(content, [*write_numbers(content, folder), ARROWS], folder)


def _identity(network: Network, images: ImageSet, layers: Sequence[str], grid: tuple[int, int]) -> dict:
    """What all stages rest on."""
    return {
        "version": nbhelpers.__version__,
        "weights": digest(network.state_dict()),
        "images": images.fingerprint,
        "categories": list(images.categories),
        "outputs": list(network.outputs),
        "layers": list(layers),
        "grid": list(grid),
    }


def _recorded(
    work: Work, name: str, network: Network, images: ImageSet, layers: Sequence[str], grid: tuple[int, int]
) -> Activations:
    """What the network computes, kept batch by batch."""
    kept = work.path(name, "")
    return work.timed(name, lambda: record(network, images, layers, grid=grid if layers else None, folder=kept))


def _forecast(
    network: Network, tried: ImageSet, images: int, tail: float, channels: Mapping[str, int], grid: tuple[int, int]
) -> dict[str, float]:
    """Seconds by stage, from a few images."""
    start = time.perf_counter()
    activations = record(network, tried, tuple(channels), grid=grid)
    each = (time.perf_counter() - start) / len(tried)
    features = activations.features.shape[1]
    return estimate(each, tail, images, min(images, MOST), features, channels, grid[0] * grid[1])


def _samples(work: Work, activations: Activations) -> SampleProjection:
    """The projection, read or fitted and kept."""
    path = work.path("arrows", ".safetensors")

    def fit() -> SampleProjection:
        try:
            return load_estimator(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            tell(f"{error}: it is fitted anew")
        some = _some(activations, FITTED)
        samples = SampleProjection().fit(some.features, some.logits)
        save_estimator(samples, path)
        return samples

    return work.timed("fitting the arrows", fit)


def _some(activations: Activations, most: int) -> Activations:
    """At most so many images, by lot, without their regions."""
    a, order = activations, np.random.default_rng(0).permutation(len(activations))[:most]
    return Activations(a.logits[order], a.features[order], a.labels[order], a.categories)


def _compared(count: int, why: dict[int, str]) -> np.ndarray:
    """The images whose regions are compared: the chosen ones, and others by lot."""
    lot = np.random.default_rng(1).permutation(count).tolist()
    return np.sort(np.array(list(dict.fromkeys([*why, *lot]))[:MOST]))


def _without_silent(regions: Activations, compared: np.ndarray, notes: list[str]) -> tuple[Activations, np.ndarray]:
    """Images of which a layer says nothing at all have nothing to compare."""
    loud = np.array([all(np.any(its[i]) for its in regions.regions.values()) for i in range(len(regions))])
    if loud.all():
        return regions, compared
    notes.append(
        f"{int((~loud).sum())} images are left out where regions are compared: all regions of a layer are zero."
    )
    kept = {layer: its[loud] for layer, its in regions.regions.items()}
    return (
        Activations(regions.logits[loud], regions.features[loud], regions.labels[loud], regions.categories, kept),
        compared[loud],
    )


def _shapley(
    work: Work,
    network: Network,
    images: ImageSet,
    layer: str,
    targets: np.ndarray,
    grid: tuple[int, int],
    notes: list[str],
) -> dict[str, np.ndarray]:
    """Shapley values of the chosen images; none, and a note, where no tail leads on from the layer alone."""
    try:
        return work.stage(
            "Shapley values",
            lambda: shapley_values(network, layer, images, targets, grid),
        )
    except ValueError as error:
        notes.append(f"There are no Shapley values: {error}.")
        tell(notes[-1])
        return {}
