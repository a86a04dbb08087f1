"""The four networks: torchvision's own at full size, fine grids on small images, layers that have a tail."""

import numpy as np
import pytest
import torch
from torchvision import models

from nbhelpers import build, record
from nbhelpers.images import ImageSet
from nbhelpers.networks.architectures import FAMILIES
from nbhelpers.networks.network import IMAGENET_MEAN, IMAGENET_STD
from nbhelpers.networks.tails import tail_of
from nbhelpers.networks.weights import start_from
from nbhelpers.probes.shapley import region_shapley

NAMES = ("vgg16", "resnet34", "resnet50", "mobilenet_v2")


def torchvisions(name, categories=10):
    return getattr(models, {"vgg16": "vgg16_bn"}.get(name, name))(num_classes=categories)


def lively(network, seed=0):
    """Weights and statistics of batch normalisation that are not 0 and 1, as after training."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for values, low in ((module.weight, 0.5), (module.bias, -0.3), (module.running_mean, -0.2)):
                values.data.uniform_(low, low + 0.8, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return network.eval()


def drawn(network):
    """A lively network whose other weights keep the size of what passes through."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.weight.data.uniform_(-1, 1, generator=generator).mul_((6 / module.weight[0].numel()) ** 0.5)
            if module.bias is not None:
                module.bias.data.uniform_(-0.1, 0.1, generator=generator)
    for key, buffer in network.named_buffers():
        if key.endswith("num_batches_tracked"):
            buffer.zero_()
    return lively(network)


@pytest.fixture(scope="module", params=NAMES)
def small(request):
    """A narrow network for images of 64 pixels, and images for it."""
    network = lively(build(request.param, 5, width=0.1, input_size=64, seed=2))
    return request.param, network, torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def outputs(network, names, images):
    """What the layers give, copied at once: whatever happens to it later, this stays."""
    found = {}
    modules = network.layers
    handles = [
        modules[name].register_forward_hook(lambda _m, _i, out, n=name: found.setdefault(n, out.clone()))
        for name in names
    ]
    with torch.inference_mode():
        found["logits"] = network(images)
    for handle in handles:
        handle.remove()
    return found


def as_set(images):
    pixels = (images * 255).round().to(torch.uint8).numpy()
    return ImageSet(pixels, np.zeros(len(pixels), int), tuple("abcde"), "held_out")


def test_the_four_networks_of_the_paper():
    assert tuple(FAMILIES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_full_size_has_torchvisions_tensors(name):
    with torch.device("meta"):
        theirs = torchvisions(name).state_dict()
        ours = build(name, 10, width=1.0, input_size=224).body.state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_with_torchvisions_weights_the_logits_are_equal_bit_for_bit(name, tmp_path):
    with torch.device("meta"):  # no time is spent on initial weights, which are replaced
        theirs, ours = torchvisions(name, 3), build(name, 3, input_size=224)
    theirs, ours = drawn(theirs.to_empty(device="cpu")), ours.to_empty(device="cpu").eval()
    path = tmp_path / "theirs.pth"
    torch.save(theirs.state_dict(), path)
    assert start_from(ours, path, "imagenet") == []
    path.unlink()  # half a gigabyte of VGG-16
    image = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    with torch.inference_mode():
        expected = theirs((image - mean) / std)
        assert torch.equal(ours(image), expected)
    assert expected.std() > 0


@pytest.mark.parametrize("name", NAMES)
def test_the_named_layers_are_those_that_are_documented(name):
    with torch.device("meta"):
        network = build(name, 3)
    blocks = {
        "resnet34": (3, 4, 6, 3),
        "resnet50": (3, 4, 6, 3),
        "mobilenet_v2": (1, 2, 3, 4, 3, 3, 1),
    }
    if name == "vgg16":
        expected = [f"conv_{b}{i}" for b, n in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, n + 1)] + ["fc"]
    else:
        expected = [f"block_{s}{i}" for s, n in enumerate(blocks[name], 1) for i in range(1, n + 1)] + ["pool"]
        expected = ["conv_0", *expected[:-1], "conv_8", "pool"] if name == "mobilenet_v2" else ["conv_1", *expected]
    assert list(network.layers) == expected


def test_layers_stand_shallow_to_deep(small):
    """In the order in which they run, and those of the figures too."""
    name, network, images = small
    run = [key for key in outputs(network, network.layers, images) if key != "logits"]
    assert run == list(network.layers)
    depth = FAMILIES[name].depth
    assert len(depth) == 5
    assert list(depth) == [layer for layer in run if layer in depth]


def test_every_layer_of_the_figures_has_a_fine_grid_on_small_images(small):
    name, network, images = small
    depth = FAMILIES[name].depth
    sides = [outputs(network, depth, images)[layer].shape[-1] for layer in depth]
    assert sides == sorted(sides, reverse=True)
    assert sides[-1] == 8


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("size", "least", "sides"), [(224, 14, {14}), (224, 7, {7, 14}), (97, 7, {12, 13}), (33, 33, {33})]
)
def test_the_deepest_layer_keeps_the_grid_that_is_asked_for(name, size, least, sides):
    network = build(name, 2, width=0.01, input_size=size, min_grid=least).eval()
    deepest = FAMILIES[name].depth[-1]
    side = outputs(network, [deepest], torch.zeros(1, 3, size, size))[deepest].shape[-2:]
    assert side[0] == side[1] and side[0] in sides


