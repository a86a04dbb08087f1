"""What a browser does not tell: links that lead nowhere, and tags that would fetch from another host."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup


@cache
def _parsed(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


@cache
def _anchors(page: Path) -> set[str]:
    return {tag[key] for key in ("id", "name") for tag in _parsed(page).find_all(attrs={key: True})}


def _references(page: Path) -> list[tuple[str, str]]:
    """Every (tag name, address) that a page names in href or src."""
    tags = _parsed(page).find_all(lambda tag: tag.has_attr("href") or tag.has_attr("src"))
    return [(tag.name, tag[key]) for tag in tags for key in ("href", "src") if tag.has_attr(key)]


def pages(site: Path) -> list[Path]:
    """The pages that a reader can open; themes leave templates under _static."""
    return [page for page in sorted(site.rglob("*.html")) if "_static" not in page.parts]


def missing_links(site: Path) -> list[str]:
    """Relative addresses whose file or anchor does not exist in the folder `site`, as "page: address"."""
    missing = []
    for page in pages(site):
        for _, address in _references(page):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if target.is_dir():
                target /= "index.html"
            fragment = unquote(parts.fragment)
            known = target.is_file() and (not fragment or target.suffix != ".html" or fragment in _anchors(target))
            if not known:
                missing.append(f"{page.relative_to(site)}: {address}")
    return missing


def foreign_resources(site: Path) -> list[str]:
    """Tags other than plain links that name another host, as "page: <tag> address"."""
    return [
        f"{page.relative_to(site)}: <{tag}> {address}"
        for page in pages(site)
        for tag, address in _references(page)
        if tag != "a" and urlsplit(address).netloc
    ]
