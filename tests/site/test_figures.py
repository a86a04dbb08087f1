"""The figures on a page of their own, in a browser with the network closed."""

from collections.abc import Iterator

import numpy as np
import pytest
from browser import Browser
from moving import FIGURE, PLOT, open_figure
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from serving import browse

from nbhelpers import ImageSet, show

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
        ImageSet(np.zeros((20, 3, 8, 8), np.uint8), np.arange(20) % 2, ("bag", "boot"), "held_out"),
        [[0, 0, 1], [1, 0, 0]],
        step_labels=STEPS,
        thumbnails=True,
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
    browser.wait(f"{FIGURE}.dataset.step === '{number}'")


def slider(browser: Browser) -> object:
    return browser.driver.find_element(By.CSS_SELECTOR, ".nbh-controls input")


def test_3d_figure_is_there(space: Browser, embeddings: np.ndarray) -> None:
    assert space.run(POINTS) == expected(embeddings, 2)
    box = space.driver.find_element(By.CSS_SELECTOR, ".nbh-plot canvas").rect
    assert min(box["width"], box["height"]) > 300
    sentence = space.driver.find_element(By.CSS_SELECTOR, ".nbh-alt").rect
    assert (sentence["width"], sentence["height"]) == (1, 1)  # for screen readers only
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
    space.wait(f"Math.abs({EYE.removeprefix('return ')}.x - {before['x']}) > 0.05")
    turned = space.run(EYE)
    slider(space).send_keys(Keys.HOME)
    step(space, 0)
    assert space.run(EYE) == pytest.approx(turned, abs=1e-3)


def keys(browser: Browser, *pressed: str) -> tuple[np.ndarray, np.ndarray]:
    """Press keys on the 3-D figure; where the eye and the upward direction are then."""
    moves = browser.run("return window.moves ?? 0")
    if not moves:
        browser.run(f"window.moves = 0; {PLOT}.on('plotly_relayout', () => window.moves++)")
    for key in pressed:
        ActionChains(browser.driver).send_keys(key).perform()
    browser.wait(f"window.moves >= {moves + len(pressed)}")
    camera = browser.run(f"return {PLOT}._fullLayout.scene._scene.getCamera()")
    return tuple(np.array([camera[name][axis] for axis in "xyz"]) for name in ("eye", "up"))


def test_arrow_keys_turn_the_figure(space: Browser) -> None:
    space.run("document.body.tabIndex = -1; document.body.focus()")
    ActionChains(space.driver).send_keys(Keys.TAB).perform()
    for _ in range(3):  # past the buttons of plotly
        if space.run(f"return document.activeElement === {PLOT}"):
            break
        ActionChains(space.driver).send_keys(Keys.TAB).perform()
    plot = space.driver.switch_to.active_element
    assert plot.get_attribute("role") == "application"
    assert plot.value_of_css_property("outline-style") == "solid"

    scrolled = space.run("return window.scrollY")
    home, up = keys(space)
    length = np.linalg.norm(home)
    screen = np.cross(up, home) / np.linalg.norm(np.cross(up, home)), up  # to the right, and upwards
    # A point in front moves the way that the arrow shows: the eye goes the other way.
    for key, opposite, (axis, sign) in (
        (Keys.ARROW_LEFT, Keys.ARROW_RIGHT, (0, 1)),
        (Keys.ARROW_RIGHT, Keys.ARROW_LEFT, (0, -1)),
        (Keys.ARROW_UP, Keys.ARROW_DOWN, (1, -1)),
        (Keys.ARROW_DOWN, Keys.ARROW_UP, (1, 1)),
    ):
        eye, _ = keys(space, key)
        assert np.linalg.norm(eye) == pytest.approx(length, rel=1e-3)
        assert np.degrees(np.arccos(eye @ home / length**2)) == pytest.approx(10, abs=2)
        assert sign * (eye - home) @ screen[axis] > 0.1 * length
        back, _ = keys(space, opposite)
        assert back == pytest.approx(home, abs=1e-3)
    for key, factor in (("+", 0.9), ("-", 1 / 0.9)):
        eye, _ = keys(space, key)
        assert eye == pytest.approx(factor * home, abs=1e-3)
        back, _ = keys(space, Keys.HOME)
        assert back == pytest.approx(home, abs=1e-3)
    assert space.run("return window.scrollY") == scrolled
    assert space.problems() == []


def test_keys_turn_the_figure_all_the_way_round(space: Browser) -> None:
    space.run(f"{PLOT}.focus()")
    home, up = keys(space)
    for key in (Keys.ARROW_UP, Keys.ARROW_LEFT):  # over both poles, too
        eye, above = keys(space, *[key] * 36)
        assert eye == pytest.approx(home, abs=5e-3)
        assert above / np.linalg.norm(above) == pytest.approx(up / np.linalg.norm(up), abs=0.1)


