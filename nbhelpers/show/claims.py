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
        head = "".join(f'<th scope="col">{name}</th>' for name in self.table.headers)
        rows = "".join(_row(*row) for row in self.table.rows)
        return (
            f'<table class="dataframe nbh-claims"><caption>{html.escape(self.table.caption)}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )


def _row(first: str, *rest: str) -> str:
    *texts, verdict, command = rest
    cells = "".join(f"<td>{html.escape(text)}</td>" for text in texts)
    unfold = f"<details><summary>show</summary><code>{html.escape(command)}</code></details>"
    return (
        f'<tr><th scope="row">{html.escape(first)}</th>{cells}<td><strong>{html.escape(verdict)}</strong></td>'
        f"<td>{unfold}</td></tr>"
    )


def claims_table(claims: Sequence[Any], caption: str) -> ClaimsView:
    """The claims as a table; where all are of one place, the caption names it and its column is left out.

    Parameters
    ----------
    claims : sequence of Claim
        As of :mod:`nbhelpers.experiments.claims`.
    caption : str
        What they are about.

    Examples
    --------
    >>> from nbhelpers.experiments.claims import Claim
    >>> print(claims_table([Claim("Table 1", "CUB", "-0.90", "-0.93", "holds", "nbhelpers reproduce ...")], "Table 1"))
    Table 1
    data | the paper | here | verdict | command
    CUB | −0.90 | −0.93 | holds | nbhelpers reproduce ...
    """
    rows = [
        [place, data, *(re.sub(r"-(?=\d)", "−", text) for text in (paper, here)), verdict, command]
        for place, data, paper, here, verdict, command in claims
    ]
    shown = slice(0 if len({place for place, *_ in rows}) > 1 else 1, None)
    return ClaimsView(Table(HEADERS[shown], [row[shown] for row in rows], caption))
