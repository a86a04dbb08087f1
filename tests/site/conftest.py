"""The built site, served from this machine, and a browser that can reach nothing else."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, start
from serving import serve
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*parse_toc_yaml(ROOT / "book" / "_toc.yml"), "genindex", "search"]


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker("browser")


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site: what `make test` builds, or the one that the variable SITE names."""
    folder = Path(os.environ.get("SITE") or ROOT / "build" / "book" / "_build" / "html").resolve()
    if not (folder / "index.html").is_file():
        pytest.fail(
            f"no built site in {folder}: run `make test-notebooks` first, or `SITE=book/_build/html` after `make book`"
        )
    return folder


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Where the site is served, such as http://127.0.0.1:40123/."""
    with serve(site) as address:
        yield address


@pytest.fixture(scope="session")
def browser(address: str) -> Iterator[Browser]:
    """Headless Chromium that reaches nothing but `address`: `browser.open("intro")`; `browser.driver` is selenium's."""
    with start(address) as browser:
        yield browser


@pytest.fixture(params=[(1280, 900), (375, 800)], ids=["wide", "narrow"])
def screen(request: pytest.FixtureRequest) -> tuple[int, int]:
    """Width and height of the window in CSS pixels."""
    return request.param


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest) -> str:
    """Every page of the book in turn, such as "chapters/01_samples"."""
    return request.param
