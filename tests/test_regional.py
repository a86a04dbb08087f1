"""From activations to regional features, the truth of regions, and agreement over regions, against known answers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from planted import planted
from scipy.stats import pearsonr

from nbhelpers import build, record
from nbhelpers.datasets import scenes
from nbhelpers.images import ImageSet
from nbhelpers.maths import arrays as arrays_at_the_door
from nbhelpers.method.activations import Activations
from nbhelpers.method.importance import RegionImportance
from nbhelpers.method.knowledge import knowledge_points
from nbhelpers.method.matching import pool_regions
from nbhelpers.method.portraits import portray, turn
from nbhelpers.method.regional import regional_along, regional_features
from nbhelpers.method.regions import RegionProjection
from nbhelpers.method.samples import SampleProjection, fit_along
from nbhelpers.method.trajectories import changes, trajectory_types
from nbhelpers.probes.metrics import per_image_auroc, per_image_partial, per_image_pearson
from nbhelpers.probes.truth import region_truth


def activations(**options):
    """A network whose last layer tells objects apart and whose first tells nothing; and where the objects are."""
    regions, logits, labels, mask = planted(n=80, **options)
    noise = np.abs(np.random.default_rng(5).normal(size=(80, 6, 8, 8))).astype(np.float32)
    names = ("a", "b", "c", "d")
    return Activations(logits, regions.mean(axis=(2, 3)), labels, names, {"conv_12": noise, "conv_53": regions}), mask


@pytest.fixture(scope="module")
def found():
    a, mask = activations()
    samples = SampleProjection().fit(a.features, a.logits)
    return a, mask, samples, regional_features(a, samples, grid=4)


def test_layers_are_the_fits_of_the_method_one_by_one(found):
    a, _, samples, views = found
    assert list(views) == ["conv_12", "conv_53"]
    for layer, view in views.items():
        raw = pool_regions(a.regions[layer], 4)
        w = RegionImportance().fit(raw, a.logits).weights_
        fitted = RegionProjection().fit(raw, a.logits, w, samples.transform(a.features))
        np.testing.assert_allclose(view.raw, raw)
        np.testing.assert_allclose(view.weights, w, atol=1e-6)
        np.testing.assert_allclose(view.h, fitted.transform(raw), atol=1e-4)
        np.testing.assert_allclose(view.strength, np.linalg.norm(view.h, axis=2), rtol=1e-6)
        expected = np.linalg.norm(raw.reshape(80, raw.shape[1], 16), axis=1)
        np.testing.assert_allclose(view.raw_strength, expected, rtol=1e-6)
        assert view.grid == (4, 4)


def test_the_deep_layer_knows_its_objects_and_the_noise_does_not(found):
    a, mask, samples, views = found
    reliable = {}
    for layer, view in views.items():
        scaled = view.h * views["conv_53"].strength.mean() / view.strength.mean()
        points = knowledge_points(scaled, samples.directions_, samples.weights_, a.labels, view.kappa)
        reliable[layer] = points.reliable_masks
    assert reliable["conv_53"][mask].mean() > 0.98
    assert reliable["conv_12"][mask].mean() < 0.4  # one of four categories by chance
    strength = views["conv_53"].strength
    assert strength[mask].mean() > 4 * strength[~mask].mean()


def test_settings_reach_the_fits_and_are_not_fitted_themselves(found):
    a, _, samples, views = found
    importance, projection = RegionImportance(channels="shared"), RegionProjection(alpha=1.0)
    view = regional_features(a, samples, grid=4, importance=importance, projection=projection)["conv_53"]
    assert view.importance.channels == "shared" and view.projection.alpha == 1.0
    assert not hasattr(importance, "weights_") and not hasattr(projection, "components_")
    assert not np.allclose(view.weights, views["conv_53"].weights, atol=1e-4)


def test_checkpoints_start_from_their_successor_and_share_its_frame():
    late, _ = activations()
    early = Activations(
        0.05 * late.logits,
        0.1 * late.features,
        late.labels,
        late.categories,
        {"conv_53": late.regions["conv_53"] + np.float32(0.2)},
    )
    late.regions.pop("conv_12")
    samples = fit_along([(a.features, a.logits) for a in (early, late)])
    first, last = (views["conv_53"] for views in regional_along([early, late], samples, grid=4))
    alone = regional_features(late, samples[1], grid=4)["conv_53"]
    np.testing.assert_array_equal(last.h, alone.h)
    warm = regional_features(early, samples[0], grid=4, init={"conv_53": last})["conv_53"]
    np.testing.assert_array_equal(first.h, warm.h)
    strongest = last.weights.argmax(axis=1), first.weights.argmax(axis=1)
    rows = np.arange(len(late))
    one, other = last.h[rows, strongest[0]], first.h[rows, strongest[1]]
    cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    assert np.median(cosine) > 0.9


def test_pooling_while_recording_is_pooling_afterwards():
    images = scenes.load("held_out", size=10)
    network = build("vgg16", width=0.05).eval()
    whole = record(network, images, ("conv_43", "conv_53"))
    pooled = record(network, images, ("conv_43", "conv_53"), grid=4, batch_size=3)
    for layer, regions in whole.regions.items():
        np.testing.assert_allclose(pooled.regions[layer], pool_regions(regions, 4), atol=1e-5)
    with pytest.raises(ValueError, match=r"layer 'conv_53'.*8x8.*9x9"):
        record(network, images, ("conv_53",), grid=9)


def test_missing_or_unequal_parts_are_told(found):
    a, _, samples, _ = found
    bare = Activations(a.logits, a.features, a.labels, a.categories)
    with pytest.raises(ValueError, match="no regional features"):
        regional_features(bare, samples)
    with pytest.raises(ValueError, match=r"layer 'conv_53'.*4x4.*averaged to 8x8"):
        regional_features(a, samples, grid=8)
    with pytest.raises(ValueError, match="got 2 and 1"):
        regional_along([a, a], [samples])


def test_layers_keep_their_own_grids_unless_told_otherwise(found):
    a, _, samples, _ = found
    views = regional_features(a, samples, projection=RegionProjection(max_iter=1, tol=1e9))
    assert {layer: view.grid for layer, view in views.items()} == {"conv_12": (8, 8), "conv_53": (4, 4)}
    assert all(views[layer].raw is regions for layer, regions in a.regions.items())


@pytest.mark.parametrize("grid", [(2, 4), (4, 1), (1, 3)])
def test_grids_need_not_be_square(found, grid):
    a, _, samples, _ = found
    views = regional_features(a, samples, grid=grid, projection=RegionProjection(max_iter=1, tol=1e9))
    for layer, view in views.items():
        assert view.grid == grid
        np.testing.assert_array_equal(view.raw, pool_regions(a.regions[layer], grid))
        assert view.h.shape == (80, grid[0] * grid[1], 3)
        rows, columns = np.divmod(np.arange(view.h.shape[1]), grid[1])
        expected = view.raw[:, :, rows, columns].transpose(0, 2, 1) @ view.projection.components_.T
        np.testing.assert_allclose(view.h, expected, rtol=1e-4, atol=1e-4)


def test_a_refusal_inside_a_layer_names_it(found):
    a, _, samples, _ = found
    silent = a.regions["conv_12"].copy()
    silent[3] = 0
    with pytest.raises(ValueError, match="layer 'conv_12': all regions of image 3 are zero"):
        regional_features(replace(a, regions={**a.regions, "conv_12": silent}), samples)


@pytest.mark.parametrize("d", [2, 3, 4, 5])
def test_any_number_of_coordinates_works_to_the_end_of_the_road(found, d):
    a, mask, *_ = found
    only = replace(a, regions={"conv_53": a.regions["conv_53"]})
    one = portray(only, samples=SampleProjection(n_components=d))
    view = one.regions["conv_53"]
    assert one.embedding.shape == (80, d) and view.h.shape == (80, 16, d) and view.kappa.dim == d
    assert one.points()["conv_53"].reliable_masks[mask].mean() > 0.9
    assert view.strength[mask].mean() > 2 * view.strength[~mask].mean()
    again = portray(only, one)
    np.testing.assert_allclose(again.embedding, one.embedding, atol=0.1 * np.abs(one.embedding).max())
    assert again.samples.n_components == again.regions["conv_53"].projection.n_components == d
    path = np.stack([view.h, view.h, np.roll(view.h, 1, axis=0)]) / view.strength.mean()
    new = np.roll(a.labels, 1)
    ways = trajectory_types(path, one.samples.directions_, one.samples.weights_, a.labels, new, view.kappa)
    assert ways.turned[np.roll(mask, 1, axis=0)].mean() > 0.9
    orientation, _ = changes(path)
    assert orientation[mask & np.roll(mask, 1, axis=0)].mean() > 0.5
    np.testing.assert_allclose(turn(view.h[..., ::-1], view.h), view.h, atol=1e-4)


def test_coordinates_that_differ_are_refused_with_what_to_take(found):
    a, _, samples, _ = found
    with pytest.raises(ValueError, match=r"layer 'conv_12'.*3 coordinates.*RegionProjection\(n_components=3\)"):
        regional_features(a, samples, projection=RegionProjection(n_components=4))


def test_settings_of_a_portrait_reach_its_fits_and_those_laid_over_it(found):
    a, *_ = found
    only = replace(a, regions={"conv_53": a.regions["conv_53"]})
    settings = {
        "samples": SampleProjection(temperature=2.0),
        "importance": RegionImportance(ridge=2.0),
        "projection": RegionProjection(alpha=1.0, max_iter=10, tol=1e9),
    }
    one = portray(only, **settings)
    other = portray(only, one)
    changed = portray(only, one, importance=RegionImportance(ridge=0.1))
    for portrait, ridge in ((one, 2.0), (other, 2.0), (changed, 0.1)):
        view = portrait.regions["conv_53"]
        assert (portrait.samples.temperature, view.importance.ridge, view.projection.alpha) == (2.0, ridge, 1.0)
    assert not any(hasattr(fit, "weights_") or hasattr(fit, "components_") for fit in settings.values())


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_features_on_the_disk_give_what_they_give_in_memory(found, dtype, tmp_path, monkeypatch):
    a, _, samples, _ = found
    monkeypatch.setattr(arrays_at_the_door, "ROOM", 5000)  # a few images at a time
    fits = {"projection": RegionProjection(max_iter=10, tol=1e9)}
    on_disk = {}
    for layer, regions in a.regions.items():
        np.save(tmp_path / f"{layer}.npy", regions.astype(dtype))
        on_disk[layer] = np.load(tmp_path / f"{layer}.npy", mmap_mode="r")
    in_memory = {layer: np.array(regions) for layer, regions in on_disk.items()}
    for grid in (None, 2):
        here, there = (
            regional_features(replace(a, regions=regions), samples, grid=grid, **fits)
            for regions in (in_memory, on_disk)
        )
        for layer, view in there.items():
            assert (view.raw is on_disk[layer]) == (grid is None)
            for name in ("raw", "weights", "h", "raw_strength"):
                np.testing.assert_array_equal(getattr(view, name), getattr(here[layer], name))
            expected = np.linalg.norm(np.array(view.raw, np.float64), axis=1).reshape(80, -1)
            np.testing.assert_allclose(view.raw_strength, expected, rtol=1e-6)
    assert not on_disk["conv_53"].flags.writeable


def test_truth_of_regions_is_that_of_brute_force():
    images = scenes.load("held_out", size=30)
    truth = region_truth(images, 8)
    for i in (0, 7, 29):
        for r in (0, 27, 36, 63):
            top, left = 8 * (r // 8), 8 * (r % 8)
            cell = images.masks[i, top : top + 8, left : left + 8]
            own = (cell == images.labels[i]).mean()
            other = ((cell >= 0) & (cell != images.labels[i])).mean()
            assert truth.object[i, r] == pytest.approx(own)
            assert truth.fragment[i, r] == pytest.approx(other, abs=1e-6)
            names, counts = np.unique(cell[(cell >= 0) & (cell != images.labels[i])], return_counts=True)
            if len(names):
                assert counts[names == truth.fragment_category[i, r]] == counts.max()
            else:
                assert truth.fragment_category[i, r] == -1
    assert set(np.unique(truth.place)) <= {"object", "fragment", "background", "mixed"}
    assert ((truth.place == "object") == (truth.object >= 0.5)).all()
    assert 0.05 < (truth.place == "object").mean() < 0.5


def test_images_without_masks_have_no_truth():
    bare = ImageSet(np.zeros((2, 3, 8, 8), np.uint8), np.array([0, 1]), ("a", "b"), "train")
    with pytest.raises(ValueError, match="no masks"):
        region_truth(bare, 2)


@given(arrays(float, (2, 3, 6), elements=st.floats(-100, 100).map(lambda x: round(x, 3))))
def test_pearson_of_regions_is_scipys(pair):
    got = per_image_pearson(*pair)
    for a, b, r in zip(*pair, got, strict=True):
        if np.ptp(a) == 0 or np.ptp(b) == 0:
            assert np.isnan(r)
        else:
            assert r == pytest.approx(pearsonr(a, b).statistic, abs=1e-6)


def test_partial_correlation_is_that_of_the_residuals():
    rng = np.random.default_rng(1)
    a, b, c = rng.normal(size=(3, 5, 20)) + rng.normal(size=(5, 20))
    for x, y, z, r in zip(a, b, c, per_image_partial(a, b, c), strict=True):
        rest = [v - np.polyval(np.polyfit(z, v, 1), z) for v in (x, y)]
        assert r == pytest.approx(pearsonr(*rest).statistic)
    assert np.isnan(per_image_partial(2 * c + 1, b, c)).all()
    assert np.isnan(per_image_partial(a, b, np.zeros_like(c))).all()


def test_auroc_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(0)
    score, truth = rng.integers(0, 5, (4, 12)).astype(float), rng.random((4, 12)) < 0.4
    for s, t, area in zip(score, truth, per_image_auroc(score, truth), strict=True):
        pairs = [(x > y) + 0.5 * (x == y) for x in s[t] for y in s[~t]]
        assert area == pytest.approx(np.mean(pairs))


def test_scores_of_other_regions_are_refused():
    with pytest.raises(ValueError, match=r"shapes \(1, 2\) and \(1, 3\)"):
        per_image_pearson([[1, 2]], [[1, 2, 3]])
    with pytest.raises(ValueError, match=r"shapes \(1, 2\) and \(1, 3\)"):
        per_image_auroc([[1, 2]], [[1, 0, 1]])
    with pytest.raises(ValueError, match=r"a .*NaN"):
        per_image_pearson([[np.nan, 2]], [[1, 2]])
