"""kappa(l): the derived curve against mpmath, the measured one against drawn vectors."""

import mpmath
import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given
from hypothesis import strategies as st

from nbhelpers.maths.kappa import KappaCurve, projected_normal_resultant_length
from nbhelpers.maths.vmf import mean_resultant_length, sample
from nbhelpers.probes.concentration import measured_kappa


def exact_rho(strength, dim):
    d, t = mpmath.mpf(dim), mpmath.mpf(strength)
    scale = mpmath.gamma((d + 1) / 2) / mpmath.gamma(d / 2 + 1)
    return scale * t / mpmath.sqrt(2) * mpmath.hyp1f1(0.5, d / 2 + 1, -(t**2) / 2)


def exact_rho_slope(strength, dim):
    d, t = mpmath.mpf(dim), mpmath.mpf(strength)
    scale = mpmath.gamma((d + 1) / 2) / mpmath.gamma(d / 2 + 1) / mpmath.sqrt(2)
    return scale * mpmath.hyp1f1(
        1.5, d / 2 + 1, -(t**2) / 2
    )  # Kummer: d/dt (t 1F1(1/2; b; -t^2/2)) = 1F1(3/2; b; -t^2/2)


def exact_a(kappa, dim):
    return mpmath.besseli(mpmath.mpf(dim) / 2, kappa) / mpmath.besseli(mpmath.mpf(dim) / 2 - 1, kappa)


def exact_kappa(strength, kappa_max, dim, guess):
    """The root of A(kappa) = A(kappa_max) rho(l), and dkappa/dl by implicit differentiation."""
    with mpmath.workdps(40):
        top = exact_a(mpmath.mpf(kappa_max), dim)
        target = top * exact_rho(strength, dim)
        kappa = mpmath.findroot(lambda k: exact_a(k, dim) - target, (guess * 0.999, guess * 1.001), tol=1e-30)
        slope_of_a = 1 - target**2 - (dim - 1) * target / kappa
        return float(kappa), float(top * exact_rho_slope(strength, dim) / slope_of_a)


# --------------------------------------------------------------------------------- projected normal resultant length


@pytest.mark.parametrize("dim", [2, 3, 4, 7, 50, 513, 2048])
def test_projected_normal_agrees_with_mpmath(dim):
    strengths = torch.logspace(-4, 4, 17, dtype=torch.float64, requires_grad=True)
    rho = projected_normal_resultant_length(strengths, dim)
    (slope,) = torch.autograd.grad(rho.sum(), strengths)
    with mpmath.workdps(40):
        for length, value, change in zip(strengths.tolist(), rho.tolist(), slope.tolist(), strict=True):
            assert float(abs(value / exact_rho(length, dim) - 1)) <= 1e-13, length
            assert float(abs(change / exact_rho_slope(length, dim) - 1)) <= 1e-11, length


def test_projected_normal_closed_form_in_three_dimensions():
    t = np.linspace(0.5, 12, 100)
    closed = np.sqrt(2 / np.pi) * np.exp(-(t**2) / 2) / t + (1 - 1 / t**2) * scipy.special.erf(t / np.sqrt(2))
    np.testing.assert_allclose(projected_normal_resultant_length(t, 3), closed, rtol=1e-13)


@pytest.mark.parametrize("dim", [2, 3, 20])
def test_projected_normal_is_the_mean_direction_of_noisy_vectors(dim):
    noisy = np.random.default_rng(0).standard_normal((100_000, dim))
    noisy[:, 0] += 1.5
    cosine = noisy[:, 0] / np.linalg.norm(noisy, axis=1)
    standard_error = cosine.std() / np.sqrt(len(cosine))
    assert abs(cosine.mean() - projected_normal_resultant_length(1.5, dim)) <= 4 * standard_error


@given(st.floats(1e-3, 1e3), st.integers(2, 2048))
def test_projected_normal_lies_in_zero_one_and_rises(strength, dim):
    lower, upper = projected_normal_resultant_length(np.array([strength, strength * 1.001]), dim)
    assert 0 < lower < upper < 1


def test_projected_normal_gradient_agrees_with_finite_differences():
    strengths = torch.tensor([1e-3, 0.2, 1.0, 6.0], dtype=torch.float64, requires_grad=True)
    for dim in (2, 3, 30):
        assert torch.autograd.gradcheck(lambda t, d=dim: projected_normal_resultant_length(t, d), strengths)


# -------------------------------------------------------------------------------------------------------- the curve


