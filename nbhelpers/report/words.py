"""What the numbers of a report mean, in plain words; every adjective is decided by a number that stands beside it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nbhelpers.report.drill import SHARE
from nbhelpers.report.trust import LENGTHS, TEMPERATURES, mean_of

CLEAR = 0.05
"""Differences of correlations below this are none."""


def percent(share: float, digits: int = 0) -> str:
    """A share in words.

    >>> percent(0.123), percent(0.123, 1)
    ('12 %', '12.3 %')
    """
    return f"{100 * share:.{digits}f} %"


def signed(r: float) -> str:
    """A correlation in words.

    >>> signed(-0.953), signed(float("nan"))
    ('−0.95', 'undefined')
    """
    return "undefined" if np.isnan(r) else f"{r:.2f}".replace("-", "−")


def of_accuracy(accuracy: float, categories: int) -> str:
    """Whether the network knows what is in the folders at all."""
    named = f"The network names the folder of {percent(accuracy, 1)} of the images"
    if accuracy > 1.5 / categories:
        return f"{named}; guessing would name {percent(1 / categories, 1)}."
    return (
        f"{named}, and guessing would name {percent(1 / categories, 1)}: either it has not learned these categories, "
        "or its outputs are not those of these folders. All that follows describes what it says, not what is true."
    )


def of_projection(judged: Mapping[str, np.ndarray]) -> list[str]:
    """How far the arrows stand for what the network says, from what :func:`~nbhelpers.report.trust.judge` gives."""
    seen, unseen, dealt = judged["explained"]
    kept = "most" if unseen >= 0.8 else "a good part" if unseen >= 0.5 else "little"
    lines = [
        f"Three dimensions keep {kept} of what the network says. They explain {percent(unseen)} of its soft labels on "
        f"images that the projection has not seen, {percent(seen)} on those that it was fitted to, and "
        f"{percent(dealt)} where the network's outputs were dealt out anew among the images. The arrow and the network "
        f"favour the same category for {percent(float(judged['agreement'][0]))} of the images.",
    ]
    if unseen < 0.2:
        lines.append("That is hardly more than nothing: do not read the arrows as the network's opinion.")
    if dealt > 0.5 * seen:
        lines.append("With so few images a fit explains nearly anything: of these shares, only the first one counts.")
    return [*lines, of_lengths(judged["lengths"][:, TEMPERATURES.index(4.0)])]


def of_lengths(correlations: np.ndarray) -> str:
    """Whether the length of an arrow tells how sure the network is, and more than plain lengths do."""
    own, *controls = (float(r) for r in correlations)
    beside = ", ".join(f"{signed(r)} for {name}" for name, r in zip(LENGTHS[1:], controls, strict=True))
    told = f"The correlation of an arrow's length with the network's uncertainty (entropy at T = 4) is {signed(own)}"
    if not own < -0.5:
        return f"{told}: do not read a length as sureness here. Beside it, lengths without any fit: {beside}."
    best = min([r for r in controls if not np.isnan(r)], default=0.0)
    if own < best - CLEAR:
        return f"{told}: the longer, the surer. Lengths that need no fit tell less: {beside}."
    return f"{told}: the longer, the surer. But lengths that need no fit tell as much: {beside}."


def of_regions(correlations: Mapping[str, np.ndarray], layer: str) -> list[str]:
    """Whether the regions' strengths and weights mean something, from :func:`~nbhelpers.report.trust.of_regions`."""
    means = {name: mean_of(r) for name, r in correlations.items()}
    own, *controls = ((name.removeprefix("w with "), r) for name, r in means.items() if name.startswith("w with"))
    beside = ", ".join(f"{signed(r)} for the {name}" for name, r in controls)
    follows = "follows" if own[1] >= 0.5 else "hardly follows"
    more = "more" if own[1] > max(r for _, r in controls) + CLEAR else "no more"
    lines = [
        f"In the deepest layer, {layer}, the strength of a region {follows} its importance w (mean r = "
        f"{signed(own[1])}). That is {more} than controls show: {beside}."
    ]
    count = int((~np.isnan(correlations.get("Shapley with w", np.array([])))).sum())
    if not count:
        return [*lines, "Importance w could not be held against Shapley values here."]
    w = means.pop("Shapley with w")
    agrees = "agrees with" if w >= 0.5 else "agrees little with"
    others = {name.removeprefix("Shapley with "): r for name, r in means.items() if name.startswith("Shapley")}
    beside = ", ".join(f"{signed(r)} for the {name}" for name, r in others.items())
    return [
        *lines,
        f"Importance w {agrees} what the network's score loses without a region, its Shapley value (mean r = "
        f"{signed(w)} over {count} images); beside it {beside}.",
    ]


def of_drill(rounds: Mapping[str, np.ndarray]) -> str:
    """How well suspects are ranked here, from what :func:`~nbhelpers.report.drill.drill` gives."""
    (used, own), *others = rounds.items()
    told = (
        f"To see what this list is worth, {percent(SHARE)} of the labels were changed by lot, {len(own)} times: ranked "
        f"by {used}, a changed label stood before an unchanged one in {percent(own.mean(), 2)} of all pairs"
    )
    beside = ", ".join(f"{percent(its.mean(), 2)} by {name}" for name, its in others)
    better = [name for name, its in others if its.mean() > own.mean()]
    verdict = f"better here: {better[0]}" if better else "the projection's own rankings do not beat the network's loss"
    weak = "" if own.mean() >= 0.95 else " Below 95 %, take the list as a hint only."
    return f"{told}; {beside}. So {verdict}.{weak}"
