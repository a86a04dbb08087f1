"""Recorded results: every file fits the schema, and one that does not is refused with its name, key and value."""

import copy
import json
import re

import pytest

from nbhelpers.experiments.results import recorded, runs_of, tidy
from nbhelpers.experiments.schema import IDENTITY, VERSION
from nbhelpers.files import data_dir

NAMES = sorted(path.stem for path in (data_dir() / "results").glob("*.json"))
GOOD = recorded("tiny-imagenet-vgg16")
GOOD_SCENES = recorded("scenes-vgg16")
PRESENT = {
    **GOOD,
    "schema": VERSION,
    "experiments": ["samples"],
    "code": {"version": "0.9.0", "sha256": "0"},
    "temperatures": {"fits": 4.0, "pearson_t4": 4.0, "pearson_t1": 1.0},
    "categories": ["cat", "dog"],
    "draw": {"seed": 0, "of": 190, "categories": ["n1", "n2"]},
    "start": None,
    "weights_sha256": "0",
}
"""As the present code writes it."""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a recorded file that stands alone."""
    monkeypatch.setattr("nbhelpers.experiments.results.data_dir", lambda: tmp_path)
    (tmp_path / "results").mkdir()
    return lambda value, name="run": (tmp_path / "results" / f"{name}.json").write_text(json.dumps(value))


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_file_is_what_the_schema_says(name):
    run = recorded(name)
    assert run == json.loads((data_dir() / "results" / f"{name}.json").read_text())
    assert copy.deepcopy(run) == run


def test_a_file_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(OSError, match=r"'nothing'.*cub-resnet34"):
        recorded("nothing")


def test_other_seeds_follow_the_first(write):
    for name, seed in (("run-seed9", 9), ("run-seed10", 10), ("run", 0), ("runner-seed1", 1)):
        write({**GOOD, "seed": seed}, name)
    assert sorted(run["seed"] for run in runs_of("run")) == [0, 9, 10]
    assert runs_of("run")[0]["seed"] == 0


def test_a_key_that_was_not_recorded_is_answered_with_how_to_record_it():
    run = recorded("cub-resnet34")
    assert "attack" not in run and run.get("attack") is None
    with pytest.raises(KeyError, match=r"cub-resnet34\.json.*'attack'.*nbhelpers reproduce --dataset cub"):
        run["attack"]


def test_what_is_no_json_is_named(write, tmp_path):
    (tmp_path / "results" / "run.json").write_text('{"half": ')
    with pytest.raises(ValueError, match=r"run\.json.*git checkout"):
        recorded("run")


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (["images"], None, "lacks 'images'"),
        (["table1"], [], r"table1.*dict.*\[\]"),
        (["seed"], 0.5, r"seed must be int, got 0\.5"),
        (["seed"], True, r"seed must be int, got True"),
        (["anything"], {"new": [0, float("inf")]}, r"anything\.new\[1\] must be finite, or null, got inf"),
        (["table1", "pca"], {"pearson_t1": 0.5}, r"table1\.pca.*pearson_t4"),
        (["table1", "pca", "pearson_t4"], 1.1, r"table1\.pca\.pearson_t4.*-1 \.\.\. 1.*1\.1"),
        (["table1", "pca", "pearson_t4"], "high", "'high'"),
        (["accuracy", "train"], float("nan"), r"accuracy\.train.*nan"),
        (["accuracy", "train"], True, r"accuracy\.train.*True"),
        (["knowledge_points", "conv_33", "0", "own", "total"], -1, r"conv_33\.0\.own\.total.*-1"),
        (["attack", "conv_12", "delta_orientation"], 2.1, r"0 \.\.\. 2.*2\.1"),
        (["distillation", "0", "teacher", "conv_53", "ratio"], 2, r"teacher\.conv_53\.ratio.*2"),
    ],
)
def test_what_does_not_fit_is_named_by_file_key_and_value(keys, value, message, write):
    run = copy.deepcopy(dict(GOOD))
    *way, last = keys
    place = run
    for key in way:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    write(run)
    with pytest.raises(ValueError, match=rf"run\.json.*{message}.*git checkout"):
        recorded("run")


def test_null_is_what_could_not_be_measured(write):
    run = copy.deepcopy(dict(GOOD))
    run["attack"]["conv_12"]["delta_orientation"] = None
    write(run)
    assert recorded("run")["attack"]["conv_12"]["delta_orientation"] is None


# The schema


def test_a_file_of_the_present_schema_lacks_nothing(write):
    write(PRESENT)
    assert recorded("run").lacks == [] and recorded("run") == PRESENT


@pytest.mark.parametrize("key", [key for key in IDENTITY if key != "schema"])
def test_a_file_of_the_present_schema_says_all_of_what_it_is_of(key, write):
    write({name: value for name, value in PRESENT.items() if name != key})
    with pytest.raises(ValueError, match=rf"run\.json: it lacks '{key}'"):
        recorded("run")


def test_what_an_older_file_lacks_is_named_and_not_invented(write):
    write({"command": "x", "dataset": "scenes", "network": "vgg16", "seed": 0, "images": GOOD["images"]})
    run = recorded("run")
    assert run.lacks == [key for key in IDENTITY if key not in run]
    assert {"schema", "code", "categories", "temperatures", "draw", "start"} <= set(run.lacks)
    with pytest.raises(KeyError, match="'start'"):
        run["start"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("schema", VERSION + 1, f"schema must be {VERSION}, got {VERSION + 1}: another version of nbhelpers wrote it"),
        ("schema", None, f"schema must be {VERSION}, got None"),
        ("code", "0.9.0", "code must be dict, got '0.9.0'"),
        ("code", {"version": "0.9.0"}, "code lacks 'sha256'"),
        ("categories", ["cat", 1], r"categories[1] must be str, got 1"),
        ("draw", {"seed": 0, "of": 190}, "draw lacks 'categories'"),
        ("start", {"file": "a", "sha256": 1, "scaling": "imagenet"}, "start.sha256 must be str, got 1"),
        ("temperatures", {"fits": -1.0, "pearson_t4": 4.0, "pearson_t1": 1.0}, "temperatures.fits must be a number"),
    ],
)
def test_what_it_is_of_must_be_of_its_kind(key, value, message, write):
    write({**PRESENT, key: value})
    with pytest.raises(ValueError, match=re.escape(message)):
        recorded("run")


@pytest.mark.parametrize("content", ["[]", "1", "null", "[" * 100_000])
def test_what_is_no_run_is_named(content, write, tmp_path):
    (tmp_path / "results" / "run.json").write_text(content)
    with pytest.raises(ValueError, match=r"run\.json.*git checkout"):
        recorded("run")


def test_tidy_has_a_line_for_every_seed_and_entry():
    table = tidy("scenes-vgg16", "knowledge_points", "layer", "step")
    assert list(table.columns[:3]) == ["seed", "layer", "step"]
    for run in runs_of("scenes-vgg16"):
        for layer, steps in run["knowledge_points"].items():
            for step, counts in steps.items():
                line = table[(table.seed == run["seed"]) & (table.layer == layer) & (table.step == step)]
                assert line.total.item() == counts["total"] and line.reliable.item() == counts["reliable"]


def test_tidy_counts_a_list_and_calls_a_number_by_its_key():
    along = tidy("scenes-vgg16", "table1_along", "checkpoint")
    assert along[along.seed == 0].accuracy.tolist() == [row["accuracy"] for row in GOOD_SCENES["table1_along"]]
    assert along[along.seed == 0].checkpoint.tolist() == list(range(len(GOOD_SCENES["table1_along"])))
    assert tidy("scenes-vgg16", "accuracy", "split").accuracy[0] == GOOD_SCENES["accuracy"]["train"]


def test_tidy_leaves_out_runs_without_the_key_and_says_when_none_has_it():
    having = [run["seed"] for run in runs_of("tiny-imagenet-vgg16") if "students" in run]
    assert sorted(set(tidy("tiny-imagenet-vgg16", "students", "of", "lesson").seed)) == having
    with pytest.raises(ValueError, match="no run of 'coco-resnet50' has 'students'"):
        tidy("coco-resnet50", "students", "of", "lesson")
    with pytest.raises(ValueError, match="'accuracy' ends 1 levels above what was asked for, at 0"):
        tidy("scenes-vgg16", "accuracy", "split", "further")
