"""Make the bundled images of the ``scenes`` data set: garments-*.png, textures/*.png and their registry entries.

Run once by the maintainers, not by readers::

    apt-get install dataset-fashion-mnist && pip install "scikit-image==0.26.0" "pillow==13.0.0"
    python data/build_scenes_data.py

The same package versions give the same bytes, which ``registry.json`` records.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from nbhelpers.files import replace_file

HERE = Path(__file__).resolve().parent
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
PER_CATEGORY = {"train": 600, "held_out": 100}
FILES = {"train": "train", "held_out": "t10k"}
TEXTURES = ("brick", "grass", "gravel")


def read_idx(path: Path, header: int) -> np.ndarray:
    """The bytes of a gzipped IDX file after its header (8 bytes for labels, 16 for images)."""
    return np.frombuffer(gzip.decompress(path.read_bytes())[header:], np.uint8)


def first_of_each_category(folder: Path, split: str) -> np.ndarray:
    """The first garments of every category, in the original order: uint8 (10, n, 28, 28)."""
    stem = folder / FILES[split]
    images = read_idx(Path(f"{stem}-images-idx3-ubyte.gz"), 16).reshape(-1, 28, 28)
    labels = read_idx(Path(f"{stem}-labels-idx1-ubyte.gz"), 8)
    return np.stack([images[labels == category][: PER_CATEGORY[split]] for category in range(10)])


def write_sheet(path: Path, garments: np.ndarray) -> None:
    """One lossless grey picture, a row for each category: smaller than .npz, and anyone can look at it."""
    categories, count, height, width = garments.shape
    sheet = garments.transpose(0, 2, 1, 3).reshape(categories * height, count * width)
    replace_file(path, lambda part: Image.fromarray(sheet).save(part, "PNG", optimize=True))


def register(entries: dict[str, dict[str, str]]) -> None:
    """Add size and sha256 to each entry and merge them into registry.json."""
    path = HERE / "registry.json"
    registry = json.loads(path.read_text()) if path.exists() else {}
    for name, entry in entries.items():
        content = (HERE / name).read_bytes()
        registry[name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), **entry}
    content = json.dumps(registry, indent=2, sort_keys=True) + "\n"
    replace_file(path, lambda part: part.write_text(content))


def forget(folder: Path) -> None:
    """Take what is in a folder out of registry.json."""
    path, name = HERE / "registry.json", folder.relative_to(HERE).as_posix()
    kept = {key: entry for key, entry in json.loads(path.read_text()).items() if not key.startswith(f"{name}/")}
    content = json.dumps(kept, indent=2, sort_keys=True) + "\n"
    replace_file(path, lambda part: part.write_text(content))


def main() -> None:
    import skimage  # not needed by those who only register files

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fashion-mnist", type=Path, default=DEBIAN, help="folder with the four original .gz files")
    folder = parser.parse_args().fashion_mnist
    for split in PER_CATEGORY:
        write_sheet(HERE / f"garments-{split}.png", first_of_each_category(folder, split))
    (HERE / "textures").mkdir(exist_ok=True)
    for name in TEXTURES:
        shutil.copyfile(Path(skimage.__file__).parent / "data" / f"{name}.png", HERE / "textures" / f"{name}.png")
    garments = {"licence": "MIT (Zalando SE, 2017)", "source": "https://github.com/zalandoresearch/fashion-mnist"}
    texture = {"licence": "CC0-1.0", "source": "https://github.com/scikit-image/scikit-image"}
    register({f"garments-{split}.png": garments for split in PER_CATEGORY})
    register({f"textures/{name}.png": texture for name in TEXTURES})


if __name__ == "__main__":
    main()
