"""Training: equal bits for equal seeds, resuming after a kill, checkpoints that are whole."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch

from nbhelpers import build, load_checkpoint, record
from nbhelpers.images import ImageSet
from nbhelpers.networks import training
from nbhelpers.networks.tails import tail_of
from nbhelpers.networks.weights import save_checkpoint

RECIPE = training.Recipe(epochs=3, batch_size=8, checkpoints=4)


def tiny_set(n=32, seed=0):
    """Two categories that differ in brightness."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    pixels = rng.integers(0, 120, (n, 3, 32, 32)) + 120 * labels[:, None, None, None]
    return ImageSet(pixels.astype(np.uint8), labels, ("dark", "light"), "train")


def tiny_network(seed=0):
    return build("vgg16", 2, width=0.05, input_size=32, seed=seed)


def same(a, b):
    return all(torch.equal(a.state_dict()[k], b.state_dict()[k]) for k in a.state_dict())


def test_equal_seeds_give_equal_bits_and_other_seeds_others(tmp_path):
    runs = []
    for folder, seed in (("a", 5), ("b", 5), ("c", 6)):
        network = tiny_network()
        training.train(network, tiny_set(), tmp_path / folder, RECIPE, seed=seed)
        runs.append(network)
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_checkpoints_start_at_initialisation_and_end_at_the_result(tmp_path):
    network = tiny_network()
    paths = training.train(network, tiny_set(), tmp_path, RECIPE)
    assert [p.name for p in paths] == [f"step-{s:06d}.safetensors" for s in RECIPE.kept_steps(12)]
    assert same(load_checkpoint(tiny_network(9), paths[0]), tiny_network())
    assert same(load_checkpoint(tiny_network(9), paths[-1]), network)
    assert not (tmp_path / "resume.pt").exists()
    assert not list(tmp_path.glob("*.part"))


def test_kept_steps_are_log_spaced_and_at_least_eight_by_default():
    steps = training.Recipe().kept_steps(3000)
    assert len(steps) >= 8
    assert steps[0] == 0 and steps[-1] == 3000
    ratios = np.diff(np.log(steps[1:]))
    assert ratios.max() / ratios.min() < 1.1


def test_training_learns_an_easy_task_and_leaves_the_images_alone(tmp_path):
    images = tiny_set(64)
    before = images.images.copy()
    network = tiny_network()
    recipe = training.Recipe(epochs=8, batch_size=8, learning_rate=0.02, checkpoints=2)
    training.train(network, images, tmp_path, recipe)
    assert record(network, tiny_set(64, seed=1)).accuracy > 0.95
    np.testing.assert_array_equal(images.images, before)


