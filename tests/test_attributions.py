"""Maps of regions against captum, closed forms and brute force; of players, in batches, through any network's tail."""

import numpy as np
import pytest
import torch
from captum.attr import LRP, InputXGradient, IntegratedGradients, LayerGradCam, Occlusion
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from test_tails import NETWORKS, world
from torch import nn

from nbhelpers.networks.recording import record
from nbhelpers.networks.tails import tail_of
from nbhelpers.probes.attributions import (
    distance_from_mean,
    grad_cam,
    gradient_times_feature,
    integrated_gradients,
    joint,
    occlusion,
    strength,
)
from nbhelpers.probes.shapley import region_shapley

ASKED = (gradient_times_feature, grad_cam, integrated_gradients, occlusion)
TARGETS = np.array([2, 0, 3])


def chain():
    """A small tail with an in-place ReLU first, pooling and dropout."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.ReLU(inplace=True),
            nn.Conv2d(5, 8, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(),
            nn.Linear(32, 16),
            nn.ReLU(),
            nn.Linear(16, 4),
        )


@pytest.fixture
def tail():
    return chain()


@pytest.fixture
def regions():
    return np.random.default_rng(1).normal(size=(3, 5, 4, 4)).astype(np.float32) * 3


class Copy(nn.Module):
    """For captum hands in its own tensor, and a tail may write into what it is given."""

    def forward(self, x):
        return x.clone()


def whole(tail):
    """What captum takes: a model in evaluation mode, with a layer whose output is the tail's input."""
    return nn.Sequential(Copy(), tail).eval()


def of_regions(attribution):
    return attribution.detach().sum(dim=1).flatten(1).numpy()


# Against captum


def test_gradient_times_feature_is_captums(tail, regions):
    theirs = InputXGradient(whole(tail)).attribute(
        torch.tensor(regions, requires_grad=True), target=torch.tensor(TARGETS)
    )
    np.testing.assert_allclose(gradient_times_feature(tail, regions, TARGETS), of_regions(theirs), atol=1e-5)


def test_gradient_times_feature_is_lrp_without_biases_and_adds_up(regions):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = (nn.Conv2d(5, 8, 3, padding=1, bias=False), nn.Conv2d(8, 16, 2, bias=False))
        net = nn.Sequential(sizes[0], nn.ReLU(), nn.MaxPool2d(2), sizes[1], nn.ReLU(), nn.Conv2d(16, 4, 1, bias=False))
    theirs = LRP(net).attribute(torch.tensor(regions, requires_grad=True), target=(2, 0, 0))
    ours = gradient_times_feature(nn.Sequential(net, nn.Flatten()), regions, 2)
    np.testing.assert_allclose(ours, of_regions(theirs), atol=1e-5)
    scores = net(torch.tensor(regions)).detach().numpy()[:, 2, 0, 0]
    np.testing.assert_allclose(ours.sum(axis=1), scores, atol=1e-5)


def test_grad_cam_is_captums(tail, regions):
    model = whole(tail)
    theirs = LayerGradCam(model, model[0]).attribute(
        torch.tensor(regions), target=torch.tensor(TARGETS), relu_attributions=True
    )
    ours = grad_cam(tail, regions, TARGETS)
    np.testing.assert_allclose(ours, of_regions(theirs), atol=1e-5)
    assert 0 < (ours > 0).mean() < 1


@pytest.mark.parametrize("steps", [2, 7])
def test_integrated_gradients_are_captums(tail, regions, steps):
    theirs = IntegratedGradients(whole(tail)).attribute(
        torch.tensor(regions), 0 * torch.tensor(regions), torch.tensor(TARGETS), n_steps=steps, method="riemann_middle"
    )
    ours = integrated_gradients(tail, regions, TARGETS, steps=steps)
    np.testing.assert_allclose(ours, of_regions(theirs), atol=1e-5)


def test_integrated_gradients_add_up_to_what_the_features_change(tail, regions):
    ours = integrated_gradients(tail, regions, TARGETS, steps=400)
    with torch.no_grad():
        there, gone = (tail.eval()(scale * torch.tensor(regions)).numpy()[np.arange(3), TARGETS] for scale in (1, 0))
    np.testing.assert_allclose(ours.sum(axis=1), there - gone, atol=2e-3)


