"""Any folder of images: what is read, what is held out, and what is refused; what is said is in ``hostile``."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nbhelpers import datasets

pytestmark = pytest.mark.filterwarnings("ignore::nbhelpers.datasets.DataWarning")


def write(path: Path, red: int = 10, size=(30, 20)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (red, 100, 50)).save(path)
    return path


@pytest.fixture
def pets(tmp_path):
    """Ten cats and fifteen dogs; the red of image n is n, a hundred more for dogs."""
    for n in range(10):
        write(tmp_path / "pets" / "cat" / f"{n:02}.png", n)
    for n in range(15):
        write(tmp_path / "pets" / "dog" / f"{n:02}.png", 100 + n)
    return tmp_path / "pets"


@pytest.fixture
def divided(tmp_path):
    """Three cats and dogs for training, two for validation, whose red begins at 50."""
    for category, red in (("cat", 0), ("dog", 100)):
        for n in range(3):
            write(tmp_path / "pets" / "train" / category / f"{n}.png", red + n)
        for n in range(2):
            write(tmp_path / "pets" / "val" / category / f"{n}.png", red + 50 + n)
    return tmp_path / "pets"


def load(root, split="train", **options):
    return datasets.load("folder", split, root=root, **options)


def reds(images) -> list[int]:
    return images.images[:, 0, 0, 0].tolist()


# Reading -------------------------------------------------------------------------------------------------------------


def test_a_fifth_of_the_smallest_category_is_held_out_of_each(pets):
    train, held_out = load(pets), load(pets, "held_out")
    assert train.categories == held_out.categories == ("cat", "dog")
    assert np.bincount(held_out.labels).tolist() == [2, 2] and np.bincount(train.labels).tolist() == [8, 13]
    assert sorted(reds(train) + reds(held_out)) == [*range(10), *range(100, 115)]
    assert (train.split, held_out.split) == ("train", "held_out") and train.images.shape[1:] == (3, 64, 64)


def test_the_division_does_not_depend_on_what_is_asked_for(pets):
    held_out = set(reds(load(pets, "held_out")))
    write(pets / "rabbit" / "big.png")
    few = {load(pets, "held_out", categories=["dog"]).images[0, 0, 0, 0]}
    assert few < held_out, "the smallest category of all decides"
    assert not few & set(reds(load(pets, "train", categories=["dog", "cat"])))


def test_the_division_does_not_depend_on_the_order_of_the_files(pets, monkeypatch):
    wanted = [load(pets, split).fingerprint for split in ("train", "held_out")]
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: reversed(sorted(listed(path))))
    assert [load(pets, split).fingerprint for split in ("train", "held_out")] == wanted


def test_folders_of_splits_are_used(divided):
    assert reds(load(divided)) == [0, 1, 2, 100, 101, 102]
    assert reds(load(divided, "held_out", categories=["dog", "cat"])) == [150, 151, 50, 51]


@pytest.mark.parametrize("name", ["valid", "test", "held_out"])
def test_the_folder_of_held_out_images_has_several_names(divided, name):
    (divided / "val").rename(divided / name)
    assert reds(load(divided, "held_out")) == [50, 51, 150, 151]


def test_validation_comes_before_test(divided):
    write(divided / "test" / "cat" / "0.png")
    assert reds(load(divided, "held_out")) == [50, 51, 150, 151]


def test_both_splits_have_the_categories_of_training(divided):
    write(divided / "val" / "bird" / "0.png")
    assert load(divided, "held_out").categories == ("cat", "dog")


def test_a_category_may_be_called_train(pets):
    (pets / "cat").rename(pets / "train")
    assert load(pets).categories == ("dog", "train")


def test_images_are_cut_to_the_middle_and_resized(tmp_path):
    image = np.zeros((20, 60, 3), np.uint8)
    image[:, 20:40] = 200
    for number in (1, 2):
        path = tmp_path / "bar" / f"{number}.bmp"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
    assert (load(tmp_path, side=50).images == 200).all()


@pytest.mark.parametrize("name", ["a.JPG", "a.jpeg", "a.Png", "a.bmp", "a.webp", "a.tif", "a.TIFF"])
def test_formats(tmp_path, name):
    for file in ("0.png", name):
        write(tmp_path / "cat" / file, 90)
    assert len(load(tmp_path)) == len(load(tmp_path, "held_out")) == 1


def test_hidden_and_other_files_are_passed_over(pets):
    wanted = load(pets).fingerprint
    (pets / "cat" / "notes.txt").write_text("hello")
    (pets / "cat" / ".hidden.png").write_text("hello")
    (pets / "cat" / "more.png").mkdir()
    (pets / ".cache").mkdir()
    (pets / "readme.md").write_text("hello")
    assert load(pets).fingerprint == wanted


def test_a_choice_is_always_the_same(pets):
    few = load(pets, per_category=3)
    assert np.bincount(few.labels).tolist() == [3, 3] and set(reds(few)) < set(reds(load(pets, per_category=4)))
    assert reds(few) == sorted(reds(few)), "images of a category come by name"


# Bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"categories": ["bird"]}, "'bird'.*cat, dog"),
        ({"per_category": 9}, "per_category.* 8 .*'cat'.*9"),
        ({"side": 7}, "side.* 8.*7"),
        ({"split": "val"}, "split.*'val'"),
    ],
)
def test_what_cannot_be_had_is_refused(pets, options, message):
    with pytest.raises(ValueError, match=message):
        load(pets, **options)


def test_a_root_is_needed(tmp_path):
    with pytest.raises(ValueError, match=r"need their path: a folder"):
        datasets.load("folder", "train")
    with pytest.raises(OSError, match=r"no folder .*nowhere"):
        load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=f"{tmp_path} holds no folders"):
        load(tmp_path)


def test_a_category_without_images_is_refused_where_it_is_asked_for(pets):
    (pets / "bird").mkdir()
    with pytest.raises(ValueError, match=r"pets holds no images of 'bird'"):
        load(pets, categories=["bird", "dog"])
    assert load(pets).categories == load(pets, categories=["cat", "dog"]).categories == ("cat", "dog")


def test_a_category_of_one_image_may_lie_beside_those_asked_for(pets):
    held_out = set(reds(load(pets, "held_out")))
    write(pets / "bird" / "0.png")
    assert set(reds(load(pets, "held_out", categories=["cat", "dog"]))) < held_out


def test_where_all_images_are_damaged_one_is_named(pets):
    for path in (pets / "dog").iterdir():
        path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(
        ValueError, match=rf"cannot be read are left out: 13, such as {pets / 'dog'}.\d\d.png.*runcated"
    ):
        load(pets)


def test_a_huge_file_is_not_read(pets):
    for path in (pets / "cat").iterdir():
        os.truncate(path, 2**28 + 1)  # it takes no room on the disk
    with pytest.raises(ValueError, match=rf"cat.\d\d.png.*{2**28 + 1}.*{2**28}"):
        load(pets)


@pytest.mark.parametrize("place", ["cat/secret.png", "secrets", "cat/dots.png"])
def test_a_link_that_leads_out_is_refused(tmp_path, pets, place):
    secret = write(tmp_path / "outside" / "secret.png")
    target = {"secrets": secret.parent, "cat/dots.png": Path("../../outside/secret.png")}.get(place, secret)
    os.symlink(target, pets / place)
    with pytest.raises(OSError, match=f"{place} is a link.*out of .*pets"):
        load(pets)


def test_a_link_that_stays_inside_is_followed(pets):
    os.symlink(pets / "cat" / "00.png", pets / "dog" / "99.png")
    assert len(load(pets)) + len(load(pets, "held_out")) == 26