@pytest.mark.parametrize(
    ("kappa_max", "expected"), [(10.0, (1.4885, 3.2227, 5.0103)), (1000.0, (1.7130, 4.3242, 8.9730))]
)
def test_curve_has_the_published_check_values(kappa_max, expected):
    found = [KappaCurve(kappa_max)(strength) for strength in (1.0, 2.0, 3.0)]
    assert found == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("dim", [2, 3, 10, 512])
@pytest.mark.parametrize("kappa_max", [0.1, 10.0, 1000.0, 1e6])
def test_curve_and_its_gradient_agree_with_mpmath(kappa_max, dim):
    curve = KappaCurve(kappa_max, dim)
    strengths = torch.tensor([1e-5, 1e-3, 0.3, 2.0, 11.0, 70.0, 900.0], dtype=torch.float64, requires_grad=True)
    kappas = curve(strengths)
    (slopes,) = torch.autograd.grad(kappas.sum(), strengths)
    for strength, kappa, slope in zip(strengths.tolist(), kappas.tolist(), slopes.tolist(), strict=True):
        true_kappa, true_slope = exact_kappa(strength, kappa_max, dim, kappa)
        assert kappa == pytest.approx(true_kappa, rel=1e-7), strength
        assert slope == pytest.approx(true_slope, rel=1e-5), strength


@given(st.floats(0, 1e8), st.floats(1e-3, 1e5), st.sampled_from([2, 3, 5, 64]))
def test_curve_satisfies_its_equation_everywhere(strength, kappa_max, dim):
    kappa = KappaCurve(kappa_max, dim)(strength)
    expected = mean_resultant_length(kappa_max, dim) * projected_normal_resultant_length(strength, dim)
    assert mean_resultant_length(kappa, dim) == pytest.approx(expected, rel=1e-6)
    assert 0 <= kappa <= kappa_max * (1 + 1e-9)


@pytest.mark.parametrize("dim", [2, 3, 512])
@pytest.mark.parametrize("kappa_max", [0.01, 10.0, 1000.0, 1e6])
def test_curve_rises_from_zero_to_kappa_max(kappa_max, dim):
    curve = KappaCurve(kappa_max, dim)
    strengths = np.concatenate([[0], np.geomspace(1e-9, 1e9, 20_001)])
    kappas = curve(strengths)
    assert kappas[0] == 0 and bool((np.diff(kappas) >= 0).all())
    assert kappas[-1] == pytest.approx(kappa_max, rel=1e-6)
    assert bool((np.diff(curve(strengths.astype(np.float32))) >= 0).all())


def test_gradient_at_zero_strength_is_the_slope_there():
    strength = torch.zeros(1, requires_grad=True)
    curve = KappaCurve(10.0)
    curve(strength).backward()
    assert strength.grad.item() == pytest.approx(curve(1e-6) / 1e-6, rel=1e-6)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_curve_can_be_made_where_gradients_are_off(context):
    with context():
        inside = KappaCurve(10.0)(torch.tensor([1.0, 2.0]))
    torch.testing.assert_close(inside.clone(), KappaCurve(10.0)(torch.tensor([1.0, 2.0])), rtol=0, atol=0)


def test_curve_returns_what_it_was_given():
    curve = KappaCurve(1000.0)
    assert type(curve(2.0)) is float and type(curve(2)) is float
    array = np.array([[0.0, 2.0, 50.0]], dtype=np.float32)
    assert curve(array).dtype == np.float32 and curve(array).shape == (1, 3)
    np.testing.assert_allclose(curve(array), curve(array.astype(np.float64)), rtol=1e-6)
    assert curve(torch.tensor([1.0])).dtype == torch.float32
    np.testing.assert_array_equal(array, np.array([[0.0, 2.0, 50.0]], dtype=np.float32))
    assert repr(curve) == "KappaCurve(kappa_max=1000, dim=3)"


def test_softmax_over_the_strongest_kappas_is_finite_in_float32():
    kappa = KappaCurve(1000.0)(torch.full((4, 1), 1e6))
    assert bool(torch.isfinite((kappa * torch.linspace(-1, 1, 7)).log_softmax(dim=1)).all())


@pytest.mark.parametrize("dim", [2, 3, 512])
def test_curve_runs_on_the_meta_device(dim):
    strength = torch.rand(6, 2, device="meta", requires_grad=True)
    kappa = KappaCurve(10.0, dim)(strength)
    assert kappa.device.type == "meta" and kappa.shape == (6, 2) and kappa.dtype == torch.float32
    assert torch.autograd.grad(kappa.sum(), strength)[0].device.type == "meta"


