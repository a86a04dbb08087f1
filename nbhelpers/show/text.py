"""Names are text: what somebody called a category, a layer or an image is shown as exactly that, in every figure.

A figure reads names by :func:`visible`. What would take some of their letters for markup gets them in its own form:
:func:`label` is for plotly, :func:`engraved` for its 3-D scenes, :func:`entry` for matplotlib's legends and
:func:`page` for a page.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar
from unicodedata import bidirectional, category

Value = TypeVar("Value")

HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # control, format and half characters, and those that end a line
JOINERS = "\u200c\u200d"  # hidden as well, but Persian words and emoji need them
LONGEST = 60  # letters of a name, where there is little room
TICK = 32  # on an axis, where there is less


def visible(name: object) -> str:
    r"""A name in one line, where what nobody can see is written out, and which does not turn what stands beside it.

    >>> print(visible("coat\n\u202eevil"), visible(" "))
    coat\n\u202eevil “ ”
    """
    shown = "".join(
        letter.encode("unicode_escape").decode() if category(letter) in HIDDEN and letter not in JOINERS else letter
        for letter in str(name)
    )
    if not shown.strip(JOINERS + " "):
        return f"“{shown}”"
    leftwards = any(bidirectional(letter) in ("R", "AL") for letter in shown)
    return f"\u2068{shown}\u2069" if leftwards else shown


def visible_lines(text: str) -> str:
    """The same for a text that may be empty or have several lines, such as a caption."""
    return "\n".join(line and visible(line) for line in text.split("\n"))


def named(values: Mapping[str, Value]) -> dict[str, Value]:
    """The same values by names that are :func:`visible`."""
    return {visible(name): value for name, value in values.items()}


def short(name: str, longest: int = LONGEST) -> str:
    """Both ends of a name that is too long.

    >>> short("the first and the last of many words", 15)
    'the fir…y words'
    """
    half = (longest - 1) // 2
    return name if len(name) <= longest else f"{name[:half]}…{name[-half:]}"


def ticks(names: Iterable[str], longest: int = TICK) -> list[str]:
    """Names along an axis."""
    return [short(visible(name), longest) for name in names]


def label(text: str) -> str:
    """Text for plotly, which takes some for tags, entities, formulas and templates.

    >>> label("<b>5 $ & %{x}")
    '&lt;b&gt;5 &#36; &amp; &#37;{x}'
    """
    return html.escape(text, quote=False).replace("$", "&#36;").replace("%{", "&#37;{")


def engraved(name: str) -> str:
    """Text within a 3-D scene, where plotly knows tags but no entities: what joins words, unseen, parts a tag."""
    return short(name).replace("<", "<\u2060")


def entry(name: str) -> str:
    """Text for a legend of matplotlib, which leaves out what begins with an underscore."""
    return f" {short(name)}" if name.startswith("_") else short(name)


def page(text: str) -> str:
    """Text for a page, on which MathJax may look for formulas: they never reach across an element.

    >>> page("5 $ & more")
    '5 <span>$</span> &amp; more'
    """
    return re.sub(r"[$\\]", r"<span>\g<0></span>", html.escape(text))


def in_script(value: Any) -> str:
    """Data inside a ``<script>`` element, which nothing within may end or make a comment."""
    payload = json.dumps(value, separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/")
    return re.sub("<(?=!--|script)", r"\\u003c", payload, flags=re.IGNORECASE)
