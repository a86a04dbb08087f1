"""Regions as players for a category's score: absent ones hold a baseline, and the part after the layer runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nbhelpers.maths.arrays import (
    Array,
    as_tensor,
    check_choice,
    check_labels,
    check_same_length,
    check_whole,
    hand_back,
    resolve_device,
)
from nbhelpers.networks.network import evaluating
from nbhelpers.networks.tails import Tail

Players = Array | tuple[int, int] | None
"""Which regions come and go together: rows and columns of blocks, or the player of each region; None for each alone."""


@dataclass(frozen=True)
class Game:
    """What coalitions of the regions of n images are paid: v(S)."""

    tail: nn.Module
    regions: torch.Tensor  # (n, K, H, W)
    targets: torch.Tensor  # (n,): the category whose score is paid
    players: torch.Tensor  # (H*W,): the player to which each region belongs
    baseline: float | str | Array = 0.0
    output: str = "logit"
    batch_size: int = 256

    @property
    def count(self) -> int:
        """Players an image."""
        return int(self.players.max()) + 1

    @cached_property
    def tables(self) -> torch.Tensor:
        """The features of each region, and the baseline as the last row, (n, H*W + 1, K)."""
        rows = self.regions.flatten(2).transpose(1, 2)
        if isinstance(self.baseline, str):
            if self.baseline != "mean":
                raise ValueError(f"baseline must be a number, 'mean' or a vector of length K, got {self.baseline!r}")
            return torch.cat([rows, rows.mean(dim=1, keepdim=True)], dim=1)
        last = as_tensor(self.baseline, "baseline", ndim=(0, 1), device=rows.device, bounded=True)
        if last.ndim == 1 and len(last) != rows.shape[2]:
            raise ValueError(f"baseline must have one number for each of the {rows.shape[2]} channels, got {len(last)}")
        return torch.cat([rows, last.expand(len(rows), 1, rows.shape[2])], dim=1)

    def of_image(self, index: int) -> Game:
        """The same of one image alone."""
        one = slice(index, index + 1)
        tail = _of_images(self.tail, [index])
        return replace(self, tail=tail, regions=self.regions[one], targets=self.targets[one])

    def __call__(self, masks: torch.Tensor) -> torch.Tensor:
        """Payoffs (n, M) in float64 on the CPU of coalitions: booleans (M, P) for all images alike, or (n, M, P)."""
        each = masks.expand(len(self.regions), *masks.shape[-2:])
        images = torch.arange(len(each), device=masks.device).repeat_interleave(each.shape[1])
        batches = zip(each.flatten(0, 1).split(self.batch_size), images.split(self.batch_size), strict=True)
        v = torch.cat([self.payoff(*batch) for batch in batches])
        return as_tensor(v, "the tail's output", dtype=torch.float64).view(each.shape[:2])

    def payoff(self, masks: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """The same of one batch (b, P) of the coalitions of these images (b,), on the tail's device."""
        absent = len(self.players)
        # Copying whole rows is the cheapest way to replace regions, and leaves the memory order that pooling prefers.
        rows = torch.where(masks[:, self.players], torch.arange(absent, device=masks.device), absent)
        rows = rows + (absent + 1) * images[:, None]
        features = F.embedding(rows, self.tables.flatten(0, 1)).unflatten(1, self.regions.shape[2:])
        return self.scores(features.permute(0, 3, 1, 2), images)

    def scores(self, features: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """What features (b, K, H, W) in place of those of these images (b,) score, in float64 on the tail's device."""
        z = _of_images(self.tail, images)(features).double()
        return (z if self.output == "logit" else z.log_softmax(dim=1)).gather(1, self.targets[images, None])[:, 0]

    def summed(self, values: torch.Tensor) -> torch.Tensor:
        """Numbers of regions (n, H, W) as those of players (n, P)."""
        return values.new_zeros(len(values), self.count).index_add_(1, self.players, values.flatten(1))


@contextmanager
def playing(
    tail: nn.Module,
    regions: Array,
    target: int | Array,
    *,
    players: Players = None,
    device: str | torch.device = "auto",
    **options: float | str | Array,
) -> Iterator[Game]:
    """The game of one image's regions (K, H, W) or of many (N, K, H, W), with the tail on the device and evaluating.

    Parameters
    ----------
    **options
        ``baseline``, ``output`` and ``batch_size`` of :class:`Game`.

    Raises
    ------
    ValueError
        For NaN or wrong shapes, a target out of range, and players or options that there are not.
    """
    where = resolve_device(device)
    x = as_tensor(regions, "regions", ndim=(3, 4), device=where, bounded=True)
    images = x if x.ndim == 4 else x[None]
    groups = _read_players(players, *images.shape[2:]).to(where)
    check_choice(options.get("output", "logit"), "output", ("logit", "log_probability"))
    check_whole(options.get("batch_size", 1), "batch_size", 1)
    if isinstance(tail, Tail) and tail.held is not None:
        check_same_length(regions=images, tokens_that_the_tail_holds=tail.held)
    tail.to(where)
    with torch.no_grad(), evaluating(tail):
        each = np.repeat(target, len(images)) if np.ndim(target) == 0 else target
        targets = check_labels(each, _categories(_of_images(tail, [0]), images[:1]), "target")
        check_same_length(regions=images, target=targets)
        yield Game(tail, images, torch.from_numpy(targets).to(where), groups, **options)


def handed_back(values: torch.Tensor, regions: Array) -> Array:
    """Numbers of N images as the caller gave the regions: of one image alone, without its axis."""
    return hand_back(values if np.ndim(regions) == 4 else values[0], regions)


def _of_images(tail: nn.Module, images: torch.Tensor | list[int]) -> nn.Module:
    """The tail for features in place of those of these images: the same, unless it holds something of each."""
    return tail.of_images(images) if isinstance(tail, Tail) else tail


def _read_players(players: Players, rows: int, columns: int) -> torch.Tensor:
    regions = rows * columns
    if players is None:
        return torch.arange(regions)
    if isinstance(players, tuple):
        down, across = _read_blocks(players, rows, columns)
        lines, places = torch.arange(rows) * down // rows, torch.arange(columns) * across // columns
        return (lines[:, None] * across + places).flatten()
    numbers = np.asarray(players.cpu() if isinstance(players, torch.Tensor) else players)
    if numbers.dtype.kind not in "iu" or numbers.shape != (regions,):
        raise ValueError(f"players must be {regions} whole numbers, got shape {numbers.shape} of {numbers.dtype}")
    there = np.unique(numbers).tolist()
    if there != list(range(len(there))):
        raise ValueError(f"players must be numbered 0, 1, 2 ... without a gap, found {there}")
    return torch.from_numpy(numbers.astype(np.int64))


def _read_blocks(blocks: tuple, rows: int, columns: int) -> tuple[int, int]:
    whole = len(blocks) == 2 and all(isinstance(side, (int, np.integer)) for side in blocks)
    if not whole or not (1 <= blocks[0] <= rows and 1 <= blocks[1] <= columns):
        raise ValueError(
            f"players must be rows and columns of blocks, at most the {rows} x {columns} regions that there are, or an "
            f"array of one number a region, got {blocks!r}"
        )
    return int(blocks[0]), int(blocks[1])


def _categories(tail: nn.Module, image: torch.Tensor) -> int:
    """One run tells whether the tail takes such regions, and which targets exist."""
    try:
        scores = tail(image.clone())
    except RuntimeError as error:
        raise ValueError(f"the tail does not take regions of shape {tuple(image.shape[1:])}: {error}") from None
    if scores.ndim != 2 or len(scores) != 1:
        raise ValueError(f"the tail must give logits (B, C), got shape {tuple(scores.shape)} for one image")
    return scores.shape[1]
