"""The bundled ImageNet classifier: whole, offline, and the outputs that were asked for."""

import numpy as np
import pytest
import torch
from torchvision.models import mobilenet_v2

from nbhelpers import datasets, pretrained, record, tail_of
from nbhelpers.datasets.imagenet import NAMES
from nbhelpers.files import bundled, data_dir
from nbhelpers.networks.architectures import FAMILIES
from nbhelpers.networks.pretrained import FILE
from nbhelpers.networks.tensors import load_tensors


@pytest.fixture(scope="module")
def network():
    return pretrained()


@pytest.fixture(scope="module")
def pixels():
    return torch.from_numpy(datasets.load("photographs", "held_out").images[:3]).float() / 255


def test_it_is_torchvisions_network_with_the_bundled_weights(network, pixels):
    """An independent build: torchvision's own class, filled from the file, pixels scaled as the file wants them."""
    oracle = mobilenet_v2().eval()
    missing, extra = oracle.load_state_dict(
        {k: v.float() for k, v in load_tensors(bundled(FILE)).items()}, strict=False
    )
    assert not extra and all(name.endswith("num_batches_tracked") for name in missing)
    with torch.inference_mode():
        assert torch.allclose(network(pixels), oracle(2 * pixels - 1), atol=1e-4)


def test_it_is_ready_for_use(network):
    assert not any(module.training for module in network.modules())
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert network.head_outputs == len(network.outputs) == len(NAMES) == 1000
    assert set(FAMILIES["mobilenet_v2"].depth) <= set(network.layers)
    assert torch.equal(network.mean.flatten(), torch.full((3,), 0.5)) and torch.equal(network.mean, network.std)


def test_every_photograph_that_it_has_a_word_for_and_sees_whole_is_named(network):
    photographs = datasets.load("photographs", "held_out")
    said = record(network, photographs).logits.argmax(axis=1)
    named = {
        photographs.categories[label] for label, output in zip(photographs.labels, said, strict=True) if label == output
    }
    assert {"tripod", "tiger cat", "espresso", "military uniform", "palace", "missile"} <= named


@pytest.mark.parametrize(
    "outputs", [[0, 217, 701], ["tench", "English springer", "parachute"], [0, "English springer", 701]]
)
def test_outputs_by_number_or_by_name_are_those_rows_of_all(network, pixels, outputs):
    few = pretrained(outputs=outputs)
    with torch.inference_mode():
        assert torch.allclose(few(pixels), network(pixels)[:, [0, 217, 701]], atol=1e-5)


def test_outputs_keep_the_order_they_were_asked_for_in(network, pixels):
    with torch.inference_mode():
        assert torch.allclose(pretrained(outputs=[701, 0])(pixels), network(pixels)[:, [701, 0]], atol=1e-5)


@pytest.mark.parametrize(
    ("outputs", "told"),
    [
        (["daisies", 3], "no output is called 'daisies'"),
        ([1000, 3], "whole numbers.*1000"),
        ([-1, 3], "whole numbers.*-1"),
        ([3, 3], "differ"),
        (["tench", 0], "differ"),
        ([5], "two or more"),
        ([], "two or more"),
    ],
)
def test_outputs_that_cannot_be_meant_are_refused(outputs, told):
    with pytest.raises(ValueError, match=told):
        pretrained(outputs=outputs)


@pytest.mark.parametrize("layer", ["block_22", "block_53", "conv_8"])
def test_a_tail_from_every_depth_gives_the_logits(network, layer):
    three = datasets.load("photographs", "held_out").subset([0, 1, 2])
    recorded = record(network, three, (layer,))
    with torch.inference_mode():
        said = tail_of(network, layer)(torch.from_numpy(recorded.regions[layer]))
    assert np.allclose(said.numpy(), recorded.logits, atol=1e-3)


def test_licence_and_notice_lie_beside_the_weights():
    licence = (data_dir() / "pretrained" / "LICENSE").read_text(encoding="utf-8")
    notice = (data_dir() / "pretrained" / "NOTICE").read_text(encoding="utf-8")
    assert "Apache License" in licence and "Version 2.0" in licence
    assert "mobilenet_v2.safetensors" in notice and "half precision" in notice
