"""What is where in a folder of images: the folders of splits, those of categories, and the images in them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from nbhelpers.datasets.archive import within
from nbhelpers.datasets.telling import Notes, shown
from nbhelpers.files import is_utf8

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff")
TRAINING = ("train", "training")
HELD_OUT = ("held_out", "val", "valid", "validation", "test")
_LEFT_BEHIND = ("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir")  # by systems and archivers


def splits(root: Path, told: Notes) -> tuple[Path, Path]:
    """The folders of the training and of the held-out categories; twice the same where a share is to be held out."""
    entries = _entries(root, root)
    here = {path.name.lower(): path for path in reversed(entries) if path.is_dir()}
    training, held_out = ([here[name] for name in names if name in here] for names in (TRAINING, HELD_OUT))
    if not training:
        if alone := next((path for path in held_out if _divides(path, root)), None):
            raise ValueError(
                f"{shown(root)} has held-out images in {alone.name!r} and no folder {TRAINING[0]!r} beside it; add "
                f"that, or name {shown(alone)} as the folder of images, so that a share of them is held out"
            )
        return root, root
    if not held_out and not _divides(training[0], root):
        return root, root  # a category may be called so
    usable = [path for path in held_out if any(below.is_dir() for below in _entries(path, root))]
    pair = [training[0], *usable[:1]]
    if beside := [path for path in entries if path not in pair and (path.is_dir() or _is_image(path))]:
        names = " and ".join(path.name for path in pair)
        told.left_out[f"what lies beside {names} is passed over"] += map(str, beside)
    if not usable:
        alone = "training folders have none of held-out images beside them, so a share is held out"
        told.changed[alone].append(str(pair[0]))
    return pair[0], pair[-1]


def categories(folder: Path, root: Path, told: Notes) -> dict[str, Path]:
    """The folders of a split by their names in composed Unicode (NFC), in which other systems may write them."""
    here: dict[str, Path] = {}
    for path in _entries(folder, root):
        if not path.is_dir():
            if _is_image(path):
                told.left_out["images in no category's folder are passed over"].append(str(path))
        elif folder.resolve().is_relative_to(path.resolve()):
            told.left_out[_LINKS].append(str(path))
        else:
            name = unicodedata.normalize("NFC", path.name)
            if not is_utf8(name):
                raise ValueError(f"the name of the folder {shown(path)} is not UTF-8; rename it")
            if name in here:
                raise ValueError(f"{shown(folder)} has two folders {name!r}, in two Unicode forms; put them together")
            here[name] = path
    if not here:
        raise ValueError(f"{shown(folder)} holds no folders; it should hold one of images for each category")
    if len(here) == 1 and _divides(path := next(iter(here.values())), root):
        raise ValueError(f"all that {shown(folder)} holds is a folder of folders; name {shown(path)} instead")
    return here


def images(folder: Path, root: Path, told: Notes) -> list[Path]:
    """The images of a category, in its folder and in those below."""
    paths, folders = [], [folder]
    while folders:
        top = folders.pop()
        for path in _entries(top, root):
            if path.is_dir():
                if path.is_symlink():
                    told.left_out[_LINKS].append(str(path))
                else:
                    folders.append(path)
            elif not _is_image(path):
                told.left_out[_OTHERS].append(str(path))
            elif not path.is_file():
                told.left_out["pipes, devices and links that lead nowhere are passed over"].append(str(path))
            else:
                paths.append(path)
                if top != folder:
                    told.changed["images in folders below that of their category are read, too"].append(str(path))
    return sorted(paths)


_LINKS = "links to folders are not followed"
_OTHERS = f"files that do not end in {' '.join(suffix[1:] for suffix in SUFFIXES)} are passed over"


def _entries(folder: Path, root: Path) -> list[Path]:
    """What is in a folder by name, without what is hidden or left behind; links may not lead out of the root."""
    names = (path for path in folder.iterdir() if not path.name.startswith("."))
    entries = sorted(path for path in names if path.name.lower() not in _LEFT_BEHIND)
    for path in entries:
        if path.is_symlink():
            within(path, root)
    return entries


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _divides(folder: Path, root: Path) -> bool:
    """Whether a folder looks like that of a split: folders in it, and no image beside them."""
    entries = _entries(folder, root)
    return any(path.is_dir() for path in entries) and not any(map(_is_image, entries))
