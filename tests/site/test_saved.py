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

from nbhelpers import show

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


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    for name in MOVING:
        FIGURES[name]().save(folder / f"{name}.html")
    show.Explore(lambda which: FIGURES[which](), which=["sample_space", "kappa_slider"]).save(folder / "explore.html")
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
