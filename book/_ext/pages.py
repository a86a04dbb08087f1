"""What every page of the site gets beyond its theme: the figures' scripts once, a PDF, and roles that readers know."""

from __future__ import annotations

import importlib.resources
import os
import shutil
from pathlib import Path

from nbhelpers.show.page.inline import asset
from sphinx.application import Sphinx

VENDOR = "_static/vendor"
PLOTLY = f"{VENDOR}/plotly.min.js"
STYLE, SCRIPT = "figure.css", "figure.js"


def pdf_of(page: str) -> str:
    """Where the PDF of a page such as ``chapters/01_samples`` lies in the site."""
    return f"_pdf/{Path(page).name}.pdf"


def point_to_plotly(context: dict) -> None:
    """Tell every page where plotly.js lies; figures load it from there when they come into view."""
    href = context["pathto"](PLOTLY, resource=True)
    context["metatags"] = context.get("metatags", "") + f'\n<meta name="nbhelpers-plotly" content="{href}" />'


def share_assets(context: dict) -> None:
    """Each figure of a notebook carries its style and script; a page loads them once, as files that all pages share."""
    context["body"] = (
        context["body"]
        .replace(f"<style>{asset(STYLE)}</style>", "")
        .replace(
            f"<script>{asset(SCRIPT)}</script>",
            "<script>window.nbhFigures?.()</script>",
        )
    )


def name_citations(context: dict) -> None:
    """Docutils gives an entry of its list of citations a role that is deprecated, and that no list knows."""
    context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')


def drop_widget_state(context: dict) -> None:
    """Leave out the stored state of ipywidgets: megabytes that no script of this site reads."""
    state = "application/vnd.jupyter.widget-state+json"
    context["script_files"] = [script for script in context["script_files"] if script.attributes.get("type") != state]


def offer_pdf(context: dict, pdf: str) -> None:
    """Let the theme's button for a PDF load the file that ``make pdf`` prints; else it opens the browser's dialogue."""
    for group in context["header_buttons"]:
        for button in group.get("buttons", []):
            if button.get("label") == "download-pdf-button":
                del button["javascript"]
                href = context["pathto"](pdf, resource=True)
                button |= {
                    "type": "link",
                    "url": href,
                    "tooltip": "Download as PDF",
                }


def finish(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict,
    doctree: object,
) -> None:
    """Change what the theme and myst-nb have made of a page."""
    point_to_plotly(context)
    drop_widget_state(context)
    if "body" in context:
        share_assets(context)
        name_citations(context)
    pdf = pdf_of(pagename)
    printed = app.config.nbbook_pdf or (Path(app.outdir) / pdf).is_file()
    if printed and pagename.startswith("chapters/"):
        offer_pdf(context, pdf)


def copy_assets(app: Sphinx, exception: Exception | None) -> None:
    """Put what the pages share beside them."""
    if exception is None and app.builder.format == "html":
        vendor = Path(app.outdir) / VENDOR
        vendor.mkdir(parents=True, exist_ok=True)
        for name in (STYLE, SCRIPT):
            (vendor / name).write_text(asset(name), encoding="utf-8")
        plotly = importlib.resources.files("plotly") / "package_data/plotly.min.js"
        with importlib.resources.as_file(plotly) as source:
            shutil.copyfile(source, Path(app.outdir) / PLOTLY)


def setup(app: Sphinx) -> None:
    # Set where `make` goes on to print the PDFs; a change writes every page again.
    app.add_config_value("nbbook_pdf", os.environ.get("NBBOOK_PDF") == "1", "html")
    app.add_css_file(f"vendor/{STYLE}")
    app.add_js_file(f"vendor/{SCRIPT}", loading_method="defer")
    app.connect("html-page-context", finish, priority=900)
    app.connect("build-finished", copy_assets)
