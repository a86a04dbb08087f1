"""Every figure with names that look like markup, formulas or nothing, on one page, in a browser and beside MathJax."""

import json
import shutil
from collections.abc import Iterator
from importlib import resources

import pytest
from browser import Browser
from every_figure import every_figure
from serving import PAGE, browse

from nbhelpers import show
from nbhelpers.show.text import visible

NAMES = [
    '<!--<script>"><img src=x onerror="window.pwned = 1">',
    '<a href="//example.org">R&amp;D</a> $x$ & %{x} at $5',
    "\u202eevil\n\\(x\\) $$y$$ שלום",
]
SEEN = [visible(name) for name in NAMES]
MATHJAX = """<script>
window.MathJax = {tex: {inlineMath: [["$", "$"], ["\\\\(", "\\\\)"]]}, options: {enableMenu: false}};
</script><script src="tex-svg.js"></script>"""  # as JupyterLab sets it
FIGURES = every_figure(NAMES)
TEXTS = "return [...document.querySelectorAll(arguments[0])].map(element => element.textContent)"


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The page with all figures drawn, between a formula and an end."""
    folder = tmp_path_factory.mktemp("names")
    mathjax = resources.files("sphinx-mathjax-offline") / "static/mathjax/tex-svg.js"
    with resources.as_file(mathjax) as script:
        shutil.copy(script, folder)
    explore = show.Explore(lambda name: FIGURES["kappa_slider"](), name=[*NAMES])
    parts = {name: draw().html() for name, draw in FIGURES.items()} | {"menu": explore.html()}
    body = "".join(f'<div id="{name}">{part}</div>' for name, part in parts.items())
    pages = {"names": PAGE.format(body=f"{MATHJAX}<p>$x$</p>{body}<p id='end'></p>")}
    with browse(pages, folder) as browser:
        browser.open("names")
        browser.draw_figures()
        yield browser


def test_nothing_ran_and_nothing_is_missing(names: Browser) -> None:
    assert names.run("return window.pwned ?? null") is None
    assert names.run("return [...document.querySelector('main').children].map(part => part.id).filter(Boolean)") == [
        *FIGURES,
        "menu",
        "end",
    ]
    assert names.run("return document.querySelectorAll('main a:is([href], [*|href])').length") == 0
    assert names.run("return document.querySelectorAll('main img:not([src^=\"data:\"])').length") == 0
    assert names.problems() == []


def test_only_a_formula_is_one(names: Browser) -> None:
    formulas = "[...document.querySelectorAll('mjx-container, [data-math=Y]')].map(element => element.parentNode)"
    names.wait(f"{formulas}.length")
    assert names.run(f"return {formulas}.map(parent => parent.outerHTML.slice(0, 17))") == ["<p><mjx-container"]


@pytest.mark.parametrize(
    ("figure", "part", "texts"),
    [
        ("sample_space", ".legendtext", SEEN),
        ("region_clouds", ".legendtext", SEEN),
        ("region_depth", ".legendtext", [*SEEN, "the picked region"]),
        ("attack_steps", ".gtitle", [f"{SEEN[0]} → {SEEN[1]}: the attack failed"]),
        ("attack_steps", ".textpoint text", SEEN),
        ("map_browser", ".annotation-text", ["image", *SEEN]),
        ("map_browser", "output", [f"1, ({SEEN[0]})"]),
        ("region_depth", ".nbh-controls label", SEEN[:1]),
        ("region_depth", "figcaption", [f"image {i} ({name})" for i, name in enumerate(SEEN, 1)]),
        ("emergence", "th[scope=row]", [*SEEN, "all: accuracy"]),
        ("menu", "option", SEEN),
    ],
)
def test_names_are_read_as_they_are(names: Browser, figure: str, part: str, texts: list[str]) -> None:
    assert names.run(TEXTS, f"#{figure} {part}") == texts


def test_hovering_tells_the_name(names: Browser) -> None:
    bars = "document.querySelector('#attack_steps .nbh-plot')"
    for number, name in enumerate(SEEN):
        names.run(f"Plotly.Fx.hover({bars}, [{{curveNumber: 4, pointNumber: {number}}}], 'x3y3')")
        told = json.dumps(f"P({name}) = 0.")
        names.wait(f"document.querySelector('#attack_steps .hoverlayer .nums')?.textContent.startsWith({told})")
