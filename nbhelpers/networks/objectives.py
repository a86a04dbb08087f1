"""What a training minimises: true labels, a teacher's features of one layer, or its soft labels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import nn

from nbhelpers.networks.network import Network, tapped
from nbhelpers.networks.tails import tail_of


class Objective(Protocol):
    """What a training minimises, and which part of the network it changes."""

    def describe(self) -> dict[str, Any]:
        """What tells two objectives apart, as JSON."""

    def part(self, network: Network) -> nn.Module:
        """The part that learns; the rest stays as it is, in evaluation mode."""

    def loss(self, network: Network, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Of one batch, a scalar."""


class TrueLabels:
    """The cross-entropy of the true labels, for all of the network."""

    def describe(self) -> dict[str, Any]:
        return {}

    def part(self, network: Network) -> nn.Module:
        return network

    def loss(self, network: Network, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(network(images), labels)


@dataclass(frozen=True)
class Mimicry:
    """Mean squared difference to the teacher's features of one layer, in units of their mean square."""

    teacher: Network
    layer: str

    def describe(self) -> dict[str, Any]:
        return {"mimics": self.layer, "teacher_sha256": digest(self.teacher)}

    def part(self, network: Network) -> nn.Module:
        return network

    def loss(self, network: Network, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.eval()  # a feature that is switched off at random cannot be like the teacher's
        with torch.no_grad():
            wanted = features_of(self.teacher, self.layer, images)
        found = features_of(network, self.layer, images)
        return (found - wanted).square().mean() / wanted.square().mean().clamp(min=1e-12)


@dataclass(frozen=True)
class SoftLabels:
    """Hinton's distillation: divergence from the teacher's softened probabilities, times the temperature squared."""

    teacher: Network
    temperature: float

    def describe(self) -> dict[str, Any]:
        return {"soft_labels": self.temperature, "teacher_sha256": digest(self.teacher)}

    def part(self, network: Network) -> nn.Module:
        return network

    def loss(self, network: Network, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            wanted = (self.teacher(images).float() / self.temperature).log_softmax(dim=1)
        found = (network(images).float() / self.temperature).log_softmax(dim=1)
        return self.temperature**2 * F.kl_div(found, wanted, reduction="batchmean", log_target=True)


@dataclass(frozen=True)
class Rest(TrueLabels):
    """True labels, for what follows a layer."""

    layer: str

    def describe(self) -> dict[str, Any]:
        return {"follows": self.layer}

    def part(self, network: Network) -> nn.Module:
        return tail_of(network, self.layer)


def features_of(network: Network, layer: str, images: torch.Tensor) -> torch.Tensor:
    """What one layer computes, in single precision."""
    with tapped({layer: network.layers[layer]}, {}) as caught:
        network(images)
    return caught[layer].float()


def digest(network: Network) -> str:
    """sha256 of the weights: which teacher it was."""
    found = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        found.update(name.encode())
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
