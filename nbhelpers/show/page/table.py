"""Numbers as text: the table below a figure, or one that stands alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nbhelpers.show.page.inline import asset
from nbhelpers.show.page.shown import Shown, Writers
from nbhelpers.show.text import page

if TYPE_CHECKING:
    from pandas import DataFrame

LONG = 30  # rows that a reader still finds by eye
ROWS = (
    '<div class="nbh-find nbh-rows"><label>Find a row <input type="search" autocomplete="off" disabled></label>'
    '<output aria-live="polite"></output></div>'
)
NOTHING = "–"  # where there is no number


class Cell(str):
    """What a table writes, and the numbers that it stands for.

    Parameters
    ----------
    text : str
    numbers : mapping of str to number or str
        By the names of their columns in :meth:`Table.frame`, in which ``{}`` stands for the header of the cell's own.

    Examples
    --------
    >>> cell = Cell("0.95 ± 0.04", {"{}": 0.9512, "{}: std": 0.04})
    >>> cell, cell.numbers["{}"]
    ('0.95 ± 0.04', 0.9512)
    """

    numbers: Mapping[str, Any]

    def __new__(cls, text: str, numbers: Mapping[str, Any] | float) -> Cell:
        cell = super().__new__(cls, text)
        cell.numbers = numbers if isinstance(numbers, Mapping) else {"{}": numbers}
        return cell


class _Parts(NamedTuple):
    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str


class Table(Shown, _Parts):
    """Numbers as text, for a notebook and for a page; :meth:`frame` has them as numbers.

    Attributes
    ----------
    headers : sequence of str
    rows : sequence of sequence
        The first cell of each names it. A :class:`Cell` knows its numbers.
    caption : str

    Examples
    --------
    >>> Table(["method", "r"], [["ours", "-0.9"]], "Correlations")
    Correlations
    method | r
    ours | -0.9
    """

    def __repr__(self) -> str:
        return "\n".join([self.caption, *(" | ".join(map(str, line)) for line in (self.headers, *self.rows))])

    __str__ = __repr__

    def _sentence(self) -> str:
        return self.caption

    def _stills(self) -> Writers:
        return {".csv": lambda: self.frame().to_csv(lineterminator="\n").encode("utf-8", "backslashreplace")}

    def frame(self) -> DataFrame:
        """The numbers in full, not as they are written: a row each, under the name of the table's first column.

        A cell that tells several numbers has as many columns; what is no number stays text, and NaN stands where there
        is none.

        Examples
        --------
        >>> Table(["method", "r"], [["ours", Cell("−0.95", -0.9512)], ["none", "–"]], "Correlations").frame()
                     r
        method
        ours   -0.9512
        none       NaN
        """
        from pandas import DataFrame, Index, Series

        columns = []
        for place, header in enumerate(self.headers[1:], 1):
            cells = [_numbers(row[place]) for row in self.rows]
            names = list(dict.fromkeys(name for numbers in cells for name in numbers)) or ["{}"]
            for name in names:
                column = [numbers.get(name, float("nan")) for numbers in cells]
                columns.append((name.replace("{}", str(header)), column))
        index = Index([str(first) for first, *_ in self.rows], name=self.headers[0])
        frame = DataFrame({place: Series(column, index) for place, (_, column) in enumerate(columns)}, index)
        return frame.set_axis([name for name, _ in columns], axis=1)  # two may have one name

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
        """The table behind a click, below its figure: a keyboard scrolls it sideways, a long one can be searched."""
        title = "The numbers behind this figure"
        long = len(self.rows) > LONG
        return (
            f'<details class="nbh-numbers"><summary>{title}</summary>{ROWS if long else ""}'
            f'<div tabindex="0" role="group" aria-label="{title}">{self.html()}</div>'
            + (f"<script>{asset('rows.js')}</script></details>" if long else "</details>")
        )


def _numbers(cell: Any) -> Mapping[str, Any]:
    if isinstance(cell, Cell):
        return cell.numbers
    return {} if cell == NOTHING else {"{}": cell}


def at_steps(slider: str, names: Sequence[str]) -> list[str]:
    """One header for each step of a slider; a bare number is told what it counts."""
    return [f"{slider} {name}" if name.replace(".", "", 1).isdigit() else name for name in names]


def minus(number: str) -> str:
    """The number with a true minus sign."""
    return number.replace("-", "−")
