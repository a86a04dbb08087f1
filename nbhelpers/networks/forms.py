"""In which order a layer's output holds images, regions and channels, and how it becomes (N, K, H, W)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from nbhelpers.maths.arrays import check_choice, check_whole

GRID, CHANNELS_LAST, TOKENS, VECTOR = "grid", "channels last", "tokens", "vector"
KINDS = (GRID, CHANNELS_LAST, TOKENS, VECTOR)
MOST_PREFIX = 9
"""Tokens in front of those of patches that are tried where a network does not say how many it has: a class token and
up to eight registers."""


@dataclass(frozen=True)
class Form:
    """How a layer's output is laid out.

    Parameters
    ----------
    kind : {"grid", "channels last", "tokens", "vector"}
        (N, K, H, W), as of convolutions; (N, H, W, K), as of Swin transformers; (N, prefix + H*W, K), as of vision
        transformers, region by region and row by row; (N, D), a feature of the whole image.
    prefix : int, optional
        Tokens in front that belong to no region, such as a class token; found by a pass if not given.
    grid : (int, int), optional
        Rows and columns of the regions of tokens; found by a pass if not given.

    Raises
    ------
    ValueError
        If the kind is another, or prefix or grid are no whole numbers or are given for what is not tokens.

    Examples
    --------
    >>> x = torch.arange(10.0).reshape(1, 5, 2)
    >>> Form("tokens", prefix=1, grid=(2, 2)).regions(x)[0, 0].tolist()
    [[2.0, 4.0], [6.0, 8.0]]
    """

    kind: str
    prefix: int | None = None
    grid: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        check_choice(self.kind, "the form of a layer", KINDS)
        if self.kind != TOKENS and (self.prefix is not None or self.grid is not None):
            raise ValueError(f"prefix and grid are of tokens, not of {self.kind!r}")
        if self.prefix is not None:
            check_whole(self.prefix, "prefix", 0)
        if self.grid is not None:
            if len(self.grid) != 2:
                raise ValueError(f"grid must be (rows, columns), got {self.grid!r}")
            object.__setattr__(self, "grid", tuple(check_whole(side, "grid", 1) for side in self.grid))

    def __str__(self) -> str:
        return f"{self.kind} after {self.prefix}" if self.prefix else self.kind

    def of(self, shape: Sequence[int]) -> tuple[int, int] | None:
        """Rows and columns of an output of this shape; None for a vector."""
        if self.kind == VECTOR:
            return None
        return {GRID: tuple(shape[2:]), CHANNELS_LAST: tuple(shape[1:3]), TOKENS: self.grid}[self.kind]

    def channels(self, shape: Sequence[int]) -> int:
        """How many numbers a region has in an output of this shape."""
        return shape[1] if self.kind in (GRID, VECTOR) else shape[-1]

    def check(self, shape: Sequence[int]) -> None:
        """Refuse a shape that is not of this form."""
        axes = {GRID: 4, CHANNELS_LAST: 4, TOKENS: 3, VECTOR: 2}[self.kind]
        count = self.grid and self.prefix is not None and self.prefix + self.grid[0] * self.grid[1]
        if len(shape) != axes or (count and shape[1] != count):
            asks = f"{axes} axes" + (f" and {count} tokens" if count else "")
            raise ValueError(f"an output of shape {tuple(shape)} is not of the form {str(self)!r}, which has {asks}")

    def regions(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's output as (N, K, H, W), without tokens that belong to no region; a vector stays (N, D)."""
        self.check(x.shape)
        if self.kind == CHANNELS_LAST:
            return x.permute(0, 3, 1, 2)
        if self.kind == TOKENS:
            return x[:, self.prefix :].unflatten(1, self.grid).permute(0, 3, 1, 2)
        return x

    def restored(self, regions: torch.Tensor, prefix: torch.Tensor | None = None) -> torch.Tensor:
        """The way back from :meth:`regions`, behind the tokens (N, prefix, K) that belong to no region."""
        if self.kind == CHANNELS_LAST:
            return regions.permute(0, 2, 3, 1)
        if self.kind == TOKENS:
            tokens = regions.flatten(2).transpose(1, 2)
            return tokens if prefix is None else torch.cat([prefix.to(tokens), tokens], dim=1)
        return regions


@dataclass(frozen=True)
class Evidence:
    """What one pass told of a layer's surroundings.

    Attributes
    ----------
    image : (int, int)
        Height and width of the images.
    grids : tuple of (int, int)
        Of all convolutions before the layer's end.
    leaf : (str, tuple of int), optional
        ``"grid"`` or ``"channels last"`` and the output's shape, of the last module with weights before the layer's
        end.
    prefix : int, optional
        Tokens in front of those of patches, where the network says how many it has.
    """

    image: tuple[int, int]
    grids: tuple[tuple[int, int], ...] = ()
    leaf: tuple[str, tuple[int, ...]] | None = None
    prefix: int | None = None


