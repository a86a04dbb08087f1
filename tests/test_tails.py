"""What comes after a layer: any code, any form; what the rest needs beside the layer; nothing is left behind."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nbhelpers import ImageSet, Network, record, region_shapley, tail_of
from nbhelpers.networks.objectives import Rest
from nbhelpers.networks.tails import Tail


def conv(before=8, after=8, size=1, **options):
    return nn.Conv2d(before, after, size, **options)


class Base(nn.Module):
    """An early layer, whatever comes after it, and a head."""

    def __init__(self):
        super().__init__()
        self.early, self.late, self.fc = conv(3, 8, 4, stride=4), conv(), nn.Linear(8, 5)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.end(self.middle(self.begin(x)))

    def begin(self, x):
        return self.early(x)

    def middle(self, x):
        return F.relu(self.late(x))

    def end(self, x):
        return self.fc(x.mean((2, 3)))


class Residual(Base):
    def middle(self, x):
        return F.relu(self.late(x) + x)


class WritesInPlace(Base):
    """Into the layer's own output, and into what came before it."""

    def begin(self, x):
        x = self.early(x)
        x *= 0.5
        return x

    def middle(self, x):
        x += 1
        return self.relu(self.late(x.relu_()))


class SharesModules(Base):
    """One ReLU before, within and after the layer."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Sequential(conv(), self.relu)

    def middle(self, x):
        return self.relu(self.late(self.layer(self.relu(x))) + 1)


class Pair(nn.Module):
    """Gives more than a tensor."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x), None


class GivesPairs(Base):
    def __init__(self):
        super().__init__()
        self.early, self.late = Pair(self.early), Pair(self.late)

    def begin(self, x):
        return self.early(x)[0]

    def middle(self, x):
        x, _ = self.late(x)
        return self.late.inner(x)


class ChannelsLast(Base):
    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(8, 12)
        self.fc = nn.Linear(12, 5)

    def middle(self, x):
        return torch.tanh(self.mix(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


class Tokens(nn.Module):
    """A vision transformer: blocks with attention written by hand, and as many tokens in front as are wanted."""

    def __init__(self, prefix=1, pooled="token"):
        super().__init__()
        self.num_prefix_tokens, self.pooled = prefix, pooled
        self.patches, self.fc = conv(3, 8, 4, stride=4), nn.Linear(8, 5)
        self.prefix = nn.Parameter(torch.randn(1, prefix, 8))
        self.blocks = nn.ModuleList([nn.MultiheadAttention(8, 2, batch_first=True) for _ in range(3)])
        self.between = nn.ModuleList([nn.LayerNorm(8) for _ in range(3)])

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.prefix.expand(len(x), -1, -1), x], dim=1)
        for block, norm in zip(self.blocks, self.between, strict=True):
            x = norm(x + block(x, x, x)[0])
        return self.fc(x[:, 0] if self.pooled == "token" else x.mean(1))


class Output(dict):
    __getattr__ = dict.__getitem__


class GivesOutput(Residual):
    def forward(self, x):
        return Output(logits=super().forward(x), hidden=None)


class LooksAtTheSize(Base):
    """Makes windows, whose first axis is no longer that of the images."""

    def middle(self, x):
        windows = F.unfold(x, 2, stride=2).transpose(1, 2).reshape(-1, 8, 2, 2)
        mixed = self.late(windows).relu().mean((2, 3)).view(len(x), -1, 8)
        return mixed.transpose(1, 2)[..., None]


NETWORKS = {
    "functions": (Base, "early", "fc"),
    "the input of a block": (Residual, "early", "fc"),
    "written into": (WritesInPlace, "early", "fc"),
    "after what is written into": (WritesInPlace, "late", "fc"),
    "shared modules": (SharesModules, "layer", "fc"),
    "a pair": (GivesPairs, "early", "fc"),
    "channels last": (ChannelsLast, "mix", "fc"),
    "no class token": (lambda: Tokens(0, "mean"), "between.0", "fc"),
    "a class token": (Tokens, "between.0", "fc"),
    "registers, all pooled": (lambda: Tokens(3, "mean"), "between.1", "fc"),
    "an output with fields": (GivesOutput, "early", "fc"),
    "windows": (LooksAtTheSize, "early", "fc"),
}


