"""The protocol of data sets: images at another size."""

import numpy as np
import pytest

from nbhelpers.datasets import scenes
from nbhelpers.images import ImageSet, resized
from nbhelpers.probes.truth import region_truth


def test_enlarged_images_keep_their_scenes():
    images = scenes.load("held_out", size=10)
    larger = resized(images, 112)
    assert larger.images.shape == (10, 3, 112, 112) and larger.masks.shape == (10, 112, 112)
    np.testing.assert_allclose(larger.images.mean((1, 2, 3)), images.images.mean((1, 2, 3)), atol=1)
    share = [(m == images.labels[:, None, None]).mean() for m in (larger.masks, images.masks)]
    assert share[0] == pytest.approx(share[1], rel=0.05)
    np.testing.assert_allclose(region_truth(larger, 4).object, region_truth(images, 4).object, atol=0.15)
    flat = ImageSet(np.full((1, 3, 8, 8), 77, np.uint8), np.array([0]), ("a",), "train")
    assert (resized(flat, 14).images == 77).all() and resized(flat, 14).masks is None


def test_images_of_the_right_size_are_left_alone():
    images = scenes.load("held_out", size=10)
    assert resized(images, 64) is images


def test_many_images_come_out_as_a_few_at_a_time_do():
    images = scenes.load("held_out", size=230)
    few = resized(images.subset(range(200, 230)), 32)
    np.testing.assert_array_equal(resized(images, 32).images[200:], few.images)
