"""Mixtures of von Mises-Fisher distributions: which directions do unit vectors gather around, and how tightly."""

from __future__ import annotations

import math
import warnings
from dataclasses import KW_ONLY, dataclass

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from tqdm import trange

from nbhelpers.maths.arrays import Array, check_weights, on_tensors
from nbhelpers.maths.estimator import Estimator, positive, whole, within
from nbhelpers.maths.vmf import LONGEST, check_dim, check_unit, concentration, log_constant, log_normalizer

Parameters = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # weights, directions, kappas


@dataclass(eq=False, repr=False)
class VonMisesFisherMixture(Estimator):
    r"""Mixture :math:`\sum_k \pi_k\,C_d(\kappa_k)\,e^{\kappa_k\mu_k^\top x}` fitted by expectation maximisation.

    Banerjee et al., *Clustering on the unit hypersphere using von Mises-Fisher distributions*, JMLR 2005.

    Parameters
    ----------
    n_components : int
        Number K of directions.
    tied : bool
        One concentration for all components instead of one each.
    n_init : int
        Random starts, spread as by k-means++; the most likely result is kept, unless one of its components has closed
        in on coinciding vectors, where the likelihood has no bound.
    max_iter : int
        Largest number of EM steps.
    tol : float
        A start has converged when a step raises the mean log-likelihood by less than this many nats.
    random_state : int
        Equal integers give equal results.
    device : str
        ``"auto"`` is CUDA when there is one.

    Attributes
    ----------
    weights_ : (K,)
        Shares of the components; they sum to 1.
    directions_ : (K, d)
        Unit mean directions.
    kappas_ : (K,)
        Concentrations. They stop where float32 vectors cannot be told apart, at a mean resultant length of 1 - 1e-7.
    log_likelihood_ : float
        Of all fitted vectors, in nats, with respect to the surface measure.
    n_iter_ : int
        EM steps taken; 0 when responsibilities were given.

    Examples
    --------
    >>> from nbhelpers.maths.vmf import sample
    >>> x = np.concatenate([sample(mu, 20.0, 200) for mu in np.eye(3)])
    >>> mixture = VonMisesFisherMixture(n_components=3).fit(x)
    >>> mixture.weights_.round(1).tolist(), mixture.predict_proba(x).shape
    ([0.3, 0.3, 0.3], (600, 3))
    """

    n_components: int = within(whole(1), 1)
    _: KW_ONLY
    tied: bool = False
    n_init: int = within(whole(1), 10)
    max_iter: int = within(whole(1), 1000)
    tol: float = within(positive, 1e-8)
    random_state: int = 0
    device: str = "auto"

    @on_tensors(X="N d", responsibilities="N K")
    def fit(self, X: Array, responsibilities: Array | None = None) -> VonMisesFisherMixture:
        """Fit to unit vectors; with ``responsibilities``, take the one maximum-likelihood step that these determine.

        Parameters
        ----------
        X : (N, d)
            Unit vectors, at least as many as components.
        responsibilities : (N, K), optional
            Share of each component in each vector; rows sum to 1.

        Raises
        ------
        ValueError
            If a row of ``X`` is not of length 1, there are fewer rows than components, a parameter is out of range, or
            the responsibilities have another shape, are negative, do not sum to 1, or give a component no vector.
        """
        self.check_parameters()
        x = _exactly_unit(X)
        if len(x) < self.n_components:
            raise ValueError(
                f"{len(x)} vectors cannot determine n_components={self.n_components}; give more vectors, or fewer"
            )
        if responsibilities is None:
            parameters = self._expectation_maximisation(x)
        else:
            parameters = maximise(x, self._check_responsibilities(responsibilities), self.tied)
            self.n_iter_ = 0
        self.log_likelihood_ = float(log_joint(x, *parameters).logsumexp(-1).sum())
        self.weights_, self.directions_, self.kappas_ = (parameter.clone() for parameter in parameters)
        return self

    @on_tensors(X="N d")
    def predict_proba(self, X: Array) -> Array:
        """(N, K) posterior probability of every component for every unit vector; rows sum to 1."""
        return self._log_joint(X).softmax(-1)

    @on_tensors(X="N d")
    def score(self, X: Array) -> float:
        """Mean log-likelihood of the unit vectors, in nats, with respect to the surface measure."""
        return float(self._log_joint(X).logsumexp(-1).mean())

    @on_tensors(X="N d")
    def bic(self, X: Array) -> float:
        r"""Bayesian information criterion, :math:`-2\log L + p\log N`; lower is better.

        L is taken relative to the uniform distribution, as in R's movMF, so that negative means better than uniform in
        every dimension; p counts K - 1 weights, K (d - 1) for the directions, and K concentrations, or 1 when tied.
        """
        joint = self._log_joint(X)
        n, (k, d) = len(joint), self.directions_.shape
        free = (k - 1) + k * (d - 1) + (1 if self.tied else k)
        relative = joint.logsumexp(-1).sum() - n * log_normalizer(0.0, d)
        return float(-2 * relative + free * math.log(n))

    def _expectation_maximisation(self, x: torch.Tensor) -> Parameters:
        """All starts side by side along a leading axis; the parameters of the most likely one."""
        parameters = _start(x, self.n_components, self.n_init, np.random.default_rng(self.random_state))
        reached = torch.full((self.n_init,), -math.inf, dtype=x.dtype, device=x.device)
        bound = concentration(x.new_tensor(LONGEST), x.shape[1])
        for step in trange(self.max_iter + 1, desc="vMF mixture", unit="step", delay=2, leave=False):
            joint = log_joint(x, *parameters)
            before, reached = reached, joint.logsumexp(-1).mean(-1)
            gains = reached - before
            # The likelihood of a component that closes in on coinciding vectors has no bound: a last resort.
            collapsed = (parameters[2] >= bound).any(-1)
            eligible = torch.where(collapsed & ~collapsed.all(), -math.inf, reached)
            # No waiting for a start that cannot catch up with the best at its present pace in the steps left.
            beaten = reached + gains * (self.max_iter - step) < eligible.max()
            if step == self.max_iter or bool(((gains < self.tol) | beaten).all()):
                break
            parameters = maximise(x, joint.softmax(-1), self.tied)
        self.n_iter_ = step
        best = int(eligible.argmax())
        gain = float(gains[best])
        if gain >= self.tol:
            warnings.warn(
                f"no convergence within max_iter={self.max_iter} steps: the last still raised the mean log-likelihood "
                f"by {gain:.2g} (tol={self.tol:g}); raise max_iter or tol, or try fewer components or tied=True",
                ConvergenceWarning,
                stacklevel=3,
            )
        return tuple(p[best] for p in parameters)

    def _check_responsibilities(self, shares: torch.Tensor) -> torch.Tensor:
        check_weights(shares, "responsibilities", self.n_components)
        if idle := (shares.sum(0) == 0).nonzero().flatten().tolist():
            raise ValueError(f"responsibilities give no vector to components {idle}; leave those columns out")
        return shares

    def _log_joint(self, X: torch.Tensor) -> torch.Tensor:
        parameters = [self.learned(name, X) for name in ("weights_", "directions_", "kappas_")]
        if X.shape[1] != parameters[1].shape[1]:
            raise ValueError(f"X has {X.shape[1]} coordinates, but the mixture was fitted to {parameters[1].shape[1]}")
        return log_joint(_exactly_unit(X), *parameters)


