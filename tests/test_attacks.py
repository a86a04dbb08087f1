"""Attacks: ART's iterates, iterates known by hand, the ball and [0, 1], and a control of the same size."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from art.attacks.evasion import ProjectedGradientDescent
from art.estimators.classification import PyTorchClassifier
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nbhelpers import build
from nbhelpers.experiments.study import Study
from nbhelpers.probes.attacks import pgd, random_path

EXACT = {"eps": 1 / 256, "step": 1 / 1024}
"""With pixels that are multiples of 1/256, every sum of an attack is exact in single precision."""


def small_network():
    return build("vgg16", 10, width=0.05, input_size=32).eval()


def small_images(n=4, seed=0):
    """Multiples of 1/256, some of them 0 and 1."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(-20, 277, (n, 3, 32, 32)).clip(0, 256) / 256
    return pixels.astype(np.float32), rng.integers(0, 10, n)


def perceptron(seed=0, pixels=48, categories=3):
    """A smooth network that is fast."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(pixels, 8), nn.Tanh(), nn.Linear(8, categories)).eval()


def opposites(weights):
    """Two logits, w x and -w x: the cross-entropy of 0 falls along sign(w), that of 1 along -sign(w)."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(len(weights), 2, bias=False)).eval()
    model[1].weight.data = torch.tensor([weights, [-w for w in weights]])
    return model


def losses(model, images, labels):
    with torch.no_grad():
        return F.cross_entropy(model(torch.as_tensor(images)), torch.as_tensor(labels), reduction="none").numpy()


def art(model, images, labels, eps, step, steps, targeted):
    """The last iterate of the Adversarial Robustness Toolbox."""
    loss = nn.CrossEntropyLoss(reduction="sum")
    # A copy, because ART leaves derivatives in the parameters.
    classifier = PyTorchClassifier(
        copy.deepcopy(model), loss, images.shape[1:], 10, clip_values=(0, 1), device_type="cpu"
    )
    attack = ProjectedGradientDescent(
        classifier, eps=eps, eps_step=step, max_iter=steps, targeted=targeted, batch_size=len(images), verbose=False
    )
    return attack.generate(images, np.eye(10)[labels])


@pytest.mark.parametrize("targeted", [False, True])
def test_every_iterate_is_arts_to_the_bit_where_sums_are_exact(targeted):
    """Only the signs of derivatives could differ, and double precision leaves none near enough to zero."""
    model, (images, labels) = small_network().double(), small_images()
    path = pgd(model, images, labels, **EXACT, steps=6, targeted=targeted)
    for steps in (1, 2, 4, 6):  # at the fourth the ball's border is reached
        np.testing.assert_array_equal(path[steps], art(model, images, labels, **EXACT, steps=steps, targeted=targeted))
    assert float((path[6] != images).mean()) > 0.8


@pytest.mark.parametrize("targeted", [False, True])
def test_a_trained_network_is_attacked_as_by_art(targeted):
    """The published eps and step, in single precision.

    ART adds the clipped perturbation to the image and we clip the sum, so pixels differ by rounding, up to 1e-7; that
    and another order of summation turn the sign of a few derivatives next to zero, and from there these pixels part.
    So after the first step, which starts from equal pixels, nearly all are equal; after ten most are, and the attacks
    are equally strong.
    """
    study = Study("scenes")
    model, some = study.load(), study.images().subset(np.arange(4))
    images = some.images.astype(np.float32) / 255
    labels = (some.labels + 1) % 10 if targeted else some.labels
    path = pgd(model, images, labels, steps=10, targeted=targeted)
    for steps, share in ((1, 0.999), (10, 0.97)):
        theirs = art(model, images, labels, 1 / 255, 0.1 / 255, steps, targeted)
        assert (np.abs(path[steps] - theirs) < 1e-6).mean() > share
    np.testing.assert_allclose(losses(model, path[10], labels), losses(model, theirs, labels), rtol=0.02, atol=1e-3)


