"""Trajectories of regions under attack: hand-made ways, a plain loop as oracle, and the frame of the clean images."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nbhelpers import build, record
from nbhelpers.images import ImageSet
from nbhelpers.maths.kappa import KappaCurve
from nbhelpers.method.matching import pool_regions
from nbhelpers.method.regional import RegionalFeatures
from nbhelpers.method.regions import RegionProjection
from nbhelpers.method.trajectories import TYPES, changes, trajectory_types
from nbhelpers.probes.attacks import Trail, follow, pgd

NORTH, EAST = np.array([0.0, 1.0]), np.array([1.0, 0.0])
AXES, HALVES = np.stack([NORTH, EAST]), [0.5, 0.5]


# How far regions turned and faded.


@pytest.mark.parametrize(
    "first, last, orientation, strength",
    [
        ([0, 2, 0], [3, 0, 0], 1, -1),  # a right angle
        ([0, 2, 0], [0, 5, 0], 0, -3),  # only stronger
        ([0, 2, 0], [0, -1, 0], 2, 1),  # turned round
        ([3, 4, 0], [3, 4, 0], 0, 0),
        ([1, 1, 0], [1, 0, 0], 1 - math.sqrt(0.5), math.sqrt(2) - 1),
        ([0, 0, 0], [0, 2, 0], 1, -2),
        ([0, 2, 0], [0, 0, 0], 1, 2),
        ([0, 0, 0], [0, 0, 0], 0, 0),
    ],
)
def test_changes_known_by_hand(first, last, orientation, strength):
    h = np.array([first, [9, -9, 9], last], np.float32).reshape(3, 1, 1, 3)  # what lies between does not count
    before = h.copy()
    found = changes(h)
    assert [part.dtype for part in found] == [np.float64] * 2 and found[0].shape == (1, 1)
    np.testing.assert_allclose(np.ravel(found), [orientation, strength], atol=1e-7)
    np.testing.assert_array_equal(h, before)
    np.testing.assert_array_equal(changes(torch.from_numpy(h)), found)


@given(st.integers(0, 1000), st.floats(1e-3, 1e3), st.integers(2, 5))
def test_rotation_changes_neither_and_scaling_only_the_strength(seed, scale, d):
    rng = np.random.default_rng(seed)
    h = rng.normal(size=(3, 4, 5, d))
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
    orientation, strength = changes(h)
    assert (orientation >= 0).all() and (orientation <= 2).all()
    np.testing.assert_allclose(changes(h @ turn), (orientation, strength), atol=1e-5)
    scaled = changes(scale * h)
    np.testing.assert_allclose(scaled[0], orientation, atol=1e-5)
    np.testing.assert_allclose(scaled[1], scale * strength, atol=1e-5 * scale)
    lengths = np.array([1, 1, 7]).reshape(3, 1, 1, 1)  # of the last iterate alone
    np.testing.assert_allclose(changes(h * lengths)[0], orientation, atol=1e-5)
    np.testing.assert_allclose(changes(h[::-1]), (orientation, -strength), atol=1e-6)


@pytest.mark.parametrize(
    "h, message",
    [
        (np.ones((2, 3, 4)), r"h .*4 axes.*\(2, 3, 4\)"),
        (np.full((2, 1, 1, 3), np.inf), "h .*6 NaN"),
        (np.ones((0, 1, 1, 3)), "h .*empty"),
    ],
)
def test_changes_of_nothing_are_refused(h, message):
    with pytest.raises(ValueError, match=message):
        changes(h)


# Types of trajectories.


def sort(*way, directions=AXES, weights=HALVES, **options):
    """The type of one region that goes this way, from north to east."""
    h = np.stack(way).astype(float).reshape(len(way), 1, 1, -1)
    return TYPES[trajectory_types(h, directions, weights, [0], [1], **{"kappa": 1000.0, **options}).types.item()]


def at(degrees, strength):
    """A vector so many degrees east of north."""
    return strength * np.array([math.sin(math.radians(degrees)), math.cos(math.radians(degrees))])


@pytest.mark.parametrize(
    "way, wanted",
    [
        ([at(0, 1.3), at(45, 1.3), at(90, 1.3)], "direct"),
        ([at(20, 1.4), at(90, 3)], "direct"),
        ([at(0, 1.1), at(45, 0.3), at(90, 2)], "rebuilt"),
        ([at(0, 3), at(45, 0.3), at(90, 2)], "rebuilt"),
        ([at(0, 3), at(90, 0.9)], "rebuilt"),
        ([at(0, 0.3), at(90, 2)], "awakened"),
        ([at(200, 0.3), at(90, 2)], "awakened"),
        ([at(0, 0), at(90, 2)], "awakened"),
        ([at(0, 1.5), at(0, 1.2), at(0, 0.5)], "damaged"),
        ([at(0, 1.5), at(-90, 0.8)], "damaged"),
        ([at(0, 1.5), at(0, 0)], "damaged"),
        ([at(0, 1.3), at(0, 1.3)], "none"),  # stayed
        ([at(0, 1.5), at(0, 0.5), at(0, 1.1)], "none"),  # recovered
        ([at(0, 1.6), at(90, 1.6)], "none"),  # too strong for direct
        ([at(0, 1.4), at(45, 1.1), at(90, 1.4)], "none"),  # between kept and broken
        ([at(0, 0.7), at(90, 2)], "none"),  # neither faint nor strong
        ([at(30, 1.3), at(90, 1.3)], "none"),  # spoke for north too little
        ([at(0, 0.3), at(0, 2)], "none"),  # awoke for the original
        ([at(90, 2)], "none"),
        ([at(0, 0), at(0, 0)], "none"),
    ],
)
def test_types_known_by_hand(way, wanted):
    assert sort(*way) == wanted


WAYS = {
    "direct": [at(20, 1.3), at(90, 1.3)],
    "rebuilt": [at(20, 1.6), at(45, 0.3), at(90, 0.5)],
    "awakened": [at(0, 0.3), at(90, 0.5)],
    "damaged": [at(20, 1.6), at(0, 0.5)],
    "none": [at(0, 1.6), at(90, 1.6)],
}


@pytest.mark.parametrize(
    "before, thresholds, after",
    [
        ("direct", {"cosine": 0.95}, "none"),
        ("direct", {"strong": 1.4}, "none"),
        ("direct", {"kept": 1.4}, "none"),
        ("direct", {"moderate": 1.25}, "none"),
        ("direct", {"broken": 1.35, "kept": 1.35}, "rebuilt"),
        ("direct", {"faint": 1.35, "strong": 1.35}, "awakened"),
        ("direct", {"probability": 1.0}, "none"),
        ("direct", {"probability": 1.0, "broken": 1.35, "kept": 1.35}, "damaged"),
        ("rebuilt", {"cosine": 0.95}, "none"),
        ("rebuilt", {"broken": 0.2}, "none"),
        ("rebuilt", {"broken": 0.2, "kept": 0.25, "moderate": 2.0}, "direct"),
        ("rebuilt", {"probability": 0.99}, "damaged"),
        ("awakened", {"faint": 0.2}, "none"),
        ("awakened", {"probability": 0.99}, "none"),
        ("awakened", {"kappa": 1e-3, "probability": 0.51}, "none"),
        ("damaged", {"cosine": 0.95}, "none"),
        ("damaged", {"broken": 0.4}, "none"),
        ("damaged", {"strong": 1.7}, "none"),
        ("damaged", {"probability": 0.0}, "rebuilt"),
        ("none", {"moderate": 2.0}, "direct"),
    ],
)
def test_thresholds_move_the_verdict(before, thresholds, after):
    assert sort(*WAYS[before]) == before
    assert sort(*WAYS[before], **thresholds) == after


def test_each_image_has_its_own_categories():
    h = np.stack([np.stack([at(0, 1.3), at(90, 1.3)]), np.stack([at(90, 1.3), at(0, 1.3)])])
    found = trajectory_types(np.stack([h, h[::-1]]), AXES, HALVES, [0, 1], [1, 0], 1000.0)
    assert found.types.tolist() == [[1, 0], [1, 0]]
    assert found.important.tolist() == found.turned.tolist() == [[True, False], [True, False]]
    assert found.shares == {"none": 0.5, "direct": 0.5, "rebuilt": 0.0, "awakened": 0.0, "damaged": 0.0}


def random_world(seed, n=3, r=6, steps=3):
    """Ways that wander from about one category to about another, at strengths around the thresholds."""
    rng = np.random.default_rng(seed)
    c, d = int(rng.integers(2, 5)), int(rng.integers(2, 4))
    mu, pi = rng.normal(size=(c, d)), rng.dirichlet(np.full(c, 3.0))
    unit = mu / np.linalg.norm(mu, axis=1, keepdims=True)
    original = rng.integers(0, c, n)
    new = (original + rng.integers(1, c, n)) % c
    share = np.sort(rng.random((steps, n, r, 1)), axis=0)
    share[0], share[-1] = rng.random((n, r, 1)) < 0.2, rng.random((n, r, 1)) < 0.7
    aim = (1 - share) * unit[original][:, None] + share * unit[new][:, None] + 0.1 * rng.normal(size=(steps, n, r, d))
    strengths = rng.choice([0.2, 0.45, 0.9, 1.3], (1, n, r, 1)) + rng.uniform(-0.2, 0.5, (steps, n, r, 1))
    h = strengths * aim / np.linalg.norm(aim, axis=3, keepdims=True)
    return h.astype(np.float32), mu, pi, original, new


curve_of = cache(KappaCurve)  # its table takes a while


def conditions(way, mu, pi, original, new, curve, limits):
    """Each type's condition of one region by itself, in its own words."""
    lengths = [math.sqrt(sum(float(x) ** 2 for x in v)) for v in way]
    unit = [v / math.sqrt(sum(v**2)) for v in mu]
    end = [math.log(p) + curve(lengths[-1]) * float(way[-1] @ u) / lengths[-1] for p, u in zip(pi, unit, strict=True)]
    p_new = 1 / sum(math.exp(e - end[new]) for e in end)
    spoke = float(way[0] @ unit[original]) / lengths[0] > limits["cosine"] and lengths[0] > limits["strong"]
    turned = p_new > limits["probability"]
    return {
        "direct": spoke and turned and min(lengths) > limits["kept"] and lengths[0] < limits["moderate"],
        "rebuilt": spoke and turned and min(lengths) < limits["broken"],
        "awakened": lengths[0] < limits["faint"] and turned,
        "damaged": spoke and not turned and lengths[-1] < limits["broken"],
    }


