"""What a full run costs: operations counted on the network itself, nothing computed; for machines one does not have."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nbhelpers.experiments.rows.attacks import SIZES, STEPS
from nbhelpers.experiments.rows.importance import FEWER
from nbhelpers.experiments.settings import Setting
from nbhelpers.experiments.study import PER_CATEGORY
from nbhelpers.networks.architectures import FAMILIES, build
from nbhelpers.networks.network import Network
from nbhelpers.networks.tails import tail_of
from nbhelpers.networks.taps import features_of
from nbhelpers.probes.shapley import MOST_PERMUTATIONS

CATEGORIES, LESSONS = 10, 4
BACKWARD = 2
"""Of the operations of a forward pass; a step of training takes one forward and one backward pass."""


@dataclass(frozen=True)
class Cost:
    """Floating-point operations of all passes of the network in one study, by experiment; and memory.

    Attributes
    ----------
    forward : float
        Of one image.
    training, recording, attacks, students : float
        Students are four lessons, of one seed.
    shapley_at_most : float
        Of the last layer but one, if every image used all permutations that it may.
    regions_bytes : float
        Of the recorded features of the widest of the five layers, for all fitted images in single precision.
    """

    forward: float
    training: float
    recording: float
    attacks: float
    students: float
    shapley_at_most: float
    regions_bytes: float

    @property
    def total(self) -> float:
        """Of all passes, without Shapley values."""
        return self.training + self.recording + self.attacks + self.students

    def hours(self, operations_per_second: float) -> float:
        """How long all passes take at a rate that a machine keeps up."""
        return self.total / operations_per_second / 3600


def forward_operations(network: Network, side: int) -> int:
    """Floating-point operations of a forward pass of one square image; a multiplication and an addition count as two.

    Convolutions and matrix products are counted, nothing is computed (:class:`torch.utils.flop_counter.FlopCounterMode`
    on the meta device).

    Examples
    --------
    >>> round(forward_operations(build("resnet50", 1000, input_size=224), 224) / 2e9, 1)  # torchvision says 4.09
    4.1
    """
    return _operations(copy.deepcopy(network).to("meta").eval(), torch.empty(1, 3, side, side, device="meta"))


def study_cost(name: str, setting: Setting, images: int) -> Cost:
    """Count what a study of one network takes, on ten categories of :data:`PER_CATEGORY` fitted images.

    Parameters
    ----------
    name : str
        Of :data:`nbhelpers.networks.architectures.FAMILIES`.
    setting : Setting
        Sizes and recipes, such as those of a preset.
    images : int
        For training.

    Examples
    --------
    >>> from nbhelpers.experiments.settings import PAPER
    >>> cost = study_cost("resnet34", PAPER, 5000)
    >>> cost.training > cost.students / 10 > cost.recording
    True
    """
    with torch.device("meta"):
        sizes = {"width": setting.width, "input_size": setting.input_size, "min_grid": setting.grid}
        network = build(name, CATEGORIES, **sizes)
    forward = forward_operations(network, setting.input_size)
    step = (1 + BACKWARD) * forward
    fitted = CATEGORIES * PER_CATEGORY
    teaching = (step + forward) * images * setting.students.epochs
    side = setting.input_size
    with torch.inference_mode():
        image = torch.empty(1, 3, side, side, device="meta")
        features = {layer: features_of(network.eval(), layer, image) for layer in FAMILIES[name].depth}
    before = FAMILIES[name].depth[-2]
    coalitions = CATEGORIES * FEWER * MOST_PERMUTATIONS * setting.grid**2
    return Cost(
        forward=forward,
        training=step * images * setting.recipe.epochs,
        recording=forward * fitted * len(features) * setting.recipe.checkpoints,
        # Of every size the attack itself, and all its and its control's iterates recorded.
        attacks=len(SIZES) * fitted * STEPS * (step + 2 * forward),
        students=teaching * LESSONS,
        shapley_at_most=coalitions * _operations(tail_of(network, before), features[before]),
        regions_bytes=4 * fitted * max(f.shape[1] for f in features.values()) * setting.grid**2,
    )


def _operations(module: nn.Module, example: torch.Tensor) -> int:
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        module(example)
    return counter.get_total_flops()
