"""What a report says of each image: where its feature points, how far, and how well that fits its folder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import entr, log_softmax

from nbhelpers.method.activations import Activations
from nbhelpers.method.samples import SampleProjection

CHOSEN, FEW = 12, 4
"""Images whose regions are looked at; of them at most so many because they are suspect, or because they say little."""
FITTED = 5000
"""Images that the projection is fitted to, by lot, where there are more; all are projected."""
KINDS = ("suspect", "says least", "by lot")


@dataclass(frozen=True)
class Findings:
    """What the network and its projection say of N images, and how much their folders are to be doubted.

    Attributes
    ----------
    labels, said : int64 (N,)
        The category of each image's folder, and the one that the network names.
    p, q : float64 (N, C)
        Of the network (T = 1), and of the projection.
    g : float64 (N, 3)
    angles : float64 (N, C)
        Degrees between g and the direction of each category; 90 where g is zero.
    loss : float64 (N,)
        -log P of the folder's category.
    """

    labels: np.ndarray
    said: np.ndarray
    p: np.ndarray
    q: np.ndarray
    g: np.ndarray
    angles: np.ndarray
    loss: np.ndarray

    @property
    def strength(self) -> np.ndarray:
        """Length of g, (N,)."""
        return np.linalg.norm(self.g, axis=1)

    @property
    def entropy(self) -> np.ndarray:
        """Of P, in nats, (N,)."""
        return entr(self.p).sum(axis=1)

    @property
    def accuracy(self) -> float:
        """Share of images for which the network names their folder."""
        return float(np.mean(self.said == self.labels))

    def of(self, values: np.ndarray, categories: np.ndarray) -> np.ndarray:
        """One number an image out of (N, C): that of its own entry of ``categories``."""
        return values[np.arange(len(values)), categories]

    @property
    def suspects(self) -> np.ndarray:
        """The images that are taken for another category than their folder's, the most suspect first."""
        wrong = np.flatnonzero(self.said != self.labels)
        return wrong[np.argsort(-self.loss[wrong], kind="stable")]

    @property
    def faintest(self) -> np.ndarray:
        """All images, that with the shortest g first."""
        return np.argsort(self.strength, kind="stable")

    def chosen(self, random_state: int = 0) -> dict[int, str]:
        """The images whose regions are looked at, and which of :data:`KINDS` each is; none twice."""
        lot = np.random.default_rng(random_state).permutation(len(self.labels))
        orders, counts = (self.suspects, self.faintest, lot), (FEW, FEW, CHOSEN)
        why: dict[int, str] = {}
        for kind, order, count in zip(KINDS, orders, counts, strict=True):
            fresh = [int(image) for image in order if int(image) not in why]
            why |= dict.fromkeys(fresh[: min(count, CHOSEN - len(why))], kind)
        return why


def find(activations: Activations, samples: SampleProjection) -> Findings:
    """What is said of each image.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(60) % 3
    >>> features = 5 * np.eye(3)[labels] + rng.normal(size=(60, 3))
    >>> moved = np.where(np.arange(60) == 7, 2, labels)
    >>> there = Activations(features, features, moved, ("cat", "dog", "car"))
    >>> findings = find(there, SampleProjection(n_components=2).fit(features, features))
    >>> int(findings.suspects[0]), int(labels[7]), int(findings.said[7])
    (7, 1, 1)
    """
    log_p = log_softmax(activations.logits.astype(np.float64), axis=1)
    g = np.asarray(samples.transform(activations.features), np.float64)
    lengths = np.linalg.norm(g, axis=1, keepdims=True)
    cosines = np.divide(g, lengths, out=np.zeros_like(g), where=lengths > 0) @ samples.directions_.T
    labels = np.asarray(activations.labels)
    return Findings(
        labels=labels,
        said=log_p.argmax(axis=1),
        p=np.exp(log_p),
        q=np.asarray(samples.predict_proba(activations.features), np.float64),
        g=g,
        angles=np.degrees(np.arccos(np.clip(cosines, -1, 1))),
        loss=-log_p[np.arange(len(labels)), labels],
    )
