"""Numbers of every size: an array may be as small or as large as it likes, the answer is the same, or a refusal.

Scales are powers of two, which change no bit of what they multiply: answers are compared bit for bit.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from planted import planted
from torch import nn

from nbhelpers.maths.arrays import polar, unit_scale
from nbhelpers.maths.kappa import KappaCurve, projected_normal_resultant_length
from nbhelpers.maths.mixture import VonMisesFisherMixture
from nbhelpers.maths.vmf import (
    inverse_mean_resultant_length,
    log_density,
    log_normalizer,
    mean_resultant_length,
    sample,
)
from nbhelpers.method.activations import Activations
from nbhelpers.method.importance import RegionImportance
from nbhelpers.method.knowledge import category_probabilities, knowledge_points, normalize_strength
from nbhelpers.method.matching import pool_regions
from nbhelpers.method.portraits import portray, turn
from nbhelpers.method.regional import regional_features
from nbhelpers.method.regions import RegionProjection
from nbhelpers.method.samples import SampleProjection, fit_along
from nbhelpers.method.trajectories import changes, trajectory_types
from nbhelpers.probes.attacks import pgd, random_path
from nbhelpers.probes.baselines import tsne
from nbhelpers.probes.concentration import measured_kappa
from nbhelpers.probes.metrics import (
    label_entropy,
    per_image_auroc,
    per_image_partial,
    per_image_pearson,
    strength_entropy_pearson,
)
from nbhelpers.probes.shapley import region_shapley

SCALES = [2.0 ** round(np.log2(scale)) for scale in (1e-30, 1e-20, 1e-12, 1e-6, 1e6, 1e12, 1e18, 1e30)]
Answer = dict[str, Any]


def data(dtype: type = np.float64) -> Answer:
    """Regions, and all else that the method's functions take, of ordinary size."""
    regions, logits, labels, _ = planted(24, dtype=dtype)
    rng = np.random.default_rng(0)
    features = regions.mean((2, 3))
    directions = np.linalg.qr(rng.normal(size=(4, 3)))[0]
    return {
        "regions": np.ascontiguousarray(regions),
        "logits": logits,
        "labels": labels,
        "features": features,
        "importance": np.full((24, 16), 1 / 16, dtype),
        "embedding": (2 * directions[labels]).astype(dtype),
        "h": rng.normal(size=(3, 24, 16, 3)).astype(dtype),
        "target": rng.normal(size=(24, 16, 3)).astype(dtype),
        "directions": (directions / np.linalg.norm(directions, axis=1, keepdims=True)).astype(dtype),
        "weights": np.full(4, 0.25, dtype),
    }


def learned(estimator: Any) -> Answer:
    """What a fit has learned, by name."""
    return {name: np.asarray(value) for name, value in vars(estimator).items() if name.endswith("_")}


def samples(features: Any, logits: Any, **given: Any) -> Answer:
    fitted = SampleProjection().fit(features, logits)
    again = SampleProjection().fit(features, logits, init=fitted).align(features, fitted.transform(features))
    return learned(again) | {"g": fitted.transform(features), "q": fitted.predict_proba(features)}


def along(features: Any, logits: Any, **given: Any) -> Answer:
    early, late = fit_along([(features, 0.5 * logits), (features, logits)])
    return {"early": early.components_, "late": late.components_, "g": early.transform(features)}


def aligned(features: Any, logits: Any, embedding: Any, **given: Any) -> Answer:
    return learned(SampleProjection().fit(features, logits).align(features, embedding))


def importance_of(**settings: Any) -> Callable[..., Answer]:
    return lambda regions, logits, **given: learned(RegionImportance(**settings).fit(regions, logits))


def projection_of(**settings: Any) -> Callable[..., Answer]:
    def run(regions: Any, logits: Any, importance: Any, embedding: Any, **given: Any) -> Answer:
        fitted = RegionProjection(max_iter=20, tol=1, **settings).fit(regions, logits, importance, embedding)
        again = RegionProjection(tol=1, **settings).fit(regions, logits, importance, embedding, init=fitted)
        return learned(fitted) | {"h": fitted.transform(regions), "again": again.components_}

    return run