def test_the_slider_keeps_the_view_of_the_keys(space: Browser) -> None:
    space.run(f"{PLOT}.focus()")
    turned, _ = keys(space, Keys.ARROW_LEFT, Keys.ARROW_UP)
    slider(space).send_keys(Keys.HOME)
    step(space, 0)
    eye, _ = keys(space)
    assert eye == pytest.approx(turned, abs=1e-3)


def test_a_screen_reader_meets_the_sentence_and_the_controls(space: Browser) -> None:
    nodes = space.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    told = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    drawn = [name for role, name in told if role in {"StaticText", "SvgRoot", "Canvas", "img", "graphics-symbol"}]
    assert drawn.count("Bags above, boots on the right.") == 1
    assert not {"bag", "boot"} & set(drawn)  # letters of the legend
    assert "Canvas" not in {role for role, _ in told}
    (view,) = [name for role, name in told if role == "application"]
    assert "Arrow keys turn it" in view
    assert ("button", "Play") in told
    assert ("slider", "epoch") in told
    assert ("group", "Interactive figure") in told


def test_numbers_scroll_by_keyboard(figures: Browser) -> None:
    open_figure(figures, "space", (300, 800))
    figures.run("document.querySelector('details').open = true")
    box = figures.driver.find_element(By.CSS_SELECTOR, ".nbh-numbers > div")
    assert figures.run("return arguments[0].scrollWidth - arguments[0].clientWidth", box) > 40
    box.send_keys(Keys.ARROW_RIGHT)
    figures.wait("document.querySelector('.nbh-numbers > div').scrollLeft > 0")


def test_paper_shows_what_is_drawn(space: Browser) -> None:
    space.run("window.dispatchEvent(new Event('beforeprint'))")
    shades = space.run(
        "const copies = [...document.querySelectorAll('.gl-container canvas')]"
        ".filter(canvas => canvas.getContext('2d'));"
        "return copies.map(c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.filter(n => n).length)"
    )
    assert len(shades) == 1
    assert shades[0] > 1000
    space.run("window.dispatchEvent(new Event('afterprint'))")
    assert len(space.driver.find_elements(By.CSS_SELECTOR, ".gl-container canvas")) == 1


def test_forced_colours_choose_the_ink(space: Browser) -> None:
    ink = f"{PLOT}._fullLayout.font.color"
    light = space.run(f"return {ink}")
    black = [{"name": "forced-colors", "value": "active"}, {"name": "prefers-color-scheme", "value": "dark"}]
    space.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": black})
    space.wait(f"{ink} !== '{light}'")
    space.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    space.wait(f"{ink} === '{light}'")


def test_play_walks_through_the_steps_and_stops(space: Browser) -> None:
    button = "document.querySelector('.nbh-controls button')"
    live = "document.querySelector('.nbh-controls output').getAttribute('aria-live')"
    slider(space).send_keys(Keys.HOME)
    step(space, 0)
    assert space.run(f"return {live}") == "off"  # the slider tells its value itself
    # A click, and what it changed at once: two seconds later the play is over.
    assert space.run(f"{button}.click(); return [{button}.textContent, {live}]") == ["Pause", "off"]
    step(space, 2)
    assert space.run(f"return [{button}.textContent, {live}]") == ["Play", "polite"]  # where it stopped is told
    slider(space).send_keys(Keys.HOME)
    step(space, 0)
    assert space.run(f"return {live}") == "off"


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
    space.wait(f"{ink} !== '{light}'")
    space.run("document.documentElement.dataset.theme = 'light'")
    space.wait(f"{ink} === '{light}'")
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
    space.wait(f"{states} === 'ready,ready'")
    assert space.run("return document.querySelectorAll('script[src]').length") == 1
    assert space.run("return typeof window.define") == "function"
    assert space.problems() == []


def test_without_plotly_the_text_stays(figures: Browser) -> None:
    figures.open("lost")
    figures.wait(f"{FIGURE}.dataset.state === 'failed'")
    text = figures.driver.find_element(By.CSS_SELECTOR, ".nbh-stage").text
    assert text.startswith("Bags above, boots on the right.")
    assert "This figure could not be drawn" in text
    assert not figures.driver.find_element(By.CSS_SELECTOR, ".nbh-turn").is_displayed()
    assert any("404" in problem for problem in figures.problems())


def test_nothing_is_wider_than_a_phone(figures: Browser) -> None:
    open_figure(figures, "space", (375, 800))
    assert figures.run("return document.scrollingElement.scrollWidth") <= 375


def test_a_phone_sees_a_3d_view_about_as_high_as_wide(figures: Browser) -> None:
    open_figure(figures, "space", (375, 800))
    view, stage = (figures.driver.find_element(By.CSS_SELECTOR, f".nbh-{part}").rect for part in ("plot", "stage"))
    assert view["height"] == stage["height"] == pytest.approx(1.15 * 375, abs=1)
    flat = figures.driver.find_elements(By.CSS_SELECTOR, ".nbh-stage")[1].rect
    assert flat["height"] > 500
