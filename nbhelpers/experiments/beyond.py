"""Beyond the paper: what its claims come to on networks that others trained, beside the paper's own words.

Numbers are means over the draws, which differ little; intervals are over images.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from nbhelpers.experiments.intervals import pearson_interval, spread_interval
from nbhelpers.experiments.results import Run, runs_of
from nbhelpers.probes.baselines import EMBEDDINGS, NAMES

NETWORKS = {
    "imagenette-mobilenet_v2": "MobileNet-V2",
    "imagenette-efficientnet_lite0": "EfficientNet-Lite0",
    "imagenette-squeezenet1_0": "SqueezeNet 1.0",
}
"""The first of their recorded files, and what to call them."""
T = ("pearson_t4", "pearson_t1")
"""Table 1 at both temperatures."""
REACHED = 0.77
"""What the mean of Table 2 must reach in the deepest layer."""
CLEARLY = 0.05
"""How much higher the reliable ratio of the deepest layer must be to call it discriminative beside earlier ones."""
CONTROL = "raw_strength"
HOLDS, IN_PART, FAILS = "holds", "in part", "does not hold"


class Found(NamedTuple):
    """What was found of one claim on one network."""

    place: str
    data: str
    paper: str
    here: str
    """With a 95 % interval where one can be given."""
    verdict: str
    command: str


def beyond_runs(grid: int = 7) -> dict[str, list[Run]]:
    """The recorded draws of each network, by what it is called."""
    end = "" if grid == 7 else f"-{grid}x{grid}"
    return {called: runs_of(f"{name}{end}") for name, called in NETWORKS.items()}


def means(runs: list[Run], key: str = "table1") -> dict[str, Any]:
    """What the draws recorded under one key of Table 1's form, each number as their mean.

    >>> draws = [{"table1": {"pca": {"pearson_t4": r, "pearson_t1": None}}} for r in (-0.5, -0.7)]
    >>> means(draws)
    {'table1': {'pca': {'pearson_t4': -0.6, 'pearson_t1': None}}}
    """
    rows = {name: [run[key][name] for run in runs] for name in runs[0][key]}
    return {"table1": {name: {t: _mean([row[t] for row in each]) for t in T} for name, each in rows.items()}}


def _mean(values: list[float | None]) -> float | None:
    return None if None in values else float(np.mean(values))


def beyond_claims(paper: Run) -> Iterator[Found]:
    """Table 1, Table 2, depth, Shapley values and attacks of each network on 7 x 7 regions, as far as recorded."""
    says = paper["figures"]
    told = {
        "table1": (_table1, "the strongest of all embeddings"),
        "table2": (_table2, "0.757 to 0.825 (last convolutional layer)"),
        "knowledge_points": (_depth, says["4"]),
        "importance": (_importance, says["5"]),
        "attack": (_change, says["8 orientation"]),
    }
    for called, runs in beyond_runs().items():
        yield from (claim(called, runs, words) for key, (claim, words) in told.items() if key in runs[0])


def _claim(place: str, called: str, runs: list[Run], paper: str, here: str, *met: bool, images: int = 0) -> Found:
    count = images or runs[0]["images"]["fitted"]
    draws = f"{len(runs)} draws" if len(runs) > 1 else "one draw"
    data = f"{called}; {count} of Imagenette's validation images, {draws} of partners"
    return Found(place, data, paper, here, judged(*met), runs[0]["command"])


def _table1(called: str, runs: list[Run], paper: str) -> Found:
    values = {method: [run["table1"][method]["pearson_t4"] for run in runs] for method in runs[0]["table1"]}
    mean = {method: float(np.mean(each)) for method, each in values.items()}
    best = min((method for method in EMBEDDINGS if method in mean), key=mean.get)
    at_1 = np.mean([run["table1"]["ours"]["pearson_t1"] for run in runs])
    ours, images = mean["ours"], runs[0]["images"]["fitted"]
    here = f"{with_interval(3, ours, *pearson_interval(ours, images))}, at T = 1 {at_1:.3f}; "
    here += f"next best {NAMES[best]} {mean[best]:.3f}; control ‖f‖ {mean[CONTROL]:.3f}"
    return _claim("Table 1", called, runs, paper, here, mean["ours"] < mean[best], mean["ours"] < mean[CONTROL])


def _table2(called: str, runs: list[Run], paper: str) -> Found:
    layer = list(runs[0]["table2"])[-1]
    fits = [run["table2"][layer] for run in runs]
    mean, std = float(np.mean([fit["mean"] for fit in fits])), fits[0]["std"]
    ends = spread_interval(mean, std, runs[0]["images"]["fitted"])
    control = float(np.mean([fit["control_mean"] for fit in fits]))
    here = f"{layer}: {with_interval(3, mean, *ends)}, ± {std:.2f} over images; control ‖f‖ {control:.3f}"
    return _claim("Table 2", called, runs, paper, here, mean >= REACHED, mean > control)


def _depth(called: str, runs: list[Run], paper: str) -> Found:
    ratios = {
        layer: float(np.mean([next(iter(run["knowledge_points"][layer].values()))["ratio"] for run in runs]))
        for layer in runs[0]["knowledge_points"]
    }
    *earlier, last = ratios.values()
    here = "reliable ratio " + ", ".join(f"{layer} {ratio:.2f}" for layer, ratio in ratios.items())
    return _claim("Fig. 3, 4", called, runs, paper, here, last >= max(earlier) + CLEARLY)


def _importance(called: str, runs: list[Run], paper: str) -> Found:
    layer = next(iter(runs[0]["importance"]))
    rows = [run["importance"][layer] for run in runs]
    mean, control, h = (
        float(np.mean([row[f"{key}shapley_pearson_mean"] for row in rows])) for key in ("", "strength_", "h_")
    )
    low, high = spread_interval(mean, rows[0]["shapley_pearson_std"], rows[0]["images"])
    here = (
        f"{layer}: correlation of w with Shapley values {with_interval(2, mean, low, high)}; of ‖h‖ {h:.2f}; "
        f"control ‖f‖ {control:.2f}"
    )
    return _claim("Fig. 5", called, runs, paper, here, low > 0.5, mean > control, images=rows[0]["images"])


def _change(called: str, runs: list[Run], paper: str) -> Found:
    rows = [run["attack"] for run in runs]
    by_layer = {layer: float(np.mean([row[layer]["delta_orientation"] for row in rows])) for layer in rows[0]}
    last = list(by_layer)[-1]
    control = float(np.mean([row[last]["control_delta_orientation"] for row in rows]))
    attack = runs[0]["attack_sweep"]["1/255"]
    here = (
        f"{attack['success_rate']:.0%} fooled; 1 − cos: "
        + ", ".join(f"{layer} {value:.3f}" for layer, value in by_layer.items())
        + f"; control {control:.3f}"
    )
    met = rises(list(by_layer.values())), by_layer[last] > 10 * control
    return _claim("Fig. 8", called, runs, paper, here, *met, images=attack["right"])


def judged(*met: bool) -> str:
    """All conditions, some, or none."""
    return HOLDS if all(met) else IN_PART if any(met) else FAILS


def with_interval(digits: int, mean: float, low: float, high: float) -> str:
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def rises(values: list[float]) -> bool:
    return values == sorted(values)
