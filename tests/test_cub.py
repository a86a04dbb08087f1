"""The CUB-200-2011 loader on small archives in the original layout, whole, damaged and hostile."""

import gzip
import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from archives import write_folder
from PIL import Image

from nbhelpers import datasets
from nbhelpers.datasets import archive, cub

pytestmark = pytest.mark.filterwarnings("ignore::nbhelpers.datasets.DataWarning")

CLASSES = ("001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Sooty_Albatross")
ASKED = ["Laysan Albatross", "001"]
TABLES = ("classes.txt", "images.txt", "image_class_labels.txt", "train_test_split.txt", "bounding_boxes.txt")


def picture(red: int, size=(120, 80)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (red, 100, 50)).save(buffer, "JPEG", quality=100)
    return buffer.getvalue()


def lines(rows: dict) -> bytes:
    return "".join(f"{key} {value}\n" for key, value in rows.items()).encode()


def original_layout() -> dict[str, bytes]:
    """Member -> content: 6 birds of each class, numbered on; every third is held out. The red of number n is 10 n."""
    numbers = range(1, 19)
    folders = {n: CLASSES[(n - 1) // 6] for n in numbers}
    members = {f"images/{folders[n]}/bird_{n:04}.jpg": picture(10 * n) for n in reversed(numbers)}
    members["classes.txt"] = lines({n: name for n, name in enumerate(CLASSES, 1)})
    members["images.txt"] = lines({n: f"{folders[n]}/bird_{n:04}.jpg" for n in numbers})
    members["image_class_labels.txt"] = lines({n: (n - 1) // 6 + 1 for n in numbers})
    members["train_test_split.txt"] = lines({n: int(n % 3 > 0) for n in numbers})
    members["bounding_boxes.txt"] = lines({n: "10.0 10.0 60.0 50.0" for n in numbers})
    return members


def tar(members: dict[str, bytes], top: str = "CUB_200_2011/", extra: list[tarfile.TarInfo] = ()) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        for name, content in members.items():
            info = tarfile.TarInfo(top + name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
        for info in extra:
            packed.addfile(info, io.BytesIO(bytes(info.size)))
    return buffer.getvalue()


def write_tgz(path: Path, members: dict[str, bytes], **options) -> Path:
    path.write_bytes(gzip.compress(tar(members, **options), mtime=0))
    return path


@pytest.fixture
def members():
    return original_layout()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NBHELPERS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def load(tmp_path, cache, members):
    """Loads from an archive of ``members``, which a test may have changed before."""

    def load(split="train", categories=ASKED, *, extra=(), **options):
        path = write_tgz(tmp_path / "CUB_200_2011.tgz", members, extra=extra)
        return datasets.load("cub", split, root=path, categories=categories, **options)

    return load


def reds(images) -> list[int]:
    return np.rint(images.images[:, 0].mean(axis=(1, 2)) / 10).astype(int).tolist()


def unpacked(cache: Path) -> list[str]:
    return sorted(str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file())


# Reading -------------------------------------------------------------------------------------------------------------


def test_crops_come_by_category_and_number(load):
    images = load(side=32)
    assert images.images.shape == (8, 3, 32, 32)
    assert images.categories == ("Laysan Albatross", "Black footed Albatross")
    assert images.labels.tolist() == [0] * 4 + [1] * 4 and images.split == "train"
    assert reds(images) == [7, 8, 10, 11, 1, 2, 4, 5]


def test_the_original_test_split_is_held_out(load):
    images = load("held_out", CLASSES[::-1])
    assert reds(images) == [15, 18, 9, 12, 3, 6] and images.images.shape[2:] == (64, 64)


@pytest.mark.parametrize("name", ["002.Laysan_Albatross", "laysan albatross", "002", "2"])
def test_a_category_has_several_names(load, name):
    assert load(categories=[name]).categories == ("Laysan Albatross",)


def test_tiny_boxes_are_left_out_and_others_clipped(load, members):
    rows = {n: "10.0 10.0 60.0 50.0" for n in range(1, 19)}
    rows |= {7: "80.0 10.0 60.0 50.0", 8: "72 32 90 90"}  # 40 columns are inside, and 48
    members["bounding_boxes.txt"] = lines(rows)
    assert reds(load(categories=["002"])) == [8, 10, 11]


def test_the_choice_is_always_the_same(load):
    few = load(per_category=2)
    assert np.bincount(few.labels).tolist() == [2, 2] and load(per_category=2).fingerprint == few.fingerprint
    assert set(reds(few)) < set(reds(load(per_category=3)))


def test_the_order_of_the_lines_does_not_matter(load, members):
    wanted = load(per_category=3).fingerprint
    for table in TABLES:
        members[table] = b"\n".join(reversed(members[table].splitlines()))
    assert load(per_category=3).fingerprint == wanted


@pytest.mark.parametrize("root", ["CUB_200_2011", "."])
def test_a_folder_gives_the_same_as_the_archive(tmp_path, cache, load, members, root):
    write_folder(tmp_path / "unpacked" / "CUB_200_2011", members)
    for split in ("train", "held_out"):
        found = datasets.load("cub", split, root=tmp_path / "unpacked" / root, categories=ASKED)
        assert found.fingerprint == load(split).fingerprint


# Unpacking -----------------------------------------------------------------------------------------------------------


def test_only_what_is_needed_is_unpacked(cache, load, members):
    members["attributes/attributes.txt"] = b"1 2 3"
    load(categories=["002"])
    wanted = {f"CUB_200_2011/{table}" for table in TABLES}
    wanted |= {f"CUB_200_2011/{name}" for name in members if name.startswith("images/002.")}
    assert {name.split("/", 1)[1] for name in unpacked(cache)} == wanted
    assert len(list(cache.iterdir())) == 1


def test_an_archive_is_unpacked_once(cache, load):
    wanted = load().fingerprint
    written = {path: path.stat().st_ino for path in cache.rglob("*")}
    assert load().fingerprint == wanted
    load("held_out", ASKED[::-1])
    assert {path: path.stat().st_ino for path in cache.rglob("*")} == written


def test_another_archive_is_unpacked_elsewhere(cache, load, members):
    load()
    members["images/002.Laysan_Albatross/bird_0007.jpg"] = picture(250)
    assert reds(load(categories=["002"]))[0] == 25
    assert len(list(cache.iterdir())) == 2


def test_names_may_begin_with_a_dot(tmp_path, cache, load, members):
    path = write_tgz(tmp_path / "dotted.tgz", members, top="./CUB_200_2011/")
    found = datasets.load("cub", "train", root=path, categories=ASKED)
    assert found.fingerprint == load().fingerprint


KILLED = """
import os, resource, signal, sys
from nbhelpers import datasets
if sys.argv[2] == "writing":
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
else:
    count, replace = iter(range(int(sys.argv[3]))), os.replace
    os.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL) if next(count, None) is None else replace(*paths)
datasets.load("cub", "train", root=sys.argv[1], categories=["001", "002"])
"""


@pytest.mark.slow
@pytest.mark.parametrize(("moment", "after"), [("writing", 100), ("writing", 5000), ("placing", 0), ("placing", 3)])
def test_a_process_killed_half_way_leaves_nothing_that_is_believed(tmp_path, cache, members, load, moment, after):
    """In the middle of a table or of a picture, before the first or the fourth table is put in its place."""
    members["images/002.Laysan_Albatross/bird_0007.jpg"] += bytes(10_000)
    path = write_tgz(tmp_path / "CUB_200_2011.tgz", members)
    run = subprocess.run([sys.executable, "-c", KILLED, str(path), moment, str(after)], capture_output=True)
    assert run.returncode in (-signal.SIGXFSZ, -signal.SIGKILL), run.stderr
    assert list(cache.glob("*/unpacking-*")), "the temporary folder stays"
    for file in cache.glob("*/CUB_200_2011/*"):
        assert file.read_bytes() == members[file.name], "what is in its place is whole"
    assert len(load()) == 8


def test_another_process_may_be_first(cache, load, monkeypatch):
    """Between unpacking and renaming, the same folder appears."""
    replace, raced = os.replace, []

    def slow(source, target):
        if target.name.startswith("002.") and not raced:
            raced.append(write_folder(target, {f"bird_{n:04}.jpg": picture(10 * n) for n in range(7, 13)}))
        replace(source, target)

    monkeypatch.setattr(os, "replace", slow)
    assert len(load()) == 8 and raced


LINK = tarfile.TarInfo("CUB_200_2011/images/link.jpg")
LINK.type, LINK.linkname = tarfile.SYMTYPE, "/etc/passwd"
HARD = tarfile.TarInfo("CUB_200_2011/hard.txt")
HARD.type, HARD.linkname = tarfile.LNKTYPE, "CUB_200_2011/classes.txt"
DEVICE = tarfile.TarInfo("CUB_200_2011/device")
DEVICE.type = tarfile.CHRTYPE


@pytest.mark.parametrize(
    ("hostile", "message"),
    [
        (LINK, "link.*'CUB_200_2011/images/link.jpg'"),
        (HARD, "link.*'CUB_200_2011/hard.txt'"),
        (DEVICE, "device.*'CUB_200_2011/device'"),
        (tarfile.TarInfo("/etc/evil"), "outside.*'/etc/evil'"),
        (tarfile.TarInfo("CUB_200_2011/../../evil"), r"outside.*'CUB_200_2011/\.\./\.\./evil'"),
        (tarfile.TarInfo("C:/evil"), "outside.*'C:/evil'"),
        (tarfile.TarInfo("CUB_200_2011/classes.txt"), "CUB_200_2011/classes.txt twice"),
    ],
    ids=["link", "hard link", "device", "absolute", "climbing", "drive", "twice"],
)
def test_a_hostile_member_is_refused_and_nothing_is_written(cache, load, hostile, message):
    with pytest.raises(OSError, match=message):
        load(extra=[hostile])
    assert unpacked(cache) == []


@pytest.mark.parametrize(("bound", "most"), [("MOST_MEMBERS", 20), ("MOST_BYTES", 20_000), ("MOST_MEMBER_BYTES", 500)])
def test_an_archive_of_too_much_is_refused(cache, load, monkeypatch, bound, most):
    monkeypatch.setattr(archive, bound, most)
    with pytest.raises(OSError, match="larger than any"):
        load()
    assert unpacked(cache) == []


def test_what_follows_the_last_member_is_bounded(tmp_path, cache, members, monkeypatch):
    monkeypatch.setattr(archive, "MOST_BYTES", 2**20)
    path = tmp_path / "long.tgz"
    path.write_bytes(gzip.compress(tar(members) + bytes(2**24)))
    with pytest.raises(OSError, match="larger than any"):
        datasets.load("cub", "train", root=path)


def test_a_header_does_not_fill_the_memory(tmp_path, cache, members):
    """A name of 8 MB, which tarfile would read at once."""
    long = tarfile.TarInfo("a" * 2**23)
    path = tmp_path / "name.tgz"
    path.write_bytes(gzip.compress(tar(members, extra=[long])))
    with pytest.raises(OSError, match="larger than any"):
        datasets.load("cub", "train", root=path)


@pytest.mark.parametrize("kept", [0.0005, 0.3, 0.9, -9, -4])
def test_a_truncated_archive_is_refused(tmp_path, cache, members, kept):
    path = write_tgz(tmp_path / "cut.tgz", members)
    content = path.read_bytes()
    path.write_bytes(content[: kept if kept < 0 else int(kept * len(content))])
    with pytest.raises(OSError, match=r"cut.tgz.*cut short"):
        datasets.load("cub", "train", root=path)
    assert unpacked(cache) == []


@pytest.mark.parametrize("content", [b"hello", gzip.compress(b"hello" * 1000)], ids=["text", "no tar"])
def test_what_is_no_archive_is_refused(tmp_path, cache, content):
    (tmp_path / "bad.tgz").write_bytes(content)
    with pytest.raises(OSError, match=r"bad.tgz.*whole"):
        datasets.load("cub", "train", root=tmp_path / "bad.tgz")


def test_damage_is_noticed(tmp_path, cache, members):
    """One bit of a picture is wrong: tar would not see it, the checksum of gzip does."""
    content = bytearray(tar(members))
    path = tmp_path / "bit.tgz"
    whole = gzip.compress(bytes(content), 0)  # stored, not packed
    place = whole.index(picture(70)) + 300
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(OSError, match=r"bit.tgz.*CRC"):
        datasets.load("cub", "train", root=path)
    assert unpacked(cache) == []


def test_a_class_whose_name_leads_out_is_refused(load, members):
    members["classes.txt"] = b"1 ../../../evil\n"
    with pytest.raises(OSError, match=r"outside.*'CUB_200_2011/images/\.\./\.\./\.\./evil'"):
        load(categories=["../../../evil"])


# Bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("missing", TABLES)
def test_a_missing_table_is_named(tmp_path, cache, members, packed, missing):
    del members[missing]
    root = write_tgz(tmp_path / "x.tgz", members) if packed else write_folder(tmp_path / "data", members)
    with pytest.raises(OSError, match=rf"holds (no|neither) (CUB_200_2011/)?{missing}"):
        datasets.load("cub", "train", root=root, categories=ASKED)


@pytest.mark.parametrize(
    ("table", "line", "message"),
    [
        ("bounding_boxes.txt", "7 1 2 3", "bounding_boxes.txt.*4.*'7 1 2 3'"),
        ("images.txt", "7 ../../../secret.jpg", r"outside.*'images/\.\./\.\./\.\./secret.jpg'"),
        ("train_test_split.txt", "", "train_test_split.txt.*no image 7"),
    ],
)
def test_a_wrong_line_is_named(load, members, table, line, message):
    kept = [old for old in members[table].decode().splitlines() if not old.startswith("7 ")]
    members[table] = "\n".join([*kept, line]).encode()
    with pytest.raises(OSError, match=message):
        load()


def test_a_damaged_image_is_named(load, members):
    name = "images/002.Laysan_Albatross/bird_0007.jpg"
    members[name] = members[name][:-300]
    with pytest.raises(OSError, match=f"{name}.*[Tt]runcated"):
        load()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"categories": ["Dodo"]}, r"'Dodo'.*Black footed Albatross \(1\), Laysan"),
        ({"per_category": 5}, r"per_category.* 4 .*'Laysan Albatross'.*5"),
        ({"side": 0}, "side.*0"),
        ({"split": "test"}, "split.*'test'"),
    ],
)
def test_what_cannot_be_had_is_refused(load, options, message):
    with pytest.raises(ValueError, match=message):
        load(**options)


def test_a_category_with_too_few_crops_tells_all_counts(load, members):
    members["train_test_split.txt"] = lines({n: int(n not in (1, 2, 4, 5, 6)) for n in range(1, 19)})
    with pytest.raises(ValueError, match=r"2.*'train'.*Laysan .* 6, Black footed .* 1$"):
        load()


# Where it is ---------------------------------------------------------------------------------------------------------


def test_without_root_the_cache_is_read(cache, members):
    cache.mkdir()
    write_tgz(cache / "CUB_200_2011.tgz", members)
    assert len(datasets.load("cub", "train", categories=ASKED)) == 8


def test_what_is_downloaded_is_checked(cache, members, monkeypatch):
    cache.mkdir()
    path = write_tgz(cache / "CUB_200_2011.tgz", members)
    original = cub.ORIGINAL._replace(url=f"http://127.0.0.1:9/{path.name}")
    monkeypatch.setattr(cub, "ORIGINAL", original)
    with pytest.raises(OSError, match=f"could not download {original.url}"):
        datasets.load("cub", "train", download=True)
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(cub, "ORIGINAL", original._replace(sha256=content))
    assert len(datasets.load("cub", "train", categories=ASKED, download=True)) == 8
