"""Weights from elsewhere: what fits is read, what does not is named, and no code in a file is run."""

import os
import pickle
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import get_model_weights

from nbhelpers import build, load_checkpoint
from nbhelpers.images import ImageSet
from nbhelpers.networks.architectures import FAMILIES
from nbhelpers.networks.network import IMAGENET_MEAN
from nbhelpers.networks.weights import recentre, save_checkpoint, start_from, torchvision_weights

NAMES = FAMILIES


def tiny(name="resnet34", categories=4, seed=0, width=0.0625, input_size=32):
    return build(name, categories, width=width, input_size=input_size, seed=seed)


def same(a, b):
    first, second = a.state_dict(), b.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", NAMES)
def test_an_own_checkpoint_is_read_whole(name, tmp_path):
    source, target = tiny(name, seed=5), tiny(name)
    save_checkpoint(source, tmp_path / "own.safetensors")
    assert start_from(target, tmp_path / "own.safetensors") == []
    assert same(source, target)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
@pytest.mark.parametrize("name", NAMES)
def test_torchvisions_names_in_either_kind_of_file(name, suffix, tmp_path):
    source, target = estranged(tiny(name, seed=5)), tiny(name)
    path = tmp_path / f"theirs{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(source.body.state_dict(), path)
    assert start_from(target, path) == []
    assert same(source, target)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_read_as_single(dtype, tmp_path):
    source, target = tiny(seed=5), tiny()
    halves = {k: v.to(dtype) if v.is_floating_point() else v for k, v in source.body.state_dict().items()}
    save_file(halves, tmp_path / "half.safetensors")
    start_from(target, tmp_path / "half.safetensors")
    found = target.body.state_dict()
    for key, value in halves.items():
        assert found[key].dtype == (torch.float32 if value.is_floating_point() else value.dtype)
        assert torch.equal(found[key], value.to(found[key].dtype))


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("vgg16", "body.classifier.6"),
        ("resnet34", "body.fc"),
        ("resnet50", "body.fc"),
        ("mobilenet_v2", "body.classifier.1"),
    ],
)
def test_with_other_categories_only_the_head_keeps_its_initial_weights(name, head, tmp_path):
    source, target, initial = estranged(tiny(name, 9, seed=5)), tiny(name, 4), tiny(name, 4)
    save_checkpoint(source, tmp_path / "nine.safetensors")
    assert start_from(target, tmp_path / "nine.safetensors") == [head]
    own = target.get_submodule(head)
    assert torch.equal(own.weight, initial.get_submodule(head).weight)
    assert torch.equal(own.bias, initial.get_submodule(head).bias)
    expected = source.state_dict()
    rest = [key for key in expected if not key.startswith(f"{head}.")]
    assert all(torch.equal(target.state_dict()[key], expected[key]) for key in rest)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(("size", "other"), [(32, 64), (64, 32), (224, 128), (64, 224), (224, 64)])
def test_vgg_for_another_size_of_image_keeps_all_its_connected_layers(size, other, own, tmp_path):
    """Also where only the first has another shape: what follows it would see features that it never learned."""
    source = estranged(tiny("vgg16", seed=5, input_size=other))
    target, initial = (tiny("vgg16", input_size=size) for _ in range(2))
    torch.save((source if own else source.body).state_dict(), tmp_path / "other.pth")
    connected = [f"body.classifier.{i}" for i in (0, 3, 6)]
    assert start_from(target, tmp_path / "other.pth") == connected
    for name in connected:
        assert torch.equal(target.get_submodule(name).weight, initial.get_submodule(name).weight)
    # In order, since a pooling that is left out shifts the numbers.
    for found, expected in zip(target.body.features.parameters(), source.body.features.parameters(), strict=True):
        assert torch.equal(found, expected)
    pairs = zip(target.body.features.buffers(), source.body.features.buffers(), strict=True)
    assert all(torch.equal(found, expected) for found, expected in pairs)


def test_the_scaling_is_set_where_the_file_does_not_tell_it(tmp_path):
    torch.save(tiny(seed=5).body.state_dict(), tmp_path / "theirs.pth")
    target = tiny()
    start_from(target, tmp_path / "theirs.pth", "symmetric")
    assert target.mean.ravel().tolist() == target.std.ravel().tolist() == [0.5] * 3
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(target.eval()(image), target.body((image - 0.5) / 0.5))
    start_from(target, tmp_path / "theirs.pth")
    assert target.mean.ravel().tolist() == [0.5] * 3, "it stays as it was"
    start_from(target, tmp_path / "theirs.pth", "imagenet")
    assert target.mean.ravel().tolist() == pytest.approx(IMAGENET_MEAN)


