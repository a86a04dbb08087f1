"""The baselines against scikit-learn, finite differences, a literal DRPR, and bad input."""

import numpy as np
import pytest
import torch
from scipy.optimize import approx_fprime
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, Isomap, LocallyLinearEmbedding
from synthetic import features_and_logits

from nbhelpers.probes.baselines import (
    BASELINES,
    centred_strength,
    drpr,
    drpr_loss,
    isomap,
    lle,
    pca,
    random_projection,
    raw_strength,
    tsne,
)


@pytest.fixture(scope="module")
def data():
    features, logits, _ = features_and_logits(n=120, d=20)
    return features, logits


def literal_drpr(z, p):
    """Law et al. as printed, by loops over images and categories."""
    n, c = p.shape
    prior = [sum(p[i, k] for i in range(n)) / n for k in range(c)]
    centres = [sum(p[i, k] * z[i] for i in range(n)) / sum(p[i, k] for i in range(n)) for k in range(c)]
    loss = 0.0
    for i in range(n):
        joint = [prior[k] * np.exp(-((z[i] - centres[k]) ** 2).sum()) for k in range(c)]
        loss -= sum(p[i, k] * np.log(joint[k] / sum(joint)) for k in range(c)) / n
    return loss


def test_drpr_loss_and_gradient_are_those_of_the_printed_equations():
    rng = np.random.default_rng(0)
    z, p = rng.normal(size=(9, 3)), rng.dirichlet(np.ones(4), size=9)
    loss, gradient = drpr_loss(torch.as_tensor(z), torch.as_tensor(p))
    assert float(loss) == pytest.approx(literal_drpr(z, p), rel=1e-12)
    slopes = approx_fprime(z.ravel(), lambda v: literal_drpr(v.reshape(9, 3), p), 1e-7)
    np.testing.assert_allclose(gradient.numpy().ravel(), slopes, atol=1e-6)


@pytest.mark.slow
def test_drpr_descends_to_the_entropy_of_separable_labels():
    """The cross-entropy cannot fall below the mean entropy of P, and four separate groups allow it to come close."""
    rng = np.random.default_rng(0)
    logits = 40 * np.eye(4)[np.arange(40) % 4] + rng.normal(size=(40, 4))
    p = torch.softmax(torch.as_tensor(logits) / 4, 1)
    entropy = float(-(p * p.log()).sum(1).mean())
    losses = [
        float(drpr_loss(torch.as_tensor(drpr(logits, logits, steps=steps)), p)[0]) for steps in (0, 500, 2000, 8000)
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 1.0
    assert entropy <= losses[-1] < entropy + 1e-3


def test_drpr_is_centred_and_ignores_the_features(data):
    features, logits = data
    z = drpr(features, logits, steps=50)
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-12)
    np.testing.assert_array_equal(z, drpr(0 * features, logits, steps=50))


def test_drpr_takes_the_documented_steps():
    """The optimiser written out: RMSprop with rate 1e-3, alpha .99, eps 1e-6, from a normal start."""
    logits = np.random.default_rng(1).normal(size=(12, 3)) * 8
    p = torch.softmax(torch.as_tensor(logits) / 4, 1)
    z, square = np.random.default_rng(5).normal(size=(12, 3)), np.zeros((12, 3))
    for _ in range(30):
        gradient = drpr_loss(torch.as_tensor(z), p)[1].numpy()
        square = 0.99 * square + 0.01 * gradient**2
        z = z - 1e-3 * gradient / (np.sqrt(square) + 1e-6)
    np.testing.assert_allclose(drpr(logits, logits, random_state=5, steps=30), z - z.mean(0), atol=1e-9)


def test_drpr_step_runs_on_the_meta_device():
    loss, gradient = drpr_loss(torch.empty(6, 3, device="meta"), torch.empty(6, 4, device="meta"))
    assert loss.is_meta and gradient.shape == (6, 3) and gradient.is_meta


