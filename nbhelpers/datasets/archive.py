"""Reading a data set's files where they are: in a zip (never unpacked) or in a folder. Nothing outside is ever read,
and nothing that is no regular file.

A .tgz has no directory to look into, so what is needed of it is unpacked first.
"""

from __future__ import annotations

import gzip
import os
import re
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pooch
from tqdm import tqdm

from nbhelpers.datasets.telling import shown
from nbhelpers.files import cache_dir

_CHUNK = 2**20
MOST_MEMBERS = 250_000
MOST_BYTES = 2**32
MOST_MEMBER_BYTES = 2**28
"""A .tgz with more members, more bytes, or one larger member is refused.

CUB-200-2011 has 12,000 in 1.3 GB, the largest of 100 MB (a table of attributes that is not used here); Tiny ImageNet
has 120,000.
"""


@dataclass(frozen=True)
class Files:
    """The files of a folder, or of an open zip below its folder ``top``, named by their path from there."""

    path: Path
    archive: zipfile.ZipFile | None = None
    top: str = ""

    def names(self, folder: str) -> list[str]:
        """The names of the files in a folder, without its path and in no order; none if there is no such folder."""
        place = self.path / inside(folder, self.path)
        if self.archive is None:
            within(place, self.path)
            return [entry.name for entry in place.iterdir()] if place.is_dir() else []
        prefix = f"{self.top}{folder}/"
        below = (name[len(prefix) :] for name in self.archive.namelist() if name.startswith(prefix))
        return [name for name in below if name and "/" not in name]

    def holds(self, member: str) -> bool:
        """Whether anything has this name, and never lies outside; :meth:`read` refuses what is no regular file."""
        place = self.path / inside(member, self.path)
        if self.archive is None:
            return os.path.lexists(within(place, self.path))
        return self.top + member in self.archive.NameToInfo

    def read(self, member: str, most: int = 2**24) -> bytes:
        """The content of a file of at most ``most`` bytes whose name does not lead out of the folder."""
        place = self.path / inside(member, self.path)
        if self.archive is None:
            return read_file(place, self.path, most)
        try:
            packed = self.archive.getinfo(self.top + member)
            if packed.file_size > most:
                raise OSError(f"it takes {packed.file_size} bytes, more than the {most} allowed")
            return self.archive.read(packed)  # never more than file_size, and its CRC is checked
        except KeyError:
            raise _absent(self.path, member) from None
        except (OSError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise OSError(f"cannot read {member} in {self.path}: {error}") from None


def read_file(path: Path, root: Path, most: int) -> bytes:
    """The content of a regular file below a root, of at most ``most`` bytes.

    What was opened is what is looked at: whatever else is put in its place meanwhile neither hangs nor fills the
    memory.
    """
    real = within(path, root)
    try:
        with open(real, "rb", opener=_at_once) as file:
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode):
                raise OSError("it is no regular file")
            if state.st_size > most:
                raise OSError(f"it takes {state.st_size} bytes, more than the {most} allowed")
            return file.read(state.st_size)
    except FileNotFoundError:
        raise _absent(root, path.relative_to(root)) from None
    except OSError as error:
        raise OSError(f"cannot read {shown(path)}: {error.strerror or error}") from None


def within(path: Path, root: Path) -> Path:
    """Where a path leads when links are followed: never out of the root."""
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(os.path.realpath(root)):
        raise OSError(f"{shown(path)} is a link that leads out of {shown(root)}; copy what it leads to")
    return real


