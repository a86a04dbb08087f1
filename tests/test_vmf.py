"""von Mises-Fisher densities against mpmath (any dimension), SciPy (up to 64) and quadrature."""

from functools import cache

import mpmath
import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from nbhelpers.maths.vmf import (
    inverse_mean_resultant_length,
    log_density,
    log_normalizer,
    mean_resultant_length,
    sample,
)

DIMS = (2, 3, 4, 5, 7, 18, 19, 41, 42, 43, 64, 100, 128, 513, 1024, 2048)  # 42 needs no recurrence, 41 one step
KAPPAS = np.logspace(-6, 6, 25)

dims = st.integers(2, 2048)
kappas = st.floats(1e-6, 1e6)


@cache
def exact(kappa, dim):
    """log C_d, A_d and A_d' to 60 digits."""
    with mpmath.workdps(60):
        k, order = mpmath.mpf(kappa), mpmath.mpf(dim) / 2 - 1
        bessel = mpmath.besseli(order, k)
        log_c = order * mpmath.log(k) - (order + 1) * mpmath.log(2 * mpmath.pi) - mpmath.log(bessel)
        a = mpmath.besseli(order + 1, k) / bessel
        return log_c, a, 1 - a**2 - (dim - 1) * a / k


def relative_error(found, true):
    with mpmath.workdps(60):
        return abs(float((mpmath.mpf(float(found)) - true) / true))


def absolute_error(found, true):
    with mpmath.workdps(60):
        return abs(float(mpmath.mpf(float(found)) - true))


# ------------------------------------------------------------------------------------------------------ normaliser


@pytest.mark.parametrize("dim", DIMS)
def test_log_normalizer_agrees_with_mpmath(dim):
    # From d = 19 on log C_d is positive at kappa = 0 and crosses zero once. No float64 method is accurate relatively at
    # the crossing (the log area alone is rounded): within |log C| < 0.01 the bound is absolute, 1e-12.
    for kappa, found in zip(KAPPAS, log_normalizer(KAPPAS, dim), strict=True):
        true = exact(kappa, dim)[0]
        assert absolute_error(found, true) <= 1e-10 * max(abs(float(true)), 0.01), kappa


@pytest.mark.parametrize("dim", [19, 43, 100, 513, 2048])
def test_log_normalizer_is_accurate_where_it_crosses_zero(dim):
    crossing = scipy.optimize.brentq(lambda k: log_normalizer(k, dim), 1e-3, 1e5)
    for kappa in crossing * (1 + np.array([-1e-2, -1e-4, -1e-8, 0, 1e-8, 1e-4, 1e-2])):
        assert absolute_error(log_normalizer(kappa, dim), exact(kappa, dim)[0]) <= 1e-11


def test_log_normalizer_closed_form_on_the_sphere():
    k = np.logspace(-3, 6, 200)
    expected = np.log(k) - np.log(2 * np.pi) - k - np.log1p(-np.exp(-2 * k))
    np.testing.assert_allclose(log_normalizer(k, 3), expected, rtol=1e-12)


def test_uniform_density_is_one_over_the_area():
    areas = {2: 2 * np.pi, 3: 4 * np.pi, 4: 2 * np.pi**2}
    for dim, area in areas.items():
        assert log_normalizer(0.0, dim) == pytest.approx(-np.log(area), rel=1e-15)


# ------------------------------------------------------------------------- mean resultant length and its derivative


@pytest.mark.parametrize("dim", DIMS)
def test_mean_resultant_length_and_slope_agree_with_mpmath(dim):
    kappa = torch.tensor(KAPPAS, requires_grad=True)
    length = mean_resultant_length(kappa, dim)
    (slope,) = torch.autograd.grad(length.sum(), kappa)
    for k, a, da in zip(KAPPAS, length.detach(), slope, strict=True):
        _, true_a, true_slope = exact(k, dim)
        assert relative_error(a, true_a) <= 1e-13, k
        assert relative_error(da, true_slope) <= 1e-11, k  # 1 - A^2 - (d-1)A/kappa itself would lose all digits at 1e6


@pytest.mark.parametrize("dim", DIMS)
def test_gradient_of_log_normalizer_is_minus_the_mean_resultant_length(dim):
    kappa = torch.tensor(KAPPAS, requires_grad=True)
    (slope,) = torch.autograd.grad(log_normalizer(kappa, dim).sum(), kappa, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), kappa)
    for k, first, second in zip(KAPPAS, slope.detach(), curvature, strict=True):
        assert relative_error(first, -exact(k, dim)[1]) <= 1e-13, k
        assert relative_error(second, -exact(k, dim)[2]) <= 1e-11, k


