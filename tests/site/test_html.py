"""The built HTML: nothing missing, nothing from another host, no widget without its kernel."""

from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from links import foreign_resources, missing_links, pages


def test_link_checkers_find_what_they_should(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        "<h1 id='top'></h1><a href='#top'></a><a href='#nowhere'></a><a href='b.html'></a>"
        "<a href='sub/#here'></a><a href='sub/#gone'></a><img src='no.png'><a href='https://example.org'></a>"
        "<script src='https://example.org/x.js'></script><link href='//example.org/x.css'><a href='mailto:a@b.c'></a>"
    )
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "index.html").write_text("<p id='here'></p><a href='../a.html?q=1#top'></a>")
    assert missing_links(tmp_path) == ["a.html: #nowhere", "a.html: b.html", "a.html: sub/#gone", "a.html: no.png"]
    assert foreign_resources(tmp_path) == [
        "a.html: <script> https://example.org/x.js",
        "a.html: <link> //example.org/x.css",
    ]


def test_every_internal_link_leads_somewhere(site: Path) -> None:
    assert missing_links(site) == []


def test_nothing_is_fetched_from_another_host(site: Path) -> None:
    assert foreign_resources(site) == []


def test_every_output_has_a_form_for_a_page_without_a_kernel(site: Path) -> None:
    """Widgets and plotly's JSON are not drawn on the site: HTML or an image must stand beside them."""
    live = {"application/vnd.jupyter.widget-view+json", "application/vnd.plotly.v1+json"}
    static = {"text/html", "image/png", "image/svg+xml"}
    missing = []
    executed = 0
    for path in (site / "_sources").rglob("*.ipynb"):  # the notebooks that the site was built from
        for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
            bundles = [output["data"].keys() for output in cell.get("outputs", ()) if "data" in output]
            executed += len(bundles)
            missing += [f"{path.name}, cell {number}" for keys in bundles if keys & live and not keys & static]
    assert executed > 0, "the site was built from notebooks without outputs: test the one of `make test-notebooks`"
    assert missing == []


def test_no_page_carries_the_state_of_widgets(site: Path) -> None:
    for page in pages(site):
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        assert not soup.select("script[type*='jupyter.widget']"), page.name


def test_every_page_knows_where_plotly_lies(site: Path) -> None:
    for page in [site / "intro.html", *(site / "chapters").glob("*.html")]:  # index.html only redirects
        meta = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").find("meta", {"name": "nbhelpers-plotly"})
        assert (page.parent / meta["content"]).is_file()
