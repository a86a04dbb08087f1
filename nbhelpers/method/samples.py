"""Sample features g = M f: the direction says which category, the length how strongly (Eq. 3-6 of the paper)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.linalg import orthogonal_procrustes
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted
from tqdm import tqdm

from nbhelpers.maths.arrays import (
    Array,
    as_tensor,
    check_positive,
    check_same_length,
    check_whole,
    like,
    resolve_device,
)
from nbhelpers.maths.axes import frame, principal_axes, whitening_map
from nbhelpers.maths.kappa import KappaCurve
from nbhelpers.maths.radial import Loss, concentrate, label_loss, log_posterior
from nbhelpers.maths.vmf import float_type

EM_STEPS = {"teacher": 0, "posterior": 20}
"""Steps of expectation maximisation that follow the network's soft labels, by the name of the mixture."""

_STRIDE = 10  # iterations between two looks at the loss
_LEAST = 1e-2  # nats; relative changes are taken of at least this much, so that an untrained network converges too


class SampleProjection(TransformerMixin, BaseEstimator):
    r"""Project sample features to g = M f, so that a mixture on the sphere repeats the network's soft labels.

    With strength :math:`l = \|g\|` and orientation :math:`o = g / l`, every category is a von Mises-Fisher
    distribution of o whose concentration :math:`\kappa(l)` grows with the strength, hence (Eq. 6)

    .. math::
        Q(y \mid x) \propto \pi_y\, e^{\kappa(l)\, o^\top \mu_y}.

    ``fit`` minimises the mean :math:`\mathrm{KL}(P \| Q)` to :math:`P = \mathrm{softmax}(z / T)` (Eq. 4) over M. The
    weights :math:`\pi` and directions :math:`\mu` are their maximum-likelihood estimates at every M. Instead of taking
    turns with M, they are differentiated with it, and so is :math:`\kappa`: the loss is one smooth function of M,
    minimised by L-BFGS in whitened features, from the principal axes of P, in a frame that equal data make equal:
    the first category points along the first axis, the second lies in the plane of the first two, and so on.

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
        features' root mean square length: of projections that explain the labels alike, take the weakest. On scenes it
        makes strength go better with entropy at the price of some divergence, on Tiny ImageNet it changes little; the
        default was picked by that trade-off. Read as a prior :math:`g \sim N(0, I / \lambda)`, its typical length in
        3-D is :math:`\sqrt{3 / \lambda} = 10`, where :math:`\kappa(l)` has reached 9.2 of 10.
    max_iter : int
        Largest number of L-BFGS iterations.
    tol : float
        Converged when ten iterations lower the penalised loss by a smaller share than this.
    random_state : int
        Seeds a small disturbance of the start, which frees it from the symmetries of few categories.
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

    def __init__(
        self,
        n_components: int = 3,
        *,
        temperature: float = 4.0,
        kappa_max: float = 10.0,
        mixture: str = "teacher",
        weight_decay: float = 0.03,
        max_iter: int = 500,
        tol: float = 1e-5,
        random_state: int = 0,
        device: str = "auto",
    ) -> None:
        self.n_components = n_components
        self.temperature = temperature
        self.kappa_max = kappa_max
        self.mixture = mixture
        self.weight_decay = weight_decay
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.device = device

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
        self._check_parameters()
        device = resolve_device(self.device)
        f = as_tensor(features, "features", ndim=2, dtype=torch.float64, device=device)
        z = as_tensor(logits, "logits", ndim=2, dtype=torch.float64, device=device)
        self._check_arrays(f, z, init)
        log_p = torch.log_softmax(z / self.temperature, dim=1)
        whitening = whitening_map(f)
        x = f @ whitening.T
        if init is None:
            start = principal_axes(log_p, self.n_components) + self._disturbance(log_p)
        else:
            start = f @ as_tensor(init.components_, "init.components_", dtype=f.dtype, device=device).T
        weights, loss = self._minimise(start.T @ x / len(x), x, log_p)

        axes = frame(loss.directions) if init is None else torch.eye(self.n_components, dtype=f.dtype, device=device)
        self.loss_ = float(loss.divergence)
        learned = axes @ weights @ whitening, loss.directions @ axes.T, loss.log_weights.exp()
        kind = float_type(features)
        self.components_, self.directions_, self.weights_ = (like(t.to(kind), features) for t in learned)
        return self

    def transform(self, features: Array) -> Array:
        """(N, n_components) projected features g = M f."""
        return like(self._embed(features).to(float_type(features)), features)

    def predict_proba(self, features: Array) -> Array:
        """(N, C) probabilities Q(y|x) of Eq. 6; rows sum to 1."""
        pull = concentrate(self._embed(features), KappaCurve(self.kappa_max, self.n_components))
        log_weights, directions = self._state("weights_", pull).log(), self._state("directions_", pull)
        return like(log_posterior(pull, log_weights, directions).exp().to(float_type(features)), features)

    def align(self, features: Array, embedding: Array) -> SampleProjection:
        """Turn the axes so that ``transform(features)`` comes closest to ``embedding`` (orthogonal Procrustes).

        Neither Q nor any length or angle changes. The turn may be a reflection: the model cannot tell left from right,
        so that refusing it would only leave half of all fits as mirror images of the others.

        Parameters
        ----------
        features : (N, D)
            Features of N images.
        embedding : (N, n_components)
            Where another projection puts the same images. The centre stays: it means no evidence.

        Raises
        ------
        ValueError
            If this projection is not fitted, or the shapes do not fit.
        """
        mine = self._embed(features).cpu()
        target = as_tensor(embedding, "embedding", ndim=2, dtype=mine.dtype)
        if target.shape != mine.shape:
            raise ValueError(f"embedding must have shape {tuple(mine.shape)}, got {tuple(target.shape)}")
        axes = torch.as_tensor(orthogonal_procrustes(mine.numpy(), target.numpy())[0].T)
        for name, turn in (("components_", lambda m: axes @ m), ("directions_", lambda mu: mu @ axes.T)):
            old = getattr(self, name)
            setattr(self, name, like(turn(self._state(name, axes)).to(float_type(old)), old))
        return self

    def _minimise(self, weights: torch.Tensor, x: torch.Tensor, log_p: torch.Tensor) -> tuple[torch.Tensor, Loss]:
        """L-BFGS on the penalised divergence; ``weights`` are M in whitened features."""
        curve, em_steps = KappaCurve(self.kappa_max, self.n_components), EM_STEPS[self.mixture]
        weights = weights.clone().requires_grad_()
        optimizer = torch.optim.LBFGS(
            [weights],
            max_eval=10 * _STRIDE,
            history_size=20,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )

        def look() -> tuple[Loss, torch.Tensor]:
            loss = label_loss(x @ weights.T, log_p, curve, em_steps)
            return loss, loss.divergence + self.weight_decay / 2 * weights.square().sum()

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            penalised = look()[1]
            penalised.backward()
            return penalised

        with torch.no_grad():
            loss, last = look()
        self.loss_curve_, self.n_iter_ = [float(loss.divergence)], 0
        with tqdm(total=self.max_iter, desc="SampleProjection", unit="iteration", delay=2) as bar:
            while self.n_iter_ < self.max_iter:
                optimizer.param_groups[0]["max_iter"] = min(_STRIDE, self.max_iter - self.n_iter_)
                optimizer.step(closure)
                with torch.no_grad():
                    loss, now = look()
                self.loss_curve_.append(float(loss.divergence))
                self.n_iter_ = optimizer.state[weights]["n_iter"]
                bar.update(self.n_iter_ - bar.n)
                fall, last = float(last - now), now
                if fall <= self.tol * max(float(now), _LEAST):
                    bar.total = bar.n  # done, however many iterations it might have had
                    return weights.detach(), loss
        warnings.warn(
            f"SampleProjection stopped at max_iter={self.max_iter} while its loss still fell by {fall:.1e} nats in "
            f"{_STRIDE} iterations: raise max_iter or weight_decay, and check that features and logits belong together",
            ConvergenceWarning,
            stacklevel=3,
        )
        return weights.detach(), loss

    def _disturbance(self, log_p: torch.Tensor) -> torch.Tensor:
        rng = np.random.default_rng(self.random_state)
        return torch.as_tensor(rng.normal(scale=0.01, size=(len(log_p), self.n_components))).to(log_p)

    def _embed(self, features: Array) -> torch.Tensor:
        check_is_fitted(self)
        f = as_tensor(features, "features", ndim=2, dtype=torch.float64, device=resolve_device(self.device))
        if f.shape[1] != self.components_.shape[1]:
            raise ValueError(f"features have {f.shape[1]} columns, but {self.components_.shape[1]} were fitted")
        return f @ self._state("components_", f).T

    def _state(self, name: str, where: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(getattr(self, name)).to(where)

    def _check_parameters(self) -> None:
        check_whole(self.n_components, "n_components", 2)
        check_whole(self.max_iter, "max_iter", 1)
        for name in ("temperature", "kappa_max", "weight_decay", "tol"):
            check_positive(getattr(self, name), name)
        if self.mixture not in EM_STEPS:
            raise ValueError(f"mixture must be one of {', '.join(map(repr, EM_STEPS))}, got {self.mixture!r}")

    def _check_arrays(self, f: torch.Tensor, z: torch.Tensor, init: SampleProjection | None) -> None:
        n = check_same_length(features=f, logits=z)
        if z.shape[1] < 2:
            raise ValueError(f"logits must score at least 2 categories, got shape {tuple(z.shape)}")
        if n < self.n_components:
            raise ValueError(f"{n} images cannot determine n_components={self.n_components}; give more images")
        if f.shape[1] < self.n_components:
            raise ValueError(f"{f.shape[1]} features cannot be projected to n_components={self.n_components}")
        if not f.any():
            raise ValueError("all features are zero: nothing can be projected; was the right layer recorded?")
        if init is not None:
            check_is_fitted(init)
            if tuple(init.components_.shape) != (self.n_components, f.shape[1]):
                raise ValueError(
                    f"init has components_ of shape {tuple(init.components_.shape)}, "
                    f"but ({self.n_components}, {f.shape[1]}) are needed to start from"
                )


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