@pytest.mark.slow
def test_killed_run_ends_with_the_same_weights(tmp_path):
    """SIGKILL in the middle of an epoch, then start again: bit-equal to a run that was never stopped."""
    script = textwrap.dedent(
        f"""
        import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})
        from test_training import *
        training.train(tiny_network(), tiny_set(), {str(tmp_path / "killed")!r}, LONG)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (tmp_path / "killed" / "resume.pt").exists():
        assert process.poll() is None and time.monotonic() < deadline, "the run ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / f"step-{LONG.epochs * 4:06d}.safetensors").exists()
    resumed, whole = tiny_network(), tiny_network()
    resumed_paths = training.train(resumed, tiny_set(), tmp_path / "killed", LONG)
    whole_paths = training.train(whole, tiny_set(), tmp_path / "whole", LONG)
    assert same(resumed, whole)
    for a, b in zip(resumed_paths, whole_paths, strict=True):
        assert a.read_bytes() == b.read_bytes()


LONG = training.Recipe(epochs=60, batch_size=8, checkpoints=4)


def test_finished_run_is_read_not_repeated(tmp_path):
    network = tiny_network()
    paths = training.train(network, tiny_set(), tmp_path, RECIPE)
    stamp = paths[-1].stat().st_mtime_ns
    again = tiny_network()
    training.train(again, tiny_set(), tmp_path, RECIPE)
    assert same(network, again)
    assert paths[-1].stat().st_mtime_ns == stamp


def test_another_run_is_not_overwritten(tmp_path):
    training.train(tiny_network(), tiny_set(), tmp_path, RECIPE, seed=1)
    with pytest.raises(ValueError, match="seed is 1 there and 2 here"):
        training.train(tiny_network(), tiny_set(), tmp_path, RECIPE, seed=2)


def test_too_few_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"8 images, got 4.*batch_size"):
        training.train(tiny_network(), tiny_set(4), tmp_path, RECIPE)


@pytest.mark.parametrize("field", ["epochs", "batch_size", "checkpoints", "first_checkpoint"])
def test_impossible_recipes_are_refused(field):
    with pytest.raises(ValueError, match=f"{field}.* at least ., got 0"):
        training.Recipe(**{field: 0})


def test_damaged_and_foreign_checkpoints_are_named(tmp_path):
    path = tmp_path / "step.safetensors"
    save_checkpoint(tiny_network(), path)
    with pytest.raises(ValueError, match=r"step\.safetensors.* not fit"):
        load_checkpoint(build("vgg16", 2, width=0.1, input_size=32), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(OSError, match=r"step\.safetensors.*no whole.*delete"):
        load_checkpoint(tiny_network(), path)


def test_augmentation_keeps_shape_range_and_its_seed():
    images = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    before = images.clone()
    first, again = (training.augment(images, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.shape == images.shape
    assert first.min() >= 0 and first.max() <= 1 + 1e-6
    assert torch.equal(images, before)
    assert not torch.allclose(first, images)


def test_a_warmup_of_exactly_one_step(tmp_path):
    training.train(tiny_network(), tiny_set(16), tmp_path, training.Recipe(epochs=5, batch_size=8, warmup=0.1))
    assert (tmp_path / "step-000010.safetensors").exists()


class Tail(training.TrueLabels):
    """True labels for what follows conv_53, until the given number of batches has been seen."""

    def __init__(self, batches=1000):
        self.left = batches

    def describe(self):
        return {"follows": "conv_53"}

    def part(self, network):
        return tail_of(network, "conv_53")

    def loss(self, network, images, labels):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        # The rest runs as in use: no batch statistics, no derivatives.
        assert {name for name, p in network.named_parameters() if p.requires_grad} <= TAIL
        assert not network.body.features[1].training and network.body.classifier[2].training
        return super().loss(network, images, labels)


TAIL = {f"body.classifier.{i}.{kind}" for i in (0, 3, 6) for kind in ("weight", "bias")}


def test_an_objective_changes_only_its_part(tmp_path):
    network, before = tiny_network(), tiny_network().state_dict()
    training.train(network, tiny_set(), tmp_path, RECIPE, objective=Tail())
    after = network.state_dict()
    assert {name for name in after if not torch.equal(after[name], before[name])} == TAIL
    assert all(p.requires_grad for p in network.parameters())
    assert all(p.grad is None for name, p in network.named_parameters() if name not in TAIL)


@pytest.mark.parametrize("batches", [0, 5])
def test_what_was_still_may_learn_again_even_after_an_error(tmp_path, batches):
    network = tiny_network()
    network.body.features[0].weight.requires_grad_(False)  # the caller's own wish
    network.body.classifier[6].bias.requires_grad_(False)
    with pytest.raises(KeyboardInterrupt):
        training.train(network, tiny_set(), tmp_path, RECIPE, objective=Tail(batches))
    still = {name for name, p in network.named_parameters() if not p.requires_grad}
    assert still == {"body.features.0.weight", "body.classifier.6.bias"}


def test_an_interrupted_part_goes_on_where_it_stopped(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        training.train(tiny_network(), tiny_set(), tmp_path / "a", RECIPE, objective=Tail(6))
    resumed, whole = tiny_network(), tiny_network()
    training.train(resumed, tiny_set(), tmp_path / "a", RECIPE, objective=Tail())
    training.train(whole, tiny_set(), tmp_path / "b", RECIPE, objective=Tail())
    assert same(resumed, whole)


def test_without_an_objective_the_true_labels_are_learned(tmp_path):
    plain, explicit = tiny_network(), tiny_network()
    training.train(plain, tiny_set(), tmp_path / "a", RECIPE)
    training.train(explicit, tiny_set(), tmp_path / "b", RECIPE, objective=training.TrueLabels())
    assert same(plain, explicit)
    assert (tmp_path / "a" / "run.json").read_bytes() == (tmp_path / "b" / "run.json").read_bytes()


def test_the_folder_of_another_objective_is_refused(tmp_path):
    training.train(tiny_network(), tiny_set(), tmp_path, RECIPE, objective=Tail())
    with pytest.raises(ValueError, match=r"follows is 'conv_53' there and None here.*another folder"):
        training.train(tiny_network(), tiny_set(), tmp_path, RECIPE)


def test_a_training_that_diverges_stops_and_names_the_step_and_the_last_good_checkpoint(tmp_path):
    recipe = training.Recipe(epochs=3, batch_size=8, checkpoints=4, first_checkpoint=2, learning_rate=1e30)
    with pytest.raises(ValueError, match=r"in step (\d+) the loss is (nan|inf).*rate of 1e\+30") as stopped:
        training.train(tiny_network(), tiny_set(), tmp_path, recipe)
    kept = sorted(tmp_path.glob("step-*.safetensors"))
    assert str(stopped.value).endswith(str(kept[-1]))
    assert len(kept) < 4
    for path in kept:  # all that was kept can be read
        load_checkpoint(tiny_network(), path)


def test_the_last_step_of_a_training_cannot_leave_weights_that_are_not_finite(tmp_path):
    """Its own loss is finite: it is taken before the step."""
    recipe = training.Recipe(epochs=1, batch_size=32, checkpoints=2, learning_rate=1e38, warmup=0.0, weight_decay=1e9)
    with pytest.raises(ValueError, match=r"step-000001.*weights body\..* NaN or infinite"):
        training.train(tiny_network(), tiny_set(), tmp_path, recipe)
    assert [path.name for path in tmp_path.glob("step-*")] == ["step-000000.safetensors"]
