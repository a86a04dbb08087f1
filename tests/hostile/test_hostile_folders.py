"""Folders of images as people bring them: what is read of each and what is said, or why it is refused."""

import os
import re
import subprocess
import sys
import unicodedata
import warnings
from pathlib import Path

import pytest
from growing import Tree, encoded, grow, told
from PIL import Image

from nbhelpers import datasets
from nbhelpers.experiments.parallel import in_parallel

SPLITS = ("train", "held_out")
PNG = encoded(Image.new("RGB", (20, 10), (200, 9, 9)))
CMYK = encoded(Image.new("CMYK", (20, 10)), "JPEG")
CAFE, DECOMPOSED = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
LATIN = os.fsdecode("café".encode("latin-1"))
BOTH: Tree = {"cat": 5, "dog": 5}
SPLIT: Tree = {"train/cat": 3, "train/dog": 3, "val/cat": 1, "val/dog": 2}

READ: dict[str, tuple[Tree, str, tuple[int, int], str | None]] = {
    # Splits
    "no splits": (BOTH, "cat dog", (8, 2), None),
    "two splits": (SPLIT, "cat dog", (6, 3), None),
    "capitals": ({"Train/cat": 2, "Train/dog": 2, "VAL/cat": 1, "VAL/dog": 2}, "cat dog", (4, 3), None),
    "long names": ({"training/cat": 2, "validation/cat": 1}, "cat", (2, 1), None),
    "training alone": (
        {"train/cat": 5, "train/dog": 5},
        "cat dog",
        (8, 2),
        "training folders have none .* beside them, so a share is held out: 1, such as .*/train$",
    ),
    "validation and test": (SPLIT | {"test/cat": 9}, "cat dog", (6, 3), "beside train and val .*: 1, such as .*/test$"),
    "two of one name": (
        SPLIT | {"Val/cat": 2, "Val/dog": 2},
        "cat dog",
        (6, 4),
        "train and Val .*: 1, such as .*/val$",
    ),
    "an empty validation": ({"train/cat": 5, "val": 0}, "cat", (4, 1), "beside train .*/val; .*share is held out: 1"),
    "an empty validation and a test": ({"train/cat": 5, "val": 0, "Test/cat": 2}, "cat", (5, 2), "and Test .*/val$"),
    "a test without labels": ({"train/cat": 5, "test": 9}, "cat", (4, 1), "beside train .*/test; .*share is held out"),
    "what lies beside": (
        SPLIT | {"labels": 0, "x.png": PNG},
        "cat dog",
        (6, 3),
        "beside train and val .*: 2, .*labels$",
    ),
    "a category called test": ({"cat": 5, "test": 5}, "cat test", (8, 2), None),
    "categories called train and dog": ({"dog": 5, "train": 5}, "dog train", (8, 2), None),
    # Categories
    "more categories held out": (
        SPLIT | {"val/bird": 2, "val/fish": 0},
        "cat dog",
        (6, 3),
        "held-out categories without training images are left out: 2, such as .*/val/bird$",
    ),
    "an empty category": (BOTH | {"empty": 0}, "cat dog", (8, 2), "folders without images .*: 1, such as .*/empty$"),
    "one empty for training": (
        SPLIT | {"train/bird": 0, "val/bird": 4},
        "cat dog",
        (6, 3),
        "without images .*/train/bird$",
    ),
    "images without a category": (
        BOTH | {"1.png": PNG, "readme.md": b"x"},
        "cat dog",
        (8, 2),
        "no category.*: 1, .*1.png",
    ),
    "another Unicode form held out": ({f"train/{CAFE}": 3, f"val/{DECOMPOSED}": 1}, CAFE, (3, 1), None),
    "decomposed names": ({DECOMPOSED: 5, "dog": 5}, f"{CAFE} dog", (8, 2), None),
    # Folders below, and links
    "folders below": (
        {"cat": 2, "cat/2020": 2, "cat/2020/05": 1, "dog": 5},
        "cat dog",
        (8, 2),
        "images in folders below .* are read, too: 3, such as .*/cat/2020/0.png$",
    ),
    "a link to the folder above": (
        BOTH | {"cat/up": Path("..")},
        "cat dog",
        (8, 2),
        "links to folders .*: 1, .*cat/up$",
    ),
    "a link to its own folder": (
        BOTH | {"cat/again": Path(".")},
        "cat dog",
        (8, 2),
        "links to folders .*: 1, .*again$",
    ),
    "a link from the root to itself": (BOTH | {"all": Path(".")}, "cat dog", (8, 2), "links to folders .*: 1, .*/all$"),
    "links that lead round": (
        BOTH | {"cat/a.png": Path("b.png"), "cat/b.png": Path("a.png")},
        "cat dog",
        (8, 2),
        "lead nowhere are passed over: 2, such as .*/cat/a.png$",
    ),
    "a link that leads nowhere": (
        BOTH | {"cat/a.png": Path("none.png")},
        "cat dog",
        (8, 2),
        "lead nowhere .*: 1, such",
    ),
    "a link to an image inside": (BOTH | {"dog/5.png": Path("../cat/0.png")}, "cat dog", (9, 2), None),
    "a link to a category inside": (
        {"all/cat": 3, "train/cat": Path("../all/cat"), "val/cat": 1},
        "cat",
        (3, 1),
        "beside train and val .*/all$",
    ),
    # Files
    "what others leave behind": (
        BOTH | {"__MACOSX/cat/._0.png": b"x", "cat/.DS_Store": b"x", "dog/Thumbs.db": b"x", "desktop.ini": b"x"},
        "cat dog",
        (8, 2),
        None,
    ),
    "suffixes": (
        {f"cat/{n}.{suffix}": PNG for n, suffix in enumerate(("JPG", "jfif", "Png", "TIF", "webp"))},
        "cat",
        (4, 1),
        None,
    ),
    "other files": (
        BOTH | {"cat/a.gif": b"x", "cat/b": b"x", "dog/c.heic": b"x"},
        "cat dog",
        (8, 2),
        "do not end in jpg .* tiff are passed over: 3, such as .*/cat/a.gif$",
    ),
    "names that are not UTF-8": (BOTH | {f"cat/{LATIN}.png": PNG}, "cat dog", (9, 2), None),
    "names that are not UTF-8 of other files": (BOTH | {f"cat/{LATIN}": b"x"}, "cat dog", (8, 2), r"cat/caf\\udce9$"),
    "one pixel": (BOTH | {"cat/5.png": encoded(Image.new("RGB", (1, 1)))}, "cat dog", (9, 2), None),
    "four inks": (BOTH | {"cat/5.jpg": CMYK}, "cat dog", (9, 2), None),
}
"""What is in a folder, its categories, how many images are trained on and held out, and what is said."""


