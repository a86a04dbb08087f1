"""Downloads that were asked for: hash-checked, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pooch

from nbhelpers.paths import cache_dir


def fetch(url: str, sha256: str, filename: str) -> Path:
    """The file at ``url`` in the cache, downloaded if it is not there yet.

    pooch writes to a temporary file beside it, verifies the sha256 and only then moves it into place.

    Raises
    ------
    OSError
        If the download fails or brings another file; the message says which file to put where by hand.
    """
    folder = cache_dir()
    downloader = pooch.HTTPDownloader(progressbar=True, chunk_size=2**18)
    try:
        return Path(pooch.retrieve(url, f"sha256:{sha256}", fname=filename, path=folder, downloader=downloader))
    except (OSError, ValueError) as error:  # ValueError is pooch's word for a wrong hash
        raise OSError(
            f"could not download {url}: {error}\n"
            f"With no network, get {filename} (sha256 {sha256}) elsewhere and put it at {folder / filename}"
        ) from error
