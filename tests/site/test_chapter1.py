"""Chapter 1 as a reader of the site has it: no kernel, no network."""

import pytest
from browser import Browser
from moving import draw, move
from tables import table

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


def test_the_nearest_pairs_and_the_weight_decays_stand_in_tables(chapter: Browser) -> None:
    head, nearest, *others, obtuse = table(chapter, "The five nearest pairs")
    assert head == ["pair", "angle", "confused"]
    assert nearest[0] == "pullover, coat"
    assert len(others) == 4
    assert int(nearest[1]) <= min(int(angle) for _, angle, _ in others) < 90
    assert obtuse == ["all 23 at obtuse angles", "–", obtuse[2]]
    assert int(obtuse[2]) < sum(int(confused) for _, _, confused in [nearest, *others]) / 5
    _, *fits = table(chapter, "Fits with five weight decays")
    assert [name for name, *_ in fits[:5]] == [
        f"scenes, {decay}" for decay in ("0.0001", "0.001", "0.01", "0.03", "0.1")
    ]
    assert len(fits) == 10


def test_single_numbers_alone_are_printed(chapter: Browser) -> None:
    printed = chapter.run("return [...document.querySelectorAll('.output.stream')].map(o => o.innerText.trim())")
    assert 3 <= len(printed) <= 6
    assert any("held-out accuracy 79" in text for text in printed)
