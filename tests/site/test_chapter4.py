"""Chapter 4 as a reader of the site has it: an attacked image and the paths of its regions on a slider, no kernel."""

import pytest
from browser import Browser
from moving import draw, move
from tables import table

PAGE = "chapters/04_attacks"


@pytest.fixture(scope="module")
def chapter(browser: Browser) -> Browser:
    browser.open(PAGE)
    return browser


@pytest.mark.parametrize("number", [0, 2], ids=["one image", "what a kernel would let the reader choose"])
def test_the_slider_changes_the_image_what_was_added_and_what_regions_say(chapter: Browser, number: int) -> None:
    figure = draw(chapter, "step", number)
    panels = (
        f"return {figure}.querySelector('.nbh-plot').data"
        ".map(t => t.type === 'image' ? t.source : JSON.stringify([t.z, t.x]))"
    )
    seen = []
    for step in (0, 20):
        move(chapter, figure, step)
        seen.append(chapter.run(panels))
    changed = [old != new for old, new in zip(*seen, strict=True)]
    assert sum(changed) >= 5  # image, what was added, two maps, bars; names of the bars stay
    assert chapter.problems() == []


def test_regions_move_along_their_paths_and_are_marked_on_their_images(chapter: Browser) -> None:
    figure = draw(chapter, "step", 1)
    markers = (
        f"return {figure}.querySelector('.nbh-plot').data.filter(t => t.type === 'scatter3d')"
        ".map(t => JSON.stringify([t.x, t.y, t.z]))"
    )
    seen = []
    for step in (0, 20):
        move(chapter, figure, step)
        seen.append(chapter.run(markers))
    assert sum(old != new for old, new in zip(*seen, strict=True)) >= 4  # one trace a type
    assert chapter.run(f"return {figure}.querySelectorAll('.nbh-mark').length") >= 8
    for kind in ("direct", "rebuilt", "awakened", "damaged"):
        assert kind in chapter.run(f"return {figure}.querySelector('details').textContent")
    assert chapter.problems() == []


def test_the_success_rates_stand_in_a_table(chapter: Browser) -> None:
    head, *rows = table(chapter, "Shares of correctly classified images fooled")
    assert head == ["ε", "attack", "random", "another image's"]
    assert [row[0] for row in rows] == ["1/255", "4/255"]
    small, large = ([int(share.removesuffix("%")) for share in row[1:]] for row in rows)
    assert 65 < small[0] < 85
    assert large[0] == 100
    assert all(share < 8 for share in small[1:] + large[1:])


def test_the_recorded_success_rates_stand_in_a_table(chapter: Browser) -> None:
    head, *rows = table(chapter, "Images classified correctly, and shares of them fooled at ε = 1/255")
    assert head == ["data", "images", "fooled", "by random changes"]
    assert [row[0] for row in rows] == ["scenes", "Tiny ImageNet"]
    for _, images, fooled, by_chance in rows:
        assert images.isdigit()
        assert float(by_chance.removesuffix("%")) < 2 < float(fooled.removesuffix("%"))
