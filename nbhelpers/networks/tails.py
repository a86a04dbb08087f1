"""What comes after a layer: the part of a network that runs on from its regional features."""

from __future__ import annotations

from torch import nn

from nbhelpers.networks.network import Network


def tail_of(network: Network, layer: str) -> nn.Sequential:
    """What comes after a layer, as a module from that layer's regional features to logits.

    Parameters
    ----------
    network : Network
        Its body is a chain of modules (``Sequential``, nested or not).
    layer : str
        One of ``network.layers``.

    Returns
    -------
    Sequential
        The network's own modules, not copies: trained on or loaded anew, the tail follows, in whichever mode the
        network is (:func:`region_shapley` runs it in evaluation mode and puts the mode back).

    Raises
    ------
    ValueError
        If the layer does not exist (the message lists those that do), or its output is not all that the rest of
        the network sees, as inside a residual block.

    Examples
    --------
    >>> import torch
    >>> body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    >>> tail = tail_of(Network(body, {"conv": "1"}, head="4"), "conv")
    >>> tail(torch.zeros(2, 8, 14, 14)).shape
    torch.Size([2, 4])
    """
    rest = _after(network.body, network.named(layer)[layer])
    if rest is None:
        raise ValueError(f"{layer} does not lie on a chain of modules: no tail runs from its output alone")
    return nn.Sequential(*rest)


def _after(module: nn.Module, layer: nn.Module) -> list[nn.Module] | None:
    """The modules of a nested chain that run after ``layer``; None where the chain does not lead to it."""
    if module is layer:
        return []
    for i, child in enumerate(module if isinstance(module, nn.Sequential) else ()):
        if (rest := _after(child, layer)) is not None:
            return [*rest, *module[i + 1 :]]
    return None
