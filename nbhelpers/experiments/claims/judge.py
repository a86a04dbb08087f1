"""Every claim on every row: the recorded files, judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbhelpers.experiments.claims.claim import Claim, Judgement
from nbhelpers.experiments.claims.entries import CLAIMS, PAPER_ROWS, SCENES
from nbhelpers.experiments.results import Run, recorded, runs_of

ROWS = dict(
    zip(
        PAPER_ROWS,
        (
            "Tiny ImageNet × VGG-16",
            "Tiny ImageNet × ResNet-34",
            "Tiny ImageNet × MobileNet-V2",
            "COCO × ResNet-50",
            "CUB × ResNet-34",
        ),
        strict=True,
    )
) | {SCENES: "Scenes × VGG-16"}
"""What to call the rows."""
PRINTED = ("table1", "table2", "poster")
HALF = 0.5
"""A network that classifies fewer of the held-out images correctly decides no claim."""


def judgements(keys: Sequence[str] = ()) -> list[Judgement]:
    """The claims with these keys, or all, each on every row that it is made of.

    Examples
    --------
    >>> [(found.claim.key, found.row) for found in judgements(["F6c"])]
    [('F6c', 'Scenes × VGG-16')]
    """
    chosen = [claim for claim in CLAIMS if not keys or claim.key in keys]
    paper = recorded("paper")
    runs = {name: runs_of(name) for name in ROWS}
    return [judged(claim, name, runs[name], paper) for claim in chosen for name in claim.rows]


def judged(claim: Claim, name: str, runs: Sequence[Run], paper: Mapping[str, Any]) -> Judgement:
    """One claim on one row, by its runs, seed 0 first, and by what the paper printed of the same row."""
    printed = {key: paper[key].get(name, {}) for key in PRINTED}
    accuracy = sum(run["accuracy"]["held_out"] for run in runs) / len(runs)
    apart = "" if accuracy >= HALF else f"the network classifies {accuracy:.0%} correctly: it decides no claim"
    parts = claim.judge(runs, printed)
    return Judgement(claim, ROWS[name], rests_on(runs, accuracy), parts, runs[0]["command"], apart)


def rests_on(runs: Sequence[Run], accuracy: float) -> str:
    """Images, seeds, accuracy, and what the network started from."""
    seeds = f"{len(runs)} seeds" if len(runs) > 1 else "one seed"
    start = runs[0].get("start")
    begun = f", started from {start['file'].removesuffix('.safetensors')}" if start else ""
    return f"{runs[0]['images']['fitted']} held-out images, {seeds}, accuracy {accuracy:.0%}{begun}"
