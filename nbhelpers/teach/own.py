"""Checks for chapter 6: bytes, normalisation, the grid of a layer, a head that is no Linear, the tail of a fork."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from nbhelpers.teach import PASSED, Answer, ask, compare, expect


def check_bytes(function: Answer) -> str:
    """Check ``function(images, shapes) -> bytes`` of regional features in float32; a layer's shape is (K, H, W).

    >>> check_bytes(lambda images, shapes: 4 * images * sum(k * h * w for k, h, w in shapes))
    'Right.'
    """
    for images, shapes in ((5, [(3, 4, 2)]), (7, [(24, 16, 16), (48, 8, 8)])):
        got = ask(function, images, shapes, what="one number of bytes for all layers together")
        numbers = sum(k * h * w for k, h, w in shapes)
        right = 4 * images * numbers
        compare(
            got,
            right,
            f"expected 4 N (sum of K H W) = {right}, got {got:g}",
            (images * numbers, "this is how many numbers there are: each takes 4 bytes"),
            (8 * images * numbers, "a number of float32 takes 4 bytes; 8 are those of float64"),
            (4 * numbers, "this is for one image"),
            (4 * images * sum(k for k, _, _ in shapes), "every region has K channels: times H and W"),
            (4 * images * sum(h * w for _, h, w in shapes), "every region has K numbers, not one"),
            (4 * images * np.prod([np.prod(s) for s in shapes]), "layers lie side by side: add them up"),
            rtol=0,
        )
    return PASSED


def check_scaling(function: Answer) -> str:
    """Check ``function(images) -> (mean, std)`` of each colour in [0, 1], from uint8 images (N, 3, H, W)."""
    rng = np.random.default_rng(61)
    bright = rng.integers(60, 190, (6, 1, 1, 1)) + np.array([-50, 0, 60])[:, None, None]
    images = np.clip(bright + rng.normal(0, [[[20]], [[30]], [[10]]], (6, 3, 9, 5)), 0, 255).astype(np.uint8)
    what = "a mean and a standard deviation for each of the three colours"
    mean, std = ask(function, images, shape=(2, 3), what=what)
    x = images.astype(float) / 255
    right = x.mean(axis=(0, 2, 3)), x.std(axis=(0, 2, 3))
    expect(np.max(mean) <= 1, "the network sees images in [0, 1]: divide by 255")
    compare(
        mean,
        right[0],
        f"expected means {right[0].round(4)}, got {mean.round(4)}",
        (x.mean(), "each colour has a mean of its own: average over images, rows and columns only"),
        atol=1e-4,
    )
    compare(
        std,
        right[1],
        f"expected deviations {right[1].round(4)}, got {std.round(4)}",
        (x.std(axis=(2, 3)).mean(axis=0), "this is the spread within an image; images also differ in brightness"),
        (x.mean(axis=(2, 3)).std(axis=0), "this is the spread of the images' means; their pixels also differ"),
        (right[1] ** 2, "this is the variance: take the root"),
        (right[1] * 255, "divide the standard deviation by 255, too"),
        rtol=2e-3,
    )
    return PASSED


def check_grid(function: Answer) -> str:
    """Check ``function(side, steps) -> side`` of the grid after convolutions and poolings (kernel, stride, padding)."""
    rule = "(side + 2 padding - kernel) // stride + 1: the kernel must fit, and padding stands on both sides"
    for side, steps, right, told in (
        (64, [(4, 4, 0), (2, 2, 0)], 8, "64 pixels, patches of 4, then halved"),
        (32, [(3, 1, 1)], 32, "32 pixels, one 3 x 3 convolution with padding 1"),
        (32, [(5, 1, 0)], 28, "32 pixels, one 5 x 5 convolution without padding"),
        (224, [(7, 2, 3), (3, 2, 1)], 56, "224 pixels, the stem of a ResNet"),
        (35, [(3, 2, 0), (2, 2, 0)], 8, "35 pixels, 3 x 3 with stride 2, then a pooling"),
        (30, [(4, 4, 0)], 7, "30 pixels in patches of 4"),
    ):
        got = ask(function, side, steps, what="one number of regions a side")
        expect(got == int(got), f"{told}: a grid has a whole number of regions, got {got:g}: round down at every step")
        expect(got == right, f"{told}: expected {right}, got {got:g}. Every step gives {rule}")
    return PASSED


def check_linear_head(function: Answer) -> str:
    """Check ``function(conv) -> linear``: a 1 x 1 convolution before average pooling as a Linear layer after it."""
    for biased in (True, False):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(62)
            conv = nn.Conv2d(6, 4, 1, bias=biased)
            features = torch.rand(5, 6, 3, 2)
        before = copy.deepcopy(conv.state_dict())
        head = function(conv)
        expect(head is not None, "the function returns nothing: end it with `return`, and a Linear layer")
        expect(isinstance(head, nn.Linear), f"expected an nn.Linear, got {type(head).__name__}")
        expect(_same(conv.state_dict(), before), "the convolution must stay as it was: copy its weights")
        shape = head.in_features, head.out_features
        expect(shape == (6, 4), f"6 channels to 4 categories: expected Linear(6, 4), got Linear{shape}")
        weights = "the weights must be the convolution's, (4, 6, 1, 1) without its last two axes"
        expect(head.weight.shape == (4, 6) and torch.allclose(head.weight, conv.weight[:, :, 0, 0]), weights)
        got, right = head(features.mean(dim=(2, 3))), conv(features).mean(dim=(2, 3))
        hint = "is the bias the convolution's?" if biased else "a convolution without a bias needs a head without one"
        expect(torch.allclose(got, right, atol=1e-5), f"the logits differ from the convolution's: {hint}")
    return PASSED


class Forked(nn.Module):
    """A small network whose early features take two ways: through ``late``, and around it.

    Its logits are ``head(relu(late(early(x)) + around(early(x))), averaged over regions)``.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.early = nn.Sequential(nn.Conv2d(3, 6, 4, 4), nn.ReLU())
            self.late = nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU())
            self.around = nn.Conv2d(6, 8, 1)
            self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        early = self.early(x)
        return self.head(torch.relu(self.late(early) + self.around(early)).mean(dim=(2, 3)))


