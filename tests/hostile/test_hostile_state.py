"""What is kept between runs: networks of other runs beside one's own, damaged files, disks that are full."""

import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_training import RECIPE, same, tiny_network, tiny_set
from tiny import reproduce

from nbhelpers import files
from nbhelpers.experiments import cli, trained
from nbhelpers.experiments import study as study_module
from nbhelpers.experiments.rows import samples
from nbhelpers.experiments.settings import SETTINGS, Setting
from nbhelpers.experiments.study import Study
from nbhelpers.files import replace_file
from nbhelpers.networks import training
from nbhelpers.networks.run_folder import read_run, read_state
from nbhelpers.networks.store import Store
from nbhelpers.networks.tensors import digest, save_tensors
from nbhelpers.networks.training import Recipe, train
from nbhelpers.networks.weights import load_checkpoint, save_checkpoint

SHORT = Recipe(epochs=1, batch_size=10, checkpoints=2)


def pictures(folder: Path, categories=("cat", "dog"), seed=0, count=25) -> Path:
    """Pictures of noise, in a folder for each category."""
    for label, category in enumerate(categories):
        (folder / category).mkdir(parents=True)
        for n in range(count):
            noise = np.random.default_rng((seed, label, n)).integers(0, 120, (32, 32, 3)) + 120 * label
            Image.fromarray(noise.astype(np.uint8)).save(folder / category / f"{n:02}.png")
    return folder


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """A study of one's own pictures, all in one workspace, with what is other than usual."""

    def ask(data=None, setting=None, **options) -> Study:
        root = tmp_path / f"data {sorted((data or {}).items())}"
        root.exists() or pictures(root, **(data or {}))
        usual = Setting(width=0.05, input_size=32, recipe=SHORT, finetune=SHORT, students=SHORT)
        monkeypatch.setitem(SETTINGS, ("folder", "vgg16"), replace(usual, **(setting or {})))
        study_module._images.cache_clear()
        return Study("folder", "vgg16", root=str(root), workspace=str(tmp_path / "work"), **options)

    return ask


@pytest.fixture
def untrainable(monkeypatch):
    """From when it is called, whatever would train fails."""
    return lambda: monkeypatch.setattr(training, "augment", None)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lines(capsys) -> list[str]:
    """What was told, without bars of progress."""
    return [
        line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if "holds" in line or "is d" in line
    ]


# Other runs


