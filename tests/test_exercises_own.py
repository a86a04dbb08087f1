"""The checks of chapter 6 accept right answers and say why the typical wrong ones are wrong."""

import copy

import numpy as np
import pytest
import torch
from rejecting import rejects
from torch import nn

from nbhelpers.teach import PASSED, own

# Bytes


@pytest.mark.parametrize(
    "answer",
    [
        lambda n, shapes: 4 * n * sum(k * h * w for k, h, w in shapes),
        lambda n, shapes: sum(np.zeros((n, *shape), np.float32).nbytes for shape in shapes),
        lambda n, shapes: float(4 * n * np.sum([np.prod(shape) for shape in shapes])),
    ],
)
def test_counts_of_bytes_are_accepted(answer):
    assert own.check_bytes(answer) == PASSED


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda n, shapes: n * sum(k * h * w for k, h, w in shapes), "each takes 4 bytes"),
        (lambda n, shapes: 8 * n * sum(k * h * w for k, h, w in shapes), "8 are those of float64"),
        (lambda n, shapes: 4 * sum(k * h * w for k, h, w in shapes), "for one image"),
        (lambda n, shapes: 4 * n * sum(k for k, _, _ in shapes), "times H and W"),
        (lambda n, shapes: 4 * n * sum(h * w for _, h, w in shapes), "K numbers, not one"),
        (lambda n, shapes: 4 * n * np.prod([np.prod(s) for s in shapes]), "add them up"),
        (lambda n, shapes: [4 * n * np.prod(s) for s in shapes], "one number of bytes"),
        (lambda n, shapes: 4 * (n + sum(k * h * w for k, h, w in shapes)), "expected 4 N"),
    ],
)
def test_wrong_counts_of_bytes_are_rejected(answer, message):
    rejects(own.check_bytes, answer, message)


# Scaling


def by_torch(images):
    x = torch.from_numpy(images).float().div(255).transpose(0, 1).flatten(1)
    return x.mean(dim=1), x.std(dim=1)


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: ((x / 255).mean(axis=(0, 2, 3)), (x / 255).std(axis=(0, 2, 3))),
        lambda x: np.stack([x.mean(axis=(0, 2, 3)), x.std(axis=(0, 2, 3))]) / 255,
        by_torch,
    ],
)
def test_scalings_are_accepted(answer):
    assert own.check_scaling(answer) == PASSED


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: (x.mean(axis=(0, 2, 3)), x.std(axis=(0, 2, 3))), "divide by 255"),
        (lambda x: (np.full(3, x.mean() / 255), np.full(3, x.std() / 255)), "a mean of its own"),
        (lambda x: (np.median(x, axis=(0, 2, 3)) / 255, x.std(axis=(0, 2, 3)) / 255), "expected means"),
        (lambda x: (x.mean(axis=(0, 2, 3)) / 255, x.std(axis=(2, 3)).mean(axis=0) / 255), "spread within an image"),
        (
            lambda x: (x.mean(axis=(0, 2, 3)) / 255, x.mean(axis=(2, 3)).std(axis=0) / 255),
            "spread of the images' means",
        ),
        (lambda x: (x.mean(axis=(0, 2, 3)) / 255, (x / 255).var(axis=(0, 2, 3))), "take the root"),
        (lambda x: (x.mean(axis=(0, 2, 3)) / 255, x.std(axis=(0, 2, 3))), "by 255, too"),
        (lambda x: (x.mean(axis=(0, 2, 3)) / 255, np.full(3, x.std() / 255)), "expected deviations"),
        (lambda x: (x.mean() / 255, x.std() / 255), "for each of the three colours"),
    ],
)
def test_wrong_scalings_are_rejected(answer, message):
    rejects(own.check_scaling, answer, message)


# Grids


