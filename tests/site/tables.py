"""The tables that a chapter's cells show on their own, as text; those behind a figure are left out."""

from __future__ import annotations

from browser import Browser

READ = (
    "return [...document.querySelectorAll('table.dataframe')].filter(t => t.caption && !t.closest('.nbh-numbers'))"
    ".map(t => [t.caption.textContent, [...t.rows].map(r => [...r.cells].map(c => c.textContent.trim()))])"
)


def tables(chapter: Browser) -> list[tuple[str, list[list[str]]]]:
    """The caption and the rows of each, the head first."""
    return [(caption, rows) for caption, rows in chapter.run(READ)]


def table(chapter: Browser, caption: str) -> list[list[str]]:
    """The rows of the one table that has the words in its caption."""
    (rows,) = (rows for said, rows in tables(chapter) if caption in said)
    return rows


def number(cell: str) -> float:
    """What a cell says, without its per cent sign."""
    return float(cell.replace("−", "-").rstrip("%"))
