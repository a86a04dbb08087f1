"""The built site, served from this machine, and a browser that can reach nothing else."""

import functools
import os
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from browser import Browser, start
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*parse_toc_yaml(ROOT / "book" / "_toc.yml"), "genindex", "search"]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


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
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


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
