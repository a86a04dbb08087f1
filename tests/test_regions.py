"""RegionProjection against pairs one by one, the settled optimiser, planted objects, symmetries, and bad input."""

import numpy as np
import pytest
import torch
from planted import bad_images, planted
from scipy.stats import ortho_group, vonmises_fisher
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from nbhelpers.maths.axes import whitening_map
from nbhelpers.maths.kappa import KappaCurve
from nbhelpers.method.importance import RegionImportance
from nbhelpers.method.matching import best_matches, region_vectors, target_log_probabilities
from nbhelpers.method.region_loss import least_squares, projection_losses
from nbhelpers.method.regions import RegionProjection

DIRECTIONS = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], np.float32)  # of a tetrahedron


@pytest.fixture(scope="module")
def data():
    """regions, logits, importance, embedding; and where the objects are."""
    regions, logits, labels, mask = planted()
    return (regions, logits, RegionImportance().fit(regions, logits).weights_, DIRECTIONS[labels]), mask


@pytest.fixture(scope="module")
def fitted(data):
    return RegionProjection(tol=1e-6).fit(*data[0])


def total(parts, alpha=0.1, kappa_align=10.0):
    return parts[0] + alpha * kappa_align * parts[1]


def group(n=5, r=4, d=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    h, w, g, z = (torch.randn(shape, generator=generator).double() for shape in ((n, r, d), (n, r), (n, d), (n, 6)))
    log_p = target_log_probabilities(z, "logits", 1.0, 3.0)
    place = torch.randint(0, r, (n, r, n), generator=generator).to(torch.int16)
    return 3 * h, torch.softmax(w, dim=1), torch.nn.functional.normalize(g, dim=1), log_p, place


def test_losses_are_those_of_pairs_one_by_one():
    h, w, g, log_p, place = group()
    n, r, _ = h.shape
    curve = KappaCurve(50.0)
    length = h.norm(dim=2)
    o, kappa = h / length[..., None], curve(length)
    likelihood = np.zeros((n, n))  # [given image i, image j]
    for i in range(n):
        for j in range(n):
            for s in range(r):
                given = vonmises_fisher(o[i, int(place[j, s, i])].numpy(), float(kappa[j, s]))
                likelihood[i, j] += float(w[j, s]) * given.logpdf(o[j, s].numpy())
    divergence = 0.0
    for i in range(n):
        others = [j for j in range(n) if j != i]
        log_q = likelihood[i, others] - np.log(np.exp(likelihood[i, others]).sum())
        p = log_p[i, others].exp().numpy()
        divergence += (p * (np.log(p) - log_q)).sum()
    alignment = -sum(float(w[i, s] * (o[i, s] @ g[i])) for i in range(n) for s in range(r))
    found = projection_losses(h, w, g, log_p, place, curve)
    np.testing.assert_allclose(found, [divergence, alignment], rtol=1e-8)


def test_slopes_are_right():
    h, w, g, log_p, place = group()
    torch.autograd.gradcheck(
        lambda h: projection_losses(h, w, g, log_p, place, KappaCurve(50.0)), (h.requires_grad_(),), atol=1e-4
    )


def test_matches_found_in_the_projection_are_the_nearest_directions():
    h, w, g, log_p, _ = group()
    o = torch.nn.functional.normalize(h, dim=2)
    place = torch.einsum("ird,jsd->irjs", o, o).argmax(dim=3).to(torch.int16)
    expected = projection_losses(h, w, g, log_p, place, KappaCurve(50.0))
    torch.testing.assert_close(projection_losses(h, w, g, log_p, None, KappaCurve(50.0)), expected)


def test_a_region_without_feature_has_no_effect_and_a_finite_slope():
    h, w, g, log_p, place = group()
    h[2, 1] = 0
    h.requires_grad_()
    projection_losses(h, w, g, log_p, place, KappaCurve(1000.0)).sum().backward()
    assert torch.isfinite(h.grad).all()


def test_start_finds_a_linear_embedding():
    generator = torch.Generator().manual_seed(0)
    vectors, truth = torch.rand(50, 1, 6, generator=generator) - 0.5, torch.randn(3, 6, generator=generator)
    w = torch.rand(50, 1, generator=generator)
    start = least_squares(vectors, w, (vectors @ truth.T)[:, 0], whitening_map(vectors[:, 0]))
    torch.testing.assert_close(start, truth, rtol=0.1, atol=0.05)


def test_planted_objects_are_strong_and_point_at_their_category(data, fitted):
    (regions, _, importance, g), mask = data
    h = fitted.transform(regions)
    length = np.linalg.norm(h, axis=2)
    assert h.shape == (60, 16, 3) and length[mask].mean() > 2 * length[~mask].mean()
    cosines = np.einsum("nrd,nd->nr", h, g) / length / np.linalg.norm(g, axis=1, keepdims=True)
    assert cosines[mask].mean() > 0.95
    assert np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(length, importance, strict=True)]) > 0.9
    np.testing.assert_allclose((importance * cosines).sum(1).mean(), -fitted.loss_curve_[-1, 1], rtol=1e-3)


