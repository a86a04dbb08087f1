"""Chapter 1 as a reader of the site has it: no kernel, no network."""

import pytest
from browser import Browser
from moving import draw, move

PAGE = "chapters/01_samples"


@pytest.fixture(scope="module")
def chapter(browser: Browser) -> Browser:
    browser.open(PAGE)
    return browser


def test_the_epoch_slider_moves_the_points_from_the_centre_outwards(chapter: Browser) -> None:
    figure = draw(chapter, "epoch")
    plot = f"{figure}.querySelector('.nbh-plot')"
    radius = (
        f"return Math.max(...{plot}.data.slice(0, 10).flatMap("
        "t => [...t.x].map((x, i) => Math.hypot(x, t.y[i], t.z[i]))))"
    )
    seen = []
    for step in (0, 5, 9):
        move(chapter, figure, step)
        seen.append(chapter.run(radius))
    assert seen[0] < 0.2
    assert seen[0] < seen[1] < seen[2]
    assert chapter.problems() == []


def test_the_kappa_slider_bends_the_curve(chapter: Browser) -> None:
    figure = draw(chapter, "κ_max")
    plot = f"{figure}.querySelector('.nbh-plot')"
    tops = []
    for step in (0, 3):
        move(chapter, figure, step)
        tops.append(chapter.run(f"return Math.max(...{plot}.data[0].y)"))
    assert tops[0] < 3 < tops[1]
