"""Every public figure and table of ``show``, small, with the names that it is given wherever a user may give one."""

from collections.abc import Callable, Sequence

import numpy as np
from pandas import DataFrame
from pictured import pictured

from nbhelpers import show
from nbhelpers.experiments.beyond import Found
from nbhelpers.experiments.claims.claim import Judgement, Part
from nbhelpers.experiments.claims.entries import CLAIMS
from nbhelpers.method.knowledge import KnowledgePoints
from nbhelpers.probes.baselines import NAMES

ALT = "What it shows."
STEPS, GRID, REGIONS = 3, (2, 2), 4
ROW = dict.fromkeys(["delta_orientation", "delta_strength", "control_delta_orientation", "control_delta_strength"], 0.5)
LAYER = ROW | {f"{key}_std": 0.1 for key in ROW}
TYPES = {"1": 0.1, "2": 0.2, "3": 0.1, "4": 0.1, "none": 0.5}
SIZE = {"types": TYPES, "control_types": TYPES, "success_rate": 0.4, "control_success_rate": 0.0}
MEASURED = {
    "seconds": 0.1,
    "pointing": {"mean": 0.8, "low": 0.7, "high": 0.9},
    "deletion": {"mean": 0.2, "low": 0.1, "high": 0.3},
}
COUNTS = {"total": 20.0, "total_std": 1.0, "reliable": 10.0, "reliable_std": 1.0, "ratio": 0.5}


def every_figure(names: Sequence[str]) -> dict[str, Callable[[], show.Figure | show.Picture | show.Table]]:
    """By the name of its function; each of the names, which must be three, is that of an image's category."""
    rng = np.random.default_rng(0)
    mu = np.eye(3)
    images = pictured([0, 1, 2], names, rng.integers(0, 256, (3, 3, 8, 8), dtype=np.uint8))
    one = images.subset([0])
    captions = [f"({name})" for name in names]
    h = rng.normal(size=(STEPS, 3, REGIONS, 3))
    said = rng.dirichlet(np.ones(3), (STEPS, 1 + REGIONS))
    path = 0.5 + np.linspace(0, 0.1, STEPS)[:, None, None, None] * rng.choice([-1, 1], (3, 8, 8))
    maps = rng.random((3, 3, REGIONS))
    seen = np.ones((3, REGIONS), bool)
    points = KnowledgePoints(np.arange(12).reshape(3, 4) % 3, np.full((3, 4), 0.9), seen, seen)
    run = {
        "dataset": "scenes",
        "network": "vgg16",
        "table1": {method: {"pearson_t4": -0.9, "pearson_t1": -0.7} for method in NAMES},
        "table2": {name: {"mean": 0.9, "std": 0.1, "control_mean": 0.8} for name in names},
        "ablation": {"default": {"h_pearson": 0.9}},
    }
    runs, paper = dict.fromkeys(names, run), {"table1": {"tiny-imagenet-vgg16": {}}, "table2": {}}
    along = {"step_labels": names, "slider": names[0]}
    return {
        "ablation_table": lambda: show.ablation_table(runs),
        "agreement": lambda: show.agreement({name: [0.5, 0.7] for name in names}, alt=ALT),
        "attack_steps": lambda: show.attack_steps(path, said[:, 0], said[:, 1:], 0, 1, names, GRID, eps=0.1, alt=ALT),
        "attributions": lambda: show.attributions({name: dict.fromkeys(names, MEASURED) for name in names}, alt=ALT),
        "claims_table": lambda: show.claims_table(
            [Found("Table 1", name, "-0.90", "-0.93", "holds", "nbhelpers reproduce") for name in names], ALT
        ),
        "emergence": lambda: show.emergence(
            range(STEPS), rng.random((STEPS, 3)), images, accuracy=np.linspace(0, 1, STEPS), alt=ALT
        ),
        "forest": lambda: show.forest(
            [
                Judgement(CLAIMS[0], name, "", [Part("T = 4", 0.5, (0.1, 0.9)), Part("T = 1", beside=True)])
                for name in names
            ],
            alt=ALT,
        ),
        "heat_maps": lambda: show.heat_maps(one, dict(zip(names, maps[0], strict=True)), GRID, alt=ALT),
        "distribution": lambda: show.distribution({name: [0.1, 0.2] for name in names}, xlabel=names[0], alt=ALT),
        "image_row": lambda: show.image_row(images, captions, probabilities=dict.fromkeys(names, said[0, :3]), alt=ALT),
        "kappa_curve": lambda: show.kappa_curve(dict.fromkeys(names, np.sqrt), alt=ALT),
        "kappa_slider": lambda: show.kappa_slider(dict.fromkeys(names, np.sqrt), alt=ALT),
        "layer_changes": lambda: show.layer_changes([dict.fromkeys(names, LAYER)], alt=ALT),
        "map_browser": lambda: show.map_browser(images, dict(zip(names, maps, strict=True)), GRID, captions, alt=ALT),
        "matches": lambda: show.matches(images, [0, 3], [[1, 2], [3, 3]], GRID, captions[1:], alt=ALT),
        "neighbours": lambda: show.neighbours(mu, np.ones((3, 3)), names, alt=ALT),
        "points_along": lambda: show.points_along(range(2), [dict.fromkeys(names, [COUNTS] * 2)], alt=ALT),
        "points_on_images": lambda: show.points_on_images(images, points, GRID, captions, alt=ALT),
        "probability_map": lambda: show.probability_map(mu, np.ones(3) / 3, np.sqrt, [1.0], names, alt=ALT),
        "region_clouds": lambda: show.region_clouds(h, images, mu, step_labels=names, alt=ALT),
        "region_depth": lambda: show.region_depth(
            dict(zip(names, h, strict=True)), images, mu, GRID, slider=names[0], alt=ALT
        ),
        "region_paths": lambda: show.region_paths(
            h, images, mu, GRID, [("direct", 0, 1, 2), ("rebuilt", 1, 3, 0)], alt=ALT
        ),
        "sample_space": lambda: show.sample_space(
            h[:, :, 0], images, mu, probabilities=said[:, :3], names=captions, **along, alt=ALT
        ),
        "shares": lambda: show.shares(
            {name: dict.fromkeys(names, 0.3) for name in names}, chance=dict.fromkeys(names, 0.3), alt=ALT
        ),
        "strength_entropy": lambda: show.strength_entropy(
            {name: [1.0, 2.0, 3.0] for name in names}, [2.0, 1.5, 0.1], alt=ALT
        ),
        "student_points": lambda: show.student_points(
            {name: {layer: [COUNTS] for layer in names} for name in names}, alt=ALT
        ),
        "success_along": lambda: show.success_along(dict.fromkeys(names, SIZE), alt=ALT),
        "table": lambda: show.table(DataFrame(0.5, names, names), "Numbers"),
        "table1": lambda: show.table1(runs, paper),
        "table2": lambda: show.table2(runs, paper),
        "type_shares": lambda: show.type_shares(dict.fromkeys(names, SIZE), alt=ALT),
    }
