"""JupyterLab with a real kernel, served from this machine to a browser that can reach nothing else."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, start
from lab_serving import serve_lab

BOOK = Path(__file__).resolve().parents[2] / "book"


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker("lab")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the book, for JupyterLab to change."""
    away = shutil.ignore_patterns("_build", ".ipynb_checkpoints")
    return shutil.copytree(BOOK, tmp_path_factory.mktemp("lab") / "book", ignore=away)


@pytest.fixture(scope="session")
def browser(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Headless Chromium that reaches nothing but a JupyterLab in `folder`."""
    with serve_lab(folder, tmp_path_factory.mktemp("jupyter")) as address, start(address) as browser:
        yield browser
