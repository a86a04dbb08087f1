"""Every figure in words and numbers: a sentence, a table that a reader can take in, and a name for each image."""

from collections.abc import Callable

import numpy as np
import pytest
from bs4 import BeautifulSoup
from pictured import pictured

from nbhelpers import show

STEPS, COUNT, GRID = 5, 30, (2, 3)
REGIONS = GRID[0] * GRID[1]
CATEGORIES = [f"category {c}" for c in range(10)]
LABELS = np.arange(COUNT) % 10
NAMES = ["0", "0.5", "1", "10", "40"]
RNG = np.random.default_rng(0)
MU = RNG.normal(size=(10, 3))
H = RNG.normal(size=(STEPS, COUNT, REGIONS, 3))
IMAGES = pictured(LABELS, CATEGORIES, RNG.integers(0, 256, (COUNT, 3, 8, 12), dtype=np.uint8))
FOUR = IMAGES.subset(range(4))
SAID = RNG.dirichlet(np.ones(10), (STEPS, 1 + REGIONS))
PATH = 0.5 + np.linspace(0, 0.1, STEPS)[:, None, None, None] * RNG.choice([-1, 1], (3, 8, 12))
ALT = "What it shows."

FIGURES: dict[str, Callable[[], show.Figure | show.Picture]] = {
    "sample_space": lambda: show.sample_space(H[0, :, 0], IMAGES, MU, alt=ALT),
    "sample_space of few points": lambda: show.sample_space(H[0, :4, 0], FOUR, MU, alt=ALT),
    "sample_space along": lambda: show.sample_space(
        H[:, :, 0], IMAGES, MU, step_labels=NAMES, thumbnails=True, alt=ALT
    ),
    "emergence": lambda: show.emergence(
        range(STEPS),
        np.linalg.norm(H[:, :, 0], axis=-1),
        IMAGES,
        accuracy=np.linspace(0, 1, STEPS),
        alt=ALT,
    ),
    "kappa_slider": lambda: show.kappa_slider({"1": lambda strength: strength, "2": np.sqrt}, alt=ALT),
    "region_clouds": lambda: show.region_clouds(H, IMAGES, MU, step_labels=NAMES, alt=ALT),
    "region_depth": lambda: show.region_depth(dict(zip(NAMES, H[:, :4], strict=True)), FOUR, MU, GRID, alt=ALT),
    "region_paths": lambda: show.region_paths(
        H[:, :4], FOUR, MU, GRID, [("direct", 0, 1, 2), ("rebuilt", 3, 5, 0)], alt=ALT
    ),
    "map_browser": lambda: show.map_browser(
        FOUR,
        {"w": RNG.random((4, REGIONS)), "phi": RNG.random((4, REGIONS))},
        GRID,
        ["a", "b", "c", "d"],
        alt=ALT,
    ),
    "attack_steps": lambda: show.attack_steps(PATH, SAID[:, 0], SAID[:, 1:], 1, 2, CATEGORIES, GRID, eps=0.1, alt=ALT),
}


@pytest.fixture(params=FIGURES)
def page(request: pytest.FixtureRequest) -> BeautifulSoup:
    return BeautifulSoup(FIGURES[request.param]().html(), "html.parser")


def test_the_sentence_is_told_once(page: BeautifulSoup) -> None:
    texts = [text for text in page.find_all(string=True) if text.strip() == ALT]
    named = [tag for tag in page.find_all(True) if ALT in (tag.get("aria-label"), tag.get("alt"))]
    assert len(texts) + len(named) == 1
    assert not any(parent.get("aria-hidden") for text in texts for parent in text.parents)


def test_its_numbers_are_a_table_that_a_reader_can_take_in(page: BeautifulSoup) -> None:
    table = page.find(class_="nbh-numbers").find("table")
    assert len(table.caption.string) > 20
    headers = [th.string for th in table.thead.find_all("th")]
    assert all(headers)
    assert len(set(headers)) == len(headers)
    rows = table.tbody.find_all("tr")
    assert 2 <= len(rows) <= 40
    for row in rows:
        first, *rest = row.find_all(["th", "td"])
        assert (first.name, first["scope"]) == ("th", "row")
        assert len(rest) == len(headers) - 1
        assert all(cell.get_text().strip() not in ("", "nan") for cell in (first, *rest))


def test_its_numbers_say_what_changes_from_step_to_step(page: BeautifulSoup) -> None:
    slider = page.find("input", type="range")
    if slider is None:
        return
    steps = int(slider["max"]) + 1
    table = page.find(class_="nbh-numbers").find("table")
    told = max(len(table.thead.find_all("th")), len(table.tbody.find_all("tr")))
    ways = table.find("th", string=lambda text: text and text.endswith("start, least, end"))
    assert told >= steps or ways


def test_every_image_has_words(page: BeautifulSoup) -> None:
    assert all(image["alt"].strip() for image in page.find_all("img"))
    assert all(tag["src"] for tag in page.find_all("img"))
