"""The five lines that chapter 6 gives to type run as they stand, with random weights in place of a download."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from nbhelpers import datasets, show
from nbhelpers.method.portraits import portray
from nbhelpers.networks.network import Network
from nbhelpers.networks.recording import record

CHAPTER = Path(__file__).resolve().parents[1] / "book" / "chapters" / "06_your_own.ipynb"


def five_lines() -> str:
    text = "\n\n".join(cell.source for cell in nbformat.read(CHAPTER, as_version=4).cells)
    (block,) = re.findall(r"```python\n([^`]*resnet50[^`]*)```", text)
    assert len(block.splitlines()) == 5
    return block


@pytest.mark.slow
def test_the_five_lines_of_chapter_6_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import resnet50

    rng = np.random.default_rng(0)
    for name in ("church", "tench"):
        (tmp_path / "photographs" / name).mkdir(parents=True)
        for i in range(15):
            noise = rng.integers(0, 256, (12, 16, 3), np.uint8)
            Image.fromarray(noise).resize((320, 240)).save(tmp_path / "photographs" / name / f"{i}.jpg")
    monkeypatch.chdir(tmp_path)
    block = five_lines().replace('weights="DEFAULT"', "weights=None")
    names = {"Network": Network, "datasets": datasets, "show": show, "record": record, "portray": portray}
    scope = {**names, "resnet50": resnet50}
    exec(block, scope)
    assert scope["network"].grids["layer4"] == (7, 7)
    assert scope["portrait"].embedding.shape == (len(scope["photographs"]), 3) == (6, 3)
    said = tuple(scope["network"].names[output] for output in scope["network"].outputs)
    assert said == scope["photographs"].categories == ("church", "tench")
