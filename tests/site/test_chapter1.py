"""Chapter 1 as a reader of the site has it: no kernel, no network."""

import pytest
from browser import Browser

PAGE = "chapters/01_samples"
PATIENCE = 300  # seconds: 3-D is drawn by the processor here, which other work may keep busy


@pytest.fixture(scope="module")
def chapter(browser: Browser) -> Browser:
    browser.open(PAGE)
    return browser


def draw(chapter: Browser, label: str) -> str:
    """Bring the figure whose slider is called ``label`` into view; what JavaScript calls it."""
    figure = f"[...document.querySelectorAll('.nbh-figure')].find(f => f.innerText.includes('{label}'))"
    chapter.run(f"{figure}.scrollIntoView({{block: 'center'}})")
    chapter.wait(f"{figure}.dataset.state === 'ready'", PATIENCE)
    return figure


def move(chapter: Browser, figure: str, step: int) -> None:
    """Put the slider of ``figure`` at ``step``, and wait until that is drawn."""
    slider = f"{figure}.querySelector('input[type=range]')"
    chapter.run(f"const s = {slider}; s.value = {step}; s.dispatchEvent(new Event('input'))")
    chapter.wait(f"{figure}.dataset.step === '{step}'", PATIENCE)


def test_every_figure_is_drawn(chapter: Browser) -> None:
    count = chapter.run("return document.querySelectorAll('.nbh-figure').length")
    assert count >= 4
    for i in range(count):
        figure = f"document.querySelectorAll('.nbh-figure')[{i}]"
        chapter.run(f"{figure}.scrollIntoView({{block: 'center'}})")
        chapter.wait(f"{figure}.dataset.state === 'ready'", PATIENCE)
        assert chapter.run(f"return {figure}.getAttribute('aria-label') || {figure}.innerText").strip()
    assert chapter.problems() == []


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


def test_every_picture_and_figure_has_a_text_alternative(chapter: Browser) -> None:
    bare = "[...document.querySelectorAll('article img')].filter(i => !i.alt && !i.closest('[role=img][aria-label]'))"
    assert chapter.run(f"return {bare}.length") == 0


def test_solutions_are_folded_away_until_they_are_asked_for(chapter: Browser) -> None:
    solutions = "[...document.querySelectorAll('div.solution.dropdown')]"
    assert chapter.run(f"return {solutions}.length") == 4
    hidden = f"{solutions}.every(s => s.classList.contains('toggle-hidden') || !s.querySelector('details')?.open)"
    assert chapter.run(f"return {hidden}")
