"""The check of a GPU, run on a processor against itself: every section runs, and its file says what it should."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments):
    command = [sys.executable, ROOT / "tests" / "gpu" / "check.py", *arguments]
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    path = tmp_path_factory.mktemp("gpu") / "check.json"
    return run("--device", "cpu", "--size", "tiny", "--out", path), json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_a_processor_agrees_with_itself_and_no_inner_loop_waits(tried):
    process, report = tried
    assert process.returncode == 0, [line for line in process.stdout.splitlines() if line.startswith("FAIL")]
    assert report["passed"] is True
    for section in report["sections"].values():
        assert section["status"] == "done"
        for check in section["checks"]:
            assert check["passed"] is True and check["difference"] <= min(check["at_most"], 1e-6), check


@pytest.mark.slow
def test_the_file_names_what_was_checked_where_and_with_what(tried):
    process, report = tried
    assert list(report) == "date size device processor versions seconds passed sections".split()
    assert list(report["device"]) == ["type", "name", "memory_bytes"] and report["device"]["type"] == "cpu"
    assert report["versions"]["torch"] == torch.__version__
    sections = report["sections"]
    assert list(sections) == (
        "mathematics samples regions networks training synchronisation training_waits matching speed".split()
    )
    names = [entry["name"] for section in sections.values() for entry in section["checks"] + section["measured"]]
    for part in ("pgd", "follow", "region_shapley", "record", "train", "fit_along", "KappaCurve", "knowledge_points"):
        assert any(part in name for name in names), part
    for entry in sections["speed"]["measured"] + sections["matching"]["measured"]:
        assert entry["value"] > 0
    lines = process.stdout.splitlines()
    assert len(lines) == 2 + len(names)  # the device, one line for each, the end


@pytest.mark.slow
def test_without_a_gpu_nothing_is_checked(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    process = run("--out", tmp_path / "check.json")
    assert process.returncode == 2 and process.stdout.count("\n") == 1 and "CUDA" in process.stdout
    assert not list(tmp_path.iterdir())