def test_iterates_of_a_linear_model_are_known():
    model = opposites([1.0, -2.0, 0.0])
    images = np.array([[0.5, 0.5, 0.5], [0.05, 0.97, 0.2]], np.float32).reshape(2, 3, 1, 1)
    away = pgd(model, images, [0, 0], eps=0.1, step=0.06, steps=3)[..., 0, 0]
    ways = [[0.5, 0.44, 0.4, 0.4], [0.5, 0.56, 0.6, 0.6], [0.5] * 4], [[0.05, 0, 0, 0], [0.97, 1, 1, 1], [0.2] * 4]
    np.testing.assert_allclose(away, np.transpose(ways, (2, 0, 1)), atol=1e-7)
    towards_the_other = pgd(model, images, [1, 1], eps=0.1, step=0.06, steps=3, targeted=True)[..., 0, 0]
    np.testing.assert_array_equal(towards_the_other, away)
    towards = pgd(model, images, [0, 0], eps=0.1, step=0.06, steps=1, targeted=True)[1, :, :, 0, 0]
    np.testing.assert_allclose(towards, [[0.56, 0.44, 0.5], [0.11, 0.91, 0.2]], atol=1e-7)


@given(
    st.integers(0, 1000), st.floats(1e-3, 1.5), st.floats(1e-3, 0.5), st.integers(1, 5), st.booleans(), st.booleans()
)
def test_iterates_stay_in_the_ball_and_in_the_range_and_take_small_steps(seed, eps, step, steps, targeted, start):
    rng = np.random.default_rng(seed)
    images = rng.uniform(-0.3, 1.3, (3, 3, 4, 4)).clip(0, 1).astype(np.float32)
    options = {"targeted": targeted, "random_start": start, "random_state": seed}
    path = pgd(perceptron(seed), images, rng.integers(0, 3, 3), eps, step, steps, **options)
    assert path.shape == (steps + 1, 3, 3, 4, 4) and path.dtype == np.float32
    assert path.min() >= 0 and path.max() <= 1
    assert np.abs(path - images).max() <= eps + 1e-6
    assert np.abs(np.diff(path, axis=0)).max() <= step + 1e-6
    assert np.array_equal(path[0], images) != start


def test_a_random_start_fills_the_ball():
    images = np.full((20, 3, 4, 4), 0.5, np.float32)
    start = pgd(perceptron(), images, np.zeros(20, int), eps=0.1, steps=1, random_start=True)[0] - images
    assert start.min() < -0.095 and start.max() > 0.095 and abs(start.mean()) < 0.01
    assert np.std(start) == pytest.approx(0.1 / np.sqrt(3), rel=0.05)


@pytest.mark.parametrize("targeted", [False, True])
def test_the_loss_of_every_image_goes_the_right_way(targeted):
    model, (images, labels) = small_network(), small_images(6)
    path = pgd(model, images, labels, eps=4 / 255, step=1 / 255, steps=5, targeted=targeted)
    change = losses(model, path[-1], labels) - losses(model, images, labels)
    assert (change < 0).all() if targeted else (change > 0).all()


def test_equal_seeds_give_equal_bits_and_the_global_state_is_left_alone():
    images, labels = small_images()
    before = torch.random.get_rng_state()
    first, again, other = (
        pgd(small_network(), images, labels, steps=2, random_start=True, random_state=s) for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first[0] != other[0]).mean() > 0.8
    assert torch.equal(before, torch.random.get_rng_state())
    still = [pgd(small_network(), images, labels, steps=2, random_state=s) for s in (1, 2)]
    np.testing.assert_array_equal(*still)


@pytest.mark.parametrize("start", [False, True])
def test_the_batch_size_does_not_matter(start):
    model, (images, labels) = small_network().double(), small_images(5)
    options = {**EXACT, "steps": 3, "random_start": start}
    whole, parts, ones = (pgd(model, images, labels, **options, batch_size=size) for size in (100, 2, 1))
    np.testing.assert_array_equal(whole[0], parts[0])
    np.testing.assert_allclose(whole, parts, atol=1e-6)
    np.testing.assert_allclose(whole, ones, atol=1e-6)


def test_the_order_of_pixels_in_memory_does_not_matter():
    """A picture that was read as rows of RGB pixels is a transposed view; a mirrored one runs backwards."""
    model, (images, labels) = small_network().double(), small_images(3)
    transposed = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    mirrored = np.ascontiguousarray(images[..., ::-1])[..., ::-1]
    for start in (False, True):
        wanted, *others = (
            pgd(model, x, labels, **EXACT, steps=2, random_start=start) for x in (images, transposed, mirrored)
        )
        for found in others:
            np.testing.assert_array_equal(found, wanted)


