"""Cues that need no network: known values, shapes, and what they find of the object."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from nbhelpers import datasets
from nbhelpers.images import ImageSet
from nbhelpers.probes.cues import region_cues
from nbhelpers.probes.metrics import per_image_auroc
from nbhelpers.probes.truth import region_truth


def pictures(images: np.ndarray) -> ImageSet:
    return ImageSet(images, np.arange(len(images)) % 2, ("a", "b"), "held_out")


def test_cues_have_known_values():
    images = np.zeros((1, 3, 4, 4), np.uint8)
    images[0, :, :2, :2] = 255  # white
    images[0, 0, 2:, 2:] = 255  # red
    images[0, :, 0, 2] = 255  # a quarter white
    cues = region_cues(pictures(images), 2)
    assert np.allclose(cues["brightness"], [[1, 0.25, 0, 1 / 3]], atol=1e-6)
    assert np.allclose(cues["saturation"], [[0, 0, 0, 1]], atol=1e-6)
    assert np.allclose(cues["contrast"], [[0, np.sqrt(3) / 4, 0, 0]], atol=1e-3)
    middle = np.array([0.625, 0.125, 0.125])  # of red 1, 1/4, 0, 1; of the others 1, 1/4, 0, 0
    regions = np.array([[1, 1, 1], [0.25] * 3, [0, 0, 0], [1, 0, 0]])
    assert np.allclose(cues["colour apart"], np.linalg.norm(regions - middle, axis=1), atol=1e-6)


def test_the_centre_is_nearest_to_the_centre():
    near = region_cues(pictures(np.zeros((2, 3, 14, 14), np.uint8)), 7)["nearness to the centre"]
    assert near.shape == (2, 49) and (near.argmax(axis=1) == 24).all() and near[0, 0] == near[0, -1] == near.min()


def test_regions_go_row_by_row_and_batches_join():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (130, 3, 6, 8), dtype=np.uint8)
    cues = region_cues(pictures(images), (3, 2))
    grey = images.mean(axis=1) / 255
    blocks = grey.reshape(130, 3, 2, 2, 4).transpose(0, 1, 3, 2, 4).reshape(130, 6, 8)
    assert np.allclose(cues["brightness"], blocks.mean(axis=2), atol=1e-6)
    assert np.allclose(cues["contrast"], blocks.std(axis=2), atol=1e-3)
    assert {cue.shape for cue in cues.values()} == {(130, 6)}


@pytest.mark.parametrize("level", [10, 90])
def test_a_grey_wall_has_no_cue(level):
    """Grey has no saturation, and no region's colour stands apart where all are the same."""
    cues = region_cues(pictures(np.full((2, 3, 8, 8), level, np.uint8)), 4)
    assert (cues["saturation"] == 0).all() and np.allclose(cues["contrast"], 0, atol=1e-3)
    assert np.allclose(cues["colour apart"], 0, atol=1e-6) and np.allclose(cues["brightness"], level / 255)


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_on_scenes_no_cue_finds_the_object(split):
    """Garments, patches and fragments share their colours and textures: whoever looks for the object has to know it."""
    images = datasets.load("scenes", split, size=500)
    on_object = region_truth(images, 8).object >= 0.5
    for name, cue in region_cues(images, 8).items():
        limit = 0.80 if name == "nearness to the centre" else 0.65
        for area in areas(cue, on_object):
            assert 1 - limit < area < limit, name


def test_on_scenes_the_colour_of_pixels_does_not_find_the_object_either():
    """Distances pixel by pixel, which see more than those of a region's mean colour."""
    images = datasets.load("scenes", "held_out")
    pixels = images.images / 255
    apart = np.linalg.norm(pixels - np.median(pixels, axis=(2, 3), keepdims=True), axis=1)
    cue = apart.reshape(500, 8, 8, 8, 8).mean(axis=(2, 4)).reshape(500, 64)
    assert max(areas(cue, region_truth(images, 8).object >= 0.5)) < 0.65


def areas(cue: np.ndarray, on_object: np.ndarray) -> tuple[float, float]:
    """AUROC within an image, mean over images, and over the regions of all."""
    return np.nanmean(per_image_auroc(cue, on_object)), roc_auc_score(on_object.ravel(), cue.ravel())


def test_were_scenes_pale_behind_the_garment_saturation_would_find_it():
    """What a shortcut looks like: the same scenes with the colours outside of the object three quarters bleached."""
    images = datasets.load("scenes", "held_out", size=200)
    grey = images.images.mean(axis=1, keepdims=True)
    outside = (images.masks != images.labels[:, None, None])[:, None]
    bleached = np.where(outside, grey + 0.25 * (images.images - grey), images.images).round().astype(np.uint8)
    on_object = region_truth(images, 8).object >= 0.5
    saturation = region_cues(replace(images, images=bleached), 8)["saturation"]
    assert np.nanmean(per_image_auroc(saturation, on_object)) > 0.85