def _at_once(path: str, flags: int) -> int:
    """Open a path that has no links left, without waiting for whoever might write into a pipe (not on Windows)."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))


def _absent(root: Path, member: object) -> OSError:
    return OSError(f"{shown(root)} holds no {shown(member)}: the data set is not in its original layout")


@contextmanager
def open_files(path: Path, marker: str) -> Iterator[Files]:
    """The files of a folder, or of a zip below the place of its file or folder ``marker``."""
    if path.is_dir():
        yield Files(path)
        return
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise OSError(f"{path} is not a whole zip file ({error}); it may be cut short: download it again") from None
    with archive:
        names = [inside(name, path) for name in archive.namelist()]
        tops = [name[:place] for name in names if (place := f"/{name}/".find(f"/{marker}/")) >= 0]
        if not tops:
            raise _absent(path, marker)
        yield Files(path, archive, min(tops, key=len))


@contextmanager
def open_original(
    path: Path, folder: str, tables: Sequence[str]
) -> Iterator[tuple[Files, Callable[[Sequence[str]], None]]]:
    """The files of a folder or a zip, or those of a .tgz that lie in the cache, and what brings more of these there.

    ``tables`` are there from the beginning; the first of them marks the place.
    """
    packed = path if path.is_file() and is_tgz(path) else None
    place = unpacked_at(packed, folder) if packed else path

    def bring(pieces: Sequence[str]) -> None:
        if packed:
            unpack(packed, place.parent, [f"{folder}/{piece}" for piece in pieces])

    bring(tables)
    with open_files(place, tables[0]) as files:
        yield files, bring


def unpacked_at(path: Path, folder: str) -> Path:
    """Where in the cache the folder of a .tgz is, or will be, unpacked: archives are told apart by their sha256."""
    return cache_dir() / f"{folder}-{pooch.file_hash(str(path))[:20]}" / folder


def is_tgz(path: Path) -> bool:
    """Whether a file begins as gzip's do."""
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"


def unpack(path: Path, folder: Path, pieces: Sequence[str]) -> None:
    """Bring files or whole folders of a .tgz into a folder; those that are there already are left alone.

    Each piece appears by one renaming, after the whole archive was read and found harmless, so none is ever there
    by half, whatever kills this process or runs beside it.
    """
    missing = [piece for piece in pieces if not (folder / inside(piece, path)).exists()]
    if not missing:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="unpacking-", dir=folder) as name:
        part = Path(name)
        try:
            with _Expanding(path) as content:
                with tarfile.open(fileobj=content, mode="r:") as archive:
                    archive.extractall(part, _harmless(archive, path, part, missing), filter="data")
                while content.read(_CHUNK):  # to the end, where gzip keeps its checksum
                    pass
        except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError) as error:
            raise OSError(
                f"{path} is not a whole .tgz file ({error}); it may be cut short: download it again"
            ) from None
        if absent := [piece for piece in missing if not (part / piece).exists()]:
            raise _absent(path, absent[0])
        for piece in missing:
            (folder / piece).parent.mkdir(parents=True, exist_ok=True)
            try:
                os.replace(part / piece, folder / piece)
            except OSError:
                if not (folder / piece).exists():  # else another process was first
                    raise


class _Expanding(gzip.GzipFile):
    """The content of a .tgz, which never fills the memory, however large a small file claims to be."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _CHUNK or self.tell() > MOST_BYTES:
            raise OSError(f"{self.name} is larger than any such data set; do not trust it")
        return super().read(size)


def _harmless(archive: tarfile.TarFile, path: Path, part: Path, pieces: Sequence[str]) -> Iterator[tarfile.TarInfo]:
    """Check every member, and give on those that are a piece or lie in one, to be written into ``part``."""
    total = 0
    for number, member in enumerate(tqdm(archive, desc=f"unpacking {path.name}", unit=" files", delay=2)):
        name = inside(member.name, path).removeprefix("./")
        total += member.size
        if not (member.isreg() or member.isdir()):
            raise OSError(f"{path} has a link or device where files should be: {name!r}; do not trust it")
        if not 0 <= member.size <= MOST_MEMBER_BYTES or total > MOST_BYTES or number >= MOST_MEMBERS:
            raise OSError(f"{path} is larger than any such data set, at {name!r}; do not trust it")
        if member.isreg() and any(name == piece or name.startswith(f"{piece}/") for piece in pieces):
            if (part / name).exists():
                raise OSError(f"{path} holds {name} twice; do not trust it")
            yield member


def inside(member: str, path: Path) -> str:
    """The member's name, unless it is absolute or climbs out of the folder."""
    if member.startswith("/") or re.search(r"(^|/)\.\.(/|$)|[\\:\0]", member):
        raise OSError(f"{path} names a file outside its folder: {member!r}; do not trust it")
    return member
