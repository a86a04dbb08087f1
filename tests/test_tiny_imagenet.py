"""The Tiny ImageNet loader on small archives in the original layout, whole and damaged."""

import hashlib
import io
import re
import zipfile
import zlib

import numpy as np
import pytest
from archives import write_folder, write_zip
from PIL import Image

from nbhelpers import datasets
from nbhelpers.datasets import tiny_imagenet

WORDS = {
    "n00000001": "tabby, tabby cat",
    "n00000002": "crane, Grus",
    "n00000003": "crane",
    "n00000009": "somewhere else",
}
HERE = ["n00000002", "n00000001", "n00000003"]  # words.txt knows more than wnids.txt lists
TOP = "tiny-imagenet-200/"


def picture(colour, mode="RGB", size=(64, 64), kind="JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, kind, quality=100)
    return buffer.getvalue()


def claims_to_be(width: int, height: int) -> bytes:
    """A small PNG whose header promises more pixels."""
    png = picture((1, 2, 3), kind="PNG")
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + png[24:29]
    return png[:12] + header + zlib.crc32(header).to_bytes(4, "big") + png[33:]


def original_layout(per_category: int = 12) -> dict[str, bytes]:
    """Member -> content. The red value of a picture is 60 * category + 4 * number in both splits."""
    members = {
        "wnids.txt": "\n".join(HERE).encode(),
        "words.txt": "".join(f"{wnid}\t{names}\n" for wnid, names in WORDS.items()).encode(),
    }
    annotations = []
    for category, wnid in enumerate(HERE):
        for number in range(per_category):
            red = 60 * category + 4 * number
            members[f"train/{wnid}/images/{wnid}_{number}.JPEG"] = picture((red, 100, 50))
        members[f"train/{wnid}/{wnid}_boxes.txt"] = b""
    for number in range(6):  # the categories take turns, as in the original
        red = 60 * (number % 3) + 4 * number
        members[f"val/images/val_{number}.JPEG"] = picture((red, 100, 50))
        annotations.append(f"val_{number}.JPEG\t{HERE[number % 3]}\t0\t0\t60\t60\n")
    members["val/val_annotations.txt"] = "".join(reversed(annotations)).encode()
    return members


@pytest.fixture
def members():
    return original_layout()


@pytest.fixture
def load(tmp_path, members):
    """Loads from a zip of ``members``, which a test may have changed before."""

    def load(split="train", categories=HERE, **options):
        path = write_zip(tmp_path / "tiny-imagenet-200.zip", members, TOP)
        return datasets.load("tiny-imagenet", split, root=path, categories=categories, **options)

    return load


def reds(images) -> list[int]:
    return np.rint(images.images[:, 0].mean(axis=(1, 2))).astype(int).tolist()


def close(found: list[int], wanted: list[int]) -> bool:
    """Equal but for one grey value, as JPEG rounds."""
    return len(found) == len(wanted) and np.abs(np.array(found) - wanted).max() <= 1


# Reading -------------------------------------------------------------------------------------------------------------


def test_training_images_come_by_category_and_number(load):
    images = load()
    assert images.images.shape == (36, 3, 64, 64) and images.images.dtype == np.uint8
    assert images.labels.tolist() == [0] * 12 + [1] * 12 + [2] * 12
    assert images.categories == ("crane", "tabby", "crane")
    assert images.split == "train" and images.masks is None
    assert close(reds(images), [60 * category + 4 * number for category in range(3) for number in range(12)])
    assert np.abs(images.images[:, 1].astype(int) - 100).max() <= 2, "the channels are red, green, blue"


def test_held_out_images_are_the_validation_images(load):
    images = load("held_out")
    assert images.split == "held_out" and images.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert close(reds(images), [0, 12, 64, 76, 128, 140])


def test_categories_come_in_the_order_asked_for(load):
    images = load(categories=["TABBY cat", "n00000003"])
    assert images.categories == ("tabby", "crane")
    assert close(reds(images), [60 * category + 4 * number for category in (1, 2) for number in range(12)])


def test_grayscale_becomes_rgb(load, members):
    members["train/n00000001/images/n00000001_0.JPEG"] = picture(90, mode="L")
    image = load(categories=["tabby"]).images[0]
    assert image.shape == (3, 64, 64) and np.abs(image.astype(int) - 90).max() <= 1


@pytest.mark.parametrize("root", [".", "tiny-imagenet-200"])
def test_a_folder_gives_the_same_as_the_zip(tmp_path, load, members, root):
    write_folder(tmp_path / "unpacked" / "tiny-imagenet-200", members)
    for split in ("train", "held_out"):
        folder = datasets.load("tiny-imagenet", split, root=tmp_path / "unpacked" / root, categories=HERE)
        assert folder.fingerprint == load(split).fingerprint
        assert folder.categories == load(split).categories


def test_a_zip_may_lie_in_the_root_or_have_no_top_folder(tmp_path, load, members):
    wanted = load().fingerprint
    assert datasets.load("tiny-imagenet", "train", root=str(tmp_path), categories=HERE).fingerprint == wanted
    flat = write_zip(tmp_path / "flat.zip", members)
    assert datasets.load("tiny-imagenet", "train", root=flat, categories=HERE).fingerprint == wanted


def test_other_files_beside_the_images_are_passed_over(load, members):
    members["train/n00000001/images/notes.txt"] = b"hello"
    members["train/n00000001/images/more/n00000001_77.JPEG"] = b"hello"
    assert len(load(categories=["tabby"])) == 12


def test_the_default_is_the_ten_categories_of_the_paper(tmp_path, members):
    members["wnids.txt"] = "\n".join(reversed(tiny_imagenet.PAPER_CATEGORIES)).encode()
    names = "school bus,tabby,golden retriever,desk,iPod,sports car,steel arch bridge,orange,tailed frog,lifeboat"
    members["words.txt"] = "".join(
        f"{wnid}\t{name}, another name\n"
        for wnid, name in zip(tiny_imagenet.PAPER_CATEGORIES, names.split(","), strict=True)
    ).encode()
    for wnid in tiny_imagenet.PAPER_CATEGORIES:
        members[f"train/{wnid}/images/{wnid}_0.JPEG"] = picture((1, 2, 3))
    images = datasets.load("tiny-imagenet", "train", root=write_zip(tmp_path / "ten.zip", members))
    assert images.categories == tuple(names.split(",")) and images.labels.tolist() == list(range(10))


# Categories ----------------------------------------------------------------------------------------------------------


def test_an_absent_category_lists_those_that_exist(load):
    with pytest.raises(ValueError, match=r"'dog'.*crane \(n00000002\), tabby \(n00000001\), crane \(n00000003\)$"):
        load(categories=["tabby", "dog"])


def test_a_category_that_only_words_txt_knows_is_absent(load):
    with pytest.raises(ValueError, match=r"'somewhere else'.*crane"):
        load(categories=["somewhere else"])


def test_among_many_categories_the_closest_are_named(load, members):
    many = {f"n1{number:07}": f"thing number {number}" for number in range(40)}
    members["wnids.txt"] += "".join(f"\n{wnid}" for wnid in many).encode()
    members["words.txt"] += "".join(f"{wnid}\t{name}\n" for wnid, name in many.items()).encode()
    with pytest.raises(ValueError, match=r"'taby'.*43.*tabby"):
        load(categories=["taby"])
    with pytest.raises(ValueError, match="'qqqq'; first of the 43 are crane"):
        load(categories=["qqqq"])


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        (["crane"], "'crane'.*n00000002, n00000003"),
        (["tabby", "n00000001"], "'n00000001'.*twice"),
        ([], r"categories .*\[\]"),
        ("tabby", "categories .*'tabby'"),
    ],
)
def test_unclear_categories_are_refused(load, categories, message):
    with pytest.raises(ValueError, match=message):
        load(categories=categories)


