"""Where the files of a data set are looked for, and what is said where they are not."""

import pytest
from archives import write_folder

from nbhelpers import datasets
from nbhelpers.datasets import coco, cub, tiny_imagenet
from nbhelpers.datasets.download import Original, locate

BOXES = Original("https://example.org/boxes.zip", "b" * 64, 1_500_000, "boxes")
PHOTOS = Original("https://example.org/photos.tgz", "f" * 64, 20_000_000, "photos/list.txt")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NBHELPERS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def pets(root, download=False):
    return locate("Pets", [BOXES, PHOTOS], "pets", root, download)


@pytest.mark.parametrize("below", ["", "pets"])
@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["boxes.zip", "photos.tgz"], ["boxes.zip", "photos.tgz"]),
        (["boxes/a.json", "photos.tgz"], ["", "photos.tgz"]),
        (["boxes/a.json", "photos/list.txt"], ["", ""]),
    ],
    ids=["packed", "mixed", "unpacked"],
)
def test_files_may_be_packed_or_not_in_the_root_or_in_a_folder_of_it(tmp_path, below, files, told):
    write_folder(tmp_path / below, dict.fromkeys(files, b"x"))
    assert pets(str(tmp_path)) == [tmp_path / below / name for name in told]


def test_one_file_may_have_all(tmp_path):
    write_folder(tmp_path, {"pets.zip": b"x", "mine.zip": b"x"})
    assert pets(tmp_path) == [tmp_path / "pets.zip"] * 2
    assert pets(tmp_path / "mine.zip") == [tmp_path / "mine.zip"] * 2


def test_without_a_root_it_is_the_cache(cache):
    write_folder(cache, {"boxes.zip": b"x", "photos.tgz": b"x"})
    assert pets(None) == [cache / "boxes.zip", cache / "photos.tgz"]


def test_what_is_lacking_is_told_and_where_it_belongs(tmp_path, cache):
    with pytest.raises(OSError, match=r"Pets.*nowhere.*does not exist"):
        pets(tmp_path / "nowhere")
    write_folder(tmp_path / "pets", {"boxes.zip": b"x", "photos/other.txt": b"x"})
    with pytest.raises(OSError, match=r"holds neither photos/list.txt nor photos.tgz;") as failure:
        pets(tmp_path / "pets")
    assert str(failure.value).splitlines()[1:] == [
        f"  {cache / 'boxes.zip'} (2 MB from https://example.org/boxes.zip, sha256 {'b' * 64})",
        f"  {cache / 'photos.tgz'} (20 MB from https://example.org/photos.tgz, sha256 {'f' * 64})",
    ]


@pytest.mark.parametrize("name", ["tiny-imagenet", "coco", "cub"])
def test_a_download_into_a_root_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"download=True.*leave root out"):
        datasets.load(name, "train", root=tmp_path, download=True)


@pytest.mark.parametrize(
    ("name", "split", "sizes"),
    [
        ("tiny-imagenet", "train", {tiny_imagenet.ORIGINAL: "248 MB"}),
        ("cub", "train", {cub.ORIGINAL: "1,151 MB"}),
        ("coco", "train", {coco.ANNOTATIONS: "253 MB", coco.IMAGES["train"]: "13,511 MB"}),
        ("coco", "held_out", {coco.ANNOTATIONS: "253 MB", coco.IMAGES["held_out"]: "6,645 MB"}),
    ],
)
def test_the_message_tells_which_files_to_put_where(cache, name, split, sizes):
    with pytest.raises(OSError, match="download=True") as failure:
        datasets.load(name, split)
    assert str(failure.value).splitlines()[1:] == [
        f"  {cache / file.filename} ({size} from {file.url}, sha256 {file.sha256})" for file, size in sizes.items()
    ]