def regional(regions: Any, logits: Any, features: Any, labels: Any, **given: Any) -> Answer:
    activations = Activations(logits, features, labels, tuple("abcd"), {"layer": regions})
    view = regional_features(activations, SampleProjection().fit(features, logits), grid=2)["layer"]
    return {"w": view.weights, "h": view.h, "strength": view.strength, "raw_strength": view.raw_strength}


def pictured(regions: Any, logits: Any, features: Any, labels: Any, **given: Any) -> Answer:
    activations = Activations(logits, features, labels, tuple("abcd"), {"layer": regions})
    portrait = portray(activations, portray(activations, grid=2), grid=2)
    points = portrait.points()["layer"]
    return {"g": portrait.embedding, "p": points.probability, "components": portrait.samples.components_}


def shapley(regions: Any, **given: Any) -> Answer:
    torch.manual_seed(0)
    tail = nn.Sequential(nn.Flatten(), nn.Linear(regions[0].size, 4, bias=False))
    options = {"players": np.arange(16) // 4, "baseline": "mean"}
    exact = region_shapley(tail, regions[:2], 1, **options)[0]
    drawn = region_shapley(tail, regions[:2], 1, method="permutation", permutations=8, precision=0, **options)
    return {"exact": exact, "drawn": drawn[0], "errors": drawn[1]}


class Case(NamedTuple):
    """A function, one of its arrays, and the power of the array's scale that each answer has, if not 0."""

    run: Callable[..., Answer]
    array: str
    powers: dict[str, int] = {}  # noqa: RUF012


ROOM = {"kappa": 1000.0}
ALIKE = {
    "SampleProjection": Case(samples, "features", {"components_": -1}),
    "fit_along": Case(along, "features", {"early": -1, "late": -1}),
    "align": Case(aligned, "embedding"),
    "RegionImportance": Case(importance_of(), "regions"),
    "RegionImportance, shared": Case(importance_of(channels="shared"), "regions"),
    "RegionImportance, fitted": Case(importance_of(channels="fitted", radial=False), "regions"),
    "RegionImportance, logits": Case(importance_of(), "logits"),
    "RegionProjection": Case(projection_of(), "regions", {"components_": -1, "again": -1}),
    "RegionProjection, match": Case(projection_of(match="projection"), "regions", {"components_": -1, "again": -1}),
    "RegionProjection, logits": Case(projection_of(), "logits"),
    "RegionProjection, embedding": Case(projection_of(), "embedding"),
    "regional_features": Case(regional, "regions", {"raw_strength": 1}),
    "regional_features, features": Case(regional, "features"),
    "portray": Case(pictured, "regions"),
    "portray, features": Case(pictured, "features", {"components": -1}),
    "pool_regions": Case(lambda regions, **_: {"pooled": pool_regions(regions, 2)}, "regions", {"pooled": 1}),
    "turn": Case(lambda h, target, **_: {"h": turn(h[0], target)}, "h", {"h": 1}),
    "turn, target": Case(lambda h, target, **_: {"h": turn(h[0], target)}, "target"),
    "normalize_strength": Case(lambda h, target, **_: normalize_strength({"a": h[0], "b": target}), "h"),
    "normalize_strength, last": Case(
        lambda h, target, **_: normalize_strength({"a": h[0], "b": target}), "target", {"a": 1, "b": 1}
    ),
    "normalize_strength, own": Case(lambda h, **_: normalize_strength({"a": h[0]}, to="own"), "h"),
    "knowledge_points": Case(
        lambda h, directions, weights, labels, **_: vars(knowledge_points(h[0], directions, weights, labels, **ROOM)),
        "directions",
    ),
    "category_probabilities": Case(
        lambda h, directions, weights, **_: {"p": category_probabilities(h, directions, weights, **ROOM)},
        "directions",
    ),
    "trajectory_types": Case(
        lambda h, directions, weights, labels, **_: vars(
            trajectory_types(h, directions, weights, labels, (labels + 1) % 4, **ROOM)
        ),
        "directions",
    ),
    "changes": Case(lambda h, **_: dict(zip("os", changes(h), strict=True)), "h", {"s": 1}),
    "measured_kappa": Case(
        lambda embedding, directions, labels, **_: measured_kappa(
            embedding + embedding[::-1] / 2, directions[labels], bins=3
        )._asdict(),
        "embedding",
        {"strength": 1},
    ),
    "strength_entropy_pearson": Case(
        lambda features, logits, **_: {"r": strength_entropy_pearson(features, logits)}, "features"
    ),
    "per_image_pearson": Case(lambda h, target, **_: {"r": per_image_pearson(h[0, ..., 0], target[..., 0])}, "h"),
    "per_image_partial": Case(
        lambda h, target, **_: {"r": per_image_partial(h[0, ..., 0], target[..., 0], target[..., 1])}, "target"
    ),
    "per_image_auroc": Case(lambda h, target, **_: {"a": per_image_auroc(h[0, ..., 0], target[..., 0] > 0)}, "h"),
    "region_shapley": Case(shapley, "regions", {"exact": 1, "drawn": 1, "errors": 1}),
}


SLOW = {
    "SampleProjection",
    "fit_along",
    "portray",
    "portray, features",
    "regional_features",
    "regional_features, features",
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in ALIKE])
def test_arrays_of_every_scale_give_the_same(name: str, dtype: type) -> None:
    case, ordinary = ALIKE[name], data(dtype)
    expected = case.run(**ordinary)
    for scale in SCALES:
        found = case.run(**ordinary | {case.array: ordinary[case.array] * dtype(scale)})
        for part, value in expected.items():
            wanted = value * value.dtype.type(scale) ** case.powers[part] if part in case.powers else value
            np.testing.assert_array_equal(found[part], wanted, f"{part} at {scale:g}")
            assert np.isfinite(found[part]).all()


