"""The PDFs of the chapters, as `make pdf` prints them."""

import json
from pathlib import Path

import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup
from conftest import PAGES, ROOT
from pypdf import PdfReader

CHAPTERS = [page for page in PAGES if page.startswith("chapters/")]


@pytest.fixture(scope="module", params=CHAPTERS)
def chapter(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def pdf(chapter: str, site: Path) -> PdfReader:
    return PdfReader(site / "_pdf" / f"{Path(chapter).name}.pdf")


@pytest.fixture(scope="module")
def text(pdf: PdfReader) -> str:
    return " ".join(" ".join(page.extract_text() for page in pdf.pages).split())


def test_button_of_the_page_leads_to_it(chapter: str, site: Path) -> None:
    page = BeautifulSoup((site / f"{chapter}.html").read_text(encoding="utf-8"), "html.parser")
    assert f"../_pdf/{Path(chapter).name}.pdf" in {link["href"] for link in page.select(".dropdown-download-buttons a")}


def test_it_holds_the_chapter_from_its_title_to_its_take_aways(chapter: str, text: str) -> None:
    notebook = nbformat.read(ROOT / "book" / f"{chapter}.ipynb", as_version=4)
    title = notebook.cells[0].source.split("\n")[0].removeprefix("# ")
    assert title in text
    for heading in ("The question", "Exercises", "Quiz", "Take-aways"):
        assert heading in text


def test_hints_answers_and_solutions_are_unfolded(chapter: str, text: str) -> None:
    notebook = nbformat.read(ROOT / "book" / f"{chapter}.ipynb", as_version=4)
    markdown = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert text.count("Right. ") >= markdown.count("\nRight. ") >= 3
    assert text.count("Solution to Exercise") >= markdown.count("{solution-start}") >= 4


def test_figures_are_printed_as_pictures(chapter: str, pdf: PdfReader, site: Path) -> None:
    """A canvas that the browser did not keep is empty: as many large pictures as 3-D figures have many colours."""
    colours = [
        len(np.unique(np.asarray(picture.image.convert("RGB").resize((64, 64))).reshape(-1, 3), axis=0))
        for page in pdf.pages
        for picture in page.images
        if picture.image.width > 300 and picture.image.height > 300
    ]
    page = BeautifulSoup((site / f"{chapter}.html").read_text(encoding="utf-8"), "html.parser")
    data = [json.loads(script.string) for script in page.select('.nbh-figure > script[type="application/json"]')]
    scenes = [figure for figure in data if "scene" in figure["layout"]]
    assert sum(found > 20 for found in colours) >= len(scenes)
