"""Recording in batches: in memory where it fits, else in a folder, from which a killed recording goes on."""

import errno
import json
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nbhelpers import Activations, Network, record
from nbhelpers.images import ImageSet, LazyImages
from nbhelpers.networks import recording, recording_folder

N, LAYERS = 23, ("early", "late")
PIXELS = np.random.default_rng(0).integers(0, 256, (N, 3, 16, 16)).astype(np.uint8)
IMAGES = ImageSet(PIXELS, np.arange(N) % 4, ("a", "b", "c", "d"), "held_out")


def network(seed: int = 0) -> Network:
    """Two layers of 6 and 8 channels on grids of 8x8 and 4x4."""
    torch.manual_seed(seed)
    early = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.ReLU())
    late = nn.Sequential(nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.ReLU())
    body = nn.Sequential(early, late, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    return Network(body, {"early": "0", "late": "1"}, head="4").eval()


def numbers(seen: Activations) -> dict[str, np.ndarray]:
    return {"logits": seen.logits, "features": seen.features, **seen.regions}


def assert_same(one: Activations, other: Activations) -> None:
    for name, array in numbers(one).items():
        np.testing.assert_allclose(numbers(other)[name], array, rtol=1e-5, atol=1e-6, err_msg=name)
    assert list(numbers(one)) == list(numbers(other))
    assert one.categories == other.categories and one.labels.tolist() == other.labels.tolist()


class Passes:
    """Counts images that go through a network."""

    def __init__(self, network: Network) -> None:
        self.sizes: list[int] = []
        network.register_forward_pre_hook(lambda _, args: self.sizes.append(len(args[0])))

    def images(self) -> int:
        """Without those that only try the network out."""
        return sum(self.sizes) - sum(size for size in self.sizes if size <= 2)


@pytest.mark.parametrize("batch_size", [1, 5, 23, 100])
@pytest.mark.parametrize("grid", [None, 2])
def test_a_folder_holds_what_memory_holds(tmp_path: Path, batch_size: int, grid: int | None) -> None:
    seen = record(network(), IMAGES, LAYERS, grid=grid, batch_size=batch_size)
    kept = record(network(), IMAGES, LAYERS, grid=grid, batch_size=batch_size, folder=tmp_path / "new" / "kept")
    assert_same(seen, kept)
    for name, array in numbers(kept).items():
        assert isinstance(array, np.memmap) and not array.flags.writeable and array.dtype == np.float32, name
    assert kept.regions["late"].shape == (N, 8, *((4, 4) if grid is None else (2, 2)))


def test_a_pass_for_each_batch_whatever_holds_the_result(tmp_path: Path) -> None:
    one, other = network(), network()
    counts = [Passes(one), Passes(other)]
    record(one, IMAGES, batch_size=10)
    record(other, IMAGES, batch_size=10, folder=tmp_path)
    assert [count.images() for count in counts] == [N, N]


def test_what_is_recorded_is_not_computed_again(tmp_path: Path) -> None:
    first = record(network(), IMAGES, LAYERS, batch_size=5, folder=tmp_path)
    again = network()
    count = Passes(again)
    assert_same(first, record(again, IMAGES, LAYERS, batch_size=5, folder=str(tmp_path)))
    assert count.images() == 5, "the first batch tells whether it is the same"


class Killed(Exception):
    pass


def killed(folder: Path, after: int, monkeypatch: pytest.MonkeyPatch, batch_size: int = 5) -> None:
    """A recording that ends in the middle of its writing, after so many batches."""
    with monkeypatch.context() as patch:
        add, count = recording_folder.RecordingFolder.add, iter(range(after))

        def adding(self: recording_folder.RecordingFolder, start: int, arrays: dict[str, np.ndarray]) -> None:
            if next(count, None) is None:
                self._write(self._files["logits"], self._starts["logits"] + start * 16, b"half a bat")
                raise Killed
            add(self, start, arrays)

        patch.setattr(recording_folder.RecordingFolder, "add", adding)
        with pytest.raises(Killed):
            record(network(), IMAGES, LAYERS, batch_size=batch_size, folder=folder)


@pytest.mark.parametrize("after", [0, 1, 3, 4])
def test_a_killed_recording_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    killed(tmp_path, after, monkeypatch)
    again = network()
    count = Passes(again)
    assert_same(record(network(), IMAGES, LAYERS), record(again, IMAGES, LAYERS, batch_size=5, folder=tmp_path))
    assert count.images() == (N if after < 2 else 5 + N - 5 * after)


@pytest.mark.parametrize("batch_size", [2, 7, 100])
def test_it_goes_on_with_other_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_size: int) -> None:
    killed(tmp_path, 2, monkeypatch)
    assert_same(
        record(network(), IMAGES, LAYERS),
        record(network(), IMAGES, LAYERS, batch_size=batch_size, folder=tmp_path),
    )