def settled_recipe(regions, logits, importance, g, epochs, batch=10):
    """The settled optimiser: SGD, few images a step. Its lowest mean loss."""
    vectors = region_vectors(torch.from_numpy(regions))
    w, g = torch.from_numpy(importance), torch.nn.functional.normalize(torch.from_numpy(g), dim=1)
    logits, keys = torch.from_numpy(logits), torch.nn.functional.normalize(vectors, dim=2)
    place, curve = best_matches(keys, keys)[1], KappaCurve(1000.0)
    x = vectors / vectors.norm(dim=2).mean()
    generator = torch.Generator().manual_seed(0)
    weights = (0.1 * torch.randn(3, x.shape[2], generator=generator)).requires_grad_()
    optimizer = torch.optim.SGD([weights], lr=0.01, momentum=0.9, weight_decay=5e-4)

    def losses(chosen):
        log_p = target_log_probabilities(logits[chosen], "logits", 4.0, 20.0)
        found = place[chosen][:, :, chosen]
        return projection_losses(x[chosen] @ weights.T, w[chosen], g[chosen], log_p, found, curve) / len(chosen)

    lowest = np.inf
    for _ in range(epochs):
        for chosen in torch.randperm(len(x), generator=generator).split(batch):
            optimizer.zero_grad()
            total(losses(chosen)).backward()
            optimizer.step()
        lowest = min(lowest, float(total(losses(torch.arange(len(x))).detach())))
    return lowest


def test_loss_is_no_worse_than_the_settled_optimisers(data, fitted):
    assert total(fitted.loss_curve_[-1]) <= settled_recipe(*data[0], epochs=100) + 1e-3