@pytest.mark.parametrize("dim", [2, 3, 10, 512])
def test_autograd_agrees_with_finite_differences(dim):
    kappa = torch.tensor([0.3, 0.49, 0.51, 2.0, 11.0, 80.0], dtype=torch.float64, requires_grad=True)
    length = mean_resultant_length(kappa.detach(), dim).requires_grad_()
    assert torch.autograd.gradcheck(lambda k: log_normalizer(k, dim), kappa)
    assert torch.autograd.gradgradcheck(lambda k: log_normalizer(k, dim), kappa)
    assert torch.autograd.gradcheck(lambda k: mean_resultant_length(k, dim), kappa)
    # kappa(r) is steep: the step must be small beside 1 - r
    assert torch.autograd.gradcheck(lambda r: inverse_mean_resultant_length(r, dim), length, eps=1e-8, rtol=1e-4)


def test_a_third_derivative_is_refused_in_words():
    kappa = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(mean_resultant_length(kappa, 3), kappa, create_graph=True)
    with pytest.raises(NotImplementedError, match="second derivative"):
        slope.backward()


@given(kappas, dims)
def test_mean_resultant_length_lies_in_zero_one_and_rises(kappa, dim):
    lower, upper = mean_resultant_length(np.array([kappa, kappa * (1 + 1e-4)]), dim)
    assert 0 < lower < upper < 1


def test_mean_resultant_length_is_zero_for_the_uniform_distribution():
    assert [mean_resultant_length(0.0, dim) for dim in (2, 3, 4, 512)] == [0, 0, 0, 0]


# --------------------------------------------------------------------------------------------------------- inverse


@pytest.mark.parametrize("dim", DIMS)
def test_inverse_recovers_kappa_from_exact_lengths(dim):
    for kappa in np.logspace(-9, 6, 31):
        length = float(exact(kappa, dim)[1])
        assert inverse_mean_resultant_length(length, dim) == pytest.approx(kappa, rel=1e-8), kappa


@given(kappas, dims)
def test_inverse_undoes_the_mean_resultant_length(kappa, dim):
    assert inverse_mean_resultant_length(mean_resultant_length(kappa, dim), dim) == pytest.approx(kappa, rel=1e-6)


@given(st.floats(0, 1 - 1e-9), dims)
def test_mean_resultant_length_undoes_the_inverse(length, dim):
    kappa = inverse_mean_resultant_length(length, dim)
    assert mean_resultant_length(kappa, dim) == pytest.approx(length, rel=1e-12, abs=1e-300)


def test_inverse_at_the_largest_length_below_one():
    length = np.nextafter(1.0, 0.0)  # 1 - A is (d - 1) / (2 kappa) there
    assert inverse_mean_resultant_length(length, 3) == pytest.approx(1 / (1 - length), rel=0.5)


# --------------------------------------------------------------------------------------------------------- density


@pytest.mark.parametrize("dim", [2, 3, 10, 64])
@pytest.mark.parametrize("kappa", [0.1, 5.0, 120.0])
def test_log_density_agrees_with_scipy(dim, kappa):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, dim))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    expected = scipy.stats.vonmises_fisher(x[0], kappa).logpdf(x)
    np.testing.assert_allclose(log_density(x, x[:1], kappa)[:, 0], expected, rtol=1e-10, atol=1e-10)


@given(st.floats(0, 100), st.integers(0, 1000))
def test_density_integrates_to_one_over_the_sphere(kappa, seed):
    heights, weights = np.polynomial.legendre.leggauss(120)
    angles = np.arange(160) * 2 * np.pi / 160
    radius = np.sqrt(1 - heights**2)
    x = np.stack(
        [np.outer(radius, np.cos(angles)), np.outer(radius, np.sin(angles)), np.outer(heights, np.ones(160))], axis=-1
    ).reshape(-1, 3)
    mu = random_directions(1, 3, seed)
    density = np.exp(log_density(x, mu, kappa)).reshape(120, 160)
    assert float(weights @ density.mean(axis=1) * 2 * np.pi) == pytest.approx(1, abs=1e-10)


@given(st.integers(2, 60), st.integers(0, 1000))
def test_rotating_everything_leaves_the_density_alone(dim, seed):
    x, mu = random_directions(8, dim, seed), random_directions(3, dim, seed + 1)
    rotation = np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))[0]
    kappa = np.array([0.0, 3.0, 40.0])
    np.testing.assert_allclose(log_density(x @ rotation, mu @ rotation, kappa), log_density(x, mu, kappa), atol=1e-10)


def test_log_density_broadcasts_kappa_per_direction_vector_and_pair():
    x, mu = random_directions(4, 3, 0), random_directions(2, 3, 1)
    pairs = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])
    full = log_density(x, mu, pairs)
    for n in range(4):
        np.testing.assert_allclose(log_density(x[n : n + 1], mu, pairs[n])[0], full[n])
        for k in range(2):
            np.testing.assert_allclose(log_density(x, mu, pairs[:, k : k + 1])[n, k], full[n, k])


