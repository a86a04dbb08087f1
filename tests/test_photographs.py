"""A dozen bundled photographs, each with the nearest of ImageNet's names, an author and a licence."""

import re

import numpy as np
import pytest

from nbhelpers import datasets
from nbhelpers.datasets.imagenet import NAMES
from nbhelpers.datasets.photographs import ABOUT, PHOTOGRAPHS
from nbhelpers.files import data_dir, registry

README = (data_dir() / "README.md").read_text(encoding="utf-8")


def test_a_dozen_at_the_size_that_networks_want():
    photographs = datasets.load("photographs", "held_out")
    assert photographs.images.shape == (12, 3, 224, 224)
    assert photographs.categories == NAMES
    assert [NAMES[label] for label in photographs.labels] == list(PHOTOGRAPHS.values())
    assert len({image.tobytes() for image in photographs.images}) == 12


def test_each_is_a_photograph_and_no_plain_colour():
    photographs = datasets.load("photographs", "held_out")
    assert (photographs.images.reshape(12, -1).std(axis=1) > 10).all()


def test_none_is_for_training():
    with pytest.raises(ValueError, match="'held_out'"):
        datasets.load("photographs", "train")


def test_a_root_is_refused(tmp_path):
    with pytest.raises(ValueError, match="bundled"):
        datasets.load("photographs", "held_out", tmp_path)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_each_has_a_licence_an_author_and_a_row_in_the_readme(name):
    entry = registry()[f"photographs/{name}.jpg"]
    assert re.match(r"(public domain|CC0-1\.0|CC-BY-2\.0) \(.+\)$", entry["licence"])
    assert entry["source"].startswith("https://")
    (row,) = [line for line in README.splitlines() if line.startswith("|") and f"`{name}.jpg`" in line]
    assert PHOTOGRAPHS[name] in row
    author = re.search(r"\((.+)\)", entry["licence"])[1].split(",")[0]
    assert author in row


def test_whoever_must_be_named_is_named_where_the_data_set_says_what_it_is():
    licences = [entry["licence"] for name, entry in registry().items() if name.startswith("photographs/")]
    for author in {re.search(r"\((.+)\)", licence)[1] for licence in licences if licence.startswith("CC-BY")}:
        assert author in ABOUT.licence


def test_labels_are_no_index_of_another_name():
    photographs = datasets.load("photographs", "held_out")
    counts = np.bincount(photographs.labels, minlength=1000)
    assert counts[NAMES.index("space shuttle")] == 2 and counts.sum() == 12
