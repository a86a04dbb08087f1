"""Rows of networks that others trained: known answers on a tiny one, and what is kept is not computed again."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from nbhelpers.datasets.imagenet import NAMES
from nbhelpers.experiments import pretrained
from nbhelpers.experiments.pretrained import OUTPUTS, SOURCES, PretrainedStudy, Source
from nbhelpers.experiments.results import recorded
from nbhelpers.experiments.rows.pretrained import AS_IT_IS, cues_row, kept, rows, shapley_values
from nbhelpers.experiments.rows.samples import METHODS
from nbhelpers.experiments.stamp import stamp
from nbhelpers.networks.network import Network
from nbhelpers.probes.metrics import strength_entropy_pearson

SIDE, EACH = 56, 4
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def tiny(weights):
    """Five layers, of which three have 14 x 14 regions, the last 7 x 7: after it only averages and a linear head."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        plan, channels = [], 3
        for stride in (2, 2, 1, 2, 1):
            plan += [nn.Conv2d(channels, 6, 3, stride, padding=1, bias=False), nn.ReLU()]
            channels = 6
        body = nn.Sequential(*plan, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, len(NAMES)))
        nn.init.normal_(body[-1].weight, std=3)
    return Network(body, {f"conv_{i}": str(2 * i - 1) for i in range(1, 6)}, "12", (0.5,) * 3, (0.5,) * 3)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("imagenette"), np.random.default_rng(0)
    for split, count in (("train", 1), ("val", EACH)):
        for folder in OUTPUTS:
            (root / split / folder).mkdir(parents=True)
            for i in range(count):
                pixels = (rng.random((SIDE, SIDE, 3)) * rng.uniform(60, 255, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(root / split / folder / f"{i}.png")
    return root


@pytest.fixture
def study(root, tmp_path, monkeypatch):
    monkeypatch.setitem(SOURCES, "tiny", Source(tiny, tuple(f"conv_{i}" for i in range(1, 6)), fine=3))
    monkeypatch.setattr(pretrained, "SIDE", SIDE)
    monkeypatch.setattr(pretrained, "PER_CATEGORY", EACH)
    monkeypatch.setattr("nbhelpers.experiments.rows.pretrained.FEWER", 2)
    monkeypatch.setattr("nbhelpers.experiments.rows.pretrained.FEWEST", 1)
    for cache in (pretrained._images, pretrained._activations, pretrained._samples, pretrained._view):
        cache.cache_clear()
    return PretrainedStudy("tiny", str(root), workspace=str(tmp_path))


def test_images_carry_the_names_of_their_outputs(study):
    images = study.images()
    assert len(images) == 10 * EACH
    assert images.categories[:2] == ("tench", "English springer") and images.categories[-1] == "parachute"


def test_the_network_has_the_ten_outputs_and_they_are_those_of_the_whole(study):
    pixels = torch.from_numpy(study.images().images[:3]).float() / 255
    with torch.inference_mode():
        whole, few = study.load_whole()(pixels), study.load()(pixels)
    assert whole.shape == (3, 1000)
    assert torch.allclose(few, whole[:, list(OUTPUTS.values())], atol=1e-5)


@pytest.mark.parametrize(
    ("grid", "draw", "name"),
    [(7, 0, ""), (7, 2, "-seed2"), (14, 0, "-14x14"), (14, 1, "-14x14-seed1")],
)
def test_each_grid_and_draw_has_a_file(study, grid, draw, name):
    assert replace(study, grid=grid, draw=draw).name == f"imagenette-tiny{name}"


def test_on_the_finer_grid_coarser_layers_are_left_out(study):
    fine = replace(study, grid=14)
    assert fine.depth == ("conv_1", "conv_2", "conv_3") and study.depth[-1] == study.deepest == "conv_5"
    assert fine.activations().regions["conv_3"].shape[2:] == (14, 14)


@pytest.mark.slow
@pytest.mark.parametrize("grid", [7, 14])
def test_what_is_recorded_fits_the_schema(study, grid, tmp_path, monkeypatch):
    few = {name: METHODS[name] for name in ("ours", "pca", "raw_strength")}
    monkeypatch.setattr("nbhelpers.experiments.rows.pretrained.METHODS", few)
    study = replace(study, grid=grid)
    found = {**stamp("again", rows), **study.describe(), **rows(study)}
    monkeypatch.setattr("nbhelpers.experiments.results.data_dir", lambda: tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / f"{study.name}.json").write_text(json.dumps(found, allow_nan=False))
    run = recorded(study.name)
    assert run.lacks == []
    assert set(run["table2"]) == set(run["knowledge_points"]) == set(study.depth)
    assert all(set(points) == {AS_IT_IS} for points in run["knowledge_points"].values())
    assert ("table1" in run) == ("attack" in run) == (grid == 7)
    assert run["images"]["fitted"] == 10 * EACH and run["accuracy"]["train"] is None
    if grid == 7:
        assert set(run["importance"]) == {"conv_4", "conv_5"} and run["importance"]["conv_5"]["images"] == 20
        assert run["attack_sweep"]["1/255"]["attacked"] == 10


def test_another_draw_starts_elsewhere_from_the_same_activations(study):
    a, b = study.view("conv_5"), replace(study, draw=1).view("conv_5")
    assert np.array_equal(a.raw, b.raw)
    assert not np.array_equal(a.h, b.h)


def test_what_was_kept_is_not_computed_again(study, monkeypatch):
    first = study.view("conv_4")
    for cache in (pretrained._activations, pretrained._view):
        cache.cache_clear()
    monkeypatch.setitem(SOURCES, "tiny", Source(pytest.fail, tuple(f"conv_{i}" for i in range(1, 6)), fine=3))
    again = study.view("conv_4")
    assert np.array_equal(first.h, again.h) and np.array_equal(first.weights, again.weights)
    assert np.array_equal(again.projection.transform(again.raw), again.h)


def test_shapley_values_behind_the_last_layer_are_what_its_regions_add_to_the_logit(study):
    """There only the mean and a linear head follow, so every region's share is known."""
    values = np.array(shapley_values(study, "conv_5", 1)["values"])
    images = study.images().subset(per_category=1)
    regions = study.activations().regions["conv_5"][study.images().first_of_each(1)]
    weight = study.load().head.weight.detach().numpy()[list(OUTPUTS.values())][images.labels]
    shares = np.einsum("nkr,nk->nr", regions.reshape(len(regions), 6, -1), weight) / 49
    assert np.allclose(values, shares, atol=1e-4 * np.abs(shares).max())


def test_a_cue_that_is_a_length_of_the_features_is_what_the_control_of_table_1_is(study):
    seen = study.activations()
    centred = seen.logits - seen.logits.mean(axis=1, keepdims=True)
    assert cues_row(study)["‖z‖, centred"]["pearson_t1"] == pytest.approx(
        strength_entropy_pearson(centred, seen.logits, temperature=1.0)
    )


def test_numbers_are_kept_by_name_and_arguments(study):
    calls = []

    def count(_study, name):
        calls.append(name)
        return len(calls)

    count.__module__, count.__wrapped__ = shapley_values.__module__, shapley_values
    assert [kept(study, count, name) for name in ("a", "b", "a")] == [1, 2, 1]


def test_weights_that_are_not_bundled_are_asked_for(root):
    with pytest.raises(ValueError, match="efficientnet_lite0 is not bundled"):
        pretrained._needed(None, "efficientnet_lite0")
    with pytest.raises(ValueError, match="bundled and takes no file"):
        PretrainedStudy("mobilenet_v2", str(root), weights="other.pth").load()
