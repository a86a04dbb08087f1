"""Every page of the built book in a browser with the network closed."""

from browser import Browser


def test_page_loads_without_an_error_or_another_host(browser: Browser, page: str, screen: tuple[int, int]) -> None:
    browser.open(page, screen)
    browser.draw_figures()  # what loads lazily is what they need
    browser.wait("[...document.images].every(image => image.complete)")
    assert browser.problems() == []


def test_page_never_scrolls_sideways(browser: Browser, page: str, screen: tuple[int, int]) -> None:
    browser.open(page, screen)
    assert browser.run("return document.scrollingElement.scrollWidth") <= screen[0]


def test_formulas_are_typeset(browser: Browser) -> None:
    browser.open("intro")
    assert browser.run("return document.querySelectorAll('span.math, div.math').length") > 0
    assert browser.run("return document.querySelectorAll('.math:not(:has(mjx-container))').length") == 0
    assert browser.run("return document.querySelectorAll('mjx-merror').length") == 0


def test_dark_mode_switches(browser: Browser) -> None:
    browser.open("intro")
    background = "return getComputedStyle(document.body).backgroundColor"
    seen = set()
    for _ in range(3):  # the button goes round light, dark and the system's choice
        seen.add(browser.run(background))
        browser.run("document.querySelector('button.theme-switch-button').click()")
    assert len(seen) == 2


def test_search_finds_a_page(browser: Browser) -> None:
    browser.open("search")
    browser.driver.get(f"{browser.address}search.html?q=category")
    browser.wait("document.querySelectorAll('#search-results li a').length > 0")
    assert browser.problems() == []
