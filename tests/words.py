"""Which sentences of a notebook nothing holds: numbers that no cell beside them has, comparisons without an assertion.

A number in a sentence is held if a code cell nearby has it, or asserts that something lies in a narrow interval around
it; a comparison ("most", "nearest", "falls") if a cell nearby asserts anything. Whether the assertion is the
sentence's own is left to who reads it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nbformat import NotebookNode

BEFORE, AFTER = 7, 6  # cells that stand near
NARROW = 0.6  # an interval's width, as a share of its larger end
ASIDE = re.compile(
    r"\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|\]\([^)]*\)|\{[a-z:]+\}|^#.*$|^:::.*$|^```.*$|^\*\*Time\*\*.*$|^\*\*\d\.\*\*|^\d\. "
    r"|\b(?:chapter|chapters|Fig\.|Eq\.|Sec\.|seeds?|exercise|Tables?|step|Appendix|version|column)\s\d[\d.–]*"
    r"(?:(?:,| and| to|–)\s?\d+(?:\.\d+)?\b(?! ?%))*|\d+ × [\d,]+|<[^>]+>",
    re.S | re.M,
)
NUMBER = re.compile(r"(?<![\w.\\/_^-])[−-]?\d[\d,]*(?:\.\d+)?")
COMPARES = re.compile(
    r"\b(?:more|less|fewer|higher|lower|longer|shorter|stronger|weaker|larger|smaller|closer|nearer|further|better|worse"
    r"|most|least|fewest|highest|lowest|longest|shortest|strongest|weakest|largest|smallest|closest|nearest|furthest"
    r"|best|worst|rises?|falls?|grows?|shrinks?|ahead|behind|twice|half of|a third|two thirds|a quarter)\b"
)
LITERAL = re.compile(r"(?<![\w.])\d[\d_]*(?:\.\d+)?")


def unheld(notebook: NotebookNode) -> list[str]:
    """Numbers in sentences that nothing nearby holds, each with its cell and what stands around it."""
    faults = []
    for place, text in _texts(notebook):
        near = _near(notebook, place)
        literals = {float(number) for source in near for number in LITERAL.findall(source)}
        intervals = [interval for source in near for interval in _intervals(source)]
        for match in NUMBER.finditer(text):
            value = abs(float(match.group().replace("−", "-").replace(",", "")))
            readings = (value, value / 100)
            if literals.isdisjoint(readings) and not any(
                low <= reading <= high for reading in readings for low, high in intervals
            ):
                around = text[max(0, match.start() - 40) : match.end() + 20]
                faults.append(f"cell {place}: {match.group()} in '{' '.join(around.split())}'")
    return faults


def unguarded(notebook: NotebookNode) -> list[str]:
    """Comparisons in sentences beside which nothing is asserted, each with its cell."""
    faults = []
    for place, text in _texts(notebook):
        if not any("assert " in source for source in _near(notebook, place)):
            faults += [
                f"cell {place}: {' '.join(sentence.split())}"
                for sentence in re.split(r"(?<=[.?!:])\s", text)
                if COMPARES.search(sentence) and not sentence.rstrip().endswith("?")
            ]
    return faults


def _texts(notebook: NotebookNode) -> Iterator[tuple[int, str]]:
    """The running text of Markdown cells up to the exercises, without formulas, code, headings and predictions."""
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        if cell.source.startswith("## Exercises"):
            return
        told = cell.source.split("\n## Exercises")[0]
        told = re.sub(r"^:::\{admonition\}.*?^:::$", "", told, flags=re.S | re.M)
        yield place, ASIDE.sub(" ", told)
        if "\n## Exercises" in cell.source:
            return


def _near(notebook: NotebookNode, place: int) -> list[str]:
    cells = notebook.cells[max(0, place - BEFORE) : place + AFTER + 1]
    return [cell.source for cell in cells if cell.cell_type == "code" and "%pip" not in cell.source]


def _intervals(source: str) -> Iterator[tuple[float, float]]:
    """Both ends of what chained comparisons and ``between`` assert, where they are not far apart."""
    for node in ast.walk(ast.parse(source)):
        ends: list[float] = []
        if isinstance(node, ast.Compare):
            ends = [value for part in (node.left, *node.comparators) if (value := _constant(part)) is not None]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "between":
            ends = [value for part in node.args if (value := _constant(part)) is not None]
        for low, high in zip(sorted(ends), sorted(ends)[1:], strict=False):
            if high - low <= NARROW * max(abs(low), abs(high)):
                yield min(abs(low), abs(high)), max(abs(low), abs(high))


def _constant(node: ast.expr) -> float | None:
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
