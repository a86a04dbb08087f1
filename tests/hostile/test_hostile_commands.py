"""Commands that cannot work are refused in the words of the shell, in one line, before anything is read or trained."""

import json
import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from nbhelpers import __version__
from nbhelpers.experiments import cli, reproduce
from nbhelpers.experiments.rows.samples import table1_row
from nbhelpers.experiments.study import Study
from nbhelpers.probes.baselines import isomap, lle, tsne

FOLDER = "--dataset folder --out new.json --data"
REFUSED = [
    # what there is to do
    ("", "arguments are required: command"),
    ("reproduce", "one of the arguments --dataset --check is required"),
    ("reproduce --dataset scenes", "--out is needed: the file to write, such as --out result.json"),
    ("dream", "invalid choice: 'dream'"),
    # numbers
    ("--seed -1", "--seed: must be a whole number from 0 .*'-1'"),
    ("--seed 4294967296", "--seed: must be .* to 4294967295, got '4294967296'"),
    ("--seed 1.5", "--seed: must be a whole number .*'1.5'"),
    ("--seed 1 1", "--seed: 1 is asked for twice"),
    ("--network vgg16 vgg16", "--network: vgg16 is asked for twice"),
    ("--experiments samples regions samples", "--experiments: samples is asked for twice"),
    ("--jobs 0", "--jobs: must be a whole number from 1 .*'0'"),
    ("--jobs -3", "--jobs: must be a whole number from 1 .*'-3'"),
    ("--jobs two", "--jobs: must be a whole number from 1 .*'two'"),
    ("--minutes 0", "--minutes: must be a number above 0 .*'0'"),
    ("--minutes -1", "--minutes: must be a number above 0 .*'-1'"),
    ("--minutes nan", "--minutes: must be a number above 0 .*'nan'"),
    ("--minutes inf", "--minutes: must be .* a year at most, got 'inf'"),
    # nothing, and what is not there
    ("--data ''", "--data: it is empty"),
    ("--out ''", "--out: it is empty"),
    ("--weights ''", "--weights: it is empty"),
    ("--workspace ' '", "--workspace: it is empty"),
    ("--cluster ''", "--cluster: it is empty"),
    ("--workspace caf\udce9", r"--workspace: its name is not UTF-8: 'caf\\udce9'"),
    ("--weights ~/none.pth", "--weights HOME/none.pth is no file; or: --weights torchvision"),
    ("--weights there", "--weights there is no file"),
    ("--workspace text", "--workspace text is a file, where a folder is needed"),
    ("--dataset folder", "--dataset folder needs --data"),
    ("--dataset cub --data ~/none", "--data HOME/none is not there"),
    # options that do not fit each other
    ("--data there", "--dataset scenes is bundled: leave out --data there"),
    ("--scaling symmetric", "--scaling is of --weights"),
    ("--jobs 2 --cluster tcp://127.0.0.1:9", "--cluster: not allowed with argument --jobs"),
    ("--check other.json", "--check: not allowed with argument --dataset"),
    ("--categories cat dog cat", "--categories: cat is asked for twice"),
    ("--categories draw:0", "scenes is bundled, .* leave out draw:0"),
    (f"{FOLDER} eight --categories draw:x", "a draw stands alone, as draw:0: got draw:x"),
    (f"{FOLDER} eight --categories cat draw:0", "a draw stands alone, as draw:0: got cat, draw:0"),
    (f"{FOLDER} eight --categories draw:0", r"10 categories are drawn from more, and there are 2 \(cat, dog\)"),
    (f"{FOLDER} eight --categories cat cow", "no category 'cow'; there are cat, dog"),
    ("--preset paper", r"there is none: with 5,000 training images .* \d+ days .*--yes"),
    # where the file goes
    ("--out there", "--out is the folder there"),
    ("--out new/", "--out is the folder new/: one result needs a file, such as new/result.json"),
    ("--out text", "text is there and holds something else .*--overwrite"),
    ("--out other.json", "other.json is there and holds something else .*--overwrite"),
    ("--out text/new.json", "cannot write text/new.json: .*text is no folder"),
    ("--out /proc/none/new.json", "cannot write /proc/none/new.json: "),
    ("--out deep.json", "deep.json is there and holds something else"),
    ("--out round.json", "cannot write round.json: .* symbolic links"),
    (f"--out {'x' * 300}", "cannot write x+: .*too long"),
    ("--seed 0 1 --out new.json", "2 results need a folder: --out names the file new.json"),
    ("--seed 0 1 --out text", "2 results need a folder: --out names the file text"),
    ("--seed 0 1 --out linked", "several results in one file"),
    # too few images
    (f"{FOLDER} eight --experiments samples", "16 held-out images, too few for t-SNE, .* at least 31: .*--data"),
    (f"{FOLDER} two --experiments regions", "4 training images, too few for one batch, .* at least 64: .*--data"),
    (f"{FOLDER} single", "one category, 'cat', and two are needed: see --data"),
]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A home with files, a folder of eight held-out images a category and one of one, in which nothing is trained."""
    (tmp_path / "there").mkdir()
    (tmp_path / "text").write_text("mine")
    (tmp_path / "other.json").write_text(json.dumps({"command": "nbhelpers reproduce --dataset cub"}))
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "round.json").symlink_to("round.json")
    (tmp_path / "linked").mkdir()
    for name in ("", "-seed1"):
        (tmp_path / "linked" / f"scenes-vgg16{name}.json").symlink_to(tmp_path / "one.json")
    rng = np.random.default_rng(0)
    for folder, categories, count in (("eight", "cat dog", 40), ("two", "cat dog", 3), ("single", "cat", 3)):
        for category in categories.split():
            (tmp_path / folder / category).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / folder / category / f"{i}.png")
    for name in ("HOME", "NBHELPERS_CACHE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(reproduce, "in_parallel", lambda *_, **__: pytest.fail("work has begun"))
    return tmp_path


def files(place):
    return {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.exists()}


def status(arguments):
    try:
        return cli.main(arguments)
    except SystemExit as ended:
        return ended.code


@pytest.mark.parametrize(("given", "said"), REFUSED)
def test_a_command_that_cannot_work_is_one_line_and_no_work(given, said, place, capsys):
    before, usual = files(place), "reproduce --dataset scenes --out new.json"
    assert status(shlex.split(f"{usual} {given}" if given.startswith("--") else given)) == 2
    printed = capsys.readouterr()
    assert re.search(said.replace("HOME", str(place)), printed.err)
    assert printed.out == ""
    assert len([line for line in printed.err.splitlines() if not re.match(r"usage:|\s", line)]) == 1
    assert files(place) == before


def test_the_version_is_told(capsys):
    assert status(["--version"]) == 0
    assert capsys.readouterr().out == f"nbhelpers {__version__}\n"


@pytest.mark.parametrize(
    ("given", "goes_on"),
    [("--preset paper --yes", False), ("--preset paper --cluster tcp://127.0.0.1:9", False), ("--preset paper", True)],
)
def test_the_presets_cost_is_asked_only_where_nobody_said_yes_and_no_gpu_is_there(given, goes_on, place, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: goes_on)
    seen = []
    monkeypatch.setattr(cli, "sweep", lambda studies, **options: seen.extend(studies))
    assert status(shlex.split(f"reproduce --dataset scenes --out new.json {given}")) == 0
    assert [path.name for path in seen] == ["new.json"]


# Where the file goes

COMMAND = "nbhelpers reproduce --dataset scenes --network vgg16 --seed 0"


@pytest.fixture
def recorded(place, monkeypatch):
    """A sweep that does nothing and records something."""
    monkeypatch.setattr(reproduce, "in_parallel", lambda *_, **__: [])
    monkeypatch.setattr(reproduce, "check_images", lambda *_: None)
    monkeypatch.setattr(reproduce, "levels", lambda _: [])
    monkeypatch.setattr(reproduce, "plan", lambda *_: {})
    monkeypatch.setattr(reproduce, "result", lambda study, chosen, command: {"command": command, "new": True})
    return place


@pytest.mark.parametrize(
    ("content", "option", "code"),
    [
        (json.dumps({"command": f"{COMMAND} --out new.json"}), "", 0),  # the same run, recorded again
        ("", "", 0),
        ("mine", "--overwrite", 0),
        ("[]", "", 2),
        (json.dumps({"command": f"{COMMAND} --retrain --out new.json"}), "", 2),
        (json.dumps({"command": f"{COMMAND} --out new.json", "data_sha256": {}}), "", 2),  # other images
        (json.dumps({"command": f"{COMMAND} --out new.json", "start": {}}), "", 2),  # other weights
        (json.dumps({"command": f"{COMMAND} --out new.json", "start": {}}), "--overwrite", 0),
    ],
)
def test_a_file_is_written_again_by_its_own_command_or_where_that_is_asked_for(content, option, code, recorded, capsys):
    out = recorded / "new.json"
    out.write_text(content)
    assert status(shlex.split(f"reproduce --dataset scenes --out new.json {option}")) == code
    assert (json.loads(out.read_text()) == {"command": f"{COMMAND} --out new.json", "new": True}) == (code == 0)


@pytest.mark.parametrize("experiments", ["samples regions", "regions samples"])
def test_the_recorded_command_is_one_of_the_shell_whatever_the_order(experiments, recorded):
    given = f"reproduce --dataset scenes --out 'my file.json' --experiments {experiments}"
    assert status(shlex.split(given)) == 0
    command = json.loads((recorded / "my file.json").read_text())["command"]
    assert command == f"{COMMAND} --experiments samples regions --out 'my file.json'"


def test_a_file_is_written_through_a_link_and_below_folders_that_are_made(recorded):
    (recorded / "link.json").symlink_to(recorded / "there" / "real.json")
    for out in ("link.json", "~/a/b/new.json"):
        assert status(["reproduce", "--dataset", "scenes", "--out", out]) == 0
    assert (recorded / "link.json").is_symlink()
    assert json.loads((recorded / "there" / "real.json").read_text())["new"]
    assert json.loads((recorded / "a" / "b" / "new.json").read_text())["new"]


def test_a_pipe_is_written_in_place_and_nothing_beside(recorded, capsys):
    reading, writing = os.pipe()
    assert status(["reproduce", "--dataset", "scenes", "--out", f"/dev/fd/{writing}"]) == 0
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert json.loads(pipe.read())["new"]
    assert capsys.readouterr().out == ""


# Baselines


def alike(n=40, distinct=1):
    rng = np.random.default_rng(0)
    return rng.normal(size=(distinct, 8))[np.arange(n) % distinct], rng.normal(size=(n, 4))


@pytest.mark.parametrize("method", [tsne, lle, isomap])
@pytest.mark.parametrize(
    ("features", "said"),
    [(alike()[0], "all 40 images are the same"), (alike(30, 30)[0], "more than 30 images, got 30")],
)
def test_a_baseline_without_neighbours_is_refused(method, features, said):
    with pytest.raises(ValueError, match=said):
        method(features, np.zeros((len(features), 4)))


@pytest.mark.parametrize("method", [tsne, lle, isomap])
def test_fewer_different_rows_than_neighbours_are_embedded(method):
    assert np.isfinite(method(*alike(distinct=2))).all()


@pytest.mark.parametrize("method", ["ours", "tsne", "raw_strength"])
def test_a_network_that_sees_no_difference_has_no_correlation(method, monkeypatch):
    class Seen:
        features, logits = alike()

    monkeypatch.setattr(Study, "fitted", lambda self, split: None)
    monkeypatch.setattr(Study, "activations", lambda self, images: Seen)
    row = table1_row(Study("scenes"), "held_out", method)
    assert (row["pearson_t4"], row["pearson_t1"]) == (None, None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirected", "status", "said"),
    [
        ("| true", 0, ""),
        ("> /dev/full", 0, ""),
        (">&-", 0, ""),
        ("2>&- > /dev/null", 0, ""),
    ],
)
def test_where_nobody_listens_nothing_is_said(redirected, status, said):
    """What is listed is lost, and that is for whoever redirected it to see."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    shell = f"set -o pipefail; {sys.executable} -m nbhelpers datasets {redirected}"
    ended = subprocess.run(["bash", "-c", shell], env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (status, said)
