"""Which code computes a value: a hash that changes with it, but not with its comments, docstrings and layout."""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
_ALONE = Lock()
"""Python 3.11 counts how deep a tree is for all threads together, and gives up when the count is not what it left."""


def code_hash(function: Callable[..., Any]) -> str:
    """sha256 over the syntax of :func:`code_files`, from the file of the function on."""
    return _hash(Path(inspect.getfile(inspect.unwrap(function))).resolve())


def code_files(file: Path) -> list[Path]:
    """A file with the packages that it lies in, all that it imports from the package, and what these import in turn.

    Imports count wherever they stand, but must be absolute and name modules: what ``nbhelpers`` itself brings when it
    is asked for a name is not seen.
    """
    files: set[Path] = set()
    around = [folder / "__init__.py" for folder in file.parents if PACKAGE in folder.parents]
    todo = [file, *(path for path in around if path.is_file())]
    while todo:
        if (at := todo.pop()) not in files:
            files.add(at)
            todo += _read(at)[1]
    return sorted(files)


@cache
def _hash(file: Path) -> str:
    return hashlib.sha256("\n".join(f"{at.stem} {_read(at)[0]}" for at in code_files(file)).encode()).hexdigest()


@cache
def _read(file: Path) -> tuple[str, list[Path]]:
    """The syntax of a file without strings that stand alone, and the files of the package that it imports."""
    with _ALONE:
        tree = ast.parse(file.read_bytes())
    modules: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules += [f"{node.module}.{name.name}" for name in node.names]  # a module, or a name in one
        elif isinstance(lines := getattr(node, "body", None), list):
            node.body = [
                line for line in lines if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
            ]
    return ast.dump(tree), [path for module in modules for path in _files(module)]


def _files(module: str) -> list[Path]:
    """Of a module of the package, and of the packages that it lies in."""
    top, *parts = module.split(".")
    places = [PACKAGE.joinpath(*parts[:n]) for n in range(1, len(parts) + 1)] if top == PACKAGE.name else []
    return [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()]