def test_scikit_learn_s_methods_are_scikit_learn_s(data):
    features, logits = data
    near = {"n_neighbors": 30, "n_components": 3}
    np.testing.assert_allclose(pca(features, logits), PCA(3, svd_solver="full").fit_transform(features), atol=1e-9)
    np.testing.assert_array_equal(
        tsne(features, logits, 1), TSNE(3, perplexity=30, random_state=1).fit_transform(features).astype(float)
    )
    drawn = TSNE(3, perplexity=30, init="random", random_state=1).fit_transform(features).astype(float)
    np.testing.assert_array_equal(tsne(features, logits, 1, init="random"), drawn)
    expected = LocallyLinearEmbedding(**near, random_state=1).fit_transform(features)
    np.testing.assert_array_equal(lle(features, logits, 1), expected)
    expected = Isomap(**near, eigen_solver="dense").fit_transform(features)
    np.testing.assert_array_equal(isomap(features, logits), expected)


def test_raw_strength_is_the_length_of_the_feature(data):
    features, logits = data
    expected = np.sqrt((features**2).sum(1))
    np.testing.assert_allclose(raw_strength(features, logits)[:, 0], expected, rtol=1e-12)


def test_centred_strength_is_the_distance_from_the_mean_wherever_the_origin_is(data):
    features, logits = data
    expected = np.linalg.norm(features - features.mean(axis=0), axis=1)
    for shift in (0, 7):
        np.testing.assert_allclose(centred_strength(features + shift, logits)[:, 0], expected, rtol=1e-12)


def test_a_random_projection_is_linear_and_knows_no_logits(data):
    features, logits = data
    one = random_projection(features, logits)
    np.testing.assert_allclose(random_projection(3 * features, -logits), 3 * one, rtol=1e-12)
    assert not np.allclose(one, random_projection(features, logits, random_state=1))
    assert np.linalg.matrix_rank(one) == 3


@pytest.fixture
def quick(monkeypatch):
    """All baselines, with so few steps of DRPR that a test can run them twice."""
    monkeypatch.setitem(BASELINES, "drpr", lambda *a, **k: drpr(*a, **k, steps=20))
    return BASELINES


@pytest.mark.parametrize("name", list(BASELINES))
def test_each_is_deterministic_and_leaves_arrays_and_random_numbers_alone(data, quick, name):
    features, logits = (a.astype(np.float32) for a in data)
    copies = features.copy(), logits.copy()
    state = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    first, again = (quick[name](features, logits, random_state=3) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (120, 1 if name.endswith("strength") else 3)
    assert first.dtype == np.float32 and np.isfinite(first).all()
    np.testing.assert_array_equal(features, copies[0])
    np.testing.assert_array_equal(logits, copies[1])
    np.testing.assert_array_equal(np.random.get_state()[1], state[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), state[1])
    as_tensors = quick[name](torch.as_tensor(features), torch.as_tensor(logits), random_state=3)
    assert isinstance(as_tensors, torch.Tensor)
    np.testing.assert_array_equal(as_tensors.numpy(), first)


@pytest.mark.parametrize("name", [n for n in BASELINES if n != "drpr"])
def test_features_that_are_not_finite_are_refused(data, name):
    features = data[0].copy()
    features[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"features.* 1 NaN.*2400"):
        BASELINES[name](features, data[1])


def test_drpr_refuses_bad_input(data):
    features, logits = data
    with pytest.raises(ValueError, match="119 and 120"):
        drpr(features[1:], logits)
    with pytest.raises(ValueError, match=r"temperature.*got 0"):
        drpr(features, logits, temperature=0)
    with pytest.raises(ValueError, match=r"logits.* 120 NaN"):
        drpr(features, logits * np.array([np.inf] + [1] * 9))


@pytest.mark.parametrize("n_components", [2, 4])
@pytest.mark.parametrize("method", [pca, tsne, lle, isomap, drpr])
def test_embeddings_have_as_many_coordinates_as_are_asked_for(data, method, n_components):
    features, logits = (array[:40] for array in data)
    options = {"steps": 5} if method is drpr else {}
    z = method(features, logits, n_components=n_components, **options)
    assert z.shape == (40, n_components) and np.isfinite(z).all()
    np.testing.assert_array_equal(
        method(features, logits, **options), method(features, logits, n_components=3, **options)
    )
