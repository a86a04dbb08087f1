"""Operations counted: against networks whose operations are known by hand, and against torchvision's own numbers."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torchvision.models import get_model_weights

from nbhelpers.experiments.costs import BACKWARD, forward_operations, study_cost
from nbhelpers.experiments.settings import PAPER
from nbhelpers.networks.architectures import build
from nbhelpers.networks.network import Network
from nbhelpers.networks.training import Recipe


def test_operations_of_a_small_network_are_those_counted_by_hand():
    body = nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 7)
    )
    network = Network(body, {"conv": "1"}, "4")
    assert forward_operations(network, 10) == 2 * (10 * 10 * 5 * 3 * 9 + 5 * 7)
    assert next(network.parameters()).device == torch.device("cpu"), "the network itself stays where it is"


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("vgg16", "vgg16_bn"), ("resnet34", "resnet34"), ("resnet50", "resnet50"), ("mobilenet_v2", "mobilenet_v2")],
)
def test_full_networks_take_the_operations_that_torchvision_publishes(name, theirs):
    """torchvision counts a multiplication and its addition as one, in units of 1e9."""
    published = get_model_weights(theirs).DEFAULT.meta["_ops"]
    with torch.device("meta"):
        network = build(name, 1000, input_size=224)
    assert forward_operations(network, 224) / 2e9 == pytest.approx(published, rel=0.01)


def test_costs_follow_epochs_images_and_lessons():
    one = study_cost("resnet34", PAPER, 5000)
    longer = replace(PAPER, recipe=replace(PAPER.recipe, epochs=2 * PAPER.recipe.epochs))
    assert one.training == (1 + BACKWARD) * one.forward * 5000 * 200
    assert study_cost("resnet34", longer, 5000).training == 2 * one.training
    assert study_cost("resnet34", PAPER, 500).training == one.training / 10
    assert one.students / one.training == pytest.approx(4 * 50 * (1 + BACKWARD + 1) / (200 * (1 + BACKWARD)))
    assert one.total == one.training + one.recording + one.attacks + one.students
    assert one.hours(one.total) == pytest.approx(1 / 3600)
    assert one.regions_bytes == 4 * 500 * 512 * 14 * 14


def test_a_finer_grid_costs_more():
    coarse = replace(PAPER, grid=7, recipe=Recipe())
    ratio = study_cost("resnet50", PAPER, 100).forward / study_cost("resnet50", coarse, 100).forward
    assert 3.9 < ratio < 4.05, "the first stride left out makes four times as many places"
