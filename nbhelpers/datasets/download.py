"""Where the files of a data set are: under a root that was named, or in the cache.

Downloads that were asked for are hash-checked, resumed, and written whole or not at all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pooch
import requests
from tqdm import tqdm

from nbhelpers.files import cache_dir

_CHUNK = 2**16  # bytes; what has come of the last one is lost when a connection breaks
_PATIENCE = 30  # seconds without a byte


class Original(NamedTuple):
    """A file that a data set consists of, as its authors publish it."""

    url: str
    sha256: str
    size: int
    marker: str
    """A file or folder in it, by which its content is known where it lies unpacked."""

    @property
    def filename(self) -> str:
        """The last part of the address."""
        return self.url.rsplit("/", 1)[-1]


def locate(
    title: str, originals: Sequence[Original], folder: str, root: str | Path | None, download: bool
) -> list[Path]:
    """Each original file of the data set called ``title``, or the folder that holds its content unpacked.

    They are looked for in ``root`` (the cache if none is given) and in its ``folder``; a zip of that name, or a file
    that is given as ``root``, has them all. ``download`` fetches into the cache what is not there.
    """
    if download and root is not None:
        raise ValueError("download=True fetches into the cache (NBHELPERS_CACHE moves it); leave root out")
    if download:
        fetch(originals)
    top = cache_dir() if root is None else Path(root).expanduser()
    for place in (top, top / folder, top / f"{folder}.zip"):
        if place.is_file():
            return [place] * len(originals)
        paths = [place if (place / file.marker).exists() else place / file.filename for file in originals]
        if all(map(_is_there, paths)):
            return paths
    lacks = " and ".join(
        f"neither {file.marker} nor {file.filename}"
        for file in originals
        if not (top / file.marker).exists() and not _is_there(top / file.filename)
    )
    state = f"holds {lacks}" if top.is_dir() else "is no file and no folder" if top.exists() else "does not exist"
    raise OSError(
        f"no {title} at {top}: it {state}; give its path, packed or unpacked, or that of a folder that holds it, or "
        f"bring it into the cache, by download=True in Python or by hand, at\n{by_hand(originals)}"
    )


def _is_there(path: Path) -> bool:
    """Whether a path is a file or a folder: a pipe would be waited for, a device has no end."""
    return path.is_file() or path.is_dir()


def fetch(originals: Sequence[Original]) -> None:
    """Bring the files of a data set into the cache, where they are not there yet.

    What came before a connection broke is kept beside a file as ``<filename>.part``, and the next call goes on from
    there. pooch verifies the sha256 and only then moves the file into place; one with another sha256 is deleted.
    """
    folder = cache_dir()
    for file in originals:
        downloader = partial(_go_on, part=folder / f"{file.filename}.part")
        try:
            pooch.retrieve(file.url, f"sha256:{file.sha256}", file.filename, folder, downloader=downloader)
        except (OSError, ValueError) as error:  # ValueError is pooch's word for a wrong hash
            raise OSError(
                f"could not download {file.url}: {error}\n"
                f"With no network, get these files elsewhere and put them at\n{by_hand(originals)}"
            ) from error


def by_hand(originals: Sequence[Original]) -> str:
    """One line a file: where in the cache it belongs, its size, address and sha256."""
    return "\n".join(
        f"  {cache_dir() / file.filename} ({file.size / 1e6:,.0f} MB from {file.url}, sha256 {file.sha256})"
        for file in originals
    )


def _go_on(url: str, output_file: str, _: Any, part: Path) -> None:
    """A downloader for pooch that goes on where an earlier one stopped, if the server can."""
    if not _receive(url, part):
        part.unlink()
        _receive(url, part)
    os.replace(part, output_file)  # so a file with a wrong sha256 leaves no part to go on from


def _receive(url: str, part: Path) -> bool:
    """Get what is missing of a part; false if the server offers no continuation of it."""
    held = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # a length in the header then is the length of the file
    if held:
        headers["Range"] = f"bytes={held}-"
    with requests.get(url, headers=headers, stream=True, timeout=_PATIENCE) as answer:
        if held and answer.status_code in (206, 416):
            span = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+)", answer.headers.get("Content-Range", ""))
            start, total = span.groups() if span else (None, None)
            if answer.status_code == 416:
                return total == str(held)  # nothing is missing
            if start != str(held):
                return False
        else:
            answer.raise_for_status()
            held, total = 0, answer.headers.get("Content-Length")
        whole, length = False, None if total is None else int(total)
        progress = tqdm(desc=part.stem, total=length, initial=held, unit="B", unit_scale=True, delay=2)
        with progress, part.open("ab" if held else "wb") as file, suppress(requests.RequestException):
            for chunk in answer.iter_content(_CHUNK):
                held += file.write(chunk)
                progress.update(len(chunk))
            whole = length in (None, held)
    if not whole:
        of = "" if length is None else f" of {length}"
        raise OSError(f"the connection broke after {held}{of} bytes; the same call goes on from there")
    return True
