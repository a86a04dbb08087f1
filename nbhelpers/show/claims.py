"""Claims of the paper beside what was found, as a table whose commands unfold."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

from nbhelpers.show.tables import Table, TableView

HEADERS = ["where", "data", "the paper", "here", "verdict", "command"]


class ClaimsView(TableView):
    """A row a claim, the verdict in bold, and the command that repeats it behind a click."""

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{name}</th>' for name in HEADERS)
        rows = "".join(_row(*row) for row in self.table.rows)
        return (
            f'<table class="dataframe nbh-claims"><caption>{html.escape(self.table.caption)}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )


def _row(place: str, data: str, paper: str, here: str, verdict: str, command: str) -> str:
    cells = "".join(f"<td>{html.escape(text)}</td>" for text in (data, paper, here))
    unfold = f"<details><summary>show</summary><code>{html.escape(command)}</code></details>"
    return (
        f'<tr><th scope="row">{html.escape(place)}</th>{cells}<td><strong>{html.escape(verdict)}</strong></td>'
        f"<td>{unfold}</td></tr>"
    )


def claims_table(claims: Sequence[Any], caption: str) -> ClaimsView:
    """The claims as a table.

    Parameters
    ----------
    claims : sequence of Claim
        As of :mod:`nbhelpers.report`.
    caption : str
        What they are about.

    Examples
    --------
    >>> from nbhelpers.report import Claim
    >>> print(claims_table([Claim("Table 1", "CUB", "-0.90", "-0.93", "holds", "nbhelpers reproduce ...")], "Claims"))
    Claims
    where | data | the paper | here | verdict | command
    Table 1 | CUB | −0.90 | −0.93 | holds | nbhelpers reproduce ...
    """
    rows = [
        [place, data, *(re.sub(r"-(?=\d)", "−", text) for text in (paper, here)), verdict, command]
        for place, data, paper, here, verdict, command in claims
    ]
    return ClaimsView(Table(HEADERS, rows, caption))
