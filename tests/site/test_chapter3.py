"""Chapter 3 as a reader of the site has it: maps of every image on a slider, tables from recorded runs, no kernel."""

import pytest
from browser import Browser
from moving import draw, move
from tables import table

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


@pytest.mark.parametrize(
    ("caption", "header", "rows"),
    [
        ("Logit of sneaker", ["points"], ["difference", "sum of the 16 values"]),
        ("Loss of the fit", ["loss"], ["0", "20"]),
        ("Tiny ImageNet: correlation with Shapley values", ["w", "‖f‖", "first row"], ["zero baseline, logit"]),
        ("misclassified scenes", ["mean", "95 % interval from", "to"], ["true", "predicted", "gain"]),
        (
            "conv_53: correlations",
            ["seed 0", "seed 1", "seed 2"],
            ["scenes, AUROC of w for the object", "Tiny ImageNet, w and Shapley"],
        ),
        ("conv_43: correlations", ["seed 0", "seed 1", "seed 2"], ["scenes, ‖f‖ and Shapley"]),
        ("Maps of held-out scenes", ["conv_53: r", "conv_43: deletion"], ["integrated gradients", "at random"]),
        ("Grid 14×14", ["seed 0", "seed 1", "seed 2"], ["scenes, accuracy", "Tiny ImageNet, accuracy"]),
    ],
)
def test_what_a_cell_found_is_a_table(chapter: Browser, caption: str, header: list[str], rows: list[str]) -> None:
    """Each has one caption, its columns and its rows, and a number or a dash in every cell."""
    head, *found = table(chapter, caption)
    assert set(header) <= set(head)
    assert set(rows) <= {name for name, *_ in found}
    assert all(cell == "–" or float(cell.replace("−", "-")) < 1e3 for _, *cells in found for cell in cells)


def test_few_numbers_are_printed(chapter: Browser) -> None:
    assert 1 <= chapter.run("return document.querySelectorAll('.output.stream').length") <= 6
