"""Run the paper's experiments on one data set and network, and record what comes out as JSON."""

from __future__ import annotations

import datetime
import json
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from nbhelpers import reproduce_attacks, reproduce_regions, reproduce_students
from nbhelpers.activations import Activations
from nbhelpers.baselines import BASELINES
from nbhelpers.metrics import strength_entropy_pearson
from nbhelpers.networks import record
from nbhelpers.samples import SampleProjection
from nbhelpers.store import Store, replace_file
from nbhelpers.study import Study
from nbhelpers.training import accuracy

PACKAGES = ("nbhelpers", "torch", "torchvision", "numpy", "scipy", "scikit-learn")
PER_CATEGORY = 50
"""Images a category that the figures and tables rest on, as in the paper."""
WEIGHT_DECAYS = (1e-4, 1e-3, 0.01, 0.03, 0.1)


def reproduce(study: Study, out: str | os.PathLike, *, command: str) -> dict:
    """Run every experiment of ``study`` and write ``out``.

    A stage that was finished is not run again: a killed run goes on where it stopped and ends with the same numbers.

    Parameters
    ----------
    study : Study
        What to run.
    out : path
        The JSON file to write, whole or not at all.
    command : str
        The command line that repeats this run; recorded.

    Returns
    -------
    dict
        What was written: command, seed, date, seconds, versions, and one key an experiment.
    """
    store = Store(study.home / "results")
    train = study.images("train")
    data_sha256 = {"train": train.fingerprint, "held_out": study.images().fingerprint}
    identity = {"retrain": study.retrain, "data_sha256": data_sha256, "version": version("nbhelpers")}
    sets = {
        "table1": study.images().subset(per_category=PER_CATEGORY),
        "table1_train": train.subset(per_category=PER_CATEGORY),
    }
    stages: dict[str, Callable[[], Any]] = {
        "training": lambda: {"checkpoints": study.steps},
        "accuracy": lambda: {
            "train": accuracy(study.load(), train),
            "held_out": accuracy(study.load(), study.images()),
        },
        "grids": lambda: grids(study),
        "sample_fit": lambda: sample_fit(study.activations(images=sets["table1"])),
        "weight_decay": lambda: weight_decay(study.activations(images=sets["table1"])),
    }
    for key, images in sets.items():
        for method in METHODS:
            stages[f"{key} {method}"] = lambda m=method, i=images: table1_row(m, study.activations(images=i))
    timed: dict[str, dict] = {}
    found: dict[str, Any] = {}
    stages |= reproduce_regions.stages(study, sets["table1"], found)
    stages |= reproduce_attacks.stages(study, sets["table1"])
    stages |= reproduce_students.stages(study, sets["table1"])
    with tqdm(stages.items(), desc=f"reproduce {study.name}", unit="stage") as bar:
        for stage, run in bar:
            bar.set_postfix_str(stage)
            timed[stage] = store.numbers({**study.describe(), **identity, "stage": stage}, lambda run=run: _timed(run))
            found[stage] = timed[stage]["value"]
    result = {
        "command": command,
        **study.describe(),
        "date": datetime.date.today().isoformat(),
        "wall_seconds": round(sum(entry["seconds"] for entry in timed.values()), 1),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "data_sha256": data_sha256,
        "images": {"train": len(train), "held_out": len(study.images()), "fitted": len(sets["table1"])},
        "checkpoints": found["training"]["checkpoints"],
        "accuracy": found["accuracy"],
        "grids": found["grids"],
        "sample_fit": found["sample_fit"],
        "weight_decay": found["weight_decay"],
        **{key: {method: found[f"{key} {method}"] for method in METHODS} for key in sets},
        **reproduce_regions.results(found),
        **reproduce_attacks.results(found),
        **reproduce_students.results(found),
    }
    replace_file(Path(out), lambda part: part.write_text(json.dumps(result, indent=1) + "\n"))
    return result


def grids(study: Study) -> dict[str, list[int]]:
    """Height and width of every named layer's grid of regions."""
    network = study.load()
    one = study.images().subset(per_category=1)
    regions = record(network, one, tuple(network.layers)).regions
    return {layer: list(array.shape[2:]) for layer, array in regions.items() if array.ndim == 4}


def sample_fit(activations: Activations) -> dict[str, float]:
    """How close the projection comes to the network's soft labels, mean KL in nats, and the seconds it took."""
    start = time.perf_counter()
    projection = SampleProjection().fit(activations.features, activations.logits)
    return {"kl": projection.loss_, "seconds": time.perf_counter() - start}


def weight_decay(activations: Activations) -> dict[str, dict[str, float]]:
    """What the one free choice of the fit does: its divergence (nats) and Table 1's correlation for each value."""
    found = {}
    for value in WEIGHT_DECAYS:
        projection = SampleProjection(weight_decay=value).fit(activations.features, activations.logits)
        embedding = projection.transform(activations.features)
        found[f"{value:g}"] = {
            "kl": projection.loss_,
            "pearson_t4": strength_entropy_pearson(embedding, activations.logits, temperature=4.0),
        }
    return found


def table1_row(method: str, activations: Activations) -> dict[str, float]:
    """Table 1: how the strength goes with the network's uncertainty, for one way to embed the sample features."""
    start = time.perf_counter()
    embedding = METHODS[method](activations.features, activations.logits)
    seconds = time.perf_counter() - start
    return {
        "pearson_t4": strength_entropy_pearson(embedding, activations.logits, temperature=4.0),
        "pearson_t1": strength_entropy_pearson(embedding, activations.logits, temperature=1.0),
        "seconds": seconds,
    }


def _ours(features: np.ndarray, logits: np.ndarray) -> np.ndarray:
    return SampleProjection().fit(features, logits).transform(features)


METHODS = {"ours": _ours, **BASELINES}


def _timed(run: Callable[[], Any]) -> dict[str, Any]:
    start = time.perf_counter()
    value = run()
    return {"value": value, "seconds": time.perf_counter() - start}
