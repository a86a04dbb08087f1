"""Images that are read from their files where they are needed: the same pixels as in memory, and nothing unseen."""

import re
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from growing import encoded, grow, told
from PIL import Image

from nbhelpers import datasets, record
from nbhelpers.datasets import folder, lazy
from nbhelpers.images import ImageSet, LazyImages, batches, resized
from nbhelpers.networks.architectures import build
from nbhelpers.networks.training import Recipe, train
from nbhelpers.networks.weights import recentre

NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 4)).astype(np.uint8)
RGB, RGBA = Image.fromarray(NOISE[..., :3]), Image.fromarray(NOISE)


def turned(way: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = way
    return encoded(RGB, "JPEG", exif=exif.tobytes())


KINDS: dict[str, bytes] = {
    "photograph.jpg": encoded(RGB, "JPEG"),
    "progressive.jpg": encoded(RGB, "JPEG", progressive=True),
    "grey.jpg": encoded(RGB.convert("L"), "JPEG"),
    "inks.jpg": encoded(RGB.convert("CMYK"), "JPEG"),
    **{f"turned-{way}.jpg": turned(way) for way in range(1, 9)},
    "one-pixel.jpg": encoded(Image.new("RGB", (1, 1), (9, 8, 7)), "JPEG"),
    "long.jpg": encoded(RGB.resize((400, 9)), "JPEG"),
    "transparent.png": encoded(RGBA),
    "palette.png": encoded(RGB.convert("P"), transparency=3),
    "grey-alpha.png": encoded(RGBA.convert("LA")),
    "two-colours.png": encoded(RGB.convert("1")),
    "16-bits-a-colour.tif": encoded(RGB, "TIFF"),
    "frames.png": encoded(RGB, save_all=True, append_images=[RGB.rotate(90)]),
    "lossy.webp": encoded(RGBA, "WEBP"),
    "plain.bmp": encoded(RGB, "BMP"),
}
"""Files of every kind that is read."""
N = len(KINDS) + 4


@pytest.fixture
def root(tmp_path: Path) -> Path:
    names = [(f"{split}/kind/{name}", content) for split in ("train", "val") for name, content in KINDS.items()]
    return grow(tmp_path / "kinds", {**dict(names), "train/number": 4, "val/number": 1})


def load(root: Path, **options: object) -> ImageSet:
    return told(root, "train", **options)[0]


def test_the_pixels_are_those_of_images_in_memory(root: Path) -> None:
    eager, on_demand = load(root), load(root, lazy=True)
    assert isinstance(eager.images, np.ndarray) and isinstance(on_demand.images, LazyImages)
    assert len(eager) == len(on_demand) == N
    np.testing.assert_array_equal(np.asarray(on_demand.images), eager.images)
    np.testing.assert_array_equal(on_demand.labels, eager.labels)
    assert told(root, "train")[1] == told(root, "train", lazy=True)[1], "what is noted is the same, too"
    for name in KINDS:
        alone = grow(root / f"of {name}", {f"cat/{name}": KINDS[name], f"cat/2{name}": KINDS[name]})
        np.testing.assert_array_equal(load(alone, lazy=True).images[0], load(alone).images[0], err_msg=name)


INDICES = [
    3,
    -1,
    np.int64(2),
    slice(2, 9),
    slice(None, None, -3),
    [4, 2, 2],
    np.array([0, 5]),
    torch.tensor([1, 0]),
    [],
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_they_are_indexed_as_arrays_are(root: Path, index: object) -> None:
    eager, on_demand = load(root).images, load(root, lazy=True).images
    wanted = eager[np.asarray(index, np.int64) if isinstance(index, list) else index]
    got = on_demand[index]
    assert got.dtype == np.uint8 and got.shape == wanted.shape
    np.testing.assert_array_equal(got, wanted)


def test_what_is_no_index_of_images_is_refused(root: Path) -> None:
    images = load(root, lazy=True).images
    assert (images.shape, images.ndim, images.dtype, len(images)) == ((N, 3, 8, 8), 4, np.uint8, N)
    with pytest.raises(IndexError, match="index them alone"):
        images[0, 1]
    with pytest.raises(IndexError, match="out of bounds"):
        images[N]
    mask = np.arange(N) % 2 == 0
    assert len(images[mask]) == -(-N // 2) and len(list(images)) == N


def test_subsets_and_other_sizes_stay_on_the_disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    eager, on_demand = load(root), load(root, lazy=True)
    asked: list[int] = []
    decode = lazy.decode
    monkeypatch.setattr(lazy, "decode", lambda *what: asked.append(1) or decode(*what))
    some = resized(on_demand.subset([7, 3, 1]).subset([0, 2]), 12)
    assert isinstance(some.images, LazyImages) and some.images.shape == (2, 3, 12, 12) and not asked
    np.testing.assert_array_equal(some.images[:], resized(eager.subset([7, 1]), 12).images)
    assert len(asked) == 2
    assert some.images.names == tuple(on_demand.images.names[n] for n in (7, 1))


def test_the_fingerprint_is_that_of_the_files(root: Path) -> None:
    first = load(root, lazy=True)
    assert first.fingerprint == load(root, lazy=True).fingerprint
    others = [
        first.subset(range(5)),
        first.subset(range(5)[::-1]),
        resized(first, 12),
        load(root, lazy=True).subset(range(6)),
    ]
    others.append(resized(resized(first, 16), 12))
    (root / "train" / "number" / "0.png").write_bytes(encoded(Image.new("RGB", (20, 10), (77, 9, 9))))
    others.append(load(root, lazy=True))
    assert len({images.fingerprint for images in (first, *others)}) == 1 + len(others)


@pytest.mark.parametrize("content", [b"", KINDS["plain.bmp"]])
def test_a_file_that_is_no_longer_what_it_was_is_named(root: Path, content: bytes) -> None:
    images = load(root, lazy=True).images
    (root / "train" / "kind" / "long.jpg").write_bytes(content)
    with pytest.raises(OSError, match=r"train/kind/long.jpg is another file than when it was loaded; load"):
        images[:]
    (root / "train" / "kind" / "long.jpg").unlink()
    with pytest.raises(OSError, match=r"holds no train/kind/long.jpg"):
        images[:]


@pytest.mark.parametrize("cut", range(20, 2600, 300))
def test_a_photograph_that_is_cut_short_is_left_out_wherever_it_ends(tmp_path: Path, cut: int) -> None:
    """The quick look sees what decoding sees."""
    whole = encoded(RGB.resize((64, 64)), "JPEG")
    assert len(whole) > 2600
    for name, content in (("cut", whole[:cut]), ("end", whole[:-2])):
        root = grow(tmp_path / name, {"train/cat": 2, "train/cat/a.jpg": content, "val/cat": 1})
        images, lines = told(root, "train", lazy=True)
        assert len(images) == len(images.images[:]) == 3 - len(lines) == 3 - sum(images.left_out.values())
        assert all(
            re.search(r"be read are left out: 1, such as .*/a.jpg is not a usable image: ", line) for line in lines
        )
        assert lines or name == "end"


def test_all_are_taken_without_a_number(tmp_path: Path) -> None:
    root = grow(tmp_path, {"train/cat": 3, "train/dog": 60, "val/cat": 60, "val/dog": 3})
    images, lines = told(root, "held_out", lazy=True)
    assert np.bincount(images.labels).tolist() == [60, 3] and not lines and not images.left_out
    images, (line,) = told(root, "held_out")
    assert np.bincount(images.labels).tolist() == [50, 3]
    assert re.search(r"beyond 50 of a category are left out \(see per_category\): 10, such as .*/val/cat/", line)
    assert list(images.left_out.values()) == [10]
    images, lines = told(root, "held_out", lazy=True, per_category=2)
    assert np.bincount(images.labels).tolist() == [2, 2] and not lines


def test_what_does_not_fit_in_memory_is_read_on_demand(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "memory_left", lambda: 3 * 8 * 8 * N - 1)
    with pytest.raises(ValueError, match=rf"{N} images of 8 pixels a side take 5.0 kB, and 5.0 kB of .*lazy=True"):
        load(root)
    assert len(load(root, lazy=True)) == N
    monkeypatch.setattr(folder, "memory_left", lambda: None)
    assert len(load(root)) == N, "where nobody tells nothing is refused"


@pytest.mark.parametrize("name", ["scenes", "tiny-imagenet", "coco", "cub"])
def test_archives_are_not_read_on_demand(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' takes no lazy=True: only images of a 'folder'"):
        datasets.load(name, "train", lazy=True)


@pytest.mark.parametrize("size", [1, 3, N, 100])
@pytest.mark.parametrize("start", [0, 2, N])
def test_batches_hold_every_image_once(root: Path, size: int, start: int) -> None:
    eager, on_demand = load(root), load(root, lazy=True)
    for images in (eager.images, on_demand.images):
        parts = list(batches(images, size, start))
        assert all(len(part) == size for part in parts[:-1])
        np.testing.assert_array_equal(np.concatenate([*parts, eager.images[:0]]), eager.images[start:])


def test_one_batch_is_read_ahead_and_no_more() -> None:
    """The second is being read while the first is in use; the third is asked for when the second is."""
    asked: list[int] = []
    second = threading.Event()

    def read(numbers: np.ndarray) -> np.ndarray:
        asked.extend(numbers.tolist())
        if 2 in numbers:
            second.set()
        return np.zeros((len(numbers), 3, 8, 8), np.uint8)

    names = tuple(map(str, range(8)))
    parts = batches(LazyImages(read, names, names, (8, 8)), 2)
    next(parts)
    assert second.wait(10) and asked == [0, 1, 2, 3]
    assert sum(len(part) for part in parts) == 6 and asked == list(range(8))


def test_networks_see_what_they_see_in_memory(root: Path, tmp_path: Path) -> None:
    eager, on_demand = (resized(load(root, lazy=lazy), 32) for lazy in (False, True))
    network = build("resnet34", 2, width=0.0625, input_size=32).eval()
    seen = [record(network, images, ("block_22",), batch_size=5) for images in (eager, on_demand)]
    np.testing.assert_array_equal(seen[1].logits, seen[0].logits)
    np.testing.assert_array_equal(seen[1].regions["block_22"], seen[0].regions["block_22"])
    states = []
    for number, images in enumerate((eager, on_demand)):
        network = build("resnet34", 2, width=0.0625, input_size=32).eval()
        recentre(network, images)
        train(network, images, tmp_path / str(number), Recipe(epochs=1, batch_size=9))
        states.append(network.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
