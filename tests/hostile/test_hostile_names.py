"""Names that look like markup, formulas or nothing at all are shown as what they are, in every figure and table."""

import html
import json
import re
from collections.abc import Callable, Iterator

import pytest
from bs4 import BeautifulSoup
from every_figure import every_figure
from matplotlib.text import Text

from nbhelpers import show
from nbhelpers.show.images import LONGEST
from nbhelpers.show.text import engraved, entry, in_script, label, page, short, ticks, visible, visible_lines

CASES = [  # what somebody calls a category, and what a reader sees where it isn't simply that
    ("<!--<script>", None),
    ("</script><script>window.pwned = 1</script>", None),
    ('"><img src=x onerror="window.pwned = 1">', None),
    ('<a href="https://example.org">prize</a>', None),
    ("one<br>two <b>three</b> <sup>4</sup>", None),
    ("R&D &amp; &lt;b&gt; &#36;", None),
    ("$x^2$ costs $5", None),
    (r"$$\frac{1}{2}$$ \(x\) \input{a}", None),
    ("%{x} of 100%", None),
    ("_hidden", None),
    ("3.14", None),
    ("T-shirt/top", None),
    ("👩\u200d🔬 and می\u200cخواهم", "\u2068👩\u200d🔬 and می\u200cخواهم\u2069"),
    ("שלום", "\u2068שלום\u2069"),
    ("harmless\u202egpj.exe", r"harmless\u202egpj.exe"),
    ("\u2068open\u200b", r"\u2068open\u200b"),
    ("two\r\nlines\u2028three", r"two\r\nlines\u2028three"),
    ("\x1b[31mred\x00", r"\x1b[31mred\x00"),
    ("caf\udce9", r"caf\udce9"),  # how Python reads a file name that isn't UTF-8
    ("", "“”"),
    (" \t", r" \t"),
    ("  ", "“  ”"),
]
FIGURES = list(every_figure(["name0", "name1", "name2"]))
THREES = [
    ['<!--<script><a href="https://example.org">0</a>', "&lt;<b>$1$</b> %{x}", "\u202e2\n$$\\(x\\)$$"],
    ["_<sup>hidden", "", "long & " * 40 + "end"],
]
TEMPLATE = re.compile(r"(%{[^\s%{}:]*(?:[:|][^}]*)?})")  # as in plotly.js
TAG = re.compile(r"(<[^<>]*>)")
NUMBER = re.compile(r"[−\d.,]*")


@pytest.mark.parametrize(("name", "seen"), CASES)
def test_a_name_is_seen_as_what_it_is(name: str, seen: str | None) -> None:
    seen = name if seen is None else seen
    assert visible(name) == seen
    assert read_by_plotly(label(seen)) == ([seen], "")
    assert BeautifulSoup(page(seen), "html.parser").get_text() == seen
    assert not re.search(r"[$\\][^<]", page(seen))  # MathJax reads no formula across an element
    assert entry(seen).strip() == seen.strip()
    assert not entry(seen).startswith("_")
    assert not re.search("</?(b|i|br|sup|sub)>", engraved(seen))
    inside = in_script([name])
    assert json.loads(inside) == [name]
    assert not re.search("</|<!--|<script", inside, re.IGNORECASE)


def test_a_long_name_keeps_both_ends_and_is_told_in_full_when_hovered() -> None:
    name = "a" * 1000 + "z"
    assert len(short(name)) == 59
    assert re.fullmatch("a+…a+z", short(name))
    plot = every_figure([name, "b", "c"])["sample_space"]().plot
    assert plot.data[0].name == short(name)
    assert f"<b>{name}</b>" in plot.data[0].hovertemplate
    assert f"; {name}; b; c" in every_figure([name, "b", "c"])["points_on_images"]().html()


@pytest.mark.parametrize(
    "refused",
    [
        lambda name: show.shares({"reliable": {name: 0.5}}, chance={"object": 0.5}, alt="x"),
        lambda name: show.student_points({name: {"conv": []}}, alt="x"),
        lambda name: show.table1({name: {}}, {}),
    ],
    ids=["shares", "student_points", "table1"],
)
def test_what_is_refused_is_told_without_commands_to_the_terminal(refused: Callable[[str], object]) -> None:
    with pytest.raises(ValueError, match=re.escape(r"\x1b[2Jlayer")):
        refused("\x1b[2Jlayer")