@pytest.mark.parametrize("case", READ)
def test_what_is_left_out_is_told_once(tmp_path: Path, case: str) -> None:
    tree, categories, sizes, said = READ[case]
    root = grow(tmp_path / "pets", tree)
    images, lines = zip(*(told(root, split) for split in SPLITS), strict=True)
    assert {i.categories for i in images} == {tuple(categories.split())} and tuple(map(len, images)) == sizes
    assert lines[0] == lines[1], "so that Python shows it once"
    assert len(lines[0]) == (said is not None)
    for line in lines[0]:
        assert re.search(said or "", line) and line.isprintable(), line


def test_both_splits_say_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = grow(tmp_path / "pets", SPLIT | {"val/cat/x": b"", "train/dog/x": b"", "test": 1})
    monkeypatch.delitem(globals(), "__warningregistry__", raising=False)
    with warnings.catch_warnings(record=True) as lines:
        warnings.simplefilter("default")
        for split in SPLITS:
            datasets.load("folder", split, root=root, side=8)
    assert len(lines) == 1 and ": 2, such as " in str(lines[0].message)


@pytest.mark.slow
def test_processes_that_share_the_work_do_not_say_it_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    calls = [("folder", split, grow(tmp_path / split, BOTH | {"cat/x": b""})) for split in SPLITS]
    assert len(told(calls[0][2], "train")[1]) == 1
    assert [len(images) for images in in_parallel(datasets.load, calls, describe="x", jobs=2)] == [8, 2]
    assert "such as" not in capfd.readouterr().err  # on a slow machine a bar is there


@pytest.mark.parametrize("root", ["pets", "link", "~/pets"])
def test_a_root_may_be_relative_or_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str) -> None:
    grow(tmp_path / "pets", SPLIT | {"train/dog/5.png": Path("0.png")})
    (tmp_path / "link").symlink_to("pets")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    images, lines = told(Path(root), "train")
    assert len(images) == 7 and lines == []


def test_a_pipe_is_passed_over(tmp_path: Path) -> None:
    root = grow(tmp_path / "pets", BOTH)
    os.mkfifo(root / "cat" / "pipe.png")
    images, (line,) = told(root, "train")
    assert len(images) == 8 and re.search(r"^pipes, .* are passed over: 1, such as .*/cat/pipe.png$", line)


def test_categories_may_be_asked_for_in_either_unicode_form(tmp_path: Path) -> None:
    root = grow(tmp_path, {CAFE: 5, "dog": 5})
    for name in (CAFE, DECOMPOSED):
        assert told(root, "train", categories=[name])[0].categories == (CAFE,)


