"""Figures and tables leave the notebook: as pages, still pictures and numbers, whole or not at all."""

import io
import sys
import webbrowser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit
from urllib.request import url2pathname
from xml.etree import ElementTree

import kaleido
import matplotlib.pyplot as plt
import numpy as np
import pytest
from bs4 import BeautifulSoup
from choreographer.errors import ChromeNotFoundError
from every_figure import every_figure
from PIL import Image

from nbhelpers import show
from nbhelpers.show.page import shown, stills
from nbhelpers.show.page.table import Cell

NAMES = ["<script>window.pwned = 1</script>", "R&D $x$", "_שלום\x00"]
ALT = 'Points "gather" <b>→ κ</b>'
FIGURES = every_figure(NAMES)
DRAWN = [name for name in FIGURES if name not in ("ablation_table", "claims_table", "table", "table1", "table2")]
SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"


def picture(panels: int = 1) -> show.Picture:
    return show.Picture([plt.figure(figsize=(3, 1 + i)) for i in range(panels)], alt=ALT)


@pytest.mark.parametrize("figure", FIGURES)
def test_a_saved_page_needs_nothing_beside_it(figure: str, tmp_path: Path) -> None:
    made = FIGURES[figure]()
    made.save(tmp_path / "x.html")
    text = (tmp_path / "x.html").read_text(encoding="utf-8")
    page = BeautifulSoup(text, "html.parser")
    assert [link.get("href") for link in page.find_all("link")] == ["data:,"]
    assert page.select("[src]:not([src^='data:'])") == []
    assert page.title.string
    assert "default-src 'none'" in page.select_one("meta[http-equiv]")["content"]
    assert (made.html() in text) and ("plotly.js v" in text) == isinstance(made, show.Figure)
    assert "<script>window.pwned" not in text


@pytest.mark.parametrize("ending", ["png", "svg"])
@pytest.mark.parametrize("panels", [1, 2, 5])
def test_a_saved_picture_has_all_panels_and_its_sentence(ending: str, panels: int, tmp_path: Path) -> None:
    path = tmp_path / f"x.{ending}"
    picture(panels).save(path)
    wide, high = {1: (3, 1), 2: (6.08, 2), 5: (6.08, 11.16)}[panels]  # two of three inches in a row
    if ending == "png":
        image = Image.open(path)
        assert image.size == (round(192 * wide), round(192 * high))
        assert image.text == {"Title": ALT, "Description": ALT}
    else:
        root = ElementTree.parse(path).getroot()
        assert [float(root.get(side).removesuffix("pt")) for side in ("width", "height")] == pytest.approx(
            [72 * wide, 72 * high], abs=0.01
        )
        assert len(root.findall(f"{SVG}svg")) == panels
        assert (root.find(f"{SVG}title").text, root.find(f"{SVG}desc").text) == (ALT, ALT)


def test_the_parts_of_a_drawing_have_names_of_their_own(tmp_path: Path) -> None:
    def panel() -> plt.Figure:
        figure, axes = plt.subplots(figsize=(2, 2))
        axes.plot([0, 1], marker="o")
        return figure

    show.Picture([panel(), panel()], alt=ALT).save(tmp_path / "x.svg")
    root = ElementTree.parse(tmp_path / "x.svg").getroot()
    names = [element.get("id") for element in root.iter() if element.get("id")]
    used = [element.get(HREF) for element in root.iter() if element.get(HREF)]
    assert len(names) == len(set(names)) > 20
    assert used and {name.removeprefix("#") for name in used} <= set(names)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["png", "svg"])
