"""Fits that leave the notebook: estimators and portraits in files of safetensors, which hold numbers and no code."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from nbhelpers.files import Damaged
from nbhelpers.maths.estimator import Estimator
from nbhelpers.maths.mixture import VonMisesFisherMixture
from nbhelpers.method.activations import Activations
from nbhelpers.method.importance import RegionImportance
from nbhelpers.method.matching import pool_regions
from nbhelpers.method.portraits import Portrait
from nbhelpers.method.regional import RegionalFeatures
from nbhelpers.method.regions import RegionProjection
from nbhelpers.method.samples import SampleProjection
from nbhelpers.networks.tensors import check_tensors, digest, read_tensors, save_tensors

VERSION = 1
"""Of the form of the files. What later versions write is refused, not guessed at."""
_KEY = "nbhelpers-estimators"
_KINDS = {kind.__name__: kind for kind in (SampleProjection, RegionImportance, RegionProjection, VonMisesFisherMixture)}
Where = str | os.PathLike
Tensors = dict[str, torch.Tensor]


def save_estimator(estimator: Estimator, path: Where) -> None:
    """Write a fitted estimator: its class, its parameters, and what it has learned, whole or not at all.

    Parameters
    ----------
    estimator : SampleProjection, RegionImportance, RegionProjection or VonMisesFisherMixture
        Fitted.
    path : path
        The file, such as ``samples.safetensors``; any program that knows this format reads its arrays.

    Raises
    ------
    ValueError
        If it is not fitted, or no estimator of these.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> features = np.random.default_rng(0).gamma(1.0, size=(100, 8))
    >>> samples = SampleProjection().fit(features, features[:, :3] - features[:, 3:6])
    >>> path = Path(tempfile.mkdtemp()) / "samples.safetensors"
    >>> save_estimator(samples, path)
    >>> bool((load_estimator(path).transform(features) == samples.transform(features)).all())
    True
    """
    about, tensors = _apart(estimator)
    _write(path, {"estimator": about}, tensors)


def load_estimator(path: Where) -> Estimator:
    """Read what :func:`save_estimator` wrote; no code is run, and no class but these four is ever made.

    Arrays come back in the kind and the floating type that they had, tensors on the CPU; results are the same bit for
    bit.

    Raises
    ------
    ValueError
        If the file is none of :func:`save_estimator`, or a later version of nbhelpers wrote it.
    OSError
        If it is missing or damaged.
    """
    with _told(path):
        about, tensors = _read(path, "estimator")
        return _together(about, tensors)


def save_portrait(portrait: Portrait, path: Where) -> None:
    """Write the fits of a portrait into one file; the activations stay where they are (``record(..., folder=)``).

    Parameters
    ----------
    portrait : Portrait
        As of :func:`~nbhelpers.portray`.
    path : path
        The file, such as ``portrait.safetensors``.

    Raises
    ------
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from nbhelpers import Study, portray
    >>> study = Study("scenes")
    >>> a = study.activations(layers=("conv_53",), images=study.images().subset(per_category=5))
    >>> portrait, path = portray(a, grid=4), Path(tempfile.mkdtemp()) / "portrait.safetensors"
    >>> save_portrait(portrait, path)
    >>> again = load_portrait(path, a)
    >>> bool((again.regions["conv_53"].h == portrait.regions["conv_53"].h).all())
    True
    """
    samples, tensors = _apart(portrait.samples, "samples ")
    about = {"samples": samples, "of": _trace(portrait.activations), "layers": {}}
    for layer, view in portrait.regions.items():
        fits = {"importance": view.importance, "projection": view.projection}
        parts = {name: _apart(fit, f"{name} {layer} ") for name, fit in fits.items()}
        about["layers"][layer] = {"grid": view.grid, **{name: part for name, (part, _) in parts.items()}}
        for _, learned in parts.values():
            tensors |= learned
    _write(path, {"portrait": about}, tensors)


def load_portrait(path: Where, activations: Activations) -> Portrait:
    """Read what :func:`save_portrait` wrote, and lay it over the activations that it was fitted to.

    Raises
    ------
    ValueError
        If the file is none of :func:`save_portrait`, a later version of nbhelpers wrote it, or the activations are of
        other images, of another network, or lack a layer.
    OSError
        If it is missing or damaged.
    """
    with _told(path):
        about, tensors = _read(path, "portrait")
        if about["of"] != _trace(activations):
            raise ValueError("it is of other activations: their logits, features or labels differ")
        if missing := about["layers"].keys() - activations.regions.keys():
            raise ValueError(f"it shows layers that were not recorded here: {', '.join(sorted(missing))}")
        samples = _together(about["samples"], tensors, "samples ")
        regions = {}
        for layer, parts in about["layers"].items():
            raw = pool_regions(activations.regions[layer], tuple(parts["grid"]))
            w, h = (_together(parts[name], tensors, f"{name} {layer} ") for name in ("importance", "projection"))
            regions[layer] = RegionalFeatures(raw, w.weights_, h.transform(raw), w, h)
        return Portrait(activations, samples, regions)


def _apart(estimator: Estimator, prefix: str = "") -> tuple[dict[str, Any], Tensors]:
    """An estimator as JSON, and the arrays that it has learned under names that start with the prefix."""
    kind = type(estimator).__name__
    if _KINDS.get(kind) is not type(estimator):
        raise ValueError(f"only {', '.join(_KINDS)} can be kept in a file, got a {kind}")
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        raise ValueError(f"this {kind} has learned nothing yet: fit it first") from None
    parameters = {name: _plain(value) for name, value in estimator.get_params().items()}
    arrays, numbers, tensors = {}, {}, {}
    for name, value in vars(estimator).items():
        if isinstance(value, np.ndarray | torch.Tensor):
            arrays[name] = "tensor" if isinstance(value, torch.Tensor) else "array"
            tensors[prefix + name] = torch.as_tensor(value)
        elif name.endswith("_"):
            numbers[name] = _plain(value)
    return {"class": kind, "parameters": parameters, "arrays": arrays, "numbers": numbers}, tensors


def _plain(value: Any) -> Any:
    """A parameter or a number as JSON knows it."""
    if isinstance(value, torch.device):
        return str(value)
    return value.item() if isinstance(value, np.generic) else value


def _together(about: Mapping[str, Any], tensors: Tensors, prefix: str = "") -> Any:
    """The estimator that was taken apart."""
    if about["class"] not in _KINDS:
        raise ValueError(f"it holds a {about['class']!r}, but only {', '.join(_KINDS)} are read")
    kind = _KINDS[about["class"]]
    if strange := about["parameters"].keys() - kind().get_params().keys():
        raise ValueError(f"it names parameters that {kind.__name__} does not have: {', '.join(sorted(strange))}")
    estimator = kind(**about["parameters"])
    estimator.check_parameters()
    arrays = {name: tensors[prefix + name] for name in about["arrays"]}
    learned = about["numbers"] | {n: x if about["arrays"][n] == "tensor" else x.numpy() for n, x in arrays.items()}
    for name, value in learned.items():
        if not name.endswith("_") or name.startswith("_"):
            raise ValueError(f"it names {name!r} as learned, but what is learned ends in an underscore")
        setattr(estimator, name, value)
    return estimator


def _trace(activations: Activations) -> str:
    """A checksum of what a portrait's fits rest on, beside the layers."""
    of = {name: torch.as_tensor(np.array(getattr(activations, name))) for name in ("logits", "features", "labels")}
    return digest(of)


def _write(path: Where, about: Mapping[str, Any], tensors: Tensors) -> None:
    text = json.dumps({"version": VERSION, **about})
    save_tensors(tensors, Path(path), text, {_KEY: text})


def _read(path: Where, what: str) -> tuple[Any, Tensors]:
    """What a file says of its content, and its tensors."""
    tensors, notes = read_tensors(Path(path))
    if _KEY not in notes:
        raise ValueError(f"it was not written by save_{what}, and does not say what its tensors are")
    check_tensors(tensors, notes, notes[_KEY])
    about = json.loads(notes[_KEY])
    if about["version"] > VERSION:
        raise ValueError(f"it has version {about['version']}, this nbhelpers reads {VERSION}: install a later one")
    if what not in about:
        other = "portrait" if what == "estimator" else "estimator"
        raise ValueError(f"it holds no {what}; read it with load_{other}")
    return about[what], tensors


@contextmanager
def _told(path: Where) -> Iterator[None]:
    """Name the file in whatever is wrong with it."""
    try:
        yield
    except Damaged as error:
        raise Damaged(f"{path} is damaged: {error}") from None
    except (AttributeError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} cannot be read: it is not in the form of version {VERSION} ({error!r})") from None
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
