"""From what a user names to a report: the network, its weights, its outputs for the folders, the images."""

from __future__ import annotations

# ruff: noqa: E402
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nbhelpers.extras import require
from nbhelpers.files import tell
from nbhelpers.images import ImageSet
from nbhelpers.networks.network import Network
from nbhelpers.networks.recording import record

require("data")
require("figures")

from nbhelpers.datasets.imagenet import NAMES
from nbhelpers.datasets.telling import shown
from nbhelpers.networks.discovery import discover
from nbhelpers.networks.weights import start_from
from nbhelpers.report.look import WORK, look
from nbhelpers.report.outputs import check_order, match_outputs
from nbhelpers.report.photographs import photographs
from nbhelpers.report.source import BUNDLED, RANDOM, load_model

SIDE = 224
"""Of images for a network that does not say what it wants."""
ASKED = 200
"""Images that tell whether the order of the alphabet is that of the outputs."""


def report(
    model: str,
    images: Path,
    out: Path,
    *,
    weights: str | None = None,
    listed: Path | None = None,
    limit: int | None = None,
    layers: Sequence[str] | None = None,
    grid: tuple[int, int] | None = None,
    side: int | None = None,
    scaling: tuple[Sequence[float], Sequence[float]] | None = None,
) -> Path:
    """Do what ``nbhelpers look`` is asked for; the parameters are its arguments, the result is the page.

    Raises
    ------
    ValueError, OSError
        The message is what the shell shows.
    """
    check_places(images, out)
    settings: dict[str, Any] = {} if scaling is None else dict(zip(("mean", "std"), scaling, strict=True))
    settings |= {} if side is None else {"size": side}
    body = load_model(model, weights)
    network = body if isinstance(body, Network) else discover(body, **settings)
    if weights not in (None, RANDOM):
        _read_weights(network, weights)
    photos, files, left_out = photographs(images, side or max(network.size or (SIDE,)), limit)
    names = NAMES if model == BUNDLED else network.names
    names = names and [names[output] for output in network.outputs]
    outputs = match_outputs(photos.categories, len(network.outputs), names, listed)
    network = network.picking([network.outputs[index] for index in outputs.indices])
    photos = replace(photos, categories=outputs.categories)
    tell(repr(network))
    if outputs.by_order:
        _check_order(network, photos)
    notes = [f"The network is {shown(model)}{_of(weights)}.", outputs.how]
    notes += [f"Left out, or not read as it stands: {left_out}."] if left_out else []
    title = f"{shown(model)} on {shown(images.resolve().name)}"
    return look(network, photos, out, layers=layers, grid=grid, files=files, title=title, notes=notes)


def check_places(images: Path, out: Path) -> None:
    """Refuse to write among the images, or over what is no report."""
    if not images.is_dir():
        raise OSError(f"--images {shown(images)} is no folder; it should hold a folder of images for each category")
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {shown(out)} is a file, where a folder is needed")
    if out.resolve().is_relative_to(images.resolve()):
        raise ValueError(f"--out {shown(out)} lies in the folder of images, and would become a category of it")
    if out.is_dir() and os.listdir(out) and not (out / WORK).is_dir():
        raise ValueError(f"--out {shown(out)} holds something else than a report: choose a new or an empty folder")


def _read_weights(network: Network, weights: str) -> None:
    if left := start_from(network, weights):
        raise ValueError(
            f"{weights} has no weights of this shape for {', '.join(left)}: a report needs the network as it was "
            "trained; give one with as many outputs, as FILE.py:FUNCTION"
        )


def _check_order(network: Network, images: ImageSet) -> None:
    lot = np.random.default_rng(0).permutation(len(images))[:ASKED]
    activations = record(network, images.subset(np.sort(lot)))
    check_order(activations.logits, activations.labels, images.categories)


def _of(weights: str | None) -> str:
    if weights is None:
        return ""
    if weights == RANDOM:
        return ", with random weights: it has learned nothing"
    return f", with the weights of {shown(Path(weights).name)}"
