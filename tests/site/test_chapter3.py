"""Chapter 3 as a reader of the site has it: maps of every image on a slider, tables from recorded runs, no kernel."""

import pytest
from browser import Browser
from moving import draw, move

PAGE = "chapters/03_importance"


@pytest.fixture(scope="module")
def chapter(browser: Browser) -> Browser:
    browser.open(PAGE)
    return browser


def test_the_slider_changes_the_image_and_all_its_maps(chapter: Browser) -> None:
    figure = draw(chapter, "image")
    state = (
        f"return {figure}.querySelector('.nbh-plot').data"
        ".map(t => t.type === 'image' ? t.source : JSON.stringify(t.customdata))"
    )
    before = chapter.run(state)
    move(chapter, figure, 4)
    after = chapter.run(state)
    assert len(before) == 5
    assert all(old != new for old, new in zip(before, after, strict=True))
    assert chapter.problems() == []


def test_the_tables_are_those_of_the_recorded_runs(chapter: Browser) -> None:
    captions = chapter.run("return [...document.querySelectorAll('table caption')].map(c => c.innerText)")
    assert any("importance w" in caption for caption in captions)
    rows = chapter.run("return [...document.querySelectorAll('table tbody tr')].map(r => r.innerText)")
    for name in ("conv_53", "paper", "default", "as published", "grid 4×4", "grid 14×14"):
        assert any(name in row for row in rows), name
