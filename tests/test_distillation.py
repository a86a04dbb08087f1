"""Students: what they learn, what must not change while they do, and runs that go on where they stopped."""

import copy
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.special import rel_entr, softmax
from test_training import same, tiny_network, tiny_set
from torch import nn

from nbhelpers import Network, build, load_checkpoint, record
from nbhelpers.images import ImageSet
from nbhelpers.networks import training
from nbhelpers.networks.distillation import Mimicry, Rest, SoftLabels, check_pupil, distill
from nbhelpers.networks.tensors import digest
from nbhelpers.networks.training import Recipe

LESSONS = ("conv_53", "fc", "soft", "alone")
RECIPE = Recipe(epochs=4, batch_size=8, learning_rate=0.02, checkpoints=2)  # 16 steps on 32 images, then 4
SHORT = replace(RECIPE, epochs=2)


@pytest.fixture
def teacher():
    """It has learned nothing: enough for all but the tests of what students learn."""
    return tiny_network(3).eval()


def vgg(categories=2, width=0.05, input_size=32, seed=0):
    return build("vgg16", categories, width=width, input_size=input_size, seed=seed)


def unit(images):
    return torch.from_numpy(images.images).float() / 255


def loss_of(objective, network, images):
    with torch.no_grad():
        return objective.loss(network.eval(), unit(images), None).item()


def follows(name, layer):
    """Whether a weight of the tiny network lies after the layer."""
    _, part, place, *_ = name.split(".")
    network = tiny_network()
    found = next(path for path, module in network.body.named_modules() if module is network.layers[layer])
    here, last = found.split(".")
    return (part != here or int(place) > int(last)) if here == "features" else part == here and int(place) > int(last)


def stages(folder):
    """The checkpoints of both stages of a student that mimics a layer."""
    paths = sorted(folder.rglob("step-*.safetensors"))
    return {
        "mimicking": [p for p in paths if p.parent.name != "rest"],
        "rest": [p for p in paths if p.parent.name == "rest"],
    }


# Objectives.


def test_the_teacher_mimics_itself_without_loss(teacher):
    for layer in ("conv_11", "conv_53", "fc"):
        assert loss_of(Mimicry(teacher, layer), copy.deepcopy(teacher), tiny_set()) == 0


def test_mimicry_is_the_relative_squared_error(teacher):
    student, images = tiny_network(1).eval(), tiny_set(6)
    for layer in ("conv_32", "conv_53", "fc"):
        found, wanted = (record(n, images, (layer,)).regions[layer] for n in (student, teacher))
        expected = np.square(found - wanted).sum() / np.square(wanted).sum()
        assert loss_of(Mimicry(teacher, layer), student, images) == pytest.approx(expected, rel=1e-4)


def test_dropout_does_not_come_between_a_mimic_and_its_teacher(teacher):
    same_network = copy.deepcopy(teacher)
    for module in same_network.modules():
        module.training = isinstance(module, nn.Dropout)
    assert Mimicry(teacher, "fc").loss(same_network, unit(tiny_set()), None) == 0