def test_a_wrong_split_is_refused(load):
    with pytest.raises(ValueError, match=r"split.*'val'"):
        load("val")


# Damage --------------------------------------------------------------------------------------------------------------


def test_a_truncated_zip_is_refused(tmp_path, members):
    path = write_zip(tmp_path / "cut.zip", members, TOP)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(OSError, match=r"cut.zip.*cut short"):
        datasets.load("tiny-imagenet", "train", root=path)


def test_a_damaged_member_is_named(tmp_path, members):
    path = write_zip(tmp_path / "bad.zip", members, TOP)
    name = "train/n00000001/images/n00000001_3.JPEG"
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo(TOP + name).header_offset + 30 + len(TOP + name)
    content[start + 20 : start + 60] = bytes(40)
    path.write_bytes(content)
    with pytest.raises(OSError, match=f"{name} in .*bad.zip"):
        datasets.load("tiny-imagenet", "train", root=path, categories=["tabby"])


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil", "train/../../evil", "C:/evil", "..\\evil", "a/.."])
def test_a_path_that_climbs_out_is_refused(tmp_path, members, name):
    path = write_zip(tmp_path / "climb.zip", members, TOP)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"evil")
    with pytest.raises(OSError, match=f"climb.zip.*outside.*{re.escape(repr(name))}"):
        datasets.load("tiny-imagenet", "train", root=path, categories=["tabby"])