def judged(seed, kappa, limits, **sizes):
    """Types beside the loop's, which must hold at most one of the conditions."""
    h, mu, pi, original, new = random_world(seed, **sizes)
    curve = curve_of(kappa, h.shape[3])
    types = trajectory_types(h, mu, pi, original, new, kappa=curve, **limits).types
    wanted = []
    for i in range(h.shape[1]):
        for r in range(h.shape[2]):
            way = h[:, i, r].astype(float)
            held = [k for k, v in conditions(way, mu, pi, original[i], new[i], curve, limits).items() if v]
            assert len(held) <= 1
            wanted.append(TYPES.index(held[0]) if held else 0)
    return types, np.reshape(wanted, types.shape)


AUTHORS = {"cosine": 0.9, "strong": 1.0, "probability": 0.5, "kept": 1.2, "moderate": 1.5, "broken": 1.0, "faint": 0.5}


def test_the_defaults_are_the_authors_and_every_type_is_found_as_by_a_loop():
    found, wanted = judged(0, 1000.0, AUTHORS, n=30, r=20)
    np.testing.assert_array_equal(found, wanted)
    assert (np.bincount(found.ravel(), minlength=5) > 10).all()
    h, *rest = random_world(0, n=30, r=20)
    np.testing.assert_array_equal(trajectory_types(h, *rest, 1000.0).types, found)