def test_nothing_overflows_in_float32_at_kappa_1000():
    x, mu = torch.tensor(random_directions(200, 3, 0)).float(), torch.tensor(random_directions(10, 3, 1)).float()
    kappa = torch.full((200, 1), 1000.0, requires_grad=True)
    logs = log_density(x, mu, kappa)
    posterior = logs.softmax(dim=1)
    posterior[:, 0].sum().backward()
    assert logs.dtype == torch.float32 and bool(torch.isfinite(logs).all())
    assert torch.allclose(posterior.sum(1), torch.ones(200))
    assert bool(torch.isfinite(kappa.grad).all())


def test_gradient_reaches_vectors_directions_and_kappa():
    x = torch.tensor(random_directions(3, 4, 0), requires_grad=True)
    mu = torch.tensor(random_directions(2, 4, 1), requires_grad=True)
    kappa = torch.tensor([2.0, 5.0], dtype=torch.float64, requires_grad=True)
    log_density(x, mu, kappa).sum().backward()
    torch.testing.assert_close(x.grad, (kappa[:, None] * mu).sum(0).expand(3, 4).detach())
    torch.testing.assert_close(mu.grad, (kappa[:, None] * x.sum(0)).detach())
    torch.testing.assert_close(kappa.grad, ((x @ mu.T).sum(0) - 3 * mean_resultant_length(kappa, 4)).detach())


# ------------------------------------------------------------------------------------------------- what comes back


@pytest.mark.parametrize("function", [log_normalizer, mean_resultant_length])
def test_result_has_the_kind_shape_and_type_of_the_input(function):
    assert type(function(2.0, 3)) is float and type(function(2, 3)) is float
    array = np.array([[0.5, 2.0]], dtype=np.float32)
    assert function(array, 3).dtype == np.float32 and function(array, 3).shape == (1, 2)
    assert function(np.array([1, 2]), 3).dtype == np.float64
    for dtype in (torch.float16, torch.float32, torch.float64):
        assert function(torch.tensor([1.0, 2.0], dtype=dtype), 3).dtype == dtype
    np.testing.assert_allclose(function(array, 3), function(array.astype(np.float64), 3), rtol=1e-6)
    np.testing.assert_array_equal(array, np.array([[0.5, 2.0]], dtype=np.float32))


@pytest.mark.parametrize("dim", [2, 3, 512])
def test_runs_on_the_meta_device(dim):
    kappa = torch.rand(5, device="meta", requires_grad=True)
    for function in (log_normalizer, mean_resultant_length, inverse_mean_resultant_length):
        result = function(kappa, dim)
        assert result.device.type == "meta" and result.shape == (5,)
        assert torch.autograd.grad(result.sum(), kappa)[0].device.type == "meta"
    vectors = torch.rand(5, dim, device="meta")
    assert log_density(vectors, vectors[:2], kappa[:2]).device.type == "meta"


# -------------------------------------------------------------------------------------------------------- sampling


@pytest.mark.parametrize("dim", [2, 3, 50, 2048])
@pytest.mark.parametrize("kappa", [0.0, 0.5, 10.0, 1000.0, 1e6])
def test_samples_have_the_right_mean_cosine_and_no_preferred_tangent(dim, kappa):
    n, mu = 4000, random_directions(1, dim, 3)[0]
    draws = sample(mu, kappa, n, random_state=1)
    np.testing.assert_allclose(np.linalg.norm(draws, axis=1), 1, atol=1e-12)
    # var(cos) = A'; each coordinate of the tangential part has variance E[1 - cos^2] / (d - 1) = A / kappa
    tensor = torch.tensor(kappa, dtype=torch.float64, requires_grad=True)
    a = mean_resultant_length(tensor, dim)
    variance = float(torch.autograd.grad(a, tensor)[0])
    cosine = draws @ mu
    assert abs(cosine.mean() - a.item()) <= 4 * np.sqrt(variance / n)
    assert cosine.var() == pytest.approx(variance, rel=0.15)
    across = random_directions(1, dim, 4)[0]
    across = across - (across @ mu) * mu
    across /= np.linalg.norm(across)
    spread = a.item() / kappa if kappa else 1 / dim
    assert abs((draws @ across).mean()) <= 4 * np.sqrt(spread / n)
    assert (draws @ across).var() == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize("dim", [2, 3, 50])
