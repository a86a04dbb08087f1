"""Studies and recorded results, on a tiny data set and a tiny network."""

import hashlib
import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tiny import reproduce, shrink

from nbhelpers.experiments import cli
from nbhelpers.experiments.claims.entries import PAPER_ROWS
from nbhelpers.experiments.reproduce import sweep, training
from nbhelpers.experiments.rows import samples
from nbhelpers.experiments.stages import Stage
from nbhelpers.experiments.study import Study
from nbhelpers.experiments.trained import folder, recipe

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """Scenes x VGG-16, so small that all stages take seconds."""
    methods = {k: samples.METHODS[k] for k in ("ours", "pca", "raw_strength")}
    shrink(monkeypatch)
    monkeypatch.setattr(samples, "METHODS", methods)
    return Study("scenes", retrain=True, workspace=str(tmp_path))


def record(chosen, out, command="x"):
    """Of the samples alone; other experiments have tests of their own."""
    return reproduce(chosen, out, command=command, experiments=["samples"])


def times(folder):
    """When each file was written."""
    return {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*") if path.is_file()}


def test_study_trains_once_and_caches_activations(tiny):
    assert tiny.steps == [0, 10, 20]
    assert tiny.epochs == [0, 1, 2]
    first = tiny.activations(-1, layers=("conv_53",))
    written = times(tiny.workspace)
    again = Study("scenes", retrain=True, workspace=tiny.workspace).activations(-1, layers=("conv_53",))
    assert times(tiny.workspace) == written and len(written) > 4
    np.testing.assert_array_equal(first.logits, again.logits)
    np.testing.assert_array_equal(first.regions["conv_53"], again.regions["conv_53"])
    assert first.regions["conv_53"].shape[-2:] == (8, 8)


def test_reproduce_writes_the_documented_keys(tiny, tmp_path):
    out = tmp_path / "deep" / "result.json"
    result = record(tiny, out, command="nbhelpers reproduce ...")
    assert json.loads(out.read_text()) == result
    keys = "command seed date wall_seconds versions data_sha256 images input_size accuracy grids"
    assert {*keys.split(), "table1", "sample_fit", "weight_decay"} <= set(result)
    assert set(result["table1"]["ours"]) == {"pearson_t4", "pearson_t1", "seconds"}
    assert -1 <= result["table1"]["ours"]["pearson_t4"] <= 1
    assert result["sample_fit"]["kl"] >= 0
    assert result["grids"]["conv_53"] == [8, 8]
    by_decay = [row["kl"] for row in result["weight_decay"].values()]
    assert by_decay == sorted(by_decay)  # a stronger pull to the centre never explains the labels better
    assert result["images"] == {"train": 100, "held_out": 50, "fitted": 50}
    assert len(result["angles"]["directions"]) == len(result["angles"]["features"]) == 45
    assert all(0 <= angle <= 180 for angle in result["angles"]["directions"])
    refits = result["table1_halves"]["pca"]
    assert set(refits) == {"pearson_t4", "pearson_t1"} and len(refits["pearson_t4"]) == 2
    assert refits["pearson_t4"] != [result["table1"]["pca"]["pearson_t4"]] * 2


def test_angles_of_all_pairs_in_degrees():
    vectors = np.array([[1.0, 0, 0], [0, 2, 0], [-3, 0, 0]])
    assert samples.between(vectors) == pytest.approx([90, 180, 90])


def test_halves_that_are_too_small_for_neighbours_are_left_out(tiny, monkeypatch):
    monkeypatch.setattr(samples, "METHODS", {"isomap": None})
    assert samples.table1_halves(tiny, "isomap") is None


def test_a_retrained_network_is_not_answered_with_the_bundled_ones_numbers(tiny):
    """It is other by its weights, not by how they were asked for."""
    bundled = Study("scenes", workspace=tiny.workspace)
    assert Stage(samples.grids, (bundled,)).describe() != Stage(samples.grids, (tiny,)).describe()
    assert bundled.identity | {"weights_sha256": ""} == tiny.identity | {"weights_sha256": ""}
    assert training(bundled).describe() != training(tiny).describe()


def test_a_checkpoint_is_read_once_for_its_hash(tiny, monkeypatch):
    path, network, reads = tiny.checkpoints[-1], tiny.load(), []
    monkeypatch.setattr(Study, "load", lambda *_: network)  # which reads the weights themselves
    real = type(path).read_bytes
    monkeypatch.setattr(type(path), "read_bytes", lambda self: reads.append(self) or real(self))
    for layers in ((), ("conv_53",)):
        tiny.activations(-1, layers)
    assert reads.count(path) == 1


def test_recorded_command_repeats_the_run(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "sweep", lambda studies, commands, **options: seen.extend(commands))
    seen = []
    out = tmp_path / "scenes-vgg16-seed3.json"
    assert cli.main(["reproduce", "--dataset", "scenes", "--seed", "3", "--retrain", "--out", str(out)]) == 0
    assert seen == [
        "nbhelpers reproduce --dataset scenes --network vgg16 --seed 3 --retrain --out scenes-vgg16-seed3.json"
    ]


def test_several_networks_and_seeds_are_one_sweep(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(cli, "sweep", lambda studies, commands, **options: seen.update(studies))
    given = "reproduce --dataset scenes --network vgg16 resnet34 --seed 0 7 --preset paper --yes --out".split()
    assert cli.main([*given, str(tmp_path)]) == 0
    names = [f"scenes-{network}-paper{seed}.json" for network in ("vgg16", "resnet34") for seed in ("", "-seed7")]
    assert [path.relative_to(tmp_path).as_posix() for path in seen] == names
    assert [study.seed for study in seen.values()] == [0, 7, 0, 7]


def test_a_sweep_of_nothing_and_unknown_experiments_are_refused(tiny, tmp_path):
    with pytest.raises(ValueError, match="empty"):
        sweep({}, commands=[])
    with pytest.raises(ValueError, match=r"dreams.*samples, regions, importance"):
        sweep({tmp_path / "a.json": tiny}, commands=["x"], experiments=["dreams"])


def test_several_results_do_not_fit_one_file(tmp_path, capsys):
    given = "reproduce --dataset scenes --seed 0 1 --out".split()
    assert cli.main([*given, str(tmp_path / "one.json")]) == 2
    assert re.search("2 results.*folder.*one.json", capsys.readouterr().err)


def test_the_command_names_the_weights_by_their_folder(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(cli, "sweep", lambda studies, commands, **options: seen.extend(commands))
    weights = tmp_path / "tiny-imagenet-resnet34-seed0" / "step-003120.safetensors"
    weights.parent.mkdir()
    weights.touch()
    given = ["reproduce", "--dataset", "scenes", "--network", "resnet34", "--weights", str(weights), "--out", "a.json"]
    cli.main([*given, "--experiments", "samples"])
    assert seen == [
        "nbhelpers reproduce --dataset scenes --network resnet34 --seed 0 --experiments samples --weights "
        "tiny-imagenet-resnet34-seed0/step-003120.safetensors --scaling imagenet --out a.json"
    ]


def test_a_study_starts_from_given_weights_and_says_which(tiny, tmp_path):
    weights = tiny.checkpoints[-1]
    started = Study("scenes", workspace=tiny.workspace, weights=str(weights), seed=1)
    assert folder(started) != folder(Study("scenes", workspace=tiny.workspace, seed=1))
    start = started.describe()["start"]
    assert start["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert start["file"] == f"{weights.parent.name}/{weights.name}"
    begun, given = started.activations(0), tiny.activations(-1)
    np.testing.assert_allclose(begun.features, given.features, rtol=1e-3, atol=1e-3)
    assert recipe(started) == started.setting.finetune and recipe(tiny) == tiny.setting.recipe


def test_weights_that_are_not_there_are_named(tmp_path):
    with pytest.raises(OSError, match=r"nowhere\.pth"):
        Study("scenes", weights=str(tmp_path / "nowhere.pth")).describe()


@pytest.mark.slow
def test_an_interrupted_run_goes_on_where_it_stopped(tiny, tmp_path, monkeypatch):
    whole = record(tiny, tmp_path / "a.json")
    other = Study("scenes", retrain=True, workspace=str(tmp_path / "other"))
    calls, stops = [], [KeyboardInterrupt]

    def embedding(method):
        def embed(features, logits):
            calls.append(method)
            if method == "raw_strength" and stops:
                raise stops.pop()
            return real[method](features, logits)

        return embed

    real = dict(samples.METHODS)
    monkeypatch.setattr(samples, "METHODS", {method: embedding(method) for method in real})
    with pytest.raises(KeyboardInterrupt):
        record(other, tmp_path / "b.json")
    assert calls == ["ours", "pca", "raw_strength"]
    assert not (tmp_path / "b.json").exists()
    resumed = record(other, tmp_path / "b.json")
    assert calls[3:7] == ["raw_strength", "ours", "pca", "raw_strength"]
    assert calls[7:] == ["ours", "ours", "pca", "pca", "raw_strength", "raw_strength"]  # two halves
    for table in ("table1", "table1_train"):
        for method, row in whole[table].items():
            assert resumed[table][method] | {"seconds": 0} == row | {"seconds": 0}
    assert resumed["accuracy"] == whole["accuracy"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dataset": "sights"}, "sights.*coco, cub, folder, scenes, tiny-imagenet"),
        ({"network": "vgg19"}, "vgg19.*vgg16, resnet34, resnet50, mobilenet_v2"),
        ({"preset": "phone"}, "phone.*laptop, paper"),
    ],
)
def test_unknown_names_are_answered_with_those_that_exist(given, message):
    with pytest.raises(ValueError, match=message):
        Study(**{"dataset": "scenes", **given})


def test_command_line_lists_the_data_sets(capsys):
    assert cli.main(["datasets"]) == 0
    printed = capsys.readouterr().out
    assert "scenes" in printed and "bundled" in printed and "tiny-imagenet" in printed


def test_command_line_reports_an_error_without_a_traceback(tmp_path, capsys):
    arguments = ["reproduce", "--dataset", "tiny-imagenet", "--data", str(tmp_path), "--out", str(tmp_path / "x.json")]
    assert cli.main([*arguments, "--workspace", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("nbhelpers: ")
    assert not (tmp_path / "x.json").exists()


# Not as a part of the make that runs the tests, which tells what it does.
ALONE = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}


@pytest.mark.parametrize("row", [*PAPER_ROWS, "cub", "coco", "tiny-imagenet"])
def test_make_knows_every_row_of_the_paper(row):
    order = ["make", "-n", "paper-gpu", "INSTALLED=", f"ROW={row}", "DATA=there", "OUT=here", "MINUTES=3"]
    printed = subprocess.run(order, cwd=ROOT, env=ALONE, capture_output=True, text=True, check=True).stdout
    options = cli.parser().parse_args(shlex.split(printed.replace("\\\n", "").split("||")[0])[1:])
    assert f"{options.dataset}-{options.network[0]}".startswith(row)
    assert (options.preset, options.data, options.minutes, options.out) == ("paper", "there", 3, f"here/{row}.json")


def test_make_names_the_rows_that_there_are():
    order = ["make", "-n", "paper-gpu", "ROW=sights"]
    made = subprocess.run(order, cwd=ROOT, env=ALONE, capture_output=True, text=True)
    assert made.returncode and "sights" in made.stderr and all(row in made.stderr for row in PAPER_ROWS)