@pytest.mark.parametrize("width", [1e-4, 0.03, 0.2])
@pytest.mark.parametrize("name", NAMES)
def test_networks_of_any_width_run_and_learn(name, width):
    network = build(name, 3, width=width, input_size=32)
    logits = network(torch.rand(2, 3, 32, 32))
    assert logits.shape == (2, 3)
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 2])).backward()
    assert all(p.numel() and p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_the_sample_feature_is_the_penultimate_layers_output(small):
    name, network, images = small
    penultimate = FAMILIES[name].penultimate
    found = record(network, as_set(images), [penultimate])
    np.testing.assert_array_equal(found.regions[penultimate], found.features)
    with torch.inference_mode():
        logits = network.head(torch.from_numpy(found.features))
    np.testing.assert_allclose(logits, found.logits, atol=1e-5)
    assert list(network.layers)[-1] == penultimate


def test_the_tail_of_every_layer_gives_the_logits(small):
    """From copies taken as the layers run: the tail goes on exactly as the network does."""
    _, network, images = small
    found = outputs(network, network.layers, images)
    for layer in network.layers:
        with torch.inference_mode():
            assert torch.equal(tail_of(network, layer)(found[layer].clone()), found["logits"]), layer


def test_recorded_features_are_not_overwritten_by_later_modules(small):
    """ReLUs work in place, and shortcuts add in place: neither may reach what was recorded of a layer."""
    _, network, images = small
    some = as_set(images)
    expected = outputs(network, network.layers, torch.from_numpy(some.images).float() / 255)
    recorded = record(network, some, list(network.layers)).regions
    for layer in network.layers:
        np.testing.assert_allclose(recorded[layer], expected[layer], rtol=1e-4, atol=1e-4, err_msg=layer)


def test_paper_layers_come_after_their_relu(small):
    """All but the linear bottlenecks of MobileNet-V2 and what is pooled."""
    name, network, images = small
    found = outputs(network, network.layers, images)
    linear = {layer for layer in network.layers if name == "mobilenet_v2" and layer.startswith("block")}
    assert {layer for layer in network.layers if found[layer].min() < 0} == linear


@pytest.mark.parametrize("name", NAMES)
def test_equal_seeds_give_equal_weights_and_other_seeds_others(name):
    before = torch.random.get_rng_state()
    first, again, other = (build(name, 3, width=0.05, seed=s).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(first[key], again[key]) for key in first)
    random = [key for key, value in first.items() if value.ndim > 1 and key not in ("mean", "std")]
    assert random and not any(torch.equal(first[key], other[key]) for key in random)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("layer", ["block_36", "block_42"])
def test_shapley_values_through_a_residual_tail_share_out_the_logit(layer):
    network = lively(build("resnet34", 4, width=0.1, input_size=64))
    regions = outputs(network, [layer], torch.rand(2, 3, 64, 64))[layer]
    side = regions.shape[-1]
    players = np.kron(np.arange(4).reshape(2, 2), np.ones((side // 2, side // 2), int)).ravel()
    tail = tail_of(network, layer)
    values, errors = region_shapley(tail, regions, np.array([1, 3]), players=players)
    with torch.inference_mode():
        gain = (tail(regions.clone()) - tail(torch.zeros_like(regions)))[[0, 1], [1, 3]]
    assert values.shape == (2, 4)
    np.testing.assert_allclose(values.sum(1), gain, atol=1e-4)
    assert abs(gain).min() > 1e-3
    assert not np.asarray(errors).any()
    # Four players by hand: the mean over all 24 orders of arrival of what the first one adds.
    np.testing.assert_allclose(values[0, 0], by_hand(tail, regions[:1], players, player=0, target=1), atol=1e-4)


def by_hand(tail, regions, players, player, target):
    weight = {0: 1 / 4, 1: 1 / 12, 2: 1 / 12, 3: 1 / 4}  # |S|! (3 - |S|)! / 4!
    total = 0.0
    for bits in range(8):
        present = [other for i, other in enumerate(p for p in range(4) if p != player) if bits >> i & 1]
        with torch.inference_mode():
            without, having = (
                float(tail(regions * torch.from_numpy(np.isin(players, who).reshape(regions.shape[-2:])))[0, target])
                for who in (present, [*present, player])
            )
        total += weight[len(present)] * (having - without)
    return total


@pytest.mark.parametrize("least", [0, 65])
def test_a_grid_finer_than_the_image_is_refused(least):
    with pytest.raises(ValueError, match=f"min_grid.*64.*got {least}"):
        build("resnet34", input_size=64, min_grid=least)
