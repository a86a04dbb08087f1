"""Still pictures: plotly's drawn by a browser, panels put side by side, and the sentence that all of them carry."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import matplotlib.pyplot as plt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from nbhelpers.extras import require
from nbhelpers.show.page.document import title
from nbhelpers.show.style import CARD

SVG = "http://www.w3.org/2000/svg"
WIDTH = 700  # of plotly's pictures, in CSS pixels, as wide as a page of the book
WIDEST = 7.2  # inches that panels fill side by side before they wrap, likewise
GAP = 0.08  # inches between them
UNSEEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # no letters of XML


def png(image: Image.Image, alt: str) -> bytes:
    """The picture with its sentence, where programs look for it."""
    told = PngInfo()
    told.add_text("Title", title(alt).encode("utf-8", "backslashreplace").decode())
    told.add_text("Description", alt.encode("utf-8", "backslashreplace").decode())
    buffer = io.BytesIO()
    image.save(buffer, "png", pnginfo=told, optimize=True)
    return buffer.getvalue()


def svg(drawing: str, alt: str) -> bytes:
    """The drawing with its sentence, which screen readers read instead of its letters."""
    begin = drawing.index("<svg")
    end = drawing.index(">", begin)
    said = [html.escape(UNSEEN.sub("�", text)) for text in (title(alt), alt)]
    told = ' role="img"><title>{}</title><desc>{}</desc>'.format(*said)
    return (drawing[begin:end] + told + drawing[end + 1 :]).encode("utf-8")


def drawn(figure: dict[str, Any], height: int, kind: str) -> bytes:
    """A figure in plotly's own format as the ``"png"`` or ``"svg"`` that a browser of this machine draws."""
    require("stills")
    from choreographer.errors import ChromeNotFoundError
    from kaleido import calc_fig_sync

    size = {"format": kind, "width": WIDTH, "height": height, "scale": 2 if kind == "png" else 1}
    try:
        return calc_fig_sync(figure, opts=size, kopts={"mathjax": False})  # formulas would be asked for from a network
    except ChromeNotFoundError as error:
        raise OSError(
            "a still picture of this figure is drawn by Chrome or Chromium, and none was found: install one, or run "
            "kaleido_get_chrome; .html needs none"
        ) from error


def places(sizes: Sequence[tuple[float, float]]) -> tuple[list[tuple[float, float]], tuple[float, float]]:
    """Where panels of these widths and heights, in inches, stand in rows, and how large that is together.

    >>> places([(4, 1), (3, 2), (4, 1)])
    ([(0.0, 0.0), (4.08, 0.0), (0.0, 2.08)], (7.08, 3.08))
    """
    corners, x, y, high, wide = [], 0.0, 0.0, 0.0, 0.0
    for width, height in sizes:
        if x and x + width > WIDEST:
            x, y, high = 0.0, y + high + GAP, 0.0
        corners.append((x, y))
        wide, high = max(wide, x + width), max(high, height)
        x += width + GAP
    return corners, (wide, y + high)


def side_by_side(images: Sequence[Image.Image], dpi: int) -> Image.Image:
    """Panels as one picture."""
    corners, size = places([(image.width / dpi, image.height / dpi) for image in images])
    together = Image.new("RGB", tuple(round(side * dpi) for side in size), CARD)
    for image, corner in zip(images, corners, strict=True):
        together.paste(image, tuple(round(at * dpi) for at in corner))
    return together


def nested(panels: Sequence[plt.Figure], dpi: int) -> str:
    """Panels as one drawing, whose letters are lines: no font is needed to see them. Shades have ``dpi`` pixels."""
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    corners, size = places([tuple(panel.get_size_inches()) for panel in panels])
    width, height = (f"{72 * side:g}" for side in size)
    whole = ElementTree.Element(
        f"{{{SVG}}}svg", width=f"{width}pt", height=f"{height}pt", viewBox=f"0 0 {width} {height}"
    )
    ElementTree.SubElement(whole, f"{{{SVG}}}rect", width="100%", height="100%", fill=CARD)
    for number, (panel, (x, y)) in enumerate(zip(panels, corners, strict=True)):
        buffer = io.StringIO()
        with plt.rc_context({"svg.hashsalt": "nbhelpers", "svg.fonttype": "path"}):  # alike whenever it is drawn
            panel.savefig(buffer, format="svg", dpi=dpi, metadata={"Date": None})
        part = ElementTree.fromstring(buffer.getvalue())
        _own_names(part, f"p{number}-")
        part.set("x", f"{72 * x:g}")
        part.set("y", f"{72 * y:g}")
        whole.append(part)
    return ElementTree.tostring(whole, encoding="unicode")


def _own_names(part: ElementTree.Element, prefix: str) -> None:
    """Panels call their parts alike: within one drawing each needs names of its own."""
    for element in part.iter():
        for key, value in element.attrib.items():
            if key == "id":
                element.set(key, prefix + value)
            elif key.rpartition("}")[2] == "href" and value.startswith("#"):
                element.set(key, f"#{prefix}{value[1:]}")
            elif "url(#" in value:
                element.set(key, value.replace("url(#", f"url(#{prefix}"))
