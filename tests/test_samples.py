"""SampleProjection against the settled recipe, planted answers, brute force, and bad input."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, strategies
from scipy.linalg import orthogonal_procrustes
from scipy.stats import ortho_group
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from synthetic import features_and_logits

from nbhelpers.maths.axes import frame, principal_starts, whitening_map
from nbhelpers.maths.kappa import KappaCurve
from nbhelpers.maths.radial import Opinion, concentrate, estimate, label_loss, log_posterior
from nbhelpers.method.samples import SampleProjection, fit_along
from nbhelpers.probes.metrics import label_entropy, strength_entropy_pearson


@pytest.fixture(scope="module")
def data():
    features, logits, _ = features_and_logits()
    return features, logits


@pytest.fixture(scope="module")
def fitted(data):
    return SampleProjection().fit(*data)


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def settled_recipe(features, logits, mixture, seed, steps=2000):
    """The authors' optimiser: plain SGD, and no gradient through kappa or through the mixture. Mean KL in nats."""
    x = torch.as_tensor(features, dtype=torch.float32) / 40
    log_p = torch.log_softmax(torch.as_tensor(logits, dtype=torch.float32) / 4, dim=1)
    curve, log_q = KappaCurve(10.0), log_p
    generator = torch.Generator().manual_seed(seed)
    m = (0.1 * torch.randn(3, x.shape[1], generator=generator)).requires_grad_()
    optimizer = torch.optim.SGD([m], lr=1e-3, momentum=0.9, weight_decay=5e-4)
    best = np.inf
    for _ in range(steps):
        g = x @ m.T
        strength = g.norm(dim=1, keepdim=True)
        kappa = curve(strength.detach())
        pull = kappa * g / strength
        with torch.no_grad():
            mixture_now = estimate(pull, log_p if mixture == "teacher" else log_q)
        log_q_now = log_posterior(pull, *mixture_now)
        log_q = log_q_now.detach()
        divergences = (log_p.exp() * (log_p - log_q_now)).sum()
        best = min(best, divergences.item() / len(x))  # a help to the recipe: it does not always end at its lowest
        optimizer.zero_grad()
        divergences.backward()
        optimizer.step()
    return best


@pytest.mark.parametrize("categories, d, seed", [(10, 64, 0), (10, 256, 1), (3, 64, 2), (20, 128, 3)])
def test_reaches_a_lower_divergence_than_the_settled_recipe(categories, d, seed):
    features, logits, _ = features_and_logits(d=d, categories=categories, seed=seed)
    projection = SampleProjection().fit(features, logits)
    assert projection.loss_ <= settled_recipe(features, logits, "teacher", seed)
    assert projection.n_iter_ <= 200


def test_posterior_mixture_reaches_a_lower_divergence_than_the_settled_recipe(data):
    projection = SampleProjection(mixture="posterior").fit(*data)
    assert projection.loss_ <= settled_recipe(*data, "posterior", seed=0)


def tetrahedral(k=25, seed=0):
    """Points closed under the rotations of a tetrahedron, its four corners, and Q with those as directions."""
    rng = np.random.default_rng(seed)
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
    cyclic = [np.roll(np.eye(3), i, axis=0) for i in range(3)]
    flips = [np.diag(s) for s in itertools.product([1, -1], repeat=3) if np.prod(s) > 0]
    points = rng.normal(scale=2.0, size=(k, 3))
    g = np.concatenate([points @ c @ f for c in cyclic for f in flips])
    strength = np.linalg.norm(g, axis=1, keepdims=True)
    return g, corners, KappaCurve(10.0)(strength) * (g / strength) @ corners.T


@pytest.mark.parametrize("mixture", ["teacher", "posterior"])
def test_planted_projection_is_recovered(mixture):
    """By symmetry the corners are the mixture's fixed point, so that the divergence can vanish: a known answer."""
    g, corners, scores = tetrahedral()
    features = g @ np.random.default_rng(1).normal(size=(3, 12)) * 7
    exact = SampleProjection(mixture=mixture, weight_decay=1e-9, tol=1e-9).fit(features, 4 * scores)
    assert exact.loss_ < 1e-12
    found = exact.transform(features)
    turn, _ = orthogonal_procrustes(found, g)
    np.testing.assert_allclose(found @ turn, g, atol=1e-5)
    np.testing.assert_allclose(exact.directions_ @ turn, corners, atol=1e-5)
    np.testing.assert_allclose(exact.weights_, 0.25, atol=1e-6)


