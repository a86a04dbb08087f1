"""Sample features g = M f: the direction says which category, the length how strongly (Eq. 3-6 of the paper)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import torch
from scipy.linalg import orthogonal_procrustes
from sklearn.base import TransformerMixin
from sklearn.exceptions import ConvergenceWarning

from nbhelpers.maths.arrays import Array, on_tensors
from nbhelpers.maths.axes import frame, principal_starts, whitening_map
from nbhelpers.maths.descent import STRIDE, Descent, minimise
from nbhelpers.maths.estimator import Estimator, one_of, positive, whole, within
from nbhelpers.maths.kappa import KappaCurve
from nbhelpers.maths.radial import Loss, Opinion, concentrate, label_loss, log_posterior

EM_STEPS = {"teacher": 0, "posterior": 20}
"""Steps of expectation maximisation that follow the network's soft labels, by the name of the mixture."""

_LEAST = 1e-2  # nats; relative changes are taken of at least this much, so that an untrained network converges too


@dataclass(eq=False, repr=False)
class SampleProjection(TransformerMixin, Estimator):
    r"""Project sample features to g = M f, so that a mixture on the sphere repeats the network's soft labels.

    With strength :math:`l = \|g\|` and orientation :math:`o = g / l`, every category is a von Mises-Fisher
    distribution of o whose concentration :math:`\kappa(l)` grows with the strength, hence (Eq. 6)

    .. math::
        Q(y \mid x) \propto \pi_y\, e^{\kappa(l)\, o^\top \mu_y}.

    ``fit`` minimises the mean :math:`\mathrm{KL}(P \| Q)` to :math:`P = \mathrm{softmax}(z / T)` (Eq. 4) over M. The
    weights :math:`\pi` and directions :math:`\mu` are their maximum-likelihood estimates at every M. Instead of taking
    turns with M, they are differentiated with it, and so is :math:`\kappa`: the loss is one smooth function of M,
    minimised by L-BFGS in whitened features. It has several valleys: one principal axis of P more than needed is taken,
    each is left out in turn, and of the descents from the others the lowest end is kept, in a frame that equal data
    make equal: the first category points along the first axis, the second lies in the plane of the first two, and so
    on.

    Parameters
    ----------
    n_components : int
        Dimension of g, at least 2.
    temperature : float
        T of the network's soft labels.
    kappa_max : float
        Concentration of an infinitely strong feature.
    mixture : {"teacher", "posterior"}
        Whose responsibilities estimate the mixture: the network's P, or Q by expectation maximisation from there.
    weight_decay : float
        :math:`\lambda` of the penalty :math:`\tfrac\lambda2 (\overline{\|g\|^2} + 10^{-3} \|M\|^2)`, M in units of the
        features' root mean square length: of projections that explain the labels alike, take the weakest. The default
        was chosen by cross-validated divergence on training images. Read as a prior :math:`g \sim N(0, I / \lambda)`,
        its typical length in 3-D is :math:`\sqrt{3 / \lambda} = 17`, where :math:`\kappa(l)` has reached 9.7 of 10.
    max_iter : int
        Largest number of L-BFGS iterations.
    tol : float
        Converged when ten iterations lower the penalised loss by a smaller share than this.
    random_state : int
        Seeds a small disturbance of the starts, which frees them from the symmetries of few categories.
    device : str
        ``"auto"`` is CUDA when there is one.

    Attributes
    ----------
    components_ : (n_components, D)
        M, for features as they were given.
    directions_ : (C, n_components)
        Unit mean direction of every category.
    weights_ : (C,)
        Shares of the categories; they sum to 1.
    loss_ : float
        Mean KL(P || Q) in nats, without the penalty.
    loss_curve_ : list of float
        The same at the start and after every ten iterations.
    n_iter_ : int
        L-BFGS iterations.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> features = rng.gamma(1.0, size=(300, 8))
    >>> logits = 3 * (features[:, :4] - features[:, 4:])
    >>> projection = SampleProjection().fit(features, logits)
    >>> projection.transform(features).shape, projection.predict_proba(features).shape
    ((300, 3), (300, 4))
    >>> projection.loss_ < 0.05
    True
    """

    n_components: int = within(whole(2), 3)
    _: KW_ONLY
    temperature: float = within(positive, 4.0)
    kappa_max: float = within(positive, 10.0)
    mixture: str = within(one_of(*EM_STEPS), "teacher")
    weight_decay: float = within(positive, 0.01)
    max_iter: int = within(whole(1), 500)
    tol: float = within(positive, 1e-5)
    random_state: int = 0
    device: str = "auto"

    @on_tensors(features="N D", logits="N C")
    def fit(self, features: Array, logits: Array, *, init: SampleProjection | None = None) -> SampleProjection:
        """Learn M, the directions and the weights.

        Parameters
        ----------
        features : (N, D)
            Inputs of the last fully connected layer.
        logits : (N, C)
            Its outputs.
        init : SampleProjection, optional
            A fitted projection to start from, such as a neighbouring checkpoint's; its axes are kept.

        Raises
        ------
        ValueError
            If a parameter is out of range, arrays hold NaN or infinities or do not fit each other, there are fewer
            than two categories, fewer images or features than ``n_components``, all features are zero, or ``init`` is
            not fitted or was fitted to other numbers of features or components.
        """
        self.check_parameters()
        self._check_arrays(features, logits, init)
        log_p = torch.log_softmax(logits / self.temperature, dim=1)
        whitening = whitening_map(features)
        x = features @ whitening.T
        starts = self._starts(log_p) if init is None else [features @ init.learned("components_", features).T]
        ends = [self._minimise(start.T @ x / len(x), x, log_p) for start in starts]
        end = min(ends, key=lambda end: self._penalised(end.looks[-1].divergence, end.point))
        self.loss_curve_, self.n_iter_ = [float(loss.divergence) for loss in end.looks], end.n_iter
        if not end.converged:
            warnings.warn(
                f"SampleProjection stopped at max_iter={self.max_iter}; the last {STRIDE} iterations still lowered its "
                f"loss by {end.fall:.1e} nats: raise max_iter or weight_decay, and check that they belong together",
                ConvergenceWarning,
                stacklevel=3,
            )
        weights, loss = end.point, end.looks[-1]
        directions = loss.directions
        axes = (frame(directions.cpu()) if init is None else torch.eye(self.n_components)).to(directions)
        self.loss_ = float(loss.divergence)
        self.components_, self.directions_ = axes @ weights @ whitening, directions @ axes.T
        self.weights_ = loss.log_weights.exp()
        return self

    @on_tensors(features="N D")
    def transform(self, features: Array) -> Array:
        """(N, n_components) projected features g = M f."""
        return self._embed(features)

    @on_tensors(features="N D")
    def predict_proba(self, features: Array) -> Array:
        """(N, C) probabilities Q(y|x) of Eq. 6; rows sum to 1."""
        pull = concentrate(self._embed(features), KappaCurve(self.kappa_max, self.n_components))
        return log_posterior(pull, self.learned("weights_", pull).log(), self.learned("directions_", pull)).exp()

    @on_tensors(features="N D", embedding="N d")
    def align(self, features: Array, embedding: Array) -> SampleProjection:
        """Turn the axes so that ``transform(features)`` comes closest to ``embedding`` (orthogonal Procrustes).

        Neither Q nor any length or angle changes. The turn may be a reflection: the model cannot tell left from right,
        so that refusing it would only leave half of all fits as mirror images of the others. The centre stays, where
        there is no evidence. The features (N, D) are of the images that another projection puts at (N, n_components); a
        ``ValueError`` if they do not fit, or this projection is not fitted.
        """
        g = self._embed(features)
        if embedding.shape[1] != self.n_components:
            raise ValueError(f"embedding has {embedding.shape[1]} coordinates, but here there are {self.n_components}")
        axes = torch.from_numpy(orthogonal_procrustes(g.cpu().numpy(), embedding.cpu().numpy())[0].T).to(g)
        self.components_ = axes @ self.learned("components_", g)
        self.directions_ = self.learned("directions_", g) @ axes.T
        return self

    def _minimise(self, start: torch.Tensor, x: torch.Tensor, log_p: torch.Tensor) -> Descent:
        """L-BFGS on the penalised divergence; the point is M in whitened features."""
        curve, opinion = KappaCurve(self.kappa_max, self.n_components), Opinion(log_p)

        def penalised(weights: torch.Tensor, slope: bool) -> tuple[torch.Tensor, torch.Tensor | None, Loss]:
            with torch.set_grad_enabled(slope):
                at = weights.detach().requires_grad_(slope)
                loss = label_loss(x @ at.T, opinion, curve, EM_STEPS[self.mixture])
                value = self._penalised(loss.divergence, at)
                gradient = torch.autograd.grad(value, at)[0] if slope else None
                return value.detach(), gradient, Loss(*(part.detach() for part in loss))

        return minimise(
            penalised,
            start,
            max_iter=self.max_iter,
            tol=self.tol,
            least=_LEAST,
            evaluations=10 * STRIDE,
            describe="SampleProjection",
        )

    def _penalised(self, divergence: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return divergence + self.weight_decay / 2 * weights.square().sum()

    def _starts(self, log_p: torch.Tensor) -> list[torch.Tensor]:
        """Embeddings (N, n_components) of root mean square length about 1; fewer where there are few categories."""
        rng = np.random.default_rng(self.random_state)
        disturbance = torch.as_tensor(rng.normal(scale=0.01, size=(len(log_p), self.n_components))).to(log_p)
        return [start + disturbance for start in principal_starts(log_p, self.n_components)]

    def _embed(self, features: torch.Tensor) -> torch.Tensor:
        components = self.learned("components_", features)
        if features.shape[1] != components.shape[1]:
            raise ValueError(f"features have {features.shape[1]} columns, but {components.shape[1]} were fitted")
        return features @ components.T

    def _check_arrays(self, f: torch.Tensor, z: torch.Tensor, init: SampleProjection | None) -> None:
        if z.shape[1] < 2:
            raise ValueError(f"logits must score at least 2 categories, got shape {tuple(z.shape)}")
        for count, things in zip(f.shape, ("images", "features"), strict=True):
            if count < self.n_components:
                raise ValueError(f"{count} {things} cannot determine n_components={self.n_components}")
        if not f.any():
            raise ValueError("all features are zero: nothing can be projected; was the right layer recorded?")
        if init is not None:
            shape, needed = tuple(init.learned("components_").shape), (self.n_components, f.shape[1])
            if shape != needed:
                raise ValueError(f"init has components_ of shape {shape}, but {needed} are needed to start from")


def fit_along(checkpoints: Sequence[tuple[Array, Array]], **parameters: Any) -> list[SampleProjection]:
    """Fit one projection a checkpoint, all in the frame of the last, so that a moved point means a changed network.

    The last checkpoint, where categories are told apart best, is fitted first. Each earlier one starts from its
    successor and is then turned to where its successor puts the same images.

    Parameters
    ----------
    checkpoints : sequence of (features (N, D), logits (N, C))
        What the network computed for the same images, first to last.
    **parameters
        Of :class:`SampleProjection`.

    Returns
    -------
    list of SampleProjection
        In the order of the checkpoints.

    Raises
    ------
    ValueError
        If there is no checkpoint, checkpoints differ in images, features or categories, or one cannot be fitted.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> features = rng.gamma(1.0, size=(100, 6))
    >>> weights = rng.normal(size=(6, 5))
    >>> early, late = fit_along([(features, 0.1 * features @ weights), (features, 2 * features @ weights)])
    >>> bool(np.linalg.norm(early.transform(features)) < np.linalg.norm(late.transform(features)))
    True
    """
    if not checkpoints:
        raise ValueError("there is no checkpoint to fit; give one (features, logits) each")
    shapes = [(np.shape(features), np.shape(logits)) for features, logits in checkpoints]
    if len(set(shapes)) > 1:
        raise ValueError(f"all checkpoints must describe the same images alike, but their shapes are {shapes}")
    later: SampleProjection | None = None
    embedding: Array | None = None
    fitted: list[SampleProjection] = []
    for features, logits in reversed(checkpoints):
        projection = SampleProjection(**parameters).fit(features, logits, init=later)
        if embedding is not None:
            projection.align(features, embedding)
        later, embedding = projection, projection.transform(features)
        fitted.append(projection)
    return fitted[::-1]
