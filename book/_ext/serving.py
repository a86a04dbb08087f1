"""A folder served from this machine, and pages made of figures alone."""

from __future__ import annotations

import functools
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path

from browser import Browser, start

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Figures</title>
<link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width"><meta name="nbhelpers-plotly" content="plotly.min.js">
</head><body><main><h1>Figures</h1>{body}</main></body></html>"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Where the folder is served, such as http://127.0.0.1:40123/."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextmanager
def browse(pages: Mapping[str, str], folder: Path) -> Iterator[Browser]:
    """A browser for pages of HTML that are written to the folder, beside plotly.js."""
    for name, page in pages.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    with resources.as_file(resources.files("plotly") / "package_data/plotly.min.js") as plotly:
        shutil.copy(plotly, folder)
    with serve(folder) as address, start(address) as browser:
        yield browser
