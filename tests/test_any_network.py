"""What the chapters do runs on every network by changing one name; and at the paper's own sizes."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from planted_network import plant
from tiny import reproduce, shrink

from nbhelpers.experiments import study
from nbhelpers.experiments.reproduce import EXPERIMENTS
from nbhelpers.experiments.rows import attacks, importance, students
from nbhelpers.experiments.study import Study
from nbhelpers.networks.training import Recipe

pytestmark = pytest.mark.slow

CHAPTERS = sorted((Path(__file__).resolve().parents[1] / "book" / "chapters").glob("0[1-5]*.ipynb"))


@pytest.fixture
def small(monkeypatch):
    shrink(monkeypatch)
    monkeypatch.setattr(study, "PER_CATEGORY", 2)
    monkeypatch.setattr(attacks, "SIZES", (1, 32))
    monkeypatch.setattr(attacks, "STEPS", 2)
    monkeypatch.setattr(importance, "SETTINGS", {"default": ({}, {})})
    monkeypatch.setattr(importance, "FINER", 8)  # no finer grid: enlarged images take long
    return monkeypatch


@pytest.mark.parametrize("network", ["resnet34", "resnet50", "mobilenet_v2"])
def test_every_experiment_runs_on_every_network(network, small, tmp_path):
    for pair in [pair for pair in study.SETTINGS if pair[0] == "scenes"]:
        small.setitem(study.SETTINGS, pair, replace(study.SETTINGS[pair], input_size=32))
    one = Study("scenes", network, retrain=True, workspace=str(tmp_path))
    plant(one)
    found = reproduce(one, tmp_path / "out.json")
    assert found["experiments"] == list(EXPERIMENTS)
    assert all(min(found["grids"][layer]) >= 8 for layer in one.layers)
    assert list(found["table2"]) == list(found["attack"]) == list(one.layers)
    assert list(found["knowledge_points"]) == list(one.counted)
    assert list(found["importance"]) == list(one.counted[1:])
    assert list(found["distillation"]["0"]) == ["teacher", *students.lessons(one)]
    assert len(students.lessons(one)) == len(set(students.lessons(one))) == 4
    features = one.activations(layers=(one.penultimate,))
    np.testing.assert_array_equal(features.regions[one.penultimate], features.features)
    assert {row["step"] for row in found["table1_along"]} == set(found["checkpoints"])


def test_the_papers_preset_runs_with_its_sizes_and_grid(small, tmp_path):
    short = Recipe(epochs=1, batch_size=50, checkpoints=2)
    small.setattr(study, "PAPER", replace(study.PAPER, width=1 / 64, recipe=short))
    small.setattr(study, "PER_CATEGORY", 1)
    one = Study("scenes", "resnet34", retrain=True, workspace=str(tmp_path), preset="paper")
    found = reproduce(one, tmp_path / "out.json", experiments=["samples", "regions"])
    assert one.images().images.shape[2:] == (224, 224) and found["input_size"] == 224
    assert found["grids"][one.deepest] == [14, 14]
    assert one.name == "scenes-resnet34-paper"
    assert max(row["total"] for row in found["knowledge_points"][one.deepest].values()) > 64, "of 196 regions"


def test_the_papers_preset_has_the_papers_numbers():
    paper = study.PAPER
    assert (paper.width, paper.input_size, paper.grid) == (1.0, 224, 14)
    assert (paper.recipe.epochs, paper.recipe.batch_size) == (200, 32)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_names_its_network_once(path):
    """Layer names stand only where a recorded file of VGG-16 is read."""
    cells = ["".join(c["source"]) for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
    assert sum(cell.count("Study(") for cell in cells) == 1
    assert sum(cell.count('Study("scenes", "vgg16")') for cell in cells) == 1
    for cell in cells:
        if re.search(r"study\.(activations|load|student)|follow\(|tail_of\(|portray\(", cell):
            code = "\n".join(line.split("#")[0] for line in cell.splitlines())
            assert not re.search(r"""["']conv_\d\d["']""", code), cell
