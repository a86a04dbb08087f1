"""Archives as people bring them: what is left out of each is told once, with its number, and counted in the result."""

import json
import re
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from archives import write_folder
from growing import encoded
from PIL import Image

from nbhelpers import datasets
from nbhelpers.datasets import DataWarning

NAN = float("nan")
PACKED = ("folder", "zip", "tgz")


def picture(number: int, size: tuple[int, int] = (100, 80)) -> bytes:
    return encoded(Image.new("RGB", size, (10 * number, 9, 9)), "JPEG")


def pack(root: Path, top: str, members: dict[str, bytes], how: str) -> Path:
    """A data set in its folder, or that folder in an archive beside it."""
    folder = write_folder(root / top, members)
    path = root / f"{top}.{how}"
    if how == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(f"{top}/{name}", content)
    elif how == "tgz":
        with tarfile.open(path, "w:gz") as archive:
            archive.add(folder, top)
    return folder if how == "folder" else path


def loaded(name: str, root: Path, **options: Any) -> tuple[datasets.ImageSet, list[str]]:
    """Held-out images, and what was said."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        images = datasets.load(name, "held_out", root=root, **options)
    assert {warning.category for warning in caught} <= {DataWarning}
    assert {warning.filename for warning in caught} <= {__file__}, "the line that is shown is the caller's"
    return images, [str(warning.message) for warning in caught]


def check(images: datasets.ImageSet, lines: list[str], left: dict[str, int], example: str) -> None:
    """One line that tells what is left out, each with its number; the result counts the same, its subsets too."""
    assert dict(images.left_out) == {f"{what} are left out": count for what, count in left.items()}
    assert images.subset([0]).left_out == images.left_out
    assert len(lines) == bool(left)
    for what, count in left.items():
        assert re.search(rf"{what} are left out: {count}, such as {example}", lines[0]), lines


# COCO

Coco = dict[str, Any]


def coco(packed: dict[str, bytes]) -> Coco:
    """Six images of cats and dogs in turn, each with one box."""
    categories = [{"id": 17, "name": "cat"}, {"id": 90, "name": "dog"}]
    packed.update({f"val2014/{n}.jpg": picture(n) for n in range(6)})
    return {
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 100, "height": 80} for n in range(6)],
        "annotations": [
            {"id": n, "image_id": n, "category_id": categories[n % 2]["id"], "bbox": [5, 5, 60, 60], "iscrowd": 0}
            for n in range(6)
        ],
        "categories": categories,
    }


def box(*bbox: Any) -> Callable[[Coco, dict[str, bytes]], None]:
    """One more cat, in this box."""

    def change(listed: Coco, _packed: dict[str, bytes]) -> None:
        listed["annotations"].append({"id": 9, "image_id": 0, "category_id": 17, "bbox": list(bbox)})

    return change


def without(*names: str) -> Callable[[Any, dict[str, bytes]], None]:
    return lambda _listed, packed: [packed.pop(name) for name in names] and None


OUTSIDE, NO_BOX = {"boxes outside their image": 1}, {"boxes that are not x, y, width and height": 1}
ANNOTATION = r"annotation 9 of val2014/0.jpg: \[.*\] in 100x80$"
COCO: dict[str, tuple[Callable, int, dict[str, int], str]] = {
    "nothing": (lambda listed, _: None, 6, {}, ""),
    "no word of crowds": (lambda listed, _: [a.pop("iscrowd") for a in listed["annotations"]], 6, {}, ""),
    "a crowd": (
        lambda listed, _: listed["annotations"][5].update(iscrowd=1),
        5,
        {"boxes around crowds": 1},
        "anno.* 5",
    ),
    "to the right": (box(200, 1, 60, 60), 6, OUTSIDE, ANNOTATION),
    "to the left": (box(-60, 1, 60, 60), 6, OUTSIDE, ANNOTATION),
    "above": (box(1, -70, 60, 60), 6, OUTSIDE, ANNOTATION),
    "no number": (box(NAN, 1, 60, 60), 6, NO_BOX, ANNOTATION),
    "endless": (box(1, 1, float("inf"), 60), 6, NO_BOX, ANNOTATION),
    "negative": (box(1, 1, -60, 60), 6, NO_BOX, ANNOTATION),
    "three numbers": (box(1, 1, 60), 6, NO_BOX, ANNOTATION),
    "words": (box(1, 1, 60, "60"), 6, NO_BOX, ANNOTATION),
    "none": (box(1, 1, 60, None), 6, NO_BOX, ANNOTATION),
    "tiny": (box(1, 1, 60, 47), 6, {"boxes with fewer than 48 pixels a side in their image": 1}, ANNOTATION),
    "an image that is not there": (
        without("val2014/5.jpg"),
        5,
        {"boxes of listed images that are not there": 1},
        "annotation 5 of val2014/5.jpg$",
    ),
    "two that are not there": (
        without("val2014/4.jpg", "val2014/5.jpg"),
        4,
        {"boxes of listed images that are not there": 2},
        "annotation 4 of val2014/4.jpg$",
    ),
    "an image that is not listed": (
        lambda listed, _: listed["annotations"][5].update(image_id=77),
        5,
        {"boxes of images that are not listed": 1},
        "annotation 5 of 77$",
    ),
}
"""What is changed, how many crops are read, and what of which is left out, such as which."""


@pytest.mark.parametrize("how", ["folder", "zip"])
@pytest.mark.parametrize("case", COCO)
def test_coco(tmp_path: Path, case: str, how: str) -> None:
    change, count, left, example = COCO[case]
    listed = coco(packed := {})
    change(listed, packed)
    packed["annotations/instances_val2014.json"] = json.dumps(listed).encode()
    images, lines = loaded("coco", pack(tmp_path, "coco2014", packed, how), categories=["cat", "dog"], side=32)
    assert len(images) == count
    check(images, lines, left, example)


def test_where_too_little_is_left_the_reason_is_told(tmp_path: Path) -> None:
    listed = coco(packed := {})
    without(*(f"val2014/{n}.jpg" for n in (0, 2, 4)))(listed, packed)
    packed["annotations/instances_val2014.json"] = json.dumps(listed).encode()
    with pytest.raises(
        ValueError, match=r"cat 0, dog 3; boxes of listed images .*: 3, such as annotation 0 of val2014"
    ):
        datasets.load("coco", "held_out", root=write_folder(tmp_path, packed), categories=["cat", "dog"])


# CUB-200-2011

Tables = dict[str, dict[int, str]]


def cub(packed: dict[str, bytes]) -> Tables:
    """Four birds of each of two classes, all held out."""
    names = {n: f"00{n % 2 + 1}.Bird/{n}.jpg" for n in range(1, 9)}
    packed.update({f"images/{name}": picture(n) for n, name in names.items()})
    return {
        "classes": {1: "001.Bird", 2: "002.Bird"},
        "images": names,
        "image_class_labels": {n: str(n % 2 + 1) for n in names},
        "train_test_split": dict.fromkeys(names, "0"),
        "bounding_boxes": dict.fromkeys(names, "10 10 60 60"),
    }


def line(table: str, text: str | None) -> Callable[[Tables, dict[str, bytes]], None]:
    """What image 7 has in a table, or that it has nothing there."""
    return lambda listed, _: listed[table].pop(7) and None if text is None else listed[table].update({7: text})


BIRD = r"images/002.Bird/7.jpg: \[.*\] in 100x80$"
CUB: dict[str, tuple[Callable, dict[str, int], str]] = {
    "nothing": (lambda listed, _: None, {}, ""),
    "outside": (line("bounding_boxes", "100 10 60 60"), OUTSIDE, BIRD),
    "above": (line("bounding_boxes", "10 -90 60 60"), OUTSIDE, BIRD),
    "negative": (line("bounding_boxes", "10 10 -60 60"), NO_BOX, BIRD),
    "no number": (line("bounding_boxes", "nan 10 60 60"), NO_BOX, BIRD),
    "words": (line("bounding_boxes", "a b c d"), NO_BOX, BIRD),
    "no box": (line("bounding_boxes", None), {"images without a box": 1}, "images/002.Bird/7.jpg$"),
    "an image that is not there": (
        without("images/002.Bird/7.jpg"),
        {"listed images that are not there": 1},
        "images/002.Bird/7.jpg$",
    ),
    "another name": (
        line("images", "002.Bird/seven.jpg"),
        {"listed images that are not there": 1},
        "images/002.Bird/seven.jpg$",
    ),
}
"""What is changed of eight birds, and what is left out, such as which."""


@pytest.mark.parametrize("how", ["folder", "tgz"])
@pytest.mark.parametrize("case", CUB)
def test_cub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, how: str) -> None:
    monkeypatch.setenv("NBHELPERS_CACHE", str(tmp_path / "cache"))
    change, left, example = CUB[case]
    tables = cub(packed := {})
    change(tables, packed)
    for name, rows in tables.items():
        packed[f"{name}.txt"] = "".join(f"{key} {text}\n" for key, text in rows.items()).encode()
    root = pack(tmp_path, "CUB_200_2011", packed, how)
    images, lines = loaded("cub", root, categories=["001", "002"], side=32)
    assert len(images) == 8 - sum(left.values())
    check(images, lines, left, example)


# Tiny ImageNet

IDS = ("n01", "n02")
NAMED = {f"val_{n}.JPEG": IDS[n % 2] for n in range(4)}
ANNOTATED = "".join(f"{name}\t{wnid}\t0\t0\t63\t63\n" for name, wnid in NAMED.items()).encode()
LAYOUTS: dict[str, dict[str, str]] = {
    "as it comes": {name: f"images/{name}" for name in NAMED},
    "sorted": {name: f"{wnid}/{name}" for name, wnid in NAMED.items()},
    "sorted, with a folder below": {name: f"{wnid}/images/{name}" for name, wnid in NAMED.items()},
    "sorted by half": {name: f"{wnid if wnid == 'n01' else 'images'}/{name}" for name, wnid in NAMED.items()},
}
"""Where people have the validation images."""


def tiny(root: Path, layout: str, how: str, annotations: bytes | None, missing: str = "") -> Path:
    packed = {"wnids.txt": b"n01\nn02\n", "words.txt": b"n01\tcat\nn02\tdog\n"}
    packed |= {f"train/{wnid}/images/{wnid}_{n}.JPEG": picture(n, (64, 64)) for wnid in IDS for n in range(2)}
    numbered = {place: int(name[4]) for name, place in LAYOUTS[layout].items() if name != missing}
    packed |= {f"val/{place}": picture(n, (64, 64)) for place, n in numbered.items()}
    if annotations is not None:
        packed["val/val_annotations.txt"] = annotations
    return pack(root, "tiny-imagenet-200", packed, how)


def reds(images: datasets.ImageSet) -> list[int]:
    return (images.images[:, 0].mean(axis=(1, 2)) / 10).round().astype(int).tolist()


@pytest.mark.parametrize("how", PACKED)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_validation_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str, how: str) -> None:
    monkeypatch.setenv("NBHELPERS_CACHE", str(tmp_path / "cache"))
    root = tiny(tmp_path, layout, how, ANNOTATED)
    images, lines = loaded("tiny-imagenet", root, categories=IDS)
    assert reds(images) == [0, 2, 1, 3] and images.labels.tolist() == [0, 0, 1, 1]
    check(images, lines, {}, "")
    assert len(datasets.load("tiny-imagenet", "train", root=root, categories=IDS)) == 4


@pytest.mark.parametrize("layout", ["sorted", "sorted, with a folder below"])
def test_sorted_validation_images_need_no_annotations(tmp_path: Path, layout: str) -> None:
    images, lines = loaded("tiny-imagenet", tiny(tmp_path, layout, "folder", None), categories=IDS)
    assert reds(images) == [0, 2, 1, 3] and images.labels.tolist() == [0, 0, 1, 1] and lines == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_validation_image_that_is_listed_and_not_there(tmp_path: Path, layout: str) -> None:
    root = tiny(tmp_path, layout, "zip", ANNOTATED, missing="val_2.JPEG")
    images, lines = loaded("tiny-imagenet", root, categories=IDS)
    assert reds(images) == [0, 1, 3]
    check(images, lines, {"listed images that are not there": 1}, "val/images/val_2.JPEG$")


def test_validation_images_that_nobody_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"no val/val_annotations.txt"):
        loaded("tiny-imagenet", tiny(tmp_path, "as it comes", "folder", None), categories=IDS)