@pytest.mark.parametrize("kappa", [0.7, 20.0])
def test_samples_are_distributed_as_scipys(dim, kappa):
    mu = random_directions(1, dim, 5)[0]
    ours = sample(mu, kappa, 20_000, random_state=2)
    theirs = scipy.stats.vonmises_fisher(mu, kappa).rvs(20_000, random_state=np.random.default_rng(3))
    for axis in (mu, np.eye(dim)[0]):
        assert scipy.stats.ks_2samp(ours @ axis, theirs @ axis).pvalue > 0.01


def test_samples_follow_the_exact_distribution_on_the_sphere():
    kappa = 8.0
    cosine = sample(np.array([0.0, 1.0, 0.0]), kappa, 50_000, random_state=4)[:, 1]
    # the cosine's distribution function is (e^{kappa t} - e^{-kappa}) / (e^kappa - e^{-kappa})
    below = np.expm1(kappa * (cosine + 1)) / np.expm1(2 * kappa)
    assert scipy.stats.kstest(below, "uniform").pvalue > 0.01


def test_samples_repeat_for_a_seed_and_leave_global_state_and_arguments_alone():
    mu = np.array([0.6, 0.8])
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    first = sample(mu, 3.0, 50, random_state=7)
    np.testing.assert_array_equal(first, sample(mu, 3.0, 50, random_state=np.random.default_rng(7)))
    assert not np.array_equal(first, sample(mu, 3.0, 50, random_state=8))
    np.testing.assert_array_equal(before[0], np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(before[1], torch.get_rng_state())
    np.testing.assert_array_equal(mu, [0.6, 0.8])


def test_samples_come_as_tensor_for_a_tensor():
    draws = sample(torch.tensor([0.0, 1.0, 0.0]), 3.0, 5)
    assert isinstance(draws, torch.Tensor) and draws.dtype == torch.float32 and draws.shape == (5, 3)


# ------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("function", [log_normalizer, mean_resultant_length])
def test_bad_kappa_is_refused(function):
    with pytest.raises(ValueError, match=r"kappa.*-1 \.\.\. 2"):
        function(np.array([2.0, -1.0]), 3)
    with pytest.raises(ValueError, match=r"kappa.* 1 .*of 2"):
        function(np.array([2.0, np.nan]), 3)
    with pytest.raises(ValueError, match=r"kappa.*NaN"):
        function(torch.tensor([np.inf], requires_grad=True), 3)
    with pytest.raises(ValueError, match=r"kappa.*numbers"):
        function("much", 3)
    with pytest.raises(ValueError, match=r"kappa.*empty"):
        function(np.empty(0), 3)


@pytest.mark.parametrize("function", [log_normalizer, mean_resultant_length, inverse_mean_resultant_length])
@pytest.mark.parametrize("dim", [1, 0, -3, 2.5, True, "3"])
def test_bad_dimension_is_refused(function, dim):
    with pytest.raises(ValueError, match=f"at least 2, got {dim!r}"):
        function(0.5, dim)


@pytest.mark.parametrize("length", [-0.1, 1.0, 1.5])
def test_bad_resultant_length_is_refused(length):
    with pytest.raises(ValueError, match=rf"below 1, found {length:g}"):
        inverse_mean_resultant_length(length, 3)


def test_bad_vectors_are_refused_by_log_density():
    x = random_directions(3, 3, 0)
    with pytest.raises(ValueError, match=r"of x .*from 2 to 2"):
        log_density(2 * x, x, 1.0)
    with pytest.raises(ValueError, match=r"directions.*unit"):
        log_density(x, 0 * x, 1.0)
    with pytest.raises(ValueError, match=r"x and directions.* in d.* 3 and 2"):
        log_density(x, random_directions(3, 2, 0), 1.0)
    with pytest.raises(ValueError, match=r"x .*2 axes.*\(3,\)"):
        log_density(x[0], x, 1.0)
    with pytest.raises(ValueError, match=r"kappa.*\(3, 3\).*\(2,\)"):
        log_density(x, x, np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"kappa.*0 or more"):
        log_density(x, x, -1.0)


def test_bad_requests_are_refused_by_sample():
    mu = np.array([1.0, 0.0])
    with pytest.raises(ValueError, match="from 3 to 3"):
        sample(3 * mu, 1.0, 5)
    with pytest.raises(ValueError, match=r"mu .*1 axes"):
        sample(mu[None], 1.0, 5)
    with pytest.raises(ValueError, match=r"kappa.*found -1"):
        sample(mu, -1.0, 5)
    with pytest.raises(ValueError, match=r"n must.*got 0"):
        sample(mu, 1.0, 0)
    with pytest.raises(ValueError, match=r"got 2\.5"):
        sample(mu, 1.0, 2.5)


def random_directions(n, dim, seed):
    x = np.random.default_rng(seed).standard_normal((n, dim))
    return x / np.linalg.norm(x, axis=1, keepdims=True)
