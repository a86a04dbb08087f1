"""New environments that see some of what is installed here, and what pyproject.toml asks for."""

from __future__ import annotations

import os
import subprocess
import venv
from collections.abc import Iterable
from importlib.metadata import distribution, requires
from pathlib import Path

import tomllib
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def required(*extras: str) -> list[Requirement]:
    """What pyproject.toml asks for, with these extras and those that they name."""
    found = [Requirement(line) for line in PROJECT["dependencies"]]
    for extra in extras:
        for line in map(Requirement, PROJECT["optional-dependencies"][extra]):
            found += required(*line.extras) if line.name == "nbhelpers" else [line]
    return found


def brought(requirements: Iterable[Requirement]) -> set[str]:
    """The names of all distributions that come with these on this platform, by what is installed here."""
    seen, todo = set(), list(requirements)
    while todo:
        line = todo.pop()
        for extra in ("", *line.extras):
            if (name := canonicalize_name(line.name), extra) not in seen:
                seen.add((name, extra))
                below = map(Requirement, requires(name) or [])
                todo += [line for line in below if not line.marker or line.marker.evaluate({"extra": extra})]
    return {name for name, _ in seen}


def make(home: Path, requirements: Iterable[Requirement]) -> Path:
    """Make an environment that has these distributions, those that they bring, and no others; give its programs."""
    venv.create(home, with_pip=True, symlinks=True)
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    inside = Path(subprocess.check_output([programs / "python", "-c", code], text=True).strip())
    for name in brought(requirements):
        for file in distribution(name).files or []:
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (inside / top).exists():
                (inside / top).symlink_to(distribution(name).locate_file(top))
    return programs
