"""Region Shapley values: seconds for 16 regions exactly, and time at equal error beside captum's sampling.

    python tests/benchmarks/bench_shapley.py

Both sides run the same tail of the bundled network on the same images. Errors are measured against a long run, as a
share of the range of an image's values; sampling errors fall with the square root of the time, so the time at equal
error is time x error^2. captum gets its fastest batch. CPU seconds are compared, so a busy machine does not matter.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from captum.attr import ShapleyValueSampling

from nbhelpers import build
from nbhelpers.experiments.study import Study
from nbhelpers.networks.tails import tail_of
from nbhelpers.probes.shapley import region_shapley

LAYER = "conv_53"
BLOCKS = np.kron(np.arange(16).reshape(4, 4), np.ones((2, 2), int)).ravel()


def timed(run: Callable) -> tuple[float, float, np.ndarray]:
    """Wall seconds, CPU seconds and the result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    return time.perf_counter() - wall, time.process_time() - cpu, np.asarray(result)


def exact() -> None:
    """A quarter-width VGG-16's tail, on a 4 x 4 grid and on 8 x 8 regions in 16 blocks."""
    tail = tail_of(build("vgg16", width=0.25), LAYER)
    rng = np.random.default_rng(0)
    for name, side, players in (("4 x 4 regions", 4, None), ("8 x 8 regions in 16 blocks", 8, BLOCKS)):
        regions = rng.exponential(size=(128, side, side)).astype(np.float32)
        runs = [timed(lambda r=regions, p=players: region_shapley(tail, r, 0, players=p)) for _ in range(3)]
        wall, cpu = min(r[0] for r in runs), min(r[1] for r in runs)
        print(f"exact, {name}: {wall:.2f} s an image ({cpu:.2f} s of CPU, {torch.get_num_threads()} threads)")


def sampled(study: Study, images: int, permutations: int, repeats: int) -> None:
    """64 regions: ours and captum's CPU seconds and errors."""
    got = study.activations(layers=(LAYER,), images=study.images().subset(np.arange(images)))
    regions, target = got.regions[LAYER], got.logits.argmax(1)
    tail = tail_of(study.load(), LAYER)
    x, targets = torch.from_numpy(regions), torch.from_numpy(target)
    blocks = torch.arange(x[0, 0].numel()).view(1, 1, *x.shape[2:])

    def ours(permutations: int, seed: int) -> np.ndarray:
        options = {"method": "permutation", "permutations": permutations, "precision": 0, "random_state": seed}
        return region_shapley(tail, regions, target, **options)[0]

    @torch.inference_mode()
    def theirs(permutations: int, seed: int, batch: int, at_once: int) -> np.ndarray:
        torch.manual_seed(seed)
        method = ShapleyValueSampling(tail)
        parts = [
            method.attribute(
                a.contiguous(), 0, b, feature_mask=blocks, n_samples=permutations, perturbations_per_eval=batch
            )[:, 0].flatten(1)
            for a, b in zip(x.split(at_once), targets.split(at_once), strict=True)
        ]
        return torch.cat(parts).double().numpy()

    reference = ours(40 * permutations, 10**6)
    span = np.ptp(reference, axis=1, keepdims=True)

    choices = {(b, n): timed(lambda b=b, n=n: theirs(8, 0, b, n))[1] for b in (1, 4, 16, 32, 64) for n in {1, images}}
    batch, at_once = min(choices, key=choices.get)
    print(f"captum is fastest with perturbations_per_eval={batch}, {at_once} image(s) at once")

    costs = {}
    for name, run in (("ours", ours), ("captum", lambda n, s: theirs(n, s, batch, at_once))):
        runs = [timed(lambda s=s, run=run: run(permutations, s)) for s in range(repeats)]
        seconds = np.median([r[1] for r in runs]) / images
        error = np.sqrt(np.mean([((r[2] - reference) / span) ** 2 for r in runs]))
        costs[name] = seconds * error**2
        print(
            f"{name:>7}: {permutations} permutations of {x[0, 0].numel()} regions in {seconds:.3f} s of CPU an image, "
            f"error {error:.2%} of the range"
        )
    print(f"time at equal error, ours / captum: {costs['ours'] / costs['captum']:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--permutations", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    exact()
    sampled(Study("scenes"), given.images, given.permutations, given.repeats)
