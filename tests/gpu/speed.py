"""Sections about time: what makes the host wait, how much faster the device is, and how near to its matrix rate."""

from __future__ import annotations

# ruff: noqa: B023  what is measured is called at once
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from planted import classifier, pictures
from report import Report
from waits import waits

from nbhelpers import KappaCurve, RegionImportance, RegionProjection, SampleProjection, pgd, region_shapley, tail_of
from nbhelpers.maths.radial import Opinion, label_loss
from nbhelpers.method.importance import channel_scores, descend
from nbhelpers.method.matching import best_matches
from nbhelpers.method.region_loss import projection_losses

CPU = torch.device("cpu")
CATEGORIES = 10


def synchronisation(report: Report) -> None:
    """Nothing makes the host wait inside the inner loops: a forward and a backward pass of every loss, and the loops
    of attack, training and Shapley values, where more steps must not mean more waiting.

    torch's own L-BFGS reads numbers on the host between the passes (the loss, the largest slope, the curvature, and
    what its line search compares); what a whole fit reads an iteration is measured, without a limit.
    """
    device, rng = report.device, torch.Generator().manual_seed(0)
    n, r, k = 12, 9, 16
    h = torch.randn(n, r, 3, generator=rng).to(device).requires_grad_()
    units = F.normalize(torch.randn(n, r, k, generator=rng), dim=2).to(device)
    g = F.normalize(torch.randn(n, 3, generator=rng), dim=1).to(device)
    w = torch.full((n, r), 1 / r, device=device)
    log_p = torch.log_softmax(torch.randn(n, n, generator=rng).fill_diagonal_(-torch.inf), dim=1).to(device)
    soft = torch.log_softmax(torch.randn(n, 5, generator=rng).double(), dim=1).to(device)
    embedding = torch.randn(n, 3, generator=rng).double().to(device).requires_grad_()
    labels, curve = Opinion(soft), KappaCurve(10.0)
    scores, place = best_matches(units, units)
    losses = {
        "label_loss, teacher": lambda: label_loss(embedding, labels, curve).divergence.backward(),
        "label_loss, posterior": lambda: label_loss(embedding, labels, curve, 3).divergence.backward(),
        "projection_losses, feature": lambda: projection_losses(h, w, g, log_p, place, curve).sum().backward(),
        "projection_losses, projection": lambda: projection_losses(h, w, g, log_p, None, curve).sum().backward(),
        "descend": lambda: descend(scores, log_p, 0.5, 3),
        "descend, shared": lambda: descend(scores, log_p, 0.5, 3, True),
        "channel_scores": lambda: channel_scores(units, units, place),
        "best_matches": lambda: best_matches(units, units),
    }
    for name, loss in losses.items():
        loss()  # what is read once, such as a table brought to the device, is there now
        places = waits(device, loss)
        report.check(f"{name}: waits", len(places), 0, ", ".join(sorted(set(places))))

    network, images = classifier().to(device), pictures(8)
    x = (images.images / 255).astype(np.float32)
    tail, regions = tail_of(network, "regions"), torch.rand(1, 4, 4, 4, generator=rng).to(device)
    sampled = {"method": "permutation", "permutations": 32, "precision": 0}
    loops: dict[str, tuple[Callable[[Any], Any], Any, Any]] = {
        "pgd: steps": (lambda steps: pgd(network, x, images.labels, steps=steps, device=device), 2, 12),
        "region_shapley: batches": (
            lambda size: region_shapley(tail, regions, 0, batch_size=size, device=device, **sampled),
            512,
            32,
        ),
    }
    for name, (loop, few, many) in loops.items():
        extra = len(waits(device, lambda: loop(many))) - len(waits(device, lambda: loop(few)))
        report.check(f"{name} that wait", max(0, extra), 0)
    fits = {
        "SampleProjection": lambda: SampleProjection(device=str(device)).fit(*_samples(60, 12)),
        "RegionProjection": lambda: RegionProjection(device=device).fit(*_regions(30, 16, 3, device)),
    }
    for name, fit in fits.items():
        fitted = []
        places = waits(device, lambda fit=fit: fitted.append(fit()))
        report.measure(
            f"{name}: waits an iteration of L-BFGS, torch's own included", len(places) / fitted[0].n_iter_, ""
        )


