"""What holds for every chapter as a reader of the site has it: no kernel, no network."""

import pytest
from browser import Browser
from conftest import PAGES
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

CHAPTERS = [page for page in PAGES if page.startswith("chapters/") or page == "about/template"]


@pytest.fixture(scope="module", params=CHAPTERS)
def chapter(request: pytest.FixtureRequest, browser: Browser) -> Browser:
    browser.open(request.param)
    return browser


def test_every_figure_is_drawn_and_named(chapter: Browser) -> None:
    assert chapter.draw_figures() >= 1
    unnamed = "[...document.querySelectorAll('.nbh-figure')].filter(f => !f.getAttribute('aria-label')?.trim())"
    assert chapter.run(f"return {unnamed}.length") == 0
    assert chapter.problems() == []


def test_every_three_dimensional_figure_turns(chapter: Browser) -> None:
    chapter.draw_figures()
    plots = "[...document.querySelectorAll('.nbh-plot')].filter(p => p._fullLayout.scene)"
    for number in range(chapter.run(f"return {plots}.length")):
        plot = f"{plots}[{number}]"
        chapter.centre(plot)
        eye = f"JSON.stringify({plot}._fullLayout.scene._scene.getCamera().eye)"
        before = chapter.run(f"return {eye}")
        hand = ActionChains(chapter.driver, duration=50).move_to_element(chapter.run(f"return {plot}"))
        hand.click_and_hold().move_by_offset(60, 20).move_by_offset(60, 20).release().perform()
        chapter.wait(f"{eye} !== '{before}'")
    assert chapter.problems() == []


def test_every_figure_with_a_slider_moves(chapter: Browser) -> None:
    figures = "[...document.querySelectorAll('.nbh-figure')].filter(f => f.querySelector('input[type=range]'))"
    count = chapter.run(f"return {figures}.length")
    assert count >= ("/chapters/" in chapter.driver.current_url)  # the template has none
    for i in range(count):
        figure = f"{figures}[{i}]"
        chapter.draw(figure)
        drawn = f"return JSON.stringify({figure}.querySelector('.nbh-plot').data.map(t => [t.x, t.y, t.z, t.source]))"
        slider = f"{figure}.querySelector('input[type=range]')"
        before = chapter.run(drawn)
        step = chapter.run(f"return {slider}.value == {slider}.max ? 0 : Number({slider}.max)")
        chapter.run(f"const s = {slider}; s.value = {step}; s.dispatchEvent(new Event('input'))")
        chapter.wait(f"{figure}.dataset.step === '{step}'")
        assert chapter.run(drawn) != before
    assert chapter.problems() == []


def test_every_menu_exchanges_its_figure(chapter: Browser) -> None:
    """What a kernel lets the reader choose, the page offers for one control."""
    menus = "[...document.querySelectorAll('.nbh-choices')]"
    assert chapter.run(f"return {menus}.length") >= 1
    for number in range(chapter.run(f"return {menus}.length")):
        menu = f"{menus}[{number}]"
        told = f"[...{menu}.querySelectorAll('.nbh-chosen :is([aria-label], .nbh-alt, img)')]"
        names = f"{told}.map(e => [e.ariaLabel, e.alt, e.textContent]).join()"
        chapter.centre(menu)
        seen = {chapter.run(f"return {names}")}
        box = chapter.run(f"return {menu}.querySelector('select')")
        for step in range(1, chapter.run("return arguments[0].length", box)):
            box.send_keys(Keys.ARROW_DOWN)
            chapter.wait(f"{menu}.dataset.step === '{step}'")
            drawn = f"[...{menu}.querySelectorAll('.nbh-figure')].every(f => f.dataset.state === 'ready')"
            chapter.wait(drawn)
            seen.add(chapter.run(f"return {names}"))
        assert len(seen) == step + 1
    assert chapter.problems() == []


def test_every_picture_and_figure_has_a_text_alternative(chapter: Browser) -> None:
    bare = "[...document.querySelectorAll('article img')].filter(i => !i.alt && !i.closest('[role=img][aria-label]'))"
    allowed = f"{bare}.filter(i => !i.closest('.nbh-figure'))"  # named by their figure's own controls
    assert chapter.run(f"return {allowed}.length") == 0


def test_solutions_are_folded_away_until_they_are_asked_for(chapter: Browser) -> None:
    solutions = "[...document.querySelectorAll('div.solution.dropdown')]"
    assert chapter.run(f"return {solutions}.length") >= 4
    hidden = f"{solutions}.every(s => s.classList.contains('toggle-hidden') || !s.querySelector('details')?.open)"
    assert chapter.run(f"return {hidden}")


def test_no_cell_failed_or_warned(chapter: Browser) -> None:
    assert chapter.run("return document.querySelectorAll('.output.traceback, .output.stderr').length") == 0
