"""Networks as people bring them: what is recorded is right, or the message says what is wrong and what to do."""

import dataclasses
from collections import namedtuple
from copy import deepcopy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from nbhelpers import Form, Network, Recipe, pgd, record, start_from, train
from nbhelpers.images import ImageSet
from nbhelpers.networks.weights import load_checkpoint, save_checkpoint


def some(height=32, width=None, n=6, categories=3):
    pixels = np.random.default_rng(0).integers(0, 256, (n, 3, height, width or height)).astype(np.uint8)
    return ImageSet(pixels, np.arange(n) % categories, tuple("abcdefghij"[:categories]), "held_out")


def chain(channels=3, width=8, categories=3, act=nn.ReLU):
    torch.manual_seed(0)
    first = [nn.Conv2d(channels, width, 4, stride=4), nn.BatchNorm2d(width), act()]
    return nn.Sequential(*first, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, categories)).eval()


def by_hand(module, network, images, run=0):
    """What a module gives on one of its calls, copied at once, by a hook of the test's own."""
    kept = []
    handle = module.register_forward_hook(lambda _m, _i, out: kept.append(out.detach().clone()))
    x = (torch.from_numpy(images.images).float() / 255 - network.mean) / network.std
    with torch.no_grad():
        network.body.eval()(x)
    handle.remove()
    return kept[run].float()


class Plain(nn.Module):
    """A convolution and a head; what happens after either is told."""

    def __init__(self, after=lambda z: z, between=lambda y: y.relu().mean((2, 3)), head=None):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc = nn.Conv2d(3, 8, 4, 4), head or nn.Linear(8, 3)
        self.after, self.between = after, between

    def forward(self, x):
        return self.after(self.fc(self.between(self.conv(x))))


# Operations in place


@pytest.mark.parametrize(
    "behind",
    [
        nn.ReLU(inplace=True),
        nn.ReLU6(inplace=True),
        nn.Hardswish(inplace=True),
        nn.Dropout(0.0, inplace=True),
        nn.LeakyReLU(2.0, inplace=True),
    ],
    ids=lambda m: type(m).__name__,
)
def test_what_follows_in_place_does_not_change_what_is_recorded(behind):
    body, images = chain(), some()
    body[2] = behind
    network = Network(body, {"bn": "1", "act": "2"}, "5")
    recorded = record(network, images, ("bn", "act"))
    np.testing.assert_allclose(recorded.regions["bn"], by_hand(body[1], network, images), atol=1e-5)
    np.testing.assert_allclose(recorded.regions["act"], by_hand(body[2], network, images), atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [lambda z: z.div_(4), lambda z: z.mul_(3), lambda z: z.clamp_(min=0), lambda z: z.sub_(z.logsumexp(1, True))],
)
def test_logits_that_change_in_place_are_not_the_heads(change):
    with pytest.raises(ValueError, match="not what its head fc says"):
        record(Network(Plain(change).eval(), {"c": "conv"}, "fc"), some())


# How often a module runs


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.block, self.act = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 8, 1), nn.ReLU()
        self.fc, self.unused = nn.Linear(8, 3), nn.Conv2d(8, 8, 1)

    def forward(self, x):
        return self.fc(self.act(self.block(self.block(self.act(self.conv(x))))).mean((2, 3)))


@pytest.mark.parametrize(
    ("layer", "message"), [("act", "a runs 2 times"), ("block", "a runs 2 times"), ("unused", "a does not run")]
)
def test_a_layer_that_does_not_run_once_is_refused_by_its_name(layer, message):
    network = Network(Twice().eval(), {"a": layer, "conv": "conv"}, "fc")
    with pytest.raises(ValueError, match=f"layer {message}"):
        record(network, some(), ("a",))
    assert list(record(network, some(), ("conv",)).regions) == ["conv"], "the others can be recorded"


def test_a_head_that_runs_twice_is_refused():
    body = Plain(lambda z: z)
    body.after = lambda z: body.fc(torch.cat([z, z, z], 1)[:, :8]) + z
    with pytest.raises(ValueError, match="head fc runs 2 times"):
        record(Network(body.eval(), {"c": "conv"}, "fc"), some())


