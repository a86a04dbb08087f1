"""Two recordings of one command, number by number: which came out again, and within what."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from nbhelpers.experiments.schema import IDENTITY, lacking, leaves

MOST = 20
"""Values that are listed, those furthest off first."""


class Kind(NamedTuple):
    """What is recorded under keys that match a pattern, and how closely it must come out again."""

    name: str
    pattern: str
    absolute: float = 0
    relative: float = 0

    def limit(self, value: float) -> float:
        """How far another value may be from this one."""
        return self.absolute + self.relative * abs(value)


UNALIKE = r"(schema|command|code|date|machine|versions|wall_seconds)\b|.*\bseconds"
"""What another run, other code and another machine may say otherwise."""
OF = "|".join((*IDENTITY, "preset|width|input_size|grids?|recipe|student_recipe|left_out|checkpoints"))
COUNTED = r"right|fooled|attacked|regions|points|on_fragments|images|counts\[\d+\]"
KINDS = (
    Kind("what it is of", rf"({OF})\b.*"),
    Kind("t-SNE", r".*\btsne(_seeds)?\b.*", absolute=0.2),
    Kind("points before training", r"knowledge_points\.[^.]+\.0\..*", absolute=2, relative=1),
    Kind("fits to whole images", r"(accuracy|sample_fit|table1|weight_decay).*", absolute=0.002, relative=0.002),
    Kind("steps of fits", r".*\biterations", relative=0.5),
    Kind("changes under attack", r"attack.*delta_.*", absolute=0.002, relative=0.1),
    Kind("counts", rf".*\b({COUNTED})", absolute=2, relative=0.1),
    Kind("fits to regions, and all else", r".*", absolute=0.02, relative=0.05),
)
"""The first whose pattern matches the keys counts.

The limits are some times what rounding moves, on another processor: the same machine gives the same bits. With the
features of 100 images changed by 1e-6 of each value, t-SNE's correlations moved by .12, those of other embeddings by
.0003 at most; fits to regions ended after 60 steps in place of 50, which moved Table 2 by .006, strengths by 3 % and
counts by 1 %, or 1 of 20. Before training the logits of all images are nearly the same, and what is counted hangs on
last bits: on a processor without AVX-512, counts of that checkpoint moved by up to 79 %. Networks that are trained on
another kind of processor are other networks: ``weights_sha256`` tells them apart, and no limit is for their numbers.
"""


class Pair(NamedTuple):
    """One value in both recordings; None where it could not be measured, and :data:`ABSENT` where it is not there."""

    place: str
    kind: Kind
    before: Any
    after: Any

    @property
    def distance(self) -> float:
        """Between two numbers; of all else 0 where it is the same, and infinite where it is not."""
        if self.before == self.after:
            return 0.0
        numbers = all(type(value) in (int, float) for value in (self.before, self.after))
        return abs(self.after - self.before) if numbers else math.inf

    @property
    def excess(self) -> float:
        """The distance as a share of what is allowed."""
        if not self.distance:
            return 0.0
        limit = self.kind.limit(self.before) if math.isfinite(self.distance) else 0.0
        return self.distance / limit if limit else math.inf


ABSENT = "absent"


@dataclass(frozen=True)
class Comparison:
    """What came out again.

    Attributes
    ----------
    pairs : list of Pair
        All values of the first recording but times, dates, machines and versions.
    new : list of str
        Where the second one has values that the first one lacks.
    lacks : list of str
        What the first one does not say of what it is of.
    """

    pairs: list[Pair]
    new: list[str]
    lacks: list[str]

    @cached_property
    def differing(self) -> list[Pair]:
        """Those that did not come out again, the furthest off first."""
        return sorted((pair for pair in self.pairs if pair.excess > 1), key=lambda pair: -pair.excess)

    def __str__(self) -> str:
        """The report: a line a kind, then what did not come out again."""
        same = len(self.pairs) - len(self.differing)
        lines = [f"{same} of {len(self.pairs)} values came out again"]
        for kind in KINDS:
            pairs = [pair for pair in self.pairs if pair.kind == kind]
            good = sum(pair.excess <= 1 for pair in pairs)
            furthest = max((pair.distance for pair in pairs if math.isfinite(pair.distance)), default=0)
            lines.append(f"  {kind.name}: {good} of {len(pairs)} {_within(kind)}, at most {furthest:.2g} apart")
        lines += [f"  {pair.place}: {pair.before} before, {pair.after} now" for pair in self.differing[:MOST]]
        if len(self.differing) > MOST:
            lines.append(f"  and {len(self.differing) - MOST} more that are not as far off")
        if self.new:
            lines.append(f"{len(self.new)} values are new, such as {self.new[0]}")
        if self.lacks:
            lines.append(f"the file was written by older code, and does not say: {', '.join(self.lacks)}")
        return "\n".join(lines)


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> Comparison:
    """Compare a recording with a later one of the same command.

    Examples
    --------
    >>> one = {"table1": {"ours": {"pearson_t4": -0.95, "seconds": 2.0}}, "sample_fit": {"kl": 0.061}}
    >>> two = {"table1": {"ours": {"pearson_t4": -0.93, "seconds": 9.0}}, "sample_fit": {"kl": 0.061}}
    >>> print(str(compare(one, two)).splitlines()[-2])
      table1.ours.pearson_t4: -0.95 before, -0.93 now
    """
    first, second = (
        {place: value for place, value in leaves(content) if not re.match(UNALIKE, place)}
        for content in (before, after)
    )
    pairs = [Pair(place, kind_of(place), value, second.get(place, ABSENT)) for place, value in first.items()]
    return Comparison(pairs, [place for place in second if place not in first], lacking(before))


def kind_of(place: str) -> Kind:
    """What a value is, by the keys that lead to it."""
    return next(kind for kind in KINDS if re.fullmatch(kind.pattern, place))


def _within(kind: Kind) -> str:
    parts = [f"{kind.absolute:g}"] if kind.absolute else []
    parts += [f"{kind.relative:.0%}"] if kind.relative else []
    return f"within {' + '.join(parts)}" if parts else "exactly"
