"""Chapter 6 as a reader of the site has it: networks that others and the book trained, in figures with no kernel."""

import pytest
from browser import Browser
from moving import draw, move

PAGE = "chapters/06_your_own"
LAYERS = ("early", "middle", "late")


@pytest.fixture(scope="module")
def chapter(browser: Browser) -> Browser:
    browser.open(PAGE)
    return browser


def printed(chapter: Browser) -> str:
    return chapter.run("return [...document.querySelectorAll('.output.stream')].map(o => o.innerText).join('\\n')")


def test_regions_are_followed_through_the_layers_of_a_foreign_network(chapter: Browser) -> None:
    figure = draw(chapter, "layer")
    places = f"return JSON.stringify({figure}.querySelector('.nbh-plot').data.slice(0, 2).map(t => [t.x, t.y, t.z]))"
    seen = set()
    for step, name in enumerate(LAYERS):
        move(chapter, figure, step)
        assert chapter.run(f"return {figure}.querySelector('output').innerText") == name
        seen.add(chapter.run(places))
    assert len(seen) == len(LAYERS)
    assert chapter.problems() == []


def test_the_network_has_learned(chapter: Browser) -> None:
    line = next(line for line in printed(chapter).splitlines() if line.startswith("accuracy along training"))
    first, *_, last = (int(word.rstrip("%")) for word in line.split() if word.endswith("%"))
    assert first < 30 and last > 50


def test_photographs_choices_costs_failures_and_messages_are_printed(chapter: Browser) -> None:
    text = printed(chapter)
    for words in (
        "fitted to those of even photographs",
        "MobileNet-V2",
        "tokens after 1",
        "T 1: explained",
        "200 arrows",
        "seconds for",
        "upside down",
        "no module at 'latest': the body has early, middle, late",
        "this network has early, middle, late",
        "averaged to 16x16",
    ):
        assert words in text


def test_the_untrained_network_is_right_no_more_often_than_a_guess(chapter: Browser) -> None:
    rows = [line.split() for line in printed(chapter).splitlines()]
    reliable = {row[0]: float(row[-1]) for row in rows if len(row) == 9 and row[0] in ("untrained", "late")}
    assert reliable["untrained"] < 0.25 < reliable["late"]


def test_without_a_kernel_the_page_offers_the_layer_and_names_what_a_kernel_would_add(chapter: Browser) -> None:
    menu = "document.querySelector('.nbh-choices')"
    offered = f"return [...{menu}.querySelectorAll('option')].map(o => o.textContent)"
    assert chapter.run(offered) == [*reversed(LAYERS[1:])]
    assert chapter.run(f"return {menu}.querySelector('.nbh-live').innerText").endswith("choose here: image.")


def test_five_exercises_have_solutions(chapter: Browser) -> None:
    assert chapter.run("return document.querySelectorAll('div.solution.dropdown').length") == 5