def test_a_head_that_only_lends_its_weights_is_refused():
    class Functional(Plain):
        def forward(self, x):
            return F.linear(self.conv(x).mean((2, 3)), self.fc.weight, self.fc.bias)

    with pytest.raises(ValueError, match="head fc does not run"):
        record(Network(Functional().eval(), {"c": "conv"}, "fc"), some())


# Forms


def test_channels_last():
    body = torchvision.models.SwinTransformer([2, 2], 8, [1, 1], [1, 2], [4, 4], num_classes=3).eval()
    network, images = Network(body, {"early": "features.1", "late": "features.3"}, "head"), some()
    recorded = record(network, images, ("early", "late")).regions
    for layer, i in (("early", 1), ("late", 3)):
        np.testing.assert_allclose(
            recorded[layer], by_hand(body.features[i], network, images).permute(0, 3, 1, 2), atol=1e-4
        )
    assert network.grids == {"early": (16, 16), "late": (8, 8)}


class Tokens(nn.Module):
    """Patches behind tokens that belong to none."""

    def __init__(self, prefix, width=16, patch=8):
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.block = nn.Conv2d(3, width, patch, patch), nn.Linear(width, width)
        self.front, self.fc = nn.Parameter(torch.randn(1, prefix, width)), nn.Linear(width, 3)

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2)
        return self.fc(self.block(torch.cat([self.front.expand(len(x), -1, -1), x], 1)).mean(1))


@pytest.mark.parametrize("prefix", [0, 1, 2, 5])
@pytest.mark.parametrize("size", [(32, 32), (32, 64), (64, 32), (24, 56)])
def test_tokens(prefix, size):
    body, images = Tokens(prefix).eval(), some(*size)
    network = Network(body, {"b": "block"}, "fc")
    h, w = size[0] // 8, size[1] // 8
    wanted = by_hand(body.block, network, images)[:, prefix:].transpose(1, 2).reshape(6, 16, h, w)
    np.testing.assert_allclose(record(network, images, ("b",)).regions["b"], wanted, atol=1e-5)
    assert network.grids == {"b": (h, w)}


class Unfolded(Tokens):
    """Without a convolution that would show the grid."""

    def __init__(self, prefix, patch=8):
        super().__init__(prefix)
        self.embed, self.patch = nn.Linear(3 * patch**2, 16), patch

    def forward(self, x):
        x = self.embed(F.unfold(x, self.patch, stride=self.patch).transpose(1, 2))
        return self.fc(self.block(torch.cat([self.front.expand(len(x), -1, -1), x], 1)).mean(1))


def test_tokens_whose_number_tells_too_little_are_asked_for():
    body, images = Unfolded(5, 12).eval(), some(24)  # 5 + 2 x 2 tokens, or 3 x 3
    with pytest.raises(ValueError, match=r"layer b .* 9 tokens.*5 and 2 x 2, or 0 and 3 x 3.*forms="):
        record(Network(body, {"b": "block"}, "fc"), images, ("b",))
    told = Network(body, {"b": "block"}, "fc", forms={"b": Form("tokens", prefix=5)})
    assert record(told, images, ("b",)).regions["b"].shape == (6, 16, 2, 2)
    told = Network(body, {"b": "block"}, "fc", forms={"b": Form("tokens", grid=(1, 4))})
    assert record(told, images, ("b",)).regions["b"].shape == (6, 16, 1, 4)
    assert record(Network(Unfolded(1).eval(), {"b": "block"}, "fc"), some(32), ("b",)).regions["b"].shape[2:] == (4, 4)


class Cube(nn.Module):
    """As many channels as rows and columns: the shape tells nothing."""

    def __init__(self, last):
        super().__init__()
        self.conv, self.fc, self.last = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 3), last
        self.turn = nn.Identity()

    def forward(self, x):
        x = self.turn(self.conv(x).permute(0, 2, 3, 1) if self.last else self.conv(x))
        return self.fc(x.mean((1, 2) if self.last else (2, 3)))


