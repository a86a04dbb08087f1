"""Real architectures through the whole road, each equal to its row of the page "Networks that were tried"."""

import pytest
from architecture_matrix import PAGE, page, walk
from zoo import LIBRARIES, NAMES

QUICK = {"torchvision: ConvNeXt", "torchvision: Swin", "timm: ViT"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in NAMES])
def test_a_network_goes_the_whole_road(name):
    assert walk(name) in PAGE.read_text(encoding="utf-8")


def test_the_page_has_the_rows_of_all_networks_and_no_others():
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines(keepends=True) if ": " in line.split(" | ")[0]]
    rows = [line for line in rows if line.startswith("| ")]
    assert [line.split(" | ")[0].removeprefix("| ") for line in rows] == NAMES
    assert page("".join(rows)) == PAGE.read_text(encoding="utf-8")


def test_there_are_as_many_families_as_were_promised():
    least = {"torchvision": 18, "timm": 12, "transformers": 4}
    assert all(len(LIBRARIES[library]) >= count for library, count in least.items())
