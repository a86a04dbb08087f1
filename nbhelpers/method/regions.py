"""Regional features h = Lambda f in the frame of the sample features (Eq. 7-10 of the paper)."""

from __future__ import annotations

import warnings
from dataclasses import KW_ONLY, dataclass

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from tqdm import tqdm

from nbhelpers.maths.arrays import Array, blocks, check_weights, on_tensors, polar, resolve_device, unit_scale
from nbhelpers.maths.axes import whitening_map
from nbhelpers.maths.descent import STRIDE, minimise
from nbhelpers.maths.estimator import Estimator, not_negative, one_of, positive, whole, within
from nbhelpers.maths.kappa import KappaCurve
from nbhelpers.method.matching import (
    TARGETS,
    best_matches,
    check_comparable,
    draw_groups,
    region_vectors,
    target_log_probabilities,
)
from nbhelpers.method.region_loss import least_squares, projection_losses

MATCHES = ("feature", "projection")
_SCALES = (0.5, 1.0, 2.0, 4.0, 8.0)  # mean strengths tried for the start


@dataclass(eq=False, repr=False)
class RegionProjection(Estimator):
    r"""Project regional features to :math:`h^{(r)} = \Lambda f^{(r)}`, so that alike regions tell alike images.

    With orientation o and strength l of h, and r' the region of image 1 that matches region r of image 2 best,

    .. math::
        Q(x_2|x_1) \propto \prod_r \mathrm{vMF}\big(o_2^{(r)}; o_1^{(r')}, \kappa(l_2^{(r)})\big)^{w_2^{(r)}},

    and the loss, averaged over images and in nats, is (Eq. 7-10)

    .. math:: \mathrm{KL}(P(x_2|x_1) \| Q(x_2|x_1)) - \alpha\, \kappa' \sum_r w^{(r)} \cos(g, h^{(r)}).

    The first part makes regions similar where the network finds the images similar; P is that of
    :class:`~nbhelpers.RegionImportance`. The second is what remains of the mutual information of h and g
    where o given g is vMF around g with concentration :math:`\kappa'`: it turns regions the way of their image's sample
    feature, in whose frame they then are. (With :math:`\kappa' = 1`, the authors', it is too weak to hold the frame.)

    L-BFGS minimises the loss in whitened features, with the derivative through :math:`\kappa`. It starts where the
    second part alone is about best, at the weighted least squares fit of g's direction, or from a projection that is
    given, whichever is better; at the best of some strengths. A small weight decay holds strengths that neither part
    fixes, as where all regions point one way.

    Parameters
    ----------
    n_components : int
        Dimension of h and of the embedding, at least 2.
    alpha : float
        Weight of the alignment, 0 or more.
    kappa_align : float
        :math:`\kappa'`; by default the highest concentration of the sample features.
    kappa_max : float
        Concentration of an infinitely strong feature.
    match : {"feature", "projection"}
        Where matches are found: once, in the raw features weighted by channel; or in h, anew at every step.
    target : {"logits", "probabilities"}
        What tells the network's similarity of images.
    temperature : float
        Of the probabilities.
    kappa_target : float
        :math:`\kappa_p` of P.
    partners : int
        At most how many images each one is compared with, itself included.
    max_images : int
        How many images the fit looks at, drawn at random where there are more, which bounds its cost and its memory.
    weight_decay : float
        Half of it times the squared weights, in whitened features, is added to the loss; 0 or more.
    max_iter : int
        Largest number of L-BFGS iterations.
    tol : float
        Converged when ten iterations lower the loss by less than this, relative to 1 nat or the loss.
    random_state : int
        Draws images and partners.
    device : str or torch.device
        ``"auto"`` is CUDA when there is one.

    Attributes
    ----------
    components_ : (n_components, K)
        Lambda, for features as they were given.
    loss_curve_ : (n, 2)
        KL in nats and minus the mean weighted cosine, at the start and after every ten iterations.
    n_iter_ : int
        L-BFGS iterations.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels, regions = np.arange(30) % 3, rng.random((30, 8, 2, 2))
    >>> regions[np.arange(30), labels, 0, 0] += 9  # only the first region tells the category
    >>> g, importance = 2 * np.eye(3)[labels], np.tile([0.7, 0.1, 0.1, 0.1], (30, 1))
    >>> h = RegionProjection().fit(regions, 9 * np.eye(3)[labels], importance, g).transform(regions)
    >>> h.shape, bool((np.linalg.norm(h, axis=2).argmax(axis=1) == 0).all())
    ((30, 4, 3), True)
    """

    n_components: int = within(whole(2), 3)
    _: KW_ONLY
    alpha: float = within(not_negative, 0.1)
    kappa_align: float = within(positive, 10.0)
    kappa_max: float = within(positive, 1000.0)
    match: str = within(one_of(*MATCHES), "feature")
    target: str = within(one_of(*TARGETS), "logits")
    temperature: float = within(positive, 4.0)
    kappa_target: float = within(positive, 20.0)
    partners: int = within(whole(3), 100)
    max_images: int = within(whole(3), 1000)
    weight_decay: float = within(not_negative, 1e-3)
    max_iter: int = within(whole(1), 200)
    tol: float = within(positive, 1e-3)
    random_state: int = 0
    device: str | torch.device = "auto"

    @on_tensors(
        torch.float32,
        regions="N K H W, as given",
        logits="N C",
        importance="N R",
        embedding="N d",
        channel_weights="N K",
    )
    def fit(
        self,
        regions: Array,
        logits: Array,
        importance: Array,
        embedding: Array,
        channel_weights: Array | None = None,
        *,
        init: RegionProjection | None = None,
    ) -> RegionProjection:
        """Learn Lambda.

        Parameters
        ----------
        regions : (N, K, H, W)
            Regional features of one layer.
        logits : (N, C)
            Of the same images.
        importance : (N, H*W)
            Weights w of the regions, as of :class:`~nbhelpers.RegionImportance`.
        embedding : (N, n_components)
            Sample features g, as of :class:`~nbhelpers.SampleProjection`. Where one is zero, nothing is
            aligned; where all are, as before any training, regions have no frame to be in, and h is zero.
        channel_weights : (N, K), optional
            Weights v for finding matches; equal ones by default.
        init : RegionProjection, optional
            A fitted projection to try as a start, such as a neighbouring checkpoint's.

        Raises
        ------
        ValueError
            If a parameter is out of range, arrays do not fit each other or hold NaN or infinities, there are fewer than
            three images or two categories, all regions of an image are zero, weights are negative or do not sum to 1,
            or ``init`` does not fit.
        """
        self.check_parameters()
        check_comparable(regions, logits)
        n, k = regions.shape[:2]
        check_weights(importance, "importance", regions.shape[2:].numel())
        if channel_weights is not None:
            check_weights(channel_weights, "channel_weights", k)
        if embedding.shape[1] != self.n_components:
            raise ValueError(
                f"embedding has {embedding.shape[1]} coordinates, but n_components is {self.n_components}: "
                f"take RegionProjection(n_components={embedding.shape[1]})"
            )
        device = resolve_device(self.device)
        drawn = np.random.default_rng(self.random_state).permutation(n)[: self.max_images]
        chosen = torch.from_numpy(np.sort(drawn))
        vectors = regions[chosen]
        scale = float(unit_scale(vectors, (0, 1, 2, 3)))
        vectors = region_vectors(vectors / scale, device)
        there = chosen.to(device)
        w, g, z = importance[there], polar(embedding[there])[0], logits[there]
        pairs = []
        for members in tqdm(draw_groups(len(chosen), self.partners, self.random_state), "matching regions", delay=2):
            group = members.to(device)
            keys, _ = polar(vectors[group])
            queries = keys if channel_weights is None else channel_weights[there[group], None] * keys
            place = best_matches(queries, keys)[1] if self.match == "feature" else None
            log_p = target_log_probabilities(z[group], self.target, self.temperature, self.kappa_target)
            pairs.append((group, log_p, place))
        start = None if init is None else self._warm_start(init, vectors, scale)
        self.components_ = self._descend(vectors, w, g, pairs, start) / scale
        return self

    @on_tensors(torch.float32, regions="N K H W, as given")
    def transform(self, regions: Array) -> Array:
        """Regional features (N, K, H, W) to h (N, H*W, n_components).

        Raises
        ------
        ValueError
            If values are not finite, or the number of channels is not that of the fit.
        """
        weights = self.learned("components_").to(resolve_device(self.device), torch.float32)
        if regions.shape[1] != weights.shape[1]:
            raise ValueError(f"regions have {regions.shape[1]} channels, but the fit saw {weights.shape[1]}")
        return torch.cat([(region_vectors(block, weights.device) @ weights.T).cpu() for block in blocks(regions)])

    def _warm_start(self, init: RegionProjection, vectors: torch.Tensor, scale: float) -> torch.Tensor:
        components = scale * init.learned("components_", vectors)
        if components.shape != (self.n_components, vectors.shape[2]):
            raise ValueError(
                f"init maps {components.shape[1]} channels to {components.shape[0]} coordinates, "
                f"but here it is {vectors.shape[2]} to {self.n_components}"
            )
        if not bool((vectors @ components.T).norm(dim=2).isfinite().all()):
            raise ValueError("init was fitted to regions of quite another scale: here it makes strengths without limit")
        return components

    def _descend(
        self,
        vectors: torch.Tensor,
        w: torch.Tensor,
        g: torch.Tensor,
        pairs: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]],
        start: torch.Tensor | None,
    ) -> torch.Tensor:
        curve = KappaCurve(self.kappa_max, self.n_components)
        unmix = whitening_map(vectors.flatten(0, 1))

        def penalised(coordinates: torch.Tensor, slope: bool) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
            """The loss, its slope, and its two parts; one group of images at a time bounds the memory."""
            h = (vectors @ (coordinates @ unmix).T).requires_grad_(slope)
            parts = torch.zeros(2, device=vectors.device)
            with torch.set_grad_enabled(slope):
                for group, log_p, place in pairs:
                    part = projection_losses(h[group], w[group], g[group], log_p, place, curve) / len(vectors)
                    parts += part.detach()
                    if slope:
                        self._total(part).backward()
            value = self._total(parts) + self.weight_decay / 2 * coordinates.square().sum()
            if not slope:
                return value, None, parts
            by_components = torch.einsum("nrd,nrk->dk", h.grad, vectors)
            return value, by_components @ unmix.T + self.weight_decay * coordinates, parts

        if not bool(g.any()):  # as before any training: no frame to be in
            nowhere = torch.zeros(self.n_components, vectors.shape[2], device=vectors.device)
            self.loss_curve_, self.n_iter_ = penalised(nowhere, False)[2][None].cpu().numpy(), 0
            return nowhere
        starts = self._starts(vectors, w, g, unmix, start)
        end = minimise(
            penalised,
            min(starts, key=lambda coordinates: float(penalised(coordinates, False)[0])),
            max_iter=self.max_iter,
            tol=self.tol,
            least=1.0,
            evaluations=STRIDE * 5 // 4,
            describe="regional features",
        )
        if not end.converged:
            warnings.warn(
                f"after {end.n_iter} iterations the last {STRIDE} still lowered the loss by {end.fall:.2g}: "
                "raise max_iter or tol",
                ConvergenceWarning,
                stacklevel=4,
            )
        self.loss_curve_, self.n_iter_ = torch.stack(end.looks).cpu().numpy(), end.n_iter
        return end.point @ unmix

    def _starts(
        self, vectors: torch.Tensor, w: torch.Tensor, g: torch.Tensor, unmix: torch.Tensor, init: torch.Tensor | None
    ) -> list[torch.Tensor]:
        """Whitened coordinates to start from: what is best aligned with g, and what was given, at several strengths.

        A neighbouring checkpoint's Lambda can give this one's features any length, so others than its own are tried.
        """

        def whitened(components: torch.Tensor) -> torch.Tensor:
            """Coordinates so that components = coordinates @ unmix, as nearly as the ridge of the whitening allows."""
            # On the processor: on a GPU there is only a driver for maps of full rank.
            return torch.linalg.lstsq(unmix.T.cpu(), components.T.cpu()).solution.T.contiguous().to(unmix)

        neighbours = [] if init is None else [init]
        starts = [whitened(components) for components in neighbours]
        for components in (least_squares(vectors, w, g, unmix), *neighbours):
            of_scale_1 = components / unit_scale(components, (0, 1))
            of_strength_1 = whitened(of_scale_1 / (vectors @ of_scale_1.T).norm(dim=2).mean().clamp(min=1e-12))
            starts += [strength * of_strength_1 for strength in _SCALES]
        return starts

    def _total(self, parts: torch.Tensor) -> torch.Tensor:
        return parts[0] + self.alpha * self.kappa_align * parts[1]
