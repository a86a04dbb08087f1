"""Estimators and portraits leave the notebook and come back bit for bit; what is not theirs is refused."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from planted import planted
from safetensors.torch import load_file, save_file
from sklearn.decomposition import PCA

from nbhelpers import (
    Activations,
    RegionImportance,
    RegionProjection,
    SampleProjection,
    VonMisesFisherMixture,
    load_estimator,
    load_portrait,
    portray,
    save_estimator,
    save_portrait,
)
from nbhelpers.networks.tensors import digest

QUICK = {"max_iter": 10, "tol": 1e9}


def arrays(kind=np.asarray):
    """Regions, logits, features, weights of regions, and unit vectors."""
    regions, logits, *_ = planted(30)
    vectors = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weights = np.full((30, 16), 1 / 16, np.float32)
    return [kind(x) for x in (regions, logits, regions.mean((2, 3)), weights, vectors)]


def samples(regions, logits, features, weights, vectors):
    fitted = SampleProjection(n_components=5, temperature=2.0).fit(features, logits)
    return fitted, [lambda e: e.transform(features), lambda e: e.predict_proba(features)]


def importance(regions, logits, features, weights, vectors):
    return RegionImportance(partners=np.int64(15)).fit(regions, logits), []


def projection(regions, logits, features, weights, vectors):
    fitted = RegionProjection(2, device=torch.device("cpu"), **QUICK).fit(regions, logits, weights, features[:, :2])
    return fitted, [lambda e: e.transform(regions)]


def mixture(regions, logits, features, weights, vectors):
    fitted = VonMisesFisherMixture(3, n_init=2, tol=1e-3).fit(vectors)
    return fitted, [lambda e: e.predict_proba(vectors), lambda e: e.score(vectors)]


def same(one, other):
    return type(one) is type(other) and one.dtype == other.dtype and bool((one == other).all())


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor, lambda x: np.asarray(x, np.float64)])
@pytest.mark.parametrize("make", [samples, importance, projection, mixture])
def test_an_estimator_comes_back_bit_for_bit(make, kind, tmp_path):
    fitted, uses = make(*arrays(kind))
    path = tmp_path / "one.safetensors"
    save_estimator(fitted, path)
    again = load_estimator(path)
    assert type(again) is type(fitted)
    assert {**again.get_params(), "device": "cpu"} == {**fitted.get_params(), "device": "cpu"}
    learned = {name: value for name, value in vars(fitted).items() if name.endswith("_")}
    assert learned.keys() == {name for name in vars(again) if name.endswith("_")}
    for name, value in learned.items():
        here = getattr(again, name)
        assert same(here, value) if hasattr(value, "dtype") else here == value, name
    for use in uses:
        np.testing.assert_array_equal(use(again), use(fitted))


def test_any_program_reads_the_arrays(tmp_path):
    fitted, _ = samples(*arrays())
    save_estimator(fitted, tmp_path / "one.safetensors")
    tensors = load_file(tmp_path / "one.safetensors")
    np.testing.assert_array_equal(tensors["components_"], fitted.components_)


@pytest.mark.parametrize(
    "estimator, message",
    [
        (SampleProjection(), "SampleProjection has learned nothing yet"),
        (PCA(2).fit(np.eye(3)), "only SampleProjection, .*, got a PCA"),
        ("samples", "got a str"),
    ],
)
def test_only_fitted_estimators_of_the_house_are_written(estimator, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        save_estimator(estimator, tmp_path / "one.safetensors")
    assert not list(tmp_path.iterdir())


def written(tmp_path):
    """A good file, what it says of itself, and its tensors."""
    path = tmp_path / "one.safetensors"
    save_estimator(mixture(*arrays())[0], path)
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return path, json.loads(header["__metadata__"]["nbhelpers-estimators"]), load_file(path)


def forged(path, about, tensors):
    """A file with a checksum that fits, whatever it says."""
    text = about if isinstance(about, str) else json.dumps(about)
    save_file(tensors, path, {"nbhelpers-estimators": text, "nbhelpers-sha256": digest(tensors, text)})


CHANGES = {
    "a later version": (lambda about: about | {"version": 2}, "has version 2.*reads 1.*later"),
    "another class": (lambda about: about["estimator"].update({"class": "PCA"}), "a 'PCA', but only"),
    "a class by its path": (lambda about: about["estimator"].update({"class": "os.system"}), "'os.system', but only"),
    "a strange parameter": (lambda about: about["estimator"]["parameters"].update(verbose=1), "parameters.*verbose"),
    "a parameter out of range": (lambda about: about["estimator"]["parameters"].update(tol=-1), "tol.*above 0, got -1"),
    "a method replaced": (lambda about: about["estimator"]["numbers"].update(fit=1), "'fit' as learned"),
    "a dunder": (lambda about: about["estimator"]["numbers"].update(__class__=1), "'__class__' as learned"),
    "an array too many": (
        lambda about: about["estimator"]["arrays"].update(more_="array"),
        "form of version 1",
    ),
    "no class": (lambda about: about["estimator"].pop("class") and None, "form of version 1"),
    "a list": (lambda about: [1], "form of version 1"),
    "no JSON": (lambda about: "{", "form of version 1"),
    "a portrait": (lambda about: {"version": 1, "portrait": {}}, "holds no estimator.*load_portrait"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_file_says_is_never_taken_on_trust(name, tmp_path):
    path, about, tensors = written(tmp_path)
    change, message = CHANGES[name]
    answer = change(about)
    forged(path, about if answer is None else answer, tensors)
    with pytest.raises(ValueError, match=f"one.safetensors cannot be read: .*{message}"):
        load_estimator(path)


def test_a_file_as_it_was_written_is_read_whoever_wrote_it(tmp_path):
    path, about, tensors = written(tmp_path)
    forged(path, about, tensors)
    assert load_estimator(path).n_components == 3


@pytest.mark.parametrize("spoil", ["cut", "bit", "words", "unsigned", "empty", "pickle"])
def test_damage_is_noticed(spoil, tmp_path):
    path, about, tensors = written(tmp_path)
    content = bytearray(path.read_bytes())
    if spoil == "words":
        content = content.replace(b"max_iter", b"max_iteR")
    elif spoil == "unsigned":
        save_file(tensors, path, {"nbhelpers-estimators": json.dumps(about)})
        content = path.read_bytes()
    elif spoil == "bit":
        content[-1] ^= 1
    else:
        content = {"cut": content[:-9], "empty": b"", "pickle": pickle.dumps(np.eye(2))}[spoil]
    path.write_bytes(content)
    with pytest.raises(OSError, match=r"one.safetensors is damaged"):
        load_estimator(path)


def test_other_files_are_told_apart(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match=r"foreign.safetensors.*not written by save_estimator"):
        load_estimator(tmp_path / "foreign.safetensors")
    with pytest.raises(FileNotFoundError, match=r"none.safetensors"):
        load_estimator(tmp_path / "none.safetensors")


@pytest.fixture(scope="module")
def portrait():
    regions, logits, labels, _ = planted(30)
    layers = {"features": regions, "samples 1": np.abs(regions[:, ::-1])}
    a = Activations(logits, regions.mean((2, 3)), labels, tuple("abcd"), layers)
    return portray(a, grid=(2, 4), samples=SampleProjection(4), projection=RegionProjection(4, **QUICK))


def test_a_portrait_comes_back_bit_for_bit(portrait, tmp_path):
    save_portrait(portrait, tmp_path / "all.safetensors")
    again = load_portrait(tmp_path / "all.safetensors", portrait.activations)
    np.testing.assert_array_equal(again.embedding, portrait.embedding)
    assert list(again.regions) == list(portrait.regions)
    for layer, view in portrait.regions.items():
        for name in ("raw", "weights", "h", "grid", "raw_strength"):
            np.testing.assert_array_equal(getattr(again.regions[layer], name), getattr(view, name))
        np.testing.assert_array_equal(again.points()[layer].masks, portrait.points()[layer].masks)


def test_a_portrait_is_laid_over_its_own_activations_only(portrait, tmp_path):
    path, a = tmp_path / "all.safetensors", portrait.activations
    save_portrait(portrait, path)
    for other in (replace(a, logits=a.logits + 1), replace(a, labels=a.labels[::-1].copy())):
        with pytest.raises(ValueError, match=r"all.safetensors.*other activations"):
            load_portrait(path, other)
    with pytest.raises(ValueError, match=r"all.safetensors.*not recorded here: samples 1"):
        load_portrait(path, replace(a, regions={"features": a.regions["features"]}))
    with pytest.raises(ValueError, match=r"holds no estimator; read it with load_portrait"):
        load_estimator(path)