def test_what_is_given_is_left_alone():
    model, (images, labels) = small_network(), small_images()
    model.head.weight.requires_grad_(False)
    weights, pixels, truth = copy.deepcopy(model.state_dict()), images.copy(), labels.copy()
    images.flags.writeable = labels.flags.writeable = False
    pgd(model, images, labels, steps=2, random_start=True)
    np.testing.assert_array_equal(images, pixels)
    np.testing.assert_array_equal(labels, truth)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == ["body.classifier.6.weight"]
    assert not model.training


def test_tensors_in_tensors_out():
    model, (images, labels) = small_network().double(), small_images()
    x, y = torch.from_numpy(images).requires_grad_(), torch.from_numpy(labels)
    path = pgd(model, x, y, **EXACT, steps=2)
    assert isinstance(path, torch.Tensor) and path.dtype == torch.float32 and not path.requires_grad
    assert x.grad is None and x.requires_grad and torch.equal(x.detach(), torch.from_numpy(images))
    for other in (images, images.astype(np.float64)):
        arrays = pgd(model, other, labels.tolist(), **EXACT, steps=2)
        assert isinstance(arrays, np.ndarray) and arrays.dtype == np.float32
        np.testing.assert_array_equal(arrays, path.numpy())


TWO = np.full((2, 3, 4, 4), 0.5, np.float32)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"images": TWO + 1}, r"images.*1\.5.*255"),
        ({"images": -TWO}, r"images.*-0\.5"),
        ({"images": np.full(TWO.shape, 200, np.uint8)}, "200.*255"),
        ({"images": TWO * np.nan}, "images.* 96 NaN"),
        ({"images": TWO[0]}, r"images.*4 axes.*\(3, 4, 4\)"),
        ({"images": TWO[:0]}, "images.*empty"),
        ({"labels": [0, 3]}, "labels.*2.*3"),
        ({"labels": [-1, 0]}, "labels.*-1"),
        ({"labels": [0.0, 1.0]}, "labels.*float64"),
        ({"labels": np.eye(3, dtype=int)[:2]}, r"labels.*\(2, 3\)"),
        ({"labels": [0]}, "2.*1"),
        *[({"eps": e}, "eps.*above 0") for e in (0, -0.1, np.nan, np.inf, "1")],
        *[({"step": s}, "step.*above 0") for s in (0, -0.1, np.nan)],
        *[({"steps": s}, "steps.*at least 1") for s in (0, -1, 1.5, True)],
        ({"batch_size": 0}, "batch_size.*0"),
        ({"model": perceptron().train()}, r"training mode.*model\.eval"),
        ({"model": nn.Identity().eval()}, r"logits.*\(1, 3, 4, 4\)"),
        (
            {"model": nn.Sequential(nn.Flatten(0), nn.Unflatten(0, (1, -1))).eval()},
            r"logits for 2 images.*\(1, 96\)",
        ),
    ],
)
def test_bad_input_is_refused(change, message):
    arguments = {"model": perceptron(), "images": TWO, "labels": [0, 1], "steps": 1, **change}
    with pytest.raises(ValueError, match=message):
        pgd(**arguments)


class Ramp(nn.Module):
    """Keeps a constant of its first pass, as networks do that make their positions when they know the size."""

    def __init__(self):
        super().__init__()
        self.fc, self.ramp = nn.Linear(3, 2), None

    def forward(self, x):
        if self.ramp is None:
            self.ramp = torch.linspace(0.5, 1.5, x.shape[-1])
        return self.fc((x * self.ramp).mean((2, 3)))