def test_the_lot_is_the_same_in_either_unicode_form(tmp_path: Path) -> None:
    contents = {letter: encoded(Image.new("RGB", (9, 9), (n, 0, 0))) for n, letter in enumerate("éàüöñêîôûç")}
    reds = []
    for form in ("NFC", "NFD"):
        tree = {f"cat/{unicodedata.normalize(form, letter)}.png": content for letter, content in contents.items()}
        reds.append(told(grow(tmp_path / form, tree), "train")[0].images[:, 0, 0, 0].tolist())
    assert reds[0] == reds[1]


REFUSED: dict[str, tuple[Tree, str]] = {
    "held-out images alone": ({"val/cat": 3, "val/dog": 3}, "held-out images in 'val' and no folder 'train' beside it"),
    "a category without held-out images": (SPLIT | {"train/bird": 2}, "/val holds no images of 'bird', and every"),
    "an empty held-out category": (SPLIT | {"train/bird": 2, "val/bird": 0}, "/val holds no images of 'bird', and"),
    "the same categories in other letters": (
        {"train/cat": 2, "val/Cat": 2},
        r"/val holds no images of 'cat', .*; held-out categories without training images .*: 1, such as .*/val/Cat$",
    ),
    "a category of one image": (BOTH | {"bird": 1}, "'bird' has only the image .*/bird/0.png, and needs a second"),
    "no image that is read": (
        {"cat/a.gif": b"x", "dog/b.gif": b"x"},
        r"pets holds no images; files that do not end in jpg .*: 2, such as .*/a.gif; folders without images .*: 2,",
    ),
    "no folders": ({"1.png": PNG}, "pets holds no folders"),
    "splits without categories": ({"train": 3, "val": 3}, "/train holds no folders"),
    "a folder around it": ({"pets/cat": 3, "pets/dog": 3}, "a folder of folders; name .*/pets/pets instead"),
    "a folder around splits": ({"x/train/cat": 3, "x/val/cat": 3}, "a folder of folders; name .*/pets/x instead"),
    "a folder around categories": ({"train/x/cat": 3, "val/x/cat": 3}, "a folder of folders; name .*/train/x instead"),
    "one name in two forms": ({CAFE: 5, DECOMPOSED: 5}, "two folders 'café', in two Unicode forms"),
    "a category that is not UTF-8": (
        {LATIN: 5, "dog": 5},
        r"the name of the folder .*/caf\\udce9 is not UTF-8; rename",
    ),
}
"""What is in a folder, and why neither split of it is read."""


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_right_reading_is_refused(tmp_path: Path, case: str, split: str) -> None:
    tree, said = REFUSED[case]
    with pytest.raises(ValueError, match=said) as failure:
        told(grow(tmp_path / "pets", tree), split)
    assert str(failure.value).isprintable()


@pytest.mark.parametrize("place", ["cat/5.png", "cat/more", "bird", "cat/5.txt"])
def test_a_link_that_leads_out_is_refused(tmp_path: Path, place: str) -> None:
    secret = grow(tmp_path / "secret", {"cat": 2}) / "cat"
    root = grow(tmp_path / "pets", BOTH | {place: secret if "." not in place else secret / "0.png"})
    with pytest.raises(OSError, match=f"{place} is a link that leads out of .*pets; copy what it leads to"):
        told(root, "train")


@pytest.mark.parametrize("root", ["pets.zip", "pipe", "/dev/zero"])
def test_a_root_must_be_a_folder(tmp_path: Path, root: str) -> None:
    (tmp_path / "pets.zip").write_bytes(b"PK")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(
        OSError, match=f"there is no folder {tmp_path / root}; it should hold a folder of images for each"
    ):
        told(tmp_path / root, "train")


@pytest.mark.slow
def test_the_command_says_it_in_one_line(tmp_path: Path) -> None:
    root = grow(
        tmp_path / "pets", {f"{name}/{n}.png": b"" for name in ("cat", "dog") for n in range(9)} | {"cat/x": b""}
    )
    words = ["reproduce", "--dataset", "folder", "--data", str(root), "--out", str(tmp_path / "x.json")]
    environment = os.environ | {"NBHELPERS_CACHE": str(tmp_path / "cache")}
    run = subprocess.run([sys.executable, "-m", "nbhelpers", *words], capture_output=True, text=True, env=environment)
    line, error = run.stderr.splitlines()
    assert run.returncode == 2 and re.search(
        r"^nbhelpers: every category needs .* such as .*/pets/.* is not a usable image: it is empty$", error
    )
    assert re.search(r"^nbhelpers: files that do not end in .*: 1, such as .*/cat/x$", line)