def test_a_convolution_tells_where_channels_are_though_the_shape_does_not():
    body, images = Cube(False).eval(), some()
    network = Network(body, {"c": "conv"}, "fc")
    wanted = by_hand(body.conv, network, images)
    np.testing.assert_allclose(record(network, images, ("c",)).regions["c"], wanted, atol=1e-5)


def test_a_form_is_overruled_by_name():
    body, images = Cube(True).eval(), some()
    network = Network(body, {"t": "turn"}, "fc", forms={"t": "channels last"})
    wanted = by_hand(body.turn, network, images).permute(0, 3, 1, 2)
    np.testing.assert_allclose(record(network, images, ("t",)).regions["t"], wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("forms", "message"),
    [
        ({"x": "grid"}, "forms of x, but the layers are t"),
        ({"t": "cube"}, "must be one of 'grid', 'channels last', 'tokens', 'vector', got 'cube'"),
        ({"t": "tokens"}, "layer t .*4 axes|layer t .* is not of the form 'tokens'"),
        ({"t": "vector"}, "layer t .* is not of the form 'vector'"),
    ],
)
def test_forms_that_do_not_fit_are_refused(forms, message):
    with pytest.raises(ValueError, match=message):
        record(Network(Cube(True).eval(), {"t": "turn"}, "fc", forms=forms), some(), ("t",))


@pytest.mark.parametrize("form", [Form("grid"), Form("channels last"), Form("tokens", 2, (3, 4)), Form("vector")])
def test_there_and_back(form):
    shape = {"grid": (2, 5, 3, 4), "channels last": (2, 3, 4, 5), "tokens": (2, 14, 5), "vector": (2, 5)}[form.kind]
    x = torch.randn(shape)
    regions = form.regions(x)
    assert regions.shape == ((2, 5) if form.kind == "vector" else (2, 5, 3, 4))
    assert torch.equal(form.restored(regions, x[:, :2] if form.kind == "tokens" else None), x)


@pytest.mark.parametrize(
    "arguments",
    [("grid", 1), ("vector", None, (2, 2)), ("tokens", -1), ("tokens", 0, (0, 2)), ("tokens", 0, (1, 2, 3))],
)
def test_forms_that_cannot_be_are_refused(arguments):
    with pytest.raises(ValueError):
        Form(*arguments)


def test_sequences_that_do_not_have_the_images_first_are_refused():
    class First(Tokens):
        def forward(self, x):
            x = self.embed(x).flatten(2).permute(2, 0, 1)
            return self.fc(self.block(x).mean(0))

    with pytest.raises(ValueError, match=r"layer b .*does not have the images"):
        record(Network(First(0).eval(), {"b": "block"}, "fc"), some(), ("b",))


# What the body returns


@dataclasses.dataclass
class Output:
    logits: torch.Tensor
    hidden: tuple = ()


Pair = namedtuple("Pair", "logits aux")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda z: {"logits": z},
        lambda z: {"features": z.new_ones(len(z), 8), "out": z},
        lambda z: (z,),
        lambda z: [z, None],
        lambda z: (z.new_ones(len(z), 8), z),
        lambda z: Pair(z, 2 * z),
        lambda z: Output(z, (z.new_ones(len(z), 8),)),
        lambda z: z.clone(),
        lambda z: z.double(),
    ],
)
def test_logits_are_taken_out_of_what_the_body_returns(wrap):
    body, images = Plain(wrap).eval(), some()
    network = Network(body, {"c": "conv"}, "fc")
    a = record(network, images, ("c",))
    np.testing.assert_allclose(a.logits, by_hand(body.fc, network, images), atol=1e-6)
    with torch.no_grad():
        np.testing.assert_allclose(a.logits, body.fc(torch.from_numpy(a.features)), atol=1e-5)
    assert pgd(network, np.full((2, 3, 32, 32), 0.5), [0, 1], steps=1).shape[0] == 2


