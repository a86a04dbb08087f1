"""What is recorded of maps: on a tiny network every map by every measure; intervals and masks by hand."""

import json

import numpy as np
import pytest
from planted_network import plant
from scipy.stats import norm
from tiny import reproduce, small_study

from nbhelpers.experiments.rows.attributions import JOINT, RANDOM, SHAPLEY, W, interval_row, on_masks
from nbhelpers.experiments.rows.importance import shapley_values
from nbhelpers.experiments.rows.regions import on_grid
from nbhelpers.images import ImageSet
from nbhelpers.method.importance import RegionImportance
from nbhelpers.probes.metrics import per_image_pearson

MAPS = [
    *(W, "‖h‖", "‖f‖", "‖f − mean‖", JOINT),
    *("gradient × feature", "Grad-CAM", "integrated gradients", "occlusion", SHAPLEY, RANDOM),
]
MEASURES = {
    "correlation": ["shapley_pearson", "shapley_spearman"],
    "share": ["object_auroc", "pointing", "object_mass", "fragment_mass", "background_mass", "deletion", "insertion"],
}
PARTS = ["images", "mean", "low", "high", "above_w_mean", "above_w_low", "above_w_high"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Scenes x VGG-16 so small that all maps take seconds, with a head that names the images, and what was recorded."""
    with small_study(tmp_path_factory) as (one, folder, _):
        plant(one)
        recorded = reproduce(one, folder / "out.json", experiments=["attributions"])
        assert recorded == json.loads((folder / "out.json").read_text())
        yield one, recorded["attributions"]


@pytest.mark.slow
def test_every_map_is_recorded_by_every_measure(tiny):
    one, layers = tiny
    assert list(layers) == list(one.counted[-2:])
    for layer, images in zip(layers, (10, 50), strict=True):
        assert list(layers[layer]) == MAPS
        for name, row in layers[layer].items():
            assert row["seconds"] is None if name == RANDOM else row["seconds"] > 0
            assert row.keys() - {"seconds"} == {
                key
                for keys in MEASURES.values()
                for key in keys
                if not (name == SHAPLEY and "shapley" in key) and not (name == JOINT and "mass" in key)
            }
            for kind, keys in MEASURES.items():
                for measure in (row[key] for key in keys if key in row):
                    assert list(measure) == PARTS and 0 <= measure["images"] <= images
                    if measure["mean"] is not None:
                        assert (-1 if kind == "correlation" else 0) <= measure["mean"] <= 1
                    if measure["low"] is not None:
                        assert measure["low"] <= measure["mean"] <= measure["high"]
            if "object_mass" in row and row["object_mass"]["mean"] is not None:
                places = ("object", "fragment", "background")
                assert sum(row[f"{place}_mass"]["mean"] for place in places) == pytest.approx(1, abs=1e-6)


@pytest.mark.slow
def test_each_map_is_compared_with_w_on_the_same_images(tiny):
    one, layers = tiny
    recorded = on_grid(one, one.deepest)
    w = RegionImportance().fit(recorded.regions[one.deepest], recorded.logits).weights_
    values = np.array(shapley_values(one, one.deepest, one.setting.grid, None, 0.5))
    strength = np.linalg.norm(recorded.regions[one.deepest], axis=1).reshape(w.shape)
    ours, control = per_image_pearson(w, values), per_image_pearson(strength, values)
    rows = layers[one.deepest]
    assert rows[W]["shapley_pearson"]["mean"] == pytest.approx(np.nanmean(ours), abs=1e-6)
    assert rows[W]["shapley_pearson"]["above_w_mean"] == 0
    assert rows["‖f‖"]["shapley_pearson"]["above_w_mean"] == pytest.approx(np.nanmean(control - ours), abs=1e-6)


@pytest.mark.slow
def test_what_asks_the_network_tells_more_than_chance(tiny):
    """Of a network that names its images: by intervals that do not meet."""
    _, layers = tiny
    for rows in layers.values():
        for name in ("integrated gradients", "occlusion"):
            assert rows[name]["shapley_pearson"]["low"] > rows[RANDOM]["shapley_pearson"]["high"]
        assert rows[SHAPLEY]["deletion"]["mean"] < rows[RANDOM]["deletion"]["mean"]
        assert rows[SHAPLEY]["insertion"]["mean"] > rows[RANDOM]["insertion"]["mean"]


def test_intervals_are_of_the_images_that_have_a_number():
    values, usual = np.array([1.0, 2.0, 3.0, np.nan]), np.array([1.0, 1.0, np.nan, 1.0])
    row = interval_row(values, usual)
    half = norm.ppf(0.975) / 3**0.5
    assert row["images"] == 3 and row["mean"] == 2
    assert (row["low"], row["high"]) == (pytest.approx(2 - half), pytest.approx(2 + half))
    assert row["above_w_mean"] == 0.5  # of the first two alone
    assert row["above_w_high"] - row["above_w_low"] == pytest.approx(2 * norm.ppf(0.975) * 0.5)
    alone = interval_row(values[:1], None)
    assert alone == {"images": 1, "mean": 1.0} | dict.fromkeys(PARTS[2:])
    assert interval_row(values[3:], usual[3:]) == {"images": 0} | dict.fromkeys(PARTS[1:])


def test_masks_by_hand():
    #  regions: object, fragment, half object and half background, background
    masks = np.array([[[0, 0, 2, 2, 0, -1, -1, -1]]], np.int8)
    images = ImageSet(np.zeros((1, 3, 1, 8), np.uint8), np.array([0]), ("a", "b", "c"), "train", masks)
    row = on_masks(np.array([[2.0, 4.0, 2.0, -1.0]]), images, (1, 4), mass=True)
    assert {key: value.tolist() for key, value in row.items()} == {
        "object_auroc": [0.5],
        "pointing": [0.0],
        "object_mass": [pytest.approx(3 / 8)],
        "fragment_mass": [pytest.approx(4 / 8)],
        "background_mass": [pytest.approx(1 / 8)],
    }
    assert list(on_masks(np.ones((1, 4)), images, (1, 4), mass=False)) == ["object_auroc", "pointing"]
