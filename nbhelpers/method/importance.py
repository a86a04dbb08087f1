"""Which regions of an image make it alike to images of its category: importance, Eq. 11-12."""

from __future__ import annotations

import warnings
from dataclasses import KW_ONLY, dataclass

import torch
from sklearn.exceptions import ConvergenceWarning
from tqdm import tqdm

from nbhelpers.maths.arrays import Array, on_tensors, polar, resolve_device, unit_scale
from nbhelpers.maths.estimator import Estimator, not_negative, one_of, positive, whole, within
from nbhelpers.method.matching import (
    TARGETS,
    best_matches,
    check_comparable,
    draw_groups,
    kl_divergence,
    log_choice,
    region_vectors,
    target_log_probabilities,
)

CHANNELS = ("uniform", "shared", "fitted")
_SHARED = 64  # images that shared channel weights are learned from
_ROUNDS = 3  # alternations between w and v


@dataclass(eq=False, repr=False)
class RegionImportance(Estimator):
    r"""Importance w of each region and weight v of each channel, Eq. 11-12.

    An image x is compared with partner images j. How alike two images ought to be is read from what the network says
    of them, :math:`P(j|x) \propto \exp[\kappa_p \cos(p_j, p_x)]`. How alike they look is read from their regions:
    region r of x scores its best match r' in image j,

    .. math::
        s_r(j) = \tilde\kappa\, l_r \max_{r'} \sum_k K v_k \hat f_{x,k}^{(r)} \hat f_{j,k}^{(r')}, \qquad
        Q(j|x) = \operatorname{softmax}_j \sum_r w_r s_r(j),

    with unit vectors :math:`\hat f` and :math:`l_r` the strength of the region in units of the image's mean strength
    (Eq. 3: a strong feature's direction is surer). For each image by itself w minimises

    .. math:: \mathrm{KL}(P \| Q) + \tfrac\lambda2 R\, \|w - 1/R\|^2

    on the simplex: regions become important whose matches tell the right images from the wrong ones. The problem is
    convex and is solved by accelerated projected gradients, so w does not depend on a step size or a stopping time.

    The paper's settings are ``target="probabilities"``, ``kappa_target=5``, ``radial=False``, ``channels="fitted"`` and
    :math:`\tilde\kappa = 1000`, which at its K = 512 channels (there :math:`K v_k` reads :math:`v_k`) is 1.95 here; its
    20 gradient steps from uniform weights play the part of the penalty.

    Parameters
    ----------
    target : {"logits", "probabilities"}
        What p is.
    temperature : float
        Of the probabilities.
    kappa_target, kappa_regions : float
        :math:`\kappa_p` and :math:`\tilde\kappa`. Where Q would be sharper than P already at uniform weights, w turns
        away from what is discriminative: keep :math:`\tilde\kappa` well below :math:`\kappa_p`.
    radial : bool
        Whether a region speaks with its strength; else :math:`l_r = 1`.
    channels : {"uniform", "shared", "fitted"}
        v held at 1/K; learned once for all images; or learned for each image, with the same penalty.
    ridge : float
        :math:`\lambda`, 0 or more.
    partners : int
        At most how many images each one is compared with, itself included; bounds cost and memory for any N.
    steps : int
        Gradient steps of every convex problem.
    memory : int
        Bytes that one batch of images may take beside the inputs. The result does not depend on it.
    random_state : int
        Draws the partners.
    device : str or torch.device
        ``"auto"`` is CUDA when there is one.

    Attributes
    ----------
    weights_ : (N, H*W)
        w: 0 or more, each row sums to 1.
    channel_weights_ : (N, K)
        v, likewise.
    loss_curve_ : list of float
        Mean objective in nats before each step of the last fit of w, and after it.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels, regions = np.arange(12) % 2, rng.random((12, 8, 2, 2))
    >>> regions[np.arange(12), labels, 0, 0] += 9  # only the first region tells the category
    >>> importance = RegionImportance().fit(regions, 9 * np.eye(2)[labels])
    >>> importance.weights_.argmax(axis=1).tolist()
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    """

    _: KW_ONLY
    target: str = within(one_of(*TARGETS), "logits")
    temperature: float = within(positive, 4.0)
    kappa_target: float = within(positive, 20.0)
    kappa_regions: float = within(positive, 1.0)
    radial: bool = True
    channels: str = within(one_of(*CHANNELS), "uniform")
    ridge: float = within(not_negative, 0.5)
    partners: int = within(whole(3), 200)
    steps: int = within(whole(1), 50)
    memory: int = within(positive, 2**30)
    random_state: int = 0
    device: str | torch.device = "auto"

    @on_tensors(torch.float32, regions="N K H W, as given", logits="N C")
    def fit(self, regions: Array, logits: Array) -> RegionImportance:
        """Learn w and v from regional features (N, K, H, W) and logits (N, C).

        Raises
        ------
        ValueError
            If a parameter is out of range, shapes do not fit, values are not finite, there are fewer than three images
            or two categories, or all regions of an image are zero.
        """
        self.check_parameters()
        check_comparable(regions, logits)
        device = resolve_device(self.device)
        n, k = regions.shape[:2]
        self.weights_, self.channel_weights_ = torch.empty(n, regions.shape[2:].numel()), torch.empty(n, k)
        curve = torch.zeros(self.steps + 1, dtype=torch.float64)
        shared = torch.full((1, k), 1 / k, device=device) if self.channels == "uniform" else None
        with tqdm(total=n, desc="importance", unit="image", delay=2) as bar:
            for group in draw_groups(n, self.partners, self.random_state):
                drawn = regions[group]
                queries, keys = self.queries_and_keys(region_vectors(drawn / unit_scale(drawn, (1, 2, 3)), device))
                z = logits[group.to(device)]
                log_p = target_log_probabilities(z, self.target, self.temperature, self.kappa_target)
                if shared is None and self.channels == "shared":
                    shared = self._learn_channels(queries[:_SHARED], keys, log_p[:_SHARED], shared=True)
                batches = (part.split(self._batch(keys)) for part in (group, queries, log_p))
                for members, asking, expected in zip(*batches, strict=True):
                    v = self._learn_channels(asking, keys, expected) if shared is None else shared
                    scores, _ = best_matches(k * v[:, None] * asking, keys, index=False)
                    w, losses = descend(scores, expected, self.ridge, self.steps)
                    self.weights_[members] = w.cpu()
                    self.channel_weights_[members] = v.expand(len(members), -1).cpu()
                    curve += losses.double().sum(0).cpu() / n
                    bar.update(len(members))
        self.loss_curve_ = curve.tolist()
        if self.loss_curve_[-2] - self.loss_curve_[-1] > 1e-3 * abs(self.loss_curve_[-1]):
            warnings.warn(
                f"the last of {self.steps} steps still lowered the loss from {self.loss_curve_[-2]:.5g} to "
                f"{self.loss_curve_[-1]:.5g}: raise steps, or ridge, or lower kappa_regions",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    def queries_and_keys(self, vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """From regions (n, R, K) to kappa l f, what asks for its best match, and the direction of f, what answers."""
        keys, strength = polar(vectors)
        if not self.radial:
            return self.kappa_regions * keys, keys
        return self.kappa_regions * strength / strength.mean(dim=1, keepdim=True) * keys, keys

    def _batch(self, keys: torch.Tensor) -> int:
        """Images at once: each holds its scores with two temporaries, and while v is learned the same by channel."""
        n, r, k = keys.shape
        return max(1, int(self.memory // (12 * n * (r + (k if self.channels != "uniform" else 0)))))

    def _learn_channels(
        self, queries: torch.Tensor, keys: torch.Tensor, log_p: torch.Tensor, shared: bool = False
    ) -> torch.Tensor:
        """v (m, K), or (1, K) if shared, by turns with w: both are weights of scores, of regions or of channels."""
        k = keys.shape[2]
        v = keys.new_full((1 if shared else len(queries), k), 1 / k)
        for _ in range(_ROUNDS):
            scores, place = best_matches(k * v[:, None] * queries, keys)
            w, _ = descend(scores, log_p, self.ridge, self.steps)
            v, _ = descend(channel_scores(w[..., None] * queries, keys, place), log_p, self.ridge, self.steps, shared)
        return v


def descend(
    scores: torch.Tensor, log_p: torch.Tensor, ridge: float, steps: int, shared: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    r"""Weights u on the simplex that minimise :math:`\mathrm{KL}(P \| Q) + \tfrac\lambda2 A \|u - 1/A\|^2`.

    :math:`Q = \operatorname{softmax}_j \sum_a u_a s_a(j)`, with scores s (m, A, n) of A regions or channels. Nesterov's
    accelerated projected gradients (FISTA) from the middle of the simplex. The step is the inverse of a bound on the
    curvature: a variable within a range has at most a quarter of its square as variance. Gives u (m, A), or (1, A)
    where one is ``shared`` by all m problems, and the objective (m, steps + 1) at every step.
    """
    m, a, _ = scores.shape
    bound = (scores.amax(2) - scores.amin(2)).square().sum(1, keepdim=True) / 4 + ridge * a
    bound = (bound.mean(0, keepdim=True) if shared else bound).clamp(min=1e-12)
    u = scores.new_full((1 if shared else m, a), 1 / a)
    total = torch.einsum("ma,man->mn", u.expand(m, a), scores)
    ahead, total_ahead, inertia, losses = u, total, 1.0, []

    def objective() -> torch.Tensor:
        return kl_divergence(log_p, log_choice(total, log_p)) + ridge / 2 * a * (u - 1 / a).square().sum(1)

    for _ in range(steps):
        losses.append(objective())
        surplus = (log_choice(total_ahead, log_p).exp() - log_p.exp()).masked_fill(torch.isneginf(log_p), 0)
        slope = torch.einsum("mn,man->ma", surplus, scores)
        slope = (slope.mean(0, keepdim=True) if shared else slope) + ridge * a * (ahead - 1 / a)
        following = project_to_simplex(ahead - slope / bound)
        following_total = torch.einsum("ma,man->mn", following.expand(m, a), scores)
        next_inertia = (1 + (1 + 4 * inertia**2) ** 0.5) / 2
        push, inertia = (inertia - 1) / next_inertia, next_inertia
        ahead, total_ahead = following + push * (following - u), following_total + push * (following_total - total)
        u, total = following, following_total
    return u, torch.stack([*losses, objective()], dim=1)


def channel_scores(weighted: torch.Tensor, keys: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """What each channel adds to the scores of images at given matches: (m, R, K), (n, R, K), (m, R, n) to (m, K, n)."""
    images = torch.arange(len(keys), device=keys.device)
    scores = keys.new_zeros(len(weighted), keys.shape[2], len(keys))
    for r in range(weighted.shape[1]):
        scores += (weighted[:, r, None] * keys[images, place[:, r].long()]).transpose(1, 2)
    return keys.shape[2] * scores


def project_to_simplex(x: torch.Tensor) -> torch.Tensor:
    """The nearest point with entries of 0 or more that sum to 1, for every row (Held et al., 1974)."""
    falling = x.sort(dim=1, descending=True).values
    excess = falling.cumsum(dim=1) - 1
    count = torch.arange(1, x.shape[1] + 1, device=x.device)
    kept = (falling * count > excess).sum(dim=1, keepdim=True)
    return (x - excess.gather(1, kept - 1) / kept).clamp(min=0)
