"""Regions: the rate of matching beside that of a matrix product, and the fits beside plain loops over pairs.

    python tests/benchmarks/bench_regions.py

Each part runs in a process of its own, so that its memory can be told. The loops minimise the same objectives by the
same methods, one pair of images at a time.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from nbhelpers.maths.axes import whitening_map
from nbhelpers.maths.kappa import KappaCurve
from nbhelpers.maths.vmf import log_normalizer
from nbhelpers.method.importance import RegionImportance, project_to_simplex
from nbhelpers.method.matching import best_matches, region_vectors, target_log_probabilities
from nbhelpers.method.region_loss import least_squares
from nbhelpers.method.regions import RegionProjection

sys.path.insert(0, str(Path(__file__).parents[1]))
from planted import planted


def seconds(run: Callable) -> tuple[float, object]:
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def peak() -> float:
    """Highest memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def matching_rate(n: int = 500, r: int = 196, k: int = 512) -> None:
    x = F.normalize(torch.rand(n, r, k), dim=2)
    product = torch.empty(4096, 8192)
    a, b = x.view(-1, k)[:4096], x.view(-1, k)[:8192]

    def matrix_rate() -> float:
        torch.mm(a, b.T, out=product)
        return max(2 * 4096 * 8192 * k / seconds(lambda: torch.mm(a, b.T, out=product))[0] for _ in range(10))

    before, start = peak(), matrix_rate()
    took, _ = seconds(lambda: best_matches(x, x))
    rate, machine = 2 * (n * r) ** 2 * k / took, max(start, matrix_rate())
    print(
        f"matching N = {n}, R = {r}, K = {k}, float32: {took:.1f} s, {rate / 1e9:.0f} of {machine / 1e9:.0f} GFLOP/s, "
        f"ratio {rate / machine:.2f} (at least 0.5 wanted), {peak() - before:.2f} GB above the inputs (2 allowed)"
    )


def importance_loop(regions: torch.Tensor, logits: torch.Tensor, settings: RegionImportance) -> float:
    """RegionImportance with uniform channels, pair by pair: the mean objective at the end."""
    units = region_vectors(regions)
    strength = units.norm(dim=2)
    units = F.normalize(units, dim=2)
    p = target_log_probabilities(logits, settings.target, settings.temperature, settings.kappa_target).exp()
    r, ridge, objectives = units.shape[1], settings.ridge, []
    for x in range(len(units)):
        partners = [j for j in range(len(units)) if j != x]
        speech = settings.kappa_regions * strength[x] / strength[x].mean()
        found = [speech * (units[x] @ units[j].T).max(dim=1).values for j in partners]
        highest, lowest = found[0], found[0]
        for s in found:
            highest, lowest = torch.maximum(highest, s), torch.minimum(lowest, s)
        bound = float((highest - lowest).square().sum() / 4 + ridge * r)
        w = ahead = torch.full((r,), 1 / r)
        inertia = 1.0
        for _ in range(settings.steps):
            q = torch.softmax(torch.stack([ahead @ s for s in found]), 0)
            slope = ridge * r * (ahead - 1 / r)
            for j, s, chosen in zip(partners, found, q, strict=True):
                slope = slope + (chosen - p[x, j]) * s
            following = project_to_simplex((ahead - slope / bound)[None])[0]
            next_inertia = (1 + (1 + 4 * inertia**2) ** 0.5) / 2
            ahead = following + (inertia - 1) / next_inertia * (following - w)
            w, inertia = following, next_inertia
        log_q = torch.log_softmax(torch.stack([w @ s for s in found]), 0)
        divergence = sum(p[x, j] * (p[x, j].log() - q) for j, q in zip(partners, log_q, strict=True))
        objectives.append(float(divergence + ridge / 2 * r * (w - 1 / r).square().sum()))
    return float(np.mean(objectives))


