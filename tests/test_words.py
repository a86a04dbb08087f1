"""Words are tested like code: no number and no comparison in a chapter stands there without something that holds it."""

from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from words import unguarded, unheld

BOOK = Path(__file__).resolve().parents[1] / "book"
PAGES = [*sorted((BOOK / "chapters").glob("*.ipynb")), *sorted((BOOK / "appendices").glob("*.ipynb"))]


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_number_in_a_sentence_is_held(path: Path) -> None:
    assert unheld(read(path)) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_comparison_has_an_assertion_beside_it(path: Path) -> None:
    assert unguarded(read(path)) == []


@pytest.mark.parametrize(
    ("chapter", "true", "false"),
    [
        ("01_samples", "between 11° (trouser) and 28° (shirt)", "between 11° (trouser) and 58° (shirt)"),
        ("02_regions", "0.82 within a category", "0.62 within a category"),
        ("04_attacks", "p falls from 0.20 to 0.04", "p falls from 0.20 to 0.09"),
    ],
)
def test_a_number_made_false_is_listed(chapter: str, true: str, false: str) -> None:
    notebook = read(BOOK / "chapters" / f"{chapter}.ipynb")
    cell = next(cell for cell in notebook.cells if cell.cell_type == "markdown" and true in cell.source)
    cell.source = cell.source.replace(true, false)
    (fault,) = unheld(notebook)
    assert false[-15:] in fault or false[:15] in fault


def small(*cells: tuple[str, str]) -> NotebookNode:
    make = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    return nbformat.v4.new_notebook(cells=[make[kind](source) for kind, source in cells])


def test_what_holds_a_number() -> None:
    said = "In 41 % of the images, and in Fig. 7 of chapter 3, `n = 9` and $x = 5$: 8 × 8 regions."
    for guard in (
        "assert abs(share - 0.41) < 0.01",
        "assert 0.4 < share < 0.45",
        "assert share.between(0.4, 0.43).all()",
    ):
        assert unheld(small(("markdown", said), ("code", guard))) == []
    for guard in ("", "assert share < 0.5", "assert 0.1 < share < 0.5", "assert 0.42 < share < 0.45"):
        (fault,) = unheld(small(("markdown", said), ("code", guard)))
        assert fault.startswith("cell 0: 41 in 'In 41 % of the images")
    far = [("code", "assert share == 0.41"), *[("markdown", "And so on.")] * 9, ("markdown", said)]
    assert len(unheld(small(*far))) == 1


def test_what_guards_a_comparison() -> None:
    said = "They fall. Shirts are the weakest of all: no other is. Which is the strongest?"
    assert unguarded(small(("markdown", said), ("code", "x = 1"))) == [
        "cell 0: They fall.",
        "cell 0: Shirts are the weakest of all:",
    ]
    assert unguarded(small(("markdown", said), ("code", "assert weakest == shirt"))) == []
    predicted = ":::{admonition} Predict\n:class: note\nIs 17 more than 4?\n:::"
    exercise = "## Exercises\n\nThe best of 99."
    untested = small(("markdown", predicted), ("markdown", exercise))
    assert unguarded(untested) == [] == unheld(untested)