def test_occlusion_is_captums(tail, regions):
    theirs = Occlusion(whole(tail)).attribute(
        torch.tensor(regions), sliding_window_shapes=(5, 1, 1), target=torch.tensor(TARGETS), baselines=0
    )
    ours = occlusion(tail, regions, TARGETS)
    np.testing.assert_allclose(ours, theirs.mean(dim=1).flatten(1).numpy(), atol=1e-5)


# What they are


@given(arrays(np.float64, (2, 3, 2, 3), elements=st.floats(-5, 5).map(lambda x: round(x, 3))), st.integers(0, 3))
@settings(max_examples=10)
def test_of_a_linear_tail_all_but_grad_cam_are_shapley_values(features, seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        linear = nn.Sequential(nn.Flatten(), nn.Linear(18, 2))
    values, _ = region_shapley(linear, features, 1)
    for attribution in (gradient_times_feature, integrated_gradients, occlusion):
        np.testing.assert_allclose(attribution(linear, features, 1), values, atol=1e-5)


@pytest.mark.parametrize("attribution", ASKED)
def test_relevance_of_a_block_is_that_of_its_regions(tail, regions, attribution):
    number = np.arange(16).reshape(4, 4) // 8 * 2 + np.arange(4) // 2
    blocks = attribution(tail, regions, TARGETS, players=(2, 2))
    np.testing.assert_array_equal(blocks, attribution(tail, regions, TARGETS, players=number.ravel()))
    if attribution is occlusion:  # its regions are absent together
        absent = np.stack([np.where(number == p, 0, regions[0]) for p in range(4)])
        with torch.no_grad():
            z, without = (tail.eval()(torch.tensor(x))[:, 2].numpy() for x in (regions[:1], absent))
        np.testing.assert_allclose(blocks[0], z - without, atol=1e-5)
    else:
        each = attribution(tail, regions, TARGETS)
        np.testing.assert_allclose(blocks, np.stack([each[:, number.ravel() == p].sum(1) for p in range(4)], 1))


def test_lengths_need_no_network(regions):
    vectors = regions.reshape(3, 5, 16).astype(float)
    np.testing.assert_allclose(strength(regions), np.linalg.norm(vectors, axis=1), rtol=1e-6)
    mean = np.mean([vectors[i, :, r] for i in range(3) for r in range(16)], axis=0)
    np.testing.assert_allclose(distance_from_mean(regions), np.linalg.norm(vectors - mean[:, None], axis=1), rtol=1e-6)


@given(arrays(np.float64, (2, 3, 6), elements=st.floats(-100, 100).map(lambda x: round(x, 3))), st.floats(0.1, 10))
@settings(max_examples=25)
def test_joint_maps_stand_in_their_own_spread(maps, scale):
    a, b = maps
    together = joint(a, b)
    np.testing.assert_allclose(together, joint(scale * b - 7, 3 * a), atol=1e-6)
    np.testing.assert_allclose(together.mean(axis=1), 0, atol=1e-9)
    for i in range(3):
        spread = [x[i] / x[i].std() if np.ptp(x[i]) else 0 * x[i] for x in maps]
        np.testing.assert_allclose(together[i], sum(z - z.mean() for z in spread), atol=1e-6)


# How they are computed


@pytest.mark.parametrize("attribution", ASKED)
def test_batches_images_and_types_do_not_change_the_values(tail, regions, attribution):
    kept, modes = regions.copy(), [module.training for module in tail.modules()]
    together = attribution(tail, regions, TARGETS)
    assert together.shape == (3, 16) and together.dtype == np.float64
    np.testing.assert_allclose(together, attribution(tail, regions, TARGETS, batch_size=2), atol=1e-5)
    for i, target in enumerate(TARGETS):
        np.testing.assert_allclose(together[i], attribution(tail, regions[i], int(target)), atol=1e-5)
    tensor = attribution(tail, torch.tensor(regions), torch.tensor(TARGETS))
    assert not tensor.requires_grad and not tensor.is_inference()
    np.testing.assert_array_equal(tensor.numpy(), together)
    np.testing.assert_array_equal(regions, kept)
    assert [module.training for module in tail.modules()] == modes
    assert all(parameter.grad is None for parameter in tail.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("attribution", ASKED)
@pytest.mark.parametrize("name", NETWORKS)
def test_any_network_is_asked_through_its_tail(name, attribution):
    """Tokens that a tail holds are each image's own, and derivatives flow as in the whole network."""
    network, images = world(name)
    record(network, images)
    regions = record(network, images, ("layer",)).regions["layer"]
    tail = tail_of(network, "layer", images)
    together = attribution(tail, regions, images.labels, batch_size=4)
    for i in (0, 5):
        one = images.subset([i])
        alone = attribution(tail_of(network, "layer", one), regions[i : i + 1], one.labels)
        np.testing.assert_allclose(together[i], alone[0], atol=1e-5)
    assert np.ptp(together, axis=1).max() > 1e-4
    if attribution is gradient_times_feature:
        slope = finite_slope(tail, regions, images.labels)
        close = np.isclose(together, slope, rtol=0, atol=5e-3 * np.abs(slope).max())
        assert close.mean() > 0.9  # the others' steps lead over a kink of a ReLU


def finite_slope(tail, regions, labels, step=1e-2):
    """The change of the logit when one region at a time is made longer by a small part of itself."""
    n, _, height, width = regions.shape
    values = np.zeros((n, height * width))
    with torch.no_grad():
        for r in range(height * width):
            scale = np.ones(height * width, np.float32)
            ends = []
            for sign in (1, -1):
                scale[r] = 1 + sign * step
                longer = torch.tensor(regions * scale.reshape(height, width))
                ends.append(tail.eval()(longer).numpy()[np.arange(n), labels])
            values[:, r] = (ends[0] - ends[1]) / (2 * step)
    return values


class Vote(nn.Module):
    """Counts regions above zero: no derivative anywhere."""

    def forward(self, x):
        return (x > 0).float().sum(dim=(2, 3))


class Steep(nn.Module):
    """A root, whose derivative at zero is infinite."""

    def forward(self, x):
        return x.abs().sqrt().sum(dim=(2, 3))


def test_occlusion_needs_no_derivative():
    np.testing.assert_array_equal(occlusion(Vote(), np.array([[[2.0, -1.0, 1.0]]]), 0), [1, 0, 1])


@pytest.mark.parametrize("attribution", ASKED[:3])
def test_a_tail_without_derivatives_is_refused(attribution):
    with pytest.raises(ValueError, match="tail has no derivative"):
        attribution(Vote(), np.ones((2, 3, 2, 2)), 0)


def test_a_derivative_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match=r"tail's gradient.* NaN"):
        gradient_times_feature(Steep(), np.zeros((1, 3, 2, 2)), 0)


@pytest.mark.parametrize("attribution", ASKED)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"regions": np.zeros((5, 4))}, r"3 or 4 axes.*\(5, 4\)"),
        ({"regions": np.full((5, 4, 4), np.nan)}, "regions.* 80 NaN"),
        ({"regions": np.zeros((3, 4, 4))}, r"tail.*regions.*\(3, 4, 4\)"),
        ({"target": 4}, "target.* 3.* 4"),
        ({"target": np.array([1, 2])}, "regions has 1, target has 2"),
        ({"players": (5, 2)}, r"players.*4 x 4.*\(5, 2\)"),
        ({"batch_size": 0}, "batch_size.*at least 1, got 0"),
    ],
)
def test_bad_input_is_refused(tail, attribution, arguments, message):
    asked = {"tail": tail, "regions": np.ones((5, 4, 4), np.float32), "target": 1, **arguments}
    with pytest.raises(ValueError, match=message):
        attribution(**asked)


def test_a_step_is_needed(tail, regions):
    with pytest.raises(ValueError, match=r"steps.*at least 1, got 0"):
        integrated_gradients(tail, regions, 1, steps=0)
