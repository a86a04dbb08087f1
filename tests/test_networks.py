"""Networks: names, grids, recording, and hooks that are always released."""

import numpy as np
import pytest
import torch
from torchvision.models import vgg16_bn

from nbhelpers import build, record
from nbhelpers.images import ImageSet
from nbhelpers.networks import training


@pytest.fixture(scope="module")
def network():
    return build("vgg16", 4, width=0.0625, input_size=64, seed=3)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (7, 3, 64, 64), dtype=np.uint8)
    return ImageSet(pixels, np.arange(7) % 4, ("a", "b", "c", "d"), "held_out")


def hooks(network):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules())


def test_layers_carry_the_names_of_the_paper(network):
    expected = "11 12 21 22 31 32 33 41 42 43 51 52 53".split()
    assert list(network.layers) == [*(f"conv_{name}" for name in expected), "fc"]
    assert all(isinstance(layer, torch.nn.ReLU) for layer in network.layers.values())
    assert network.head.out_features == 4


@pytest.mark.parametrize(("side", "grid"), [(32, 8), (64, 8), (96, 12), (112, 7), (128, 8), (224, 14)])
def test_conv_53_keeps_a_fine_grid(side, grid):
    model = build("vgg16", 2, width=1 / 64, input_size=side)
    pixels = ImageSet(np.zeros((1, 3, side, side), np.uint8), np.array([0]), ("a", "b"), "train")
    assert record(model, pixels, ["conv_53"]).regions["conv_53"].shape[-2:] == (grid, grid)


def test_full_size_is_torchvisions_network():
    """Same parameters under the same names: official weights can be loaded."""
    with torch.device("meta"):
        theirs = vgg16_bn(num_classes=10).state_dict()
        ours = build("vgg16", 10, width=1.0, input_size=224).body.state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


def test_recording_equals_running_layer_by_layer(network, images):
    got = record(network, images, ["conv_12", "conv_53"], batch_size=3)
    body = network.body.eval()
    x = (torch.from_numpy(images.images).float() / 255 - network.mean) / network.std
    with torch.no_grad():
        for i, module in enumerate(body.features):
            x = module(x)
            if i == 5:
                conv_12 = x.clone()
            if i == len(body.features) - 2:
                conv_53 = x.clone()
        features = body.classifier[:6](body.avgpool(x).flatten(1))
        logits = body.classifier[6](features)
    np.testing.assert_allclose(got.regions["conv_12"], conv_12, atol=1e-5)
    np.testing.assert_allclose(got.regions["conv_53"], conv_53, atol=1e-5)
    np.testing.assert_allclose(got.features, features, atol=1e-5)
    np.testing.assert_allclose(got.logits, logits, atol=1e-5)


def test_fc_is_the_sample_feature(network, images):
    got = record(network, images, ["fc"])
    np.testing.assert_array_equal(got.regions["fc"], got.features)


def test_a_training_step_runs_on_the_meta_device():
    """A tensor made on the wrong device would be refused."""
    model = build("vgg16", 3, width=0.05, input_size=32).to("meta")
    batch = training.augment(torch.empty(4, 3, 32, 32, device="meta"), torch.Generator().manual_seed(0))
    loss = torch.nn.functional.cross_entropy(model(batch), torch.empty(4, dtype=torch.long, device="meta"))
    loss.backward()
    assert loss.is_meta
    assert all(p.grad.is_meta for p in model.parameters())


def test_recording_leaves_no_hook_and_restores_the_mode(network, images):
    network.train()
    record(network, images, ["conv_53"])
    assert hooks(network) == 0
    assert network.training
    broken = ImageSet(np.zeros((1, 3, 8, 8), np.uint8), np.array([0]), images.categories, "train")
    with pytest.raises(RuntimeError):
        record(network, broken, ["conv_53"])
    assert hooks(network) == 0
    assert network.training


def test_seed_decides_the_weights_and_the_global_state_is_left_alone():
    before = torch.random.get_rng_state()
    first, again, other = (build("vgg16", 3, width=0.05, seed=s).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not torch.equal(first["body.features.0.weight"], other["body.features.0.weight"])
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "vgg99"}, "vgg99.*vgg16"),
        ({"name": "vgg16", "categories": 1}, "2 categories, got 1"),
        ({"name": "vgg16", "width": 0.0}, "width.*0.0"),
        ({"name": "vgg16", "input_size": 16}, "32 pixels, got 16"),
    ],
)
def test_bad_requests_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        build(**arguments)


def test_unknown_layer_is_named_beside_those_that_exist(network, images):
    with pytest.raises(ValueError, match=r"conv_99.*conv_53"):
        record(network, images, ["conv_12", "conv_99"])


def test_pixels_are_seen_in_place_of_the_images(network, images):
    pixels = images.images.astype(np.float32) / 255
    before = pixels.copy()
    expected = record(network, images, ["conv_53"], grid=4)
    same = record(network, images, ["conv_53"], grid=4, pixels=pixels, batch_size=100)
    np.testing.assert_array_equal(same.logits, expected.logits)
    np.testing.assert_array_equal(same.features, expected.features)
    np.testing.assert_array_equal(same.regions["conv_53"], expected.regions["conv_53"])
    turned = record(network, images, pixels=pixels[::-1].copy(), batch_size=3)
    np.testing.assert_allclose(turned.logits, expected.logits[::-1], atol=1e-5)
    np.testing.assert_array_equal(turned.labels, images.labels)  # of the images, whatever is seen
    np.testing.assert_array_equal(pixels, before)
    assert images.images.dtype == np.uint8


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda p: p[:6], "7.*6"),
        (lambda p: p[0], "pixels.* 4 axes"),
        (lambda p: p * np.nan, "pixels.*NaN"),
        (lambda p: 255 * p, r"pixels.*\[0, 1\].* 255"),
        (lambda p: (255 * p).astype(np.uint8), r"pixels.*\[0, 1\]"),
    ],
)
def test_pixels_that_do_not_fit_are_refused(network, images, spoil, message):
    with pytest.raises(ValueError, match=message):
        record(network, images, pixels=spoil(images.images.astype(np.float32) / 255))
    assert hooks(network) == 0
