"""Numbers as text: the table below a figure, or one that stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from nbhelpers.show.text import page


class Table(NamedTuple):
    """Numbers as text, for a notebook and for a page.

    Attributes
    ----------
    headers : sequence of str
    rows : sequence of sequence
        The first cell of each names it.
    caption : str

    Examples
    --------
    >>> Table(["method", "r"], [["ours", "-0.9"]], "Correlations")
    Correlations
    method | r
    ours | -0.9
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str

    def __repr__(self) -> str:
        return "\n".join([self.caption, *(" | ".join(map(str, line)) for line in (self.headers, *self.rows))])

    def _repr_html_(self) -> str:
        return self.html()

    def html(self, kind: str = "dataframe") -> str:
        """The table for a page."""
        head = "".join(f'<th scope="col">{page(str(h))}</th>' for h in self.headers)
        rows = "".join(
            f'<tr><th scope="row">{page(str(first))}</th>'
            + "".join(f"<td>{cell}</td>" for cell in self.cells(*rest))
            + "</tr>"
            for first, *rest in self.rows
        )
        return (
            f'<table class="{kind}"><caption>{page(self.caption)}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def cells(self, *row: Any) -> list[str]:
        """The cells after the first of a row, for a page."""
        return [page(str(cell)).replace(" ± ", "&nbsp;±&nbsp;") for cell in row]

    def folded(self) -> str:
        """The table behind a click, below its figure; a keyboard can scroll it sideways."""
        title = "The numbers behind this figure"
        return (
            f'<details class="nbh-numbers"><summary>{title}</summary>'
            f'<div tabindex="0" role="group" aria-label="{title}">{self.html()}</div></details>'
        )


def at_steps(slider: str, names: Sequence[str]) -> list[str]:
    """One header for each step of a slider; a bare number is told what it counts."""
    return [f"{slider} {name}" if name.replace(".", "", 1).isdigit() else name for name in names]


def minus(number: str) -> str:
    """The number with a true minus sign."""
    return number.replace("-", "−")
