"""Downloads that were asked for: hash-checked, resumed, written whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
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

    @property
    def filename(self) -> str:
        """The last part of the address.

        >>> Original("https://example.org/sets/birds.tgz", "0" * 64, 10).filename
        'birds.tgz'
        """
        return self.url.rsplit("/", 1)[-1]


def fetch(url: str, sha256: str, filename: str) -> Path:
    """The file at ``url`` in the cache, downloaded if it is not there yet.

    What came before a connection broke is kept beside it as ``<filename>.part``, and the next call goes on from
    there. pooch verifies the sha256 and only then moves the file into place; one with another sha256 is deleted.

    Raises
    ------
    OSError
        If the download fails or brings another file; the message says which file to put where by hand.
    """
    folder = cache_dir()
    try:
        return _retrieve(url, sha256, filename)
    except (OSError, ValueError) as error:  # ValueError is pooch's word for a wrong hash
        raise OSError(
            f"could not download {url}: {error}\n"
            f"With no network, get {filename} (sha256 {sha256}) elsewhere and put it at {folder / filename}"
        ) from error


def fetch_all(originals: Sequence[Original]) -> list[Path]:
    """All files of a data set in the cache, as :func:`fetch` does it.

    Raises
    ------
    OSError
        If one cannot be had; the message lists them all, with the place of each.
    """
    for original in originals:
        try:
            _retrieve(original.url, original.sha256, original.filename)
        except (OSError, ValueError) as error:
            raise OSError(
                f"could not download {original.url}: {error}\n"
                f"With no network, get these files elsewhere and put them at\n{by_hand(originals)}"
            ) from error
    return [cache_dir() / original.filename for original in originals]


def by_hand(originals: Sequence[Original]) -> str:
    """One line a file: where in the cache it belongs, its size, address and sha256."""
    return "\n".join(
        f"  {cache_dir() / original.filename} ({original.size / 1e6:,.0f} MB from {original.url}, "
        f"sha256 {original.sha256})"
        for original in originals
    )


def _retrieve(url: str, sha256: str, filename: str) -> Path:
    folder = cache_dir()
    downloader = _Resuming(folder / f"{filename}.part")
    return Path(pooch.retrieve(url, f"sha256:{sha256}", fname=filename, path=folder, downloader=downloader))


class _Resuming:
    """A downloader for pooch that goes on where an earlier one stopped, if the server can."""

    def __init__(self, part: Path) -> None:
        self.part = part

    def __call__(self, url: str, output_file: str, _: Any) -> None:
        held = self.part.stat().st_size if self.part.exists() else 0
        if not self._receive(url, held):
            self.part.unlink()
            self._receive(url, 0)
        os.replace(self.part, output_file)  # so a file with a wrong sha256 leaves no part to go on from

    def _receive(self, url: str, held: int) -> bool:
        """Get what is missing; false if the server offers no continuation of the ``held`` bytes."""
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
            self._append(answer, held, None if total is None else int(total))
        return True

    def _append(self, answer: requests.Response, held: int, total: int | None) -> None:
        progress = tqdm(desc=self.part.stem, total=total, initial=held, unit="B", unit_scale=True, delay=2)
        with progress, self.part.open("ab" if held else "wb") as file:
            try:
                for chunk in answer.iter_content(_CHUNK):
                    held += file.write(chunk)
                    progress.update(len(chunk))
            except requests.RequestException as error:
                raise self._cut_short(held, total) from error
        if total not in (None, held):
            raise self._cut_short(held, total)

    def _cut_short(self, held: int, total: int | None) -> OSError:
        of = "" if total is None else f" of {total}"
        return OSError(f"the connection broke after {held}{of} bytes; the same call goes on from there")
