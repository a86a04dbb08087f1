"""All that a report tells, before it is a page or files of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nbhelpers.images import ImageSet
from nbhelpers.method.knowledge import KnowledgePoints
from nbhelpers.method.samples import SampleProjection
from nbhelpers.report.findings import Findings
from nbhelpers.report.regions import LayerView
from nbhelpers.show.directions import angles


@dataclass(frozen=True)
class Content:
    """What was found of N images, and of the regions of n of them.

    Attributes
    ----------
    title : str
    images : ImageSet
        N images, in the categories of their folders.
    files : sequence of str
        The name of each image's file.
    samples : SampleProjection
    findings : Findings
    judged, rounds : mapping of str to array
        As of :func:`~nbhelpers.report.trust.judge` and :func:`~nbhelpers.report.drill.drill`.
    compared : int64 (n,)
        The images whose regions were compared.
    chosen : mapping of int to str
        The places in ``compared`` of the few images whose regions are shown, and why each was chosen.
    views, points : mapping
        By layer, shallow to deep: what regions say, and knowledge points.
    correlations : mapping of str to array
        Of the deepest layer, as of :func:`~nbhelpers.report.trust.of_regions`.
    shapley : mapping of str to (m, R) array
        Of the chosen images in the deepest layer: ``values`` and ``errors``; empty where there is no such tail.
    grid : (int, int)
        Rows and columns of regions.
    notes : sequence of str
        Sentences on how the report was made and on what was left out.
    seconds : mapping of str to float
        What each stage took.
    """

    title: str
    images: ImageSet
    files: Sequence[str]
    samples: SampleProjection
    findings: Findings
    judged: Mapping[str, np.ndarray]
    rounds: Mapping[str, np.ndarray]
    compared: np.ndarray
    chosen: Mapping[int, str]
    views: Mapping[str, LayerView]
    points: Mapping[str, KnowledgePoints]
    correlations: Mapping[str, np.ndarray]
    shapley: Mapping[str, np.ndarray]
    grid: tuple[int, int]
    notes: Sequence[str]
    seconds: Mapping[str, float]

    @property
    def deepest(self) -> str:
        """The last layer of the views."""
        return list(self.views)[-1]

    @property
    def confusion(self) -> np.ndarray:
        """Images by the category of their folder and by the one that the network names, (C, C)."""
        counts = np.zeros((len(self.images.categories),) * 2, np.int64)
        np.add.at(counts, (self.findings.labels, self.findings.said), 1)
        return counts

    @property
    def between(self) -> np.ndarray:
        """Degrees between the directions of the categories, (C, C)."""
        mu = self.samples.directions_
        return angles(mu[:, None], mu)
