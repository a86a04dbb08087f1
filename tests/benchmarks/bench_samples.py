"""SampleProjection beside t-SNE and the settled recipe: seconds, their ratio, and how the cost grows with images.

    python tests/benchmarks/bench_samples.py

All run in this process on the same features of 512 numbers and logits of 10 categories, on one thread. CPU seconds are
compared, so that a busy machine matters little; the least of three counts for the projection, one run for the others.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from nbhelpers.method.samples import SampleProjection
from nbhelpers.probes.baselines import tsne

sys.path.insert(0, str(Path(__file__).parents[1]))
from synthetic import features_and_logits
from test_samples import settled_recipe

SIZES = (2_000, 5_000, 10_000, 20_000, 50_000)


def seconds(run: Callable, repeats: int) -> tuple[float, object]:
    """CPU seconds of the shortest of some runs, and what the last gave."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = run()
        times.append(time.process_time() - start)
    return min(times), result


def main() -> None:
    print(f"torch {torch.__version__}, one thread, D = 512, 10 categories")
    features, logits, _ = features_and_logits(n=SIZES[-1], d=512, dtype=np.float32)
    f, z = features[: SIZES[0]], logits[: SIZES[0]]
    SampleProjection(tol=0.1).fit(f, z)  # loads what the first call loads
    ours, projection = seconds(lambda: SampleProjection().fit(f, z), 3)
    theirs, _ = seconds(lambda: tsne(f, z), 1)
    recipe, divergence = seconds(lambda: settled_recipe(f, z, "teacher", seed=0), 1)
    print(
        f"N = {SIZES[0]}: fit {ours:.2f} s, t-SNE in 3-D {theirs:.2f} s, ratio {ours / theirs:.4f} (at most 0.1 wanted)"
    )
    print(f"settled recipe {recipe:.2f} s, ratio {ours / recipe:.4f}")
    print(f"mean KL: fit {projection.loss_:.4f}, settled recipe {divergence:.4f} nats")
    times = []
    for n in SIZES:
        took, projection = seconds(lambda n=n: SampleProjection().fit(features[:n], logits[:n]), 3)
        times.append(took)
        print(f"N = {n:6d}: {took:6.2f} s, {projection.n_iter_} iterations, {1e6 * took / n:.0f} us an image")
    slope = np.polyfit(np.log(SIZES), np.log(times), 1)[0]
    print(f"log-log slope {slope:.2f} (1 is linear)")


if __name__ == "__main__":
    torch.set_num_threads(1)
    with threadpool_limits(1):
        main()