def training_waits(report: Report) -> None:
    """More batches of an epoch do not wait more often."""
    from nbhelpers import ImageSet, Recipe, build, train

    counts = []
    with tempfile.TemporaryDirectory() as folder:
        for batches in (2, 6):
            pixels = np.random.default_rng(0).integers(0, 256, (4 * batches, 3, 32, 32)).astype(np.uint8)
            images = ImageSet(pixels, np.arange(len(pixels)) % 2, ("a", "b"), "train")
            network, recipe = build("resnet34", 2, width=0.0625, input_size=32), Recipe(1, 4, checkpoints=2)
            run = Path(folder) / str(batches)
            counts.append(len(waits(report.device, lambda: train(network, images, run, recipe, device=report.device))))
    report.check("train: batches that wait", max(0, counts[1] - counts[0]), 0)


def speed(report: Report) -> None:
    """Seconds of the three fits on the processor for one second on the device, at two sizes.

    Where regions are compared in groups, the time is linear in the images: at 20,000 the processor's share of them is
    timed, and multiplied.
    """
    full = report.size == "full"
    for n, share in ((500, 1), (20_000, 20)) if full else ((40, 1), (80, 2)):
        k, side, d = (512, 14, 512) if full else (16, 3, 12)
        features, logits = _samples(n, d)
        _ratio(
            report,
            f"SampleProjection, N = {n}",
            lambda where: lambda: SampleProjection(device=str(where)).fit(features, logits),
        )
        sets = {CPU: _regions(n // share, k, side, CPU), report.device: _regions(n, k, side, report.device)}
        _ratio(
            report,
            f"RegionImportance, N = {n}, R = {side**2}, K = {k}",
            lambda where: lambda: RegionImportance(device=where).fit(*sets[where][:2]),
            share,
        )
        _ratio(
            report,
            f"RegionProjection, N = {n}, R = {side**2}, K = {k}, ten iterations",
            lambda where: lambda: RegionProjection(device=where, max_iter=10, max_images=500).fit(*sets[where]),
        )


def matching(report: Report) -> None:
    """Best matches as a share of the device's own matrix rate."""
    full = report.size == "full"
    side, images, r, k = (16384, 200, 196, 512) if full else (256, 12, 9, 16)
    for dtype in (torch.float32, torch.bfloat16):
        square = torch.randn(side, side, device=report.device).to(dtype)
        rate = 2 * side**3 / _seconds(report.device, lambda: square @ square, 3)
        keys = torch.randn(images, r, k, device=report.device).to(dtype)
        for index in (True, False):
            operations = 2 * (images * r) ** 2 * k
            reached = operations / _seconds(report.device, lambda: best_matches(keys, keys, index=index), 3)
            name = f"best_matches{' with places' if index else ''}, {str(dtype).removeprefix('torch.')}"
            report.measure(f"{name}: share of {rate / 1e12:.3g} TFLOP/s", reached / rate, "")


def _ratio(report: Report, name: str, fit: Callable[[torch.device], Callable[[], Any]], share: int = 1) -> None:
    there = _seconds(report.device, fit(report.device), 1)
    here = share * _seconds(CPU, fit(CPU), 1, warm=False)
    report.measure(f"{name}: on the device", there, "s")
    report.measure(f"{name}: processor : device", here / there, "")


def _seconds(device: torch.device, function: Callable[[], Any], times: int, warm: bool = True) -> float:
    """The shortest of several runs after one that is not counted."""
    shortest = float("inf")
    for run in range(times + warm):
        begun = time.perf_counter()
        function()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if run >= warm:
            shortest = min(shortest, time.perf_counter() - begun)
    return shortest


def _samples(n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    features = rng.gamma(1.0, size=(n, d)) + 4 * np.eye(CATEGORIES, d)[np.arange(n) % CATEGORIES]
    return features, 2 * features[:, :CATEGORIES] + rng.normal(size=(n, CATEGORIES))


def _regions(n: int, k: int, side: int, device: torch.device) -> tuple[torch.Tensor, ...]:
    """Regions, logits, importance and embedding: one region of every image has its category's channel."""
    generator = torch.Generator(device).manual_seed(0)
    regions = torch.rand(n, k, side, side, generator=generator, device=device)
    labels = torch.arange(n, device=device) % CATEGORIES
    regions[torch.arange(n, device=device), labels, 0, 0] += k**0.5
    logits = 8 * F.one_hot(labels, CATEGORIES).float()
    weights = torch.full((n, side**2), 1 / side**2, device=device)
    embedding = 2 * F.normalize(torch.randn(CATEGORIES, 3, generator=generator, device=device), dim=1)[labels]
    return regions, logits, weights, embedding
