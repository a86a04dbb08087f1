"""The planted classifier says what its docstring promises, so that other tests can rest on it."""

import numpy as np
import pytest
from planted import BLOCK, COLOURS, GAIN, classifier, pictures

from nbhelpers import pgd, record, region_shapley, tail_of
from nbhelpers.probes.truth import region_truth


@pytest.mark.parametrize("categories", [2, 4, 8])
def test_logits_are_the_evidence_of_the_block(categories):
    images = pictures(16, categories)
    truth = np.maximum(0, COLOURS[:categories] @ COLOURS[:categories].T)[images.labels]
    a = record(classifier(categories), images, ["regions"])
    np.testing.assert_allclose(a.logits, GAIN / 16 * 64 / 255 * truth, rtol=1e-5)
    assert a.accuracy == 1 and a.regions["regions"].shape == (16, categories, 4, 4)


def test_wrongly_labelled_pictures_are_all_named_wrongly():
    assert record(classifier(), pictures(rightly=False)).accuracy == 0


def test_shapley_values_stand_on_the_object_alone():
    images, network = pictures(4), classifier()
    regions = record(network, images, ["regions"]).regions["regions"]
    values, _ = region_shapley(tail_of(network, "regions"), regions, images.labels)
    there = region_truth(images, 16 // BLOCK).object
    np.testing.assert_allclose(values, there * 3 * 64 / 255 * GAIN / 16, atol=1e-5)


@pytest.mark.parametrize("eps, fooled", [(20, 0), (70, 1)])
def test_an_attack_fools_all_or_none(eps, fooled):
    images, network = pictures(8), classifier()
    path = pgd(network, images.images / 255, images.labels, eps / 255, eps / 2550)
    assert 1 - record(network, images, pixels=path[-1]).accuracy == fooled
