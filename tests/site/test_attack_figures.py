"""The figures of attacks on pages of their own: sliders, the legend, marks on images, themes and narrow screens."""

from collections.abc import Iterator

import numpy as np
import pytest
from browser import Browser
from moving import PLOT, open_figure, press
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from serving import PAGE, browse

from nbhelpers import ImageSet, show

STEPS, ROWS, COLUMNS = 10, 2, 3
CATEGORIES = ["bag", "ankle boot", "coat"]
EXAMPLES = [("rebuilt", 0, 1, 2), ("direct", 1, 5, 0), ("rebuilt", 0, 4, 2)]
EPS = 8 / 255

EYE = f"{PLOT}._fullLayout.scene._scene.getCamera().eye"


@pytest.fixture(scope="module")
def h() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(STEPS, 2, ROWS * COLUMNS, 3)).round(3)


@pytest.fixture(scope="module")
def said() -> np.ndarray:
    return np.random.default_rng(1).dirichlet(np.ones(3), (STEPS, ROWS * COLUMNS))


@pytest.fixture(scope="module")
def answers() -> np.ndarray:
    return np.random.default_rng(2).dirichlet(np.ones(3), STEPS)


@pytest.fixture(scope="module")
def figures(
    h: np.ndarray, said: np.ndarray, answers: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    """Pages "paths", "steps" and "depth"."""
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (2, 3, 24, 36), dtype=np.uint8)
    shared = (ImageSet(pixels, np.arange(2), tuple(CATEGORIES), "held_out"), np.eye(3), (ROWS, COLUMNS))
    path = 0.5 + np.linspace(0, EPS, STEPS)[:, None, None, None] * rng.choice([-1, 1], (3, 24, 24))
    drawn = {
        "paths": show.region_paths(h, *shared, EXAMPLES, alt="Three ways."),
        "steps": show.attack_steps(
            path, answers, said, 1, 2, CATEGORIES, (ROWS, COLUMNS), eps=EPS, alt="One image under attack."
        ),
        "depth": show.region_depth(
            {str(t): points for t, points in enumerate(h)}, *shared, picked=(1, 2), slider="step", alt="All regions."
        ),
    }
    pages = {name: PAGE.format(body=figure.html()) for name, figure in drawn.items()}
    with browse(pages, tmp_path_factory.mktemp("figures")) as browser:
        yield browser


@pytest.fixture
def paths(figures: Browser) -> Browser:
    return open_figure(figures, "paths")


@pytest.fixture
def steps(figures: Browser) -> Browser:
    return open_figure(figures, "steps")


MOVES = ((Keys.HOME, 0), (Keys.ARROW_RIGHT, 1), (Keys.END, STEPS - 1))

# Some regions on their way


def marked(browser: Browser, kind: str) -> list[list[float]]:
    return browser.run(
        f"const t = {PLOT}.data.find(t => t.name === arguments[0]); return [...t.x].map((x, i) => [x, t.y[i], t.z[i]])",
        kind,
    )


def test_the_slider_carries_markers_along_ways_that_stay(paths: Browser, h: np.ndarray) -> None:
    lines = f"return {PLOT}.data.filter(t => t.mode === 'lines').map(t => [...t.x])"
    before = paths.run(lines)
    for key, step in MOVES:
        press(paths, key, step)
        for kind in ("rebuilt", "direct"):
            here = [h[step, image, region].tolist() for name, image, region, _ in EXAMPLES if name == kind]
            assert marked(paths, kind) == here
        assert paths.run(lines) == before
    assert paths.problems() == []


def test_dragging_rotates_and_the_slider_keeps_the_view(paths: Browser) -> None:
    before = paths.run(f"return {EYE}")
    plot = paths.driver.find_element(By.CSS_SELECTOR, ".nbh-plot")
    ActionChains(paths.driver).move_to_element(plot).click_and_hold().move_by_offset(120, 30).release().perform()
    paths.wait(f"Math.abs({EYE}.x - {before['x']}) > 0.05")
    turned = paths.run(f"return {EYE}")
    press(paths, Keys.HOME, 0)
    assert paths.run(f"return {EYE}") == pytest.approx(turned, abs=1e-3)


def test_a_type_in_the_legend_hides_its_markers_ways_and_rings(paths: Browser) -> None:
    def visible(kind: str) -> list[bool]:
        return paths.run(
            f"return {PLOT}._fullData.filter(t => t.legendgroup === arguments[0]).map(t => t.visible === true)", kind
        )

    names = paths.run("return [...document.querySelectorAll('.legendtext')].map(text => text.textContent)")
    assert names == ["direct", "rebuilt"]
    toggle = paths.driver.find_element(By.CSS_SELECTOR, ".legendtoggle")
    ActionChains(paths.driver).move_to_element(toggle).click().perform()
    paths.wait(f"{PLOT}._fullData[0].visible === 'legendonly'")
    assert visible("direct") == [False] * 3
    assert visible("rebuilt") == [True] * 3
    assert visible("bag") == [True]


