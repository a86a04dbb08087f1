"""The COCO loader on small archives in the original layouts, whole and damaged."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from archives import write_folder, write_zip
from PIL import Image

from nbhelpers import datasets
from nbhelpers.datasets import coco
from nbhelpers.datasets.selection import draw

pytestmark = pytest.mark.filterwarnings("ignore::nbhelpers.datasets.DataWarning")

NAMES = {3: "car", 17: "cat", 18: "dog", 40: "hot dog"}
ASKED = ["cat", "dog"]


def picture(colour, size=(200, 100)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG", quality=100)
    return buffer.getvalue()


def box(number: int, image: int, category: int, bbox=(10, 10, 60, 60), iscrowd: int = 0) -> dict:
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": list(bbox),
        "iscrowd": iscrowd,
        "area": 1.0,
        "segmentation": [[1.5] * 6],
    }


def annotations(split: str) -> dict:
    """Four images of 200x100; five cats, three dogs, and boxes that are left out."""
    return {
        "info": {},
        "images": [
            {"id": n, "file_name": f"COCO_{split}_{n:012}.jpg", "width": 200, "height": 100, "license": 1}
            for n in (4, 3, 2, 1)
        ],
        "annotations": [
            box(107, 1, 17),
            *(box(100 + n, n, category) for n in (1, 2, 3) for category in (17,)),
            *(box(200 + n, n, 18, (150, 50, 90, 90)) for n in (3, 2, 1)),
            box(105, 4, 17, (0.5, 0.5, 199.0, 48.0)),
            box(106, 4, 17, (20, 60, 100, 48)),
            box(301, 1, 17, iscrowd=1),
            box(302, 1, 17, (20, 60, 100, 39)),
            box(303, 1, 17, (20, 60, 100, 0)),
            box(304, 1, 3),
        ],
        "categories": [{"id": number, "name": name, "supercategory": "thing"} for number, name in NAMES.items()],
    }


def original_layout() -> dict:
    """Member -> content, where annotations are not yet text. The red of image n is 40 n, a bit more held out."""
    members = {}
    for split, more in (("train2014", 0), ("val2014", 10)):
        members[f"annotations/instances_{split}.json"] = annotations(split)
        for n in (1, 2, 3, 4):
            members[f"{split}/COCO_{split}_{n:012}.jpg"] = picture((40 * n + more, 100, 50))
    return members


def texts(members: dict) -> dict[str, bytes]:
    return {name: c if isinstance(c, bytes) else json.dumps(c).encode() for name, c in members.items()}


def write_official(path: Path, members: dict) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for archive, top in (
        ("annotations_trainval2014", "annotations"),
        ("train2014", "train2014"),
        ("val2014", "val2014"),
    ):
        below = {name: content for name, content in texts(members).items() if name.startswith(f"{top}/")}
        write_zip(path / f"{archive}.zip", below)
    return path


@pytest.fixture
def members():
    return original_layout()


@pytest.fixture
def load(tmp_path, members):
    """Loads from a zip of ``members``, which a test may have changed before."""

    def load(split="train", categories=ASKED, **options):
        path = write_zip(tmp_path / "coco2014.zip", texts(members), "coco2014/")
        return datasets.load("coco", split, root=path, categories=categories, **options)

    return load


def reds(images) -> list[int]:
    return np.rint(images.images[:, 0].mean(axis=(1, 2)) / 10).astype(int).tolist()


# Reading -------------------------------------------------------------------------------------------------------------


def test_crops_come_by_category_and_number(load):
    images = load(side=32)
    assert images.images.shape == (8, 3, 32, 32) and images.categories == ("cat", "dog")
    assert images.labels.tolist() == [0] * 5 + [1] * 3 and images.split == "train"
    assert reds(images) == [4, 8, 12, 16, 4, 4, 8, 12]
    assert np.abs(images.images[:, 1].astype(int) - 100).max() <= 2, "the channels are red, green, blue"


def test_held_out_crops_are_the_validation_images(load):
    images = load("held_out", ["DOG"])
    assert images.split == "held_out" and images.images.shape == (3, 3, 64, 64)
    assert reds(images) == [5, 9, 13]


def test_crowds_and_tiny_boxes_are_left_out(load, members):
    """Of the nine boxes of cats one is around a crowd; three have 40 rows inside the image, 39, and none."""
    assert np.bincount(load().labels).tolist() == [5, 3]
    found = members["annotations/instances_train2014.json"]["annotations"]
    for entry in found:
        entry["iscrowd"] = 0
    assert np.bincount(load().labels).tolist() == [6, 3]
    for entry in found:
        entry["bbox"][3] = min(entry["bbox"][3], 47.99)
    with pytest.raises(ValueError, match=r"2.*'train'.*cat 0, dog 0"):
        load()


def test_the_crop_is_around_the_box(load, members):
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[20:80, 100:160] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    members["train2014/COCO_train2014_000000000001.jpg"] = buffer.getvalue()
    members["annotations/instances_train2014.json"]["annotations"] = [box(n, 1, 18, (100, 20, 60, 60)) for n in (1, 2)]
    white = load(categories=["dog"], side=66).images[0, 0] == 255
    wanted = np.zeros((66, 66), bool)
    wanted[3:63, 3:63] = True
    np.testing.assert_array_equal(white, wanted)


def test_the_choice_does_not_depend_on_the_order_of_the_file(load, members):
    wanted = load(per_category=3)
    for entries in members["annotations/instances_train2014.json"].values():
        if isinstance(entries, list):
            entries.reverse()
    assert load(per_category=3).fingerprint == wanted.fingerprint
    assert np.bincount(wanted.labels).tolist() == [3, 3]


def test_layouts_give_the_same(tmp_path, load, members):
    roots = [
        write_folder(tmp_path / "folder", texts(members)),
        write_folder(tmp_path / "above" / "coco2014", texts(members)).parent,
        write_official(tmp_path / "official", members),
        write_zip(tmp_path / "flat.zip", texts(members)),
        tmp_path,  # holds the zip that ``load`` writes
    ]
    mixed = write_official(tmp_path / "mixed", members)
    (mixed / "annotations_trainval2014.zip").unlink()
    write_folder(mixed, {name: c for name, c in texts(members).items() if name.startswith("annotations")})
    for split in ("train", "held_out"):
        wanted = load(split).fingerprint
        for root in (*roots, mixed):
            found = datasets.load("coco", split, root=str(root), categories=ASKED)
            assert found.fingerprint == wanted, root


def test_one_split_needs_no_file_of_the_other(tmp_path, members):
    root = write_official(tmp_path / "official", members)
    (root / "val2014.zip").unlink()
    assert len(datasets.load("coco", "train", root=root, categories=ASKED)) == 8
    with pytest.raises(OSError, match=r"holds neither val2014 nor val2014.zip"):
        datasets.load("coco", "held_out", root=root, categories=ASKED)


def test_the_default_is_ten_categories(tmp_path, members):
    for split in ("train2014", "val2014"):
        members[f"annotations/instances_{split}.json"] |= {
            "categories": [{"id": n, "name": name} for n, name in enumerate(coco.CATEGORIES)],
            "annotations": [box(100 * n + i, 1, n) for n in range(10) for i in range(2)],
        }
    images = datasets.load("coco", "train", root=write_folder(tmp_path / "ten", texts(members)))
    assert images.categories == coco.CATEGORIES and np.bincount(images.labels).tolist() == [2] * 10


# Bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"categories": ["bird"]}, "'bird'.*car, cat, dog, hot dog"),
        ({"categories": ["car"]}, "2.*'train'.*car 1"),
        ({"per_category": 4}, "per_category.* 3 .*'dog'.*4"),
        ({"side": 4}, "side.* 8.*4"),
        ({"split": "val"}, "split.*'val'"),
    ],
)
def test_what_cannot_be_had_is_refused(load, options, message):
    with pytest.raises(ValueError, match=message):
        load(**options)


def test_an_image_of_another_size_is_named(load, members):
    members["train2014/COCO_train2014_000000000001.jpg"] = picture((1, 2, 3), (200, 90))
    with pytest.raises(OSError, match=r"000000000001.jpg.*200x90.*200x100.*\d{3}"):
        load()


@pytest.mark.parametrize("packed", [True, False])
def test_a_missing_annotation_file_is_named(tmp_path, members, packed):
    del members["annotations/instances_train2014.json"]
    root = (write_zip if packed else write_folder)(tmp_path / "data", texts(members))
    with pytest.raises(OSError, match=r"no annotations/instances_train2014.json"):
        datasets.load("coco", "train", root=root)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"hello", "Expecting value"),
        (b"\xff\xfe\xfd", "codec can't decode"),
        (b"[" * 100_000, "recursion"),
        ([1, 2], "'images'"),
        ({"images": [], "annotations": [], "type": "captions"}, "'categories'"),
        ({"images": [1], "annotations": [], "categories": []}, r"images\[0\].*int 'id'"),
        (
            {"images": [], "annotations": [{"id": 1, "image_id": 2, "caption": "a cat"}], "categories": []},
            r"annotations\[0\].*int 'category_id'",
        ),
        ({"images": [], "annotations": [], "categories": [{"id": 1, "name": 5}]}, r"categories\[0\].*str 'name'"),
    ],
    ids=["text", "bytes", "deep", "list", "no categories", "number", "captions", "name"],
)
def test_what_is_not_coco_is_refused(load, members, content, reason):
    members["annotations/instances_train2014.json"] = content
    with pytest.raises(OSError, match=f"instances_train2014.json.*not COCO.*{reason}"):
        load()


@pytest.mark.parametrize("archive", ["annotations_trainval2014.zip", "train2014.zip"])
def test_a_truncated_archive_is_refused(tmp_path, members, archive):
    path = write_official(tmp_path / "official", members) / archive
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(OSError, match=f"{archive}.*cut short"):
        datasets.load("coco", "train", root=path.parent, categories=ASKED)


def test_an_image_that_lies_outside_is_refused(tmp_path, members):
    members["annotations/instances_train2014.json"]["images"][3]["file_name"] = "../../secret.jpg"
    (tmp_path / "secret.jpg").write_bytes(picture((1, 2, 3)))
    root = write_folder(tmp_path / "data", texts(members))
    with pytest.raises(OSError, match=r"outside.*'train2014/\.\./\.\./secret.jpg'"):
        datasets.load("coco", "train", root=root, categories=ASKED)


@pytest.mark.parametrize("name", ["/etc/evil", "../evil", "train2014/../../evil"])
def test_an_archive_whose_paths_lead_out_is_refused(tmp_path, members, name):
    path = write_zip(tmp_path / "data.zip", texts(members) | {name: b"evil"})
    with pytest.raises(OSError, match=f"data.zip.*outside.*{name}"):
        datasets.load("coco", "train", root=path, categories=ASKED)


# Where it is ---------------------------------------------------------------------------------------------------------


def test_without_root_the_cache_is_read(tmp_path, members, monkeypatch):
    monkeypatch.setenv("NBHELPERS_CACHE", str(tmp_path))
    write_official(tmp_path, members)
    assert len(datasets.load("coco", "train", categories=ASKED)) == 8


def test_what_is_downloaded_is_checked(tmp_path, members, monkeypatch):
    monkeypatch.setenv("NBHELPERS_CACHE", str(tmp_path))
    write_official(tmp_path, members)

    def published(original):
        content = (tmp_path / original.filename).read_bytes()
        url = f"http://127.0.0.1:9/{original.filename}"
        return original._replace(url=url, sha256=hashlib.sha256(content).hexdigest())

    monkeypatch.setattr(coco, "ANNOTATIONS", published(coco.ANNOTATIONS))
    monkeypatch.setitem(coco.IMAGES, "held_out", published(coco.IMAGES["held_out"]))
    assert len(datasets.load("coco", "held_out", categories=ASKED, download=True)) == 8
    (tmp_path / "val2014.zip").write_bytes(b"another")
    with pytest.raises(OSError, match=r"could not download http://127.0.0.1:9/val2014.zip"):
        datasets.load("coco", "held_out", categories=ASKED, download=True)


# Drawing -------------------------------------------------------------------------------------------------------------


def test_a_draw_is_from_categories_with_usable_boxes_enough_in_both_splits(tmp_path, members):
    names = {n: f"thing {n}" for n in range(1, 15)}
    for split in ("train2014", "val2014"):
        content = members[f"annotations/instances_{split}.json"]
        content["categories"] = [{"id": n, "name": name} for n, name in names.items()]
        content["annotations"] = [box(100 * n + image, image, n) for n in names for image in (1, 2)]
    members["annotations/instances_val2014.json"]["annotations"][0]["bbox"] = [10, 10, 60, 30]
    del members["annotations/instances_train2014.json"]["annotations"][-1]
    path = write_zip(tmp_path / "coco2014.zip", texts(members), "coco2014/")
    drawn = datasets.draw("coco", 0, path)
    assert drawn == draw([names[n] for n in range(2, 14)], 0)
    assert datasets.load("coco", "train", path, categories=drawn.categories).categories == drawn.categories
