"""What the book needs beyond Jupyter Book: a cache that knows our code, what its pages share, and the status page."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import nbhelpers
from nbhelpers.files import data_dir
from sphinx.application import Sphinx
from sphinx.config import Config

import pages
import status


def fingerprint() -> str:
    """A hash of what a chapter's outputs depend on besides the chapter: our package, its data, the pinned versions."""
    package = Path(nbhelpers.__file__).resolve().parent
    files = [
        *package.rglob("*"),
        *data_dir().rglob("*"),
        package.parent / "constraints.txt",
    ]
    digest = hashlib.sha256()
    for file in sorted(file for file in files if file.is_file() and file.suffix != ".pyc"):
        digest.update(file.relative_to(package.parent).as_posix().encode() + b"\0")
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


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", key_execution_cache)
    pages.setup(app)
    status.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