@pytest.mark.parametrize("scale", [2.0**-100, 2.0**-66, 2.0**66, 2.0**100])
def test_neighbours_are_the_same_at_every_scale(scale: float) -> None:
    features = np.random.default_rng(0).normal(size=(40, 6))
    np.testing.assert_array_equal(tsne(scale * features, features), tsne(features, features))


# One image, region or row is of another scale than the others


def shrunk(array: np.ndarray, scale: float) -> np.ndarray:
    """The array, its second row of another scale."""
    changed = array.copy()
    changed[1] *= array.dtype.type(scale)
    return changed


MIXED = {
    "RegionImportance": Case(importance_of(), "regions"),
    "RegionImportance, fitted": Case(importance_of(channels="fitted"), "regions"),
    "RegionImportance, logits": Case(importance_of(), "logits"),
    "RegionProjection, logits": Case(projection_of(), "logits"),
    "RegionProjection, embedding": Case(projection_of(), "embedding"),
    "knowledge_points": ALIKE["knowledge_points"],
    "category_probabilities": ALIKE["category_probabilities"],
    "trajectory_types": ALIKE["trajectory_types"],
    "per_image_pearson": Case(lambda target, **_: {"r": per_image_pearson(target[..., 0], target[..., 1])}, "target"),
    "per_image_partial": Case(lambda target, **_: {"r": per_image_partial(*np.moveaxis(target, 2, 0))}, "target"),
}


@pytest.mark.parametrize("scale", [2.0**-133, 2.0**-66, 2.0**-40, 2.0**40, 2.0**66])
@pytest.mark.parametrize("name", MIXED)
def test_one_row_of_another_scale_changes_nothing_where_only_directions_matter(name: str, scale: float) -> None:
    case, ordinary = MIXED[name], data()
    ordinary[case.array] = ordinary[case.array].astype(np.float32).astype(np.float64)
    expected = case.run(**ordinary)
    found = case.run(**ordinary | {case.array: shrunk(ordinary[case.array], scale)})
    lost = 1e-3 if scale < 2.0**-126 else 0  # float32 has fewer digits there
    for part, value in expected.items():
        np.testing.assert_allclose(found[part], value, lost, lost, err_msg=part)


