"""What a training minimises: true labels, a teacher's features of one layer, or its soft labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from nbhelpers.networks.network import Network
from nbhelpers.networks.tails import Tail, tail_of
from nbhelpers.networks.taps import features_of
from nbhelpers.networks.tensors import digest


class Objective:
    """What a training minimises, and which part of the network it changes."""

    def describe(self) -> dict[str, Any]:
        """What tells two objectives apart, as JSON."""
        return {}

    def part(self, network: Network) -> nn.Module:
        """The part that learns; the rest stays as it is, in evaluation mode."""
        return network

    def loss(self, network: Network, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Of one batch, a scalar."""
        raise NotImplementedError


class TrueLabels(Objective):
    """The cross-entropy of the true labels, for all of the network."""

    def loss(self, network: Network, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(network(images), labels)


@dataclass(frozen=True)
class Rest(TrueLabels):
    """True labels, for what follows a layer."""

    layer: str

    def describe(self) -> dict[str, Any]:
        return {"follows": self.layer}

    def part(self, network: Network) -> nn.Module:
        tail = tail_of(network, self.layer)
        if isinstance(tail, Tail):  # its parameters are those of the whole network
            raise ValueError(f"what follows {self.layer} learns alone only where the network is a chain of modules")
        return tail


@dataclass(frozen=True)
class Mimicry(Objective):
    """Mean squared difference to the teacher's features of one layer, in units of their mean square."""

    teacher: Network
    layer: str

    def describe(self) -> dict[str, Any]:
        return {"mimics": self.layer, "teacher_sha256": digest(self.teacher.state_dict())}

    def loss(self, network: Network, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.eval()  # a feature that is switched off at random cannot be like the teacher's
        with torch.no_grad():
            taught = features_of(self.teacher, self.layer, images)
        difference = features_of(network, self.layer, images) - taught
        return difference.square().mean() / taught.square().mean().clamp(min=1e-12)


@dataclass(frozen=True)
class SoftLabels(Objective):
    """Hinton's distillation: divergence from the teacher's softened probabilities, times the temperature squared."""

    teacher: Network
    temperature: float

    def describe(self) -> dict[str, Any]:
        return {"soft_labels": self.temperature, "teacher_sha256": digest(self.teacher.state_dict())}

    def loss(self, network: Network, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            log_p = (self.teacher(images).float() / self.temperature).log_softmax(dim=1)
        log_q = (network(images).float() / self.temperature).log_softmax(dim=1)
        return self.temperature**2 * F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
