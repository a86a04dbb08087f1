"""Categories that a study is of: ten by lot or some by name, from small archives of each data set that has more."""

import io
from pathlib import Path

import numpy as np
import pytest
from archives import write_folder, write_zip
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nbhelpers import datasets
from nbhelpers.datasets.selection import DRAWN, draw
from nbhelpers.experiments import cli
from nbhelpers.experiments.checks import check_images
from nbhelpers.experiments.stages import Stage
from nbhelpers.experiments.study import Study
from nbhelpers.experiments.trained import folder

NAMES = [f"n{number:08}" for number in range(12)]


def picture(red: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (red, 100, 50)).save(buffer, "PNG")
    return buffer.getvalue()


def tiny_imagenet(names: list[str], held_out: list[str] | None = None) -> dict[str, bytes]:
    """Seven training images and two held-out ones of each category, whose red is 20 times its number."""
    members = {"wnids.txt": "\n".join(names).encode(), "words.txt": b""}
    listed = []
    for i, name in enumerate(names):
        members |= {f"train/{name}/images/{name}_{n}.JPEG": picture(20 * i) for n in range(7)}
        if held_out is None or name in held_out:
            members |= {f"val/images/val_{2 * i + n}.JPEG": picture(20 * i) for n in range(2)}
            listed += [f"val_{2 * i + n}.JPEG\t{name}" for n in range(2)]
    return {**members, "val/val_annotations.txt": "\n".join(listed).encode()}


@pytest.fixture
def packed(tmp_path):
    return str(write_zip(tmp_path / "tiny-imagenet-200.zip", tiny_imagenet(NAMES), "tiny-imagenet-200/"))


# Drawing


@given(st.sets(st.text(max_size=5), min_size=DRAWN + 1, max_size=30).map(sorted), st.integers(0, 99), st.randoms())
def test_a_draw_is_of_ten_of_them_whatever_their_order_and_whichever_others_there_are(known, seed, random):
    one = draw(known, seed)
    assert (one.seed, one.of, len(set(one.categories))) == (seed, len(known), DRAWN)
    assert set(one.categories) <= set(known)
    random.shuffle(known)
    assert draw(known, seed) == one
    if len(known) > DRAWN + 1:
        known.remove(next(name for name in known if name not in one.categories))
        assert draw(known, seed).categories == one.categories


def test_every_category_is_drawn_as_often_as_any_other():
    """Of 2,000 draws of ten of twenty, a category is in 1,000, give or take 22."""
    known = [f"n{number}" for number in range(20)]
    drawn = [name for seed in range(2000) for name in draw(known, seed).categories]
    counts = np.array([drawn.count(name) for name in known])
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(2000 * 0.5 * 0.5)


@pytest.mark.parametrize("count", [0, 1, DRAWN])
def test_ten_cannot_be_drawn_from_ten(count):
    with pytest.raises(ValueError, match=rf"10 categories are drawn from more, and there are {count} .*name some"):
        draw(NAMES[:count], 0)


def cub(path: Path) -> Path:
    """One bird of each of twelve species, and one held out; drawing looks at their names alone."""
    tables = {
        "classes.txt": "".join(f"{n} {n:03}.Bird_{n}\n" for n in range(1, 13)),
        **dict.fromkeys(["images.txt", "image_class_labels.txt", "train_test_split.txt", "bounding_boxes.txt"], ""),
    }
    return write_folder(path / "CUB_200_2011", {name: text.encode() for name, text in tables.items()})


def own_folder(path: Path) -> Path:
    images = {f"{letter}/{i}.png": picture(10 * i) for letter in "abcdefghijkl" for i in range(3)}
    return write_folder(path / "own", images)


@pytest.mark.parametrize(
    ("name", "make", "known"),
    [
        ("tiny-imagenet", lambda path: write_folder(path / "tiny-imagenet-200", tiny_imagenet(NAMES)), NAMES),
        ("cub", cub, [f"{n:03}.Bird_{n}" for n in range(1, 13)]),
        ("folder", own_folder, list("abcdefghijkl")),
    ],
)
def test_data_say_which_categories_there_are(name, make, known, tmp_path):
    assert datasets.draw(name, 5, make(tmp_path)) == draw(known, 5)


@pytest.mark.parametrize("name", ["scenes", "photographs"])
def test_what_is_bundled_has_nothing_to_draw_from(name):
    with pytest.raises(ValueError, match=f"'{name}' is bundled"):
        datasets.draw(name, 0)


def test_unknown_data_have_nothing_to_draw_from():
    with pytest.raises(ValueError, match="no data set 'sights'"):
        datasets.draw("sights", 0)


# Studies