@pytest.mark.slow
@given(
    st.integers(0, 10**6),
    st.sampled_from([1.0, 30.0, 1000.0]),
    st.floats(0.5, 1.0),
    st.tuples(st.floats(0.1, 2.0), st.floats(0.1, 2.0)).map(sorted),
    st.tuples(st.floats(0.1, 2.0), st.floats(0.1, 2.0)).map(sorted),
    st.floats(0.1, 3.0),
    st.floats(0.0, 1.0),
)
def test_every_region_has_exactly_one_type(seed, kappa, cosine, speech, holding, moderate, probability):
    (faint, strong), (broken, kept) = speech, holding
    limits = {"cosine": cosine, "strong": strong, "probability": probability, "kept": kept}
    found, wanted = judged(seed, kappa, {**limits, "moderate": moderate, "broken": broken, "faint": faint})
    np.testing.assert_array_equal(found, wanted)


def test_lengths_of_directions_do_not_count_and_arrays_are_left_alone():
    h, mu, pi, original, new = random_world(1, n=10)
    copies = h.copy(), mu.copy(), pi.copy(), original.copy(), new.copy()
    found = trajectory_types(h, mu, pi, original, new, 1000.0)
    np.testing.assert_array_equal(trajectory_types(h, 7 * mu, pi, original, new, 1000.0).types, found.types)
    tensors = trajectory_types(*map(torch.from_numpy, (h, mu, pi, original, new)), 1000.0)
    np.testing.assert_array_equal(tensors.types, found.types)
    assert tensors.types.dtype == np.int64 and sum(tensors.shares.values()) == pytest.approx(1)
    for now, before in zip((h, mu, pi, original, new), copies, strict=True):
        np.testing.assert_array_equal(now, before)