def test_default_weight_decay_costs_little():
    features, logits, _ = features_and_logits(n=400, seed=4)
    free = SampleProjection(weight_decay=1e-8).fit(features, logits)
    default = SampleProjection().fit(features, logits)
    assert free.loss_ <= default.loss_ <= 1.15 * free.loss_
    longest = [np.linalg.norm(p.transform(features), axis=1).max() for p in (free, default)]
    assert longest[1] < longest[0]


def test_loss_curve_falls_and_ends_at_the_loss(fitted):
    assert fitted.loss_curve_[-1] == fitted.loss_
    assert all(b <= a + 1e-4 for a, b in itertools.pairwise(fitted.loss_curve_))
    assert len(fitted.loss_curve_) == 1 + fitted.n_iter_ // 10


def test_no_small_step_lowers_the_penalised_loss(data):
    """A minimum of the documented objective, written out anew here."""
    features, logits = data
    p = softmax(logits / 4)
    curve = KappaCurve(10.0)
    unit = np.sqrt(np.square(features).sum(1).mean())

    def penalised(m):
        g = features @ m.T
        strength = np.linalg.norm(g, axis=1, keepdims=True)
        pull = curve(strength) * g / strength
        mu = p.T @ pull
        mu /= np.linalg.norm(mu, axis=1, keepdims=True)
        q = softmax(np.log(p.mean(0)) + pull @ mu.T)
        kl = (p * np.log(p / q)).sum(1).mean()
        return kl + SampleProjection().weight_decay / 2 * (
            np.square(strength).mean() + 1e-3 * unit**2 * np.square(m).sum()
        )

    projection = SampleProjection(tol=1e-10).fit(features, logits)
    best = penalised(projection.components_)
    rng = np.random.default_rng(0)
    for _ in range(50):
        step = rng.normal(size=projection.components_.shape)
        step *= 1e-2 * np.linalg.norm(projection.components_) / np.linalg.norm(step)
        assert penalised(projection.components_ + step) > best


def test_default_tolerance_is_close_to_converged(data, fitted):
    long = SampleProjection(tol=1e-10, max_iter=2000).fit(*data)
    assert fitted.loss_ == pytest.approx(long.loss_, rel=5e-3)


def test_mixture_is_the_maximum_likelihood_of_the_embedding(data, fitted):
    features, logits = data
    p, g = softmax(logits / 4), fitted.transform(features)
    strength = np.linalg.norm(g, axis=1, keepdims=True)
    resultant = p.T @ (KappaCurve(10.0)(strength) * g / strength)
    np.testing.assert_allclose(fitted.weights_, p.mean(0), atol=1e-12)
    np.testing.assert_allclose(fitted.directions_, resultant / np.linalg.norm(resultant, axis=1)[:, None], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(fitted.directions_, axis=1), 1, atol=1e-12)


def test_posterior_mixture_is_self_consistent(data):
    features, logits = data
    fitted = SampleProjection(mixture="posterior").fit(features, logits)
    q, g = fitted.predict_proba(features), fitted.transform(features)
    strength = np.linalg.norm(g, axis=1, keepdims=True)
    resultant = q.T @ (KappaCurve(10.0)(strength) * g / strength)
    np.testing.assert_allclose(fitted.weights_, q.mean(0), atol=0.01)
    cosines = (fitted.directions_ * resultant).sum(1) / np.linalg.norm(resultant, axis=1)
    np.testing.assert_allclose(cosines, 1, atol=0.01)


def test_probabilities_are_equation_6_and_loss_is_their_divergence(data, fitted):
    features, logits = data
    curve, q = KappaCurve(10.0), fitted.predict_proba(features)
    for i in (0, 17, 199):
        g = fitted.components_ @ features[i]
        kappa = curve(float(np.linalg.norm(g)))
        mixture = zip(fitted.weights_, fitted.directions_, strict=True)
        terms = [w * np.exp(kappa * (g @ mu) / np.linalg.norm(g)) for w, mu in mixture]
        np.testing.assert_allclose(q[i], np.array(terms) / sum(terms), rtol=1e-9)
    p = softmax(logits / 4)
    assert fitted.loss_ == pytest.approx((p * np.log(p / q)).sum(1).mean(), rel=1e-9)


