"""Figures in the browser: bring one of a chapter into view, or a page that holds one only, and move its slider."""

from __future__ import annotations

from browser import Browser
from selenium.webdriver.common.by import By

FIGURE = "document.querySelector('.nbh-figure')"
PLOT = "document.querySelector('.nbh-plot')"


def draw(chapter: Browser, label: str, number: int = 0) -> str:
    """Bring the figure of that ``number`` with ``label`` beside its slider into view; what JavaScript calls it."""
    figure = (
        "[...document.querySelectorAll('.nbh-figure')]"
        f".filter(f => f.querySelector('.nbh-controls label')?.innerText.trim() === '{label}')[{number}]"
    )
    chapter.draw(figure)
    return figure


def move(chapter: Browser, figure: str, step: int) -> None:
    """Put the slider of ``figure`` at ``step``, and wait until that is drawn."""
    slider = f"{figure}.querySelector('input[type=range]')"
    chapter.run(f"const s = {slider}; s.value = {step}; s.dispatchEvent(new Event('input'))")
    chapter.wait(f"{figure}.dataset.step === '{step}'")


def open_figure(browser: Browser, page: str, size: tuple[int, int] = (1280, 1200)) -> Browser:
    """Open a page whose first figure is drawn at once, and wait for that."""
    browser.open(page, size)
    browser.wait(f"{FIGURE}.dataset.state === 'ready'")
    return browser


def press(browser: Browser, key: str, step: int) -> None:
    """Press a key on the slider of the page's first figure, and wait until ``step`` is drawn."""
    browser.driver.find_element(By.CSS_SELECTOR, ".nbh-controls input").send_keys(key)
    browser.wait(f"{FIGURE}.dataset.step === '{step}'")
