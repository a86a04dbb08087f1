"""Claims of the paper beside what was found, as a table whose commands unfold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from nbhelpers.show.page.table import Table
from nbhelpers.show.text import page, visible

HEADERS = ["where", "data", "the paper", "here", "verdict", "command"]


class ClaimsTable(Table):
    """A row a claim, the verdict in bold, and the command that repeats it behind a click."""

    def html(self, kind: str = "dataframe nbh-claims") -> str:
        return super().html(kind)

    def cells(self, *row: Any) -> list[str]:
        *texts, verdict, command = map(page, row)
        unfold = f"<details><summary>show</summary><code>{command}</code></details>"
        return [*texts, f"<strong>{verdict}</strong>", unfold]


def claims_table(claims: Sequence[Any], caption: str) -> ClaimsTable:
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
        [place, visible(data), *(re.sub(r"-(?=\d)", "−", text) for text in (paper, here)), verdict, command]
        for place, data, paper, here, verdict, command in claims
    ]
    shown = slice(0 if len({place for place, *_ in rows}) > 1 else 1, None)
    return ClaimsTable(HEADERS[shown], [row[shown] for row in rows], caption)
