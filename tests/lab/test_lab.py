"""Every chapter as a reader has it in JupyterLab, with a kernel; and what a reader sees of an exception."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from browser import Browser
from conftest import BOOK
from lab_notebook import Notebook, opened
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

CHAPTERS = sorted(path.stem for path in BOOK.glob("chapters/*.ipynb"))
LIST, SLIDER = "select:not([multiple])", ".noUi-handle"
Move = Callable[[Notebook, WebElement], None]
FAILING = """
import matplotlib.pyplot as plt
from nbhelpers import show

def line(slope):
    if slope == {bad}:
        raise ValueError("no line has this slope")
    figure, axes = plt.subplots()
    axes.plot([0, slope])
    return show.Picture(figure, alt="A line.")

show.Explore(line, slope={choices})
"""


@pytest.fixture(scope="module", params=CHAPTERS)
def chapter(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Notebook]:
    with opened(browser, f"chapters/{request.param}.ipynb") as notebook:
        notebook.run_all()
        yield notebook


def test_every_cell_runs(chapter: Notebook) -> None:
    assert chapter.errors() == []
    counts = chapter.counts()
    assert counts == list(range(1, len(counts) + 1))
    # A choice that raises is told on the page; in a chapter none does.
    assert not any('class="nbh-raised"' in page for page in chapter.results("text/html"))


def test_boxes_and_exercises_are_read_as_on_the_site_and_answers_are_folded(chapter: Notebook) -> None:
    text = "\n".join(cell.text for cell in chapter.find(".jp-MarkdownCell"))
    assert [mark for mark in (":::", "```", ":label:", "{exercise", "{solution") if mark in text] == []
    assert text.count("Before you start") == 1
    assert text.count("★★★ small research") == 1
    assert text.count("Right. ") == 0
    assert len(chapter.find(".jp-MarkdownCell details:not([open])")) > 10


def test_what_can_be_explored_shows_a_control_for_every_argument(chapter: Notebook) -> None:
    calls = [
        node
        for source in chapter.sources()
        if "show.Explore(" in source
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "show.Explore"
    ]
    explores = chapter.explores()
    assert len(explores) == len(calls) >= 1
    for explore, call in zip(explores, calls, strict=True):
        labels = explore.find_elements(By.CSS_SELECTOR, ".widget-label")
        assert [label.text for label in labels] == [argument.arg for argument in call.keywords]


@pytest.mark.parametrize(
    ("control", "move"), [(LIST, Notebook.choose_another), (SLIDER, Notebook.step)], ids=["list", "slider"]
)
def test_moving_a_control_makes_the_kernel_draw_another_figure(chapter: Notebook, control: str, move: Move) -> None:
    for explore in chapter.explores():
        for element in explore.find_elements(By.CSS_SELECTOR, control)[:1]:
            with chapter.another(explore):
                move(chapter, element)
    assert chapter.errors() == []


def test_every_figure_with_a_slider_moves(chapter: Notebook) -> None:
    plots = chapter.find(".js-plotly-plot:has(.slider-rail-touch-rect)")
    assert plots
    for plot in plots:
        with chapter.another(plot):
            chapter.slide(plot)
        assert chapter.cut_off(plot) == []


def test_every_plot_is_drawn_and_a_3d_scene_is_not_empty(chapter: Notebook) -> None:
    plots = chapter.find(".js-plotly-plot:has(.main-svg):not(.widget-output *)")
    figures = chapter.results("application/vnd.plotly.v1+json")
    assert len(plots) == len(figures)
    for plot, figure in zip(plots, figures, strict=True):
        if any(trace["type"].endswith("3d") for trace in figure["data"]):
            assert chapter.inked(plot) > 0.005


def test_the_browser_complains_of_nothing(chapter: Notebook) -> None:
    assert chapter.problems() == []


@pytest.mark.parametrize(
    ("choices", "bad", "control", "move"),
    [("[1, 2]", 2, LIST, Notebook.choose_another), ("(1, 3)", 3, SLIDER, Notebook.step)],
    ids=["list", "slider"],
)
def test_an_exception_is_shown_where_the_figure_would_be(
    browser: Browser, folder: Path, choices: str, bad: int, control: str, move: Move
) -> None:
    source = FAILING.format(choices=choices, bad=bad)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "failing.ipynb")
    with opened(browser, "failing.ipynb") as failing:
        failing.run_all()
        assert failing.errors() == []
        (explore,) = failing.explores()
        (element,) = explore.find_elements(By.CSS_SELECTOR, control)
        first = failing.drawn(explore)
        move(failing, element)  # to the bad one
        failing.wait(failing.errors, "an exception")
        (error,) = failing.errors()
        assert error.splitlines()[-1] == "ValueError: no line has this slope"
        assert failing.drawn(explore) == "[]"
        with failing.another(explore):
            move(failing, element)  # and back
        assert failing.drawn(explore) == first
        assert failing.errors() == []
        assert failing.problems() == []