def find_form(shape: Sequence[int], seen: Evidence, wanted: Form | None = None) -> Form:
    """The form of an output of this shape.

    Raises
    ------
    ValueError
        If it cannot be known, or ``wanted`` does not fit.

    Examples
    --------
    >>> find_form((2, 8, 8, 16), Evidence((32, 32)))
    Form(kind='channels last', prefix=None, grid=None)
    >>> find_form((2, 17, 16), Evidence((32, 32), grids=((4, 4),)))
    Form(kind='tokens', prefix=1, grid=(4, 4))
    """
    if wanted is not None:
        wanted.check(shape)
        return _tokens(shape, seen, wanted) if wanted.kind == TOKENS else wanted
    if len(shape) == 2:
        return Form(VECTOR)
    if len(shape) == 3:
        return _tokens(shape, seen, Form(TOKENS))
    if len(shape) == 4:
        return Form(_four_axes(tuple(shape), seen))
    raise ValueError(f"an output of shape {tuple(shape)} has none of the forms {', '.join(KINDS)}")


def _four_axes(shape: tuple[int, ...], seen: Evidence) -> str:
    first, last = shape[1], shape[3]
    kind, leaf = seen.leaf or ("", ())
    fits = {GRID: same_aspect(shape[2:], seen.image), CHANNELS_LAST: same_aspect(shape[1:3], seen.image)}
    # What a convolution gave may have any strides; elsewhere rows and columns may be windows and their tokens.
    if leaf == shape and (kind == GRID or (first != last and fits[kind])):
        return kind
    if fits[GRID] != fits[CHANNELS_LAST]:
        return GRID if fits[GRID] else CHANNELS_LAST
    if leaf and (kind == GRID or fits[GRID]):
        channels = leaf[1] if kind == GRID else leaf[-1]
        if (channels == first) != (channels == last):
            return GRID if channels == first else CHANNELS_LAST
    raise ValueError(f"an output of shape {shape} may be of the form 'grid' or 'channels last': say which, in forms=")


def same_aspect(grid: Sequence[int], image: Sequence[int]) -> bool:
    """Whether a grid may come from an image of this size by strides that are equal along both sides.

    >>> same_aspect((7, 7), (224, 224)), same_aspect((49, 64), (224, 224))
    (True, False)
    """
    (rows, columns), (height, width) = grid, image
    return abs(rows * width - columns * height) < max(width, height)


def _tokens(shape: Sequence[int], seen: Evidence, wanted: Form) -> Form:
    count = shape[1]
    if wanted.grid is None and seen.leaf and seen.leaf[1][-1] == count != shape[2] and seen.leaf[0] == CHANNELS_LAST:
        raise ValueError(f"an output of shape {tuple(shape)} holds channels, not tokens, in its second axis")
    prefixes = range(MOST_PREFIX + 1) if wanted.prefix is None else (wanted.prefix,)
    fits: list[tuple[int, tuple[int, int]]] = []
    for grids in _possible_grids(seen, count) if wanted.grid is None else [[wanted.grid]]:
        fits = [(count - h * w, (h, w)) for h, w in grids if count - h * w in prefixes]
        told = [fit for fit in fits if fit[0] == seen.prefix]
        fits = list(dict.fromkeys(told or fits))
        if len(fits) == 1:
            return replace(wanted, prefix=fits[0][0], grid=fits[0][1])
        if fits:
            break
    many = "; it may be " + ", or ".join(f"{p} and {h} x {w}" for p, (h, w) in fits) if fits else ""
    raise ValueError(
        f"an output of shape {tuple(shape)} holds {count} tokens, and how many of them are no regions of the image, "
        f'and which grid the others form, cannot be known{many}: say it, as in forms={{"...": Form("tokens", prefix=1, '
        "grid=(14, 14))}"
    )


def _possible_grids(seen: Evidence, count: int) -> list[list[tuple[int, int]]]:
    """Grids that tokens may form: those of convolutions, then their halvings; without any, of the image's shape."""
    if seen.grids:
        halved = [(-(-h // 2**k), -(-w // 2**k)) for (h, w), k in itertools.product(seen.grids, range(1, 6))]
        return [list(seen.grids), halved]
    height, width = seen.image
    shapes = [(h, w) for h in range(1, count + 1) for w in {round(h * width / height)} if 4 <= h * w <= count]
    whole = [(h, w) for h, w in shapes if h * width == w * height and not height % h and not width % w]
    return [whole]  # of whole patches