@given(scale=strategies.floats(-300, 300).filter(lambda scale: scale == 0 or abs(scale) > 1e-30))
def test_probabilities_sum_to_one_at_any_strength(data, fitted, scale):
    q = fitted.predict_proba(scale * data[0][:5])
    np.testing.assert_allclose(q.sum(1), 1, atol=1e-12)
    assert (q >= 0).all()


def test_no_strength_means_the_weights_alone(data, fitted):
    np.testing.assert_allclose(fitted.predict_proba(0 * data[0][:1])[0], fitted.weights_, atol=1e-9)


@pytest.mark.parametrize("em_steps", [0, 3])
def test_gradient_is_that_of_finite_differences(em_steps):
    generator = torch.Generator().manual_seed(0)
    g = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    g[0] *= 1e-3
    log_p = torch.log_softmax(torch.randn(7, 4, generator=generator, dtype=torch.float64), 1)
    loss = lambda e: label_loss(e, Opinion(log_p), KappaCurve(10.0), em_steps).divergence  # noqa: E731
    torch.autograd.gradcheck(loss, g.requires_grad_(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_units_of_the_features_do_not_matter(data, fitted, factor):
    other = SampleProjection().fit(factor * data[0], data[1])
    np.testing.assert_allclose(other.transform(factor * data[0]), fitted.transform(data[0]), atol=1e-3)
    assert other.loss_ == pytest.approx(fitted.loss_, rel=1e-5)


def test_order_of_images_basis_of_features_and_shift_of_logits_do_not_matter(data, fitted):
    features, logits = data
    order = np.random.default_rng(0).permutation(len(features))
    turned = features[order] @ ortho_group.rvs(features.shape[1], random_state=0)
    other = SampleProjection().fit(turned, logits[order] + 5.0)
    assert other.loss_ == pytest.approx(fitted.loss_, rel=1e-3)
    np.testing.assert_allclose(other.transform(turned), fitted.transform(features)[order], atol=0.05)


def test_more_features_than_images():
    features, logits, _ = features_and_logits(n=40, d=300)
    wide = SampleProjection().fit(features, logits)
    assert wide.components_.shape == (3, 300)
    padded = SampleProjection().fit(np.pad(features, ((0, 0), (0, 700))), logits)
    assert padded.loss_ == pytest.approx(wide.loss_, rel=1e-4)


def test_both_whitenings_agree():
    features = torch.as_tensor(features_and_logits(n=50, d=50)[0])
    square, wide = (whitening_map(f) for f in (features, torch.nn.functional.pad(features, (0, 1))))
    x, y = features @ square.T, torch.nn.functional.pad(features, (0, 1)) @ wide.T
    torch.testing.assert_close(x @ x.T, y @ y.T, rtol=1e-6, atol=1e-6)
    share = torch.linalg.eigvalsh(x.T @ x / 50)
    assert 0.9 < share.max() < 1  # s / (s + ridge)


@pytest.mark.parametrize("categories, n_components", [(2, 3), (2, 2), (3, 3), (4, 5), (10, 2)])
def test_any_number_of_categories_and_dimensions(categories, n_components):
    features, logits, _ = features_and_logits(n=80, d=20, categories=categories)
    fitted = SampleProjection(n_components).fit(features, logits)
    assert fitted.directions_.shape == (categories, n_components)
    uniform = (softmax(logits / 4) * np.log(softmax(logits / 4) / softmax(logits / 4).mean(0))).sum(1).mean()
    assert fitted.loss_ < 0.5 * uniform


def test_strength_tells_entropy_better_than_raw_features_and_pca_do(data, fitted):
    features, logits = data
    ours, raw, pca = (
        strength_entropy_pearson(e, logits)
        for e in (fitted.transform(features), features, PCA(3).fit_transform(features))
    )
    assert ours < raw - 0.02 and ours < pca - 0.2


def test_new_images_are_placed_sensibly():
    features, logits, _ = features_and_logits(n=600)
    fitted = SampleProjection().fit(features[:400], logits[:400])
    q, p = fitted.predict_proba(features[400:]), softmax(logits[400:] / 4)
    assert (p * np.log(p / q)).sum(1).mean() < 1.5 * fitted.loss_
    assert strength_entropy_pearson(fitted.transform(features[400:]), logits[400:]) < -0.85


def test_untrained_network_stays_at_the_centre():
    rng = np.random.default_rng(0)
    features = rng.gamma(2.0, size=64) + 0.01 * rng.normal(size=(200, 64))
    fitted = SampleProjection().fit(features, 0.1 * features @ rng.normal(size=(64, 10)))
    assert np.linalg.norm(fitted.transform(features), axis=1).max() < 0.1


def test_certain_labels_and_an_absent_category_stay_finite():
    features, logits, _ = features_and_logits(n=100)
    logits[:, 3] = -1e4
    fitted = SampleProjection().fit(features, 50 * logits)
    for array in (fitted.components_, fitted.directions_, fitted.weights_, fitted.predict_proba(1e6 * features)):
        assert np.isfinite(array).all()
    np.testing.assert_allclose(np.linalg.norm(fitted.directions_, axis=1), 1, atol=1e-9)


def test_equal_states_give_equal_bits_and_others_the_same_picture(data, fitted):
    again, other = SampleProjection().fit(*data), SampleProjection(random_state=7).fit(*data)
    np.testing.assert_array_equal(again.components_, fitted.components_)
    np.testing.assert_array_equal(again.directions_, fitted.directions_)
    np.testing.assert_allclose(other.transform(data[0]), fitted.transform(data[0]), atol=0.05)


def test_the_lowest_of_several_valleys_is_kept(data):
    features, logits = map(torch.from_numpy, data)
    projection, log_p = SampleProjection(weight_decay=0.03), torch.log_softmax(logits / 4, dim=1)
    fitted = clone(projection).fit(*data)
    x = features @ whitening_map(features).T
    ends = [projection._minimise(start.T @ x / len(x), x, log_p) for start in projection._starts(log_p)]
    lowest = min(float(projection._penalised(end.looks[-1].divergence, end.point)) for end in ends)
    first = float(projection._penalised(ends[0].looks[-1].divergence, ends[0].point))
    assert lowest < first - 5e-5, "from the first start alone another valley is found"
    length = (fitted.components_ @ np.linalg.pinv(whitening_map(features).numpy())) ** 2
    assert fitted.loss_ + projection.weight_decay / 2 * length.sum() == pytest.approx(lowest, abs=1e-6)


def test_frame_follows_the_first_categories(fitted):
    first, second, third = fitted.directions_[:3]
    np.testing.assert_allclose(first, [1, 0, 0], atol=1e-9)
    assert second[2] == pytest.approx(0, abs=1e-9) and second[1] > 0 and third[2] > 0


def test_frame_of_opposite_directions_is_complete():
    axes = frame(torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]], dtype=torch.float64))
    torch.testing.assert_close(axes @ axes.T, torch.eye(3, dtype=torch.float64))
    assert axes[0].tolist() == [0, 1, 0]