def test_a_curve_is_taken_as_a_number_is():
    h, *rest = random_world(2, n=10)
    curve, number = (trajectory_types(h, *rest, kappa=k) for k in (KappaCurve(20.0, h.shape[3]), 20.0))
    np.testing.assert_array_equal(curve.types, number.types)


@pytest.mark.filterwarnings("error")
def test_a_category_without_direction_is_spoken_for_by_no_region():
    """As before any training, where sample features are zero."""
    assert sort(at(0, 1.3), at(90, 1.3), directions=np.zeros((2, 2))) == "none"
    assert sort(at(0, 1.3), at(0, 0.3), directions=np.stack([NORTH, 0 * EAST])) == "damaged"


GOOD = {
    "h": np.ones((3, 2, 4, 2)),
    "directions": AXES,
    "weights": HALVES,
    "original": [0, 1],
    "new": [1, 0],
    "kappa": 1000.0,
}


@pytest.mark.parametrize(
    "change, message",
    [
        *[
            ({name: value}, f"{name}.*above 0")
            for name in ("strong", "kept", "moderate", "broken", "faint")
            for value in (0, -1.0, np.nan, np.inf)
        ],
        ({"faint": 1.1}, "faint 1.1, strong 1"),
        ({"broken": 1.3}, r"broken 1\.3, kept 1\.2"),
        ({"kept": 0.9}, r"broken 1, kept 0\.9"),
        *[({"cosine": value}, r"cosine.*-1 \.\.\. 1, got") for value in (1.1, -1.1, np.nan)],
        *[({"probability": value}, r"probability.*0 \.\.\. 1, got") for value in (1.1, -0.1, np.nan)],
        ({"kappa": 0}, "kappa.*above 0"),
        ({"kappa": KappaCurve(10.0, 3)}, "kappa.* 3 .*h has 2"),
        ({"h": np.ones((3, 2, 2))}, "h .*4 axes"),
        ({"h": np.full((3, 2, 4, 2), np.nan)}, "h .*48 NaN"),
        ({"directions": np.eye(3)[:2]}, "h and directions.* in d.* 2 and 3"),
        ({"weights": [1.0]}, "directions and weights.* in C.* 2 and 1"),
        ({"weights": [0.6, 0.6]}, "weights.*sum to 1"),
        ({"original": [0, 2]}, r"original.*found 0 \.\.\. 2"),
        ({"new": [-1, 0]}, "new.*found -1"),
        ({"new": [0.0, 1.0]}, "new.*whole number"),
        ({"original": [0]}, "h and original.* in N.* 2 and 1"),
        ({"new": [0, 1, 0]}, "h and new.* in N.* 2 and 3"),
    ],
)
def test_bad_input_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        trajectory_types(**{**GOOD, **change})