@pytest.mark.parametrize("scale", [2.0**-66, 2.0**66])
def test_raw_strengths_of_all_regions_keep_their_scale(scale: float) -> None:
    ordinary = data(np.float32)
    expected = regional(**ordinary)["raw_strength"]
    found = regional(**ordinary | {"regions": shrunk(ordinary["regions"], scale)})["raw_strength"]
    np.testing.assert_array_equal(found, shrunk(expected, scale))


def test_a_faint_image_among_others_is_faint_and_harms_no_fit() -> None:
    ordinary = data(np.float32)
    faint = ordinary | {"regions": shrunk(ordinary["regions"], 2.0**-66)}
    h = projection_of()(**faint)["h"]
    assert np.isfinite(h).all() and 0 < np.abs(h[1]).max() < 1e-15 < np.linalg.norm(h[2:], axis=2).min()


# Numbers whose size has a meaning: as small or as large as they are, the answer is what mathematics says


def soft_labels(scale: float) -> np.ndarray:
    return SampleProjection().fit(data()["features"], scale * data()["logits"]).predict_proba(data()["features"])


def probabilities(scale: float) -> np.ndarray:
    d = data()
    return category_probabilities(scale * d["h"][0], d["directions"], d["weights"], **ROOM).round(6)


def types(scale: float) -> np.ndarray:
    d = data()
    return trajectory_types(scale * d["h"], d["directions"], d["weights"], d["labels"], d["labels"][::-1], **ROOM).types


def masks(scale: float) -> np.ndarray:
    d = data()
    return knowledge_points(scale * d["h"][0], d["directions"], d["weights"], d["labels"], **ROOM).masks


def nearest() -> np.ndarray:
    """What h of boundless strength says: kappa is at its end."""
    d = data()
    h = d["h"][0] / np.linalg.norm(d["h"][0], axis=2, keepdims=True)
    return torch.softmax(torch.from_numpy(1000 * h @ d["directions"].T), dim=2).numpy().round(6)


MEANT = {
    "log_normalizer, small": (lambda s: log_normalizer(s, 3), 1e-30, -np.log(4 * np.pi)),
    "log_normalizer, large": (lambda s: log_normalizer(s, 3) / s, 1e30, -1.0),
    "mean_resultant_length, small": (lambda s: mean_resultant_length(s, 3) / s, 1e-30, 1 / 3),
    "mean_resultant_length, large": (lambda s: mean_resultant_length(s, 5), 1e30, 1.0),
    "inverse, small": (lambda s: inverse_mean_resultant_length(s, 3) / s, 1e-30, 3.0),
    "rho, small": (lambda s: projected_normal_resultant_length(s, 3) / s, 1e-30, np.sqrt(8 / np.pi) / 3),
    "rho, large": (lambda s: projected_normal_resultant_length(s, 3), 1e30, 1.0),
    "rho, huge": (lambda s: projected_normal_resultant_length(s, 2048), 1e200, 1.0),
    "KappaCurve, small": (lambda s: KappaCurve(1e3)(s) / s, 1e-30, 3 * np.sqrt(8 / np.pi) / 3 * (1 - 1e-3)),
    "KappaCurve, large": (lambda s: KappaCurve(10.0)(s), 1e30, 10.0),
    "sample, small": (lambda s: np.linalg.norm(sample([0.0, 0.0, 1.0], s, 9), axis=1), 1e-30, np.ones(9)),
    "sample, large": (lambda s: sample([0.0, 0.0, 1.0], s, 9)[:, 2], 1e30, np.ones(9)),
    "log_density": (lambda s: log_density([[0.0, 1.0]], [[1.0, 0.0]], s)[0, 0] / s, 1e30, -1.0),
    "label_entropy, small": (lambda s: label_entropy(s * data()["logits"]), 1e-30, np.full(24, np.log(4))),
    "label_entropy, large": (lambda s: label_entropy(s * data()["logits"]), 1e30, np.zeros(24)),
    "SampleProjection, small logits": (soft_labels, 1e-30, np.full((24, 4), 0.25)),
    "category_probabilities, small": (probabilities, 1e-30, np.full((24, 16, 4), 0.25)),
    "category_probabilities, large": (probabilities, 1e30, nearest()),
    "trajectory_types, faint throughout": (types, 1e-30, np.zeros((24, 16))),
    "trajectory_types, strong throughout": (types, 1e30, np.zeros((24, 16))),
    "knowledge_points, faint": (masks, 1e-30, np.zeros((24, 16))),
    "knowledge_points, strong": (masks, 1e30, nearest().max(2) > 0.4),
}


