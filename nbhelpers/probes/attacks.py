"""Attacks with every iterate kept, a random perturbation of the same size, and where regional features go meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from nbhelpers.images import ImageSet, read_pixels
from nbhelpers.maths.arrays import (
    Array,
    check_labels,
    check_positive,
    check_same_length,
    check_whole,
    hand_back,
    resolve_device,
)
from nbhelpers.method.matching import pool_regions
from nbhelpers.method.regional import RegionalFeatures
from nbhelpers.networks.network import Network, check_evaluating
from nbhelpers.networks.recording import record


def pgd(
    model: nn.Module,
    images: Array,
    labels: Array,
    eps: float = 1 / 255,
    step: float = 0.1 / 255,
    steps: int = 20,
    *,
    targeted: bool = False,
    random_start: bool = False,
    batch_size: int = 100,
    random_state: int = 0,
    device: str | torch.device = "auto",
) -> Array:
    r"""Attack images in pixel space within an :math:`L_\infty` ball, and keep every iterate.

    .. math:: x_{t+1} = \operatorname{clip}\big(x_t \pm \mathrm{step} \cdot \operatorname{sign} \nabla_{x}
              \mathrm{CE}(\mathrm{model}(x_t), y)\big)

    to within ``eps`` of the images and to [0, 1]; plus moves away from the true category y, minus towards a target
    (Madry et al. 2018, arXiv:1706.06083).

    Parameters
    ----------
    model : Module
        From images in [0, 1] to logits, in evaluation mode; normalisation is its own affair, as in
        :class:`~nbhelpers.Network`.
    images : (N, 3, H, W)
        In [0, 1].
    labels : (N,)
        True categories, or the targets of a targeted attack.
    eps, step : float
        Radius of the ball and length of a step, in units of the whole range of a pixel.
    steps : int
        How many.
    targeted : bool
        Move towards ``labels``, not away from them.
    random_start : bool
        Start anywhere in the ball, not at the images.
    batch_size : int
        Images at a time: bounds the memory beside the result.
    random_state : int
        Draws the start.
    device : str or torch.device
        ``"auto"`` is CUDA when there is one.

    Returns
    -------
    (steps + 1, N, 3, H, W)
        float32 in [0, 1], from the start to the last step. Takes 4 bytes a pixel, channel and iterate: 516 MB for 500
        images of 64 x 64 and 20 steps.

    Raises
    ------
    ValueError
        If images lie outside [0, 1] or are not finite, labels are no categories of the model, a size is not positive,
        the model is in training mode, or it does not give one row of finite logits an image and their gradient.

    Examples
    --------
    >>> import numpy as np
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(3, 2, bias=False)).eval()
    >>> _ = nn.init.constant_(model[1].weight[0], 1), nn.init.constant_(model[1].weight[1], -1)
    >>> path = pgd(model, np.full((1, 3, 1, 1), 0.5), [0], eps=0.1, step=0.06, steps=2)
    >>> path[:, 0, 0, 0, 0]
    array([0.5 , 0.44, 0.4 ], dtype=float32)
    """
    check_positive(eps, "eps")
    check_positive(step, "step")
    check_whole(steps, "steps", 1)
    check_whole(batch_size, "batch_size", 1)
    check_evaluating(model)
    pixels = read_pixels(images)
    where = resolve_device(device)
    model.to(where)
    with torch.no_grad():  # what a network keeps of its first pass is used in those that need derivatives
        categories = _logits(model, pixels[:1].to(where)).shape[1]
    targets = torch.from_numpy(check_labels(labels, categories)).to(where)
    check_same_length(images=pixels, labels=targets)
    sign = -step if targeted else step
    generator = torch.Generator().manual_seed(random_state)
    path = torch.empty(steps + 1, *pixels.shape, pin_memory=where.type == "cuda")
    with tqdm(total=len(pixels) * steps, desc="attacking", unit="step", delay=2) as bar:
        for start in range(0, len(pixels), batch_size):
            rows = slice(start, start + batch_size)
            x = pixels[rows].to(where, memory_format=torch.channels_last)
            low, high = (x - eps).clamp(min=0), (x + eps).clamp(max=1)
            if random_start:
                noise = torch.empty(pixels[rows].shape).uniform_(-eps, eps, generator=generator)
                x = (pixels[rows] + noise).clamp(0, 1).to(x)
            sound = []
            path[0, rows].copy_(x, non_blocking=True)
            for t in range(1, steps + 1):
                x = x.detach().requires_grad_()
                z = _logits(model, x)
                slope = torch.autograd.grad(F.cross_entropy(z, targets[rows], reduction="sum"), x)[0]
                sound.append(torch.stack([z.isfinite().all(), ~slope.isnan().any()]))
                x = torch.clamp(x.detach() + sign * slope.sign(), low, high)
                path[t, rows].copy_(x, non_blocking=True)
                bar.update(len(x))
            _check_sound(torch.stack(sound))  # once a batch: every look would make the device wait
    return hand_back(path, images)


def random_path(path: Array, random_state: int = 0) -> Array:
    """The control of an attack: every pixel is moved as far as the attack moved it, but up or down by lot.

    One lot holds for all iterates, so that the control, too, moves step by step. All norms of the perturbation are
    those of the attack, at every step. A pixel that would leave [0, 1] on the other way goes the attack's throughout.

    Parameters
    ----------
    path : (T + 1, N, 3, H, W)
        As of :func:`pgd`.
    random_state : int
        Draws the lot.

    Raises
    ------
    ValueError
        If values are not finite or lie outside [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> path = np.array([0.5, 0.6, 0.7]).reshape(3, 1, 1, 1, 1) * np.ones((3, 1, 3, 4, 4))
    >>> moved = random_path(path)[-1] - path[0]
    >>> np.unique(moved.round(6))
    array([-0.2,  0.2])
    """
    x = read_pixels(path, "path", ndim=5)
    twice = 2 * x[0]
    lot = torch.randint(0, 2, twice.shape, generator=torch.Generator().manual_seed(random_state)) == 0
    mirrored = lot & (x.amax(dim=0) <= twice) & (x.amin(dim=0) >= twice - 1)
    return hand_back(torch.where(mirrored, twice - x, x), path)


@dataclass(frozen=True)
class Trail:
    """What a network says of every iterate of an attack on N images.

    Attributes
    ----------
    logits : float32 (T + 1, N, C)
    h : dict of str to float32 (T + 1, N, R, 3)
        Regional features by layer, in the frame of the clean images, in units of the layer's mean strength there.
    """

    logits: np.ndarray
    h: dict[str, np.ndarray]

    @property
    def before(self) -> np.ndarray:
        """What the network takes each clean image for, (N,)."""
        return self.logits[0].argmax(axis=1)

    @property
    def after(self) -> np.ndarray:
        """What it takes each image for after the last step, (N,)."""
        return self.logits[-1].argmax(axis=1)

    def fooled(self, labels: np.ndarray) -> np.ndarray:
        """Which images were classified correctly before and no longer after, bool (N,)."""
        return (self.before == labels) & (self.after != labels)

    def success_rate(self, labels: np.ndarray) -> float:
        """Share of fooled images among those that were classified correctly; NaN if there is none."""
        right = int((self.before == labels).sum())
        return int(self.fooled(labels).sum()) / right if right else float("nan")


def follow(
    network: Network, path: Array, images: ImageSet, fitted: Mapping[str, RegionalFeatures], **options: Any
) -> Trail:
    """Project the regional features of every iterate as those of the clean images were projected.

    Parameters
    ----------
    network : Network
    path : (T + 1, N, 3, H, W)
        As of :func:`~nbhelpers.pgd`.
    images : ImageSet
        The N images that were attacked.
    fitted : mapping of str to RegionalFeatures
        Of clean images, by layer; each layer is brought to the grid that it has there.
    **options
        ``batch_size`` and ``device`` of :func:`~nbhelpers.record`.

    Raises
    ------
    ValueError
        If no layer is given, its features were not fitted on this network, or are all zero; if path and images do not
        fit, or the path leaves [0, 1].
    """
    if not fitted:
        raise ValueError("no layer to follow; give the regional features of at least one")
    grids = {view.grid for view in fitted.values()}
    grid = grids.pop() if len(grids) == 1 else None  # else each layer comes on its own, and is pooled below
    strength = {layer: view.strength.mean() for layer, view in fitted.items()}
    if silent := [layer for layer, mean in strength.items() if mean == 0]:
        raise ValueError(f"all regional features of {', '.join(silent)} are zero: no strength to measure with")
    logits, h = [], {layer: [] for layer in fitted}
    for pixels in read_pixels(path, "path", ndim=5):
        iterate = record(network, images, tuple(fitted), grid=grid, pixels=pixels, **options)
        logits.append(iterate.logits)
        for layer, view in fitted.items():
            regions = iterate.regions[layer] if grid else pool_regions(iterate.regions[layer], view.grid)
            h[layer].append(view.projection.transform(regions) / strength[layer])
    return Trail(np.stack(logits), {layer: np.stack(steps) for layer, steps in h.items()})


def _logits(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    z = model(x)
    if z.ndim != 2 or len(z) != len(x):
        raise ValueError(f"the model must give (N, C) logits for {len(x)} images, got shape {tuple(z.shape)}")
    return z


def _check_sound(steps: torch.Tensor) -> None:
    """Of every step, whether the logits were finite and the gradient no NaN: (T, 2)."""
    for t, (logits, slope) in enumerate(steps.cpu().numpy(), start=1):
        if not logits:
            raise ValueError("the model gives NaN or infinite logits: check its weights")
        if not slope:
            raise ValueError(f"the gradient holds NaN at step {t}: the model has no derivative there")
