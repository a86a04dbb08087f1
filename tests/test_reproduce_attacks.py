"""What is recorded of attacks and of students: on a tiny network every stage runs; numbers against hand-made cases."""

import json

import numpy as np
import pytest
from planted import planted
from planted_network import plant
from tiny import reproduce, small_study

from nbhelpers.experiments.rows import attacks
from nbhelpers.experiments.rows.attacks import (
    attack_row,
    before_row,
    carrier_row,
    change_row,
    fragment_row,
    overlap_row,
    reliability_row,
)
from nbhelpers.experiments.rows.students import difference, frame_rows, lessons
from nbhelpers.experiments.study import Study
from nbhelpers.images import ImageSet
from nbhelpers.method.activations import Activations
from nbhelpers.method.portraits import portray
from nbhelpers.networks.recording import record
from nbhelpers.probes.attacks import Trail

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A study whose network names every image rightly, and what was recorded of its attacks and students."""
    with small_study(tmp_path_factory) as (one, folder, patch):
        patch.setattr(attacks, "SIZES", (1, 64))
        plant(one)
        yield (
            one,
            reproduce(one, folder / "out.json", experiments=("attacks", "students")),
            folder / "out.json",
        )


def test_every_key_of_the_attacks_is_recorded(tiny):
    one, result, path = tiny
    assert json.loads(path.read_text()) == result
    assert list(result["attack"]) == list(one.layers)
    assert list(result["attack_sweep"]) == ["1/255", "64/255"]
    strong = result["attack_sweep"]["64/255"]
    assert result["attack"] == result["attack_sweep"]["1/255"]["layers"]
    assert strong["right"] == 50
    assert strong["fooled"] / strong["right"] == pytest.approx(strong["success_rate"])
    assert strong["success_rate"] > max(strong["control_success_rate"], 0.5)
    for name in ("types", "control_types"):
        assert list(strong[name]) == ["none", "1", "2", "3", "4"]
        assert sum(strong[name].values()) == pytest.approx(1)
    for layer in strong["layers"].values():
        assert 0 <= layer["control_delta_orientation"] <= layer["delta_orientation"] <= 2
        assert layer["delta_strength_size"] >= abs(layer["delta_strength"])
    assert sum(strong["before"]["all regions"]["counts"]) == strong["fooled"] * 64
    assert sum(strong["carriers"]["attack"]["area"].values()) == pytest.approx(1)
    assert strong["fragment"]["images"] == strong["fooled"]
    for who in ("attack", "control_"):
        assert 0 <= strong["overlap"][who]["images"] <= strong["fooled"]
        assert strong["by_reliability"][who]["images"] <= strong["right"]
        assert set(strong["by_reliability"][who]) == {"images", "orientation", "strength"}


def test_every_key_of_the_students_is_recorded(tiny):
    one, result, _ = tiny
    assert list(result["distillation"]) == list(result["students"]) == ["0"]
    for seed in result["distillation"].values():
        assert list(seed) == ["teacher", *lessons(one)]
        for layers in seed.values():
            assert list(layers) == list(one.counted)
            for row in layers.values():
                assert 0 <= row["reliable"] <= row["total"] <= 64 and 0 <= row["own"]["total"] <= 64
    for row in result["students"]["0"].values():
        assert 0 <= row["accuracy"] <= 1
        assert list(row["frames"]) == ["turned only", "started and turned", "turned by regions", "teacher's projection"]


def test_students_are_read_where_they_were_trained(tiny, monkeypatch):
    one, *_ = tiny
    monkeypatch.setattr("nbhelpers.networks.training.augment", None)  # any training would fail
    images = one.images()
    student = one.student("conv_53")
    assert not student.training
    again = Study("scenes", retrain=True, workspace=one.workspace).student("conv_53")
    np.testing.assert_array_equal(record(student, images).logits, record(again, images).logits)
    other = record(one.student("fc"), images).logits
    assert np.abs(other - record(student, images).logits).max() > 1e-3


def test_a_teacher_compared_with_itself_differs_nowhere():
    regions, logits, labels, _ = planted(dtype=np.float64)  # in single precision, fits make rounding errors visible
    network = Activations(logits, regions.mean(axis=(2, 3)), labels, tuple("abcd"), {"late": regions})
    teacher = portray(network, grid=4)
    for frame in frame_rows(teacher, teacher, "late").values():
        assert frame["orientation_mean"] == pytest.approx(0, abs=1e-5)
        assert frame["strength_mean"] == pytest.approx(0, abs=1e-4)


def test_an_attack_on_a_network_that_names_no_image_rightly_is_refused(tiny, tmp_path, monkeypatch):
    one = Study("scenes", retrain=True, workspace=str(tmp_path))
    plant(one, shift=1)
    monkeypatch.setattr(attacks, "pgd", lambda *_: pytest.fail("it is attacked"))
    with pytest.raises(ValueError, match=r"scenes-vgg16 names none of its 50 images rightly.*train it.*--experiments"):
        attack_row(one, 1)


def test_changes_are_means_over_regions_then_over_images():
    h = np.zeros((2, 2, 2, 3))
    h[0, :, :, 0] = 1
    h[1, 0, :, 0] = 1  # the first image stays as it is
    h[1, 1, 0, 1], h[1, 1, 1, 0] = 1, 3  # in the second one region turns by 90 degrees, one grows by 2
    row = change_row(h, "x_")
    assert row["x_delta_orientation"] == row["x_delta_orientation_std"] == 0.25
    assert row["x_delta_strength"] == -0.5 and row["x_delta_strength_std"] == 0.5
    assert row["x_delta_strength_size"] == 0.5


def test_only_regions_that_speak_for_the_new_category_enter_the_histogram():
    p = {"original before": np.array([[0.1, 0.9, 0.5]]), "new after": np.array([[0.41, 0.8, 0.39]])}
    row = before_row({"": p, "control_": {**p, "new after": np.zeros((1, 3))}})
    assert row["attack"]["regions"] == 2 and row["attack"]["median"] == 0.5
    assert np.flatnonzero(row["attack"]["counts"]).tolist() == [2, 18]
    assert row["control_"] == {"regions": 0, "counts": [0] * 20, "median": None}
    assert row["all regions"]["regions"] == 3


def test_carriers_that_spoke_for_the_original_category_are_counted_image_by_image():
    p = {
        "original before": np.array([[0.9, 0.9, 0.1, 0.1], [0.9, 0.9, 0.9, 0.9], [0.9, 0.9, 0.1, 0.1]]),
        "new after": np.array([[0.1, 0.9, 0.9, 0.1], [0.1, 0.1, 0.1, 0.1], [0.1, 0.1, 0.9, 0.1]]),
    }
    # of two carriers one spoke for it; no carrier: not counted; the third's only one did not
    assert overlap_row(p) == {"images": 2, "share": 0.25, "chance": 0.5}
    assert overlap_row({key: values[1:2] for key, values in p.items()}) == {"images": 0, "share": None, "chance": None}


def test_unreliable_regions_are_compared_with_the_reliable_ones_of_their_image():
    h = np.zeros((2, 3, 4, 3))
    h[0, ..., 0] = 2
    h[1] = h[0]
    h[1, 0, 0] = [0, 1, 0]  # of the first image a region turns by 90 degrees and loses half, an unreliable one
    h[1, 2] = [0, 0, 9]  # the third image has none but reliable regions: it is not compared
    reliable = np.array([[0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1]], bool)
    assert reliability_row(h, reliable) == {"images": 2, "orientation": 0.25, "strength": 0.25}
    assert reliability_row(h, reliable | True) == {"images": 0, "orientation": None, "strength": None}


def scene(masks, labels):
    masks = np.array(masks, np.int8)[:, None]
    pixels = np.zeros((len(masks), 3, 1, masks.shape[2]), np.uint8)
    return ImageSet(pixels, np.array(labels), ("a", "b", "c"), "train", masks)


def test_carriers_are_regions_that_came_to_speak_for_the_new_category():
    images = scene([[0, 2, 1, -1]], [0])
    p = {"new before": np.array([[0.5, 0, 0, 0]]), "new after": np.array([[0.9, 0.9, 0.9, 0.1]])}
    row = carrier_row(p, images, np.array([2]), (1, 4))
    assert row["regions"] == 2 and row["on_fragments"] == 2  # the first spoke for it before
    assert row["share"] == {"object": 0, "fragment": 1, "background": 0, "mixed": 0}
    assert row["area"] == {"object": 0.25, "fragment": 0.5, "background": 0.25, "mixed": 0}
    assert row["of_the_new_category"] == 0.5


def test_fragments_are_compared_with_chance_and_with_the_second_guess():
    images = scene([[0, 1, -1], [0, 2, -1], [0, -1, -1]], [0, 0, 0])
    logits = np.array([[[3, 2, 1], [3, 2, 1], [3, 1, 2]], [[0, 3, 1], [0, 1, 3], [0, 3, 1]]], float)
    row = fragment_row(Trail(logits, {}), images, np.ones(3, bool))
    assert row["images"] == 3 and row["share"] == pytest.approx(2 / 3)  # names b, c, b; fragments b, c, none
    assert row["chance"] == pytest.approx((2 / 3 + 1 / 3) / 3)
    assert row["second_share"] == pytest.approx(1 / 3) and row["new_is_second"] == pytest.approx(1 / 3)
    assert 0 < row["p_value"] <= 1


def test_a_student_that_is_half_as_strong_is_so_in_every_quantile():
    teacher = np.random.default_rng(0).normal(size=(4, 9, 3))
    row = difference(teacher / 2, teacher)
    assert row["orientation_mean"] == pytest.approx(0, abs=1e-12)
    strengths = np.linalg.norm(teacher, axis=2)
    assert row["strength"]["50"] == pytest.approx(-np.median(strengths) / 2)
    assert row["strength_size_mean"] == -row["strength_mean"] == pytest.approx(strengths.mean() / 2)


def test_directions_are_compared_where_the_teacher_is_strong():
    teacher = np.zeros((1, 4, 3))
    teacher[0, :, 0] = [3, 3, 0.1, 0.1]
    student = teacher.copy()
    student[0, 2:] = [0, 1, 0]  # only weak regions turn
    student[0, 1] = [0, 3, 0]
    assert difference(student, teacher)["orientation_mean"] == 0.5