def test_random_numbers_of_the_caller_are_left_alone(data):
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    SampleProjection(tol=1e-2).fit(*data)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_stay_arrays_of_their_type_and_are_untouched(data, dtype):
    features, logits = (a.astype(dtype) for a in data)
    copies = features.copy(), logits.copy()
    fitted = SampleProjection().fit(features, logits)
    results = fitted.transform(features), fitted.predict_proba(features)
    for array in (*results, fitted.components_, fitted.directions_, fitted.weights_):
        assert isinstance(array, np.ndarray) and array.dtype == dtype
    np.testing.assert_array_equal(features, copies[0])
    np.testing.assert_array_equal(logits, copies[1])


def test_tensors_stay_tensors_and_agree_with_arrays(data, fitted):
    features, logits = map(torch.as_tensor, data)
    copy = features.clone()
    other = SampleProjection().fit(features.requires_grad_(), logits)
    g = other.transform(features)
    assert isinstance(g, torch.Tensor) and isinstance(other.components_, torch.Tensor) and not g.requires_grad
    assert torch.equal(features, copy)
    np.testing.assert_array_equal(g.numpy(), fitted.transform(data[0]))
    np.testing.assert_array_equal(other.predict_proba(features).numpy(), fitted.predict_proba(data[0]))
    np.testing.assert_array_equal(fitted.transform(features.detach()).numpy(), g.numpy())


