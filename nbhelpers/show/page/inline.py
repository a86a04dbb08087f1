"""What a page carries inside itself, so that it needs no file beside it: pictures, the style sheet and the scripts."""

from __future__ import annotations

import base64
import io
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from PIL import Image
from plotly.offline import get_plotlyjs_version


def data_uri(image: Image.Image, **options: Any) -> str:
    """A picture as WebP inside a ``data:`` address; ``options`` go to Pillow."""
    buffer = io.BytesIO()
    image.save(buffer, "webp", **options)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def pillow(image: np.ndarray) -> Image.Image:
    """An image (3, H, W) as Pillow knows it."""
    return Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))


def sprite_sheet(images: np.ndarray, side: int = 40) -> dict[str, Any]:
    """All thumbnails in one picture: a WebP data URI, row by row, with its number of columns and rows."""
    columns = int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * side, rows * side))
    for index, image in enumerate(images):
        small = pillow(image).resize((side, side), Image.Resampling.LANCZOS)
        sheet.paste(small, (index % columns * side, index // columns * side))
    return {"src": data_uri(sheet, quality=50, method=6), "columns": columns, "rows": rows}


@cache
def asset(name: str) -> str:
    """The style sheet or a script, which lie beside this file."""
    text = resources.files("nbhelpers.show.page").joinpath(name).read_text(encoding="utf-8")
    return text.replace("@CDN@", f"https://cdn.plot.ly/plotly-{get_plotlyjs_version()}.min.js")


def check_alt(alt: str) -> str:
    """The sentence for readers who can't see the figure, or a ``ValueError`` that asks for it."""
    if not alt.strip():
        raise ValueError("alt is empty: say in a sentence what is shown, for readers who can't see it")
    return alt
