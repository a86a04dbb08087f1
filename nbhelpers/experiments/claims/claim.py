"""What a claim is, what it comes to on one row of the paper, and the one rule by which it is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

SUPPORTED, UNDECIDED, CONTRADICTED = "supported", "undecided", "contradicted"


@dataclass(frozen=True)
class Part:
    """One number that a claim rests on: here, in the paper, and where nothing should be found.

    Attributes
    ----------
    called : str
        What is measured, such as a layer; empty where the claim rests on one number.
    estimate : float, optional
        None where nothing is recorded.
    interval : (float, float), optional
        95 %, with what the fit adds; None where no such interval can be given.
    bound : float
        What the claim says that the number exceeds, or that it stays below where ``above`` is False.
    above : bool
    paper : float, optional
        The same number as printed.
    controls : mapping of str to float
        By name; None where one is not recorded.
    beside : bool
        Whether it only stands beside the others and decides nothing.
    reason : str
        Why it is undecided, where it is.

    Examples
    --------
    >>> Part("T = 4", -0.97, (-0.98, -0.96), bound=-0.89, above=False).verdict
    'supported'
    """

    called: str = ""
    estimate: float | None = None
    interval: tuple[float, float] | None = None
    bound: float = 0.0
    above: bool = True
    paper: float | None = None
    controls: Mapping[str, float | None] = field(default_factory=dict)
    beside: bool = False
    reason: str = ""

    @property
    def verdict(self) -> str:
        """Whether the whole interval lies on the claim's side of the bound, on the other, or on both."""
        if self.interval is None or self.reason:
            return UNDECIDED
        low, high = self.interval
        over, under = low > self.bound, high < self.bound
        return SUPPORTED if (over if self.above else under) else CONTRADICTED if over or under else UNDECIDED


class Claim(NamedTuple):
    """One claim of the paper."""

    key: str
    place: str
    """Table or figure of the paper."""
    text: str
    """What it says, in our words."""
    measure: str
    """What is measured."""
    test: str
    """What would support it."""
    recorded: tuple[str, ...]
    """Under which keys of a recorded file."""
    rows: tuple[str, ...]
    """On which rows, by the names of their recorded files."""
    judge: Callable[[Sequence[Mapping[str, Any]], Mapping[str, Any]], list[Part]]
    """From a row's runs, one a seed, and what the paper printed of it."""
    digits: int = 3
    """To write its numbers with."""


@dataclass(frozen=True)
class Judgement:
    """What one claim comes to on one row.

    Attributes
    ----------
    claim : Claim
    row : str
        Data set and network.
    rests : str
        Images, seeds, accuracy and start.
    parts : list of Part
    command : str
        What repeats the first seed.
    apart : str
        Why the row decides no claim, whatever it shows; empty where it may.

    Examples
    --------
    >>> from nbhelpers.experiments.claims.entries import CLAIMS
    >>> parts = [Part("a", 1.0, (0.5, 1.5)), Part("b", 1.0, (-0.5, 2.5)), Part("c", -1.0, beside=True)]
    >>> Judgement(CLAIMS[0], "CUB", "", parts).verdict
    'undecided'
    """

    claim: Claim
    row: str
    rests: str
    parts: Sequence[Part]
    command: str = ""
    apart: str = ""

    @property
    def verdict(self) -> str:
        """Supported if every part that decides is, contradicted if one is."""
        verdicts = {part.verdict for part in self.parts if not part.beside}
        if self.apart:
            return UNDECIDED
        return CONTRADICTED if CONTRADICTED in verdicts else SUPPORTED if verdicts == {SUPPORTED} else UNDECIDED

    @property
    def reason(self) -> str:
        """Why it is undecided; empty where it is not."""
        if self.apart or self.verdict != UNDECIDED:
            return self.apart
        open_parts = [part for part in self.parts if not part.beside and part.verdict == UNDECIDED]
        reasons = dict.fromkeys(part.reason or "the interval reaches over the bound" for part in open_parts)
        return "; ".join(reasons)