def test_a_study_of_a_draw_has_its_images_and_says_what_it_is_of(packed):
    one = Study("tiny-imagenet", root=packed, categories=("draw:3",))
    ten = draw(NAMES, 3)
    assert one.images("train").categories == ten.categories
    assert one.name == "tiny-imagenet-vgg16-draw3"
    assert one.describe()["draw"] == {"seed": 3, "of": 12, "categories": list(ten.categories)}
    reds = one.images().images[::2, 0, 0, 0]
    assert reds.tolist() == [20 * NAMES.index(name) for name in ten.categories]


def test_named_categories_come_in_their_order(packed):
    one = Study("tiny-imagenet", root=packed, categories=(NAMES[7], NAMES[2]))
    assert one.images().categories == (NAMES[7], NAMES[2])
    assert one.draw is None and one.describe()["draw"] is None
    other = Study("tiny-imagenet", root=packed, categories=(NAMES[2], NAMES[7]))
    assert one.name != other.name and one.name.startswith("tiny-imagenet-vgg16-")


def test_other_categories_are_other_trainings(packed, tmp_path):
    choices = (), ("draw:0",), ("draw:1",), tuple(NAMES[:10])
    names = {Study("tiny-imagenet", root=packed, categories=choice).name for choice in choices}
    assert len(names) == len(choices)
    studies = [
        Study("tiny-imagenet", root=packed, workspace=str(tmp_path), categories=choice) for choice in choices[1:]
    ]
    assert len({folder(study) for study in studies}) == len(studies)


def test_other_categories_are_other_stages(packed, tmp_path, monkeypatch):
    weights = tmp_path / "step-000000.safetensors"
    weights.touch()
    monkeypatch.setattr(Study, "checkpoints", [weights])
    studies = [Study("tiny-imagenet", root=packed, categories=(f"draw:{seed}",)) for seed in (0, 1)]
    first, second = (Stage(check_images, (study,)).describe() for study in studies)
    assert first != second


@pytest.mark.parametrize(
    ("dataset", "categories", "message"),
    [
        ("scenes", ("draw:0",), "scenes is bundled, .* leave out draw:0"),
        ("cub", ("draw:",), "a draw stands alone, as draw:0: got draw:$"),
        ("cub", ("draw:-1",), "got draw:-1"),
        ("cub", ("draw:01",), "got draw:01"),
        ("cub", ("draw:0", "draw:1"), "got draw:0, draw:1"),
        ("cub", ("Sooty Albatross", "draw:1"), "got Sooty Albatross, draw:1"),
    ],
)
def test_what_is_no_choice_is_refused(dataset, categories, message):
    with pytest.raises(ValueError, match=message):
        Study(dataset, categories=categories)


def test_a_category_that_is_not_there_is_refused_before_any_work(packed):
    with pytest.raises(ValueError, match=r"there is no category 'n99999999'; there are n00000000, "):
        check_images(Study("tiny-imagenet", root=packed, categories=("n00000001", "n99999999")), ())


def test_a_draw_from_too_few_is_refused_before_any_work(tmp_path):
    path = write_zip(tmp_path / "few.zip", tiny_imagenet(NAMES[:10]), "tiny-imagenet-200/")
    with pytest.raises(ValueError, match=r"there are 10 \(n00000000, "):
        check_images(Study("tiny-imagenet", root=str(path), categories=("draw:0",)), ())


def test_a_category_that_is_missing_in_the_held_out_images_is_refused_before_any_work(tmp_path):
    members = tiny_imagenet(NAMES, held_out=NAMES[1:])
    path = write_zip(tmp_path / "tiny-imagenet-200.zip", members, "tiny-imagenet-200/")
    study = Study("tiny-imagenet", root=str(path), categories=tuple(NAMES[:3]))
    with pytest.raises(ValueError, match=r"no validation images of n00000000: name other categories"):
        check_images(study, ())


# The command line


def test_the_command_says_which_categories(packed, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        cli, "sweep", lambda studies, commands, **_: seen.update(zip(studies.values(), commands, strict=True))
    )
    given = ["reproduce", "--dataset", "tiny-imagenet", "--data", packed, "--out", "a.json", "--categories"]
    for choice in (["draw:2"], ["tabby", "school bus"]):
        assert cli.main([*given, *choice]) == 0
    begin = "nbhelpers reproduce --dataset tiny-imagenet --network vgg16 --seed 0 --data DIR --categories"
    assert list(seen.values()) == [f"{begin} draw:2 --out a.json", f"{begin} tabby 'school bus' --out a.json"]
    assert [study.categories for study in seen] == [("draw:2",), ("tabby", "school bus")]


def test_results_of_a_draw_have_a_name_of_their_own(packed, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(cli, "sweep", lambda studies, commands, **_: seen.extend(path.name for path in studies))
    given = f"reproduce --dataset tiny-imagenet --data {packed} --categories draw:2 --seed 0 1 --out {tmp_path}"
    assert cli.main(given.split()) == 0
    assert seen == ["tiny-imagenet-vgg16-draw2.json", "tiny-imagenet-vgg16-draw2-seed1.json"]