def test_both_losses_converge(fitted):
    curve = fitted.loss_curve_
    assert curve.shape == (fitted.n_iter_ // 10 + 1, 2)
    assert total(curve[-1]) < total(curve[0]) and curve[-1, 0] < curve[0, 0]
    assert np.abs(curve[-1] - curve[-2]).max() < 1e-3


def test_no_step_goes_uphill(data):
    """Without weight decay, which is no part of the curve, the curve's sum is all that is minimised."""
    with pytest.warns(ConvergenceWarning):
        curve = RegionProjection(weight_decay=0, max_iter=100, tol=1e-9).fit(*data[0]).loss_curve_
    assert len(curve) > 5 and (np.diff(total(curve.T)) <= 1e-6).all()


def test_loss_curve_ends_at_the_loss_of_what_was_learned(data, fitted):
    regions, logits, importance, g = data[0]
    h = torch.from_numpy(fitted.transform(regions))
    log_p = target_log_probabilities(torch.from_numpy(logits), "logits", 4.0, 20.0)
    keys = torch.nn.functional.normalize(region_vectors(torch.from_numpy(regions)), dim=2)
    w, g = torch.from_numpy(importance), torch.nn.functional.normalize(torch.from_numpy(g), dim=1)
    parts = projection_losses(h, w, g, log_p, best_matches(keys, keys)[1], KappaCurve(1000.0)) / len(h)
    np.testing.assert_allclose(parts, fitted.loss_curve_[-1], rtol=1e-3, atol=1e-5)


def test_scale_of_the_features_does_not_matter(data):
    regions, *rest = data[0]
    h = RegionProjection(max_iter=20, tol=1).fit(regions, *rest).transform(regions)
    again = RegionProjection(max_iter=20, tol=1).fit(1000 * regions, *rest).transform(1000 * regions)
    np.testing.assert_allclose(again, h, rtol=0.01, atol=0.01 * np.abs(h).max())


def test_frame_is_that_of_the_embedding(data):
    *rest, g = data[0]
    one = RegionProjection().fit(*rest, g)
    mirror = np.diag([1, -1, -1]).astype(np.float32)  # signs change no bit of what is computed
    mirrored = RegionProjection().fit(*rest, g @ mirror)
    np.testing.assert_array_equal(mirrored.components_, mirror @ one.components_)
    turn = ortho_group.rvs(3, random_state=0).astype(np.float32)  # rounding may, and where a descent stops with it
    other = RegionProjection().fit(*rest, g @ turn)
    np.testing.assert_allclose(other.loss_curve_[-1], one.loss_curve_[-1], atol=0.02)
    turned, h = other.transform(rest[0]), one.transform(rest[0]) @ turn
    assert np.median((turned * h).sum(2) / np.linalg.norm(turned, axis=2) / np.linalg.norm(h, axis=2)) > 0.98


def test_what_is_added_to_all_logits_of_an_image_says_nothing(data):
    regions, logits, *rest = data[0]
    logits = np.round(64 * logits) / 64
    moved = (logits + np.arange(60)[:, None] - 30).astype(np.float32)
    one, other = (RegionProjection(max_iter=20, tol=1).fit(regions, z, *rest) for z in (logits, moved))
    np.testing.assert_array_equal(one.components_, other.components_)


def test_warm_start_goes_on_from_where_another_fit_ended(data, fitted):
    cold = RegionProjection().fit(*data[0])
    warm = RegionProjection(random_state=3).fit(*data[0], init=fitted)
    assert warm.n_iter_ == 10 <= cold.n_iter_
    np.testing.assert_allclose(warm.loss_curve_[0], fitted.loss_curve_[-1], rtol=0.01, atol=1e-3)
    np.testing.assert_allclose(warm.components_, fitted.components_, atol=0.05 * np.abs(fitted.components_).max())


def test_matching_in_the_projection_fits_too(data):
    (regions, *_), mask = data
    projection = RegionProjection(match="projection").fit(*data[0])
    length = np.linalg.norm(projection.transform(regions), axis=2)
    assert total(projection.loss_curve_[-1]) < total(projection.loss_curve_[0])
    assert length[mask].mean() > 2 * length[~mask].mean()


def test_channel_weights_decide_the_matches(data):
    regions, logits, importance, g = data[0]
    n, k = regions.shape[:2]
    uniform = RegionProjection(max_iter=10, tol=1).fit(*data[0], np.full((n, k), 1 / k))
    np.testing.assert_array_equal(uniform.components_, RegionProjection(max_iter=10, tol=1).fit(*data[0]).components_)
    background = np.zeros((n, k))
    background[:, -1] = 1
    other = RegionProjection(max_iter=10, tol=1).fit(regions, logits, importance, g, background)
    assert other.loss_curve_[0, 0] != uniform.loss_curve_[0, 0]


def test_no_alignment_is_allowed(data):
    projection = RegionProjection(alpha=0, max_iter=20, tol=1).fit(*data[0])
    assert projection.loss_curve_[-1, 0] < projection.loss_curve_[0, 0]


def test_looks_at_no_more_images_than_asked(data):
    (regions, logits, importance, g), mask = data
    some = RegionProjection(max_images=30, partners=12)
    h = some.fit(regions, logits, importance, g).transform(regions)
    length = np.linalg.norm(h, axis=2)
    assert length[mask].mean() > 2 * length[~mask].mean()
    chosen = np.sort(np.random.default_rng(0).permutation(60)[:30])
    same = RegionProjection(partners=12).fit(*(array[chosen] for array in (regions, logits, importance, g)))
    np.testing.assert_array_equal(some.components_, same.components_)


def test_transform_is_the_linear_map_for_any_grid(data, fitted):
    regions = data[0][0]
    expected = np.einsum("dk,nkhw->nhwd", fitted.components_, regions).reshape(60, 16, 3)
    np.testing.assert_allclose(fitted.transform(regions), expected, atol=1e-5)
    assert fitted.transform(regions[:1, :, :3]).shape == (1, 12, 3)
    np.testing.assert_allclose(fitted.transform(regions.astype(np.float16)), expected, atol=0.02)


def test_arrays_come_back_as_they_were_given(data, fitted):
    before, state = [array.copy() for array in data[0]], torch.get_rng_state()
    again = RegionProjection(tol=1e-6).fit(*data[0])
    np.testing.assert_array_equal(again.components_, fitted.components_)
    tensors = RegionProjection(max_iter=10, tol=1).fit(*(torch.from_numpy(array) for array in data[0]))
    assert isinstance(tensors.components_, torch.Tensor)
    assert isinstance(tensors.transform(torch.from_numpy(data[0][0])), torch.Tensor)
    assert isinstance(tensors.transform(data[0][0]), np.ndarray)
    for now, then in zip(data[0], before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert torch.equal(torch.get_rng_state(), state)
    assert clone(again).get_params() == again.get_params()


def test_too_few_iterations_are_told(data):
    with pytest.warns(ConvergenceWarning, match=r"after 10 iterations.*raise max_iter"):
        RegionProjection(max_iter=10, tol=1e-9).fit(*data[0])


def test_a_start_of_any_length_is_no_worse_than_none(data, fitted):
    cold = RegionProjection().fit(*data[0])
    huge = RegionProjection()
    huge.components_ = 1e4 * fitted.components_[::-1].copy()  # and in a frame of its own
    warm = RegionProjection().fit(*data[0], init=huge)
    assert total(warm.loss_curve_[-1]) < total(cold.loss_curve_[-1]) + 0.02
    assert np.linalg.norm(warm.transform(data[0][0]), axis=2).mean() < 10


def test_weight_decay_holds_strengths_that_nothing_else_fixes(data):
    regions, logits, w, g = data[0]
    same = np.ones_like(g)  # all regions may point one way, and then any strength explains as much
    alike = np.repeat(logits[:1], len(logits), axis=0)
    fits = [RegionProjection(weight_decay=d).fit(regions, alike, w, same) for d in (0.0, 0.01, 0.1, 1.0)]
    strength = [np.linalg.norm(p.transform(regions), axis=2).mean() for p in fits]
    assert strength == sorted(strength, reverse=True)
    assert strength[-1] < 0.2 * strength[0]


def test_images_without_a_direction_are_left_unaligned(data, fitted):
    regions, logits, w, g = data[0]
    some = np.where(np.arange(len(g))[:, None] % 4, g, 0)
    h = RegionProjection().fit(regions, logits, w, some).transform(regions)
    assert np.isfinite(h).all()
    strong = np.linalg.norm(h, axis=2).argmax(axis=1)
    along = (h[np.arange(len(g)), strong] * g).sum(axis=1) / np.linalg.norm(h, axis=2).max(axis=1)
    assert np.median(along) > 0.8
    untrained = RegionProjection().fit(regions, logits, w, 0 * g)
    assert (untrained.components_ == 0).all() and np.isfinite(untrained.loss_curve_).all()


@pytest.mark.parametrize("regions, logits, message", bad_images())
def test_bad_images_are_refused(regions, logits, message):
    n = len(regions)
    with pytest.raises(ValueError, match=message):
        RegionProjection().fit(regions, logits, np.full((n, 16), 1 / 16), np.ones((n, 3)))


@pytest.mark.parametrize(
    "change, message",
    [
        ({2: lambda w: -w}, "importance.*negative"),
        ({2: lambda w: 2 * w}, "importance.*sum to 1.*2 to 2"),
        ({2: lambda w: w[:, :9]}, r"importance.*16 columns.*\(60, 9\)"),
        ({2: lambda w: w * np.nan}, "importance.*960 NaN"),
        ({2: lambda w: w[:5]}, r"regions and importance.* 60 and 5"),
        ({3: lambda g: g[:, :2]}, "2 coordinates.*n_components is 3"),
        ({3: lambda g: g[:5]}, "regions and embedding.* 60 and 5"),
        ({3: lambda g: np.where(np.arange(3) == 0, np.inf, g)}, "embedding.*60 NaN"),
    ],
)
def test_bad_arrays_are_refused(data, change, message):
    arrays = [change.get(i, lambda x: x)(array) for i, array in enumerate(data[0])]
    with pytest.raises(ValueError, match=message):
        RegionProjection().fit(*arrays)


@pytest.mark.parametrize(
    "weights, message", [(np.ones((60, 3)), "channel_weights.* 24 and 3"), (-np.ones((60, 24)), "negative")]
)
def test_bad_channel_weights_are_refused(data, weights, message):
    with pytest.raises(ValueError, match=message):
        RegionProjection().fit(*data[0], weights)


@pytest.mark.parametrize(
    "parameter, value, message",
    [
        ("weight_decay", -1.0, "weight_decay"),
        ("n_components", 1, "n_components.*got 1"),
        ("alpha", -1, "alpha must be"),
        ("kappa_align", 0, "kappa_align must be"),
        ("kappa_max", 0, "kappa_max must be"),
        ("match", "h", "match.*got 'h'"),
        ("target", "labels", "target must be one of"),
        ("temperature", -4.0, "temperature must be"),
        ("kappa_target", 0, "kappa_target must be"),
        ("partners", 2, "partners must be"),
        ("max_images", 2, "max_images must be"),
        ("max_iter", 0, "max_iter must be"),
        ("tol", 0, "tol must be"),
    ],
)
def test_bad_parameters_are_refused(data, parameter, value, message):
    with pytest.raises(ValueError, match=message):
        RegionProjection(**{parameter: value}).fit(*data[0])


def test_a_projection_that_does_not_fit_is_refused(data, fitted):
    regions, *rest = data[0]
    with pytest.raises(ValueError, match=r"init.* 24 .* 12"):
        RegionProjection().fit(regions[:, :12], *rest, init=fitted)
    with pytest.raises(NotFittedError):
        RegionProjection().fit(regions, *rest, init=RegionProjection())
    with pytest.raises(NotFittedError):
        RegionProjection().transform(regions)
    with pytest.raises(ValueError, match=r"12 channels.*24"):
        fitted.transform(regions[:, :12])


def test_inner_computation_runs_on_the_meta_device():
    vectors = torch.empty(5, 4, 8, device="meta")
    w, g, log_p = (torch.empty(shape, device="meta") for shape in ((5, 4), (5, 3), (5, 5)))
    unmix = torch.empty(8, 8, device="meta")
    components = least_squares(vectors, w, g, unmix).requires_grad_()
    for place in (torch.empty(5, 4, 5, dtype=torch.int16, device="meta"), None):
        parts = projection_losses(vectors @ components.T, w, g, log_p, place, KappaCurve(1000.0))
        components.grad = None
        parts.sum().backward()
        assert parts.is_meta and components.grad.is_meta and components.grad.shape == (3, 8)


def test_a_thousand_channels_of_which_most_are_silent():
    """In single precision the eigenvectors of their moments are not found."""
    rng = np.random.default_rng(0)
    features = torch.zeros(1280, 1280)
    features[:, ::40] = torch.from_numpy(rng.normal(size=(1280, 32))).float().relu()
    unmix = whitening_map(features)
    assert unmix.dtype == torch.float32 and unmix.isfinite().all()
    moments = (features @ unmix.T).square().mean(dim=0).sort(descending=True).values
    assert moments[:32].min() > 0.5 and moments[32:].max() < 1e-6
