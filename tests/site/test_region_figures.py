"""The figures of regions on a page of their own: clouds that move, and a region picked by mouse, keyboard or point."""

from collections.abc import Iterator

import numpy as np
import pytest
from browser import PATIENCE, Browser
from moving import PLOT, open_figure, press
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from serving import PAGE, browse

from nbhelpers import ImageSet, show

LAYERS = ("conv_12", "conv_33", "conv_53")
CATEGORIES = ("bag", "boot", "bag")  # of the first three images
ROWS, COLUMNS = 3, 4


@pytest.fixture(scope="module")
def along() -> np.ndarray:
    """Regional features of 6 images at 3 checkpoints, all zero at the first."""
    h = np.random.default_rng(0).normal(size=(3, 6, 12, 3)) * np.arange(3)[:, None, None, None]
    return h.round(3)


@pytest.fixture(scope="module")
def layers() -> dict[str, np.ndarray]:
    """Regional features of 3 images at 3 layers."""
    rng = np.random.default_rng(1)
    return {layer: rng.normal(size=(3, ROWS * COLUMNS, 3)).round(3) for layer in LAYERS}


@pytest.fixture(scope="module")
def figures(
    along: np.ndarray, layers: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    """Pages "clouds" and "depth"."""
    directions = [[0, 0, 1], [1, 0, 0]]
    pixels = np.random.default_rng(2).integers(0, 256, (6, 3, 24, 32), dtype=np.uint8)
    images = ImageSet(pixels, np.arange(6) % 2, ("bag", "boot"), "held_out")
    clouds = show.region_clouds(along, images, directions, step_labels=["0", "1", "10"], alt="Two clouds.")
    depth = show.region_depth(
        layers,
        images.subset(range(3)),
        directions,
        (ROWS, COLUMNS),
        picked=(1, 6),
        alt="Points leave the centre.",
    )
    pages = {name: PAGE.format(body=figure.html()) for name, figure in {"clouds": clouds, "depth": depth}.items()}
    with browse(pages, tmp_path_factory.mktemp("figures")) as browser:
        yield browser


@pytest.fixture
def clouds(figures: Browser) -> Browser:
    return open_figure(figures, "clouds")


@pytest.fixture
def depth(figures: Browser) -> Browser:
    return open_figure(figures, "depth")


def cell(browser: Browser, image: int, row: int, column: int) -> WebElement:
    """A region on its image; all are counted from 1, as in its name."""
    name = f"image {image} ({CATEGORIES[image - 1]}), row {row}, column {column}"
    return browser.driver.find_element(By.CSS_SELECTOR, f'[aria-label="{name}"]')


def picked(browser: Browser) -> list[str]:
    return browser.run(
        "return [...document.querySelectorAll('[aria-selected=true]')].map(cell => cell.getAttribute('aria-label'))"
    )


def trace(browser: Browser, name: str) -> list[list[float]]:
    """The points of one trace, such as "picked" (the mark) or "the picked region" (the line)."""
    return browser.run(
        f"const t = {PLOT}.data.find(t => t.name === arguments[0]); return [...t.x].map((x, i) => [x, t.y[i], t.z[i]])",
        name,
    )


def followed(browser: Browser, layers: dict[str, np.ndarray], image: int, row: int, column: int, layer: int) -> None:
    """Text, line and mark are those of one region, at one layer; counted from 1, but the layer from 0."""
    path = [h[image - 1, (row - 1) * COLUMNS + column - 1] for h in layers.values()]
    strengths = ", ".join(f"{np.linalg.norm(h):.2f} at {name}" for name, h in zip(layers, path, strict=True))
    told = f"image {image} ({CATEGORIES[image - 1]}), row {row}, column {column}: strength {strengths}."
    browser.wait(f"document.querySelector('.nbh-told').textContent === '{told}'")
    assert np.array_equal(trace(browser, "the picked region"), path)
    assert np.array_equal(trace(browser, "picked"), path[layer : layer + 1])


# Fig. 3


def test_slider_moves_points_and_clouds(clouds: Browser, along: np.ndarray) -> None:
    size = f"return Math.max(...{PLOT}.data.filter(t => t.type === 'mesh3d').flatMap(t => [...t.x].map(Math.abs)))"
    before = clouds.run(size)
    for key, step in ((Keys.HOME, 0), (Keys.ARROW_RIGHT, 1), (Keys.END, 2)):
        press(clouds, key, step)
        drawn = [tuple(point) for name in ("bag", "boot") for point in trace(clouds, name)]
        assert set(drawn) <= {tuple(h) for h in along[step].reshape(-1, 3).tolist()}
        assert len(drawn) == 72
        assert (clouds.run(size) == 0) == (step == 0)
    assert clouds.run(size) == before
    assert clouds.problems() == []


def test_a_name_in_the_legend_hides_points_cloud_and_arrow(clouds: Browser) -> None:
    def visible() -> list[bool]:
        return clouds.run(f"return {PLOT}._fullData.filter(t => t.legendgroup === 'bag').map(t => t.visible === true)")

    assert visible() == [True] * 3
    toggle = clouds.driver.find_element(By.CSS_SELECTOR, ".legendtoggle")
    ActionChains(clouds.driver).move_to_element(toggle).click().perform()
    clouds.wait(f"{PLOT}._fullData[0].visible === 'legendonly'")
    assert visible() == [False] * 3


# Fig. 4


def test_the_first_region_is_told_marked_and_outlined(depth: Browser, layers: dict[str, np.ndarray]) -> None:
    assert picked(depth) == ["image 2 (boot), row 2, column 3"]
    followed(depth, layers, 2, 2, 3, layer=2)
    assert cell(depth, 2, 2, 3).value_of_css_property("outline-style") == "solid"
    assert cell(depth, 2, 2, 2).value_of_css_property("outline-style") == "none"
    assert depth.problems() == []


def test_hovering_shows_a_region_and_clicking_keeps_it(depth: Browser, layers: dict[str, np.ndarray]) -> None:
    mouse = ActionChains(depth.driver)
    mouse.move_to_element(cell(depth, 3, 1, 4)).perform()
    followed(depth, layers, 3, 1, 4, layer=2)
    assert picked(depth) == ["image 2 (boot), row 2, column 3"]
    mouse.move_to_element(depth.driver.find_element(By.CSS_SELECTOR, ".nbh-hint")).perform()
    followed(depth, layers, 2, 2, 3, layer=2)
    mouse.click(cell(depth, 3, 1, 4)).perform()
    mouse.move_to_element(depth.driver.find_element(By.CSS_SELECTOR, ".nbh-hint")).perform()
    assert picked(depth) == ["image 3 (bag), row 1, column 4"]
    followed(depth, layers, 3, 1, 4, layer=2)
    assert depth.problems() == []


def test_the_slider_carries_the_mark_of_the_picked_region(depth: Browser, layers: dict[str, np.ndarray]) -> None:
    cell(depth, 1, 3, 1).click()
    press(depth, Keys.HOME, 0)
    followed(depth, layers, 1, 3, 1, layer=0)
    cell(depth, 1, 3, 2).click()
    followed(depth, layers, 1, 3, 2, layer=0)
    press(depth, Keys.ARROW_RIGHT, 1)
    followed(depth, layers, 1, 3, 2, layer=1)


def test_a_region_is_picked_with_the_keyboard_alone(depth: Browser, layers: dict[str, np.ndarray]) -> None:
    def press(*keys: str) -> str:
        ActionChains(depth.driver).send_keys(*keys).perform()
        return depth.driver.switch_to.active_element.get_attribute("aria-label")

    depth.driver.find_element(By.CSS_SELECTOR, ".nbh-controls input").send_keys("")
    assert press(Keys.TAB) == "image 1 (bag), row 1, column 1"
    assert press(Keys.TAB) == "image 2 (boot), row 2, column 3"
    assert press(Keys.ARROW_UP, Keys.ARROW_UP) == "image 2 (boot), row 1, column 3"  # stays inside
    assert press(Keys.END) == "image 2 (boot), row 1, column 4"
    assert press(Keys.HOME, Keys.ARROW_DOWN) == "image 2 (boot), row 2, column 1"
    followed(depth, layers, 2, 2, 1, layer=2)
    assert picked(depth) == ["image 2 (boot), row 2, column 3"]
    ring = depth.driver.switch_to.active_element
    assert ring.value_of_css_property("outline-style") == "solid"
    press(Keys.ENTER)
    assert picked(depth) == ["image 2 (boot), row 2, column 1"]
    assert press(Keys.TAB) == "image 3 (bag), row 1, column 1"
    ActionChains(depth.driver).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()
    assert press() == "image 2 (boot), row 2, column 1"  # where the reader was


PLACE = f"""const plot = {PLOT}, scene = plot._fullLayout.scene._scene, {{canvas, selection}} = scene.glplot;
function place(at) {{
  const {{model, view, projection}} = scene.glplot.cameraParams, box = canvas.getBoundingClientRect();
  const [x, y, , w] = [model, view, projection].reduce(
    (v, m) => [0, 1, 2, 3].map(row => v.reduce((sum, n, column) => sum + m[4 * column + row] * n, 0)), [...at, 1]);
  return [box.x + box.width * (1 + x / w) / 2, box.y + box.height * (1 - y / w) / 2];
}}
"""


def click_on_point(browser: Browser, image: int, region: int) -> None:
    """A click where a point is drawn, held until it has picked: plotly looks at the mouse only while it draws."""
    number, index = browser.run(
        f"const wanted = c => c[0] === {image} && c[1] === {region};"
        f"return {PLOT}.data.map((t, n) => [n, (t.customdata ?? []).findIndex(wanted)]).find(found => found[1] >= 0)"
    )
    at = "['x', 'y', 'z'].map((key, i) => plot.data[arguments[0]][key][arguments[1]] * scene.dataScale[i])"
    x, y = map(round, browser.run(f"{PLACE} return place({at})", number, index))
    met = "return selection.object?._trace.data.index === arguments[0] && selection.data.index === arguments[1]"

    def point(_: object) -> bool:
        mouse = ActionChains(browser.driver, duration=0)
        for aside in (2, 0):  # a mouse that stays tells nothing
            mouse.w3c_actions.pointer_action.move_to_location(x + aside, y)
        mouse.perform()
        return browser.run(f"{PLACE} {met}", number, index)

    WebDriverWait(browser.driver, PATIENCE).until(point)
    ActionChains(browser.driver, duration=0).click_and_hold().perform()
    browser.wait(f"document.querySelector('[aria-selected=true]').dataset.at === '{image},{region}'")
    ActionChains(browser.driver, duration=0).release().perform()


def test_a_click_on_a_point_picks_its_region(depth: Browser, layers: dict[str, np.ndarray]) -> None:
    # The two strongest regions stand alone: no other point lies before them.
    strengths = np.linalg.norm(layers["conv_53"], axis=-1)
    for place in np.argsort(strengths.ravel())[:-3:-1]:
        image, region = divmod(int(place), ROWS * COLUMNS)
        click_on_point(depth, image, region)
        followed(depth, layers, image + 1, region // COLUMNS + 1, region % COLUMNS + 1, layer=2)
    assert depth.problems() == []


# The mouse on the last stretch of the first line with a mode: `meet()` moves it there to and fro, as a mouse that stays
# tells nothing, and says what it met.
MEET = f"""{PLACE}
const line = scene.traces[plot._fullData.find(t => t.mode === arguments[0]).uid].linePlot;
const last = line.points.findLastIndex((end, i) => i && [...end, ...line.points[i - 1]].every(isFinite));
const [x, y] = place([0, 1, 2].map(i => 0.2 * line.points[last - 1][i] + 0.8 * line.points[last][i]));
let aside = 0;
window.meet = () => {{
  aside = 1 - aside;
  canvas.dispatchEvent(new MouseEvent("mousemove", {{clientX: x + aside, clientY: y, bubbles: true}}));
  return selection.object !== line ? "nothing" : selection.data.arcLength < line.arcLength.at(-1) ? "line" : "end";
}};
"""
SHORTEN = f"Plotly.restyle({PLOT}, {{x: [[50]], y: [[50]], z: [[50]]}}, [0]); return window.meet()"


@pytest.mark.parametrize("mode", ["lines+markers", "lines+text"], ids=["the picked region", "an arrow"])
def test_a_line_that_becomes_shorter_under_the_mouse_stops_nothing(depth: Browser, mode: str) -> None:
    """The unit is the reach of all points. Until plotly has read what it drew last, the mouse meets what was before."""
    depth.run(MEET, mode)
    depth.wait("window.meet() === 'line'")
    assert depth.run(SHORTEN) == "end"
    depth.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    assert depth.problems() == []


def test_a_click_on_the_line_picks_nothing(depth: Browser) -> None:
    depth.run(f"{PLOT}.emit('plotly_click', {{points: [{{}}]}})")
    depth.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    assert picked(depth) == ["image 2 (boot), row 2, column 3"]
    assert depth.problems() == []


def test_regions_are_grids_that_a_screen_reader_knows(depth: Browser) -> None:
    tree = depth.run(
        "return [...document.querySelectorAll('[role=grid]')].map(grid => [grid.getAttribute('aria-label'),"
        " [...grid.children].map(row => [row.getAttribute('role'), row.querySelectorAll('[role=gridcell]').length]),"
        " grid.querySelectorAll('[tabindex=\"0\"]').length])"
    )
    rows = [["row", COLUMNS]] * ROWS
    assert tree == [[f"image {i} ({c})", rows, 1] for i, c in ((1, "bag"), (2, "boot"), (3, "bag"))]


def test_regions_lie_over_their_image(depth: Browser) -> None:
    image = depth.driver.find_element(By.CSS_SELECTOR, ".nbh-strip img").rect
    first, last = cell(depth, 1, 1, 1).rect, cell(depth, 1, ROWS, COLUMNS).rect
    assert (first["x"], first["y"]) == pytest.approx((image["x"], image["y"]), abs=1)
    assert last["x"] + last["width"] == pytest.approx(image["x"] + image["width"], abs=1)
    assert last["y"] + last["height"] == pytest.approx(image["y"] + image["height"], abs=1)


def test_the_mark_is_written_in_the_ink_of_the_page(depth: Browser) -> None:
    ink = f"{PLOT}._fullData.find(t => t.name === 'picked').marker.color"
    light = depth.run(f"return {ink}")
    depth.run("document.documentElement.dataset.theme = 'dark'")
    depth.wait(f"{ink} !== '{light}'")
    depth.run("document.documentElement.dataset.theme = 'light'")
    depth.wait(f"{ink} === '{light}'")


@pytest.mark.parametrize("page", ["clouds", "depth"])
def test_nothing_is_wider_than_a_phone(figures: Browser, page: str) -> None:
    open_figure(figures, page, (375, 800))
    figures.run("for (const details of document.querySelectorAll('details')) details.open = true")
    assert figures.run("return document.scrollingElement.scrollWidth") <= 375
