"""The chapters without their solutions, for students: ``python book/_ext/student.py OUT``.

What lies between ``{solution-start}`` and ``{solution-end}`` goes; hints, stubs, checks and the quiz stay. Links from
chapter to chapter work in OUT as they are; those to other pages of the book lead to its site.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode

BOOK = Path(__file__).resolve().parents[1]
# What stands in the notebooks until the workflow that publishes the book writes the real address.
PLACEHOLDER = "https://github.com/OWNER/REPOSITORY"
# A directive of one block: its first line, options, and the same fence again.
MARK = re.compile(
    r"^(?P<fence>`{3,}|:{3,})\{solution-(?P<kind>start|end)\}[ \t]*(?P<label>\S*).*\n"
    r"(?::(?!::).*\n|[ \t]*\n)*(?P=fence)[ \t]*$",
    re.MULTILINE,
)
LINK = re.compile(r"\]\(\.\./(?P<page>[^).#\s]+)(?P<end>[^)#\s]*)")


def without_solutions(notebook: NotebookNode, name: str) -> NotebookNode:
    """Copy a notebook without its solutions and outputs.

    A Markdown cell that holds the end of one solution and the next exercise is cut; a cell of which nothing is left
    vanishes; every other cell stays as it is.

    Parameters
    ----------
    notebook : NotebookNode
        A chapter.
    name : str
        What errors call it.

    Returns
    -------
    NotebookNode
        The copy; `notebook` is left alone.

    Raises
    ------
    ValueError
        If a solution begins in another one, ends without a beginning, never ends, or is written in another form.

    Examples
    --------
    >>> from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
    >>> start = "```{solution-start} ex-one\\n:class: dropdown\\n```"
    >>> end = "```{solution-end}\\n```\\n\\n## Quiz"
    >>> cells = [new_markdown_cell(start), new_code_cell("x = 1"), new_markdown_cell(end)]
    >>> [cell.source for cell in without_solutions(new_notebook(cells=cells), "01").cells]
    ['## Quiz']
    """
    student = deepcopy(notebook)
    student.metadata.pop("widgets", None)
    student.cells = []
    inside, label = False, "the first exercise"
    for cell in deepcopy(notebook.cells):
        if cell.cell_type == "markdown":
            kept, place = [], 0
            for mark in MARK.finditer(cell.source):
                starts = mark["kind"] == "start"
                if starts and inside:
                    raise ValueError(
                        f"{name}: the solution of {mark['label']} begins before that of {label} has ended: "
                        "put {solution-end} between them"
                    )
                if not starts and not inside:
                    raise ValueError(
                        f"{name}: a solution ends, after {label}, that has not begun: "
                        "put {solution-start} before it or take its end away"
                    )
                if starts:
                    kept.append(cell.source[place : mark.start()])
                    label = mark["label"] or "an exercise without label"
                inside, place = starts, mark.end()
            if not inside:
                kept.append(cell.source[place:])
            if kept != [cell.source]:
                cell.source = "\n\n".join(part.strip("\n") for part in kept if part.strip())
            if "{solution" in cell.source:
                raise ValueError(
                    f"{name}: a mark of a solution, at or after {label}, cannot be read: "
                    "write {solution-start} LABEL or {solution-end} at the beginning of a line, and close its fence"
                )
            if cell.source:
                student.cells.append(cell)
        elif not inside:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
            student.cells.append(cell)
    if inside:
        raise ValueError(f"{name}: the solution of {label} never ends: put {{solution-end}} after it")
    return student


def linked_to(site: str, text: str) -> str:
    """Let links that leave the folder of the chapters lead to the site.

    Examples
    --------
    >>> linked_to("https://a.github.io/b", "[M](../appendices/method.ipynb#noise), [2](02_regions.ipynb)")
    '[M](https://a.github.io/b/appendices/method.html#noise), [2](02_regions.ipynb)'
    """

    def address(link: re.Match[str]) -> str:
        end = ".html" if link["end"] in (".ipynb", ".md") else link["end"]
        return f"]({site.rstrip('/')}/{link['page']}{end}"

    return LINK.sub(address, text)


def repository_of(config: Path) -> str:
    """The address of the repository that a book's settings name."""
    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    return settings["repository"]["url"].rstrip("/")


def site_of(config: Path) -> str:
    """The address at which GitHub Pages serves that repository."""
    owner, repository = repository_of(config).split("/")[-2:]
    return f"https://{owner}.github.io/{repository}"


def write(chapters: Path, out: Path, site: str, repository: str = PLACEHOLDER) -> list[Path]:
    """Write the notebooks of a folder, without solutions, to another one.

    All are read and cut before the first is written. A file that is already there may only be what would be written.

    Parameters
    ----------
    chapters, out : Path
        Where the notebooks are, and where the copies go.
    site, repository : str
        Addresses of the published book, and of what the first cell installs where nbhelpers is missing.

    Returns
    -------
    list of Path
        The copies.

    Raises
    ------
    FileExistsError
        If a file with other content is in the way.
    ValueError
        If there is no notebook, or one has an unbalanced solution.
    """
    texts = {}
    for path in sorted(chapters.glob("*.ipynb")):
        student = without_solutions(nbformat.read(path, as_version=4), path.name)
        for cell in student.cells:
            if cell.cell_type == "markdown":
                cell.source = linked_to(site, cell.source)
            else:
                cell.source = cell.source.replace(PLACEHOLDER, repository)
        texts[out / path.name] = nbformat.writes(student) + "\n"
    if not texts:
        raise ValueError(f"{chapters} holds no notebook (*.ipynb)")
    for path, text in texts.items():
        if path.exists() and path.read_text(encoding="utf-8") != text:
            raise FileExistsError(f"{path} is there already and differs: move it away, or choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return list(texts)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Write the chapters without their solutions.")
    parser.add_argument("out", type=Path, help="folder of the copies")
    parser.add_argument(
        "--site",
        default=site_of(BOOK / "_config.yml"),
        help="address of the published book (%(default)s, from repository.url in book/_config.yml)",
    )
    given = parser.parse_args(arguments)
    try:
        repository = repository_of(BOOK / "_config.yml")
        written = write(BOOK / "chapters", given.out, given.site, repository)
    except (FileExistsError, ValueError) as error:
        parser.exit(1, f"student.py: {error}\n")
    print(f"{len(written)} notebooks without solutions in {given.out}")
    print(f"links to other pages of the book lead to {given.site}")
    if repository == PLACEHOLDER:
        print(
            "no real address yet: write that of your repository into repository.url of book/_config.yml,"
            " or a copy that is opened alone finds neither the package nor these pages"
        )


if __name__ == "__main__":
    main()
