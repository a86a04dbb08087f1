"""L-BFGS with one rule for when to stop: what the fits of M and of Lambda share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from tqdm import tqdm

STRIDE = 10
"""Iterations between two looks at the loss."""

Objective = Callable[[torch.Tensor, bool], tuple[torch.Tensor, torch.Tensor | None, Any]]
"""From a point, and whether its slope is needed, to the loss, the slope or None, and what else is to be known there."""


class Descent(NamedTuple):
    """Where a descent ended."""

    point: torch.Tensor
    looks: list[Any]  # what the objective told at the start and after every STRIDE iterations
    n_iter: int
    fall: float  # of the loss in the last STRIDE iterations
    converged: bool


def minimise(
    objective: Objective,
    start: torch.Tensor,
    *,
    max_iter: int,
    tol: float,
    least: float,
    evaluations: int,
    describe: str,
) -> Descent:
    """Descend until :data:`STRIDE` iterations, in at most ``evaluations``, lower the loss by ``tol`` of it or less.

    Of a loss that is smaller than ``least``, ``tol`` is taken of that. The bar says what to ``describe``.
    """
    point = start.clone()
    optimizer = torch.optim.LBFGS(
        [point],
        max_eval=evaluations,
        history_size=20,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    last: tuple[Any, ...] = ()  # point, loss and look of the last evaluation: most often where the next look is

    def closure() -> torch.Tensor:
        nonlocal last
        value, point.grad, look = objective(point, True)
        last = point.clone(), value, look
        return value

    def look_here() -> tuple[float, Any]:
        here = bool(last) and torch.equal(last[0], point)
        value, look = last[1:] if here else objective(point, False)[::2]
        return float(value), look

    before, look = look_here()
    looks, n_iter, fall = [look], 0, float("inf")
    with tqdm(total=max_iter, desc=describe, unit="iteration", delay=2) as bar:
        while n_iter < max_iter:
            stride = optimizer.param_groups[0]["max_iter"] = min(STRIDE, max_iter - n_iter)
            optimizer.step(closure)
            n_iter += stride
            now, look = look_here()
            looks.append(look)
            bar.update(stride)
            fall, before = before - now, now
            if fall <= tol * max(abs(before), least):
                bar.total = bar.n  # done, however many iterations it might have had
                return Descent(point, looks, n_iter, fall, True)
    return Descent(point, looks, n_iter, fall, False)