def test_every_figure_is_tried() -> None:
    functions = {
        name for name, value in vars(show).items() if getattr(value, "__module__", "").startswith(show.__name__)
    }
    assert set(FIGURES) == functions - {"Explore", "Figure", "Picture", "Table"}


@pytest.mark.slow
@pytest.mark.parametrize("names", THREES, ids=["markup", "nothing"])
@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.filterwarnings("error", "ignore:constrained_layout")  # very long names leave no room
def test_names_change_nothing_but_themselves(figure: str, names: list[str]) -> None:
    """Beside a figure of plain names, one of hostile names differs in the letters of those names alone."""
    plain, hostile = (every_figure(its)[figure]() for its in (["name0", "name1", "name2"], names))
    for was, now in zip(list(shown(plain)), list(shown(hostile)), strict=True):
        assert now in said(was, names)


def said(text: object, names: list[str]) -> list[object]:
    """What a text of plain names may be with these."""
    if not isinstance(text, str):
        return [text]
    seen, captions = [visible(name) for name in names], [visible_lines(name) for name in names]
    forms = [seen, ticks(names), ticks(names, LONGEST), captions, [" ".join(caption.split()) for caption in captions]]
    forms += [[form(name) for name in seen] for form in (short, entry, engraved)]
    parts = re.split(r"name(\d)", text)  # every second one is the number of a name
    return ["".join(form[int(part)] if i % 2 else part for i, part in enumerate(parts)) for form in forms]


def shown(figure: show.Figure | show.Picture | show.Table) -> Iterator[object]:
    """All that a reader sees of a figure, piece by piece, and how it is built."""
    if isinstance(figure, show.Figure):
        yield from animated(figure.plotly_json())
    for panel in getattr(figure, "panels", ()):
        for text in panel.findobj(Text):
            if not NUMBER.fullmatch(text.get_text()):  # how many of them an axis has room for may differ
                yield text.get_text()
                assert not text.get_parse_math()
    yield from on_the_page(BeautifulSoup(figure.html(), "html.parser"))
    if isinstance(figure, show.Table):
        yield repr(figure)


def drawn(value: object, key: str = "") -> Iterator[object]:
    """What plotly makes of its JSON."""
    if isinstance(value, dict):
        engraves = value.get("type") == "scatter3d" and "text" in value.get("mode", "")
        for key, inner in value.items():
            yield key
            if key not in ("args", "pad"):  # how a slider finds its frame, and the room for its first and last name
                yield from inner if engraves and key == "text" else drawn(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from drawn(inner, key)
    elif isinstance(value, str) and key not in ("legendgroup", "source"):
        texts, markup = read_by_plotly(value)
        yield from texts
        yield markup
    elif key not in ("legendgroup", "source"):
        yield value


def read_by_plotly(text: str) -> tuple[list[str], str]:
    """The texts between tags and templates, and those; plotly.js reads templates first, then formulas, then tags."""
    assert "$" not in text
    parts = [part for piece in TEMPLATE.split(text) for part in TAG.split(piece)]
    markup = [part for part in parts if TAG.fullmatch(part) or TEMPLATE.fullmatch(part)]
    return [html.unescape(part) for part in parts if part and part not in markup], "".join(markup)


def on_the_page(soup: BeautifulSoup) -> Iterator[object]:
    """Elements, their attributes and the texts in them; data in a script as such."""
    for span in soup.find_all("span", string=re.compile(r"^[$\\]$")):
        span.unwrap()
    soup.smooth()
    for node in soup.descendants:
        if isinstance(node, str):
            yield from animated(json.loads(node)) if node.parent.get("type") == "application/json" else [str(node)]
        else:
            yield node.name
            yield from (value for name, value in node.attrs.items() if name in ("alt", "aria-label", "aria-valuetext"))
            yield sorted(node.attrs)


def animated(figure: dict) -> Iterator[object]:
    """Names of frames and of images go through no markup."""
    for frame in figure.get("frames", ()):
        yield frame.pop("name")
    if picker := figure.pop("picker", None):
        yield from picker["names"]
    yield from drawn(figure)