def test_the_scaling_is_ignored_where_the_file_tells_it(tmp_path):
    source, target = tiny(seed=5), tiny()
    source.mean.fill_(0.25)
    save_checkpoint(source, tmp_path / "own.safetensors")
    start_from(target, tmp_path / "own.safetensors", "symmetric")
    assert target.mean.ravel().tolist() == [0.25] * 3
    assert same(source, target)


def without(state, *names):
    return {key: state[key] for key in state.keys() - set(names)}


def test_old_files_without_counters_are_read(tmp_path):
    state = tiny(seed=5).body.state_dict()
    counters = [key for key in state if key.endswith("num_batches_tracked")]
    torch.save(without(state, *counters), tmp_path / "old.pth")
    assert start_from(tiny(), tmp_path / "old.pth") == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda state: without(state, "layer2.0.conv1.weight"),
            r"body\.layer2\.0\.conv1\.weight has shape \(8, 4, 3, 3\) here and does not exist in the file \(1 tensors",
        ),
        (
            lambda state: state | {"conv1.weight": torch.zeros(5, 3, 7, 7)},
            r"body\.conv1\.weight has shape \(4, 3, 7, 7\) here and has shape \(5, 3, 7, 7\) in the file",
        ),
        (  # as of a deeper network, which holds this one's names
            lambda state: state | {"layer3.6.conv1.weight": torch.zeros(2, 2)},
            r"body\.layer3\.6\.conv1\.weight does not exist here and has shape \(2, 2\) in the file",
        ),
        (lambda state: {"state_dict": state}, "must hold tensors by name"),
        (lambda state: list(state.values()), "must hold tensors by name"),
        (lambda state: dict(enumerate(state.values())), "must hold tensors by name"),
        (lambda state: {}, "does not exist in the file"),
    ],
)
def test_files_of_other_networks_are_refused_and_nothing_is_changed(spoil, message, tmp_path):
    torch.save(spoil(tiny(seed=5).body.state_dict()), tmp_path / "spoilt.pth")
    target = tiny()
    with pytest.raises(ValueError, match=rf"spoilt\.pth .*{message}"):
        start_from(target, tmp_path / "spoilt.pth", "symmetric")
    assert same(target, tiny())


@pytest.mark.parametrize("name", NAMES)
def test_another_width_is_refused(name, tmp_path):
    save_checkpoint(tiny(name, width=0.3), tmp_path / "wide.safetensors")
    with pytest.raises(ValueError, match=r"wide\.safetensors.*another network"):
        start_from(tiny(name), tmp_path / "wide.safetensors")


class Code:
    def __reduce__(self):
        return os.mkdir, ("ran",)