@pytest.mark.parametrize("figure", DRAWN)
def test_every_still_figure_is_saved(figure: str, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of plotly are drawn by a browser: tests/site looks at them."""
    asked = []

    def calc_fig_sync(figure: dict, opts: dict, kopts: dict) -> bytes:
        asked.append((figure, opts, kopts))
        if opts["format"] == "svg":
            return b'<svg class="main-svg" xmlns="http://www.w3.org/2000/svg"><g/></svg>'
        buffer = io.BytesIO()
        Image.new("RGBA", (4, 4)).save(buffer, "png")
        return buffer.getvalue()

    monkeypatch.setattr(kaleido, "calc_fig_sync", calc_fig_sync)
    made, path = FIGURES[figure](), tmp_path / f"x.{ending}"
    made.save(path)
    assert path.stat().st_size < 3_000_000
    if ending == "png":
        assert Image.open(path).text["Description"] == made.alt
    else:
        assert ElementTree.parse(path).getroot().find(f"{SVG}desc").text == made.alt
    for drawn, opts, kopts in asked:
        assert "sliders" not in drawn["layout"] and "frames" not in drawn
        assert opts["height"] == drawn["layout"]["height"]
        assert kopts == {"mathjax": False}  # else a formula's script would be fetched from a network
    assert bool(asked) == isinstance(made, show.Figure)


def test_a_still_picture_of_a_slider_tells_its_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    titles = []
    monkeypatch.setattr(
        stills, "drawn", lambda figure, *_: titles.append(figure["layout"]["title"]["text"]) or b"<svg></svg>"
    )
    plain = every_figure(["a", "b", "c"])
    for name in ("kappa_slider", "attack_steps"):
        plain[name]().save(tmp_path / "x.svg")
    assert titles == ["κ_max: c", "a → b: the attack failed (step: 2)"]


@pytest.mark.parametrize("name", ["x.pdf", "x", "x.html.gz", ".png"])
def test_another_ending_is_refused_with_those_that_there_are(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in \.html, \.png or \.svg"):
        picture().save(tmp_path / name)
    with pytest.raises(ValueError, match=r"must end in \.html or \.csv"):
        show.Table(["a"], [["b"]], "c").save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_without_what_draws_stills_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure, path = FIGURES["kappa_slider"](), tmp_path / "x.png"
    path.write_text("what was there")

    def no_browser(*_: object, **__: object) -> None:
        raise ChromeNotFoundError("no Chrome")

    monkeypatch.setattr(kaleido, "calc_fig_sync", no_browser)
    with pytest.raises(OSError, match=r"Chrome or Chromium.*none was found.*kaleido_get_chrome"):
        figure.save(path)
    monkeypatch.setitem(sys.modules, "kaleido", None)
    with pytest.raises(ImportError, match=r"pip install 'nbhelpers\[stills\]'"):
        figure.save(path)
    assert path.read_text() == "what was there"
    figure.save(tmp_path / "x.html")  # needs neither


def test_capital_endings_and_folders_that_are_not_there_yet(tmp_path: Path) -> None:
    picture().save(str(tmp_path / "new" / "X.PNG"))
    assert Image.open(tmp_path / "new" / "X.PNG").format == "PNG"


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.svg").mkdir()
    with pytest.raises(OSError, match=r"cannot write .*x\.svg"):
        picture().save(tmp_path / "x.svg")


def test_a_saved_page_of_choices_has_them_all(tmp_path: Path) -> None:
    explore = show.Explore(lambda which: show.Picture(plt.figure(), alt=f"No. {which}."), which=[1, 2, 3])
    explore.save(tmp_path / "x.html")
    explore.save(tmp_path / "x.png")
    page = BeautifulSoup((tmp_path / "x.html").read_text(encoding="utf-8"), "html.parser")
    assert [option.text for option in page.find_all("option")] == ["1", "2", "3"]
    assert Image.open(tmp_path / "x.png").text["Description"] == "No. 1."


# Shown outside a notebook


def test_a_script_opens_a_page(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    assert picture().show() is None
    path = Path(url2pathname(urlsplit(opened[0]).path))
    assert 'class="nbh-picture"' in path.read_text(encoding="utf-8")
    path.unlink()
    assert capsys.readouterr() == ("", "")


def test_without_a_browser_the_page_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    picture().show()
    path = Path(capsys.readouterr().err.split(" is ")[-1].strip())
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    path.unlink()


def test_a_notebook_shows_it_below_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    displayed = []
    monkeypatch.setattr(shown, "get_ipython", lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setattr(shown, "display", displayed.append)
    figure = picture()
    figure.show()
    assert displayed == [figure]


def test_printing_a_figure_says_what_it_is_and_a_table_prints_itself() -> None:
    assert str(picture()) == (f'Picture: {ALT}\nSee it: .show(). Keep it: .save("x.html", "x.png" or "x.svg").')
    assert str(FIGURES["kappa_slider"]()).startswith("Figure: What it shows.\nSee it")
    table = show.Table(["a", "b"], [["c", 1]], "d")
    assert str(table) == repr(table) == "d\na | b\nc | 1"


# Numbers


def test_a_frame_has_the_numbers_and_not_what_is_written() -> None:
    table = show.Table(
        ["layer", "r", "h", "calls", "r"],
        [
            ["a", Cell("−0.95", -0.9512), Cell("0.90 ± 0.10", {"{}": 0.9, "{}: std": 0.1}), 3, "–"],
            ["b", "–", Cell("0.80", 0.8), np.int64(4), "text"],
        ],
        "Numbers",
    )
    frame = table.frame()
    assert (frame.index.name, list(frame.index)) == ("layer", ["a", "b"])
    assert list(frame.columns) == ["r", "h", "h: std", "calls", "r"]
    assert frame.iloc[:, :4].to_numpy(float) == pytest.approx(
        np.array([[-0.9512, 0.9, 0.1, 3], [np.nan, 0.8, np.nan, 4]]), nan_ok=True
    )
    assert list(frame.dtypes[:4]) == [float, float, float, int]
    assert table.rows[0][1] == "−0.95"  # a cell is its text


def test_a_saved_table_reads_back_as_its_frame(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    table = FIGURES["sample_space"]().table
    table.save(tmp_path / "x.csv")
    back = pandas.read_csv(tmp_path / "x.csv", index_col=0)
    pandas.testing.assert_frame_equal(back, table.frame())


NOT_NUMBERS = {  # what a table tells that is no number
    "claims_table": None,  # words of the paper and of us
    "forest": {"number", "claimed", "verdict", "row"},
    "neighbours": {"nearest arrow", "second arrow", "most often mistaken for"},
    "region_paths": {"type", "image (original → new)"},
    "region_clouds": {"nearest arrow", "second arrow"},
    "sample_space": {"nearest arrow", "second arrow"},
}


@pytest.mark.parametrize("figure", FIGURES)
def test_tables_of_figures_are_numbers(figure: str) -> None:
    made = FIGURES[figure]()
    table = made if isinstance(made, show.Table) else made.table
    if table is None or NOT_NUMBERS.get(figure, ()) is None:
        assert not isinstance(made, show.Figure)  # whatever moves has a table
        return
    frame = table.frame()
    assert len(frame) == len(table.rows)
    assert {name for name in frame if frame[name].dtype.kind not in "if"} == NOT_NUMBERS.get(figure, set())


def test_the_frame_of_a_table_is_what_the_figure_was_given() -> None:
    along = every_figure(["a", "b", "c"])["emergence"]().table.frame()
    assert along.loc["all: accuracy"].tolist() == [0, 0.5, 1]
    row = {"mean": 0.95512, "std": 0.04321, "control_mean": 0.974}
    run = {"dataset": "scenes", "network": "vgg16", "table2": {"conv_53": row}}
    frame = show.table2({"scenes": run}, {"table2": {}}).frame()
    assert frame.loc["conv_53"].tolist() == [0.95512, 0.04321, 0.974]
    assert frame.loc["paper (last convolutional layer)"].isna().all()