def check_tail(function: Answer) -> str:
    """Check ``function(body, early) -> tail``: what follows ``late`` in one image whose early features are given.

    ``early`` has shape (1, 6, H, W); the tail is a Module from ``late``'s features (B, 8, H, W) to logits (B, 3).
    """
    body = Forked(seed=63)
    before = copy.deepcopy(body.state_dict())
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(64))

    def head(regions: torch.Tensor) -> torch.Tensor:
        return body.head(regions.mean(dim=(2, 3)))

    with torch.no_grad():
        early = body.early(image)
        handed = early.clone()
        tail = function(body, handed)
        expect(isinstance(tail, nn.Module), f"expected an nn.Module, got {type(tail).__name__}")
        late, around = body.late(early), body.around(early)
        coalitions = torch.cat([late, 0 * late, late * (torch.arange(16).view(4, 4) % 2)])
        given = coalitions.clone()
        got = tail(given)
        unchanged = "the tail must not change the features that it is given: no x += ..., no inplace ReLU on them"
        expect(torch.equal(handed, early) and torch.equal(given, coalitions), unchanged)
        shape = tuple(got.shape) if isinstance(got, torch.Tensor) else type(got).__name__
        expect(shape == (3, 3), f"three coalitions of one image, three categories: expected logits (3, 3), got {shape}")
        absent = "where regions of late are absent, what goes around it stays: the logits of coalitions differ"
        whole = np.allclose(got[:1], body(image), atol=1e-5)
        compare(
            got,
            head(torch.relu(coalitions + around)),
            absent if whole else "with all regions present, the logits are the network's",
            (head(coalitions), "what goes around the layer is missing: add around(early)"),
            (head(coalitions + around), "the relu after the sum is missing"),
            (head(torch.relu(late + around)), "the tail must start from the features it is given, not run late again"),
            atol=1e-5,
        )
    expect(_same(body.state_dict(), before), "the network's weights must stay as they were")
    return PASSED


def _same(now: dict[str, torch.Tensor], before: dict[str, torch.Tensor]) -> bool:
    return now.keys() == before.keys() and all(torch.equal(now[name], tensor) for name, tensor in before.items())
