"""The built HTML: nothing missing, nothing from another host, no widget without its kernel."""

from pathlib import Path

import nbformat
import yaml
from bs4 import BeautifulSoup
from conftest import ROOT
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


def test_no_choice_of_a_menu_raised(site: Path) -> None:
    for page in pages(site):
        assert 'class="nbh-raised"' not in page.read_text(encoding="utf-8"), page.name


def test_every_page_knows_where_plotly_lies(site: Path) -> None:
    for page in [site / "intro.html", *(site / "chapters").glob("*.html")]:  # index.html only redirects
        meta = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").find("meta", {"name": "nbhelpers-plotly"})
        assert (page.parent / meta["content"]).is_file()


def test_buttons_of_a_notebook_lead_to_it(site: Path) -> None:
    """Colab and Binder open the file of the published branch; the download is that file."""
    repository = yaml.safe_load((ROOT / "book" / "_config.yml").read_text(encoding="utf-8"))["repository"]
    name, branch = repository["url"].removeprefix("https://github.com/"), repository["branch"]
    notebooks = [path.relative_to(ROOT) for path in (ROOT / "book").rglob("*.ipynb") if "_build" not in path.parts]
    assert len(notebooks) > 6
    for path in notebooks:
        page = (site / path.relative_to("book")).with_suffix(".html")
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        links = {link["href"] for link in soup.select("a[href]")}
        colab = f"https://colab.research.google.com/github/{name}/blob/{branch}/{path.as_posix()}"
        binder = f"https://mybinder.org/v2/gh/{name}/{branch}?urlpath=lab/tree/{path.as_posix()}"
        assert {colab, binder} <= links
        (download,) = (link for link in links if link.startswith("../_sources/") and link.endswith(".ipynb"))
        loaded, kept = (nbformat.read(file, as_version=4) for file in (page.parent / download, ROOT / path))
        assert [cell.source for cell in loaded.cells] == [cell.source for cell in kept.cells]
