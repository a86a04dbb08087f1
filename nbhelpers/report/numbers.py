"""All numbers of a report as files of comma-separated values, in UTF-8, with full precision."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nbhelpers.files import replace_file
from nbhelpers.report.content import Content
from nbhelpers.report.trust import JUDGED, LENGTHS, TEMPERATURES, mean_of

Rows = Iterator[Sequence[Any]]


def write_numbers(content: Content, folder: Path) -> list[str]:
    """Write every table; returns the names of the files."""
    tables = {
        "images.csv": _images(content),
        "categories.csv": _categories(content),
        "angles.csv": _matrix(content, content.between),
        "confusion.csv": _matrix(content, content.confusion),
        "points.csv": _points(content),
        "regions.csv": _regions(content),
        "trust.csv": _trust(content),
        "seconds.csv": _seconds(content),
    }
    for name, rows in tables.items():
        _write(folder / name, rows)
    return list(tables)


def _write(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow([format(cell, ".9g") if isinstance(cell, float | np.floating) else cell for cell in row])
    replace_file(path, lambda part: part.write_text(text.getvalue(), encoding="utf-8", errors="surrogateescape"))


def _images(content: Content) -> Rows:
    found, names = content.findings, content.images.categories
    yield [
        *("file", "folder", "network says", "p of that", "p of folder", "loss of folder", "suspect rank", "strength"),
        *("q of folder", "degrees to folder's arrow", "arrow nearest", "degrees to that", "g1", "g2", "g3"),
    ]
    rank = np.zeros(len(found.labels), int)
    rank[found.suspects] = np.arange(1, len(found.suspects) + 1)
    nearest = found.angles.argmin(axis=1)
    for i, (label, said) in enumerate(zip(found.labels, found.said, strict=True)):
        yield [
            *(content.files[i], names[label], names[said]),
            *(found.p[i, said], found.p[i, label], found.loss[i], rank[i] or "", found.strength[i]),
            *(found.q[i, label], found.angles[i, label], names[nearest[i]], found.angles[i, nearest[i]], *found.g[i]),
        ]


def _categories(content: Content) -> Rows:
    found = content.findings
    yield ["category", "images", "named right", "mean strength", "weight pi", "nearest", "degrees to that"]
    between = content.between + np.diag([np.inf] * len(content.between))
    for c, name in enumerate(content.images.categories):
        its, near = found.labels == c, between[c].argmin()
        right = float(np.mean(found.said[its] == c)) if its.any() else ""
        strength = float(found.strength[its].mean()) if its.any() else ""
        weight = float(content.samples.weights_[c])
        yield [name, its.sum(), right, strength, weight, content.images.categories[near], between[c, near]]


def _matrix(content: Content, values: np.ndarray) -> Rows:
    yield ["", *content.images.categories]
    for name, row in zip(content.images.categories, values, strict=True):
        yield [name, *row]


def _points(content: Content) -> Rows:
    yield ["layer", "file", "knowledge points", "reliable"]
    for layer, points in content.points.items():
        for image, total, reliable in zip(content.compared, points.total, points.reliable, strict=True):
            yield [layer, content.files[image], total, reliable]


def _regions(content: Content) -> Rows:
    """Of the chosen images in the deepest layer."""
    view = content.views[content.deepest]
    yield ["file", "chosen as", "row", "column", "w", "shapley", "standard error", "length of h", "length of f"]
    for m, (place, why) in enumerate(content.chosen.items()):
        for r in range(view.weights.shape[1]):
            values = [content.shapley[key][m, r] if content.shapley else "" for key in ("values", "errors")]
            row, column = divmod(r, content.grid[1])
            its = [view.weights[place, r], *values, view.strength[place, r], view.raw_strength[place, r]]
            yield [content.files[content.compared[place]], why, row + 1, column + 1, *its]


def _trust(content: Content) -> Rows:
    yield ["measure", "of", "value"]
    for name, value in zip(JUDGED, content.judged["explained"], strict=True):
        yield ["share of soft labels explained", name, value]
    yield ["share of images with the same favourite", "network and projection", content.judged["agreement"][0]]
    for name, row in zip(LENGTHS, content.judged["lengths"], strict=True):
        for temperature, value in zip(TEMPERATURES, row, strict=True):
            yield [f"r of length and entropy at T = {temperature:g}", name, value]
    for name, values in content.correlations.items():
        yield [f"mean r over regions: {name}", content.deepest, mean_of(values)]
    for name, values in content.rounds.items():
        yield ["AUROC of suspects, mean of rounds", name, float(values.mean())]


def _seconds(content: Content) -> Rows:
    yield ["stage", "seconds"]
    yield from content.seconds.items()
