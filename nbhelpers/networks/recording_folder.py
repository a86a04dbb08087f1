"""The folder of a recording: batch after batch on the disk, from which a killed recording goes on."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from io import BytesIO, FileIO
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from nbhelpers.files import Damaged, in_words, replace_file, tell
from nbhelpers.images import ImageSet
from nbhelpers.networks.network import Network
from nbhelpers.networks.run_folder import described_in, difference
from nbhelpers.networks.tensors import digest

ABOUT, DONE = "recording.json", "done.txt"
_ALIKE = 1e-3
"""Of the largest number: so much may the same network compute another time with other threads or on another device."""


def described(
    network: Network, images: ImageSet, layers: tuple[str, ...], grid: Any, pixels: np.ndarray | None
) -> dict[str, Any]:
    """What tells a recording from all others, as JSON."""
    return {
        "weights": digest(network.state_dict()),
        "images": images.fingerprint,
        "pixels": None if pixels is None else hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest(),
        "layers": list(layers),
        "grid": list(grid) if isinstance(grid, tuple) else grid,
    }


class RecordingFolder:
    """What is recorded of ``count`` images, in a folder: a .npy file for each array, and a checksum for each batch.

    Parameters
    ----------
    folder : path
        Made when it is first needed.
    about : dict
        As of :func:`described`.
    count : int
        Images.

    Examples
    --------
    >>> import tempfile
    >>> folder = RecordingFolder(Path(tempfile.mkdtemp()), {"images": "abc"}, 3)
    >>> with folder.opened({"logits": np.zeros((2, 5), np.float32)}) as done:
    ...     folder.add(done, {"logits": np.zeros((2, 5), np.float32)})
    ...     folder.add(2, {"logits": np.ones((1, 5), np.float32)})
    >>> folder.arrays()["logits"].sum(axis=1)
    array([0., 0., 5.], dtype=float32)
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], count: int) -> None:
        self.folder, self.about, self.count = folder, dict(about), count
        self._paths: dict[str, Path] = {}
        self._files: dict[str, FileIO] = {}
        self._marks: FileIO
        self._starts: dict[str, int] = {}

    @contextmanager
    def opened(self, first: dict[str, np.ndarray]) -> Iterator[int]:
        """Go on where a killed recording stopped: how many images are there already.

        ``first`` are the arrays of the first images, which tell all shapes, and whether what is there is the same.

        Raises
        ------
        ValueError
            If the folder holds another recording: the message says in what it differs.
        OSError
            If the disk has too little room, or another process records in the folder.
        """
        # Layers may be called anything; files have numbers.
        self._paths = {name: self.folder / f"{number}.npy" for number, name in enumerate(first)}
        headers = {name: _header((self.count, *array.shape[1:])) for name, array in first.items()}
        self._starts = {name: len(header) for name, header in headers.items()}
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            _lock(stack.enter_context(FileIO(self.folder / ABOUT, "a")), self.folder)
            self._claim()
            self._check_room(first)
            for name, path in self._paths.items():
                # Without a buffer, what a full disk does not take is told by the call that writes it.
                self._files[name] = stack.enter_context(FileIO(path, "r+" if path.exists() else "w+"))
                if self._read(name, 0, len(headers[name])) != headers[name]:
                    (self.folder / DONE).unlink(missing_ok=True)  # nobody knows of which arrays
                    self._write(self._files[name], 0, headers[name])
            done = self._whole(first)
            self._check_same(first, done)
            self._marks = stack.enter_context(FileIO(self.folder / DONE, "a"))
            yield done

    def add(self, start: int, arrays: dict[str, np.ndarray]) -> None:
        """Keep what was computed of the images from ``start`` on.

        Raises
        ------
        OSError
            If the disk takes no more; what was kept before is whole.
        """
        sums = []
        for name, array in arrays.items():
            content = np.ascontiguousarray(array, np.float32)
            sums.append(zlib.crc32(content))
            self._write(self._files[name], self._starts[name] + start * content[0].nbytes, content.data.cast("B"))
        stop = start + len(next(iter(arrays.values())))
        self._write(self._marks, None, f"{start} {stop} {' '.join(map(str, sums))}\n".encode())

    def arrays(self) -> dict[str, np.ndarray]:
        """All that was recorded: read-only, and read from the disk where it is used."""
        return {name: np.load(path, mmap_mode="r") for name, path in self._paths.items()}

    def _read(self, name: str, place: int, size: int) -> bytes:
        with open(self._paths[name], "rb") as file:
            file.seek(place)
            return file.read(size)

    def _write(self, file: FileIO, place: int | None, content: bytes | memoryview) -> None:
        rest = memoryview(content)
        try:
            if place is not None:
                file.seek(place)
            while rest:
                rest = rest[file.write(rest) :]
        except OSError as error:
            raise OSError(
                f"cannot write {file.name}: {error}; make room, and the same call goes on from there"
            ) from error

    def _claim(self) -> None:
        """Say what the folder holds from now on, where nothing says it."""
        path = self.folder / ABOUT
        content = path.read_bytes()
        try:
            there = described_in(content) if content else None
        except Damaged as error:
            tell(f"{path} is damaged ({error}): all is recorded anew")
            there = None
        if there is None:
            (self.folder / DONE).unlink(missing_ok=True)
            path.write_text(json.dumps(self.about, indent=1))  # in place: it is what is locked
        elif told := difference(there, self.about):
            raise ValueError(f"{self.folder} holds another recording: {told}. Delete that folder, or choose another")

    def _check_room(self, first: dict[str, np.ndarray]) -> None:
        sizes = {name: self.count * array[0].nbytes for name, array in first.items()}
        there = sum(path.stat().st_size for path in self._paths.values() if path.exists())
        room, needed = shutil.disk_usage(self.folder).free, sum(sizes.values())
        if there < needed:
            free = f"{in_words(room)} are free there"
            tell(f"what is recorded of {self.count} images takes {in_words(needed)} in {self.folder}; {free}")
        if needed - there > room:
            each = ", ".join(f"{name} {in_words(size)}" for name, size in sizes.items())
            raise OSError(
                f"the disk of {self.folder} has room for {in_words(room)}, and {in_words(needed)} are needed ({each}): "
                "choose another folder, fewer layers or a coarser grid"
            )

    def _whole(self, first: dict[str, np.ndarray]) -> int:
        """How many images are recorded whose checksums are right; what comes after them is recorded anew."""
        path, done = self.folder / DONE, 0
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        kept = []
        for line in tqdm(lines, "checking", delay=2):
            if not self._right(line, done, first):
                tell(f"{self.folder} is not whole from image {done} on, which is recorded anew")
                break
            done = int(line.split()[1])
            kept.append(line)
        if len(kept) < len(lines):
            replace_file(path, lambda part: part.write_bytes(b"".join(kept)))
        return done

    def _right(self, line: bytes, start: int, first: dict[str, np.ndarray]) -> bool:
        fields = line.split()
        if not line.endswith(b"\n") or len(fields) != 2 + len(first) or not all(map(bytes.isdigit, fields)):
            return False
        begin, stop, *sums = map(int, fields)
        if begin != start or not begin < stop <= self.count:
            return False
        for (name, array), wanted in zip(first.items(), sums, strict=True):
            size = array[0].nbytes
            if zlib.crc32(self._read(name, self._starts[name] + start * size, (stop - start) * size)) != wanted:
                return False
        return True

    def _check_same(self, first: dict[str, np.ndarray], done: int) -> None:
        for name, here in first.items():
            count, shape = min(done, len(here)), here.shape[1:]
            content = self._read(name, self._starts[name], count * here[0].nbytes)
            there = np.frombuffer(content, np.float32).reshape(count, *shape)
            if count and np.abs(there - here[:count]).max() > _ALIKE * np.abs(here).max():
                raise ValueError(
                    f"{self.folder} holds another recording: of the first images this network computes other {name}, "
                    "though its weights are the same. Delete that folder, or choose another"
                )


def _header(shape: tuple[int, ...]) -> bytes:
    """What a .npy file of float32 begins with."""
    about = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(content := BytesIO(), about)
    return content.getvalue()


def _lock(file: FileIO, folder: Path) -> None:
    """Let no other process record in the folder meanwhile (not on Windows)."""
    if os.name != "posix":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise OSError(f"another process records in {folder}: wait for it, or choose another folder") from error
