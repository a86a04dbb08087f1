"""Reading a data set's files where they are: in a zip (never unpacked) or in a folder. Nothing outside is ever read."""

from __future__ import annotations

import re
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath


class Files(ABC):
    """The files below ``top``, named by their path from there, such as ``val/val_annotations.txt``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, member: str, most: int) -> bytes:
        """The content of a file of at most ``most`` bytes.

        Raises
        ------
        OSError
            If the file is missing, damaged or larger, or its name leads out of the folder.
        """
        member = inside(member, self.path)
        try:
            size = self._size(member)
            if size > most:
                raise OSError(f"it takes {size} bytes, more than the {most} allowed")
            return self._content(member)
        except (KeyError, FileNotFoundError):
            raise OSError(f"{self.path} holds no {member}: the data set is not in its original layout") from None
        except (OSError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise OSError(f"cannot read {member} in {self.path}: {error}") from None

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """The names in a folder, without its path and in no order; none if there is no such folder."""

    @abstractmethod
    def _size(self, member: str) -> int: ...

    @abstractmethod
    def _content(self, member: str) -> bytes: ...


class _Folder(Files):
    def names(self, folder: str) -> list[str]:
        path = self.path / inside(folder, self.path)
        return [entry.name for entry in path.iterdir()] if path.is_dir() else []

    def _size(self, member: str) -> int:
        return (self.path / member).stat().st_size

    def _content(self, member: str) -> bytes:
        return (self.path / member).read_bytes()


class _Zip(Files):
    def __init__(self, path: Path, archive: zipfile.ZipFile, marker: str) -> None:
        super().__init__(path)
        self._archive = archive
        members = {inside(info.filename, path): info for info in archive.infolist() if not info.is_dir()}
        tops = [name[: -len(marker)] for name in members if PurePosixPath(name).name == marker]
        if not tops:
            raise OSError(f"{path} holds no {marker}: the data set is not in its original layout")
        top = min(tops, key=len)
        self._members = {name[len(top) :]: info for name, info in members.items() if name.startswith(top)}

    def names(self, folder: str) -> list[str]:
        prefix = inside(folder, self.path) + "/"
        rests = (name[len(prefix) :] for name in self._members if name.startswith(prefix))
        return [rest for rest in rests if "/" not in rest]

    def _size(self, member: str) -> int:
        return self._members[member].file_size

    def _content(self, member: str) -> bytes:
        return self._archive.read(self._members[member])  # never more than file_size, and the CRC is checked


@contextmanager
def open_files(path: Path, marker: str) -> Iterator[Files]:
    """The files of a folder, or of a zip below the place of its file ``marker``.

    Raises
    ------
    OSError
        If the zip is damaged, has no ``marker``, or names any file outside its folder.
    """
    if path.is_dir():
        yield _Folder(path)
        return
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise OSError(f"{path} is not a whole zip file ({error}); it may be cut short: download it again") from None
    with archive:
        yield _Zip(path, archive, marker)


def inside(member: str, path: Path) -> str:
    """The member's name, unless it is absolute or climbs out of the folder.

    >>> inside("val/images/val_0.JPEG", Path("tiny.zip"))
    'val/images/val_0.JPEG'
    """
    if member.startswith("/") or re.search(r"(^|/)\.\.(/|$)|[\\:\0]", member):
        raise OSError(f"{path} names a file outside its folder: {member!r}; do not trust it")
    return member
