"""A page of its own: what it shows, and all that this needs, in one file that asks no server and no network."""

from __future__ import annotations

import textwrap

from plotly.offline import get_plotlyjs

from nbhelpers.show.page.inline import asset
from nbhelpers.show.text import page

LONGEST = 80  # letters of a title
# Plotly compiles what draws 3-D, hence unsafe-eval; nothing else than what is in the file is ever fetched.
POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"


def document(body: str, alt: str) -> str:
    """The whole page around the HTML of figures and tables; it is light or dark as its reader's system is.

    >>> document("<p>Nothing.</p>", "Nothing at all.").splitlines()[-1]
    '<body><main><p>Nothing.</p></main></body></html>'
    """
    # Within data and text a quotation mark is written otherwise: only an element of ours reads like that.
    plotly = f"<script>{get_plotlyjs()}</script>" if 'class="nbh-figure"' in body else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{page(title(alt))}</title><style>{asset('document.css')}{asset('figure.css')}</style>"
        f"<script>{asset('theme.js')}</script>{plotly}</head>\n<body><main>{body}</main></body></html>\n"
    )


def title(alt: str) -> str:
    """The beginning of the sentence, where little room is.

    >>> title("word " * 30)[-11:]
    'word word …'
    """
    return textwrap.shorten(alt, LONGEST, placeholder=" …")