def test_bad_curves_and_strengths_are_refused():
    for bad in (0.0, -1.0, np.nan, np.inf, "10"):
        with pytest.raises(ValueError, match=f"kappa_max.*got {bad!r}"):
            KappaCurve(bad)
    with pytest.raises(ValueError, match="at least 2, got 1"):
        KappaCurve(10.0, dim=1)
    with pytest.raises(ValueError, match=r"strength.*-2 \.\.\. 1"):
        KappaCurve(10.0)(np.array([1.0, -2.0]))
    with pytest.raises(ValueError, match=r"strength.*NaN"):
        KappaCurve(10.0)(torch.tensor([np.nan]))
    with pytest.raises(ValueError, match=r"strength.*0 or more"):
        projected_normal_resultant_length(-1.0, 3)
    with pytest.raises(ValueError, match=r"dim.*at least 2"):
        projected_normal_resultant_length(1.0, 1)


# -------------------------------------------------------------------------------------------------- measured from data


def test_measured_kappa_recovers_what_was_drawn():
    rng = np.random.default_rng(0)
    true, n = np.array([0.5, 4.0, 60.0]), 3000
    mu = np.eye(3)[rng.integers(3, size=3 * n)]
    vectors = np.empty((3 * n, 3))
    for bin_, kappa in enumerate(true):
        for axis in range(3):
            rows = slice(bin_ * n, (bin_ + 1) * n)
            mine = np.flatnonzero(mu[rows, axis] == 1) + bin_ * n
            vectors[mine] = (bin_ + 1) * sample(np.eye(3)[axis], kappa, len(mine), rng)
    order = rng.permutation(3 * n)
    vectors, mu = vectors[order], mu[order]
    copies = vectors.copy(), mu.copy()
    found = measured_kappa(vectors, mu, bins=3)
    np.testing.assert_allclose(found.strength, [1, 2, 3])
    np.testing.assert_array_equal(found.counts, [n, n, n])
    slope = np.array([1 / k**2 - 1 / np.sinh(k) ** 2 for k in true])
    assert bool(
        (np.abs(found.kappa - true) <= 4 / np.sqrt(n * slope)).all()
    )  # standard error of a maximum likelihood fit
    np.testing.assert_array_equal(copies[0], vectors)
    np.testing.assert_array_equal(copies[1], mu)


def test_measured_kappa_is_zero_for_vectors_that_point_away_and_finite_for_coinciding_ones():
    mu = np.tile([0.0, 0.0, 1.0], (4, 1))
    vectors = np.array([[0, 0, -1.0], [0, 1.0, -1.0], [0, 0, 5.0], [0, 0, 6.0]])
    found = measured_kappa(vectors, mu, bins=2)
    assert found.kappa[0] == 0 and found.kappa[1] == pytest.approx(1e7, rel=1e-3)
    np.testing.assert_allclose(found.strength, [(1 + np.sqrt(2)) / 2, 5.5])


def test_measured_kappa_counts_every_vector_once_in_order_of_strength():
    vectors = np.random.default_rng(1).standard_normal((103, 5))
    mu = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = measured_kappa(torch.tensor(vectors).float(), torch.tensor(mu).float(), bins=10)
    assert found.counts.sum() == 103 and set(found.counts) == {10, 11}
    assert bool((np.diff(found.strength) > 0).all())
    assert found.strength @ found.counts == pytest.approx(np.linalg.norm(vectors, axis=1).sum(), rel=1e-6)


def test_bad_measurements_are_refused():
    mu = np.tile([0.0, 1.0], (3, 1))
    with pytest.raises(ValueError, match=r"vectors and directions.* in N.* 2 and 3"):
        measured_kappa(mu[:2], mu)
    with pytest.raises(ValueError, match=r"directions.*from 2 to 2"):
        measured_kappa(mu, 2 * mu)
    with pytest.raises(ValueError, match=r"1 of 3 .*length 0"):
        measured_kappa(mu * [[0], [1], [1]], mu, bins=1)
    for bins in (0, 4, 1.5):
        with pytest.raises(ValueError, match=f"bins.*got {bins}"):
            measured_kappa(mu, mu, bins=bins)
    with pytest.raises(ValueError, match=r"vectors.*NaN"):
        measured_kappa(np.array([[np.nan, 1.0]]), mu[:1])
