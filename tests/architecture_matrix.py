"""One network of the matrix walked through all that a user does with a network, and what was found of it as a row.

.venv/bin/python tests/architecture_matrix.py writes the table of book/about/networks.md anew.
"""

from __future__ import annotations

from itertools import dropwhile
from pathlib import Path

import numpy as np
import torch
from torch import nn
from zoo import GIVEN, NAMES, SCALED, built

from nbhelpers import ImageSet, Network, follow, pgd, portray, record, region_shapley, tail_of
from nbhelpers.networks.forms import Form

PAGE = Path(__file__).resolve().parents[1] / "book" / "about" / "networks.md"
HEAD = "| network | layers, shallow to deep | their form | their grids | head | scaling |\n|---|---|---|---|---|---|\n"
CATEGORIES = (4, 0, 2)
"""Of the outputs."""


def images_for(side: int, n: int = 12) -> ImageSet:
    """Noise of which every category has its own brightness, so that there is something to tell apart."""
    rng, labels = np.random.default_rng(0), np.arange(n) % len(CATEGORIES)
    pixels = rng.integers(0, 128, (n, 3, side, side)) + 60 * labels[:, None, None, None]
    return ImageSet(pixels.astype(np.uint8), labels, ("dark", "middle", "bright"), "held_out")


def walk(name: str) -> str:
    """Walk one network through it all; its row of the table, or an error where anything is not right."""
    model, side = built(name)
    images = images_for(side)
    network = Network.of(model, size=side, outputs=CATEGORIES, **(SCALED if name in GIVEN else {})).eval()
    layers = tuple(network.layers)
    recorded = record(network, images, layers)
    logits, outputs = by_hand(model, network, images)
    close(recorded.logits, logits, "the logits")
    assert np.ptp(logits, axis=0).min() > 1e-3 * np.abs(logits).max(), "the network does not tell images apart"
    assert tuple(recorded.regions) == layers == tuple(outputs), "layers do not come as they run"
    forms = {layer: network.forms[layer] for layer in layers}
    for layer, form in forms.items():
        close(recorded.regions[layer], regions_by_hand(outputs[layer], form), layer)
        rows, columns = recorded.regions[layer].shape[2:]
        assert (rows, columns) == network.grids[layer] and rows == columns, layer

    portrait = portray(recorded)
    points = portrait.points()
    assert tuple(points) == layers
    for layer, point in points.items():
        regions = np.prod(network.grids[layer])
        assert point.masks.shape == (len(images), regions) and point.probability.shape == point.masks.shape
        assert (point.probability > 0).all() and (point.reliable <= point.total).all()

    few = images.subset(np.arange(3))
    x = few.images.astype(np.float32) / 255
    path = pgd(network, x, few.labels, eps=0.05 / 255, step=0.02 / 255, steps=2)
    assert np.abs(path - x).max() <= 0.05 / 255 + 1e-7 and (path[1] != path[0]).mean() > 0.5
    trail = follow(network, path, few, portrait.regions)
    close(trail.logits[0], logits[:3], "the logits of the first iterate")
    assert loss(trail.logits[-1], few.labels) > loss(trail.logits[0], few.labels), "the attack does not help"
    for layer, view in portrait.regions.items():
        close(trail.h[layer][0], view.h[:3] / view.strength.mean(), f"h of {layer}")

    for layer in layers:
        tail, regions = tail_of(network, layer, few), recorded.regions[layer][:3]
        values, _ = region_shapley(tail, regions, few.labels, players=(2, 2))
        with torch.no_grad():
            whole, nothing = (tail(torch.from_numpy(x)).numpy() for x in (regions, 0 * regions))
        close(whole, logits[:3], f"the tail of {layer}")
        close(values.sum(1), (whole - nothing)[np.arange(3), few.labels], f"Shapley values of {layer}")
    return row(name, network)


def by_hand(model: nn.Module, network: Network, images: ImageSet) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The logits of the categories and what the layers give, by hooks, in the order in which they run."""
    outputs: dict[str, np.ndarray] = {}

    def keep(layer: str, output: object) -> None:
        tensor = output[0] if isinstance(output, tuple) else output
        outputs[layer] = tensor.numpy().copy()

    handles = [
        module.register_forward_hook(lambda _m, _args, output, layer=layer: keep(layer, output))
        for layer, module in network.layers.items()
    ]
    mean, std = network.mean.numpy(), network.std.numpy()
    with torch.no_grad():
        output = model.eval()(torch.from_numpy((images.images.astype(np.float32) / 255 - mean) / std))
    for handle in handles:
        handle.remove()
    logits = output if isinstance(output, torch.Tensor) else output.logits
    return logits.numpy()[:, CATEGORIES], outputs


def regions_by_hand(output: np.ndarray, form: Form) -> np.ndarray:
    """(N, K, H, W) of an output of this form."""
    if form.kind == "grid":
        return output
    if form.kind == "tokens":
        patches = output[:, form.prefix :]
        return np.moveaxis(patches.reshape(len(output), *form.grid, -1), 3, 1)
    return np.moveaxis(output, 3, 1)


def close(one: np.ndarray, other: np.ndarray, what: str) -> None:
    """Equal but for rounding, in units of the largest number."""
    np.testing.assert_allclose(one, other, rtol=0, atol=2e-4 * float(np.abs(other).max()) + 1e-12, err_msg=what)


def loss(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(nn.functional.cross_entropy(torch.from_numpy(logits).double(), torch.from_numpy(labels)))


def row(name: str, network: Network) -> str:
    """What was found of a network, as a line of the table."""
    places = [f"`{network.places[layer]}`" for layer in network.layers]
    grids = [f"{rows} × {columns}" for rows, columns in network.grids.values()]
    forms = dict.fromkeys(str(network.forms[layer]) for layer in network.layers)
    scaling = "given" if name in GIVEN else network.scaling_from
    head = f"`{network.head_place}`, {'linear' if isinstance(network.head, nn.Linear) else 'convolution'}"
    return f"| {' | '.join((name, *map(', '.join, (places, forms, grids)), head, scaling))} |\n"


def page(rows: str) -> str:
    """The page with these rows in its table."""
    before, _, after = PAGE.read_text(encoding="utf-8").partition(HEAD)
    return before + HEAD + rows + "".join(dropwhile(lambda line: line.startswith("|"), after.splitlines(keepends=True)))


if __name__ == "__main__":
    PAGE.write_text(page("".join(map(walk, NAMES))), encoding="utf-8")
