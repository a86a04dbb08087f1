"""Folders of images, written down as what is in them, and what is read and said of them."""

import io
import warnings
from pathlib import Path

from PIL import Image

from nbhelpers import datasets
from nbhelpers.datasets import DataWarning

Tree = dict[str, int | bytes | Path]
"""By path: a number of images in a folder, the content of a file, or where a link leads."""


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """An image as a file's content."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def grow(root: Path, tree: Tree) -> Path:
    """Make a folder; its images are 20x10 pixels, and the red of number n is n."""
    for name, what in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(what, bytes):
            path.write_bytes(what)
        elif isinstance(what, Path):
            path.symlink_to(what)
        else:
            path.mkdir(exist_ok=True)
            for number in range(what):
                (path / f"{number}.png").write_bytes(encoded(Image.new("RGB", (20, 10), (number, 9, 9))))
    return root


def told(root: Path, split: str, **options: object) -> tuple[datasets.ImageSet, list[str]]:
    """The images, and what was said."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        images = datasets.load("folder", split, root=root, side=8, **options)
    assert {warning.category for warning in caught} <= {DataWarning}
    assert {warning.filename for warning in caught} <= {__file__}, "the line that is shown is the caller's"
    return images, [str(warning.message) for warning in caught]