@pytest.mark.parametrize(
    ("wrap", "why"),
    [
        (lambda z: z.softmax(1), "probabilities, not logits"),
        (lambda z: z.log_softmax(1), "logarithms of probabilities"),
        (lambda z: z.sigmoid(), "differ by up to"),
        (lambda z: 2 * z, "differ by up to"),
        (lambda z: z / 4, "differ by up to"),
        (lambda z: (z + z.flip(1)) / 2, "differ by up to"),
        (lambda z: {"logits": z.softmax(1)}, "probabilities"),
        (lambda z: z[:, :2], r"gives \(2, 2\), the head \(2, 3\)"),
        (lambda z: None, "no tensor"),
    ],
)
def test_what_is_not_what_the_head_says_is_refused(wrap, why):
    with pytest.raises(ValueError, match=f"its head fc says: .*{why}.*Take away"):
        record(Network(Plain(wrap).eval(), {"c": "conv"}, "fc"), some())


def test_a_mean_of_two_heads_is_refused():
    body = Plain()
    body.second = nn.Linear(8, 3)
    body.forward = lambda x: (body.fc(f := body.conv(x).mean((2, 3))) + body.second(f)) / 2
    with pytest.raises(ValueError, match="a mean with another head"):
        record(Network(body.eval(), {"c": "conv"}, "fc"), some())


# Heads


@pytest.mark.parametrize("relu", [True, False])
def test_a_convolution_may_be_the_head(relu):
    act = [nn.ReLU()] if relu else []
    torch.manual_seed(0)
    ends = [nn.Conv2d(8, 3, 1), *act, nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    body, images = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU(), *ends).eval(), some()
    network = Network(body, {"act": "1"}, "2")
    a = record(network, images, ("act",))
    np.testing.assert_allclose(a.features, a.regions["act"].mean((2, 3)), atol=1e-6)
    np.testing.assert_allclose(a.logits, by_hand(body[-1], network, images), atol=1e-6)
    assert network.outputs == (0, 1, 2)


def test_a_head_without_bias():
    body = Plain(head=nn.Linear(8, 3, bias=False)).eval()
    a = record(Network(body, {"c": "conv"}, "fc"), some())
    np.testing.assert_allclose(a.logits, a.features @ body.fc.weight.detach().numpy().T, atol=1e-5)


@pytest.mark.parametrize(
    ("head", "message"), [("conv", "must be the last Linear"), ("nowhere", "no module at 'nowhere': the body has conv")]
)
def test_what_is_no_head_is_refused(head, message):
    with pytest.raises(ValueError, match=message):
        Network(Plain(), {}, head)


# Categories out of more outputs


def test_outputs_are_picked_in_their_order():
    body, images = chain(categories=1000), some()
    whole = Network(body, {"r": "2"}, "5")
    network = Network(body, {"r": "2"}, "5", outputs=[281, 285, 7])
    logits = record(network, images).logits
    assert network.outputs == (281, 285, 7)
    with torch.no_grad():
        every = whole(torch.from_numpy(images.images).float() / 255).numpy()
    np.testing.assert_allclose(logits, every[:, [281, 285, 7]], atol=1e-6)


@pytest.mark.parametrize("outputs", [[0, 3], [-1, 0], [0, 0], [True, 0], [0.0, 1.0], [1], [], ["cat", "dog"]], ids=repr)
def test_outputs_that_are_not_there_are_refused(outputs):
    with pytest.raises(ValueError, match="outputs must be"):
        Network(chain(), {}, "5", outputs=outputs)


# Numbers


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions(dtype):
    body, images = chain(), some()
    wanted = record(Network(body, {"r": "2"}, "5"), images, ("r",))
    a = record(Network(body.to(dtype), {"r": "2"}, "5"), images, ("r",))
    assert {a.logits.dtype, a.features.dtype, a.regions["r"].dtype} == {np.dtype(np.float32)}
    np.testing.assert_allclose(a.regions["r"], wanted.regions["r"], atol=0.1)
    np.testing.assert_allclose(a.logits, wanted.logits, atol=0.1)