def test_what_a_network_keeps_of_its_first_pass_stays_of_use():
    model = Ramp().eval()
    first, again = (pgd(model, TWO, [0, 1], steps=2) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (first[1] != first[0]).all()


def test_a_model_of_which_one_part_is_in_training_mode_is_refused():
    model, (images, labels) = small_network(), small_images()
    model.body.classifier[2].train()
    with pytest.raises(ValueError, match=r"part.*training mode"):
        pgd(model, images, labels)


class Cusp(nn.Module):
    """Finite logits, but no derivative where a pixel is 0.5."""

    def forward(self, x):
        z = (x - 0.5).abs().sqrt().flatten(1).sum(dim=1)
        return torch.stack([z, -z], dim=1)


@pytest.mark.parametrize("steps", [1, 2])
def test_derivatives_that_are_no_numbers_are_refused(steps):
    with pytest.raises(ValueError, match=r"NaN.*derivative|derivative.*NaN|gradient.*NaN|NaN.*gradient"):
        pgd(Cusp().eval(), TWO, [0, 1], steps=steps)


def test_logits_that_are_no_numbers_are_refused():
    broken = perceptron()
    nn.init.constant_(broken[1].weight, float("nan"))
    with pytest.raises(ValueError, match=r"logits.*weights"):
        pgd(broken, TWO, [0, 1])


def walk(n=3, steps=6, seed=0):
    """An attack near and far from the borders of [0, 1], whose pixels turn back now and then."""
    rng = np.random.default_rng(seed)
    images = rng.uniform(-0.1, 1.1, (n, 3, 8, 8)).clip(0, 1)
    moves = 0.02 * rng.choice([-1, 1, 1], (steps, *images.shape)) * rng.choice([-1, 1], images.shape)
    path = [images]
    for move in moves:
        path.append((path[-1] + move).clip(images - 0.06, images + 0.06).clip(0, 1))
    return np.stack(path).astype(np.float32)


@given(st.integers(0, 1000))
def test_the_control_moves_every_pixel_as_far_at_every_step(seed):
    path = walk(seed=seed)
    control = random_path(path, random_state=seed)
    assert control.shape == path.shape and control.dtype == np.float32
    assert control.min() >= 0 and control.max() <= 1
    np.testing.assert_array_equal(control[0], path[0])
    np.testing.assert_allclose(np.abs(control - path[0]), np.abs(path - path[0]), atol=2e-7)
    # One lot for the whole path: no pixel jumps from one side to the other.
    np.testing.assert_allclose(np.abs(np.diff(control, axis=0)), np.abs(np.diff(path, axis=0)), atol=3e-7)


def test_a_pixel_that_finds_no_room_at_the_last_step_goes_the_attacks_way_from_the_first():
    path = np.full((4, 1, 3, 8, 8), 0.05) + 0.02 * np.arange(4).reshape(4, 1, 1, 1, 1)  # down it would end at -0.01
    np.testing.assert_allclose(random_path(path), path, atol=1e-7)


def test_half_of_the_signs_flip_and_the_seed_decides_which():
    path = 0.5 + 0.1 * np.linspace(0, 1, 4).reshape(4, 1, 1, 1, 1) * np.ones((4, 10, 3, 16, 16))
    flipped = random_path(path)[-1] < 0.5
    assert flipped.mean() == pytest.approx(0.5, abs=0.03)
    np.testing.assert_array_equal(random_path(path)[1] < 0.5, flipped)
    other = random_path(path, random_state=1)[-1] < 0.5
    assert (other != flipped).mean() == pytest.approx(0.5, abs=0.03)
    assert np.corrcoef(other.ravel(), flipped.ravel())[0, 1] == pytest.approx(0, abs=0.05)


def test_the_control_leaves_the_attack_alone_and_gives_back_what_was_given():
    path = walk()
    before, state = path.copy(), torch.random.get_rng_state()
    control = random_path(path)
    np.testing.assert_array_equal(path, before)
    assert torch.equal(state, torch.random.get_rng_state())
    tensor = random_path(torch.from_numpy(path))
    assert isinstance(tensor, torch.Tensor) and isinstance(control, np.ndarray)
    np.testing.assert_array_equal(tensor, control)
    other_order = np.ascontiguousarray(path.transpose(0, 1, 3, 4, 2)).transpose(0, 1, 4, 2, 3)
    np.testing.assert_array_equal(random_path(other_order), control)


@pytest.mark.parametrize(
    "path, message",
    [
        (TWO, "path.*5 axes"),
        (255 * TWO[None], r"path.*127\.5"),
        (-TWO[None], r"path.*-0\.5"),
        (np.nan * TWO[None], "path.* 96 NaN"),
    ],
)
def test_what_is_no_path_is_refused(path, message):
    with pytest.raises(ValueError, match=message):
        random_path(path)
