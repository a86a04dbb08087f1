"""Chapter 5 as a reader of the site has it: the same regions in a teacher and its students, on a slider, no kernel."""

import pytest
from browser import Browser
from moving import draw, move
from tables import table

PAGE = "chapters/05_distillation"
NETWORKS = ("teacher", "mimics conv_53", "mimics fc", "soft labels", "alone")


@pytest.fixture(scope="module")
def chapter(browser: Browser) -> Browser:
    browser.open(PAGE)
    return browser


def test_every_region_is_in_another_place_in_every_network(chapter: Browser) -> None:
    figure = draw(chapter, "network")
    places = f"return JSON.stringify({figure}.querySelector('.nbh-plot').data.slice(0, 3).map(t => [t.x, t.y, t.z]))"
    seen = set()
    for step, name in enumerate(NETWORKS):
        move(chapter, figure, step)
        assert chapter.run(f"return {figure}.querySelector('output').innerText") == name
        seen.add(chapter.run(places))
    assert len(seen) == len(NETWORKS)
    assert chapter.problems() == []


def test_a_region_is_followed_through_the_networks(chapter: Browser) -> None:
    figure = draw(chapter, "network")
    told = f"return {figure}.querySelector('.nbh-told').textContent"
    before = chapter.run(told)
    for name in NETWORKS:
        assert name in before
    cell = f"{figure}.querySelectorAll('[role=grid]')[1].querySelectorAll('[role=gridcell]')[27]"
    chapter.run(f"{cell}.click()")
    assert chapter.run(told) != before
    assert chapter.problems() == []


def test_the_seeds_are_shown_with_intervals(chapter: Browser) -> None:
    _, *accuracy = table(chapter, "Tiny ImageNet: accuracy on held-out images, by the student's seed")
    assert [row[0] for row in accuracy] == ["teacher", *NETWORKS[1:]]
    assert all(len(row) == 5 and row[4].endswith("%") for row in accuracy)
    for caption in ("mimics fc minus its own teacher", "mimics conv_53 minus mimics fc"):
        _, *rows = table(chapter, caption)
        assert all("±" in cell for row in rows for cell in row[1:])
    _, *frames = table(chapter, "Tiny ImageNet: median")
    assert [row[0] for row in frames] == list(NETWORKS[1:])