def test_saying_nothing_costs_one(teacher):
    silent = tiny_network(1)
    nn.init.zeros_(silent.body.classifier[3].weight)
    nn.init.zeros_(silent.body.classifier[3].bias)
    assert loss_of(Mimicry(teacher, "fc"), silent, tiny_set()) == pytest.approx(1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_soft_labels_cost_the_divergence_from_the_teacher(teacher, temperature):
    student, images = tiny_network(1), tiny_set(6)
    p, q = (softmax(record(n, images).logits.astype(float) / temperature, axis=1) for n in (teacher, student))
    expected = temperature**2 * rel_entr(p, q).sum(axis=1).mean()  # KL(teacher || student), not the other way round
    assert expected > 1e-3
    assert loss_of(SoftLabels(teacher, temperature), student, images) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_equal_networks_have_equal_soft_labels(teacher):
    assert loss_of(SoftLabels(teacher, 4.0), copy.deepcopy(teacher), tiny_set()) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("kind", [lambda t: Mimicry(t, "conv_53"), lambda t: SoftLabels(t, 4.0)])
def test_only_the_student_has_derivatives(teacher, kind):
    student = tiny_network(1)
    kind(teacher).loss(student, unit(tiny_set(4)), None).backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert student.body.features[0].weight.grad.abs().max() > 0


def test_the_rest_learns_from_true_labels(teacher):
    images = tiny_set(6)
    labels = torch.from_numpy(images.labels)
    loss = Rest("conv_53").loss(teacher, unit(images), labels)
    assert loss.item() == pytest.approx(nn.functional.cross_entropy(teacher(unit(images)), labels).item())
    part = Rest("conv_53").part(teacher)
    learning = {id(p) for p in part.parameters()}
    assert {n for n, p in teacher.named_parameters() if id(p) in learning} == {
        n for n, _ in teacher.named_parameters() if n.startswith("body.classifier")
    }


# Lessons.


@pytest.fixture(scope="module")
def wise(tmp_path_factory):
    """A teacher that tells dark from light, wide enough that what its students learn does not hang on their seeds."""
    network = vgg(width=0.125)
    training.train(network, tiny_set(64), tmp_path_factory.mktemp("teacher"), replace(RECIPE, epochs=6))
    return network.eval()


@pytest.mark.slow
@pytest.mark.parametrize("lesson", ["conv_53", "fc", "soft"])
def test_students_come_near_their_teacher(tmp_path, wise, lesson):
    student, fresh = vgg(width=0.125, seed=1), tiny_set(32, seed=9)
    objective = SoftLabels(wise, 4.0) if lesson == "soft" else Mimicry(wise, lesson)
    before = loss_of(objective, student, fresh)
    at_most = before / 2 if lesson == "soft" else 0.75  # a mimic costs 1 where it says nothing
    assert before > 0.9
    distill(student, wise, tiny_set(64), tmp_path, lesson, replace(RECIPE, epochs=6, learning_rate=0.005))
    assert loss_of(objective, student, fresh) < at_most


@pytest.mark.parametrize("lesson", ["conv_12", "conv_53", "fc"])
def test_a_stage_changes_only_its_own_part(tmp_path, teacher, lesson):
    student = tiny_network(1)
    last = distill(student, teacher, tiny_set(), tmp_path, lesson, RECIPE)
    assert last == tmp_path / "rest" / "step-000004.safetensors"
    assert [p.stem for part in stages(tmp_path).values() for p in part] == [f"step-{n:06d}" for n in (0, 16, 0, 4)]
    (begun, mimicked), (handed, done) = (map(load_file, part) for part in stages(tmp_path).values())
    assert begun.keys() == done.keys() == student.state_dict().keys()
    counts = {True: 0, False: 0}
    for name in done.keys() - {"mean", "std"}:
        assert torch.equal(mimicked[name], handed[name])
        after = follows(name, lesson)
        counts[after] += 1
        if not after:  # the weights and the statistics of batch normalisation, too
            assert torch.equal(handed[name], done[name]), name
            assert not torch.equal(begun[name], mimicked[name]), name
        elif name.endswith(("weight", "bias")):
            assert torch.equal(begun[name], mimicked[name]), name
            assert not torch.equal(handed[name], done[name]), name
    assert min(counts.values()) >= 2
    assert all(p.requires_grad for p in student.parameters())
    assert same(load_checkpoint(tiny_network(), last), student)


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_teacher_and_the_images_do_not_change(tmp_path, teacher, lesson):
    before, images = copy.deepcopy(teacher), tiny_set()
    pixels, labels = images.images.copy(), images.labels.copy()
    distill(tiny_network(1), teacher, images, tmp_path, lesson, SHORT)
    assert same(teacher, before)
    assert not teacher.training and not any(m.training for m in teacher.modules())
    assert all(p.grad is None and p.requires_grad for p in teacher.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in teacher.modules())
    np.testing.assert_array_equal(images.images, pixels)
    np.testing.assert_array_equal(images.labels, labels)


@pytest.mark.parametrize("lesson", LESSONS)
def test_equal_seeds_give_equal_bits_and_other_seeds_others(tmp_path, teacher, lesson):
    a, b, c = (
        distill(tiny_network(1), teacher, tiny_set(), tmp_path / name, lesson, SHORT, seed=seed).read_bytes()
        for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert a == b != c


def test_alone_is_a_plain_training(tmp_path, teacher):
    student, plain = tiny_network(1), tiny_network(1)
    distill(student, teacher, tiny_set(), tmp_path / "alone", "alone", SHORT, seed=2)
    training.train(plain, tiny_set(), tmp_path / "plain", SHORT, seed=2)
    assert same(student, plain)


def test_no_true_label_is_seen_but_by_the_rest(tmp_path, teacher):
    images = tiny_set()
    wrong = ImageSet(images.images, 1 - images.labels, images.categories, "train")
    soft = [distill(tiny_network(1), teacher, x, tmp_path / x.fingerprint, "soft", SHORT) for x in (images, wrong)]
    assert soft[0].read_bytes() == soft[1].read_bytes()
    runs = [tmp_path / f"mimic {x.fingerprint}" for x in (images, wrong)]
    for x, run in zip((images, wrong), runs, strict=True):
        distill(tiny_network(1), teacher, x, run, "conv_53", SHORT)
    for name, equal in (("mimicking", True), ("rest", False)):
        first, second = (stages(run)[name][-1].read_bytes() for run in runs)
        assert (first == second) == equal


class Killed(Exception):
    pass


@pytest.mark.parametrize("lesson, batch", [("conv_53", 10), ("conv_53", 18), ("soft", 10)])
def test_a_killed_run_ends_with_the_same_bits(tmp_path, teacher, monkeypatch, lesson, batch):
    """Killed in the third epoch (of 4 batches each), or in the second stage."""
    seen, augment = [], training.augment

    def breaks(*arguments):
        seen.append(1)
        if len(seen) == batch:
            raise Killed
        return augment(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training, "augment", breaks)
        with pytest.raises(Killed):
            distill(tiny_network(1), teacher, tiny_set(), tmp_path / "killed", lesson, RECIPE)
    resumed, whole = tiny_network(1), tiny_network(1)
    a = distill(resumed, teacher, tiny_set(), tmp_path / "killed", lesson, RECIPE)
    b = distill(whole, teacher, tiny_set(), tmp_path / "whole", lesson, RECIPE)
    assert a.read_bytes() == b.read_bytes() and same(resumed, whole)


@pytest.mark.parametrize("lesson", ["conv_53", "soft"])
def test_a_finished_student_is_read_not_trained_again(tmp_path, teacher, monkeypatch, lesson):
    student, again = tiny_network(1), tiny_network(8)
    path = distill(student, teacher, tiny_set(), tmp_path, lesson, SHORT)
    monkeypatch.setattr(training, "augment", None)  # any training would fail
    assert distill(again, teacher, tiny_set(), tmp_path, lesson, SHORT) == path
    assert same(student, again)


# Refusals.


@pytest.mark.parametrize("first, second", list(itertools.permutations(LESSONS, 2)))
def test_the_folder_of_another_lesson_is_refused(tmp_path, teacher, monkeypatch, first, second):
    with monkeypatch.context() as patch:
        patch.setattr(training, "augment", None)  # the folder is claimed before the first batch
        with pytest.raises(TypeError):
            distill(tiny_network(1), teacher, tiny_set(), tmp_path, first, SHORT)
    with pytest.raises(ValueError, match="another folder"):
        distill(tiny_network(1), teacher, tiny_set(), tmp_path, second, SHORT)


@pytest.mark.parametrize("lesson", ["conv_53", "soft"])
def test_the_folder_of_another_teacher_is_refused(tmp_path, teacher, lesson):
    distill(tiny_network(1), teacher, tiny_set(), tmp_path, lesson, SHORT)
    teacher.head.bias.data[0] += 1
    with pytest.raises(ValueError, match="teacher_sha256"):
        distill(tiny_network(1), teacher, tiny_set(), tmp_path, lesson, SHORT)


def test_the_folder_of_another_temperature_is_refused(tmp_path, teacher):
    distill(tiny_network(1), teacher, tiny_set(), tmp_path, "soft", SHORT, temperature=2.0)
    with pytest.raises(ValueError, match=r"2\.0.*4\.0"):
        distill(tiny_network(1), teacher, tiny_set(), tmp_path, "soft", SHORT)


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan"), float("inf"), "4"])
def test_impossible_temperatures_are_refused(tmp_path, teacher, temperature):
    with pytest.raises(ValueError, match=r"temperature.*above 0"):
        distill(tiny_network(1), teacher, tiny_set(), tmp_path, "soft", SHORT, temperature=temperature)
    assert not list(tmp_path.iterdir())


def part_of(network, layers):
    """A network that names fewer of its layers."""
    return Network(network.body, {k: network.places[k] for k in layers}, network.head_place)


@pytest.mark.parametrize(
    "lesson, student, message",
    [
        ("conv_99", vgg, "conv_99.*alone, soft, conv_11.*fc"),
        ("hard", vgg, "lesson 'hard'"),
        (
            "conv_53",
            lambda: vgg(width=0.1),
            r"conv_53.*\(51, 8, 8\).*\(26, 8, 8\).*width",
        ),
        ("conv_53", lambda: vgg(input_size=128), r"\(26, 2, 2\).*\(26, 8, 8\).*input size"),
        ("fc", lambda: vgg(width=0.1), r"fc.*\(102,\).*\(51,\)"),
        *[(lesson, lambda: vgg(3), "2 categories.*3 and 2") for lesson in LESSONS],
        (
            "conv_53",
            lambda: part_of(vgg(), ["conv_12", "fc"]),
            "student.*conv_53.*conv_12, fc",
        ),
    ],
)
def test_pairs_that_cannot_teach_each_other_are_refused(tmp_path, teacher, lesson, student, message):
    with pytest.raises(ValueError, match=message):
        distill(student(), teacher, tiny_set(), tmp_path, lesson, SHORT)
    assert not list(tmp_path.iterdir())


def test_a_teacher_of_other_categories_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"2 categories.*2 and 5"):
        distill(tiny_network(1), vgg(5).eval(), tiny_set(), tmp_path, "soft", SHORT)


@pytest.mark.parametrize("lesson", ["conv_53", "soft"])
@pytest.mark.parametrize("part", ["whole", "dropout", "batch normalisation"])
def test_a_teacher_in_training_mode_is_refused(tmp_path, teacher, lesson, part):
    chosen = {
        "whole": teacher,
        "dropout": teacher.body.classifier[2],
        "batch normalisation": teacher.body.features[1],
    }
    chosen[part].train()
    with pytest.raises(ValueError, match=r"training mode.*teacher\.eval"):
        distill(tiny_network(1), teacher, tiny_set(), tmp_path, lesson, SHORT)


def test_soft_labels_and_no_teacher_go_with_any_width(teacher):
    for lesson in ("soft", "alone"):
        check_pupil(vgg(width=0.1), teacher, lesson, tiny_set())


def test_the_check_leaves_modes_and_statistics_alone(teacher):
    student = tiny_network(1).train()
    before = copy.deepcopy(student)
    check_pupil(student, teacher, "conv_53", tiny_set())
    assert student.training and not teacher.training and same(student, before)


def test_digests_tell_teachers_apart(teacher):
    first = digest(teacher.state_dict())
    assert first == digest(copy.deepcopy(teacher).state_dict()) and len(first) == 64
    teacher.body.features[1].running_mean[0] += 1  # statistics count, too
    assert digest(teacher.state_dict()) != first
