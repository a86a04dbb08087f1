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


SIDES = 16, 40  # pixels that a thumbnail has at least and at most
SHEET = 6_000_000  # pixels of all thumbnails together: some 2 MB
BATCH = 100  # images that are in memory at once where they are read from files


def sprite_sheet(images: np.ndarray, side: int = SIDES[1]) -> dict[str, Any]:
    """All thumbnails in one picture: a WebP data URI, row by row, with its number of columns and rows.

    Each has at most ``side`` pixels, and less where they are many.

    Raises
    ------
    ValueError
        If they would be too small to tell anything.
    """
    side = min(side, int(np.sqrt(SHEET / len(images))))
    if len(images) * SIDES[0] ** 2 > SHEET:
        raise ValueError(
            f"thumbnails of {len(images):,} images are too much for one page: show at most "
            f"{SHEET // SIDES[0] ** 2:,} (ImageSet.subset), or leave thumbnails away"
        )
    columns = int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * side, rows * side))
    for index in range(len(images)):
        if index % BATCH == 0:
            batch = images[index : index + BATCH]
        small = pillow(batch[index % BATCH]).resize((side, side), Image.Resampling.LANCZOS)
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
