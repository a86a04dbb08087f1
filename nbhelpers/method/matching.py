"""Which images ought to be alike, and which of their regions are: what Eq. 7-12 share."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from nbhelpers.maths.arrays import Array, blocks, check_whole, on_tensors, polar

TARGETS = ("logits", "probabilities")
_MOST = 2**12  # regions of an image: what comparing them takes goes with the square of their number
_BLOCKS = {"cpu": 2**23}  # similarities held at once: 32 MB of float32 stay near the processor; a GPU wants more


def check_comparable(regions: torch.Tensor, logits: torch.Tensor) -> None:
    """At least three images and two categories, regions in fit number and something in each, or a ``ValueError``."""
    if len(regions) < 3:
        raise ValueError(f"regions are judged by comparing images: at least 3 images are needed, got {len(regions)}")
    if regions.shape[2:].numel() > _MOST:
        raise ValueError(
            f"regions lie on a grid of {regions.shape[2]}x{regions.shape[3]}: more than {_MOST} cannot be compared; "
            "average them to a coarser grid, such as grid=14"
        )
    if logits.shape[1] < 2:
        raise ValueError(f"logits must score at least 2 categories, got shape {tuple(logits.shape)}")
    if not regions.is_meta:
        silent = torch.cat([~block.flatten(1).any(dim=1) for block in blocks(regions)])
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

    ``p`` are the logits less their mean, because what is added to all of an image's logits says nothing; or the
    probabilities at the given temperature. (n, C) to (n, n); the diagonal, an image and itself, is minus infinity.
    """
    # in double precision, in which equal logits leave exactly nothing: polar would make an opinion of a rounding error
    centred = (logits.double() - logits.double().mean(dim=1, keepdim=True)).to(logits.dtype)
    p, _ = polar(centred if target == "logits" else torch.softmax(logits / temperature, dim=1))
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


def pool_regions(regions: Array, grid: int | tuple[int, int] | None) -> Array:
    """Bring the regions of any layer to one grid by adaptive averaging: (N, K, H, W) to (N, K, rows, columns).

    Where they lie on it already they come back as they are, be it on the disk; else the averages take memory.

    Parameters
    ----------
    regions : (N, K, H, W)
    grid : int, (int, int) or None
        Regions a side, or rows and columns; None is the layer's own.

    Raises
    ------
    ValueError
        If the grid is finer than that of the layer or no grid at all, or values are not finite.

    Examples
    --------
    >>> pool_regions(np.arange(16.0).reshape(1, 1, 4, 4), 2).tolist()
    [[[[2.5, 4.5], [10.5, 12.5]]]]
    >>> pool_regions(np.ones((1, 1, 4, 6)), (2, 6)).shape
    (1, 1, 2, 6)
    """
    own = tuple(np.shape(regions)[2:])
    wanted = check_grid(grid, own)
    return regions if wanted == own else _average(regions, wanted)


def check_grid(grid: int | tuple[int, int] | None, own: tuple[int, ...]) -> tuple[int, ...]:
    """Rows and columns to which regions on their ``own`` grid can be averaged, or a ``ValueError``."""
    sides = own if grid is None else tuple(grid) if np.ndim(grid) else (grid, grid)
    if len(own) != 2 or len(sides) != 2:
        raise ValueError(f"a grid has rows and columns, got {grid!r} for regions of (N, K, *{own})")
    rows, columns = (check_whole(side, "grid", 1) for side in sides)
    if rows > own[0] or columns > own[1]:
        raise ValueError(
            f"regions lie on a grid of {own[0]}x{own[1]}: they cannot be averaged to {rows}x{columns}; take no finer "
            "grid than theirs, a layer before this one, or larger images"
        )
    return rows, columns


@on_tensors(regions="N K H W, as given")
def _average(regions: Array, grid: tuple[int, int]) -> Array:
    parts = blocks(regions)
    pooled = torch.empty(*regions.shape[:2], *grid, device=regions.device)
    for part, here in zip(parts, pooled.split(len(parts[0])), strict=True):
        here.copy_(F.adaptive_avg_pool2d(part.float(), grid))
    return pooled
