"""The figures on a page of their own, in a browser with the network closed."""

from collections.abc import Iterator

import numpy as np
import pytest
from browser import Browser
from moving import FIGURE, PATIENCE, PLOT, open_figure
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from serving import browse

from nbhelpers import show

STEPS = ("0", "1", "10")

POINTS = f"return {PLOT}.data.slice(0, 2).map(trace => [trace.x, trace.y, trace.z])"
EYE = f"return {PLOT}._fullLayout.scene._scene.getCamera().eye"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Figures</title>
<link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width"><meta name="nbhelpers-plotly" content="{plotly}">
<script>
window.define = Object.assign(() => {{ throw new Error("plotly.js became a module"); }}, {{amd: {{}}}});</script>
</head><body>{body}</body></html>"""


@pytest.fixture(scope="module")
def embeddings() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(len(STEPS), 20, 3)).round(3)


@pytest.fixture(scope="module")
def figures(embeddings: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Pages "space" (a 3-D figure, and far below it a curve) and "lost" (whose plotly.js is missing)."""
    space = show.sample_space(
        embeddings,
        np.arange(20) % 2,
        [[0, 0, 1], [1, 0, 0]],
        ["bag", "boot"],
        step_labels=STEPS,
        thumbnails=np.zeros((20, 3, 8, 8), np.uint8),
        alt="Bags above, boots on the right.",
    )
    curve = show.kappa_slider({"1": lambda strength: strength, "2": lambda strength: 2 * strength}, alt="Two slopes.")
    body = f"{space.html()}<div style='height:5000px'></div>{curve.html()}"
    pages = {
        "space": PAGE.format(plotly="plotly.min.js", body=body),
        "lost": PAGE.format(plotly="nowhere.js", body=space.html()),
    }
    with browse(pages, tmp_path_factory.mktemp("figures")) as browser:
        yield browser


@pytest.fixture
def space(figures: Browser) -> Browser:
    """A browser that has drawn the first figure."""
    return open_figure(figures, "space", (1280, 900))


def expected(embeddings: np.ndarray, step: int) -> list:
    return [embeddings[step, c::2].T.tolist() for c in (0, 1)]


def step(browser: Browser, number: int) -> None:
    browser.wait(f"{FIGURE}.dataset.step === '{number}'", PATIENCE)


def slider(browser: Browser) -> object:
    return browser.driver.find_element(By.CSS_SELECTOR, ".nbh-controls input")


def test_3d_figure_is_there(space: Browser, embeddings: np.ndarray) -> None:
    assert space.run(POINTS) == expected(embeddings, 2)
    box = space.driver.find_element(By.CSS_SELECTOR, ".nbh-plot canvas").rect
    assert min(box["width"], box["height"]) > 300
    assert space.run(f"return {PLOT}.querySelectorAll('.nbh-alt').length") == 0
    assert space.problems() == []


def test_slider_moves_the_points(space: Browser, embeddings: np.ndarray) -> None:
    canvas = space.driver.find_element(By.CSS_SELECTOR, ".nbh-plot")
    before = canvas.screenshot_as_png
    for number, key in ((1, Keys.ARROW_LEFT), (0, Keys.HOME), (2, Keys.END)):
        slider(space).send_keys(key)
        step(space, number)
        assert space.run(POINTS) == expected(embeddings, number)
        name = space.run("return document.querySelector('.nbh-controls output').textContent")
        assert name == slider(space).get_attribute("aria-valuetext") == STEPS[number]
        if number == 1:
            assert canvas.screenshot_as_png != before
    assert space.problems() == []


def test_dragging_rotates_and_the_slider_keeps_the_view(space: Browser) -> None:
    plot = space.driver.find_element(By.CSS_SELECTOR, ".nbh-plot")
    before = space.run(EYE)
    ActionChains(space.driver).move_to_element(plot).click_and_hold().move_by_offset(120, 30).release().perform()
    space.wait(f"Math.abs({EYE.removeprefix('return ')}.x - {before['x']}) > 0.05", PATIENCE)
    turned = space.run(EYE)
    slider(space).send_keys(Keys.HOME)
    step(space, 0)
    assert space.run(EYE) == pytest.approx(turned, abs=1e-3)


def test_play_walks_through_the_steps_and_stops(space: Browser) -> None:
    button = space.driver.find_element(By.CSS_SELECTOR, ".nbh-controls button")
    slider(space).send_keys(Keys.HOME)
    step(space, 0)
    button.click()
    assert button.text == "Pause"
    step(space, 2)
    space.wait("document.querySelector('.nbh-controls button').textContent === 'Play'", PATIENCE)


def test_points_jump_for_readers_who_want_less_motion(space: Browser) -> None:
    reduce = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    space.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", reduce)
    space.run(f"window.drawn = 0; {PLOT}.on('plotly_restyle', () => window.drawn++)")
    slider(space).send_keys(Keys.HOME)
    step(space, 0)
    assert space.run("return window.drawn") == 1
    space.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_ink_follows_the_theme(space: Browser) -> None:
    ink = f"{PLOT}._fullLayout.font.color"
    light = space.run(f"return {ink}")
    space.run("document.documentElement.dataset.theme = 'dark'")
    space.wait(f"{ink} !== '{light}'", PATIENCE)
    space.run("document.documentElement.dataset.theme = 'light'")
    space.wait(f"{ink} === '{light}'", PATIENCE)
    assert space.run(f"return {PLOT}._fullLayout.paper_bgcolor") == "rgba(0,0,0,0)"


def test_hovering_shows_the_image(space: Browser) -> None:
    def hover(data: str) -> None:
        space.run(f"{PLOT}.emit('plotly_hover', {{points: [{data}]}})")

    panel = space.driver.find_element(By.CSS_SELECTOR, ".nbh-hover")
    assert not panel.is_displayed()
    hover("{customdata: [7, 1.2]}")
    assert panel.is_displayed()
    # 20 images stand in five columns: number 7 is the third of the second row.
    image = panel.find_element(By.TAG_NAME, "span")
    x, y = (float(n.removesuffix("px")) for n in image.value_of_css_property("background-position").split())
    side = image.size["width"]
    assert (round(-x / side), round(-y / side)) == (2, 1)
    hover("{}")  # an arrow
    assert not panel.is_displayed()


def test_figures_load_plotly_once_and_only_when_near(space: Browser) -> None:
    states = "[...document.querySelectorAll('.nbh-figure')].map(figure => figure.dataset.state).join()"
    assert space.run(f"return {states}") == "ready,waiting"
    space.run("window.scrollTo(0, document.documentElement.scrollHeight)")
    space.wait(f"{states} === 'ready,ready'", PATIENCE)
    assert space.run("return document.querySelectorAll('script[src]').length") == 1
    assert space.run("return typeof window.define") == "function"
    assert space.problems() == []


def test_without_plotly_the_text_stays(figures: Browser) -> None:
    figures.open("lost")
    figures.wait(f"{FIGURE}.dataset.state === 'failed'", PATIENCE)
    text = figures.driver.find_element(By.CSS_SELECTOR, ".nbh-plot").text
    assert text.startswith("Bags above, boots on the right.")
    assert "This figure could not be drawn" in text
    assert any("404" in problem for problem in figures.problems())


def test_nothing_is_wider_than_a_phone(figures: Browser) -> None:
    open_figure(figures, "space", (375, 800))
    assert figures.run("return document.scrollingElement.scrollWidth") <= 375