@pytest.mark.parametrize("packed", [True, False])
def test_an_annotation_that_climbs_out_is_refused(tmp_path, members, packed):
    members["val/val_annotations.txt"] = b"../../../secret.JPEG\tn00000001\t0\t0\t60\t60\n"
    (tmp_path / "secret.JPEG").write_bytes(picture((1, 2, 3)))
    root = (write_zip if packed else write_folder)(tmp_path / "data", members)
    with pytest.raises(OSError, match=r"outside.*'val/images/\.\./\.\./\.\./secret.JPEG'"):
        datasets.load("tiny-imagenet", "held_out", root=root, categories=["tabby"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"this is no image", "none of JPEG, PNG"),
        (picture((1, 2, 3))[:-50], "truncated"),
        (picture((1, 2, 3), kind="GIF"), "none of JPEG, PNG"),
        (picture((1, 2, 3), size=(32, 64)), "32x64.*64x64"),
        (claims_to_be(5000, 5000), "5000x5000.*64x64"),
        (claims_to_be(9000, 9000), "9000x9000"),
        (claims_to_be(30000, 30000), "bomb"),
    ],
    ids=["text", "cut", "other format", "other size", "large", "larger", "bomb"],
)
def test_what_is_no_image_is_named(load, members, content, reason):
    members["train/n00000001/images/n00000001_5.JPEG"] = content
    with pytest.raises(OSError, match=f"n00000001_5.JPEG.*{reason}"):
        load(categories=["tabby"])


@pytest.mark.parametrize("packed", [True, False])
def test_a_huge_member_is_not_read(tmp_path, members, packed):
    members["train/n00000001/images/n00000001_5.JPEG"] = bytes(2**20)
    root = (write_zip if packed else write_folder)(tmp_path / "data", members)
    with pytest.raises(OSError, match=r"n00000001_5.JPEG.*1048576"):
        datasets.load("tiny-imagenet", "train", root=root, categories=["tabby"])


def test_a_member_that_hides_its_size_is_not_expanded(tmp_path, members):
    """The directory of the zip says 10 bytes; the content would expand to 5 MB."""
    name = "train/n00000001/images/n00000001_5.JPEG"
    members[name] = bytes(5_000_000)
    path = write_zip(tmp_path / "lie.zip", members, TOP)
    content = path.read_bytes()
    size = (5_000_000).to_bytes(4, "little")
    assert content.count(size) == 2  # local header and directory
    path.write_bytes(content.replace(size, (10).to_bytes(4, "little")))
    with pytest.raises(OSError, match=r"n00000001_5.JPEG in .*lie.zip.*CRC"):
        datasets.load("tiny-imagenet", "train", root=path, categories=["tabby"])
    assert zlib.crc32(bytes(10)) != zlib.crc32(bytes(5_000_000))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("missing", "split"), [("val/val_annotations.txt", "held_out"), ("words.txt", "train"), ("wnids.txt", "train")]
)
def test_a_missing_file_is_named(tmp_path, members, packed, missing, split):
    del members[missing]
    root = (write_zip if packed else write_folder)(tmp_path / "data", members)
    with pytest.raises(OSError, match=rf"holds (no|neither) {missing}"):
        datasets.load("tiny-imagenet", split, root=root, categories=["tabby"])


def test_a_category_without_images_is_named(load, members):
    for name in [name for name in members if name.startswith("train/n00000003/images")]:
        del members[name]
    with pytest.raises(OSError, match=r"no train/n00000003/images/\*.JPEG"):
        load()
    members["val/val_annotations.txt"] = b"val_0.JPEG\tn00000002\t0\t0\t60\t60\nonly one field\n"
    with pytest.raises(ValueError, match=r"no validation images of n00000001, n00000003: name other categories"):
        load("held_out")


# Where it is ---------------------------------------------------------------------------------------------------------


def test_without_root_the_cache_is_read(tmp_path, members, monkeypatch):
    monkeypatch.setenv("NBHELPERS_CACHE", str(tmp_path))
    write_zip(tmp_path / "tiny-imagenet-200.zip", members)
    assert len(datasets.load("tiny-imagenet", "train", categories=["tabby"])) == 12


def test_what_is_downloaded_is_checked(tmp_path, members, monkeypatch):
    monkeypatch.setenv("NBHELPERS_CACHE", str(tmp_path))
    path = write_zip(tmp_path / "tiny-imagenet-200.zip", members)
    original = tiny_imagenet.ORIGINAL._replace(url=f"http://127.0.0.1:9/{path.name}")
    monkeypatch.setattr(tiny_imagenet, "ORIGINAL", original)
    with pytest.raises(OSError, match=f"could not download {original.url}"):
        datasets.load("tiny-imagenet", "train", download=True)
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(tiny_imagenet, "ORIGINAL", original._replace(sha256=content))
    assert len(datasets.load("tiny-imagenet", "train", categories=["tabby"], download=True)) == 12
