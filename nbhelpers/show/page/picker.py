"""Images below a 3-D figure: a reader picks one of their regions and follows it, or some of them are marked."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
from PIL import Image

from nbhelpers.show.page.inline import data_uri, pillow
from nbhelpers.show.text import page


def pickable(images: np.ndarray, names: Sequence[str], colours: Sequence[str]) -> str:
    """Images (n, 3, H, W) over which the script lays regions; a CSS colour says which points belong to each."""
    captions = [f'<i style="background:{colour}"></i>{page(name)}' for name, colour in zip(names, colours, strict=True)]
    over = ['<div class="nbh-regions"></div>'] * len(images)
    return (
        f'<p class="nbh-told" role="status"></p>{_strip(images, names, captions, over)}'
        '<p class="nbh-hint">Point at a region to see it above; click to keep it. '
        "With the keyboard: Tab, arrow keys, Enter.</p>"
    )


def marked(
    images: np.ndarray, captions: Sequence[str], grid: tuple[int, int], marks: Sequence[Sequence[tuple[int, str, str]]]
) -> str:
    """Images (n, 3, H, W) with regions outlined on each: their numbers, row by row, CSS colours and short texts."""
    rows, columns = grid
    size = f"width:{1 / columns:.2%};height:{1 / rows:.2%}"  # in shares, so that they fit at any size
    over = [
        "".join(
            f'<b class="nbh-mark" style="left:{region % columns / columns:.2%};top:{region // columns / rows:.2%};'
            f'{size};border-color:{colour}">{page(text)}</b>'
            for region, colour, text in its
        )
        for its in marks
    ]
    return _strip(images, captions, [page(caption) for caption in captions], over)


def _strip(images: np.ndarray, names: Sequence[str], captions: Sequence[str], over: Sequence[str]) -> str:
    """Images side by side, each with its name, markup that lies ``over`` it and markup below it."""
    pictures = "".join(
        f'<figure><div><img alt="{html.escape(name)}" src="{_small(image)}">{above}</div>'
        f"<figcaption>{caption}</figcaption></figure>"
        for image, name, caption, above in zip(images, names, captions, over, strict=True)
    )
    return f'<div class="nbh-strip">{pictures}</div>'


def _small(image: np.ndarray) -> str:
    picture = pillow(image)
    picture.thumbnail((192, 192), Image.Resampling.LANCZOS)
    return data_uri(picture, quality=80, method=6)
