"""What is recorded of regions: on a tiny network every stage runs; numbers against answers known by hand."""

import json

import numpy as np
import pytest
from planted import planted
from tiny import reproduce, small_study

from nbhelpers.experiments.rows.importance import as_published, shapley
from nbhelpers.experiments.rows.regions import (
    along,
    at_random,
    count_row,
    fit_row,
    fitted,
    part_of,
    truth_row,
)
from nbhelpers.images import ImageSet
from nbhelpers.method.activations import Activations
from nbhelpers.method.knowledge import KnowledgePoints
from nbhelpers.networks.tails import tail_of
from nbhelpers.probes.shapley import region_shapley
from nbhelpers.probes.truth import region_truth

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Scenes x VGG-16 so small that all stages take seconds, and what was recorded of it."""
    with small_study(tmp_path_factory) as (one, folder, _):
        yield (
            one,
            reproduce(one, folder / "out.json", experiments=("regions", "importance")),
            json.loads((folder / "out.json").read_text()),
        )


def test_every_regional_key_is_recorded(tiny):
    one, result, written = tiny
    assert result == written
    assert list(result["table2"]) == list(one.layers)
    for row in result["table2"].values():
        assert {"mean", "std", "control_mean"} <= set(row)
        assert row["mean"] is None or (-1 <= row["mean"] <= 1 and row["std"] >= 0)
    for layer, steps in result["knowledge_points"].items():
        assert layer in one.counted
        assert list(steps) == [str(step) for step in one.steps]
        for row in steps.values():
            for counts in (row, row["own"]):
                assert 0 <= counts["reliable"] <= counts["total"] <= 64
                assert counts["ratio"] is None or 0 <= counts["ratio"] <= 1
    deep = result["importance"][one.deepest]
    assert deep["images"] == 50 and result["importance"]["conv_43"]["images"] == 10
    assert {"shapley_pearson_mean", "strength_shapley_pearson_mean", "object_auroc", "strength_object_auroc"} <= set(
        deep
    )
    assert result["shapley_choices"]["zero baseline, logit"]["usual"] == pytest.approx(1)
    published = {"as published", "as published, as sharp as there"}
    names = {"default", "v shared", "κ_regions 16", "grid 4×4", "grid 14×14, images of 112 px"}
    assert set(result["ablation"]) == names | published
    assert result["ablation"]["default"]["h_pearson"] == pytest.approx(result["table2"][one.deepest]["mean"], abs=1e-6)
    assert result["ablation"]["default"]["object_auroc"] == pytest.approx(deep["object_auroc"], abs=1e-6)
    assert result["ablation"]["grid 4×4"]["object_auroc"] != deep["object_auroc"]


def test_what_claims_need_of_regions_is_recorded(tiny):
    one, result, _ = tiny
    assert all(row["strength"] >= 0 for steps in result["knowledge_points"].values() for row in steps.values())
    assert set(result["table2_controls"]) == {f"{name}_mean" for name in ("centred", "random", "uniform", "permuted")}
    assert all(-1 <= r <= 1 for r in result["table2_controls"].values())
    assert {key: len(refits) for key, refits in result["table2_halves"].items()} == {"mean": 2, "control_mean": 2}
    assert list(result["followed"]) == list(one.layers)
    assert -1 <= result["importance"][one.deepest]["centred_shapley_pearson_mean"] <= 1


def test_followed_regions_are_those_that_are_reliable_in_the_deepest_layer(tiny):
    one, result, _ = tiny
    deepest = result["followed"][one.deepest]
    assert deepest["points"] == deepest["reliable"] == 1
    last = list(result["knowledge_points"][one.deepest].values())[-1]
    assert deepest["all_reliable"] * 64 == pytest.approx(last["reliable"])
    for row in result["followed"].values():
        assert 0 <= row["reliable"] <= row["points"] <= 1 and row["all_reliable"] <= row["all_points"]


def test_a_fit_to_the_true_weights_is_no_control_and_halves_are_of_their_images():
    regions, logits, labels, _ = planted(80)
    whole = Activations(logits, regions.mean(axis=(2, 3)), labels, tuple("abcd"), {"late": regions})
    chosen = np.arange(1, 80, 2)
    part = part_of(whole, chosen)
    np.testing.assert_array_equal(part.regions["late"], regions[1::2])
    np.testing.assert_array_equal(part.labels, labels[1::2])
    again = Activations(logits[1::2], whole.features[1::2], labels[1::2], whole.categories, {"late": regions[1::2]})
    assert fit_row(fitted(part, "late")[1]) == fit_row(fitted(again, "late")[1])
    assert fit_row(fitted(part, "late")[1])["mean"] > 0.3


def test_a_random_projection_knows_lengths_only_by_chance():
    raw = np.zeros((2, 5, 2, 2))
    raw[:, 0] = np.arange(8).reshape(2, 2, 2)  # on one channel only: so long is every projection, but for a factor
    lengths = at_random(raw, np.random.default_rng(0))
    np.testing.assert_allclose(lengths / lengths[1, 3], np.arange(8).reshape(2, 4) / 7)


def test_all_layers_are_brought_to_the_mean_strength_of_the_deepest(tiny):
    one, *_ = tiny
    plain, double = (along(one, "conv_43", [{"mean_strength": to}] * len(one.steps)) for to in (1.0, 2.0))
    assert [row["own"] for row in plain] == [row["own"] for row in double]
    assert [row["last"] for row in plain] == [row["own"] for row in plain]
    assert double[-1]["last"] != double[-1]["own"]


def test_blocks_of_a_finer_layer_are_its_players(tiny):
    one, *_ = tiny
    some = one.images().subset(per_category=1)
    values = shapley(one, some, "conv_43", 2, method="exact")
    a = one.activations(layers=("conv_43",), images=some)
    side = a.regions["conv_43"].shape[2]
    players = np.kron(np.arange(4).reshape(2, 2), np.ones((side // 2, side // 2), int)).ravel()
    expected, _ = region_shapley(tail_of(one.load(), "conv_43"), a.regions["conv_43"], a.labels, players=players)
    np.testing.assert_allclose(values, expected, atol=1e-5)


def test_where_points_lie_and_what_they_name_is_counted_by_hand():
    #  regions: object, fragment of category 2, fragment of category 2, background
    masks = np.repeat(np.array([[[0, 2, 2, -1]]], np.int8), 2, axis=0)
    images = ImageSet(np.zeros((2, 3, 1, 4), np.uint8), np.array([0, 0]), ("a", "b", "c"), "train", masks)
    category = np.array([[0, 2, 1, 1], [1, 2, 0, 0]])
    points = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], bool)
    row = truth_row(
        KnowledgePoints(category, np.ones((2, 4)), points, points & (category == 0)), region_truth(images, (1, 4))
    )
    assert row["area"] == {"object": 0.25, "fragment": 0.5, "background": 0.25, "mixed": 0}
    assert row["reliable"]["object"] == 1
    assert row["unreliable"] == {"object": 0.25, "fragment": 0.75, "background": 0, "mixed": 0}
    # of the three on fragments two say c, and c is half of what unreliable points say
    assert row["fragment_named"] == {"points": 3, "share": pytest.approx(2 / 3), "chance": 0.5}


def test_counts_are_means_over_images():
    masks = np.array([[1, 1, 0, 0], [0, 0, 0, 0]], bool)
    points = KnowledgePoints(np.zeros((2, 4), int), np.ones((2, 4)), masks, masks & np.array([1, 0, 0, 0], bool))
    assert count_row(points) == {"total": 1, "total_std": 1, "reliable": 0.5, "reliable_std": 0.5, "ratio": 0.5}
    assert count_row(KnowledgePoints(*[np.zeros((2, 4), int)] * 2, masks & False, masks & False))["ratio"] is None


def test_published_settings_are_per_unit_cosine():
    importance, projection = as_published(512)
    assert importance["kappa_regions"] == pytest.approx(1.953125)
    assert importance["target"] == projection["target"] == "probabilities"
