"""What a chapter must have: read from a notebook, and told as a list of what is missing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from nbformat import NotebookNode

CARD = re.compile(r"(★ warm-up, |★ |★★ |★★★ small research, )(\d+) minutes: \S.*")
EXERCISE = re.compile(
    r"^```\{exercise-start\} (?P<card>.*)\n:label: (?P<label>ex-\S+)\n```\n(?P<task>.*?)^```\{exercise-end\}\n```",
    re.M | re.S,
)
SOLUTION = re.compile(r"^```\{solution-start\} (ex-\S+)\n:class: dropdown\n```", re.M)
SOLUTION_END = "```{solution-end}"
FOLDED = re.compile(r"<details><summary>(?P<summary>[^\n]+)</summary>\n\n(?P<body>.+?)\n\n</details>", re.S)
CALL = re.compile(r"\bchecks\.check_\w+\(")


class Cell(NamedTuple):
    """The kind of a cell, and its source."""

    kind: str
    source: str


class Exercise(NamedTuple):
    """An exercise, with the code of its stub and of its solution."""

    card: str
    label: str
    task: str
    stub: str
    solution: list[str]


def cells(notebook: NotebookNode) -> list[Cell]:
    return [Cell(cell.cell_type, cell.source) for cell in notebook.cells]


def exercises(notebook: NotebookNode) -> Iterator[Exercise]:
    """Exercises in their order; an exercise without stub or solution has empty ones."""
    book = cells(notebook)
    for at, cell in enumerate(book):
        for found in EXERCISE.finditer(cell.source) if cell.kind == "markdown" else ():
            stub = book[at + 1].source if at + 1 < len(book) and book[at + 1].kind == "code" else ""
            yield Exercise(found["card"], found["label"], found["task"], stub, list(_solution(book, found["label"])))


def _solution(book: list[Cell], label: str) -> Iterator[str]:
    """The code between the start of a label's solution and its end."""
    inside = False
    for cell in book:
        if cell.kind == "code":
            if inside:
                yield cell.source
        elif label in SOLUTION.findall(cell.source):
            inside = SOLUTION_END not in cell.source.split("{solution-start} " + label)[1]
        elif SOLUTION_END in cell.source:
            inside = False


def section(notebook: NotebookNode, title: str) -> str:
    """The Markdown below a heading of the second level, up to the next."""
    text = "\n\n".join(source for kind, source in cells(notebook) if kind == "markdown")
    parts = re.split(r"^## +", text, flags=re.M)
    return next((part.split("\n", 1)[1] for part in parts if part.split("\n", 1)[0].strip() == title), "")


def faults(notebook: NotebookNode) -> list[str]:
    """What a chapter lacks, in words; empty for a chapter that has everything."""
    return [*_opening(notebook), *_figures(notebook), *_exercises(notebook), *_quiz(notebook), *_closing(notebook)]


def _opening(notebook: NotebookNode) -> Iterator[str]:
    book = cells(notebook)
    first = book[0].source
    if not first.startswith("# "):
        yield "the first cell has no title"
    for promise in ("} Before you start", "**You will learn**", "**You need**", "**Time**"):
        if promise not in first:
            yield f"the first cell says nothing of: {promise}"
    if not section(notebook, "The question"):
        yield "there is no section '## The question'"
    predictions = sum(source.count("} Predict") for kind, source in book if kind == "markdown")
    if predictions < 3:
        yield f"{predictions} predictions, at least 3 are wanted"


def _figures(notebook: NotebookNode) -> Iterator[str]:
    asked = ""
    solving = False
    for kind, source in cells(notebook):
        if kind == "markdown":
            asked = source
            solving = source.rfind("{solution-start}") > source.rfind("{solution-end}")
            continue
        if len(source.splitlines()) > 25:
            yield f"a cell of {len(source.splitlines())} lines, 25 are the most: {source.splitlines()[0]}"
        if _draws(source) and not solving and "?" not in asked:
            yield f"no question before the figure of the cell that begins: {source.splitlines()[0]}"


