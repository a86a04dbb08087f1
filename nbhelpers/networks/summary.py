"""A network as a short table: its layers, its head, its scaling."""

from __future__ import annotations

from torch import nn

from nbhelpers.networks.network import Network


def summary(network: Network) -> str:
    """What is known of a network; forms, grids and channels only after a pass."""
    rows = [("layer", "form", "grid", "channels")]
    trial = network._trials[network.size] if network.size else None
    for layer, path in network.places.items():
        name = layer if layer == path else f"{layer} ({path})"
        if trial is None:
            rows.append((name, "", "", ""))
            continue
        try:
            form = trial.form(layer)
        except ValueError:
            rows.append((name, "cannot be read", "", ""))
            continue
        grid = " x ".join(map(str, trial.grids.get(layer, ())))
        rows.append((name, str(form), grid, str(trial.channels(layer))))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if not network.places:
        lines = ["no layer with regions: name some with layers="]
    return "\n".join([f"Network of {type(network.body).__name__}", *lines, *_facts(network)])


def _facts(network: Network) -> list[str]:
    head, count = network.head, network.head_outputs
    kind = "linear" if isinstance(head, nn.Linear) else "1 x 1 convolution, whose input is averaged over regions"
    wide = head.in_features if isinstance(head, nn.Linear) else head.in_channels
    picked = f", {len(network.outputs)} of them the categories" if len(network.outputs) < count else ""
    mean, std = (", ".join(f"{value:.4g}" for value in x.flatten().tolist()) for x in (network.mean, network.std))
    size = f", tried with images of {network.size[0]} x {network.size[1]}" if network.size else ""
    grey = "; images are seen in grey (luma)" if network.mean.numel() == 1 else ""
    return [
        f"head: {network.head_place} ({kind}), {wide} features to {count} outputs{picked}",
        f"scaling: mean {mean}, std {std} ({network.scaling_from}){grey}{size}",
    ]