def sides(side, steps, rounded=lambda x: int(x // 1), pads=2):
    for kernel, stride, padding in steps:
        side = rounded((side + pads * padding - kernel) / stride) + 1
    return side


def by_running(side, steps):
    x = torch.zeros(1, 1, side, side)
    for kernel, stride, padding in steps:
        x = nn.Conv2d(1, 1, kernel, stride, padding)(x)
    return x.shape[-1]


@pytest.mark.parametrize("answer", [sides, by_running])
def test_grids_are_accepted(answer):
    assert own.check_grid(answer) == PASSED


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda side, steps: sides(side, steps, pads=1), "padding stands on both sides"),
        (lambda side, steps: sides(side, steps, pads=0), "padding stands on both sides"),
        (lambda side, steps: sides(side, steps, rounded=lambda x: -int(-x // 1)), "expected"),
        (lambda side, steps: side // int(np.prod([s for _, s, _ in steps])), "the kernel must fit"),
        (lambda side, steps: side / np.prod([s for _, s, _ in steps]), "round down at every step|the kernel must fit"),
        (lambda side, steps: sides(side, steps) ** 2, "expected"),
        (lambda side, steps: sides(side, steps[:1]), "expected"),
        (lambda side, steps: None, "returns nothing"),
    ],
)
def test_wrong_grids_are_rejected(answer, message):
    rejects(own.check_grid, answer, message)


# Heads


def linear(conv, weight=lambda w: w.flatten(1), bias=None, shared=False):
    wanted = conv.bias is not None if bias is None else bias
    head = nn.Linear(conv.in_channels, conv.out_channels, bias=wanted)
    head.weight.data = weight(conv.weight.data).clone()
    if wanted:
        head.bias.data = conv.bias.data.clone() if conv.bias is not None else torch.ones(conv.out_channels)
    return head


def spoiling(conv):
    head = linear(conv)
    conv.weight.data *= 2
    return head


def without_bias_copied(conv):
    head = nn.Linear(conv.in_channels, conv.out_channels)
    head.weight.data = conv.weight.data.flatten(1).clone()
    head.bias.data.zero_()
    return head


@pytest.mark.parametrize("answer", [linear, lambda conv: linear(conv, lambda w: w[:, :, 0, 0])])
def test_linear_heads_are_accepted(answer):
    assert own.check_linear_head(answer) == PASSED


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda conv: None, "returns nothing"),
        (lambda conv: conv, "expected an nn.Linear, got Conv2d"),
        (spoiling, "must stay as it was"),
        (lambda conv: nn.Linear(conv.out_channels, conv.in_channels), r"expected Linear\(6, 4\)"),
        (lambda conv: nn.Linear(conv.in_channels, conv.out_channels), "weights must be the convolution's"),
        (lambda conv: linear(conv, lambda w: w), "without its last two axes"),
        (without_bias_copied, "is the bias the convolution's"),
        (lambda conv: linear(conv, bias=True), "a head without one"),
    ],
)
def test_wrong_linear_heads_are_rejected(answer, message):
    rejects(own.check_linear_head, answer, message)


# Tails


class Tail(nn.Module):
    """The right tail, and by its settings the typical wrong ones."""

    def __init__(self, body, early, join=lambda late, around: torch.relu(late + around)):
        super().__init__()
        self.body, self.early, self.join = body, early, join

    def forward(self, late):
        return self.body.head(self.join(late, self.body.around(self.early)).mean(dim=(2, 3)))


class AddedLate(Tail):
    def forward(self, late):
        around = self.body.around(self.early).mean(dim=(2, 3))
        return self.body.head(torch.relu(late).mean(dim=(2, 3)) + around)


class FromTheStart(Tail):
    def forward(self, late):
        joined = torch.relu(self.body.late(self.early) + self.body.around(self.early))
        return self.body.head(joined.mean(dim=(2, 3))).expand(len(late), -1)


class OneRow(Tail):
    def forward(self, late):
        return super().forward(late)[:1]


class InPlace(Tail):
    def forward(self, late):
        return super().forward(late.mul_(1.5))


class AbsentEverywhere(Tail):
    def forward(self, late):
        present = (late.abs().sum(dim=1, keepdim=True) > 0).float()
        joined = torch.relu(late + present * self.body.around(self.early))
        return self.body.head(joined.mean(dim=(2, 3)))


def trained_on(body, early):
    body.head.weight.data *= 2
    body.head.weight.data /= 3
    return Tail(copy.deepcopy(body), early)


@pytest.mark.parametrize("answer", [Tail, lambda body, early: Tail(copy.deepcopy(body), early.clone())])
def test_tails_are_accepted(answer):
    assert own.check_tail(answer) == PASSED


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda body, early: None, "expected an nn.Module"),
        (lambda body, early: lambda late: late, "expected an nn.Module"),
        (OneRow, "three coalitions of one image"),
        (InPlace, "must not change the features"),
        (lambda body, early: Tail(body, early, lambda late, around: late), "goes around the layer is missing"),
        (lambda body, early: Tail(body, early, lambda late, around: late + around), "relu after the sum is missing"),
        (AddedLate, "relu after the sum is missing"),
        (FromTheStart, "not run late again"),
        (AbsentEverywhere, "what goes around it stays"),
        (lambda body, early: Tail(own.Forked(seed=9), early), "the logits are the network's"),
        (trained_on, "weights must stay as they were|the logits"),
    ],
)
def test_wrong_tails_are_rejected(answer, message):
    rejects(own.check_tail, answer, message)


def test_the_fork_is_the_same_for_one_seed_and_leaves_the_random_state_alone():
    state = torch.random.get_rng_state()
    one, other = own.Forked(3), own.Forked(3)
    assert torch.equal(torch.random.get_rng_state(), state)
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(one(x), other(x))
    assert not torch.equal(one(x), own.Forked(4)(x))