def test_marks_lie_on_their_regions(paths: Browser) -> None:
    found = {mark.text: mark.rect for mark in paths.driver.find_elements(By.CSS_SELECTOR, ".nbh-mark")}
    pictures = [image.rect for image in paths.driver.find_elements(By.CSS_SELECTOR, ".nbh-strip img")]
    assert sorted(found) == ["1", "2", "3"]
    for number, (_, image, region, _) in enumerate(EXAMPLES, 1):
        box, picture = found[str(number)], pictures[image]
        assert box["x"] == pytest.approx(picture["x"] + region % COLUMNS * picture["width"] / COLUMNS, abs=1)
        assert box["y"] == pytest.approx(picture["y"] + region // COLUMNS * picture["height"] / ROWS, abs=1)
        assert box["width"] == pytest.approx(picture["width"] / COLUMNS, abs=1)
        assert box["height"] == pytest.approx(picture["height"] / ROWS, abs=1)
    captions = [caption.text for caption in paths.driver.find_elements(By.CSS_SELECTOR, "figcaption")]
    assert captions == ["image 1 (bag → coat): 1 rebuilt, 3 rebuilt", "image 2 (ankle boot → bag): 2 direct"]


# One image under attack


def test_the_slider_changes_every_panel(steps: Browser, said: np.ndarray, answers: np.ndarray) -> None:
    sources = set()
    for key, step in MOVES:
        press(steps, key, step)
        pictures, maps, bars = steps.run(
            f"const d = {PLOT}.data, of = type => d.filter(t => t.type === type);"
            "return [of('image').map(t => t.source), of('heatmap').map(t => [...t.z].map(row => [...row])),"
            " [...d[4].x]]"
        )
        sources |= set(pictures)
        np.testing.assert_allclose(bars, answers[step], atol=5.1e-4)
        for found, category in zip(maps, (1, 2), strict=True):
            np.testing.assert_allclose(found, said[step, :, category].reshape(ROWS, COLUMNS), atol=5.1e-4)
    assert len(sources) == 2 * len(MOVES)
    assert steps.problems() == []


def boxes(browser: Browser, selector: str) -> list[dict]:
    return browser.run(
        "return [...document.querySelectorAll(arguments[0])].map(e => e.getBoundingClientRect().toJSON())", selector
    )


@pytest.mark.parametrize("width", [1280, 375])
def test_titles_and_labels_stand_apart_and_on_the_page(figures: Browser, width: int) -> None:
    open_figure(figures, "steps", (width, 900))
    titles = boxes(figures, ".annotation-text, .gtitle, .cbtitle text")
    labels = boxes(figures, ".scatterlayer text")
    assert (len(titles), len(labels)) == (7, len(CATEGORIES))
    for box in titles + labels:
        assert box["left"] >= 0
        assert box["right"] <= width
    for i, a in enumerate(titles):
        for b in titles[:i]:
            apart = a["left"] >= b["right"] or b["left"] >= a["right"] or a["top"] >= b["bottom"]
            assert apart or b["top"] >= a["bottom"], (a, b)


def test_maps_are_square_cells_below_their_image(steps: Browser) -> None:
    image, perturbation, before, after = (
        steps.run(
            f"const l = {PLOT}._fullLayout; return [l['xaxis' + arguments[0]], l['yaxis' + arguments[0]]]"
            ".map(axis => [axis._offset, axis._length])",
            number,
        )
        for number in ("", "2", "4", "5")
    )
    assert image[0][1] == pytest.approx(image[1][1], abs=1)
    for (_, width), (_, height) in (before, after):
        assert width / COLUMNS == pytest.approx(height / ROWS, abs=1)
    for above, below in ((image, before), (perturbation, after)):
        assert above[0][0] + above[0][1] / 2 == pytest.approx(below[0][0] + below[0][1] / 2, abs=1)


# All regions along an attack


def test_of_many_steps_the_first_the_weakest_and_the_last_are_told(figures: Browser, h: np.ndarray) -> None:
    depth = open_figure(figures, "depth")
    strength = np.linalg.norm(h[:, 1, 2], axis=1)
    least = strength.argmin()
    assert 0 < least < STEPS - 1
    told = depth.run("return document.querySelector('.nbh-told').textContent")
    assert told == (
        f"image 2 (ankle boot), row 1, column 3: strength {strength[0]:.2f} at step 0, least {strength[least]:.2f} at "
        f"step {least}, {strength[-1]:.2f} at step {STEPS - 1}."
    )


# All of them


@pytest.mark.parametrize("page", ["paths", "steps"])
def test_ink_follows_the_theme(figures: Browser, page: str) -> None:
    open_figure(figures, page)
    ink = f"{PLOT}._fullLayout.font.color"
    names = f"{PLOT}._fullData.filter(t => t.textfont && t.mode?.includes('text')).map(t => t.textfont.color)"
    light = figures.run(f"return {ink}")
    assert set(figures.run(f"return {names}")) == {light}
    figures.run("document.documentElement.dataset.theme = 'dark'")
    figures.wait(f"{ink} !== '{light}'")
    assert set(figures.run(f"return {names}")) == {figures.run(f"return {ink}")}
    figures.run("document.documentElement.dataset.theme = 'light'")
    figures.wait(f"{ink} === '{light}'")


@pytest.mark.parametrize("page", ["paths", "steps", "depth"])
def test_nothing_is_wider_than_a_phone(figures: Browser, page: str) -> None:
    open_figure(figures, page, (375, 800))
    figures.run("for (const details of document.querySelectorAll('details')) details.open = true")
    assert figures.run("return document.scrollingElement.scrollWidth") <= 375