@pytest.mark.parametrize(
    ("other", "keys"),
    [
        ({"data": {"seed": 1}}, "data_sha256"),
        ({"data": {"categories": ("cat", "fox")}}, "categories"),
        ({"data": {"count": 26}}, "data_sha256"),
        ({"setting": {"width": 0.0625}}, "width"),
        ({"setting": {"grid": 4}}, "grid"),
        ({"setting": {"recipe": replace(SHORT, learning_rate=0.01)}}, "recipe"),
        ({"weights": "w.safetensors"}, "start"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_a_network_of_another_run_is_never_taken_and_the_difference_is_told(
    other, keys, ask, untrainable, tmp_path, capsys
):
    if "weights" in other:
        other = {"weights": str(tmp_path / other["weights"])}
        save_checkpoint(ask().untrained(7), Path(other["weights"]))
    first = ask().checkpoints
    kept = contents(first[0].parent)
    assert lines(capsys) == []
    second = ask(**other).checkpoints
    assert second[0].parent != first[0].parent
    assert lines(capsys) == [
        f"{first[0].parent} holds a training with other {keys}: a new one begins in {second[0].parent}"
    ]
    untrainable()
    assert ask().checkpoints == first and contents(first[0].parent) == kept
    assert ask(**other).checkpoints == second


def test_a_network_of_other_code_or_another_scaling_is_not_taken(ask, tmp_path, capsys, monkeypatch):
    weights = tmp_path / "w.safetensors"
    values = ask().untrained().state_dict()
    save_tensors({name: tensor for name, tensor in values.items() if name not in ("mean", "std")}, weights)
    first = ask(weights=str(weights)).checkpoints
    second = ask(weights=str(weights), scaling="symmetric").checkpoints
    assert first[-1].read_bytes() != second[-1].read_bytes()
    monkeypatch.setattr(trained, "code_hash", lambda function: "newer")
    ask(weights=str(weights)).checkpoints  # noqa: B018
    scaling, code = lines(capsys)
    assert "with other start: a new one" in scaling and "with other code: a new one" in code


@pytest.mark.slow
def test_other_data_give_the_result_of_their_own_network(ask, tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "METHODS", {"raw_strength": samples.METHODS["raw_strength"]})
    first, second = ({"seed": seed, "count": 100} for seed in (0, 1))
    chosen = {"experiments": ["samples"]}
    alone = reproduce(replace(ask(second), workspace=str(tmp_path / "alone")), tmp_path / "a.json", **chosen)
    before = reproduce(ask(first), tmp_path / "b.json", **chosen)
    beside = reproduce(ask(second), tmp_path / "c.json", **chosen)
    for key in ("accuracy", "categories", "data_sha256", "recipe"):
        assert beside[key] == alone[key], key
    assert beside["data_sha256"] != before["data_sha256"]
    assert beside["sample_fit"]["kl"] == alone["sample_fit"]["kl"] != before["sample_fit"]["kl"]


def test_students_of_another_teacher_are_not_taken(ask, untrainable, capsys):
    taught = [ask({"seed": seed}).student("alone") for seed in (0, 1)]
    assert not same(*taught)
    assert "a training with other teacher, data_sha256: a new one" in lines(capsys)[-1]
    untrainable()
    assert same(ask().student("alone"), taught[0])
    with pytest.raises(TypeError):  # it would train
        ask().student("soft")


@pytest.mark.parametrize("seed", [-1, 1.0, None])
def test_a_training_without_a_right_seed_is_refused_before_its_folder_is_made(seed, tmp_path):
    with pytest.raises(ValueError, match=f"seed must be a whole number of at least 0, got {seed}"):
        train(tiny_network(), tiny_set(), tmp_path / "run", RECIPE, seed=seed)
    assert not (tmp_path / "run").exists()


def test_a_seed_may_be_a_number_of_numpys(tmp_path):
    train(tiny_network(), tiny_set(), tmp_path, RECIPE, seed=np.int64(3))
    assert read_run(tmp_path)["seed"] == 3


def test_a_folder_whose_run_was_changed_is_refused_with_what_differs(ask):
    study = ask()
    path = study.checkpoints[0].with_name("run.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seed": 5, "network": "x" * 99}))
    with pytest.raises(
        ValueError, match=r"holds another run: .*seed is 5 there and 0 here.*Delete that folder"
    ) as told:
        ask().checkpoints  # noqa: B018
    assert "network is 'xxxx" in str(told.value) and "x" * 20 not in str(told.value)


def test_changed_bundled_weights_are_named(tmp_path, monkeypatch):
    for name in ("registry.json", "networks"):
        (shutil.copytree if name == "networks" else shutil.copy)(files.data_dir() / name, tmp_path / name)
    path = tmp_path / "networks" / "scenes-vgg16" / "step-000300.safetensors"
    path.write_bytes(flipped(path.read_bytes(), -1))
    monkeypatch.setattr(files, "data_dir", lambda: tmp_path)
    with pytest.raises(OSError, match=rf"{path} was changed.*restore it"):
        Study("scenes").checkpoints  # noqa: B018


# Damage


def flipped(whole: bytes, at: int) -> bytes:
    """With all bits of one byte turned."""
    at %= len(whole)
    return whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :]


def packed(value) -> bytes:
    buffer = BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


