"""Where files live: bundled data beside the package, downloads in the user's cache."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pooch

_PACKAGE = Path(__file__).resolve().parent


def data_dir() -> Path:
    """The bundled data: ``nbhelpers/_data`` in an installed package, ``data/`` in a checkout."""
    installed = _PACKAGE / "_data"
    return installed if installed.is_dir() else _PACKAGE.parent / "data"


def cache_dir() -> Path:
    """The folder for downloads and computed results; the variable ``NBHELPERS_CACHE`` moves it."""
    return Path(os.environ.get("NBHELPERS_CACHE") or pooch.os_cache("nbhelpers"))


def registry() -> dict[str, dict]:
    """The bundled files: name -> sha256, bytes, licence, source.

    >>> sorted(registry()["garments-train.png"])
    ['bytes', 'licence', 'sha256', 'source']
    """
    return json.loads((data_dir() / "registry.json").read_text(encoding="utf-8"))


def bundled(name: str) -> Path:
    """The path of a bundled file whose sha256 is the registered one.

    Raises
    ------
    OSError
        If the file is not registered, is missing, or was changed.
    """
    known = registry()
    if name not in known:
        raise OSError(
            f"{name!r} is not a bundled file; {data_dir() / 'registry.json'} lists {', '.join(sorted(known))}"
        )
    path = data_dir() / name
    advice = "restore it (git checkout) or reinstall nbhelpers"
    if not path.is_file():
        raise OSError(f"the bundled file {path} is missing; {advice}")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != known[name]["sha256"]:
        raise OSError(
            f"the bundled file {path} was changed: sha256 {found}, expected {known[name]['sha256']}; {advice}"
        )
    return path