def _draws(source: str) -> bool:
    """Whether a cell shows a figure: its last expression, or one that it displays, is made by ``show``."""
    tree = ast.parse(re.sub(r"^( *)[%!].*", r"\1pass", source, flags=re.M))  # what IPython alone understands
    last = [tree.body[-1].value] if tree.body and isinstance(tree.body[-1], ast.Expr) else []
    shown = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "display"]
    return any("show." in ast.unparse(node) for node in [*last, *shown])


def _exercises(notebook: NotebookNode) -> Iterator[str]:
    found = list(exercises(notebook))
    started = sum(source.count("{exercise-start}") for kind, source in cells(notebook) if kind == "markdown")
    if started != len(found):
        yield f"{started - len(found)} exercises are not written as the others: card, label, task, end in one cell"
    if len(found) < 4:
        yield f"{len(found)} exercises, at least 4 are wanted"
    for stars in ("★ ", "★★★ "):
        if not any(exercise.card.startswith(stars) for exercise in found):
            yield f"no exercise with {stars.strip()}: from warm-up to small research"
    for card, label, task, stub, solution in found:
        if not CARD.fullmatch(card):
            yield f"{label}: the card tells no difficulty and minutes: {card}"
        if not any(fold["summary"] == "Hint" for fold in FOLDED.finditer(task)):
            yield f"{label}: no hint"
        if not re.search(r"^(def|class) ", stub, re.M) or "..." not in stub:
            yield f"{label}: no stub below it"
        if not re.search(r"^# (print\()?checks\.check_\w+\(", stub, re.M):
            yield f"{label}: no check below the stub, as a comment to uncomment"
        if not solution:
            yield f"{label}: no solution"
        elif not any(CALL.search(line) for code in solution for line in code.splitlines() if not line.startswith("#")):
            yield f"{label}: the solution is not checked"


def _quiz(notebook: NotebookNode) -> Iterator[str]:
    for kind, source in cells(notebook):
        # Sphinx then does not see a directive that follows, and JupyterLab shows all answers at once.
        if kind == "markdown" and re.search(r"</details>\n(?!\n)", source):
            yield f"no blank line below </details> in the cell that begins: {source.splitlines()[0]}"
    questions = re.split(r"^\*\*(\d+)\.\*\* ", section(notebook, "Quiz"), flags=re.M)[1:]
    if not 3 <= len(questions) // 2 <= 5:
        yield f"{len(questions) // 2} questions in the quiz, 3 to 5 are wanted"
    for number, text in zip(questions[::2], questions[1::2], strict=True):
        answers = list(FOLDED.finditer(text))
        right = [answer for answer in answers if answer["body"].startswith("Right.")]
        if len(answers) != text.count("<details>"):
            yield f"question {number}: an answer without its blank lines is no Markdown"
        if not 3 <= len(answers) <= 4 or len(right) != 1:
            yield f"question {number}: {len(right)} of {len(answers)} answers are right, 1 of 3 or 4 should be"
        for answer in answers:
            if not re.match(r"(Right|No)\. \S+ \S+", answer["body"]):
                yield f"question {number}: the answer {answer['summary']!r} is not explained"
            if re.search(r"[$`*]", answer["summary"]):
                yield f"question {number}: the answer {answer['summary']!r} is plain text, no Markdown"


def _closing(notebook: NotebookNode) -> Iterator[str]:
    headings = [
        line[3:].strip()
        for kind, source in cells(notebook)
        if kind == "markdown"
        for line in source.splitlines()
        if line.startswith("## ")
    ]
    if headings[-3:] != ["Exercises", "Quiz", "Take-aways"]:
        yield f"the last sections are {headings[-3:]}, not Exercises, Quiz, Take-aways"
    last = section(notebook, "Take-aways").splitlines()
    if sum(line.startswith("- ") for line in last) < 3:
        yield "fewer than three take-aways"
    if not any(one.startswith("| |") and two.startswith("|---") for one, two in pairwise(last)):
        yield "no table at the end that compares"