def test_inner_computation_runs_on_the_meta_device():
    """A tensor made on the wrong device would raise here."""
    features, log_p = torch.empty(30, 8, device="meta"), torch.empty(30, 5, device="meta")
    x = features @ whitening_map(features).T
    weights = (principal_starts(log_p, 3)[0].T @ x / 30).requires_grad_()
    for em_steps in (0, 2):
        loss = label_loss(x @ weights.T, Opinion(log_p), KappaCurve(10.0), em_steps)
        loss.divergence.backward()
        assert weights.grad.is_meta and loss.directions.shape == (5, 3)
    assert whitening_map(features.T).shape == (8, 30)
    assert log_posterior(concentrate(x @ weights.T, KappaCurve(10.0)), loss.log_weights, loss.directions).is_meta


def test_constructor_only_stores_and_clones(fitted):
    settings = {"n_components": 4, "temperature": 1.0, "mixture": "posterior", "weight_decay": 0.1}
    assert clone(SampleProjection(**settings)).get_params() == SampleProjection(**settings).get_params()
    SampleProjection(temperature=-1, mixture="nonsense")  # refused by fit, not here
    assert not hasattr(clone(fitted), "components_")


@pytest.mark.parametrize("reflect", [1, -1])
def test_align_undoes_any_orthogonal_turn_and_changes_nothing_else(data, reflect):
    features, logits = data
    fitted = SampleProjection(max_iter=40, tol=1e-3).fit(features, logits)
    before, q = fitted.transform(features), fitted.predict_proba(features)
    turn = ortho_group.rvs(3, random_state=1)
    turn[0] *= np.sign(np.linalg.det(turn)) * reflect
    assert fitted.align(features, before @ turn) is fitted
    np.testing.assert_allclose(fitted.transform(features), before @ turn, atol=1e-9)
    np.testing.assert_allclose(fitted.predict_proba(features), q, atol=1e-9)


def along_training(steps=4):
    """A network whose evidence grows out of features that all images share."""
    features, logits, _ = features_and_logits(n=150, d=32, seed=5)
    shared = features.mean(0)
    return [(shared + t * (features - shared), t * logits) for t in np.linspace(0.01, 1, steps)]


def test_checkpoints_share_the_last_one_s_frame():
    checkpoints = along_training()
    fitted = fit_along(checkpoints)
    last = SampleProjection().fit(*checkpoints[-1])
    np.testing.assert_array_equal(fitted[-1].components_, last.components_)
    clouds = [p.transform(f) for p, (f, _) in zip(fitted, checkpoints, strict=True)]
    lengths = [np.linalg.norm(g, axis=1).mean() for g in clouds]
    assert lengths[0] < 0.05 and lengths == sorted(lengths)
    for a, b in itertools.pairwise(clouds[1:]):
        turn, _ = orthogonal_procrustes(a, b)
        np.testing.assert_allclose(turn, np.eye(3), atol=1e-6)  # no turn brings them closer
        assert np.linalg.norm(a - b) < 0.7 * np.linalg.norm(b)


def test_start_from_a_fitted_projection_keeps_its_axes_and_is_short(data, fitted):
    again = SampleProjection().fit(*data, init=fitted)
    assert again.n_iter_ <= fitted.n_iter_
    np.testing.assert_allclose(again.transform(data[0]), fitted.transform(data[0]), atol=0.1)


def test_fit_along_refuses_none_and_strangers(data):
    with pytest.raises(ValueError, match=r"no checkpoint"):
        fit_along([])
    with pytest.raises(ValueError, match=r"\(200, 64\).*\(199, 64\)"):
        fit_along([data, (data[0][1:], data[1][1:])])


def test_stopping_early_warns_what_to_try(data):
    with pytest.warns(ConvergenceWarning, match=r"max_iter=5.*raise max_iter"):
        fitted = SampleProjection(max_iter=5).fit(*data)
    assert fitted.n_iter_ == 5


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"n_components": 1}, "n_components.*at least 2, got 1"),
        ({"n_components": 2.5}, "n_components.*at least 2, got 2.5"),
        ({"n_components": 300}, "200 images.*n_components=300"),
        ({"n_components": 100}, "64 features.*n_components=100"),
        ({"max_iter": 0}, "max_iter.*at least 1, got 0"),
        ({"temperature": 0.0}, "temperature.*above 0, got 0.0"),
        ({"temperature": np.nan}, "temperature.*above 0, got nan"),
        ({"kappa_max": -1}, "kappa_max.*got -1"),
        ({"weight_decay": 0}, "weight_decay.*got 0"),
        ({"tol": -1e-3}, "tol.*got -0.001"),
        ({"mixture": "soft"}, "mixture.*'posterior', got 'soft'"),
    ],
)
def test_bad_settings_are_refused(data, settings, message):
    with pytest.raises(ValueError, match=message):
        SampleProjection(**settings).fit(*data)


