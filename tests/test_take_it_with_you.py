"""The page that says how results leave the notebook: every line of it runs, and leaves what it promises."""

import re
import webbrowser
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image

from nbhelpers import show

PAGE = (Path(__file__).resolve().parents[1] / "book" / "about" / "take_it_with_you.md").read_text(encoding="utf-8")
LINES = "".join(re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.M | re.S))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path, list[str]]:
    """What the lines of the page name, the folder they write into, and what they open in a browser."""
    folder, opened, names = tmp_path_factory.mktemp("page"), [], {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
        exec(compile(LINES, "take_it_with_you.md", "exec"), names)
    return names, folder, opened


@pytest.mark.slow
def test_the_files_of_the_page_are_there(run: tuple[dict[str, Any], Path, list[str]]) -> None:
    names, folder, opened = run
    written = set(re.findall(r'"(\w+\.\w+)"', LINES))
    assert written == {path.name for path in folder.iterdir()} - {"recorded"}
    assert len(opened) == 1
    assert "plotly.js v" in (folder / "space.html").read_text(encoding="utf-8")
    assert Image.open(folder / "curve.png").text["Description"] == names["curve"].alt
    assert any((folder / "recorded").iterdir())


@pytest.mark.slow
def test_what_is_read_back_is_what_was_kept(run: tuple[dict[str, Any], Path, list[str]]) -> None:
    names, folder, _ = run
    assert np.array_equal(names["samples"].directions_, names["portrait"].samples.directions_)
    assert np.array_equal(names["again"].embedding, names["portrait"].embedding)
    assert np.array_equal(names["kept"].regions["conv_53"], names["activations"].regions["conv_53"])
    pandas.testing.assert_frame_equal(pandas.read_csv(folder / "table1.csv", index_col=0), names["frame"])
    assert names["strongest"] in names["frame"].index
    assert isinstance(names["figure"], show.Figure)
