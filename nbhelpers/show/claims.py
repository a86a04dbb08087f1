"""Claims beside what was found, as a table whose commands unfold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from nbhelpers.show.page.table import Table
from nbhelpers.show.text import page, visible

HEADERS = {
    "claim": "claim",
    "place": "where",
    "data": "data",
    "paper": "the paper",
    "here": "here",
    "control": "control",
    "verdict": "verdict",
    "reason": "why open",
    "command": "command",
}
"""What a claim's fields are called above their columns."""
NUMBERS = ("paper", "here", "control")
"""Where a hyphen before a digit is a minus sign."""


class ClaimsTable(Table):
    """A row a claim, the verdict in bold, and the command that repeats it behind a click."""

    def html(self, kind: str = "dataframe nbh-claims") -> str:
        return super().html(kind)

    def cells(self, *row: Any) -> list[str]:
        told = dict(zip(self.headers[1:], map(page, row), strict=True))
        told["verdict"] = f"<strong>{told['verdict']}</strong>"
        told["command"] = f"<details><summary>show</summary><code>{told['command']}</code></details>"
        return list(told.values())


def claims_table(claims: Sequence[Any], caption: str) -> ClaimsTable:
    """The claims as a table; where all are one claim or of one place, the caption names it and its column is left out.

    Parameters
    ----------
    claims : sequence of namedtuple
        Of texts, with fields among :data:`HEADERS`; a field that is empty in all has no column, either.
    caption : str
        What they are about.

    Examples
    --------
    >>> from nbhelpers.experiments.beyond import Found
    >>> print(claims_table([Found("Table 1", "CUB", "-0.90", "-0.93", "holds", "nbhelpers reproduce ...")], "Table 1"))
    Table 1
    data | the paper | here | verdict | command
    CUB | −0.90 | −0.93 | holds | nbhelpers reproduce ...
    """
    columns = {field: [getattr(claim, field) for claim in claims] for field in claims[0]._fields}
    for field in NUMBERS:
        columns[field] = [re.sub(r"-(?=\d)", "−", text) for text in columns.get(field, [])]
    columns["data"] = [visible(text) for text in columns["data"]]
    shown = {
        HEADERS[field]: texts
        for field, texts in columns.items()
        if any(texts) and (field not in ("claim", "place") or len(set(texts)) > 1)
    }
    return ClaimsTable(list(shown), [list(row) for row in zip(*shown.values(), strict=True)], caption)
