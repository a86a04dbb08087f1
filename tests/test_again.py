"""``reproduce --check``: a recorded command is run again, shrunken, and its numbers are compared."""

import json
import re
import shutil
from pathlib import Path

import pytest
from tiny import shrink

from nbhelpers.experiments import again, cli
from nbhelpers.experiments.pieces import AGAIN, TimeUp
from nbhelpers.experiments.rows import samples

COMMAND = "reproduce --dataset scenes --retrain --experiments samples"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workspace and the file that was recorded in it, of samples alone."""
    place = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        given = [*COMMAND.split(), "--workspace", str(place / "w"), "--out", str(place / "one.json")]
        assert cli.main(given) == 0
    return place


@pytest.fixture
def place(made, tmp_path, monkeypatch):
    """Copies of both, in which a test may do what it likes."""
    shrink(monkeypatch)
    return Path(shutil.copytree(made, tmp_path / "copy"))


def check(place: Path, *more: str) -> int:
    return cli.main(["reproduce", "--check", str(place / "one.json"), "--workspace", str(place / "w"), *more])


def change(place: Path, way: list[str], value) -> None:
    run = inner = json.loads((place / "one.json").read_text())
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = value
    (place / "one.json").write_text(json.dumps(run))


@pytest.mark.slow
def test_all_numbers_come_out_again_and_the_file_stays_as_it_was(place, capsys):
    content = (place / "one.json").read_bytes()
    assert check(place) == 0
    printed = capsys.readouterr().out
    count = printed.split()[0]
    assert f"{count} of {count} values came out again" in printed and int(count) > 50
    assert "fits to whole images" in printed and "older code" not in printed
    assert (place / "one.json").read_bytes() == content
    (out,) = (place / "w" / "checks").glob("one-*/one.json")
    assert json.loads(out.read_text())["command"] == json.loads(content)["command"]


@pytest.mark.slow
def test_other_numbers_are_named_with_both_values(place, capsys):
    change(place, ["table1", "raw_strength", "pearson_t4"], 0.123)
    change(place, ["weights_sha256"], "of another network")
    assert check(place) == 1
    printed = capsys.readouterr().out
    assert "  table1.raw_strength.pearson_t4: 0.123 before, " in printed
    assert "  weights_sha256: of another network before, " in printed


@pytest.mark.slow
def test_a_check_that_was_stopped_goes_on_and_one_that_ended_computes_anew(place, monkeypatch, capsys):
    calls, stops = [], [TimeUp("out of time")]
    real = samples.METHODS["raw_strength"]

    def embed(features, logits):
        calls.append(len(features))
        if len(calls) == 2 and stops:
            raise stops.pop()
        return real(features, logits)

    monkeypatch.setattr(samples, "METHODS", {"raw_strength": embed})
    assert check(place) == AGAIN
    whole = max(calls)  # images; the others are refits to halves of them
    assert check(place) == 0 and calls.count(whole) == 3  # the first of two tables was kept
    assert check(place) == 0 and calls.count(whole) == 5
    assert "came out again" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--seed", "1"], "says --seed itself"),
        (["--experiments", "samples"], "says --experiments itself"),
        (["--out", "a.json"], "says --out itself"),
    ],
)
def test_what_the_command_says_cannot_be_given_beside(place, more, message, capsys):
    assert check(place, *more) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("way", "value", "message"),
    [
        (["command"], "python data/record_pretrained.py", "not recorded by nbhelpers reproduce as it is now"),
        (["command"], "nbhelpers reproduce --dataset sights --out a.json", "but: nbhelpers reproduce --dataset sights"),
        (["command"], "nbhelpers reproduce 'half", "not recorded by nbhelpers reproduce"),
        (["command"], "", "not recorded by nbhelpers reproduce"),
        (["command"], "nbhelpers datasets", "not recorded by nbhelpers reproduce"),
        (["command"], "nbhelpers reproduce --check one.json", "not recorded by nbhelpers reproduce"),
        (["command"], "nbhelpers reproduce --dataset scenes --seed 0 1 --out a", "not recorded by nbhelpers reproduce"),
        (["command"], "nbhelpers reproduce --dataset cub --data DIR --out a.json", "recorded of cub: .*--data"),
        (["command"], "nbhelpers reproduce --dataset scenes --weights a/b --out a.json", "from a/b: .*--weights"),
        (["data_sha256", "train"], "another", "recorded of other images or weights"),
        (["start"], {"file": "a", "sha256": "b", "scaling": "c"}, "recorded of other images or weights"),
        (["code"], None, "code must be dict, got None"),
    ],
)
def test_files_that_cannot_be_run_again_are_refused_before_any_work(place, way, value, message, monkeypatch, capsys):
    monkeypatch.setattr(again, "sweep", lambda *_, **__: pytest.fail("work has begun"))
    change(place, way, value)
    assert check(place) == 2
    assert re.search(message, capsys.readouterr().err)


def test_a_file_that_is_not_there_is_named(tmp_path, capsys):
    assert check(tmp_path) == 2
    assert "one.json is no file; name one that nbhelpers reproduce wrote" in capsys.readouterr().err


def test_data_and_weights_of_this_machine_take_the_places_of_those_in_the_command(place, monkeypatch):
    seen = {}
    monkeypatch.setattr(again, "is_of", lambda *_: True)
    monkeypatch.setattr(again, "sweep", lambda studies, **options: seen.update(studies))
    monkeypatch.setattr(again, "read", lambda path, read=again.read: read(place / "one.json"))
    images, weights = place / "images", place / "weights.safetensors"
    images.mkdir(), weights.touch()
    command = (
        "nbhelpers reproduce --dataset tiny-imagenet --seed 4 --data DIR --categories draw:2 --weights a/b --out x"
    )
    change(place, ["command"], command)
    check(place, "--data", str(images), "--weights", str(weights))
    ((out, study),) = seen.items()
    assert (study.root, study.weights, study.seed) == (str(images), str(weights), 4)
    assert study.categories == ("draw:2",)
    assert out.parent == study.home and study.home.parent == place / "w" / "checks"
