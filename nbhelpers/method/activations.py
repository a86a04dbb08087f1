"""What a network computed for N images: the only thing that the method's own modules ever see."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nbhelpers.maths.arrays import check_labels, check_same_length


@dataclass(frozen=True)
class Activations:
    """Logits, sample features and regional features of N images.

    An epoch, a layer, an attacked image or a student differ only in the numbers held here: all downstream takes them.

    Parameters
    ----------
    logits : ndarray of shape (N, C)
        Outputs of the last fully connected layer, z.
    features : ndarray of shape (N, D)
        Inputs of the last fully connected layer, f.
    labels : ndarray of shape (N,)
        True categories, ``0 ... C - 1``.
    categories : tuple of str
        The C names.
    regions : dict of str to ndarray of shape (N, K, H, W)
        Regional features f^(r) of the recorded layers, by layer name.

    Raises
    ------
    ValueError
        If the arrays describe different numbers of images or categories.

    Examples
    --------
    >>> import numpy as np
    >>> a = Activations(np.zeros((2, 3)), np.zeros((2, 5)), np.array([0, 2]), ("cat", "dog", "car"))
    >>> len(a), a.accuracy
    (2, 0.5)
    """

    logits: np.ndarray
    features: np.ndarray
    labels: np.ndarray
    categories: tuple[str, ...]
    regions: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        regions = {f"regions of {layer}": array for layer, array in self.regions.items()}
        check_same_length(logits=self.logits, features=self.features, labels=self.labels, **regions)
        if self.logits.ndim != 2 or self.logits.shape[1] != len(self.categories):
            raise ValueError(f"logits of shape {self.logits.shape} do not fit {len(self.categories)} categories")
        check_labels(self.labels, len(self.categories))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def accuracy(self) -> float:
        """Share of images whose largest logit is the true category, in [0, 1]."""
        return float(np.mean(self.logits.argmax(axis=1) == self.labels))
