"""Where the files of a data set are: under a root that was named, or in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nbhelpers.datasets.download import Original, by_hand, fetch
from nbhelpers.files import cache_dir


def locate(
    title: str, originals: Sequence[Original], folder: str, root: str | Path | None, download: bool
) -> list[Path]:
    """Each original file of the data set called ``title``, or the folder that holds its content unpacked.

    They are looked for in ``root`` (the cache if none is given) and in its ``folder``; a zip of that name, or a file
    that is given as ``root``, has them all. ``download`` fetches into the cache what is not there.

    Raises
    ------
    ValueError
        If there is nothing to download into, because a root is given.
    OSError
        If a file is not there; the message says where each belongs.
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
        if all(path.exists() for path in paths):
            return paths
    lacks = " and ".join(
        f"neither {file.marker} nor {file.filename}"
        for file in originals
        if not (top / file.marker).exists() and not (top / file.filename).exists()
    )
    raise OSError(
        f"no {title} at {top}: it {f'holds {lacks}' if top.is_dir() else 'does not exist'}; give root=... as the path "
        f"of the data set, packed or unpacked, or of a folder that holds it; or pass download=True without a root to "
        f"fetch it into the cache, or put it there by hand, at\n{by_hand(originals)}"
    )
