"""Which images ought to be alike, and which of their regions are: what Eq. 7-12 share."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from nbhelpers.maths.arrays import BLOCK, Array, on_tensors, polar

TARGETS = ("logits", "probabilities")
_BLOCKS = {"cpu": 2**23}  # similarities held at once: 32 MB of float32 stay near the processor; a GPU wants more


def check_comparable(regions: torch.Tensor, logits: torch.Tensor) -> None:
    """At least three images and two categories, and something in every image, or a ``ValueError``."""
    if len(regions) < 3:
        raise ValueError(f"regions are judged by comparing images: at least 3 images are needed, got {len(regions)}")
    if logits.shape[1] < 2:
        raise ValueError(f"logits must score at least 2 categories, got shape {tuple(logits.shape)}")
    if not regions.is_meta:
        silent = regions.flatten(1).count_nonzero(dim=1) == 0
        if bool(silent.any()):
            image = int(silent.nonzero()[0])
            raise ValueError(f"all regions of image {image} are zero: nothing to compare; leave such images out")


def draw_groups(n: int, size: int, random_state: int) -> list[torch.Tensor]:
    """Split ``n`` images at random into groups of at most ``size``, but at least 3, of each other's partners.

    Examples
    --------
    >>> [len(group) for group in draw_groups(10, 4, random_state=0)]
    [4, 3, 3]
    """
    order = np.random.default_rng(random_state).permutation(n)
    count = max(1, min(-(-n // size), n // 3))
    return [torch.from_numpy(np.sort(group)) for group in np.array_split(order, count)]


def target_log_probabilities(logits: torch.Tensor, target: str, temperature: float, kappa: float) -> torch.Tensor:
    r"""log P(j|i) of taking image i for image j of the others, :math:`P \propto \exp[\kappa\cos(p_i, p_j)]`.

    ``p`` are the logits, or the probabilities at the given temperature. (n, C) to (n, n); the diagonal, an image and
    itself, is minus infinity.
    """
    p, _ = polar(logits if target == "logits" else torch.softmax(logits / temperature, dim=1))
    return torch.log_softmax((kappa * p @ p.T).fill_diagonal_(-torch.inf), dim=1)


def log_choice(scores: torch.Tensor, log_p: torch.Tensor, dim: int = 1) -> torch.Tensor:
    """log Q, the softmax of (m, n) scores over the images that ``log_p`` allows; zero elsewhere."""
    absent = torch.isneginf(log_p)
    return torch.log_softmax(scores.masked_fill(absent, -torch.inf), dim).masked_fill(absent, 0)


def kl_divergence(log_p: torch.Tensor, log_q: torch.Tensor, dim: int = 1) -> torch.Tensor:
    """KL(P || Q) in nats along ``dim``; where P is zero (an image and itself) nothing is counted."""
    return (log_p.exp() * (log_p.masked_fill(torch.isneginf(log_p), 0) - log_q)).sum(dim)


def region_vectors(regions: torch.Tensor, device: torch.device | str = "cpu") -> torch.Tensor:
    """Regions as rows: (n, K, H, W) of any floating type to float32 (n, H*W, K)."""
    return regions.to(device=device, dtype=torch.float32).flatten(2).transpose(1, 2).contiguous()


def best_matches(
    queries: torch.Tensor, keys: torch.Tensor, index: bool = True
) -> tuple[torch.Tensor, torch.Tensor | None]:
    r"""For every region of every query image its most similar region of every key image.

    .. math:: s_{irj} = \max_{r'} q_i^{(r)} \cdot k_j^{(r')}

    From queries (m, R, K) and keys (n, R', K) to s (m, R, n), and r' as int16 (m, R, n), without which it is faster.
    """
    (m, r, k), (n, s, _) = queries.shape, keys.shape
    similarity = queries.new_empty(m, r, n)
    place = torch.empty((m, r, n), dtype=torch.int16, device=queries.device) if index else None
    side = max(1, round((_BLOCKS.get(queries.device.type, 2**28) / (r * s)) ** 0.5))
    room = queries.new_empty(min(side, m) * r * min(side, n) * s)  # used again and again: fresh memory is slow
    for i in (slice(start, start + side) for start in range(0, m, side)):
        for j in (slice(start, start + side) for start in range(0, n, side)):
            rows, columns = queries[i].reshape(-1, k), keys[j].reshape(-1, k)
            products = room[: len(rows) * len(columns)].view(len(rows), len(columns))
            products = torch.mm(rows, columns.T, out=products).view(-1, r, len(columns) // s, s)
            if place is None:
                similarity[i, :, j] = products.amax(dim=3)
            else:
                similarity[i, :, j], place[i, :, j] = products.max(dim=3)
    return similarity, place


@on_tensors(regions="N K H W, as given")
def pool_regions(regions: Array, grid: int | tuple[int, int]) -> Array:
    """Bring the regions of any layer to one grid by adaptive averaging: (N, K, H, W) to (N, K, *grid).

    Raises
    ------
    ValueError
        If the grid is finer than that of the layer, or values are not finite.

    Examples
    --------
    >>> pool_regions(np.arange(16.0).reshape(1, 1, 4, 4), 2).tolist()
    [[[[2.5, 4.5], [10.5, 12.5]]]]
    """
    height, width = (grid, grid) if isinstance(grid, int) else grid
    own = regions.shape[2:]
    if not (1 <= height <= own[0] and 1 <= width <= own[1]):
        raise ValueError(f"regions lie on a grid of {own[0]}x{own[1]}: they cannot be averaged to {height}x{width}")
    return torch.cat([F.adaptive_avg_pool2d(block.float(), (height, width)) for block in regions.split(BLOCK)])