# A network followed along an attack.


def test_what_a_trail_says_is_known_by_hand():
    before, after = np.eye(3)[[0, 1, 2, 0]], np.eye(3)[[1, 1, 0, 2]]
    trail = Trail(np.stack([before, np.zeros((4, 3)), after]), {})
    assert trail.before.tolist() == [0, 1, 2, 0] and trail.after.tolist() == [1, 1, 0, 2]
    labels = np.array([0, 1, 2, 1])  # the last one is named wrongly from the start
    assert trail.fooled(labels).tolist() == [True, False, True, False]
    assert trail.success_rate(labels) == 2 / 3
    assert math.isnan(trail.success_rate(np.array([1, 0, 0, 1])))


def view_of(network, images, layer, grid, seed=0, d=3):
    """Regional features whose projection was not fitted but drawn."""
    raw = pool_regions(record(network, images, (layer,)).regions[layer], grid)
    projection = RegionProjection(n_components=d)
    projection.components_ = np.random.default_rng(seed).normal(size=(d, raw.shape[1])).astype(np.float32)
    regions = math.prod(raw.shape[2:])
    weights = np.full((len(raw), regions), 1 / regions, np.float32)
    return RegionalFeatures(raw, weights, projection.transform(raw), None, projection)


@pytest.fixture(scope="module")
def world():
    """A network, its images, their attack, and two layers of the clean images on a 4 x 4 grid."""
    network = build("vgg16", 3, width=0.05, input_size=32).eval()
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32), dtype=np.uint8)
    images = ImageSet(pixels, np.arange(5) % 3, ("a", "b", "c"), "held_out")
    path = pgd(network, pixels.astype(np.float32) / 255, images.labels, eps=0.1, step=0.05, steps=3)
    fitted = {layer: view_of(network, images, layer, 4, seed) for seed, layer in enumerate(("conv_12", "conv_53"))}
    return network, path, images, fitted


def test_the_first_iterate_is_what_was_fitted(world):
    network, path, images, fitted = world
    before = path.copy()
    trail = follow(network, path, images, fitted, batch_size=2)
    np.testing.assert_array_equal(path, before)
    assert trail.logits.shape == (4, 5, 3) and trail.logits.dtype == np.float32
    assert list(trail.h) == ["conv_12", "conv_53"] and not network.training
    for layer, h in trail.h.items():
        assert h.shape == (4, 5, 16, 3) and h.dtype == np.float32
        np.testing.assert_allclose(h[0], fitted[layer].h / fitted[layer].strength.mean(), rtol=1e-5, atol=1e-6)
        assert np.linalg.norm(h[0], axis=2).mean() == pytest.approx(1, rel=1e-5)