def projection_loop(
    regions: torch.Tensor,
    logits: torch.Tensor,
    w: torch.Tensor,
    g: torch.Tensor,
    settings: RegionProjection,
    start: torch.Tensor,
) -> float:
    """RegionProjection from the same whitened start for as many iterations, pair by pair: the loss at the end."""
    vectors, g = region_vectors(regions), F.normalize(g, dim=1)
    unmix, curve, n = whitening_map(vectors.flatten(0, 1)), KappaCurve(settings.kappa_max), len(regions)
    p = target_log_probabilities(logits, settings.target, settings.temperature, settings.kappa_target).exp()
    units = F.normalize(vectors, dim=2)
    place = {(i, j): (units[i] @ units[j].T).argmax(dim=1) for i in range(n) for j in range(n) if i != j}
    coordinates = start.clone().requires_grad_()

    def loss() -> torch.Tensor:
        total = torch.zeros(())
        h = [x @ (coordinates @ unmix).T for x in vectors]
        length = [(x.square().sum(1) + 1e-16).sqrt() for x in h]
        o = [x / s[:, None] for x, s in zip(h, length, strict=True)]
        kappa = [curve(s) for s in length]
        for given in range(n):
            others = [i for i in range(n) if i != given]
            log_likelihood = torch.stack(
                [
                    (w[i] * (kappa[i] * (o[i] * o[given][place[i, given]]).sum(1) + log_normalizer(kappa[i], 3))).sum()
                    for i in others
                ]
            )
            chosen = p[given, others]
            total = total + (chosen * (chosen.log() - torch.log_softmax(log_likelihood, 0))).sum()
            total = total - settings.alpha * settings.kappa_align * (w[given] * (o[given] @ g[given])).sum()
        return total / n

    optimizer = torch.optim.LBFGS(
        [coordinates], max_iter=settings.max_iter, history_size=20, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss() + settings.weight_decay / 2 * coordinates.square().sum()
        value.backward()
        return value

    optimizer.step(closure)
    return float(loss().detach())


def fits_beside_loops(n: int = 40) -> None:
    regions, logits, labels, _ = (torch.from_numpy(x) for x in planted(n, k=64, side=8, dtype=np.float32))
    g = F.one_hot(labels)[:, :3].float() - F.one_hot(labels)[:, 3:].float()
    importance = RegionImportance()
    importance.fit(regions, logits)  # loads what the first call loads
    ours, fitted = seconds(lambda: importance.fit(regions, logits))
    loop, objective = seconds(lambda: importance_loop(regions, logits, importance))
    print(
        f"importance, N = {n}, 8x8 regions: {ours:.3f} s, loop over pairs {loop:.2f} s, ratio {ours / loop:.4f} "
        f"(at most 0.1 wanted), objectives {fitted.loss_curve_[-1]:.5f} and {objective:.5f}"
    )
    w, vectors = fitted.weights_, region_vectors(regions)
    unmix = whitening_map(vectors.flatten(0, 1))
    start = torch.linalg.lstsq(unmix.T, least_squares(vectors, w, F.normalize(g, dim=1), unmix).T).solution.T

    class FromThere(RegionProjection):
        def _starts(self, *_: object) -> list[torch.Tensor]:
            return [start.clone()]

    projection = FromThere(max_iter=10, tol=1)
    projection.fit(regions, logits, w, g)
    ours, fitted = seconds(lambda: projection.fit(regions, logits, w, g))
    total = float(fitted.loss_curve_[-1] @ [1, projection.alpha * projection.kappa_align])
    loop, objective = seconds(lambda: projection_loop(regions, logits, w, g, projection, start))
    print(
        f"projection, N = {n}, 8x8 regions, 10 iterations: {ours:.3f} s, loop over pairs {loop:.2f} s, ratio "
        f"{ours / loop:.4f} (at most 0.1 wanted), losses {total:.5f} and {objective:.5f}"
    )


def growth(k: int = 128, side: int = 8) -> None:
    """Time and memory as images are added; the features are float16, as they are stored."""
    base, z, labels, _ = planted(1000, k=k, side=side)
    for n in (500, 2_000, 20_000):
        repeats = -(-n // len(base))
        regions, logits = np.tile(base.astype(np.float16), (repeats, 1, 1, 1))[:n], np.tile(z, (repeats, 1))[:n]
        g = np.tile(np.eye(4)[labels][:, :3] - np.eye(4)[labels][:, 3:], (repeats, 1))[:n]
        before = peak()
        fit_w, importance = seconds(partial(RegionImportance().fit, regions, logits))
        fit_h, _ = seconds(partial(RegionProjection(max_iter=10, tol=1).fit, regions, logits, importance.weights_, g))
        print(
            f"N = {n:6d}, inputs {regions.nbytes / 2**30:.2f} GB: importance {1e3 * fit_w / n:.2f} ms an image, "
            f"projection {fit_h:.2f} s for 10 iterations, peak {peak() - before:.2f} GB above the inputs"
        )


if __name__ == "__main__":
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
    for part in (matching_rate, fits_beside_loops, growth):
        process = get_context("spawn").Process(target=part)
        process.start()
        process.join()
