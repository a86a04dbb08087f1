"""What the fits leave open, chosen where nothing is reported: by cross-validation on training images.

Of every candidate the loss is taken that the fit minimises, on the fold that it did not see. No correlation, count or
mask of the book has a part in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from nbhelpers.experiments.stages import Stage
from nbhelpers.experiments.study import Study
from nbhelpers.maths.arrays import polar
from nbhelpers.maths.kappa import KappaCurve
from nbhelpers.method.activations import Activations
from nbhelpers.method.importance import RegionImportance
from nbhelpers.method.matching import best_matches, kl_divergence, log_choice, region_vectors, target_log_probabilities
from nbhelpers.method.region_loss import projection_losses
from nbhelpers.method.regions import RegionProjection
from nbhelpers.method.samples import SampleProjection

FOLDS = 5
CANDIDATES = {
    "weight decay of M": (1e-4, 1e-3, 0.003, 0.01, 0.03, 0.1, 0.3),
    "penalty of w": (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0),
    "weight decay of Λ": (0.0, 1e-4, 1e-3, 0.01, 0.1),
    "sharpness κ_p of the target": (5.0, 10.0, 20.0, 40.0, 80.0),
}
"""The values that were tried."""


def stages(study: Study) -> dict[str, Any]:
    """One stage a candidate."""
    losses = (samples_loss, importance_loss, projection_loss, sharpness_loss)
    seconds = (2, 15, 60, 80)
    return {
        "choices": {
            name: {f"{value:g}": Stage(loss, (study, value), seconds=cost) for value in CANDIDATES[name]}
            for name, loss, cost in zip(CANDIDATES, losses, seconds, strict=True)
        }
    }


def chosen(runs: Sequence[Mapping[str, Any]], name: str) -> float:
    """The largest candidate whose loss is within a standard error of the lowest.

    Losses are taken in units of each run's own lowest, and differences fold by fold: the one-standard-error rule of
    Breiman, Friedman, Olshen and Stone (*Classification and regression trees*, 1984), paired.

    Examples
    --------
    >>> folds = {"0": [2.0, 2.2, 2.1], "1": [1.0, 1.2, 1.1], "3": [1.1, 1.1, 1.1], "9": [3.0, 3.2, 3.1]}
    >>> chosen([{"choices": {"penalty": folds}}], "penalty")
    3.0
    """
    losses = {}
    for value in runs[0]["choices"][name]:
        units = [min(map(np.mean, run["choices"][name].values())) for run in runs]
        losses[value] = np.concatenate(
            [run["choices"][name][value] / unit for run, unit in zip(runs, units, strict=True)]
        )
    lowest = losses[min(losses, key=lambda value: losses[value].mean())]
    above = {value: loss - lowest for value, loss in losses.items()}
    near = [value for value, more in above.items() if more.mean() <= more.std(ddof=1) / len(more) ** 0.5]
    return max(map(float, near))


def seen(study: Study, *layers: str) -> Activations:
    """What the network computed of as many training images as figures have held-out ones."""
    return study.activations(-1, layers, study.fitted("train"), study.setting.grid if layers else None)


def folds(images: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Where the images stand that a fit sees, and those that judge it."""
    parts = np.array_split(np.random.default_rng(0).permutation(images), FOLDS)
    for judging in parts:
        yield np.setdiff1d(np.arange(images), judging), np.sort(judging)


def samples_loss(study: Study, weight_decay: float) -> list[float]:
    """KL(P || Q) in nats, mean over the images of every fold that M was not fitted to."""
    activations, losses = seen(study), []
    features, logits = activations.features, activations.logits
    for fitted, judging in folds(len(features)):
        projection = SampleProjection(weight_decay=weight_decay).fit(features[fitted], logits[fitted])
        log_p = torch.log_softmax(torch.from_numpy(logits[judging]).double() / projection.temperature, dim=1)
        log_q = torch.from_numpy(projection.predict_proba(features[judging])).double().log()
        losses.append(float(kl_divergence(log_p, log_q).mean()))
    return losses


