"""Figures that were saved, in a browser: pages from the disk that ask for nothing, and still pictures."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, start
from every_figure import every_figure
from moving import FIGURE, PLOT
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from nbhelpers import ImageSet, show

MANY = [f"{c:02d} <i>kind</i>" for c in range(38)] + ["Élan", "éland"]
NAMES = ["</script><script>window.pwned = 1</script>", "R&D $x$", "boot"]
FIGURES = every_figure(NAMES)
MOVING = [
    "attack_steps",
    "kappa_slider",
    "map_browser",
    "region_clouds",
    "region_depth",
    "region_paths",
    "sample_space",
]


def many() -> show.Figure:
    """Two images of each of forty categories, at two steps, each where its number says."""
    labels = np.repeat(np.arange(40), 2)
    g = np.stack([np.stack([labels + 1.0, labels % 2, np.full(80, s)], axis=1) for s in (1.0, 2.0)])
    mu = np.random.default_rng(0).normal(size=(40, 3))
    images = ImageSet(np.zeros((80, 3, 8, 8), np.uint8), labels, tuple(MANY), "held_out")
    return show.sample_space(g, images, mu, step_labels=["a", "b"], alt="Forty kinds.")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    for name in MOVING:
        FIGURES[name]().save(folder / f"{name}.html")
    show.Explore(lambda which: FIGURES[which](), which=["sample_space", "kappa_slider"]).save(folder / "explore.html")
    many().save(folder / "many.html")
    mu = np.random.default_rng(0).normal(size=(40, 3))
    show.neighbours(mu, np.eye(40), MANY, alt="Forty kinds.").save(folder / "neighbours.html")
    return folder


@pytest.fixture(scope="module")
def disk(pages: Path) -> Iterator[Browser]:
    """A browser that opens files, and reaches no network."""
    with start(f"{pages.as_uri()}/") as browser:
        yield browser


def open_saved(disk: Browser, name: str, scheme: str = "light") -> None:
    disk.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    disk.open(name, (375, 800))
    disk.draw_figures()


@pytest.mark.parametrize("name", [*MOVING, "explore"])
def test_a_saved_page_is_drawn_from_the_disk_alone(disk: Browser, name: str) -> None:
    open_saved(disk, name)
    assert disk.run("return window.pwned ?? null") is None
    assert disk.run("return document.documentElement.scrollWidth") <= 375
    assert disk.problems() == []


def test_its_slider_moves(disk: Browser) -> None:
    open_saved(disk, "sample_space")
    before = disk.run(f"return {PLOT}.data[0].x")
    disk.driver.find_element(By.CSS_SELECTOR, ".nbh-controls input").send_keys(Keys.HOME)
    disk.wait(f"{FIGURE}.dataset.step === '0'")
    assert disk.run(f"return {PLOT}.data[0].x") != before


def test_its_regions_are_picked(disk: Browser) -> None:
    open_saved(disk, "region_depth")
    disk.run("document.querySelectorAll('.nbh-regions button')[3].click()")
    disk.wait("document.querySelector('.nbh-told').textContent.includes('row 2, column 2')")


def test_its_menu_exchanges_the_figure(disk: Browser) -> None:
    open_saved(disk, "explore")
    disk.run(
        "const menu = document.querySelector('select'); menu.selectedIndex = 1; menu.dispatchEvent(new Event('change'))"
    )
    disk.wait("document.querySelector('.nbh-chosen .nbh-figure')?.dataset.state === 'ready'")
    assert disk.problems() == []


@pytest.mark.parametrize(("scheme", "ink"), [("light", "#23272f"), ("dark", "#e3e6ea")])
def test_it_is_light_or_dark_as_the_system_is(disk: Browser, scheme: str, ink: str) -> None:
    open_saved(disk, "kappa_slider", scheme)
    assert disk.run(f"return {PLOT}._fullLayout.font.color") == ink


@pytest.mark.parametrize(("name", "height"), [("sample_space", 588), ("kappa_slider", 628)])
def test_a_still_picture_is_drawn_by_a_browser(name: str, height: int, tmp_path: Path) -> None:
    FIGURES[name]().save(tmp_path / "x.png")
    image = Image.open(tmp_path / "x.png")
    assert image.size == (1400, 2 * height)
    assert image.text["Description"] == "What it shows."
    pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    blue = (np.abs(pixels.astype(int) - [63, 144, 218]).max(axis=1) < 8).sum()
    assert blue > 300  # an arrow, a point or a curve
    FIGURES[name]().save(tmp_path / "x.svg")
    assert "<desc>What it shows.</desc>" in (tmp_path / "x.svg").read_text(encoding="utf-8")


def seek(disk: Browser, text: str) -> tuple[str, list, list]:
    """Write into the field: what is told, and where points and name of what is found stand."""
    field = disk.driver.find_element(By.CSS_SELECTOR, ".nbh-find input")
    disk.run(f"delete {FIGURE}.dataset.found")
    disk.run("arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))", field, text)
    disk.wait(f"'found' in {FIGURE}.dataset")
    told = disk.driver.find_element(By.CSS_SELECTOR, ".nbh-find output").text
    traces = disk.run(f"return {PLOT}.data.slice(-2).map(trace => [trace.x, trace.y, trace.z, trace.text])")
    return told, traces[0][:3], traces[1][3]


def test_a_category_among_many_is_found_by_its_name(disk: Browser) -> None:
    open_saved(disk, "many")
    told, points, name = seek(disk, "07 <i>kind</i>")
    assert told == "07 <i>kind</i>: its arrow and 2 points"
    assert points == [[8, 8], [1, 1], [2, 2]]
    assert name[3] == "07 <\u2060i>kind<\u2060/i>"
    assert seek(disk, "elan")[0] == "Élan: its arrow and 2 points"  # two begin so: one is it
    assert seek(disk, "39")[:2] == ("no categories have this in their name", [[], [], []])
    assert seek(disk, "kind")[0] == "38 categories have this in their name"
    told, points, _ = seek(disk, "éland")
    assert points == [[40, 40], [1, 1], [2, 2]]
    disk.driver.find_element(By.CSS_SELECTOR, ".nbh-controls input").send_keys(Keys.HOME)
    disk.wait(f"{FIGURE}.dataset.step === '0'")
    assert disk.run(f"return {PLOT}.data.at(-2).z") == [1, 1]  # what is found moves, too
    assert disk.run("return document.querySelectorAll('datalist option').length") == 40
    assert disk.problems() == []


def test_a_long_table_shows_the_rows_that_are_searched(disk: Browser) -> None:
    open_saved(disk, "neighbours")
    disk.run("document.querySelector('details').open = true")
    disk.driver.find_element(By.CSS_SELECTOR, ".nbh-rows input").send_keys("Elan")
    shown = (
        "return [...document.querySelectorAll('tbody tr')].filter(row => row.offsetHeight).map(row => row.innerText)"
    )
    rows = disk.run(shown)
    assert 2 <= len(rows) < 20  # those of the two, and of their neighbours
    assert all("lan" in row for row in rows)
    assert disk.driver.find_element(By.CSS_SELECTOR, ".nbh-rows output").text == f"{len(rows)} of 40 rows"
    disk.driver.find_element(By.CSS_SELECTOR, ".nbh-rows input").send_keys("\ue003" * 4)  # backspace
    assert len(disk.run(shown)) == 40
    assert disk.problems() == []