KILL = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import test_recording as t
from nbhelpers import record
from nbhelpers.networks import recording_folder
write, count = recording_folder.RecordingFolder._write, iter(range(int(sys.argv[3])))
def killing(self, file, place, content):
    if next(count, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, file, place, content)
recording_folder.RecordingFolder._write = killing
record(t.network(), t.IMAGES, t.LAYERS, batch_size=5, folder=sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.parametrize("writes", [2, 6, 13])
def test_a_process_that_is_killed_leaves_nothing_that_is_believed(tmp_path: Path, writes: int) -> None:
    """In the middle of the headers, of the arrays, and before a batch is said to be there."""
    run = subprocess.run([sys.executable, "-c", KILL, str(Path(__file__).parent), str(tmp_path), str(writes)])
    assert run.returncode == -signal.SIGKILL
    kept = record(network(), IMAGES, LAYERS, batch_size=5, folder=tmp_path)
    assert_same(record(network(), IMAGES, LAYERS), kept)


def damage_a_number(folder: Path) -> None:
    content = bytearray((folder / "1.npy").read_bytes())
    content[-4 * 8 * 8 + 2] ^= 64  # of the features of image 15
    (folder / "1.npy").write_bytes(content)


DAMAGE = {
    "a number": (damage_a_number, "is not whole from image 15 on"),
    "a file cut short": (lambda f: os.truncate(f / "3.npy", (f / "3.npy").stat().st_size - 10), "from image 20 on"),
    "a file that is gone": (lambda f: (f / "2.npy").unlink(), ""),
    "an empty file": (lambda f: (f / "2.npy").write_bytes(b""), ""),
    "another file": (lambda f: (f / "0.npy").write_bytes(b"hello"), ""),
    "no marks": (lambda f: (f / "done.txt").unlink(), ""),
    "a mark cut short": (lambda f: os.truncate(f / "done.txt", (f / "done.txt").stat().st_size - 1), "image 20 on"),
    "other marks": (lambda f: (f / "done.txt").write_bytes(b"0 5 x\xff\n"), "is not whole from image 0 on"),
    "no description": (lambda f: (f / "recording.json").unlink(), ""),
    "half a description": (lambda f: (f / "recording.json").write_text('{"weights": '), "recording.json is damaged"),
    "another description": (lambda f: (f / "recording.json").write_text("[1, 2]"), "recording.json is damaged"),
}
"""What happens to a recording, and what is said of it."""


@pytest.mark.parametrize("case", DAMAGE)
def test_what_is_damaged_is_recorded_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    happen, said = DAMAGE[case]
    record(network(), IMAGES, LAYERS, batch_size=5, folder=tmp_path)
    happen(tmp_path)
    capsys.readouterr()
    kept = record(network(), IMAGES, LAYERS, batch_size=5, folder=tmp_path)
    assert_same(record(network(), IMAGES, LAYERS), kept)
    assert said in capsys.readouterr().err


def other_code(monkeypatch: pytest.MonkeyPatch) -> Network:
    """The same weights, and another function."""
    other = network()
    other.body[1][1] = nn.Sigmoid()
    return other


OTHERS = {
    "weights": (lambda: dict(network=network(1)), "weights is '.*' there and '.*' here"),
    "images": (lambda: dict(images=IMAGES.subset(range(22))), "images is '.*' there and '.*' here"),
    "pixels": (lambda: dict(pixels=PIXELS / np.float32(255)), "pixels is None there and '.*' here"),
    "layers": (lambda: dict(layers=("late",)), r"layers is \['early', 'late'\] there and \['late'\] here"),
    "grid": (lambda: dict(grid=2), "grid is None there and 2 here"),
}
"""What is recorded instead, and what is said."""


@pytest.mark.parametrize("case", OTHERS)
def test_a_folder_of_another_recording_is_refused(tmp_path: Path, case: str) -> None:
    other, said = OTHERS[case]
    usual = {"network": network(), "images": IMAGES, "layers": LAYERS}
    first = record(**usual, folder=tmp_path)
    with pytest.raises(
        ValueError, match=rf"{tmp_path} holds another recording: {said}.* Delete that folder, or choose"
    ):
        record(**{**usual, **other()}, folder=tmp_path)
    assert_same(first, record(**usual, folder=tmp_path))


def test_the_same_weights_in_another_network_are_noticed(tmp_path: Path) -> None:
    record(network(), IMAGES, LAYERS, folder=tmp_path)
    other = network()
    other.body[1][1] = nn.Sigmoid()
    with pytest.raises(ValueError, match=r"of the first images this network computes other logits"):
        record(other, IMAGES, LAYERS, folder=tmp_path)


def test_two_do_not_record_in_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add = recording_folder.RecordingFolder.add
    refused = []

    def adding(self: recording_folder.RecordingFolder, start: int, arrays: dict[str, np.ndarray]) -> None:
        with pytest.raises(OSError, match=f"another process records in {tmp_path}: wait for it") as failure:
            record(network(), IMAGES, LAYERS, folder=tmp_path)
        refused.append(failure)
        add(self, start, arrays)

    monkeypatch.setattr(recording_folder.RecordingFolder, "add", adding)
    record(network(), IMAGES, LAYERS, folder=tmp_path)
    assert len(refused) == 1


# Room


def test_what_does_not_fit_in_memory_is_refused_after_the_first_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = N * 4 * (4 + 8 + 6 * 8 * 8 + 8 * 4 * 4)
    monkeypatch.setattr(recording, "memory_left", lambda: needed - 1)
    again = network()
    count = Passes(again)
    with pytest.raises(ValueError, match=r"23 images .* 48\.2 kB, .*48\.2 kB of memory .*folder=.*coarser grid"):
        record(again, IMAGES, LAYERS, batch_size=5)
    assert count.images() == 5
    monkeypatch.setattr(recording, "memory_left", lambda: None)
    assert len(record(again, IMAGES, LAYERS, batch_size=5)) == N, "where nobody tells nothing is refused"


def test_what_the_disk_has_no_room_for_is_refused_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = recording_folder.shutil.disk_usage
    monkeypatch.setattr(recording_folder.shutil, "disk_usage", lambda path: usage(path)._replace(free=20_000))
    again = network()
    count = Passes(again)
    with pytest.raises(
        OSError, match=rf"{tmp_path}.* 20\.0 kB, and 48\.2 kB .*early 35\.3 kB, layer late .*choose another fol"
    ):
        record(again, IMAGES, LAYERS, batch_size=5, folder=tmp_path)
    assert count.images() == 5


def test_the_size_is_told_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(network(), IMAGES, LAYERS, folder=tmp_path)
    said = capsys.readouterr().err
    assert re.search(rf"recorded of 23 images takes 48\.2 kB in {tmp_path}; [\d.]+ .B are free there", said)
    record(network(), IMAGES, LAYERS, folder=tmp_path)
    assert "takes" not in capsys.readouterr().err, "what is there takes no more"


@pytest.mark.skipif(os.name != "posix", reason="limits of a process are those of POSIX")
def test_a_disk_that_takes_no_more_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    limits, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        with pytest.raises(OSError, match=rf"cannot write {tmp_path}/2.npy: .*; make room, and the same call goes on"):
            record(network(), IMAGES, LAYERS, batch_size=5, folder=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    again = network()
    count = Passes(again)
    assert_same(record(network(), IMAGES, LAYERS), record(again, IMAGES, LAYERS, batch_size=5, folder=tmp_path))
    assert count.images() == 5 + N - 10, "two batches were there"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match=f"{tmp_path}/file") as failure:
        record(network(), IMAGES, folder=tmp_path / "file")
    assert failure.value.errno in (errno.EEXIST, errno.ENOTDIR)


# Layers and images


def test_layers_may_be_called_anything(tmp_path: Path) -> None:
    torch.manual_seed(0)
    usual = network()
    seen = record(usual, IMAGES, LAYERS)
    names = (("../early", "done.txt"), ("features", "logits"), ("0.npy", "recording.json"), ("", "🐈/\\n"))
    for number, (early, late) in enumerate(names):
        strange = Network(usual.body, {early: "0", late: "1"}, head="4").eval()
        for folder in (None, tmp_path / "a" / str(number)):
            kept = record(strange, IMAGES, (early, late), folder=folder)
            np.testing.assert_array_equal(kept.regions[early], seen.regions["early"])
            np.testing.assert_array_equal(kept.regions[late], seen.regions["late"])
            np.testing.assert_array_equal(kept.logits, seen.logits)
        assert json.loads((folder / "recording.json").read_text())["layers"] == [early, late]
    assert {path.name for path in tmp_path.iterdir()} == {"a"}


def test_images_are_read_once_in_order_and_one_batch_ahead(tmp_path: Path) -> None:
    asked: list[int] = []

    def read(chosen: np.ndarray) -> np.ndarray:
        asked.extend(chosen.tolist())
        assert len(chosen) <= 5
        return PIXELS[chosen]

    names = tuple(map(str, range(N)))
    images = ImageSet(LazyImages(read, names, names, (16, 16)), IMAGES.labels, IMAGES.categories, "held_out")
    assert_same(record(network(), IMAGES, LAYERS), record(network(), images, LAYERS, batch_size=5, folder=tmp_path))
    assert [number for place, number in enumerate(asked) if number not in asked[:place]] == list(range(N))
    assert len(asked) <= N + 2, "two try the network out"