DAMAGE = {
    "empty": lambda _: b"",
    "half": lambda whole: whole[: len(whole) // 2],
    "binary": lambda _: bytes(range(256)) * 9,
    "a list": lambda _: b"[1, 2]",
    "a number": lambda _: b"3",
    "an object": lambda _: b'{"result": {}, "value": 1}',
    "deep": lambda _: b"[" * 100_000,
    "code": lambda _: packed(os.getcwd),
    "of torch": lambda _: packed({"epoch": 1}),
    "of safetensors": lambda _: safetensors.torch.save({"logits": torch.ones(2)}),
    "flipped first": lambda whole: flipped(whole, 0),
    "flipped near the start": lambda whole: flipped(whole, 40),
    "flipped in the middle": lambda whole: flipped(whole, len(whole) // 2),
    "flipped near the end": lambda whole: flipped(whole, -40),
    "flipped last": lambda whole: flipped(whole, -1),
}


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The files of a training that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    train(tiny_network(), tiny_set(), folder, RECIPE)
    return contents(folder)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder of one that was killed in its second epoch."""
    folder = tmp_path_factory.mktemp("killed")
    kill_in_second_epoch(folder)
    return folder


def kill_in_second_epoch(folder, **options):
    seen, augment = [], training.augment

    def breaks(*arguments):
        seen.append(1)
        if len(seen) == 6:
            raise Killed
        return augment(*arguments)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(training, "augment", breaks)
        train(tiny_network(), tiny_set(), folder, RECIPE, **options)


def damaged_copy(folder, tmp_path, name, damage):
    """A copy of a folder, in which one file is damaged; and that file."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / name).write_bytes(DAMAGE[damage]((copy / name).read_bytes()))
    return copy, copy / name


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_state_of_a_killed_run_is_told_and_the_training_starts_anew(damage, killed, whole, tmp_path, capsys):
    folder, file = damaged_copy(killed, tmp_path, "resume.pt", damage)
    train(tiny_network(), tiny_set(), folder, RECIPE)
    for line in lines(capsys)[damage == "flipped last" :]:  # which is of a comment that nobody reads
        assert line.startswith(f"{file} is damaged (") and line.endswith("): the training starts anew")
    assert contents(folder) == whole


@pytest.mark.slow
@settings(max_examples=40)
@given(st.floats(0, 1, exclude_max=True))
def test_no_flipped_byte_of_a_state_changes_what_is_read(killed, share):
    run, path = read_run(killed), killed / "resume.pt"
    before, state = path.read_bytes(), read_state(killed, run)
    path.write_bytes(flipped(before, int(share * len(before))))
    try:
        found = read_state(killed, run)
    finally:
        path.write_bytes(before)
    assert not found or (repr(found) == repr(state) and digest(found["network"]) == digest(state["network"]))


def test_the_state_of_another_run_is_not_taken(killed, whole, tmp_path, capsys):
    kill_in_second_epoch(tmp_path / "other", seed=1)
    folder = shutil.copytree(killed, tmp_path / "copy")
    shutil.copy(tmp_path / "other" / "resume.pt", folder)
    train(tiny_network(), tiny_set(), folder, RECIPE)
    assert lines(capsys) == [f"{folder / 'resume.pt'} is damaged (it is of another run): the training starts anew"]
    assert contents(folder) == whole


def test_a_whole_state_is_gone_on_from(killed, whole, tmp_path, capsys):
    folder = shutil.copytree(killed, tmp_path / "copy")
    train(tiny_network(), tiny_set(), folder, RECIPE)
    assert lines(capsys) == [] and contents(folder) == whole


@pytest.mark.parametrize("damage", [name for name in DAMAGE if name not in ("an object", "flipped in the middle")])
def test_a_damaged_description_of_a_run_is_told_and_the_training_starts_anew(damage, killed, whole, tmp_path, capsys):
    folder, file = damaged_copy(killed, tmp_path, "run.json", damage)
    train(tiny_network(), tiny_set(), folder, RECIPE)
    assert lines(capsys)[0].startswith(f"{file} is damaged (")
    assert contents(folder) == whole


@pytest.mark.parametrize("damage", [name for name in DAMAGE if name != "of safetensors"])
@pytest.mark.parametrize("step", ["000000", "000012"])
def test_a_damaged_checkpoint_of_a_finished_run_is_told_and_trained_anew(damage, step, whole, tmp_path, capsys):
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content)
    file = tmp_path / f"step-{step}.safetensors"
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    with pytest.raises(OSError, match=rf"{file} is no whole file.*delete it"):
        load_checkpoint(tiny_network(), file)
    train(tiny_network(), tiny_set(), tmp_path, RECIPE)
    (line,) = lines(capsys)
    assert line.startswith(f"{file} is damaged (") and line.endswith("): the training starts anew")
    assert contents(tmp_path) == whole


KEPT = {
    "arrays": {"logits": np.linspace(0, 1, 40).reshape(8, 5).astype(np.float32), "regions": np.arange(7)},
    "numbers": {"value": [0.25, None, "x", {"1": 1e-300}], "seconds": 1.5},
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("kind", KEPT)
def test_damaged_values_are_told_and_computed_anew(kind, damage, tmp_path, capsys):
    ask = getattr(Store(tmp_path), kind)
    ask({"a": 1}, lambda: KEPT[kind])
    (path,) = tmp_path.iterdir()
    kept = path.read_bytes()
    path.write_bytes(DAMAGE[damage](kept))
    np.testing.assert_equal(ask({"a": 1}, lambda: KEPT[kind]), KEPT[kind])
    (line,) = lines(capsys)
    assert line.startswith(f"{path} is damaged (") and line.endswith("): it is computed anew")
    assert path.read_bytes() == kept


@pytest.mark.parametrize("kind", KEPT)
def test_flipped_bytes_do_not_change_a_value(kind, tmp_path):
    ask = getattr(Store(tmp_path), kind)
    ask({"a": 1}, lambda: KEPT[kind])
    (path,) = tmp_path.iterdir()
    kept = path.read_bytes()
    for at in range(0, len(kept), 3):
        path.write_bytes(flipped(kept, at))
        np.testing.assert_equal(ask({"a": 1}, lambda: KEPT[kind]), KEPT[kind])


@pytest.mark.parametrize("kind", KEPT)
def test_the_value_of_another_description_is_not_taken(kind, tmp_path):
    ask = getattr(Store(tmp_path), kind)
    ask({"a": 1}, lambda: KEPT[kind])
    (path,) = tmp_path.iterdir()
    shutil.copy(path, Store(tmp_path).path({"a": 2}, path.suffix))
    other = {"value": np.zeros(2)} if kind == "arrays" else 7
    np.testing.assert_equal(ask({"a": 2}, lambda: other), other)


@pytest.mark.parametrize("name", ["run.json", "resume.pt", "step-000000.safetensors"])
def test_what_cannot_be_read_is_an_error_with_its_name_and_not_damaged(name, killed, tmp_path, capsys):
    folder = shutil.copytree(killed, tmp_path / "copy")
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(OSError, match=str(folder / name)):
        train(tiny_network(), tiny_set(), folder, RECIPE)
    assert lines(capsys) == [] and (folder / name).is_dir()


@pytest.mark.parametrize("kind", KEPT)
def test_a_folder_in_the_place_of_a_value_is_an_error_with_its_name(kind, tmp_path):
    store = Store(tmp_path)
    path = store.path({"a": 1}, {"arrays": ".safetensors", "numbers": ".json"}[kind])
    path.mkdir()
    with pytest.raises(OSError, match=str(path)):
        getattr(store, kind)({"a": 1}, lambda: KEPT[kind])


@pytest.mark.slow
def test_a_command_whose_files_are_all_damaged_ends_with_the_same_numbers(ask, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(samples, "METHODS", {"raw_strength": samples.METHODS["raw_strength"]})
    study = ask({"count": 100})
    command = ["reproduce", "--dataset", "folder", "--data", study.root, "--workspace", study.workspace]

    def recorded(name: str) -> dict:
        assert cli.main([*command, "--experiments", "samples", "--out", str(tmp_path / name)]) == 0
        return json.loads((tmp_path / name).read_text())

    usual, kept = recorded("usual.json"), contents(study.home)
    for damage in ("empty", "a list"):
        for name, content in kept.items():
            (study.home / name).write_bytes(DAMAGE[damage](content))
        capsys.readouterr()
        again = recorded(f"{damage}.json")
        assert again["table1_along"] == usual["table1_along"] and again["sample_fit"]["kl"] == usual["sample_fit"]["kl"]
        told = [line.split(" is damaged (")[0] for line in lines(capsys)]
        assert sorted(told) == sorted(str(study.home / name) for name in kept if "step-" not in name)
        assert {name: content for name, content in contents(study.home).items() if "results" not in name} == {
            name: content for name, content in kept.items() if "results" not in name
        }


# Disks that take no more


WRITERS = {
    "tensors": lambda path: save_tensors({"a": torch.ones(100_000)}, path),
    "torch": lambda path: replace_file(path, lambda part: torch.save({"a": torch.ones(100_000)}, part)),
    "text": lambda path: replace_file(path, lambda part: part.write_text("x" * 100_000)),
}


@contextmanager
def small_files(size=10_000):
    """No file may grow beyond this: what a full disk is to a writer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_is_an_error_with_the_path_and_harms_nothing(writer, tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with small_files(), pytest.raises(OSError, match=f"cannot write {path}: "):
        WRITERS[writer](path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("place", ["/dev/full", "folder", "file/below", "link/below"])
@pytest.mark.parametrize("writer", WRITERS)
def test_places_that_take_no_file_are_errors_with_the_path(writer, place, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    before = os.stat("/dev/full")
    with pytest.raises(OSError, match=f"cannot write .*{place}: "):
        WRITERS[writer](tmp_path / place)
    assert os.stat("/dev/full").st_ino == before.st_ino
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder", "link"]
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.parametrize("writer", WRITERS)
def test_links_and_devices_are_written_through(writer, tmp_path):
    device, there, gone = os.stat("/dev/null"), tmp_path / "there", tmp_path / "gone"
    there.write_text("old")
    for name, target in (("null", Path("/dev/null")), ("to there", there), ("to gone", gone)):
        (tmp_path / name).symlink_to(target)
        WRITERS[writer](tmp_path / name)
        assert (tmp_path / name).is_symlink()
    assert there.stat().st_size > 10_000 and gone.stat().st_size > 10_000
    assert os.stat("/dev/null").st_ino == device.st_ino and stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_pipe_is_written_into(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE)
    replace_file(tmp_path / "pipe", lambda part: part.write_text("whole"))
    assert reader.communicate()[0] == b"whole"
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode)


@pytest.mark.parametrize("name", ["run.json", "resume.pt", "step-000000.safetensors"])
def test_a_disk_that_is_full_in_a_training_names_the_file(name, tmp_path, whole):
    size = {"run.json": 100, "resume.pt": len(whole["step-000000.safetensors"]) + 100}.get(name, 10_000)
    with small_files(size), pytest.raises(OSError, match=f"cannot write {tmp_path / name}: "):
        train(tiny_network(), tiny_set(), tmp_path, RECIPE)
    assert not (tmp_path / name).exists() and not list(tmp_path.glob("*.part"))
    train(tiny_network(), tiny_set(), tmp_path, RECIPE)
    assert contents(tmp_path) == whole


def test_what_a_killed_writer_left_is_cleared_by_the_next(tmp_path):
    path = tmp_path / "file"
    replace_file(path, lambda part: part.write_text("old"))
    script = """
        import os, signal, sys
        from pathlib import Path
        from nbhelpers.files import replace_file

        def dies(part):
            part.write_text("ne")
            os.kill(os.getpid(), signal.SIGKILL)

        replace_file(Path(sys.argv[1]), dies)
        """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(path)])
    assert ended.returncode == -signal.SIGKILL
    assert path.read_text() == "old" and len(list(tmp_path.glob("file.*.part"))) == 1
    replace_file(tmp_path / "other", lambda part: part.write_text("x"))
    assert len(list(tmp_path.glob("file.*.part"))) == 1  # of another file
    replace_file(path, lambda part: part.write_text("new"))
    assert path.read_text() == "new" and not list(tmp_path.glob("*.part"))