@pytest.mark.parametrize(
    ("place", "name"),
    [(lambda body: body[0].weight, "body.0.weight"), (lambda body: body[1].running_var, "body.1.running_var")],
)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(place, name, value):
    body = chain()
    with torch.no_grad():
        place(body)[0] = value
    with pytest.raises(ValueError, match=f"weights {name} hold .* NaN or infinite"):
        record(Network(body, {"r": "2"}, "5"), some(), ("r",))


def test_numbers_that_grow_beyond_half_precision_are_refused():
    body = chain()
    with torch.no_grad():
        body[5].weight.fill_(6e4)
    with pytest.raises(ValueError, match="single precision"):
        record(Network(body.half(), {"r": "2"}, "5"), some(), ("r",))


def test_one_channel_sees_the_luma():
    body, images = chain(1), some()
    network = Network(body, {"r": "2"}, "5", mean=(0.5,), std=(0.25,))
    grey = (torch.from_numpy(images.images).float() / 255 * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1)
    with torch.no_grad():
        wanted = body[:3]((grey[:, None] - 0.5) / 0.25)
    np.testing.assert_allclose(record(network, images, ("r",)).regions["r"], wanted, atol=1e-5)
    assert pgd(network, np.full((2, 3, 32, 32), 0.5), [0, 1], steps=1).shape == (2, 2, 3, 32, 32)


@pytest.mark.parametrize("scaling", [((0.5,), (1, 1, 1)), ((0.5,) * 4, (1,) * 4), ((0.5,), (0,)), ((np.nan,), (1,))])
def test_scalings_that_cannot_be_are_refused(scaling):
    with pytest.raises(ValueError, match="mean"):
        Network(chain(), {}, "5", *scaling)


def test_a_body_of_one_channel_asks_for_one_number():
    with pytest.raises(ValueError, match="takes 1 channels, and gets 3: give mean and std of one number"):
        record(Network(chain(1), {"r": "2"}, "5"), some())


def test_bytes_are_refused():
    with pytest.raises(ValueError, match="divide uint8 pixels by 255"):
        Network(chain(), {}, "5")(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))


# Memory, modes, wrappers


class Viewing(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.bn, self.fc = nn.Conv2d(3, 6, 5), nn.BatchNorm2d(6), nn.Linear(6 * 28 * 28, 3)

    def forward(self, x):
        x = self.bn(self.conv(x))
        return self.fc(x.view(len(x), -1))


def test_a_convolution_that_would_overrun_its_memory_is_not_given_channels_last():
    """On processors without AVX-512 its gradient was wrong, or ended the process (oneDNN's issue 6035)."""
    torch.manual_seed(0)
    narrow = nn.Conv2d(4, 8, 1, stride=2)
    body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), narrow, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = Network(nn.Sequential(*body, nn.Linear(8, 3)), {"r": "2"}, "5")
    assert network.memory_format is torch.contiguous_format
    images = torch.rand(8, 3, 32, 32)
    double = deepcopy(network).double()
    for each, x in ((network, images.contiguous(memory_format=torch.channels_last)), (double, images.double())):
        each(x).square().sum().backward()
    wanted = double.body[1].weight.grad
    np.testing.assert_allclose(narrow.weight.grad, wanted, rtol=1e-3, atol=1e-5)


def test_view(tmp_path):
    network, images = Network(Viewing(), {"c": "conv"}, "fc"), some(n=16)
    a = record(network, images, ("c",))
    np.testing.assert_allclose(a.regions["c"], by_hand(network.body.conv, network, images), atol=1e-5)
    pgd(network.eval(), np.full((2, 3, 32, 32), 0.5), [0, 1], steps=1)
    train(network, images, tmp_path, Recipe(1, 8, 0.01, checkpoints=2))


