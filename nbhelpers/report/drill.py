"""How well suspect labels are ranked here: some labels are changed by lot, and the ranking has to find them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.metrics import roc_auc_score

from nbhelpers.report.findings import Findings

SHARE, ROUNDS = 0.05, 10
"""Of the labels is changed in each of so many rounds."""
LEAST = 1e-300
"""Probabilities are taken of at least this much, so that their logarithm is a number."""


def _loss(findings: Findings, labels: np.ndarray) -> np.ndarray:
    return -np.log(np.maximum(findings.of(findings.p, labels), LEAST))


def _confident(findings: Findings, labels: np.ndarray) -> np.ndarray:
    """Confident learning (Northcutt et al., 2021): P less its mean over the images labelled with a category."""
    mean = [findings.p[labels == c, c].mean() if (labels == c).any() else 0.0 for c in range(findings.p.shape[1])]
    return _margin(findings.p - np.array(mean), labels)


def _pull(findings: Findings, labels: np.ndarray) -> np.ndarray:
    """How far g reaches towards another arrow, less how far towards that of its label."""
    return findings.strength * _margin(np.cos(np.radians(findings.angles)), labels)


def _surprise(findings: Findings, labels: np.ndarray) -> np.ndarray:
    return -np.log(np.maximum(findings.of(findings.q, labels), LEAST))


def _margin(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The largest score of another category, less that of the label."""
    own = np.eye(scores.shape[1], dtype=bool)[labels]
    return np.where(own, -np.inf, scores).max(axis=1) - scores[own]


RANKINGS: dict[str, Callable[[Findings, np.ndarray], np.ndarray]] = {
    "the loss of the label (−log P)": _loss,
    "the pull of the arrow (its strength times the difference of two cosines)": _pull,
    "the surprise of the projection (−log Q)": _surprise,
    "confident learning (the margin of P, corrected by category)": _confident,
}
"""How suspect a label is, from what is found of the images and their labels; the first ranks those of a report.

It was chosen on one half of the training images of Imagenette (MobileNet-V2, ten of its outputs) and of scenes
(VGG-16). On the other halves and on held-out images, 20 rounds each, the loss has AUROC .9999, .9999, .9955 and .9920;
the pull in three dimensions .9991, .9989, .9901 and .9866; in as many as there are categories less one
.9999, .9998, .9941 and .9900. So a projection does not beat the loss: where P is calibrated and labels are changed
evenly, no ranking of one image at a time can.
"""


def drill(findings: Findings, random_state: int = 0) -> dict[str, np.ndarray]:
    """How often each ranking puts a changed label before an unchanged one (AUROC), round by round.

    Each round changes :data:`SHARE` of the labels, at least one, to another category by lot. Labels of a folder that
    were wrong before count as unchanged, so that the numbers are rather too low than too high.

    Returns
    -------
    dict of str to (ROUNDS,)

    Examples
    --------
    >>> from nbhelpers.method.activations import Activations
    >>> from nbhelpers.method.samples import SampleProjection
    >>> from nbhelpers.report.findings import find
    >>> labels = np.arange(60) % 3
    >>> features = 5 * np.eye(3)[labels] + np.random.default_rng(0).normal(size=(60, 3))
    >>> there = Activations(features, features, labels, ("cat", "dog", "car"))
    >>> rounds = drill(find(there, SampleProjection(n_components=2).fit(features, features)))
    >>> all(auroc.mean() > 0.95 for auroc in rounds.values())
    True
    """
    n, categories = findings.p.shape
    rounds: dict[str, list[float]] = {name: [] for name in RANKINGS}
    for turn in range(ROUNDS):
        generator = np.random.default_rng((random_state, turn))
        changed = np.zeros(n, bool)
        changed[generator.choice(n, max(1, round(SHARE * n)), replace=False)] = True
        labels = np.where(
            changed, (findings.labels + generator.integers(1, categories, n)) % categories, findings.labels
        )
        for name, rank in RANKINGS.items():
            rounds[name].append(roc_auc_score(changed, rank(findings, labels)))
    return {name: np.array(its) for name, its in rounds.items()}
