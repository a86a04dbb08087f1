"""RegionImportance against planted objects, brute force, a general optimiser, symmetries, and bad input."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from planted import bad_images, planted
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score

from nbhelpers.method import matching
from nbhelpers.method.importance import RegionImportance, channel_scores, descend, project_to_simplex
from nbhelpers.method.matching import (
    best_matches,
    draw_groups,
    kl_divergence,
    log_choice,
    pool_regions,
    region_vectors,
    target_log_probabilities,
)


@pytest.fixture(scope="module")
def data():
    return planted()


def brute_force(regions, logits, image, kappa_target=20.0, kappa_regions=1.0, radial=True):
    """Scores (R, partners) and P (partners) of one image, pair by pair, region by region."""
    f = regions.reshape(*regions.shape[:2], -1).transpose(0, 2, 1).astype(float)
    unit = f / np.linalg.norm(f, axis=2, keepdims=True)
    strength = np.linalg.norm(f[image], axis=1)
    strength = strength / strength.mean() if radial else np.ones(len(strength))
    partners = [j for j in range(len(f)) if j != image]
    scores = np.array(
        [
            [kappa_regions * strength[r] * max(unit[image, r] @ key for key in unit[j]) for j in partners]
            for r in range(f.shape[1])
        ]
    )
    z = logits - logits.mean(axis=1, keepdims=True)
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    p = np.exp([kappa_target * float(z[image] @ z[j]) for j in partners])
    return scores, p / p.sum()


def objective(w, scores, p, ridge):
    total = w @ scores
    log_q = total - total.max() - np.log(np.exp(total - total.max()).sum())
    return float((p * (np.log(p) - log_q)).sum() + ridge / 2 * len(w) * ((w - 1 / len(w)) ** 2).sum())


@pytest.mark.parametrize("channels", ["uniform", "shared", "fitted"])
@pytest.mark.parametrize("radial", [True, False])
@pytest.mark.parametrize("target", ["logits", "probabilities"])
def test_planted_objects_are_found(data, channels, radial, target):
    regions, logits, _, mask = data
    fitted = RegionImportance(channels=channels, radial=radial, target=target).fit(regions, logits)
    assert roc_auc_score(mask.ravel(), fitted.weights_.ravel()) > 0.98
    for weights in (fitted.weights_, fitted.channel_weights_):
        assert weights.min() >= 0
        np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)


def test_learned_channels_are_those_that_tell_categories(data):
    regions, logits, labels, _ = data
    k = regions.shape[1]
    shared = RegionImportance(channels="shared").fit(regions, logits).channel_weights_
    assert (shared == shared[0]).all()
    assert shared[0, : k - k // 3].mean() > 1.5 * shared[0, -(k // 3) :].mean()
    fitted = RegionImportance(channels="fitted").fit(regions, logits).channel_weights_
    own = np.arange(k - k // 3) % 4 == labels[:, None]  # the category's own channels
    assert (fitted[:, : k - k // 3][own].mean()) > 2 * fitted[:, : k - k // 3][~own].mean()
    assert (RegionImportance().fit(regions, logits).channel_weights_ == np.float32(1 / k)).all()


@pytest.mark.parametrize("image", [0, 7])
@pytest.mark.parametrize("kappa_regions, radial", [(1.0, True), (8.0, False)])
def test_weights_are_the_minimum_that_a_general_optimiser_finds(data, image, kappa_regions, radial):
    regions, logits, *_ = data
    scores, p = brute_force(regions, logits, image, kappa_regions=kappa_regions, radial=radial)
    r = len(scores)
    fitted = RegionImportance(kappa_regions=kappa_regions, radial=radial, steps=300).fit(regions, logits)
    w = fitted.weights_[image].astype(float)
    best = minimize(
        objective,
        np.full(r, 1 / r),
        (scores, p, fitted.ridge),
        method="SLSQP",
        bounds=[(0, 1)] * r,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"maxiter": 500, "ftol": 1e-12},
    )
    assert objective(w, scores, p, fitted.ridge) <= best.fun + 1e-5
    np.testing.assert_allclose(w, best.x, atol=2e-3)


def test_loss_curve_is_the_brute_force_objective_and_falls(data):
    regions, logits, *_ = data
    fitted = RegionImportance().fit(regions, logits)
    each = [
        objective(fitted.weights_[image].astype(float), *brute_force(regions, logits, image), fitted.ridge)
        for image in range(len(regions))
    ]
    assert fitted.loss_curve_[-1] == pytest.approx(np.mean(each), rel=1e-4)
    assert len(fitted.loss_curve_) == fitted.steps + 1
    assert fitted.loss_curve_[-1] < fitted.loss_curve_[0]
    assert fitted.loss_curve_[20] - fitted.loss_curve_[-1] < 1e-4 * fitted.loss_curve_[-1]


def test_too_few_steps_are_told(data):
    with pytest.warns(ConvergenceWarning, match="last of 1 steps"):
        RegionImportance(steps=1, kappa_regions=5).fit(*data[:2])


def test_equal_regions_are_equally_important(data):
    regions, logits, *_ = data
    same = np.repeat(regions[:, :, :1, :1], 4, axis=2).repeat(4, axis=3)
    weights = RegionImportance(radial=False).fit(same, logits).weights_
    np.testing.assert_allclose(weights, 1 / 16, atol=1e-6)


def test_order_of_regions_and_of_images_does_not_matter(data):
    regions, logits, *_ = data
    weights = RegionImportance().fit(regions, logits).weights_
    rng = np.random.default_rng(1)
    place, order = rng.permutation(16), rng.permutation(len(regions))
    moved = regions.reshape(*regions.shape[:2], -1)[:, :, place].reshape(regions.shape)
    again = RegionImportance().fit(moved[order], logits[order]).weights_
    np.testing.assert_allclose(again, weights[order][:, place], atol=1e-5)


def test_width_and_brightness_of_a_network_do_not_matter(data):
    regions, logits, *_ = data
    weights = RegionImportance().fit(regions, logits).weights_
    brightness = np.linspace(0.01, 100, len(regions), dtype=np.float32)[:, None, None, None]
    wide = np.concatenate([regions, regions], axis=1)
    np.testing.assert_allclose(RegionImportance().fit(brightness * regions, logits).weights_, weights, atol=1e-5)
    np.testing.assert_allclose(RegionImportance().fit(wide, logits).weights_, weights, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("channels", ["uniform", "shared", "fitted"])
def test_result_does_not_depend_on_the_batches(data, channels):
    regions, logits, *_ = data
    settings = {"channels": channels, "partners": 25}
    one = RegionImportance(memory=1, **settings).fit(regions, logits)
    some = RegionImportance(memory=10**5, **settings).fit(regions, logits)
    all_ = RegionImportance(**settings).fit(regions, logits)
    for other in (one, some):
        np.testing.assert_allclose(other.weights_, all_.weights_, atol=1e-5)
        np.testing.assert_allclose(other.channel_weights_, all_.channel_weights_, atol=1e-5)
        np.testing.assert_allclose(other.loss_curve_, all_.loss_curve_, rtol=1e-5)


def test_partners_are_drawn_from_the_seed(data):
    regions, logits, _, mask = data
    first, same, other = (
        RegionImportance(partners=20, random_state=seed).fit(regions, logits).weights_ for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.allclose(first, other, atol=1e-4)
    assert roc_auc_score(mask.ravel(), first.ravel()) > 0.95


def test_arrays_come_back_as_they_were_given(data):
    regions, logits, *_ = data
    before, state = (regions.copy(), logits.copy()), torch.get_rng_state()
    arrays_out = RegionImportance().fit(regions, logits)
    tensors_out = RegionImportance().fit(torch.from_numpy(regions), torch.from_numpy(logits))
    half = RegionImportance().fit(regions.astype(np.float16), logits)
    assert isinstance(arrays_out.weights_, np.ndarray) and isinstance(tensors_out.weights_, torch.Tensor)
    assert isinstance(tensors_out.channel_weights_, torch.Tensor)
    np.testing.assert_array_equal(arrays_out.weights_, tensors_out.weights_.numpy())
    np.testing.assert_allclose(half.weights_, arrays_out.weights_, atol=1e-3)
    np.testing.assert_array_equal(regions, before[0])
    np.testing.assert_array_equal(logits, before[1])
    assert torch.equal(torch.get_rng_state(), state)
    assert clone(arrays_out).get_params() == arrays_out.get_params()


@pytest.mark.parametrize("regions, logits, message", bad_images())
def test_bad_images_are_refused(regions, logits, message):
    with pytest.raises(ValueError, match=message):
        RegionImportance().fit(regions, logits)


@pytest.mark.parametrize(
    "parameter, value, message",
    [
        ("target", "softmax", "target.*got 'softmax'"),
        ("channels", "free", "channels.*got 'free'"),
        ("temperature", 0, "temperature.*got 0"),
        ("kappa_target", -1.0, "kappa_target.*above 0"),
        ("kappa_regions", np.inf, "kappa_regions.*got inf"),
        ("ridge", -0.1, "ridge.*-0.1"),
        ("partners", 2, "partners.*got 2"),
        ("steps", 0, "steps.*got 0"),
        ("memory", 0, "memory.*above 0"),
    ],
)
def test_bad_parameters_are_refused(data, parameter, value, message):
    with pytest.raises(ValueError, match=message):
        RegionImportance(**{parameter: value}).fit(*data[:2])


@given(arrays(float, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=st.floats(-5, 5)))
def test_projection_to_the_simplex_is_the_nearest_point(x):
    u = project_to_simplex(torch.from_numpy(x)).numpy()
    assert (u >= 0).all()
    np.testing.assert_allclose(u.sum(1), 1, atol=1e-9)
    # nearest: x - u is one number where u > 0, and not above it elsewhere
    for gap, row in zip(x - u, u, strict=True):
        np.testing.assert_allclose(gap[row > 1e-9], gap.max(), atol=1e-9)


def test_scores_of_channels_and_of_regions_add_up_to_the_same():
    generator = torch.Generator().manual_seed(0)
    queries, keys = torch.rand(3, 5, 7, generator=generator), torch.rand(4, 6, 7, generator=generator)
    w, v = torch.rand(3, 5, generator=generator), torch.rand(3, 7, generator=generator)
    _, place = best_matches(7 * v[:, None] * queries, keys)
    by_channel = torch.einsum("mk,mkn->mn", v, channel_scores(w[..., None] * queries, keys, place))
    for m in range(3):
        for n in range(4):
            pairs = [(r, int(place[m, r, n])) for r in range(5)]
            expected = sum(w[m, r] * 7 * (v[m] * queries[m, r] * keys[n, s]).sum() for r, s in pairs)
            assert by_channel[m, n] == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("block", [1, 100, 2**23])
def test_best_matches_are_those_of_brute_force(monkeypatch, block):
    monkeypatch.setitem(matching._BLOCKS, "cpu", block)
    generator = torch.Generator().manual_seed(0)
    queries, keys = torch.rand(5, 6, 8, generator=generator), torch.rand(7, 4, 8, generator=generator)
    products = torch.einsum("mrk,nsk->mrns", queries, keys)
    similarity, place = best_matches(queries, keys)
    torch.testing.assert_close(similarity, products.amax(3))
    assert torch.equal(place.long(), products.argmax(3)) and place.dtype == torch.int16
    alone, nothing = best_matches(queries, keys, index=False)
    torch.testing.assert_close(alone, similarity)
    assert nothing is None


@given(st.integers(3, 200), st.integers(3, 50), st.integers(0, 5))
def test_groups_hold_every_image_once(n, size, seed):
    groups = draw_groups(n, size, seed)
    assert sorted(torch.cat(groups).tolist()) == list(range(n))
    lengths = [len(group) for group in groups]
    assert min(lengths) >= 3 and max(lengths) - min(lengths) <= 1
    assert max(lengths) <= size or size < 6  # five images cannot be split into groups of 3 or 4


@pytest.mark.parametrize("target", ["logits", "probabilities"])
def test_target_is_that_of_brute_force(target):
    z = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    p = target_log_probabilities(z, target, 2.0, 5.0).exp()
    x = z - z.mean(1, keepdim=True) if target == "logits" else torch.softmax(z / 2, 1)
    x = (x / x.norm(dim=1, keepdim=True)).numpy()
    for i in range(6):
        likely = np.array([np.exp(5 * x[i] @ x[j]) if j != i else 0 for j in range(6)])
        np.testing.assert_allclose(p[i], likely / likely.sum(), rtol=1e-9)
    assert kl_divergence(p.log(), log_choice(p.log().fill_diagonal_(0), p.log())).abs().max() < 1e-9


@pytest.mark.parametrize("constant", [100.0, -3.0, np.arange(60)[:, None] - 30.0], ids=["all", "below", "each image"])
@pytest.mark.parametrize("target", ["logits", "probabilities"])
def test_what_is_added_to_all_logits_of_an_image_says_nothing(data, target, constant):
    regions, logits, *_ = data
    logits = np.round(64 * logits) / 64  # sums and means of four such numbers are exact
    weights = RegionImportance(target=target).fit(regions, logits).weights_
    moved = RegionImportance(target=target).fit(regions, (logits + constant).astype(np.float32)).weights_
    np.testing.assert_allclose(moved, weights, atol=0 if target == "logits" else 1e-5)


@pytest.mark.parametrize("value", [0.1, 0.0, 1e4, -1e-6])
@pytest.mark.parametrize("categories", [2, 3, 10, 1000])
def test_equal_logits_are_no_opinion_whatever_they_are(value, categories):
    p = target_log_probabilities(torch.full((5, categories), value), "logits", 4.0, 20.0).exp()
    torch.testing.assert_close(p, (1 - torch.eye(5)) / 4)


def test_pooled_regions_are_means_of_blocks(data):
    regions = data[0]
    pooled = pool_regions(regions, (2, 1))
    np.testing.assert_allclose(pooled[..., 0, 0], regions[:, :, :2].mean((2, 3)), rtol=1e-5)
    assert pool_regions(torch.from_numpy(regions).half(), 2).dtype == torch.float32
    half = regions.astype(np.float16)
    assert pool_regions(half, 2).dtype == np.float32
    np.testing.assert_array_equal(pool_regions(half, (2, 1)), pool_regions(half.astype(np.float32), (2, 1)))


@pytest.mark.parametrize("grid", [None, 4, (4, 4), np.int64(4), [4, 4]])
def test_regions_that_lie_on_the_grid_come_back_themselves(data, grid):
    assert pool_regions(data[0], grid) is data[0]


@pytest.mark.parametrize(
    "grid, message",
    [
        (5, "4x4.*averaged to 5x5"),
        ((4, 8), "4x4.*averaged to 4x8"),
        ((8, 4), "4x4.*averaged to 8x4"),
        (0, "at least 1, got 0"),
        ((2, -1), "at least 1, got -1"),
        (2.0, "whole number.*got 2.0"),
        ("2", "whole number.*got '2'"),
        (True, "whole number.*got True"),
        ((2, 2, 2), r"rows and columns, got \(2, 2, 2\)"),
        ((2,), r"rows and columns, got \(2,\)"),
    ],
)
def test_what_is_no_grid_for_the_regions_is_refused(data, grid, message):
    with pytest.raises(ValueError, match=message):
        pool_regions(data[0], grid)


def test_more_regions_than_can_be_compared_are_refused():
    regions = np.ones((3, 1, 65, 64), np.float32)
    with pytest.raises(ValueError, match=r"65x64.*more than 4096 .*grid=14"):
        RegionImportance().fit(regions, np.eye(3))


def test_inner_computation_runs_on_the_meta_device():
    vectors = region_vectors(torch.empty(6, 8, 2, 3, device="meta"), "meta")
    queries, keys = RegionImportance().queries_and_keys(vectors)
    log_p = target_log_probabilities(torch.empty(6, 4, device="meta"), "logits", 4.0, 20.0)
    scores, place = best_matches(queries, keys)
    w, losses = descend(scores, log_p, 0.5, 3)
    v, _ = descend(channel_scores(w[..., None] * queries, keys, place), log_p, 0.5, 3, shared=True)
    assert w.is_meta and losses.is_meta and v.is_meta and place.is_meta
    assert (w.shape, losses.shape, v.shape) == ((6, 6), (6, 4), (1, 8))
