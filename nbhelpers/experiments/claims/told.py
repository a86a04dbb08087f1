"""Judgements as the words and numbers of a table."""

from __future__ import annotations

from typing import NamedTuple

from nbhelpers.experiments.claims.claim import Claim, Judgement, Part


class Told(NamedTuple):
    """One judgement in words, column by column."""

    claim: str
    data: str
    paper: str
    here: str
    control: str
    verdict: str
    reason: str
    command: str


def told(judgement: Judgement) -> Told:
    """A judgement in words.

    Examples
    --------
    >>> from nbhelpers.experiments.claims.entries import CLAIMS
    >>> parts = [Part("T = 4", -0.97, (-0.98, -0.96), paper=-0.94, controls={"‖f‖": -0.98}, bound=-0.89, above=False)]
    >>> told(Judgement(CLAIMS[0], "CUB", "", parts))[2:6]
    ('-0.940', 'T = 4: -0.970 [-0.980, -0.960]', 'T = 4: ‖f‖ -0.980', 'supported')
    """
    claim, parts = judgement.claim, judgement.parts
    papers = dict.fromkeys(number(claim, part.paper) for part in parts if part.paper is not None)
    return Told(
        f"{claim.key}. {claim.text}",
        f"{judgement.row}; {judgement.rests}",
        "; ".join(papers),
        "; ".join(filter(None, (here(claim, part) for part in parts))),
        "; ".join(filter(None, (controls(claim, part) for part in parts))),
        judgement.verdict,
        judgement.reason,
        judgement.command,
    )


def here(claim: Claim, part: Part) -> str:
    """The number of a part with its interval; empty where nothing is recorded."""
    if part.estimate is None:
        return ""
    ends = f" [{', '.join(number(claim, end) for end in part.interval)}]" if part.interval else ""
    return after(part.called) + number(claim, part.estimate) + ends


def controls(claim: Claim, part: Part) -> str:
    """The controls of a part that are recorded."""
    told = [f"{name} {number(claim, value)}" for name, value in part.controls.items() if value is not None]
    return after(part.called) + ", ".join(told) if told else ""


def after(called: str) -> str:
    """What leads a number."""
    return f"{called}: " if called else ""


def number(claim: Claim, value: float) -> str:
    """With the digits of its claim."""
    return f"{value:.{claim.digits}f}"
