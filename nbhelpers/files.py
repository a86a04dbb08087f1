"""Where files live, how they are written, and what they have room for: bundled data, and the user's cache."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import platform
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import get_ident
from typing import Any, NoReturn


def data_dir() -> Path:
    """The bundled data: ``nbhelpers/_data`` in an installed package, ``data/`` in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "_data"
    return installed if installed.is_dir() else package.parent / "data"


def cache_dir() -> Path:
    """The folder for downloads and computed results; the variable ``NBHELPERS_CACHE`` moves it."""
    if named := os.environ.get("NBHELPERS_CACHE"):
        return Path(named)
    import pooch  # the one thing here that needs more than the core

    return Path(pooch.os_cache("nbhelpers"))


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
    path, expected = data_dir() / name, known[name]["sha256"]
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    if sha256 != expected:
        state = f"was changed: sha256 {sha256}, expected {expected}" if sha256 else "is missing"
        raise OSError(f"the bundled file {path} {state}; restore it (git checkout) or reinstall nbhelpers")
    return path


def is_utf8(name: str) -> bool:
    """Whether the name of a file or folder is text, which every file can tell of it.

    >>> is_utf8("café"), is_utf8("caf\\udce9")
    (True, False)
    """
    return name.encode("utf-8", "ignore").decode() == name


class Damaged(OSError):
    """A file can be read, and is not what was written. The message says why; who knows what to do names the file."""


def memory_left() -> int | None:
    """Bytes of memory that may still be taken without swapping; None where the system does not tell.

    >>> memory_left() is None or memory_left() > 0
    True
    """
    left = []
    with suppress(OSError, LookupError, ValueError):
        fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        left.append(1024 * int(fields["MemAvailable"].split()[0]))
    with suppress(OSError, LookupError, ValueError):  # what a container allows; it can take back what files hold
        group = Path("/sys/fs/cgroup")
        most, taken = (int((group / f"memory.{name}").read_text()) for name in ("max", "current"))
        held = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        left.append(most - taken + int(held["inactive_file"]))
    return max(0, min(left)) if left else None


def in_words(size: float) -> str:
    """Bytes for readers.

    >>> in_words(6_272_000_000), in_words(900)
    ('6.3 GB', '900 bytes')
    """
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size:.0f} bytes"


def tell(line: str) -> None:
    """One line on the error stream, above the bars of progress."""
    from tqdm import tqdm

    tqdm.write(line, file=sys.stderr)


def replace_file(path: Path, write: Callable[[Path], Any]) -> None:
    """Write beside, then rename: a kill or a full disk leaves the old file, or none, but never half of one.

    A symbolic link stays, and what it leads to is written; so is a device or a pipe, in place. What a killed process
    of this machine left of the same file is cleared away.

    Raises
    ------
    OSError
        If it cannot be written, whatever ``write`` raises then; the message names the file.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note.txt"
    >>> replace_file(path, lambda part: part.write_text("whole"))
    >>> path.read_text()
    'whole'
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            write(path)
            return
        target = path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_remains(target)
        part = target.with_name(f"{target.name}.{_HERE}-{os.getpid()}-{get_ident()}.part")
        _PARTS.add(part)
        try:
            write(part)
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
            _PARTS.discard(part)
    except Exception as error:  # what writers of other libraries raise on a full disk has types of their own
        raise OSError(f"cannot write {path}: {error}; what was there before is unharmed") from error


def leave(status: int) -> NoReturn:
    """End this process at once, from any thread and whatever it computes, with no half of a file left."""
    for part in tuple(_PARTS):
        part.unlink(missing_ok=True)
    os._exit(status)


_PARTS: set[Path] = set()
"""What this process is writing."""
_HERE = re.sub(r"\W", "_", platform.node())
"""This machine in the names of parts: others may write in the same folder."""


def _clear_remains(path: Path) -> None:
    """Delete the parts of a file whose processes are gone."""
    for part in path.parent.glob(f"{glob.escape(path.name)}.{_HERE}-*.part"):
        if not _runs(int(part.name.split("-")[-2])):
            part.unlink(missing_ok=True)


def _runs(pid: int) -> bool:
    if os.name != "posix":
        return True  # there, asking a process by a signal may end it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
