"""The scenes: what their masks promise, and that a seed gives the same bytes."""

import hashlib
import json
from importlib import import_module
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nbhelpers import datasets
from nbhelpers import files as paths
from nbhelpers.datasets import scenes
from nbhelpers.images import ImageSet


@pytest.fixture(scope="module")
def train():
    return datasets.load("scenes", "train", size=400)


@pytest.fixture(scope="module")
def held_out():
    return datasets.load("scenes", "held_out", size=400)


def garments(split: str) -> np.ndarray:
    """The bundled garments of a split by category: uint8 (10, n, 28, 28)."""
    sheet = np.asarray(Image.open(paths.bundled(f"garments-{split}.png")))
    return np.stack([np.stack(np.split(row, row.shape[1] // 28, axis=1)) for row in np.split(sheet, 10)])


def object_pixels(images: ImageSet) -> np.ndarray:
    return images.masks == images.labels[:, None, None]


def test_types_shapes_and_names(train):
    assert train.images.shape == (400, 3, 64, 64) and train.images.dtype == np.uint8
    assert train.masks.shape == (400, 64, 64) and train.masks.dtype == np.int8
    assert train.labels.dtype == np.int64
    assert train.categories == scenes.CATEGORIES and len(set(train.categories)) == 10
    assert train.split == "train"
    assert train.images.min() < 20 and train.images.max() > 200, "the pictures use the range of a byte"


def test_the_default_held_out_set_is_the_recorded_one():
    whole = datasets.load("scenes", "held_out")
    assert len(whole) == 500
    # Recorded results and bundled networks belong to these very bytes; changing them means training again.
    assert whole.fingerprint == "b062b26860c69070972b7c9fdbd8c73f05fe0ae96c2685a47173bc649b0b42c2"
    masks = hashlib.sha256(whole.masks.data).hexdigest()
    assert masks == "98572c76adfc9ef3a4b3a93553845fb7b1a5845957f46de6ef9cf85c0d9d49b9"


def test_the_first_training_scenes_are_the_recorded_ones(train):
    assert train.fingerprint == "fa6770b93d7d90a204cd332a306454e635abf90be464063b3b115e281e937467"


def test_equal_seeds_give_equal_scenes_and_others_do_not():
    first, again = (datasets.load("scenes", "train", size=30, seed=5) for _ in range(2))
    other = datasets.load("scenes", "train", size=30, seed=6)
    assert np.array_equal(first.images, again.images) and np.array_equal(first.masks, again.masks)
    assert not (first.images == other.images).all(axis=(1, 2, 3)).any()


def test_a_smaller_set_is_the_beginning_of_a_larger_one(train):
    # 260 crosses the border between two batches
    few = datasets.load("scenes", "train", size=260)
    assert np.array_equal(few.images, train.images[:260]) and np.array_equal(few.masks, train.masks[:260])


def test_the_global_random_state_is_left_alone():
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    datasets.load("scenes", "train", size=10)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_labels_are_balanced(split, request):
    assert np.bincount(request.getfixturevalue(split).labels).tolist() == [40] * 10


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_every_scene_shows_object_fragments_and_background(split, request):
    images = request.getfixturevalue(split)
    share = object_pixels(images).mean(axis=(1, 2))
    assert share.min() > 0.01 and share.max() < 0.5
    assert images.masks.min() == -1 and images.masks.max() == 9
    assert ((images.masks == -1).mean(axis=(1, 2)) > 0.4).all()
    fragments = (images.masks >= 0) & ~object_pixels(images)
    assert (fragments.sum(axis=(1, 2)) >= 20).all()
    assert (fragments.mean(axis=(1, 2)) < 4 * 14**2 / 64**2).all()


def test_fragments_are_two_to_four_from_other_categories(train):
    kinds = [set(np.unique(mask)) - {-1, label} for mask, label in zip(train.masks, train.labels, strict=True)]
    counts = np.array([len(kind) for kind in kinds])
    # two fragments of one scene may come from the same category, so one kind is possible and five are not
    assert counts.min() >= 1 and counts.max() == 4 and 2 < counts.mean() < 3.2
    assert set().union(*kinds) == set(range(10)), "fragments come from every category"


def test_the_object_is_the_garment_that_the_label_says(train):
    """Scaling the object's mask back to 28x28 finds its own garment's shape among all ten categories' garments."""
    sheet = garments("train")
    masks = object_pixels(train)
    cut = masks[:, [0, -1]].any(axis=(1, 2)) | masks[:, :, [0, -1]].any(axis=(1, 2))
    assert 0.1 < cut.mean() < 0.7, "some garments leave the frame"
    best = []
    for index in np.flatnonzero(~cut)[:20]:
        mask = masks[index]
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        shape = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]

        def overlap(garment, shape=shape):
            opaque = garment >= 24
            rows, columns = np.flatnonzero(opaque.any(1)), np.flatnonzero(opaque.any(0))
            box = Image.fromarray(opaque[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
            scaled = np.asarray(box.resize(shape.shape[::-1], Image.Resampling.NEAREST))
            return max(((scaled & s).sum() / (scaled | s).sum()) for s in (shape, shape[:, ::-1]))

        scores = np.array([overlap(sheet[category, index // 10]) for category in range(10)])
        assert scores.argmax() == train.labels[index]
        best.append(scores.max())
    assert np.median(best) > 0.8


def test_masks_cover_what_is_painted(tmp_path, monkeypatch, train):
    """Against the same scenes with clear garments: changed within the masks, the bare texture outside."""
    known = paths.registry()
    for name in known:
        if name.startswith("textures/"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(paths.bundled(name).read_bytes())
    clear = tmp_path / "garments-train.png"
    Image.fromarray(np.zeros((280, 28 * garments("train").shape[1]), np.uint8)).save(clear)
    known[clear.name]["sha256"] = hashlib.sha256(clear.read_bytes()).hexdigest()
    (tmp_path / "registry.json").write_text(json.dumps(known))
    monkeypatch.setattr(paths, "data_dir", lambda: tmp_path)
    bare, masks = datasets.load("scenes", "train", size=100), train.masks[:100]
    assert (bare.masks == -1).all()
    changed = (bare.images != train.images[:100]).any(axis=1)
    assert changed[masks >= 0].mean() > 0.99
    # Soft edges and the darkest cloth, below half opacity, are painted but count as background.
    assert changed[masks == -1].mean() < 0.05


def test_training_and_held_out_garments_are_disjoint():
    sheets = [garments(split).reshape(-1, 28 * 28) for split in ("train", "held_out")]
    assert [len(sheet) for sheet in sheets] == [6000, 1000]
    train, held_out = ({row.tobytes() for row in sheet} for sheet in sheets)
    assert not train & held_out


def test_train_and_held_out_scenes_differ(train, held_out):
    assert not (train.images == held_out.images).all(axis=(1, 2, 3)).any()


@pytest.mark.parametrize("size", [0, -3, 2.5, "many"])
def test_a_wrong_size_is_refused(size):
    with pytest.raises(ValueError, match=rf"size.*1.*{size}"):
        datasets.load("scenes", "train", size=size)


def test_a_wrong_split_is_refused():
    with pytest.raises(ValueError, match=r"split.*'test'"):
        datasets.load("scenes", "test")


def test_a_root_is_refused(tmp_path):
    with pytest.raises(ValueError, match=f"'scenes' is bundled.*{tmp_path}"):
        datasets.load("scenes", "train", root=tmp_path)


# The bundled files ---------------------------------------------------------------------------------------------------


@pytest.fixture
def copied_data(tmp_path, monkeypatch):
    """A copy of the registry and the held-out garments, to be damaged."""
    for name in ("registry.json", "garments-held_out.png"):
        (tmp_path / name).write_bytes((paths.data_dir() / name).read_bytes())
    monkeypatch.setattr(paths, "data_dir", lambda: tmp_path)
    return tmp_path


def test_a_changed_bundled_file_is_refused(copied_data):
    file = copied_data / "garments-held_out.png"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(OSError, match=r"garments-held_out.png was changed.*31eee932"):
        datasets.load("scenes", "held_out", size=10)


def test_a_missing_bundled_file_is_named(copied_data):
    with pytest.raises(OSError, match=r"garments-train.png is missing"):
        datasets.load("scenes", "train", size=10)


def test_an_unregistered_file_is_refused(copied_data):
    with pytest.raises(OSError, match=r"'secret.png'.*garments-held_out.png"):
        paths.bundled("secret.png")


def test_the_registry_tells_size_licence_and_source_of_every_file():
    registry = paths.registry()
    assert {"garments-train.png", "garments-held_out.png", "textures/grass.png"} <= set(registry)
    for name, entry in registry.items():
        file = paths.bundled(name)
        assert file.stat().st_size == entry["bytes"], name
        assert entry["licence"] and entry["source"], name
    assert json.dumps(registry, indent=2, sort_keys=True) + "\n" == (paths.data_dir() / "registry.json").read_text()


@pytest.mark.parametrize(("files", "most"), [("garments", 3.5e6), ("textures", 0.6e6)])
def test_the_bundled_images_stay_small(files, most):
    sizes = [paths.bundled(name).stat().st_size for name in paths.registry() if name.startswith(files)]
    assert sizes and sum(sizes) <= most


def test_an_installed_package_finds_its_own_data(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "nbhelpers" / "files.py"))
    assert paths.data_dir() == tmp_path / "data"
    (tmp_path / "nbhelpers" / "_data").mkdir(parents=True)
    assert paths.data_dir() == tmp_path / "nbhelpers" / "_data"


def test_the_cache_can_be_moved(tmp_path, monkeypatch):
    monkeypatch.setenv("NBHELPERS_CACHE", str(tmp_path))
    assert paths.cache_dir() == tmp_path
    monkeypatch.delenv("NBHELPERS_CACHE")
    assert "nbhelpers" in str(paths.cache_dir()) and isinstance(paths.cache_dir(), Path)


# The protocol --------------------------------------------------------------------------------------------------------


def test_available_describes_every_data_set():
    about = datasets.available()
    assert list(about) == ["scenes", "photographs", "tiny-imagenet", "coco", "cub", "folder"]
    assert [entry.origin for entry in about.values()] == ["bundled", "bundled", *["download"] * 3, "yours"]
    assert all(entry.description and entry.licence for entry in about.values())


@pytest.mark.parametrize("name", datasets.available())
def test_every_data_set_keeps_the_protocol(name):
    module = import_module(f"nbhelpers.datasets.{name.replace('-', '_')}")
    options = signature(module.load).parameters
    assert module.ABOUT is datasets.available()[name] and next(iter(options)) == "split"
    assert ("root" in options) == (module.ABOUT.origin != "bundled")
    assert ("download" in options) == (module.ABOUT.origin == "download")
    assert ("side" in options) == module.ABOUT.any_size


def test_an_unknown_data_set_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"'mnist'.*'scenes', 'photographs', 'tiny-imagenet'"):
        datasets.load("mnist", "train")


def test_a_balanced_subset_keeps_the_order(train):
    few = train.subset(per_category=3)
    assert few.labels.tolist() == list(range(10)) * 3
    assert np.array_equal(few.images, train.images[:30]) and np.array_equal(few.masks, train.masks[:30])
    assert few.categories == train.categories and few.split == "train"
    assert np.array_equal(few.subset(per_category=1).images, train.images[:10])


def test_all_are_taken_where_there_are_fewer(train):
    uneven = train.subset([5, 0, 10, 15, 20, 1])  # of the first two categories 3 and 1, of the sixth 2
    with pytest.raises(ValueError, match="got 2"):
        uneven.first_of_each(2)
    assert uneven.first_of_each(2, or_all=True).tolist() == [0, 1, 2, 3, 5]
    assert train.first_of_each(2, or_all=True).tolist() == train.first_of_each(2).tolist() == list(range(20))
    with pytest.raises(ValueError, match="got 0"):
        uneven.first_of_each(0, or_all=True)


def test_a_subset_by_index_or_by_mask(train):
    assert np.array_equal(train.subset([7, 3]).images, train.images[[7, 3]])
    coats = train.subset(train.labels == 4)
    assert len(coats) == 40 and set(coats.labels) == {4}
    assert np.array_equal(coats.masks, train.masks[train.labels == 4])


def test_a_subset_shares_no_memory(train):
    before = train.images[0].copy()
    train.subset([0]).images[:] = 0
    assert np.array_equal(train.images[0], before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either indices or per_category"),
        ({"indices": [0], "per_category": 1}, "either indices or per_category"),
        ({"per_category": 41}, "per_category.* 40 .*'T-shirt'.*41"),
        ({"per_category": 0}, "per_category.* 40 .*0"),
        ({"indices": [400]}, "indices.* 400 images.*400"),
        ({"indices": [True, False]}, "indices.* 400 images"),
    ],
)
def test_a_wrong_subset_is_refused(train, arguments, message):
    with pytest.raises(ValueError, match=message):
        train.subset(**arguments)


def test_the_fingerprint_depends_on_images_and_labels(train):
    few = train.subset(per_category=1)
    assert few.fingerprint == train.subset(range(10)).fingerprint
    assert few.fingerprint != train.subset(range(1, 11)).fingerprint
    relabelled = ImageSet(few.images, (few.labels + 1) % 10, few.categories, few.split)
    assert relabelled.fingerprint != few.fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((4, 8, 8, 3), np.uint8)}, r"uint8 \(N, 3, H, W\).* uint8 \(4, 8, 8, 3\)"),
        ({"images": np.zeros((4, 3, 8, 8))}, r"images.* uint8 .*float64"),
        ({"labels": np.array([0, 1])}, "images has 4, labels has 2"),
        ({"labels": np.array([0, 1, 2, 0])}, r"labels.* 0 ... 1.* 0 ... 2"),
        ({"labels": np.array([0.0, 1, 1, 0])}, "labels.*whole"),
        ({"split": "test"}, "split.*'test'"),
        ({"masks": np.zeros((4, 8, 9), np.int8)}, r"masks.*\(4, 8, 8\).*\(4, 8, 9\)"),
        ({"masks": np.zeros((4, 8, 8), np.int64)}, "masks.*int64"),
    ],
)
def test_an_image_set_checks_what_it_is_given(change, message):
    given = {"images": np.zeros((4, 3, 8, 8), np.uint8), "labels": np.array([0, 1, 1, 0])}
    given |= {"categories": ("cat", "dog"), "split": "train"} | change
    with pytest.raises(ValueError, match=message):
        ImageSet(**given)
