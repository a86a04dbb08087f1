"""The bundled files are what the registry says, small enough, and give what was recorded for them."""

import hashlib
import json

import pytest

from nbhelpers.experiments.rows.students import lessons
from nbhelpers.experiments.study import Study
from nbhelpers.files import data_dir, registry
from nbhelpers.networks.recording import record

STUDY = Study("scenes")
HOME = data_dir() / "networks" / STUDY.name
RUN = json.loads((HOME / "run.json").read_text())


def test_every_bundled_binary_is_registered_and_unchanged():
    files = {
        p.relative_to(data_dir()).as_posix()
        for p in data_dir().rglob("*")
        if p.suffix in (".png", ".jpg", ".safetensors")
    }
    known = registry()
    assert files <= set(known)
    for name, entry in known.items():
        assert hashlib.sha256((data_dir() / name).read_bytes()).hexdigest() == entry["sha256"], name


def test_all_bundled_files_together_stay_under_25_mb():
    assert sum(entry["bytes"] for entry in registry().values()) < 25e6


def test_at_least_eight_checkpoints_the_first_untrained():
    assert STUDY.checkpoints == sorted(HOME.glob("*.safetensors"))
    assert STUDY.steps == RUN["steps"]
    assert len(STUDY.steps) >= 8
    assert STUDY.steps[0] == 0
    assert RUN["data_sha256"] == STUDY.images("train").fingerprint


@pytest.mark.parametrize("index", [0, 4, -1])
def test_bundled_networks_give_their_recorded_accuracy(index):
    recorded = RUN["accuracy"][str(STUDY.steps[index])]
    # One image of 500 may sit on the border and fall to the other side on another processor.
    assert record(STUDY.load(index), STUDY.images()).accuracy == pytest.approx(recorded, abs=0.0021)


def test_the_last_one_is_accurate_enough_for_the_book():
    assert RUN["accuracy"][str(STUDY.steps[-1])] >= 0.78


@pytest.mark.parametrize("lesson", lessons(STUDY))
def test_bundled_students_give_their_recorded_accuracy(lesson):
    run = json.loads((data_dir() / "students" / STUDY.name / "run.json").read_text())
    assert record(STUDY.student(lesson), STUDY.images()).accuracy == pytest.approx(run["accuracy"][lesson], abs=0.0021)
