"""What is no regular file, or lies outside: in every unpacked data set, and in the place of an archive."""

import os
import re
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import test_coco
import test_cub
import test_tiny_imagenet
from archives import write_folder

from nbhelpers import datasets
from nbhelpers.datasets import archive
from nbhelpers.datasets.archive import read_file
from nbhelpers.datasets.telling import DataWarning

if sys.platform != "linux":
    pytest.skip("pipes, devices and limits of memory are Linux's here", allow_module_level=True)

import resource


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """Code that waits for a pipe, or reads what has no end, fails here: it takes neither the day nor the machine."""

    def stop(*_: object) -> None:
        raise AssertionError("still waiting")

    limits = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (taken + 2**30, limits[1]))
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    resource.setrlimit(resource.RLIMIT_AS, limits)


# In a data set -------------------------------------------------------------------------------------------------------

UNPACKED = {
    "tiny-imagenet": (
        test_tiny_imagenet.original_layout(),
        ["tabby"],
        ("wnids.txt", "words.txt", "train/n00000001/images/n00000001_5.JPEG"),
    ),
    "coco": (
        test_coco.texts(test_coco.original_layout()),
        ["cat", "dog"],
        ("annotations/instances_train2014.json", "train2014/COCO_train2014_000000000001.jpg"),
    ),
    "cub": (
        test_cub.original_layout(),
        ["002"],
        ("classes.txt", "bounding_boxes.txt", f"images/{test_cub.CLASSES[1]}/bird_0007.jpg"),
    ),
}
"""What is in each, the categories asked for, and files that are needed for them."""


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def link(target: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return make


def unheard(path: Path) -> None:
    path.unlink()
    os.mknod(path, stat.S_IFSOCK | 0o600)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def linked_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


def moved_out(path: Path) -> None:
    secret = next(parent for parent in path.parents if parent.name == "data").with_name("secret")
    path.rename(secret)
    path.symlink_to(secret)


HOSTILE = {
    "pipe": (pipe, "cannot read .*{name}: it is no regular file"),
    "link to a pipe": (linked_pipe, "cannot read .*{name}: it is no regular file"),
    "socket": (unheard, "cannot read .*{name}: No such device"),
    "folder": (folder, "cannot read .*{name}: Is a directory"),
    "link to itself": (
        lambda path: link(path.name)(path),
        "(cannot read .*{name}: Too many levels of symbolic links|holds neither {name} nor)",
    ),
    "link to a device without end": (link("/dev/zero"), "{name} is a link that leads out of .*data; copy what it"),
    "link to a file outside": (moved_out, "{name} is a link that leads out of .*data; copy what it"),
    "link that leads nowhere": (link("nothing"), "data(: it)? holds (no .*{name}: |neither {name} nor)"),
    "file of a terabyte": (lambda path: os.truncate(path, 2**40), "cannot read .*{name}: it takes 1099511627776 bytes"),
}
"""What stands in the place of a file, and what is said."""


@pytest.mark.parametrize(("name", "file"), [(name, file) for name, (*_, files) in UNPACKED.items() for file in files])
@pytest.mark.parametrize("case", HOSTILE)
def test_only_regular_files_inside_are_read(tmp_path: Path, name: str, file: str, case: str) -> None:
    members, categories, _ = UNPACKED[name]
    root = write_folder(tmp_path / "data", members)
    put, said = HOSTILE[case]
    put(root / file)
    said = said.format(name=re.escape(Path(file).name))
    if case == "link that leads nowhere" and name != "tiny-imagenet" and file.endswith(".jpg"):
        expected = pytest.warns(DataWarning, match=f"listed images that are not there.*: .*{Path(file).name}")
    else:
        expected = pytest.raises(OSError, match=said)
    with expected:
        datasets.load(name, "train", root=root, categories=categories)


@pytest.mark.parametrize("name", UNPACKED)
def test_a_link_to_a_regular_file_inside_is_read(tmp_path: Path, name: str) -> None:
    members, categories, files = UNPACKED[name]
    root = write_folder(tmp_path / "data", members)
    whole = datasets.load(name, "train", root=root, categories=categories)
    for number, file in enumerate(files):
        (root / file).rename(root / f"elsewhere{number}")
        (root / file).symlink_to(root / f"elsewhere{number}")
    assert datasets.load(name, "train", root=root, categories=categories).fingerprint == whole.fingerprint


@pytest.mark.parametrize("place", ["train/n00000001/images", "train/n00000001", "train"])
def test_a_folder_that_leads_out_is_not_looked_into(tmp_path: Path, place: str) -> None:
    members, categories, _ = UNPACKED["tiny-imagenet"]
    root = write_folder(tmp_path / "data", members)
    (root / place).rename(tmp_path / "away")
    (root / place).symlink_to(tmp_path / "away")
    with pytest.raises(OSError, match=r"images is a link that leads out of .*data"):
        datasets.load("tiny-imagenet", "train", root=root, categories=categories)


@pytest.mark.parametrize("case", ["pipe", "link to a file outside"])
def test_what_was_unpacked_into_the_cache_is_no_exception(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setenv("NBHELPERS_CACHE", str(tmp_path / "data"))
    path = test_cub.write_tgz(tmp_path / "birds.tgz", UNPACKED["cub"][0])
    datasets.load("cub", "train", root=path, categories=["002"])
    put, said = HOSTILE[case]
    put(next((tmp_path / "data").rglob("bird_0007.jpg")))
    with pytest.raises(OSError, match=said.format(name="bird_0007.jpg").replace(".*data", ".*CUB_200_2011")):
        datasets.load("cub", "train", root=path, categories=["002"])


# In the place of an archive ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", UNPACKED)
@pytest.mark.parametrize("root", ["pipe", "/dev/zero"])
def test_a_root_without_an_end_is_no_archive(tmp_path: Path, name: str, root: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=f"no .* at {tmp_path / root}: it is no file and no folder"):
        datasets.load(name, "train", root=tmp_path / root)


@pytest.mark.parametrize("name", UNPACKED)
def test_a_pipe_that_is_called_as_the_archive_is_none(tmp_path: Path, name: str) -> None:
    for original in ("tiny-imagenet-200.zip", "annotations_trainval2014.zip", "train2014.zip", "CUB_200_2011.tgz"):
        os.mkfifo(tmp_path / original)
    with pytest.raises(OSError, match=f"no .* at {tmp_path}: it holds neither "):
        datasets.load(name, "train", root=tmp_path)


# One file ------------------------------------------------------------------------------------------------------------


def test_a_file_is_read_up_to_the_bytes_that_are_allowed(tmp_path: Path) -> None:
    (tmp_path / "ten").write_bytes(b"0123456789")
    assert read_file(tmp_path / "ten", tmp_path, 10) == b"0123456789"
    with pytest.raises(OSError, match="it takes 10 bytes, more than the 9 allowed"):
        read_file(tmp_path / "ten", tmp_path, 9)


def test_a_file_that_states_no_size_gives_nothing() -> None:
    assert read_file(Path("/proc/version"), Path("/proc"), 10) == b""


@pytest.mark.parametrize(("case", "said"), [("pipe", "no regular file"), ("link to a file outside", "levels of symb")])
def test_what_takes_the_place_of_a_file_after_the_check_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, said: str
) -> None:
    root = write_folder(tmp_path / "data", {"x": b"content"})

    def swapped(path: Path, below: Path) -> Path:
        real = within(path, below)
        HOSTILE[case][0](path)
        return real

    within = archive.within
    monkeypatch.setattr(archive, "within", swapped)
    with pytest.raises(OSError, match=f"cannot read .*x: .*{said}"):
        read_file(root / "x", root, 10)