@pytest.mark.parametrize("name", MEANT)
def test_sizes_that_have_a_meaning_keep_it(name: str) -> None:
    function, size, answer = MEANT[name]
    np.testing.assert_allclose(function(size), answer, rtol=1e-6)


@pytest.mark.parametrize("dim", [2, 3, 4, 10, 100, 2048])
def test_the_concentration_of_nearly_equal_vectors_is_right_but_for_rounding(dim: int) -> None:
    for gap in 2.0 ** -np.arange(20, 54):
        kappa = inverse_mean_resultant_length(1 - gap, dim)
        ratio = kappa * gap * 2 / (dim - 1)  # 1 in the limit; beside it, what the rounding of the length leaves
        assert abs(np.log(ratio)) <= min(np.log(2), 2e-15 / gap) + dim * gap


@pytest.mark.parametrize("size", [1e-30, 1e-12, 1e12, 1e30])
def test_logits_of_any_size_give_probabilities(size: float) -> None:
    d = data()
    for target in ("logits", "probabilities"):
        w = RegionImportance(target=target).fit(d["regions"], size * d["logits"]).weights_
        np.testing.assert_allclose(w.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(soft_labels(size).sum(1), 1)


# What is refused

HOSTILE = {
    "regions, small": (importance_of(), "regions", 1e-50, r"regions is .*e-50.* 1e-33 and 1e\+33"),
    "regions, large": (projection_of(), "regions", 1e300, r"regions is .*e\+30"),
    "pooled": (lambda regions, **_: pool_regions(regions, 2), "regions", 1e40, r"regions is"),
    "logits, small": (importance_of(), "logits", 1e-50, "logits is"),
    "logits, large": (samples, "logits", 1e40, "logits is"),
    "features": (samples, "features", 1e-300, "features is"),
    "features, complex": (samples, "features", 1j, "features must be an array of numbers, .* complex"),
    "regions, complex": (projection_of(), "regions", 1j, "regions must be an array of numbers, .* complex"),
    "embedding": (projection_of(), "embedding", 1e-50, "embedding is"),
    "importance": (projection_of(), "importance", 1e-6, "importance must sum to 1"),
    "weights": (ALIKE["category_probabilities"].run, "weights", 1e6, "weights must sum to 1"),
    "h": (ALIKE["changes"].run, "h", 1e40, "h is"),
    "layers": (ALIKE["normalize_strength"].run, "h", 1e-40, "a is"),
    "unit vectors": (
        lambda directions, **_: VonMisesFisherMixture().fit(directions),
        "directions",
        1e-20,
        "X must be unit",
    ),
    "responsibilities": (
        lambda weights, directions, **_: VonMisesFisherMixture().fit(directions, weights[:, None]),
        "weights",
        1e20,
        "responsibilities must sum to 1",
    ),
    "vectors": (lambda directions, **_: log_density(directions, directions, 1.0), "directions", 1e18, "unit vectors"),
    "mu": (lambda directions, **_: sample(directions[0], 1.0, 5), "directions", 1e-12, "unit vectors"),
    "expected": (
        lambda directions, **_: measured_kappa(directions, directions / directions.max(), 2),
        "directions",
        1e-6,
        "unit",
    ),
    "shapley": (shapley, "regions", 1e-50, "regions is"),
    "pictures": (lambda features, **_: pgd(nn.Identity().eval(), features, [0]), "features", 1e18, "images"),
    "path": (lambda regions, **_: random_path(regions[:, None, :3]), "regions", 1e6, r"path .*0.* 1"),
    "baseline": (
        lambda regions, logits, **_: region_shapley(
            nn.Flatten(), regions[:1], 0, logits[0, 0], players=np.arange(16) // 4
        ),
        "logits",
        1e300,
        "baseline is",
    ),
    "equal entropies": (
        lambda features, logits, **_: strength_entropy_pearson(features, logits),
        "logits",
        1e-30,
        "all 24 entropies",
    ),
    "entropies": (
        lambda features, logits, **_: strength_entropy_pearson(features, logits),
        "logits",
        1e30,
        "all 24 entropies",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_cannot_be_answered_is_told(name: str) -> None:
    function, array, scale, message = HOSTILE[name]
    with pytest.raises(ValueError, match=message):
        function(**data() | {array: scale * data()[array]})


def test_answers_beyond_single_precision_are_told() -> None:
    d = data(np.float32)
    faint = d["regions"] * np.float32(1e-30)
    fitted = RegionProjection(tol=1).fit(faint, d["logits"], d["importance"], d["embedding"])
    with pytest.raises(ValueError, match=r"beyond the reach of torch\.float32: bring all arrays to one scale"):
        fitted.transform(d["regions"] * np.float32(1e30))
    with pytest.raises(ValueError, match="init was fitted to regions of quite another scale"):
        RegionProjection().fit(1e30 * d["regions"], d["logits"], d["importance"], d["embedding"], init=fitted)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
def test_a_start_from_features_of_another_scale_leads_as_far(scale: float) -> None:
    features, logits = data()["features"], data()["logits"]
    other = SampleProjection().fit(scale * features, logits)
    fitted, cold = SampleProjection().fit(features, logits, init=other), SampleProjection().fit(features, logits)
    assert fitted.loss_ == pytest.approx(cold.loss_, rel=1e-2)


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e-6, 1e6])
def test_a_start_from_regions_of_another_scale_harms_nothing(scale: float) -> None:
    d = data(np.float32)
    other = RegionProjection(tol=1).fit(d["regions"] * np.float32(scale), d["logits"], d["importance"], d["embedding"])
    with np.errstate(all="raise"):
        try:
            fitted = RegionProjection().fit(d["regions"], d["logits"], d["importance"], d["embedding"], init=other)
        except ValueError as error:
            assert "quite another scale" in str(error) and scale < 1e-15
        else:
            cold = RegionProjection().fit(d["regions"], d["logits"], d["importance"], d["embedding"])
            assert fitted.loss_curve_[-1, 0] < cold.loss_curve_[-1, 0] + 0.05


# Numbers of every kind


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.int16, torch.int64])
def test_halves_and_whole_numbers_are_read_as_the_numbers_they_are(kind: torch.dtype) -> None:
    d = {name: torch.as_tensor(value) for name, value in data(np.float32).items()}
    d |= {name: (10 * d[name]).round().to(kind) for name in ("regions", "features", "logits", "embedding")}
    full = {name: x.float() if x.is_floating_point() else x for name, x in d.items()}
    full |= {name: full[name].float() for name in ("regions", "features", "logits", "embedding")}
    for run in (importance_of(), projection_of(), samples):
        for part, value in run(**full).items():
            np.testing.assert_allclose(run(**d)[part], value, rtol=1e-5, atol=1e-5, err_msg=part)


def test_zeros_have_no_sign_and_denormals_are_numbers() -> None:
    x = torch.tensor([[-0.0, 0.0], [1e-45, 0.0], [3e-42, -4e-42], [3e38, 0.0], [-1.0, 0.0]])
    directions, lengths = polar(x)
    np.testing.assert_allclose(directions, [[0, 0], [1, 0], [0.6, -0.8], [1, 0], [-1, 0]], atol=1e-3)
    np.testing.assert_allclose(lengths[:, 0], [0, 2.0**-149, 5e-42, 3e38, 1], rtol=1e-3)
    scaled = x / unit_scale(x, 1)
    assert ((scaled.abs().amax(1) >= 1) == (x != 0).any(1)).all() and bool((scaled.abs() < 2).all())


def test_negative_zeros_change_nothing() -> None:
    ordinary = data(np.float32)
    regions = np.maximum(ordinary["regions"] - 0.3, 0)
    signed = np.where(regions == 0, np.float32(-0.0), regions)
    for run in (importance_of(), projection_of()):
        expected, found = run(**ordinary | {"regions": regions}), run(**ordinary | {"regions": signed})
        for part, value in expected.items():
            np.testing.assert_array_equal(found[part], value)