def importance_loss(study: Study, ridge: float) -> list[float]:
    """KL(P || Q) in nats of choosing among the images of every fold that no w was fitted to."""
    return [loss for loss, _ in importance_losses(study, RegionImportance(ridge=ridge))]


def importance_losses(study: Study, importance: RegionImportance) -> list[tuple[float, float]]:
    """The same, and what choosing blindly comes to."""
    activations = seen(study, study.deepest)
    regions, logits, losses = activations.regions[study.deepest], activations.logits, []
    queries, keys = importance.queries_and_keys(region_vectors(torch.from_numpy(regions)))
    for fitted, judging in folds(len(regions)):
        w = torch.from_numpy(importance.fit(regions[fitted], logits[fitted]).weights_)
        scores = torch.einsum("mr,mrn->mn", w, best_matches(queries[fitted], keys[judging], index=False)[0])
        log_p = of_fold(logits, fitted, judging, importance.kappa_target)
        blind = torch.full_like(log_p, -np.log(len(judging)))
        pair = torch.log_softmax(scores, dim=1), blind
        losses.append(tuple(float(kl_divergence(log_p, log_q).mean()) for log_q in pair))
    return losses


def of_fold(logits: np.ndarray, fitted: np.ndarray, judging: np.ndarray, kappa: float) -> torch.Tensor:
    """log P of the fitted images among those of a fold."""
    both = np.concatenate([fitted, judging])
    log_p = target_log_probabilities(torch.from_numpy(logits[both]), "logits", 1.0, kappa)
    return torch.log_softmax(log_p[: len(fitted), len(fitted) :], dim=1)


def projection_loss(study: Study, weight_decay: float) -> list[float]:
    """What the fit of Λ minimises, without its penalty, in nats, mean over every fold that it did not see."""
    projection = RegionProjection(weight_decay=weight_decay)
    weight = projection.alpha * projection.kappa_align
    return [divergence + weight * turned for divergence, turned, _ in projection_parts(study, projection)]


def projection_parts(study: Study, projection: RegionProjection) -> list[tuple[float, float, float]]:
    """Both parts of the loss, and what choosing blindly comes to."""
    activations, losses = seen(study, study.deepest), []
    regions, logits = activations.regions[study.deepest], activations.logits
    g = SampleProjection().fit(activations.features, logits).transform(activations.features)
    w = RegionImportance(kappa_target=projection.kappa_target).fit(regions, logits).weights_
    curve = KappaCurve(projection.kappa_max, projection.n_components)
    for fitted, judging in folds(len(regions)):
        projection.fit(regions[fitted], logits[fitted], w[fitted], g[fitted])
        h = torch.from_numpy(projection.transform(regions[judging]))
        keys, _ = polar(region_vectors(torch.from_numpy(regions[judging])))
        log_p = target_log_probabilities(torch.from_numpy(logits[judging]), "logits", 1.0, projection.kappa_target)
        towards = polar(torch.from_numpy(g[judging]).float())[0]
        place = best_matches(keys, keys)[1]
        parts = projection_losses(h, torch.from_numpy(w[judging]), towards, log_p, place, curve) / len(judging)
        blind = kl_divergence(log_p, log_choice(torch.zeros_like(log_p), log_p)).mean()
        losses.append((float(parts[0]), float(parts[1]), float(blind)))
    return losses


def sharpness_loss(study: Study, kappa: float) -> list[float]:
    """The share of the divergence that is left, mean of both fits that have this target.

    A sharper target is harder to meet, so that divergences of two are not compared, but what is left of them.
    """
    of_w = importance_losses(study, RegionImportance(kappa_target=kappa))
    of_h = projection_parts(study, RegionProjection(kappa_target=kappa))
    pairs = zip(of_w, of_h, strict=True)
    return [(w / blind_w + h / blind_h) / 2 for (w, blind_w), (h, _, blind_h) in pairs]
