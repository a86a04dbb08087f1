"""Any folder of images with a folder for each category."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nbhelpers.datasets.about import About
from nbhelpers.datasets.crops import Crop, read_crops
from nbhelpers.datasets.selection import by_lot, choose, resolve
from nbhelpers.images import ImageSet

ABOUT = About(
    "your own images, a folder for each category; root=... says where", "yours", origin="yours", any_size=True
)
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
HELD_OUT = 0.2  # of the smallest category, and as many images of every other, without folders of splits
_HELD_OUT_FOLDERS = ("held_out", "val", "valid", "test")
_IMAGE_BYTES = 2**28


def load(
    split: str,
    root: str | Path | None = None,
    *,
    categories: Sequence[str] | None = None,
    side: int = 64,
    per_category: int | None = None,
) -> ImageSet:
    """Read images of ``root/<category>/``, or of ``root/train/<category>/`` and ``root/val/<category>/``.

    Of each image the largest square in the middle is taken and resized, with antialiasing. The folder of held-out
    images may be called ``held_out``, ``val``, ``valid`` or ``test``; the first of these that is there counts. If
    there are no folders of both splits, a fifth of the smallest category is held out and as many images of every
    other, chosen by lot but always the same.

    Hidden files, and files that end in none of ``jpg jpeg png bmp webp tif tiff``, are passed over, and links may not
    lead out of the root. The categories are all folders in the order of the alphabet, if not given. All else is as in
    :func:`nbhelpers.datasets.load`.

    >>> import tempfile
    >>> from PIL import Image
    >>> pets = Path(tempfile.mkdtemp())
    >>> for name in ("cat/1.png", "cat/2.png", "dog/a.png", "dog/b.png", "dog/c.png"):
    ...     (pets / name).parent.mkdir(exist_ok=True)
    ...     Image.new("RGB", (30, 20)).save(pets / name)
    >>> load("train", pets, categories=["dog"], side=16, per_category=2)
    ImageSet(2 images of 16x16, 1 categories, 'train')
    """
    if root is None:
        raise ValueError("root is needed: the path of a folder that holds a folder of images for each category")
    root = Path(root).expanduser()
    if not root.is_dir():
        raise OSError(f"there is no folder {root}; root holds a folder of images for each category")
    divided = [root / name for name in _HELD_OUT_FOLDERS if (root / name).is_dir()]
    training, held_out = (root / "train", divided[0]) if divided and (root / "train").is_dir() else (root, root)
    here = {path.name: (path.name,) for path in _entries(training, root) if path.is_dir()}
    if not here:
        raise ValueError(f"{training} holds no folders; it should hold one of images for each category")
    names = resolve(sorted(here) if categories is None else categories, here)
    top = training if split == "train" else held_out
    crops = [_crops(top / name, label, root) for label, name in enumerate(names)]
    for name, group in zip(names, crops, strict=True):
        if not group:
            raise ValueError(f"the category {name!r} has no images: no file in {top / name} ends in {SUFFIXES}")
    if training == held_out:
        sizes = [len(_crops(top / name, 0, root)) for name in here]  # of all, so that no choice moves an image
        held = max(1, round(HELD_OUT * min(filter(None, sizes))))
        kept = slice(held, None) if split == "train" else slice(held)
        crops = [sorted(group, key=by_lot)[kept] for group in crops]
    chosen = choose([crop for group in crops for crop in group], names, split, per_category, fewest=1)
    return read_crops(chosen, _content, names, split, side)


def _entries(folder: Path, root: Path) -> list[Path]:
    """What is in a folder by name, without hidden files; links may not lead out of the root."""
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    for path in entries:
        if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
            raise OSError(f"{path} is a link that leads out of {root}; copy what it leads to")
    return entries


def _crops(folder: Path, label: int, root: Path) -> list[Crop]:
    paths = _entries(folder, root) if folder.is_dir() else ()
    images = (path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file())
    return [Crop(str(path), label, path.name) for path in images]


def _content(file: str) -> bytes:
    size = Path(file).stat().st_size
    if size > _IMAGE_BYTES:
        raise OSError(f"{file} takes {size} bytes, more than the {_IMAGE_BYTES} allowed")
    return Path(file).read_bytes()