def _exactly_unit(vectors: torch.Tensor) -> torch.Tensor:
    check_dim(vectors.shape[1])
    check_unit(vectors, "X")
    return vectors / vectors.norm(dim=1, keepdim=True)  # what float32 rounding leaves would count kappa times


def log_joint(x: torch.Tensor, weights: torch.Tensor, directions: torch.Tensor, kappas: torch.Tensor) -> torch.Tensor:
    """log(pi_k) + log density of every vector under every component, (..., N, K); parameters may have leading axes."""
    offset = weights.log() + log_constant(kappas, x.shape[1])
    return offset.unsqueeze(-2) + kappas.unsqueeze(-2) * (x @ directions.mT)


def maximise(x: torch.Tensor, responsibilities: torch.Tensor, tied: bool) -> Parameters:
    """Most likely weights (..., K), directions (..., K, d) and kappas (..., K), given (..., N, K) responsibilities."""
    mass = responsibilities.sum(-2)
    total = responsibilities.mT @ x
    length = total.norm(dim=-1)
    # A component with no mean direction has kappa = 0, or no vectors at all: any unit vector serves it.
    anywhere = torch.zeros_like(total[..., :1, :])
    anywhere[..., 0] = 1
    directions = torch.where(length[..., None] > 0, total / length.clamp(min=1e-300)[..., None], anywhere)
    if tied:
        resultant = (length.sum(-1, keepdim=True) / mass.sum(-1, keepdim=True)).expand_as(mass)
    else:
        resultant = length / mass.clamp(min=1e-300)
    return mass / len(x), directions, concentration(resultant.clamp(max=LONGEST), x.shape[-1])


def _start(x: torch.Tensor, components: int, starts: int, rng: np.random.Generator) -> Parameters:
    """First parameters, with one leading axis of starts: directions are data vectors, each drawn in proportion to
    1 - cos to the nearest one before; kappa fits the vectors around their nearest direction."""
    directions, tightness = [], []
    for _ in range(starts):
        chosen = x[int(rng.integers(len(x)))][None]
        while len(chosen) < components:
            distance = (1 - (x @ chosen.T).amax(1)).clamp(min=1e-12).cpu().numpy()
            chosen = torch.cat([chosen, x[int(rng.choice(len(x), p=distance / distance.sum()))][None]])
        directions.append(chosen / chosen.norm(dim=1, keepdim=True))
        tightness.append((x @ chosen.T).amax(1).mean().clamp(0, LONGEST))
    kappas = concentration(torch.stack(tightness), x.shape[1])[:, None].expand(-1, components)
    return torch.full_like(kappas, 1 / components), torch.stack(directions), kappas
