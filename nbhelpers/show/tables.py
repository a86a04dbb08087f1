"""Numbers as text: the table below a figure, and tables rendered from recorded results, never typed."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

NAMES = {
    "ours": "ours",
    "pca": "PCA",
    "tsne": "t-SNE",
    "lle": "LLE",
    "isomap": "ISOMAP",
    "drpr": "DRPR",
    "raw_strength": "control: raw ‖f‖",
}


class Table(NamedTuple):
    """Numbers as text: one header a column, rows whose first cell names them, and what the numbers are."""

    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str

    def html(self) -> str:
        """The table for a page."""
        head = "".join(f'<th scope="col">{html.escape(str(h))}</th>' for h in self.headers)
        rows = "".join(
            f'<tr><th scope="row">{html.escape(str(first))}</th>'
            + "".join(f"<td>{html.escape(str(cell)).replace(' ± ', '&nbsp;±&nbsp;')}</td>" for cell in rest)
            + "</tr>"
            for first, *rest in self.rows
        )
        return (
            f'<table class="dataframe"><caption>{html.escape(self.caption)}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

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


class TableView:
    """A table for a notebook and for a page.

    Parameters
    ----------
    table : Table

    Examples
    --------
    >>> print(TableView(Table(["method", "r"], [["ours", "-0.9"]], "Correlations")))
    Correlations
    method | r
    ours | -0.9
    """

    def __init__(self, table: Table) -> None:
        self.table = table

    def __repr__(self) -> str:
        lines = [self.table.headers, *self.table.rows]
        return "\n".join([self.table.caption, *(" | ".join(map(str, line)) for line in lines)])

    def _repr_html_(self) -> str:
        return self.table.html()


def table1(runs: Mapping[str, Mapping[str, Any]], paper: Mapping[str, Any]) -> TableView:
    """Table 1: Pearson's correlation of strength and entropy on held-out images, ours and every other embedding's.

    Parameters
    ----------
    runs : mapping of str to dict
        What to call a run, and its recorded result (key ``table1``, see :func:`nbhelpers.recorded`).
    paper : mapping
        The recorded ``paper``: its ``table1`` of Tiny ImageNet and VGG-16 stands in the last column.

    Raises
    ------
    ValueError
        If a run has no ``table1``.

    Examples
    --------
    >>> row = {"pearson_t4": -0.9512, "pearson_t1": -0.7, "seconds": 1.0}
    >>> print(table1({"scenes": {"table1": {"ours": row}}}, {"table1": {"tiny-imagenet-vgg16": {"ours": -0.94}}}))
    Correlation of strength and entropy over held-out images: -1 is a strength that tells the uncertainty exactly
    method | scenes, T = 4 | scenes, T = 1 | paper, T = 4
    ours | −0.951 | −0.700 | −0.94
    """
    lacking = [name for name, run in runs.items() if "table1" not in run]
    if lacking:
        raise ValueError(f"no table1 recorded for {', '.join(lacking)}; run `nbhelpers reproduce`")
    printed = paper["table1"]["tiny-imagenet-vgg16"]
    headers = ["method", *(f"{run}, T = {t}" for run in runs for t in (4, 1)), "paper, T = 4"]
    methods = [method for method in NAMES if all(method in run["table1"] for run in runs.values())]
    rows = [
        [
            NAMES[method],
            *(minus(f"{run['table1'][method][f'pearson_t{t}']:.3f}") for run in runs.values() for t in (4, 1)),
            minus(f"{printed[method]:.2f}") if method in printed else "not given",
        ]
        for method in methods
    ]
    caption = (
        "Correlation of strength and entropy over held-out images: -1 is a strength that tells the uncertainty exactly"
    )
    return TableView(Table(headers, rows, caption))


def minus(number: str) -> str:
    """The number with a true minus sign."""
    return number.replace("-", "−")