def broken(array, value):
    copy = array.copy()
    copy[3, 1] = value
    return copy


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda f, z: (broken(f, np.nan), z), "features.*NaN.*12800"),
        (lambda f, z: (f, broken(z, np.inf)), "logits.*infinite.*2000"),
        (lambda f, z: (f[0], z), r"features.*2 axes.*\(64,\)"),
        (lambda f, z: (f, z[:, 0]), r"logits.*2 axes.*\(200,\)"),
        (lambda f, z: (f, z[1:]), "features and logits.* 200 and 199"),
        (lambda f, z: (f, z[:, :1]), r"2 categories.*\(200, 1\)"),
        (lambda f, z: (f[:2], z[:2]), "2 images.*n_components=3"),
        (lambda f, z: (f[:0], z[:0]), r"features.*empty.*\(0, 64\)"),
        (lambda f, z: (0 * f, z), "features are zero"),
        (lambda f, z: (f.astype(str), z), "features.*numbers"),
    ],
)
def test_bad_arrays_are_refused(data, change, message):
    with pytest.raises(ValueError, match=message):
        SampleProjection().fit(*change(*data))


def test_use_before_fit_and_on_other_features_is_refused(data, fitted):
    for method in (SampleProjection().transform, SampleProjection().predict_proba):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            method(data[0])
    assert issubclass(NotFittedError, ValueError)
    with pytest.raises(ValueError, match=r"63 columns.*64"):
        fitted.transform(data[0][:, 1:])
    with pytest.raises(ValueError, match=r"features.*NaN"):
        fitted.predict_proba(broken(data[0], np.nan))
    with pytest.raises(ValueError, match=r"features and embedding.* 200 and 199"):
        fitted.align(data[0], np.zeros((199, 3)))


def test_unfit_starts_are_refused(data, fitted):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        SampleProjection().fit(*data, init=SampleProjection())
    with pytest.raises(ValueError, match=r"init.*\(3, 64\).*\(2, 64\)"):
        SampleProjection(2).fit(*data, init=fitted)


def test_entropy_runs_from_none_to_log_of_the_categories():
    logits = np.array([[0.0] * 5, [400.0, 0, 0, 0, 0], [np.log(3), 0, -1e3, -1e3, -1e3]])
    expected = [np.log(5), 0, -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))]
    np.testing.assert_allclose(label_entropy(logits, temperature=1.0), expected, atol=1e-12)
    np.testing.assert_allclose(label_entropy(4 * logits, temperature=4.0), expected, atol=1e-12)
    assert label_entropy(torch.as_tensor(logits)).dtype == torch.float64


def test_pearson_agrees_with_numpy_and_refuses_constants(data, fitted):
    features, logits = data
    p = softmax(logits)
    g = fitted.transform(features)
    expected = np.corrcoef(np.linalg.norm(g, axis=1), -(p * np.log(p)).sum(1))[0, 1]
    assert strength_entropy_pearson(g, logits, temperature=1.0) == pytest.approx(expected, abs=1e-12)
    with pytest.raises(ValueError, match="200 strengths are 1"):
        strength_entropy_pearson(np.ones((200, 1)), logits)
    with pytest.raises(ValueError, match=r"all 200 entropies are 2\.3"):
        strength_entropy_pearson(g, np.zeros((200, 10)))
    with pytest.raises(ValueError, match=r"200.* 199"):
        strength_entropy_pearson(g, logits[1:])
    with pytest.raises(ValueError, match="2 images, got 1"):
        strength_entropy_pearson(g[:1], logits[:1])
    with pytest.raises(ValueError, match=r"temperature.*above 0, got 0"):
        strength_entropy_pearson(g, logits, temperature=0)
