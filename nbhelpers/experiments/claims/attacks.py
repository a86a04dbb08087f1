"""Figures 7 and 8: what the attack of the paper's size does to regions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbhelpers.experiments.claims.claim import Part
from nbhelpers.experiments.claims.measured import Measure, NotRecorded, Runs, at, part
from nbhelpers.experiments.claims.tables import less
from nbhelpers.method.trajectories import TYPES

SIZE = "1/255"
LOW = 8
"""Bins of Fig. 7's histogram below τ = 0.4: they are a twentieth wide."""
CHANGES = {"orientation": "delta_orientation", "strength": "delta_strength"}


def important_differ(runs: Runs, printed: Mapping[str, Any]) -> list[Part]:
    """F7a: of the regions that carry the new category, the share that spoke for the original one, less chance."""

    def overlap(who: str) -> Measure:
        return less(attacked("overlap", who, "share"), attacked("overlap", who, "chance"))

    return [part(runs, "", overlap("attack"), controls={"random": overlap("control_")}, above=False)]


def did_not_matter_before(runs: Runs, printed: Mapping[str, Any]) -> list[Part]:
    """F7b: of the same regions, the share that said no more than τ for the original category before: most."""

    def unimportant(who: str) -> Measure:
        def share(run: Mapping[str, Any]) -> float:
            counts = at(run, "attack_sweep", SIZE, "before", who, "counts")
            if not sum(counts):
                raise NotRecorded("any region that carries the new category")
            return sum(counts[:LOW]) / sum(counts)

        return share

    controls = {"random": unimportant("control_"), "all regions": unimportant("all regions")}
    return [part(runs, "", unimportant("attack"), controls=controls, bound=0.5)]


def changes_high_layers(runs: Runs, printed: Mapping[str, Any]) -> list[Part]:
    """F8a: how far regions turn, and how much strength they lose, in the deepest layer less the lowest."""

    def change(key: str) -> Measure:
        def of_run(run: Mapping[str, Any]) -> float:
            layers = list(at(run, "attack"))
            return at(run, "attack", layers[-1], key) - at(run, "attack", layers[0], key)

        return of_run

    return [
        part(
            runs,
            name,
            change(key),
            controls={"random": change(f"control_{key}")},
            paper=printed["poster"].get(name),
        )
        for name, key in CHANGES.items()
    ]


def four_types_occur(runs: Runs, printed: Mapping[str, Any]) -> list[Part]:
    """F8b: the share of each type among the regions of fooled images; no frequency is claimed, so that any will do."""
    return [
        part(
            runs,
            f"{kind} {name}",
            attacked("types", str(kind)),
            controls={"random": attacked("control_types", str(kind))},
        )
        for kind, name in enumerate(TYPES)
        if kind
    ]


def unreliable_are_affected(runs: Runs, printed: Mapping[str, Any]) -> list[Part]:
    """F8c: change of the deepest layer's unreliable regions less that of the reliable ones of the same image."""
    return [
        part(
            runs,
            name,
            attacked("by_reliability", "attack", name),
            controls={"random": attacked("by_reliability", "control_", name)},
        )
        for name in CHANGES
    ]


def attacked(*keys: str) -> Measure:
    """What the attack of the paper's size came to."""
    return lambda run: at(run, "attack_sweep", SIZE, *keys)
