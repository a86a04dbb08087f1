"""Chapter 2 as a reader of the site has it: clouds that grow, regions that can be followed, with no kernel."""

import pytest
from browser import Browser
from moving import draw, move
from tables import table, tables

PAGE = "chapters/02_regions"


@pytest.fixture(scope="module")
def chapter(browser: Browser) -> Browser:
    browser.open(PAGE)
    return browser


def test_the_clouds_leave_the_centre(chapter: Browser) -> None:
    figure = draw(chapter, "epoch")
    reach = (
        f"return Math.max(...{figure}.querySelector('.nbh-plot').data.filter(t => t.type === 'mesh3d')"
        ".flatMap(t => [...t.x].map((x, i) => Math.hypot(x, t.y[i], t.z[i]))))"
    )
    seen = []
    for step in (0, 9):
        move(chapter, figure, step)
        seen.append(chapter.run(reach))
    assert seen[0] < 1.5
    assert seen[1] > 3 * seen[0]
    assert chapter.problems() == []


def test_a_region_is_followed_through_the_layers(chapter: Browser) -> None:
    figure = draw(chapter, "layer")
    told = f"return {figure}.querySelector('.nbh-told').textContent"
    before = chapter.run(told)
    for layer in ("conv_12", "conv_22", "conv_33", "conv_43", "conv_53"):
        assert layer in before
    cell = f"{figure}.querySelectorAll('[role=grid]')[2].querySelectorAll('[role=gridcell]')[9]"
    chapter.run(f"{cell}.click()")
    assert chapter.run(told) != before
    assert "row 2, column 2" in chapter.run(told)
    assert chapter.problems() == []


def test_numbers_are_tables(chapter: Browser) -> None:
    captions = [caption for caption, _ in tables(chapter)]
    assert len(captions) == len(set(captions)) == 14
    assert chapter.run("return document.querySelectorAll('.output.stream').length") <= 6


def test_the_reliable_ratio_grows_from_layer_to_layer(chapter: Browser) -> None:
    _, *rows = table(chapter, "Reliable ratio at the end")
    ratios = {name: [float(ratio) for ratio in of_seeds] for name, *of_seeds in rows}
    assert len(ratios) == 12
    for data in ("scenes", "Tiny ImageNet"):
        for scale in ("conv_53", "1"):
            first, middle, last = (ratios[f"{data}, scaled to {scale}, conv_{layer}"] for layer in (33, 43, 53))
            assert len(first) == 3  # seeds
            assert all(a < b < c for a, b, c in zip(first, middle, last, strict=True))


@pytest.mark.parametrize(
    "drawn", ["region_clouds", "region_depth", "image_row", "points_on_images", "points_along", "shares"]
)
def test_a_cell_that_only_draws_is_folded(chapter: Browser, drawn: str) -> None:
    folded = chapter.run(
        "return [...document.querySelectorAll('details.hide:not([open]) .cell_input')].map(c => c.textContent.trim())"
    )
    assert any(source.startswith(f"show.{drawn}(") for source in folded)