def world(name, n=6, size=(16, 16)):
    """A network of which three outputs of five are the categories, and images for it."""
    build, layer, head = NETWORKS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        body = build()
    pixels = np.random.default_rng(1).integers(0, 256, (n, 3, *size)).astype(np.uint8)
    images = ImageSet(pixels, np.arange(n) % 3, ("a", "b", "c"), "held_out")
    return Network(body.eval(), {"layer": layer}, head, outputs=[4, 0, 2]), images


def by_hooks(network, images, change):
    """Logits where the layer's output, as the body gives it, was changed."""

    def swap(_module, _args, out):
        return (change(out[0]), *out[1:]) if isinstance(out, tuple) else change(out)

    handle = network.layers["layer"].register_forward_hook(swap)
    try:
        with torch.no_grad():
            return network(torch.from_numpy(images.images).float() / 255)
    finally:
        handle.remove()


@pytest.mark.parametrize("size", [(16, 16), (16, 24)])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_tail_of_what_was_recorded_gives_the_logits(name, size):
    network, images = world(name, size=size)
    recorded = record(network, images, ("layer",))
    tail = tail_of(network, "layer", images)
    regions = torch.from_numpy(recorded.regions["layer"])
    before = regions.clone()
    with torch.no_grad():
        np.testing.assert_allclose(tail(regions), recorded.logits, atol=1e-5)
    assert torch.equal(regions, before)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_tail_of_other_features_gives_what_the_network_would_say_of_them(name):
    network, images = world(name)
    regions = torch.from_numpy(record(network, images, ("layer",)).regions["layer"])
    tail = tail_of(network, "layer", images)
    prefix = getattr(network.body, "num_prefix_tokens", 0)

    def half(out):  # in the body's own form: the tokens in front are no regions
        out = out.clone()
        out[:, prefix:] *= 0.5
        return out

    with torch.no_grad():
        wanted = by_hooks(network, images, half)
        np.testing.assert_allclose(tail(0.5 * regions), wanted, atol=1e-5)
    assert (wanted - network(torch.from_numpy(images.images).float() / 255)).abs().max() > 1e-3


class Dense(Base):
    def middle(self, x):
        return torch.cat([x, self.late(x)], dim=1)[:, 4:12]


class Branches(Base):
    def __init__(self):
        super().__init__()
        self.other = conv()

    def middle(self, x):
        return self.other(x) + self.late(x)


class SeesTheImage(Base):
    def forward(self, x):
        return self.fc(self.late(self.early(x)).mean((2, 3)) + x.mean((1, 2, 3))[:, None])


class AfterTheLayer(Base):
    """Another branch of the same input, which runs later."""

    def __init__(self):
        super().__init__()
        self.other = conv()

    def middle(self, x):
        return self.late(x) + self.other(x)


@pytest.mark.parametrize(
    ("build", "others"),
    [
        (Residual, "what early gave"),
        (Dense, "what early gave"),
        (Branches, "what other gave"),
        (AfterTheLayer, "what early gave"),
        (SeesTheImage, "what the body was given"),
    ],
)
def test_what_else_the_rest_depends_on_is_named(build, others):
    NETWORKS["it"] = (build, "late", "fc")
    try:
        network, images = world("it")
    finally:
        del NETWORKS["it"]
    with pytest.raises(ValueError, match=rf"not depend on layer alone.*{others}.*block"):
        tail_of(network, "layer", images)


def test_shapley_values_of_patches_hold_the_class_token_of_their_image():
    network, images = world("a class token", n=3, size=(8, 8))  # four patches
    recorded = record(network, images, ("layer",))
    tail = tail_of(network, "layer", images)
    values, _ = region_shapley(tail, recorded.regions["layer"], images.labels)
    for region in range(4):
        total = 0.0
        for bits in range(16):
            there = [r for r in range(4) if bits >> r & 1]
            if region in there:
                continue
            weight = [1 / 4, 1 / 12, 1 / 12, 1 / 4][len(there)]
            for sign, present in ((1, [*there, region]), (-1, there)):

                def keep(out, present=present):
                    out = out.clone()
                    absent = [1 + r for r in range(4) if r not in present]
                    out[:, absent] = 0
                    return out

                logits = by_hooks(network, images, keep)
                total += sign * weight * logits[np.arange(3), images.labels].numpy()
        np.testing.assert_allclose(values[:, region], total, atol=1e-5)
    assert np.abs(values).max() > 1e-3


