"""Print each chapter of a built site as a PDF beside it: ``python book/_ext/pdf.py book/_build/html``.

A page is printed by the browser that would show it, once all its figures have been drawn.
"""

from __future__ import annotations

import argparse
import base64
import sys
from pathlib import Path

from tqdm import tqdm

from browser import Browser, start
from pages import pdf_of
from serving import serve

WINDOW = (660, 1200)  # as wide as the text on paper: a figure is drawn for its window
A4 = {
    "paperWidth": 8.27,
    "paperHeight": 11.69,
    "marginTop": 0.6,
    "marginBottom": 0.6,
    "marginLeft": 0.6,
    "marginRight": 0.6,
}
FOOT = (
    '<div style="font:8px sans-serif;width:100%;text-align:center;color:#555">'
    '<span class="title"></span> · <span class="pageNumber"></span> of <span class="totalPages"></span></div>'
)


def chapters(site: Path) -> list[str]:
    """The pages to print, in the order of the book."""
    return [page.relative_to(site).with_suffix("").as_posix() for page in sorted((site / "chapters").glob("*.html"))]


def printed(browser: Browser, page: str) -> bytes:
    """The PDF of one page, on A4, in the light theme."""
    browser.open(page, WINDOW)
    browser.run("document.documentElement.dataset.theme = 'light'")
    browser.draw_figures()
    options = A4 | {
        "printBackground": True,
        "displayHeaderFooter": True,
        "headerTemplate": "<div></div>",
        "footerTemplate": FOOT,
    }
    return base64.b64decode(browser.driver.execute_cdp_cmd("Page.printToPDF", options)["data"])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("site", type=Path, help="the folder of the built site")
    site = parser.parse_args(arguments).site.resolve()
    pages = chapters(site)
    if not pages:
        sys.exit(f"no chapters in {site}: build the book first, with `make book`")
    with serve(site) as address, start(address) as browser:
        for page in tqdm(pages, desc="PDF", unit="chapter"):
            target = site / pdf_of(page)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(printed(browser, page))


if __name__ == "__main__":
    main()
