"""Two recordings beside each other: which kind a value is, how far it may be off, and what the report says."""

import copy

import pytest

from nbhelpers.experiments.comparison import ABSENT, KINDS, compare, kind_of
from nbhelpers.experiments.results import recorded

NAMED = {kind.name: kind for kind in KINDS}
RUN = {
    "command": "nbhelpers reproduce",
    "date": "2026-11-30",
    "seed": 0,
    "categories": ["cat", "dog"],
    "table1": {
        "ours": {"pearson_t4": -0.95, "pearson_t1": None, "seconds": 1.0},
        "tsne": {"pearson_t4": -0.8, "seconds": 1.0},
    },
    "sample_fit": {"kl": 2.0, "seconds": 3.0},
    "table2": {"conv_53": {"mean": 0.5, "mean_strength": 2.0}},
    "checkpoints": [0, 10],
}


def changed(way: str, value) -> dict:
    run = copy.deepcopy(RUN)
    *keys, last = way.split(".")
    place = run
    for key in keys:
        place = place[key]
    place[last] = value
    return run


def test_a_recording_is_like_itself():
    one = compare(RUN, copy.deepcopy(RUN))
    assert not one.differing and not one.new
    places = [pair.place for pair in one.pairs]
    assert not [place for place in places if "seconds" in place or place in ("command", "date")]
    assert len(places) == 11
    assert str(one).startswith("11 of 11 values came out again")


@pytest.mark.parametrize("key", ["seconds", "wall_seconds", "date", "machine"])
def test_what_every_run_says_otherwise_is_not_compared(key):
    assert not compare({key: 1.0, "t": {"seconds": 1.0}}, {key: 9.0, "t": {"seconds": 8.0}}).pairs


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("seed", "what it is of"),
        ("checkpoints[3]", "what it is of"),
        ("grids.conv_53[0]", "what it is of"),
        ("data_sha256.train", "what it is of"),
        ("start", "what it is of"),
        ("start.sha256", "what it is of"),
        ("images.fitted", "what it is of"),
        ("table1.tsne.pearson_t4", "t-SNE"),
        ("table1_train.tsne.pearson_t1", "t-SNE"),
        ("tsne_seeds[2].pearson_t4", "t-SNE"),
        ("knowledge_points.conv_53.0.total", "points before training"),
        ("knowledge_points.conv_12.0.truth.fragment_named.points", "points before training"),
        ("table1.ours.pearson_t1", "fits to whole images"),
        ("table1_along[3].cosine", "fits to whole images"),
        ("accuracy.train", "fits to whole images"),
        ("sample_fit.kl", "fits to whole images"),
        ("weight_decay.0.001.kl", "fits to whole images"),
        ("table2.conv_53.loss.iterations", "steps of fits"),
        ("attack.conv_53.delta_strength_size", "changes under attack"),
        ("attack_sweep.1/255.layers.conv_53.control_delta_orientation", "changes under attack"),
        ("attack_sweep.1/255.fooled", "counts"),
        ("attack_sweep.1/255.before.attack.counts[3]", "counts"),
        ("importance.conv_53.images", "counts"),
        ("table2.conv_53.mean", "fits to regions, and all else"),
        ("knowledge_points.conv_53.3120.total", "fits to regions, and all else"),
        ("attack_sweep.1/255.before.all regions.median", "fits to regions, and all else"),
    ],
)
def test_keys_tell_the_kind(place, kind):
    assert kind_of(place).name == kind


def test_everything_that_was_recorded_is_of_one_kind_or_another():
    run = recorded("scenes-vgg16")
    kinds = {pair.kind.name for pair in compare(run, run).pairs}
    assert kinds == set(NAMED)


@pytest.mark.parametrize(
    ("way", "before", "allowed"),
    [
        ("table1.ours.pearson_t4", -0.95, 0.002 + 0.002 * 0.95),
        ("table1.tsne.pearson_t4", -0.8, -0.2),
        ("sample_fit.kl", 2.0, -(0.002 + 0.002 * 2)),
        ("table2.conv_53.mean_strength", 2.0, 0.02 + 0.05 * 2),
    ],
)
def test_a_number_may_be_as_far_off_as_its_kind_allows_and_no_further(way, before, allowed):
    assert not compare(RUN, changed(way, before + 0.99 * allowed)).differing
    (pair,) = compare(RUN, changed(way, before + 1.01 * allowed)).differing
    assert pair.place == way and pair.before == before
    assert pair.distance == pytest.approx(abs(1.01 * allowed))


@pytest.mark.parametrize(
    ("way", "value"),
    [
        ("seed", 1),
        ("categories", ["cat", "cow"]),
        ("checkpoints", [0, 11]),
        ("table1.ours.pearson_t4", None),
        ("table1.ours.pearson_t1", 0.0),
        ("sample_fit.kl", "2.0"),
    ],
)
def test_what_is_no_number_must_be_the_same(way, value):
    (pair,) = compare(RUN, changed(way, value)).differing
    assert pair.place.startswith(way) and pair.excess == float("inf")


def test_what_is_not_there_any_more_is_told_and_what_is_new_is_counted():
    after = copy.deepcopy(RUN)
    del after["sample_fit"]
    after["table2"]["conv_43"] = {"mean": 0.5, "std": 0.1}
    one = compare(RUN, after)
    assert [(pair.place, pair.after) for pair in one.differing] == [("sample_fit.kl", ABSENT)]
    assert one.new == ["table2.conv_43.mean", "table2.conv_43.std"]
    assert "2 values are new, such as table2.conv_43.mean" in str(one)


def test_the_furthest_off_is_told_first_and_a_few_of_many_are_listed():
    before = {"fits": {f"v{i:02}": 1.0 for i in range(30)}}
    after = {"fits": {f"v{i:02}": 1.0 + i for i in range(30)}}
    lines = str(compare(before, after)).splitlines()
    assert lines[0] == "1 of 30 values came out again"
    listed = [line for line in lines if " before, " in line]
    assert listed[0] == "  fits.v29: 1.0 before, 30.0 now" and len(listed) == 20
    assert "  and 9 more that are not as far off" in lines


def test_what_an_older_file_does_not_say_is_named():
    (line,) = [line for line in str(compare(RUN, RUN)).splitlines() if "older code" in line]
    assert line.endswith(
        "schema, dataset, network, experiments, code, machine, versions, temperatures, draw, "
        "data_sha256, images, start, weights_sha256"
    )
