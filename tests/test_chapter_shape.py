"""Every chapter, and the template of new ones, has one shape; a chapter that lacks something is told so."""

import copy
from pathlib import Path

import nbformat
import pytest
from chapter_shape import exercises, faults
from nbformat import NotebookNode

BOOK = Path(__file__).resolve().parents[1] / "book"
TEMPLATE = BOOK / "about" / "template.ipynb"
CHAPTERS = [*sorted((BOOK / "chapters").glob("*.ipynb")), TEMPLATE]


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_has_the_shape(path: Path) -> None:
    assert faults(read(path)) == []


def test_labels_of_exercises_are_unique_in_the_book() -> None:
    labels = [exercise.label for path in CHAPTERS for exercise in exercises(read(path))]
    assert len(labels) == len(set(labels)) > 24


def replaced(notebook: NotebookNode, old: str, new: str) -> NotebookNode:
    """A copy in which the first cell that holds ``old`` has ``new`` in its place."""
    changed = copy.deepcopy(notebook)
    cell = next(cell for cell in changed.cells if old in cell.source)
    cell.source = cell.source.replace(old, new, 1)
    return changed


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("**Time**", "Soon", "the first cell says nothing of: **Time**"),
        ("## The question", "## A question", "there is no section '## The question'"),
        ("} Predict", "} Note", "2 predictions, at least 3 are wanted"),
        ("★ warm-up, 5 minutes: ", "easy: ", "ex-template-split: the card tells no difficulty and minutes"),
        ("<summary>Hint<", "<summary>Help<", "ex-template-split: no hint"),
        ("</details>\n\n```{exercise-end}", "</details>\n```{exercise-end}", "no blank line below </details>"),
        ("def split(g): ...", "pass", "ex-template-split: no stub below it"),
        ("# checks.check_split(split)", "", "ex-template-split: no check below the stub"),
        ("{solution-start} ex-template-split", "{solution-start} ex-other", "ex-template-split: no solution"),
        ("\nchecks.check_split(split)", "", "ex-template-split: the solution is not checked"),
        ("{exercise-start} ★★★", "{exercise-begin} ★★★", "3 exercises, at least 4 are wanted"),
        ("Right. ", "No. ", "question 1: 0 of 3 answers are right"),
        ("</summary>\n\nNo. ", "</summary>\nNo. ", "an answer without its blank lines is no Markdown"),
        ("## Quiz", "## Test", "0 questions in the quiz, 3 to 5 are wanted"),
        ("## Take-aways", "## End", "the last sections are ['Exercises', 'Quiz', 'End']"),
        ("| |", "|a|", "no table at the end that compares"),
    ],
)
def test_what_is_missing_is_told(old: str, new: str, told: str) -> None:
    found = faults(replaced(read(TEMPLATE), old, new))
    assert any(fault.startswith(told) or told in fault for fault in found), found


def test_a_figure_without_a_question_and_a_long_cell_are_told() -> None:
    notebook = read(TEMPLATE)
    figure = next(number for number, cell in enumerate(notebook.cells) if "show.sample_space" in cell.source)
    notebook.cells[figure - 1].source = notebook.cells[figure - 1].source.replace("?", ".")
    notebook.cells[figure].source += "\n" * 25 + "1"
    found = faults(notebook)
    assert any("a cell of" in fault for fault in found)
    notebook.cells[figure].source = notebook.cells[figure].source.rstrip("\n1")
    assert any(fault.startswith("no question before the figure") for fault in faults(notebook))
