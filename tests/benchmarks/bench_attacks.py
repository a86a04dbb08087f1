"""Attacks: time of projected gradient descent beside that of the Adversarial Robustness Toolbox.

    python tests/benchmarks/bench_attacks.py

Both attack the same images through the bundled network, batch by batch of one size, in one thread. Runs alternate, so
that a busy machine slows both; the ratio is that of the medians. Ours also keeps every iterate.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from art.attacks.evasion import ProjectedGradientDescent
from art.estimators.classification import PyTorchClassifier

from nbhelpers.experiments.study import Study
from nbhelpers.probes.attacks import pgd

EPS, STEP = 1 / 255, 0.1 / 255


def seconds(run: Callable) -> tuple[float, np.ndarray]:
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def compare(study: Study, count: int, steps: int, batch_size: int, repeats: int) -> None:
    some = study.images().subset(np.arange(count))
    images, categories = some.images.astype(np.float32) / 255, len(some.categories)
    model = study.load()
    loss = torch.nn.CrossEntropyLoss(reduction="sum")
    classifier = PyTorchClassifier(
        study.load(), loss, images.shape[1:], categories, clip_values=(0, 1), device_type="cpu"
    )
    attack = ProjectedGradientDescent(
        classifier, eps=EPS, eps_step=STEP, max_iter=steps, batch_size=batch_size, verbose=False
    )
    sides = {
        "ours": lambda: pgd(model, images, some.labels, EPS, STEP, steps, batch_size=batch_size, device="cpu")[-1],
        "ART": lambda: attack.generate(images, np.eye(categories)[some.labels]),
    }
    for run in sides.values():  # the first run of either pays for memory and for choosing kernels
        run()
    took: dict[str, list[float]] = {name: [] for name in sides}
    last = {}
    for repeat in range(repeats):
        for name in sorted(sides, reverse=repeat % 2 == 1):
            spent, last[name] = seconds(sides[name])
            took[name].append(spent)
    median = {name: np.median(times) for name, times in took.items()}
    equal = (np.abs(last["ours"] - last["ART"]) < 1e-6).mean()
    print(f"{count} images, {steps} steps, batches of {batch_size}, one thread: {equal:.1%} of the pixels are equal")
    for name, times in took.items():
        print(f"{name:>4}: median {median[name]:.2f} s ({min(times):.2f} ... {max(times):.2f}) of {repeats} runs")
    print(f"time of pgd, ours / ART: {median['ours'] / median['ART']:.3f} (at most 1.1 wanted)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    compare(Study("scenes"), given.images, given.steps, given.batch_size, given.repeats)
