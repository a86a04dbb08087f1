"""The pages about the book fit the repository: what is named exists, versions and citations agree."""

import datetime
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torchvision.models import resnet18

import nbhelpers
from nbhelpers import ImageSet

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "nbhelpers"
ABOUT = ROOT / "book" / "about"
CONTRIBUTING = (ABOUT / "contributing.md").read_text(encoding="utf-8")
CHANGELOG = (ABOUT / "changelog.md").read_text(encoding="utf-8")
CITATION = (ABOUT / "citation.md").read_text(encoding="utf-8")


# What the pages name


def named_paths(markdown: str) -> set[str]:
    """Files and folders of the repository in a page's code; NAME is anybody's.

    >>> sorted(named_paths("`book/_toc.yml`, `README.md`, `nbhelpers/NAME.py`; not `pip install x/y` or `a.b`"))
    ['README.md', 'book/_toc.yml', 'nbhelpers/*.py']
    """
    files = r"[\w./-]+\.(?:py|md|yml|ipynb|toml|txt|cff|json|js|css)"
    words = re.findall(rf"`([\w./-]+/[\w./-]*|{files})`", markdown)
    return {word.replace("NAME", "*") for word in words}


def exists(path: str) -> bool:
    """Whether a path is there: from the top, or the name of a file somewhere in the package."""
    return any(ROOT.glob(path)) or ("/" not in path and any(PACKAGE.rglob(path)))


@pytest.mark.parametrize("page", sorted(ABOUT.glob("*.md")), ids=lambda path: path.stem)
def test_each_path_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("`07_depth.ipynb`", "")  # an example of a new name
    assert [path for path in sorted(named_paths(text)) if not exists(path)] == []


@pytest.mark.parametrize("page", sorted(ABOUT.glob("*.md")), ids=lambda path: path.stem)
def test_each_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M))
    spoken = set(re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8")))
    assert spoken <= targets


def test_the_guide_names_each_make_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, flags=re.M)
    assert set(phony.split()) - {"help"} <= set(re.findall(r"`make ([a-z-]+)", CONTRIBUTING))


# Versions and citations


def releases() -> list[tuple[str, datetime.date]]:
    heads = re.findall(r"^## (.+)$", CHANGELOG, flags=re.M)
    pairs = [head.split(" – ") for head in heads]
    return [(version, datetime.date.fromisoformat(day)) for version, day in pairs]


def cff() -> dict:
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_the_newest_entry_of_the_changelog_is_this_version() -> None:
    assert releases()[0][0] == nbhelpers.__version__


def test_versions_and_dates_go_down_the_changelog() -> None:
    numbers = [tuple(int(part) for part in version.split(".")) for version, _ in releases()]
    assert all(len(number) == 3 for number in numbers) and len(numbers) > 1
    assert numbers == sorted(set(numbers), reverse=True)
    days = [day for _, day in releases()]
    assert days == sorted(days, reverse=True)


def test_entries_say_what_kind_of_change_they_are() -> None:
    kinds = set(re.findall(r"^### (.+)$", CHANGELOG, flags=re.M))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_citation_file_has_what_the_format_requires() -> None:
    """https://github.com/citation-file-format/citation-file-format/blob/1.2.0/schema-guide.md"""
    known = cff()
    assert known["cff-version"] == "1.2.0"
    assert {"authors", "cff-version", "message", "title"} <= set(known)
    assert known["type"] in {"software", "dataset"}
    assert known["license"] == "MIT"
    assert [author["name"] for author in known["authors"]] == ["The nbhelpers authors"]
    (paper,) = known["references"]
    assert {"authors", "title", "type"} <= set(paper)
    assert all({"family-names", "given-names"} <= set(author) for author in paper["authors"])


def test_the_citation_file_fits_the_book_and_the_package() -> None:
    known, book = cff(), yaml.safe_load((ROOT / "book" / "_config.yml").read_text(encoding="utf-8"))
    assert known["title"] == book["title"]
    assert known["authors"] == [{"name": book["author"]}]
    assert (known["version"], known["date-released"]) == (nbhelpers.__version__, releases()[0][1])


def bibtex(markdown: str) -> dict[str, dict[str, str]]:
    """Entries by key, each with its fields, without braces.

    >>> bibtex("@book{key,\\n  title = {A {B}},\\n}\\n")
    {'key': {'title': 'A B'}}
    """
    entries = re.findall(r"^@\w+\{(\w+),\n(.+?)^\}$", markdown, flags=re.S | re.M)
    fields = {key: re.findall(r"^\s*(\w+)\s*= \{(.+)\},$", body, flags=re.M) for key, body in entries}
    return {key: {name: re.sub("[{}]", "", value) for name, value in pairs} for key, pairs in fields.items()}


def test_the_page_cites_as_the_citation_file_does() -> None:
    known, cited = cff(), bibtex(CITATION)
    book, package, paper = (cited[key] for key in ("nbhelpers2026book", "nbhelpers2026", "li2021visualizing"))
    assert (book["title"], package["title"]) == (known["title"], "nbhelpers")
    assert {book["author"], package["author"]} == {known["authors"][0]["name"]}
    assert package["version"] == known["version"] and book["edition"] == f"Version {known['version']}"
    assert {book["year"], package["year"]} == {str(known["date-released"].year)}
    (reference,) = known["references"]
    assert (paper["title"], paper["year"]) == (reference["title"], str(reference["year"]))
    names = " and ".join(f"{author['family-names']}, {author['given-names']}" for author in reference["authors"])
    assert paper["author"] == names


def test_the_paper_is_cited_as_in_the_list_of_references() -> None:
    listed = bibtex((ROOT / "book" / "references.bib").read_text(encoding="utf-8"))
    assert bibtex(CITATION)["li2021visualizing"] == listed["li2021visualizing"]


# The README


def test_the_example_with_ones_own_network_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (code,) = re.findall(r"```python\n(.+?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.S)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (12, 3, 224, 224), dtype=np.uint8)
    images = ImageSet(pixels, np.arange(12) % 3, ("cat", "dog", "car"), "held_out")
    monkeypatch.chdir(tmp_path)
    exec(code, {"model": resnet18(num_classes=9).eval(), "images": images, "outputs": [2, 7, 1]})
    told = capsys.readouterr().out
    assert "layer4" in told and re.search(r"regions per image speak for a category", told)
    assert (tmp_path / "space.html").stat().st_size > 10**6