def test_every_iterate_is_projected_as_the_clean_images_were(world):
    network, path, images, fitted = world
    trail = follow(network, path, images, fitted)
    for t, pixels in enumerate(path):
        got = record(network, images, tuple(fitted), pixels=pixels)
        np.testing.assert_allclose(trail.logits[t], got.logits, atol=1e-6)
        for layer, view in fitted.items():
            f = pool_regions(got.regions[layer], 4).reshape(5, -1, 16)
            h = np.einsum("dk,nkr->nrd", view.projection.components_, f) / view.strength.mean()
            np.testing.assert_allclose(trail.h[layer][t], h, rtol=1e-4, atol=1e-5)
    assert np.abs(trail.h["conv_53"][-1] - trail.h["conv_53"][0]).max() > 0.1


def test_a_layer_whose_features_are_all_zero_has_no_unit(world):
    network, path, images, fitted = world
    silent = replace(fitted["conv_53"], h=0 * fitted["conv_53"].h)
    with pytest.raises(ValueError, match=r"conv_53 .*zero"):
        follow(network, path, images, {"conv_53": silent})


@pytest.mark.parametrize("grids", [(4, 2), ((2, 4), 4), ((4, 2), (4, 2)), (4, (1, 3))])
def test_every_layer_is_followed_on_the_grid_on_which_it_was_fitted(world, grids):
    network, path, images, _ = world
    fitted = {
        layer: view_of(network, images, layer, grid) for layer, grid in zip(("conv_12", "conv_53"), grids, strict=True)
    }
    trail = follow(network, path, images, fitted)
    for layer, view in fitted.items():
        assert trail.h[layer].shape == (4, 5, math.prod(view.grid), 3)
        np.testing.assert_allclose(trail.h[layer][0], view.h / view.strength.mean(), rtol=1e-4, atol=1e-5)
        alone = follow(network, path, images, {layer: view}).h[layer]
        np.testing.assert_allclose(trail.h[layer], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("d", [2, 3, 5])
def test_regional_features_of_any_number_of_coordinates_are_followed(world, d):
    network, path, images, _ = world
    view = view_of(network, images, "conv_53", 4, d=d)
    trail = follow(network, path, images, {"conv_53": view})
    assert trail.h["conv_53"].shape == (4, 5, 16, d)
    np.testing.assert_allclose(trail.h["conv_53"][0], view.h / view.strength.mean(), rtol=1e-4, atol=1e-5)


def test_features_of_another_network_are_refused(world):
    _, path, images, fitted = world
    wider = build("vgg16", 3, width=0.1, input_size=32).eval()
    with pytest.raises(ValueError, match=r"6 channels.* 3"):
        follow(wider, path, images, fitted)
    with pytest.raises(ValueError, match=r"conv_99.*conv_11"):
        follow(wider, path, images, {"conv_99": fitted["conv_53"]})


def test_nothing_to_follow_is_refused(world):
    network, path, images, _ = world
    with pytest.raises(ValueError, match="no layer"):
        follow(network, path, images, {})


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda path: path[:, :4], "images has 5, .* has 4"),
        (lambda path: path[0], r"must have \d axes, got shape"),
        (lambda path: path[:0], "empty"),
        (lambda path: path + 1, r"must lie in \[0, 1\]"),
        (lambda path: (255 * path).astype(np.uint8), r"must lie in \[0, 1\]"),
        (lambda path: path * np.nan, "NaN"),
    ],
)
def test_paths_that_do_not_fit_are_refused(world, spoil, message):
    network, path, images, fitted = world
    with pytest.raises(ValueError, match=message):
        follow(network, spoil(path), images, fitted)


@pytest.mark.parametrize("kind", [torch.from_numpy, np.float64], ids=["tensor", "double"])
def test_a_path_may_be_of_any_kind(world, kind):
    network, path, images, fitted = world
    trail = follow(network, kind(path), images, fitted)
    np.testing.assert_array_equal(trail.logits, follow(network, path, images, fitted).logits)