@pytest.mark.parametrize("save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, 2))])
def test_code_in_a_file_is_refused_and_not_run(save, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save({"conv1.weight": Code()}, tmp_path / "code.pth")
    with pytest.raises(OSError, match=r"code\.pth is no file of tensors alone, .* state_dict\(\) of a network$"):
        start_from(tiny(), tmp_path / "code.pth")
    assert not Path("ran").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "damage", [lambda whole: whole[: len(whole) // 2], lambda whole: whole[:-10], lambda _: b"junk"]
)
def test_damaged_files_are_named(suffix, damage, tmp_path):
    path = tmp_path / f"damaged{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(tiny().body.state_dict(), path)
    path.write_bytes(damage(path.read_bytes()))
    target = tiny(seed=3)
    with pytest.raises(OSError, match=rf"damaged\{suffix}.*no whole"):
        start_from(target, path)
    assert same(target, tiny(seed=3))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(OSError, match=f"no file.*{path}"):
            start_from(tiny(), path)


def test_an_unknown_scaling_is_answered_with_those_that_exist():
    with pytest.raises(ValueError, match=r"scaling.*symmetric.*bytes"):
        start_from(tiny(), "any.pth", "bytes")


@pytest.mark.parametrize("name", NAMES)
def test_without_a_network_the_file_and_its_place_are_named(name, tmp_path, monkeypatch):
    def offline(*_, **__):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", offline)
    url = get_model_weights({"vgg16": "vgg16_bn"}.get(name, name)).DEFAULT.url
    with pytest.raises(OSError, match="download") as caught:
        torchvision_weights(name)
    place = tmp_path / "hub" / "checkpoints" / url.rsplit("/", 1)[-1]
    assert url in str(caught.value) and str(place) in str(caught.value) and "no route to host" in str(caught.value)
    # And once it is put there by hand, nothing is downloaded.
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"by hand")
    assert torchvision_weights(name) == place


def test_a_download_with_another_hash_is_an_error_of_the_file(tmp_path, monkeypatch):
    def other(url, target, *_, **__):
        raise RuntimeError('invalid hash value (expected "b0353104", got "0000")')

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", other)
    with pytest.raises(OSError, match=r"download.*invalid hash"):
        torchvision_weights("mobilenet_v2")


def some_images(n=40, side=32):
    pixels = np.random.default_rng(0).integers(0, 256, (n, 3, side, side))
    pixels = pixels // np.arange(1, 4)[:, None, None]  # colours of different strength
    return ImageSet(pixels.astype(np.uint8), np.arange(n) % 4, tuple("abcd"), "train")


def estranged(network):
    """Statistics that are not those of the images."""
    generator = torch.Generator().manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.uniform_(-0.5, 0.5, generator=generator)
            module.running_mean.uniform_(-0.5, 0.5, generator=generator)
            module.running_var.uniform_(0.3, 3, generator=generator)
    return network


@pytest.mark.parametrize("folded", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_recentring_changes_the_statistics_and_not_the_function(name, folded):
    network, images = tiny(name, seed=2), some_images()
    before = images.images.copy()
    if not folded:  # a folded network's normalisations have mean 0, variance 1 and scale 1, as an untrained one's
        estranged(network)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    pixels = torch.from_numpy(images.images).float() / 255
    with torch.inference_mode():
        expected = network.eval()(pixels)
        unseen = network(1 - pixels)
        network.train()
        recentre(network, images)
        assert all(module.training for module in network.modules())
        found = network.eval()(pixels)
        size = expected.abs().max()
        assert (found - expected).abs().max() < 1e-4 * size
        assert (network(1 - pixels) - unseen).abs().max() < 1e-4 * size  # not only for these images
        in_training = network.train()(pixels)
    assert (in_training - expected).abs().max() < 1e-3 * size
    assert expected.std() > 0
    np.testing.assert_array_equal(images.images, before)


def test_recentred_statistics_are_those_of_the_batch():
    """By hand, for the first normalisation, over batches of a hundred images and of seven."""
    network, images = estranged(tiny()), some_images(107)
    recentre(network, images)
    pixels = torch.from_numpy(images.images).double() / 255
    x = nn.functional.conv2d(((pixels - network.mean) / network.std), network.body.conv1.weight.double(), padding=3)
    np.testing.assert_allclose(network.body.bn1.running_mean, x.mean((0, 2, 3)).detach(), rtol=1e-4)
    np.testing.assert_allclose(network.body.bn1.running_var, x.var((0, 2, 3), correction=0).detach(), rtol=1e-4)


def test_channels_that_never_change_give_no_nan():
    network = estranged(tiny()).eval()
    network.body.conv1.weight.data[1:3] = 0
    pixels = torch.from_numpy(some_images().images).float() / 255
    with torch.inference_mode():
        expected = network(pixels)
        recentre(network, some_images())
        assert network.body.bn1.running_var[1:3].tolist() == [0, 0]
        assert all(value.isfinite().all() for value in network.state_dict().values())
        np.testing.assert_allclose(network(pixels), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("body.fc.weight", torch.full((4, 32), torch.nan), "has 128 NaN or infinite values of 128"),
        ("body.fc.bias", torch.tensor([0, torch.inf, 0, 0]), "has 1 NaN or infinite values of 4"),
        ("body.fc.bias", torch.full((4,), 1e300, dtype=torch.float64), "has 4 NaN or infinite values of 4"),
        ("body.fc.bias", torch.arange(4), r"is no array of floating-point numbers \(torch.int64"),
        ("body.fc.bias", torch.zeros(4, dtype=torch.complex64), r"is no array .* \(torch.complex64"),
        ("body.bn1.running_var", torch.tensor([1.0, -0.5, 1, 1]), "has a variance of -0.5"),
        ("std", torch.tensor([1.0, 0, 1]).view(1, 3, 1, 1), "has a standard deviation of 0"),
    ],
)
@pytest.mark.parametrize("read", [start_from, load_checkpoint])
def test_weights_that_no_training_makes_are_refused_by_name(read, name, value, told, tmp_path):
    network, path = tiny(), tmp_path / "unsound.safetensors"
    own = network.state_dict()
    assert own[name].shape == value.shape
    save_file({**own, name: value}, path)
    with pytest.raises(ValueError, match=rf"unsound\.safetensors: the weights {name} .*{told}"):
        read(network, path)
    assert same(network, tiny())


def test_weights_that_are_not_finite_are_not_written(tmp_path):
    network = tiny()
    with torch.no_grad():
        network.head.bias[0] = torch.nan
    with pytest.raises(ValueError, match=r"body\.fc\.bias .* 1 NaN"):
        save_checkpoint(network, tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())