def test_tokens_in_front_need_their_images_and_are_of_these_alone():
    network, images = world("a class token")
    with pytest.raises(ValueError, match=r"1 token.*images"):
        record(network, images, ("layer",))
        tail_of(network, "layer")
    regions = record(network, images, ("layer",)).regions["layer"]
    tail = tail_of(network, "layer", images)
    with pytest.raises(ValueError, match=r"2.*6"):
        tail(torch.from_numpy(regions[:2]))
    with pytest.raises(ValueError, match=r"2.*6"):
        region_shapley(tail, regions[:2], images.labels[:2], players=np.arange(16) // 4)


def test_a_network_that_has_not_run_needs_images_or_a_pass():
    network, images = world("the input of a block")
    with pytest.raises(ValueError, match="images"):
        tail_of(network, "layer")
    record(network, images)
    assert isinstance(tail_of(network, "layer"), Tail)


@pytest.mark.parametrize("name", ["the input of a block", "a class token"])
def test_the_tail_follows_the_networks_weights(name):
    network, images = world(name)
    tail = tail_of(network, "layer", images)
    regions = torch.from_numpy(record(network, images, ("layer",)).regions["layer"])
    with torch.no_grad():
        network.head.weight.mul_(2)
        np.testing.assert_allclose(tail(regions), record(network, images).logits, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_is_left_behind_in_the_network(name):
    network, images = world(name)
    network.body.fc.train()
    record(network, images)
    modes = [m.training for m in network.modules()]
    state = torch.random.get_rng_state()
    tail = tail_of(network, "layer", images)
    with pytest.raises((ValueError, RuntimeError, AssertionError)):
        tail(torch.zeros(len(images), 3, 1, 2))
    assert [m.training for m in network.modules()] == modes
    assert not any("forward" in vars(m) or m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_forward_of_its_own_is_put_back():
    network, images = world("the input of a block")
    early = network.body.early
    early.forward = own = lambda x: nn.Conv2d.forward(early, x)
    tail = tail_of(network, "layer", images)
    tail(torch.zeros(2, 8, 4, 4))
    assert early.forward is own


def test_derivatives_run_through_the_tail():
    network, images = world("a class token")
    tail = tail_of(network, "layer", images)
    regions = torch.from_numpy(record(network, images, ("layer",)).regions["layer"]).requires_grad_()
    tail(regions).sum().backward()
    assert float(regions.grad.abs().max()) > 0


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", ["the input of a block", "a class token", "channels last"])
def test_a_network_of_other_precision_has_a_tail(name, kind):
    network, images = world(name)
    network.body.to(kind)
    recorded = record(network, images, ("layer",))
    tail = tail_of(network, "layer", images)
    with torch.no_grad():
        logits = tail(torch.from_numpy(recorded.regions["layer"]))
    np.testing.assert_allclose(logits, recorded.logits, atol=1e-5)


def test_what_comes_before_the_layer_is_not_computed_again():
    network, images = world("the input of a block")
    tail = tail_of(network, "layer", images)
    ran = []
    for name in ("early", "late"):
        module = getattr(network.body, name)
        module._conv_forward = lambda *args, name=name, own=module._conv_forward: (ran.append(name), own(*args))[1]
    tail(torch.zeros(4, 8, 4, 4))
    assert ran == ["late"]


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("outputs", [[3, 1], [3, 1, 0, 2], None])
def test_a_chain_leaves_what_it_is_given_alone(outputs, kind):
    body = nn.Sequential(conv(3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    network = Network(body.eval().to(kind), {"layer": "0"}, "4", outputs=outputs)
    regions = torch.randn(2, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    before = regions.clone()
    tail = tail_of(network, "layer")
    wanted = body[1:](regions.to(kind, copy=True))[:, [0, 1, 2, 3] if outputs is None else outputs].float()
    assert torch.equal(tail(regions), wanted)
    assert torch.equal(regions, before)
    assert isinstance(tail, nn.Sequential) and tail[-1] is network.head


def test_only_in_a_chain_can_what_follows_a_layer_learn_alone():
    network, images = world("the input of a block")
    record(network, images)
    with pytest.raises(ValueError, match=r"follows layer.*chain"):
        Rest("layer").part(network)
