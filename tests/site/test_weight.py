"""What a page weighs, and what a phone on a slow network must wait for before it shows anything.

No clock: bytes are counted, and turned into seconds by the profile of a slow phone.
"""

import gzip
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browser import Browser

BYTES_A_SECOND = 1.6e6 / 8  # "slow 4G", the profile of Lighthouse and of the browser's own tools
ROUND_TRIP = 0.15  # seconds
PAINTED = 64_000  # bytes of HTML: more than the first screen of any page


def sent(file: Path) -> int:
    """Bytes on the wire: GitHub Pages, as most servers, packs text."""
    data = file.read_bytes()
    return len(gzip.compress(data, 6)) if file.suffix in {".html", ".css", ".js", ".svg", ".json"} else len(data)


def loaded(browser: Browser, site: Path, blocking: bool) -> set[Path]:
    """The files that the open page has loaded, or those without which it can't be painted."""
    wanted = "e.renderBlockingStatus === 'blocking'" if blocking else "true"
    urls = browser.run(f"return performance.getEntriesByType('resource').filter(e => {wanted}).map(e => e.name)")
    return {site / urlsplit(url).path.lstrip("/") for url in urls if url.startswith(browser.address)}


def test_first_view_comes_within_three_seconds_on_a_slow_phone(browser: Browser, site: Path, page: str) -> None:
    browser.open(page, (375, 800))
    files = loaded(browser, site, blocking=True)
    assert files
    html = gzip.compress((site / f"{page}.html").read_bytes()[:PAINTED], 6)
    # Find the host, connect, ask for the page, ask for its files, and for what these import.
    seconds = 5 * ROUND_TRIP + (len(html) + sum(map(sent, files))) / BYTES_A_SECOND
    assert seconds < 3, {file.name: sent(file) for file in files}


def test_page_weighs_less_than_two_megabytes(site: Path, page: str) -> None:
    assert (site / f"{page}.html").stat().st_size < 2e6


def test_plotly_is_one_file_that_comes_with_the_first_figure(browser: Browser, site: Path) -> None:
    assert [file.relative_to(site).as_posix() for file in site.rglob("*plotly*.js")] == ["_static/vendor/plotly.min.js"]
    browser.open("intro", (375, 800))
    assert not any("plotly" in file.name for file in loaded(browser, site, blocking=False))


@pytest.mark.parametrize("heavy", ["all.min.js", "require.min.js"])
def test_no_page_loads_what_it_does_not_need(browser: Browser, site: Path, heavy: str) -> None:
    browser.open("chapters/01_samples", (375, 800))
    assert heavy not in {file.name for file in loaded(browser, site, blocking=False)}