class Keeping(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc, self.ramp = nn.Conv2d(3, 8, 8, 8), nn.Linear(8, 3), None

    def forward(self, x):
        y = self.conv(x)
        if self.ramp is None:
            self.ramp = torch.linspace(0.5, 1.5, y.shape[-1])
        return self.fc((y * self.ramp).mean((2, 3)))


def test_what_the_first_pass_keeps_is_of_use_for_derivatives(tmp_path):
    for first in ("record", "pgd", "train"):
        network = Network(Keeping(), {"c": "conv"}, "fc").eval()
        if first == "record":
            record(network, some(), ("c",))
        if first != "train":
            pgd(network, np.full((2, 3, 32, 32), 0.5), [0, 1], steps=1)
        train(network, some(n=16), tmp_path / first, Recipe(1, 8, 0.01, checkpoints=2))


def test_chance_in_evaluation_mode_is_refused():
    body = Plain(between=lambda y: F.dropout(y.relu().mean((2, 3)), 0.5))  # training=True is the default
    with pytest.raises(ValueError, match=r"or on chance.*F\.dropout"):
        record(Network(body.eval(), {"c": "conv"}, "fc"), some())


def test_statistics_of_the_batch_are_refused():
    body = chain()
    body[1] = nn.BatchNorm2d(8, track_running_stats=False)
    body[1].weight.data.fill_(3)
    pixels = some().images.copy()
    pixels[1] //= 8
    images = ImageSet(pixels, some().labels, some().categories, "train")
    with pytest.raises(ValueError, match=r"images beside it.*track_running_stats"):
        record(Network(body, {"r": "2"}, "5"), images)


@pytest.mark.slow
def test_a_spread_or_compiled_body_is_taken_out_of_its_wrapper():
    body, images = chain(), some()
    wanted = record(Network(body, {"r": "2"}, "5"), images, ("r",)).regions["r"]
    for wrapped in (nn.DataParallel(body), torch.compile(body)):
        np.testing.assert_array_equal(record(Network(wrapped, {"r": "2"}, "5"), images, ("r",)).regions["r"], wanted)


@pytest.mark.parametrize("mode", [True, False])
def test_the_mode_is_restored_and_no_hook_stays(mode):
    network = Network(Plain(), {"c": "conv"}, "fc").train(mode)
    record(network, some(), ("c",))
    assert network.training is network.body.conv.training is mode
    assert not any(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules())


# Names and order


@pytest.mark.parametrize("name", ["features", "logits", "labels", "the head", "head", "body", "self", "layer.1"])
def test_layers_may_have_any_name(name):
    body, images = chain(), some()
    network = Network(body, {name: "2"}, "5")
    a = record(network, images, (name,), grid=4)
    assert a.regions[name].shape == (6, 8, 4, 4) and a.features.shape == (6, 8) and a.logits.shape == (6, 3)


def test_layers_come_in_the_order_in_which_they_run():
    body, images = chain(), some()
    network = Network(body, {"z": "2", "a": "0", "m": "1"}, "5")
    for asked in (("z", "a", "m"), ("m", "z", "a"), ("a", "m", "z")):
        assert list(record(network, images, asked).regions) == ["a", "m", "z"]
    assert list(network.layers) == ["a", "m", "z"]


# Training


@pytest.mark.parametrize("how", ["parameters", "mode"])
def test_frozen_batch_statistics_stay(how, tmp_path):
    body = chain().train()
    body.insert(3, nn.Conv2d(8, 8, 1))
    body.insert(4, nn.BatchNorm2d(8))
    if how == "parameters":
        body[1].requires_grad_(False)
    network = Network(body, {"r": "2"}, "7")
    if how == "mode":
        body[1].eval()
    frozen, free = body[1].running_mean.clone(), body[4].running_mean.clone()
    train(network, some(n=16), tmp_path, Recipe(2, 8, 0.01, checkpoints=2))
    assert torch.equal(frozen, body[1].running_mean)
    assert not torch.equal(free, body[4].running_mean)


def test_where_nothing_may_learn_it_is_said(tmp_path):
    body = chain().requires_grad_(False)
    with pytest.raises(ValueError, match="all parameters are frozen"):
        train(Network(body, {}, "5"), some(n=16), tmp_path, Recipe(1, 8, 0.01, checkpoints=2))


class Auxiliary(Plain):
    def __init__(self):
        super().__init__()
        self.aux = nn.Linear(8, 3)

    def forward(self, x):
        f = self.conv(x).mean((2, 3))
        return Pair(self.fc(f), self.aux(f)) if self.training else self.fc(f)


def test_auxiliary_outputs_are_told_and_the_loss_takes_the_heads(tmp_path, capsys):
    network = Network(Auxiliary(), {"c": "conv"}, "fc")
    before = {name: p.clone() for name, p in network.named_parameters()}
    train(network, some(n=16), tmp_path, Recipe(2, 8, 0.01, checkpoints=2))
    assert capsys.readouterr().err.count("1 outputs beside the logits") == 1
    changed = {name for name, p in network.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {"body.conv.weight", "body.conv.bias", "body.fc.weight", "body.fc.bias"}


# Weights


@pytest.mark.parametrize(
    "wrapper", ["module.", "_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module.", "body."]
)
def test_what_wrappers_put_in_front_of_names_is_taken_away(wrapper, tmp_path):
    source, target = Plain(), Plain()
    source.fc.bias.data += 1
    torch.save({wrapper + name: value for name, value in source.state_dict().items()}, tmp_path / "w.pth")
    assert start_from(Network(target, {"c": "conv"}, "fc"), tmp_path / "w.pth") == []
    assert torch.equal(target.fc.bias, source.fc.bias)


def test_a_network_that_has_such_names_itself_keeps_them(tmp_path):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = Plain()

        def forward(self, x):
            return self.model(x)

    source, target = Own(), Own()
    source.model.fc.bias.data += 1
    torch.save(source.state_dict(), tmp_path / "w.pth")
    start_from(Network(target, {}, "model.fc"), tmp_path / "w.pth")
    assert torch.equal(target.model.fc.bias, source.model.fc.bias)


def test_the_scaling_that_was_given_is_kept(tmp_path):
    torch.save(Plain().state_dict(), tmp_path / "w.pth")
    network = Network(Plain(), {}, "fc", mean=(0.5,) * 3, std=(0.25,) * 3)
    start_from(network, tmp_path / "w.pth")
    assert network.mean.flatten().tolist() == [0.5] * 3 and network.std.flatten().tolist() == [0.25] * 3


class Heads(nn.Module):
    """An auxiliary head before other linear layers, a head before another linear layer."""

    def __init__(self, categories):
        super().__init__()
        torch.manual_seed(categories)
        self.conv, self.aux, self.gate = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, categories), nn.Linear(8, 8)
        self.fc, self.other = nn.Linear(8, categories), nn.Linear(8, 8)

    def forward(self, x):
        return self.fc(self.other(self.gate(self.conv(x).mean((2, 3)))))


def test_other_categories_change_heads_alone_and_every_random_tensor_is_told(tmp_path, capsys):
    source, target, initial = Heads(5), Heads(3), Heads(3)
    torch.save(source.state_dict(), tmp_path / "five.pth")
    assert start_from(Network(target, {}, "fc"), tmp_path / "five.pth") == ["body.aux", "body.fc"]
    for name in ("gate", "other", "conv"):
        assert torch.equal(target.get_submodule(name).weight, source.get_submodule(name).weight)
    for name in ("aux", "fc"):
        assert torch.equal(target.get_submodule(name).weight, initial.get_submodule(name).weight)
    told = capsys.readouterr().err
    assert all(f"body.{name}" in told for name in ("aux.weight", "aux.bias", "fc.weight", "fc.bias"))


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_tables_of_indices_are_kept_with_the_weights(suffix, tmp_path):
    """A Swin transformer keeps where its relative positions are."""
    make = lambda: torchvision.models.SwinTransformer([2, 2], 8, [2], [1], [4, 4], num_classes=3)  # noqa: E731
    source, target = Network(make(), {}, "head"), Network(make(), {}, "head")
    path = tmp_path / f"swin.{suffix}"
    save_checkpoint(source, path) if suffix == "safetensors" else torch.save(source.state_dict(), path)
    for read in (load_checkpoint, start_from):
        read(target, path)
        assert all(torch.equal(value, target.state_dict()[name]) for name, value in source.state_dict().items())
    source.body.features[1][0].attn.relative_position_index += 1
    torch.save(source.state_dict(), path := tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"relative_position_index .*other whole numbers"):
        start_from(target, path)
