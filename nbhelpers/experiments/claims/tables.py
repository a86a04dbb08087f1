"""Tables 1 and 2: strength and uncertainty over images, strength and importance over regions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nbhelpers.experiments.claims.claim import Part
from nbhelpers.experiments.claims.measured import Measure, Runs, at, mean, part
from nbhelpers.probes.baselines import EMBEDDINGS, NAMES

T = {"T = 4": "pearson_t4", "T = 1": "pearson_t1"}
"""Temperatures of the entropy: that of the authors' code decides, the network's own stands beside."""
NOT_WORSE = 0.05
"""How much weaker than printed a correlation may be and still repeat it."""
OF_SAMPLES = {"‖f‖": "raw_strength", "‖f − mean‖": "centred_strength", "random M": "random_projection"}
OF_REGIONS = {
    "‖f‖": "control_mean",
    "‖f − mean‖": "centred_mean",
    "random Λ": "random_mean",
    "Λ to uniform w": "uniform_mean",
    "Λ to permuted w": "permuted_mean",
}


def correlation(method: str, key: str) -> Measure:
    """Table 1 of one embedding."""
    return lambda run: at(run, "table1", method, key)


def halved(method: str, key: str) -> Any:
    """The same for its refits on halves of the images."""
    return lambda run: np.array(at(run, "table1_halves", method, key))


def tells_uncertainty(runs: Runs, printed: Mapping[str, Any]) -> list[Part]:
    """T1a: as strong a correlation as the paper's, within :data:`NOT_WORSE`."""
    paper = printed["table1"]["ours"]
    return [
        part(
            runs,
            called,
            correlation("ours", key),
            halves=halved("ours", key),
            controls={name: correlation(method, key) for name, method in OF_SAMPLES.items()},
            bound=paper + NOT_WORSE,
            above=False,
            paper=paper,
            beside=key != "pearson_t4",
        )
        for called, key in T.items()
    ]


def strongest_of_six(runs: Runs, printed: Mapping[str, Any]) -> list[Part]:
    """T1b: ours less that of the embedding which comes closest or is ahead, paired in every run."""
    parts = []
    for called, key in T.items():
        others = {method: mean(runs, correlation(method, key)) for method in EMBEDDINGS}
        best = min((method for method in EMBEDDINGS if others[method] is not None), key=others.get, default="pca")
        known = [number for method, number in printed["table1"].items() if method in EMBEDDINGS]
        parts.append(
            part(
                runs,
                f"{called}, less {NAMES[best]}",
                less(correlation("ours", key), correlation(best, key)),
                halves=less(halved("ours", key), halved(best, key)),
                controls={
                    name: less(correlation(method, key), correlation(best, key)) for name, method in OF_SAMPLES.items()
                },
                above=False,
                paper=printed["table1"]["ours"] - min(known) if known else None,
                beside=key != "pearson_t4",
            )
        )
    return parts


def goes_with_importance(runs: Runs, printed: Mapping[str, Any]) -> list[Part]:
    """T2: mean correlation of ‖h‖ and w within an image, in the last convolutional layer; ‖f‖'s is taken off beside."""

    def measure(key: str) -> Measure:
        return lambda run: at(run, "table2", last_layer(run), key)

    def refitted(key: str) -> Any:
        return lambda run: np.array(at(run, "table2_halves", key))

    def control(key: str) -> Measure:
        return measure(key) if key == "control_mean" else lambda run: at(run, "table2_controls", key)

    controls = {name: control(key) for name, key in OF_REGIONS.items()}
    paper, beyond = printed["table2"].get("mean"), less(measure("mean"), measure("control_mean"))
    return [
        part(runs, "‖h‖ and w", measure("mean"), halves=refitted("mean"), controls=controls, paper=paper),
        part(runs, "less ‖f‖", beyond, halves=less(refitted("mean"), refitted("control_mean")), beside=True),
    ]


def last_layer(run: Mapping[str, Any]) -> str:
    """The deepest layer of Table 2: layers stand from shallow to deep."""
    return list(at(run, "table2"))[-1]


def less(measure: Any, other: Any) -> Any:
    """The difference of two measures of one run."""
    return lambda run: measure(run) - other(run)
