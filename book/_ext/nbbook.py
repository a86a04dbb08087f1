"""What the book needs beyond Jupyter Book: a cache that knows our code, plotly.js from the site itself, PDFs, the status."""

from __future__ import annotations

import hashlib
import importlib.resources
import os
import shutil
from pathlib import Path

import status
from sphinx.application import Sphinx
from sphinx.config import Config

import nbhelpers
from nbhelpers.paths import data_dir

PLOTLY = "_static/vendor/plotly.min.js"


def pdf_of(page: str) -> str:
    """Where the PDF of a page such as ``chapters/01_samples`` lies in the site."""
    return f"_pdf/{Path(page).name}.pdf"


def fingerprint() -> str:
    """A hash of what a chapter's outputs depend on besides the chapter: our package, its data, the pinned versions."""
    package = Path(nbhelpers.__file__).resolve().parent
    files = [
        *package.rglob("*"),
        *data_dir().rglob("*"),
        package.parent / "constraints.txt",
    ]
    digest = hashlib.sha256()
    for file in sorted(
        file for file in files if file.is_file() and file.suffix != ".pyc"
    ):
        digest.update(
            file.relative_to(package.parent).as_posix().encode() + b"\0"
        )
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def key_execution_cache(app: Sphinx, config: Config) -> None:
    """Give each state of our code its own execution cache; jupyter-cache alone would look at the notebooks only.

    The path is part of the environment's configuration, so a new one also makes Sphinx read every page again.
    """
    caches = Path(app.outdir).parent / ".jupyter_cache"
    cache = caches / fingerprint()
    for old in caches.glob("*"):
        if old != cache:
            shutil.rmtree(old)
    config.nb_execution_cache_path = str(cache)


def point_to_plotly(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict,
    doctree: object,
) -> None:
    """Tell every page where plotly.js lies; figures load it from there when they come into view."""
    href = context["pathto"](PLOTLY, resource=True)
    context["metatags"] = (
        context.get("metatags", "")
        + f'\n<meta name="nbhelpers-plotly" content="{href}" />'
    )


def offer_pdf(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict,
    doctree: object,
) -> None:
    """Let the theme's button for a PDF load the file that ``make pdf`` prints; else it opens the browser's own dialogue."""
    if not app.config.nbbook_pdf or not pagename.startswith("chapters/"):
        return
    for group in context["header_buttons"]:
        for button in group.get("buttons", []):
            if button.get("label") == "download-pdf-button":
                del button["javascript"]
                button |= {
                    "type": "link",
                    "url": context["pathto"](
                        pdf_of(pagename), resource=True
                    ),
                    "tooltip": "Download as PDF",
                }


def name_citations(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict,
    doctree: object,
) -> None:
    """Docutils gives an entry of its list of citations a role that is deprecated, and that no list knows."""
    if "body" in context:
        context["body"] = context["body"].replace(
            'role="doc-biblioentry"', 'role="listitem"'
        )


def drop_widget_state(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict,
    doctree: object,
) -> None:
    """Leave out the stored state of ipywidgets: megabytes that no script of this site reads."""
    state = "application/vnd.jupyter.widget-state+json"
    context["script_files"] = [
        script
        for script in context["script_files"]
        if script.attributes.get("type") != state
    ]


def copy_plotly(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        target = Path(app.outdir) / PLOTLY
        target.parent.mkdir(parents=True, exist_ok=True)
        with importlib.resources.as_file(
            importlib.resources.files("plotly")
            / "package_data/plotly.min.js"
        ) as source:
            shutil.copyfile(source, target)


def setup(app: Sphinx) -> dict[str, bool]:
    # Set where `make` goes on to print the PDFs; a change writes every page again.
    app.add_config_value(
        "nbbook_pdf", os.environ.get("NBBOOK_PDF") == "1", "html"
    )
    status.setup(app)
    app.connect("html-page-context", offer_pdf, priority=900)
    app.connect("html-page-context", name_citations)
    app.connect("config-inited", key_execution_cache)
    app.connect("html-page-context", point_to_plotly)
    app.connect(
        "html-page-context", drop_widget_state, priority=900
    )  # after myst-nb has added it
    app.connect("build-finished", copy_plotly)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
