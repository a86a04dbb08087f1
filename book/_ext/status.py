"""The directive ``{status}``: how long each notebook ran, when, with which versions and on what machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import nbformat
from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector, SphinxEnvType
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-learn",
    "plotly",
    "matplotlib",
    "ipywidgets",
    "jupyter-book",
)
PENDING = "nbhelpers-status"


class Run(NamedTuple):
    """When a notebook was executed, in UTC, and for how many seconds."""

    when: datetime
    seconds: float


class Status(SphinxDirective):
    """Leaves a mark that :func:`fill` replaces once every page has been read."""

    def run(self) -> list[nodes.Node]:
        return [nodes.container(classes=[PENDING])]


def executed(env: SphinxEnvType, docname: str) -> Run | None:
    """The run of a notebook: from Jupyter Book's cache, else from the times that nbmake left in its cells."""
    known = NbMetadataCollector.get_exec_data(env, docname)
    if known and known["runtime"]:
        return Run(
            datetime.fromtimestamp(known["mtime"], timezone.utc),
            known["runtime"],
        )
    times = [
        (
            datetime.fromisoformat(told["iopub.status.busy"]),
            datetime.fromisoformat(told["shell.execute_reply"]),
        )
        for cell in nbformat.read(env.doc2path(docname), as_version=4).cells
        if (told := cell.metadata.get("execution", {})).keys() >= {"iopub.status.busy", "shell.execute_reply"}
    ]
    if not times:
        return None
    return Run(
        times[-1][1],
        sum((end - start).total_seconds() for start, end in times),
    )


def processor() -> str:
    """The name of the processor, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def table(head: tuple[str, ...], rows: list[tuple[nodes.Node | str, ...]]) -> nodes.table:
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in head), cols=len(head))
    for part, lines in ((nodes.thead(), [head]), (nodes.tbody(), rows)):
        for line in lines:
            cells = (cell if isinstance(cell, nodes.Node) else nodes.Text(cell) for cell in line)
            part += nodes.row(
                "",
                *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells),
            )
        group += part
    return nodes.table("", group)


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the tables where the directive stood."""
    for mark in doctree.findall(lambda node: isinstance(node, nodes.container) and PENDING in node["classes"]):
        rows = []
        for page in notebooks(app):
            link = nodes.reference(
                "",
                app.env.titles[page].astext(),
                internal=True,
                refuri=app.builder.get_relative_uri(docname, page),
            )
            run = executed(app.env, page)
            told = (f"{run.seconds:.0f} s", f"{run.when:%d %B %Y, %H:%M} UTC") if run else ("not run", "")
            rows.append((link, *told))
        machine = [
            (
                "Processor",
                f"{processor()}, {os.cpu_count()} cores, no GPU used",
            ),
            ("System", f"{platform.system()} {platform.machine()}"),
            ("Python", platform.python_version()),
            ("nbhelpers", version("nbhelpers")),
            *((name, version(name)) for name in PACKAGES),
        ]
        mark.children = [
            table(("Notebook", "Cells ran for", "On"), rows),
            nodes.rubric("", "Machine and versions"),
            table(("", "Here"), machine),
        ]


def notebooks(app: Sphinx) -> Iterator[str]:
    """Notebooks in the order of the book."""
    for page in app.env.external_site_map:
        if page in app.env.found_docs and str(app.env.doc2path(page)).endswith(".ipynb"):
            yield page


def write_again(app: Sphinx, env: SphinxEnvType) -> list[str]:
    """The status page changes whenever any notebook was executed."""
    return [docname for docname in env.found_docs if docname == "about/status"]


def setup(app: Sphinx) -> None:
    app.add_directive("status", Status)
    app.connect("doctree-resolved", fill)
    app.connect("env-updated", write_again)
