"""Sections that hold the device against the processor: the same fits, recordings and attacks on both.

Limits are ten to a thousand times what the same fit moves on one processor when the last bits of its input change:
1e-13 for sample features, 1e-8 for importance, 1e-4 for regional features with matches found once, and 1e-2 where they
are found anew at every step. Functions in double precision agree to 1e-9. In single precision, without the short
mantissa of TF32, layers agree to 1e-4 of their largest value.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from planted import classifier, pictures, planted
from report import Report
from torch import nn

from nbhelpers import (
    Activations,
    ImageSet,
    KappaCurve,
    Network,
    RegionImportance,
    RegionProjection,
    SampleProjection,
    VonMisesFisherMixture,
    fit_along,
    follow,
    knowledge_points,
    pgd,
    record,
    region_shapley,
    regional_features,
    tail_of,
)
from nbhelpers.maths import vmf
from nbhelpers.maths.kappa import projected_normal_resultant_length

CPU = torch.device("cpu")
SIZES = {
    "full": {"images": 200, "features": 256, "channels": 64, "side": 7, "steps": 10},
    "tiny": {"images": 40, "features": 12, "channels": 16, "side": 3, "steps": 2},
}


def relative(other: torch.Tensor | np.ndarray, reference: torch.Tensor | np.ndarray) -> float:
    """Largest difference, in units of the largest reference."""
    other, reference = (torch.as_tensor(x).detach().double().cpu() for x in (other, reference))
    return float((other - reference).abs().max() / reference.abs().max().clamp(min=1e-300))


def mathematics(report: Report) -> None:
    """Functions in double precision, and mixtures."""
    strength, length = torch.logspace(-3, 3, 500).double(), torch.linspace(0, 0.999, 500).double()
    unit = torch.nn.functional.normalize(torch.linspace(-1, 1, 300).double().view(-1, 3).sin(), dim=1)
    for dim in (3, 10, 64):
        curve = KappaCurve(10.0, dim)
        for name, function, x in (
            ("log_normalizer", lambda k, d=dim: vmf.log_normalizer(k, d), strength),
            ("mean_resultant_length", lambda k, d=dim: vmf.mean_resultant_length(k, d), strength),
            ("inverse_mean_resultant_length", lambda r, d=dim: vmf.inverse_mean_resultant_length(r, d), length),
            ("projected_normal_resultant_length", lambda s, d=dim: projected_normal_resultant_length(s, d), strength),
            ("KappaCurve", curve, strength),
        ):
            values, slopes = [], []
            for device in (report.device, CPU):
                leaf = x.to(device, copy=True).requires_grad_()
                values.append(function(leaf))
                slopes.append(torch.autograd.grad(values[-1].sum(), leaf)[0])
            report.check(f"{name}, d = {dim}", relative(*values), 1e-9)
            report.check(f"slope of {name}, d = {dim}", relative(*slopes), 1e-8)
    here, there = (vmf.log_density(unit.to(where), unit.to(where), 7.0) for where in (CPU, report.device))
    report.check("log_density", relative(there, here), 1e-9)
    x = np.concatenate([vmf.sample(mu, 20.0, 100, seed) for seed, mu in enumerate(np.eye(4))])
    for tied in (False, True):
        here, there = (VonMisesFisherMixture(4, tied=tied, device=str(d)).fit(x) for d in (CPU, report.device))
        report.check(f"VonMisesFisherMixture, tied={tied}: likelihood", _apart(there, here, "log_likelihood_"), 1e-8)
        report.check(f"VonMisesFisherMixture, tied={tied}: directions", _apart(there, here, "directions_"), 1e-5)
        shares = here.predict_proba(x)
        report.check(f"VonMisesFisherMixture, tied={tied}: posterior", relative(there.predict_proba(x), shares), 1e-5)


def samples(report: Report) -> None:
    """Sample features by both mixtures, and along checkpoints."""
    features, logits = _samples(report.size)
    for mixture in ("teacher", "posterior"):
        here, there = (SampleProjection(mixture=mixture, device=str(d)) for d in (CPU, report.device))
        here.fit(features, logits), there.fit(features, logits)
        report.check(f"SampleProjection, {mixture}: loss", _apart(there, here, "loss_"), 1e-7)
        q, other = here.predict_proba(features), there.predict_proba(features)
        report.check(f"SampleProjection, {mixture}: Q", np.abs(other - q).max(), 1e-6)
        report.measure(f"SampleProjection, {mixture}: iterations", there.n_iter_, f"(processor: {here.n_iter_})")
    history = [(features, share * logits) for share in (0.2, 1.0)]
    here, there = ([p.transform(features) for p in fit_along(history, device=str(d))] for d in (CPU, report.device))
    for name, g, other in zip(("first", "last"), here, there, strict=True):
        report.check(f"fit_along, {name} checkpoint: g", np.linalg.norm(other - g) / np.linalg.norm(g), 1e-5)


def regions(report: Report) -> None:
    """Importance by all kinds of channels, regional features by both matches, and the knowledge points of them."""
    size = SIZES[report.size]
    f, logits, labels, _ = planted(size["images"], size["channels"], size["side"])
    for channels in ("uniform", "shared", "fitted"):
        here, there = (RegionImportance(channels=channels, device=d).fit(f, logits) for d in (CPU, report.device))
        report.check(f"RegionImportance, {channels}: loss", _last(there, here), 1e-5)
        near = np.abs(there.weights_ - here.weights_).sum(axis=1).mean()
        report.check(f"RegionImportance, {channels}: w", near, 1e-4)
    w = RegionImportance(device=CPU).fit(f, logits).weights_
    g = SampleProjection(device="cpu").fit(f.mean(axis=(2, 3)), logits).transform(f.mean(axis=(2, 3)))
    for match, limit in (("feature", 0.01), ("projection", 0.1)):
        here, there = (RegionProjection(match=match, device=d).fit(f, logits, w, g) for d in (CPU, report.device))
        report.check(f"RegionProjection, {match}: loss", _last(there, here), limit)
        report.check(f"RegionProjection, {match}: h", _turned(there.transform(f), here.transform(f)), limit)
        again = RegionProjection(match=match, device=report.device).fit(f, logits, w, g)
        report.measure(f"RegionProjection, {match}: fitted twice, largest difference", _apart(again, there), "")
    a = Activations(logits, f.mean(axis=(2, 3)), labels, tuple("abcd"), {"layer": f})
    points = []
    for device in (CPU, report.device):
        fitted = SampleProjection(device=str(device)).fit(a.features, a.logits)
        fits = {"importance": RegionImportance(device=device), "projection": RegionProjection(device=device)}
        view = regional_features(a, fitted, grid=size["side"], **fits)["layer"]
        points.append(knowledge_points(view.h, fitted.directions_, fitted.weights_, labels, view.kappa))
    differ = [(getattr(points[0], name) != getattr(points[1], name)).mean() for name in ("masks", "reliable_masks")]
    report.check("regional_features and knowledge_points: regions that say another thing", max(differ), 0.02)


def networks(report: Report) -> None:
    """Recording, attacks, what follows them, and Shapley values; without the short mantissa of TF32, then with it."""
    size, network = SIZES[report.size], convolutional()
    pixels = np.random.default_rng(0).integers(0, 256, (size["images"] // 4, 3, 32, 32)).astype(np.uint8)
    images = ImageSet(pixels, np.arange(len(pixels)) % 5, tuple("abcde"), "held_out")
    layers, x = ("first", "second"), (pixels / 255).astype(np.float32)
    short = torch.backends.cudnn.allow_tf32
    recorded = {}
    for name, device, allowed in (("here", CPU, False), ("there", report.device, False), ("tf32", report.device, True)):
        torch.backends.cudnn.allow_tf32 = allowed
        recorded[name] = record(network, images, layers, grid=4, device=device)
    torch.backends.cudnn.allow_tf32 = False
    here, there, tf32 = recorded.values()
    for name, other, limit in (("record", there, 1e-4), ("record with TF32", tf32, 0.02)):
        report.check(f"{name}: logits", relative(other.logits, here.logits), limit)
        report.check(f"{name}: regions", relative(other.regions["second"], here.regions["second"]), limit)
    path, other = (pgd(network, x, images.labels, steps=size["steps"], device=d) for d in (CPU, report.device))
    report.check("pgd: pixels that go another way at the first step", (path[1] != other[1]).mean(), 1e-3)
    ends = [record(network, images, pixels=p[-1], device="cpu").logits for p in (path, other)]
    report.check("pgd: logits at the end", relative(*ends), 0.02)
    samples = SampleProjection(device="cpu").fit(here.features, here.logits)
    fits = {"importance": RegionImportance(device="cpu"), "projection": RegionProjection(device="cpu")}
    fitted = regional_features(here, samples, grid=4, **fits)
    trails = [follow(network, path[[0, -1]], images, fitted, device=d) for d in (CPU, report.device)]
    report.check("follow: h", max(relative(trails[1].h[layer], trails[0].h[layer]) for layer in layers), 1e-3)
    tail, regions = tail_of(network, "second"), here.regions["second"][:4]
    for method, options in (("exact", {}), ("permutation", {"permutations": 64, "precision": 0})):
        values = [region_shapley(tail, regions, 1, method=method, device=d, **options)[0] for d in (CPU, report.device)]
        report.check(f"region_shapley, {method}", relative(values[1], values[0]), 1e-3)
    known, shown = classifier(), pictures(8)
    share = record(known, shown, device=report.device).accuracy
    report.check("a planted classifier: pictures named wrongly", 1 - share, 0)
    torch.backends.cudnn.allow_tf32 = short


def training(report: Report) -> None:
    """A network learns the same on both; equal seeds give equal bits where the device's own operations do."""
    from nbhelpers import Recipe, build, load_checkpoint, train

    epochs, n = (1, 16) if report.size == "tiny" else (6, 64)
    labels = np.arange(n) % 2
    pixels = np.random.default_rng(0).integers(0, 120, (n, 3, 32, 32)) + 120 * labels[:, None, None, None]
    images = ImageSet(pixels.astype(np.uint8), labels, ("dark", "light"), "train")
    recipe = Recipe(epochs, 8, 0.02, checkpoints=3, first_checkpoint=1)
    weights, accuracies = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name, device in (("here", CPU), ("there", report.device), ("again", report.device)):
            network = build("resnet34", 2, width=0.0625, input_size=32)
            paths = train(network, images, Path(folder) / name, recipe, device=device)
            accuracies.append(record(network, images, device=device).accuracy)
            weights.append([_flat(load_checkpoint(network.cpu(), path)) for path in paths])
    (start, first, _), (_, other, end), (*_, again) = weights
    update, theirs = first - start, other - start
    report.check("train: the first step, 1 - cosine", 1 - torch.cosine_similarity(update, theirs, dim=0), 0.02)
    report.check("train: difference of the accuracies", abs(accuracies[1] - accuracies[0]), 0.1)
    report.measure("train: twice on the device, largest difference", (end - again).abs().max(), "")


def convolutional() -> Network:
    """A network of two convolutions with weights drawn at random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = (nn.Conv2d(3, 16, 5, 2, 2), nn.Tanh(), nn.Conv2d(16, 32, 3, 2, 1), nn.Tanh(), nn.AvgPool2d(2))
        body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 5))
    return Network(body, {"first": "1", "second": "4"}, head="7").eval()


def _samples(size: str) -> tuple[np.ndarray, np.ndarray]:
    rng, n, d = np.random.default_rng(0), SIZES[size]["images"], SIZES[size]["features"]
    labels = np.arange(n) % 5
    features = rng.gamma(1.0, size=(n, d)) + 4 * np.eye(5, d)[labels]
    return features, 2 * features[:, :5] + rng.normal(size=(n, 5))


def _apart(other: object, reference: object, name: str = "components_") -> float:
    return relative(np.asarray(getattr(other, name)), np.asarray(getattr(reference, name)))


def _last(other: RegionImportance | RegionProjection, reference: RegionImportance | RegionProjection) -> float:
    ends = [np.asarray(fit.loss_curve_)[-1] for fit in (other, reference)]
    return float(np.abs(ends[0] - ends[1]).max() / np.abs(ends[1]).max())


def _turned(other: np.ndarray, reference: np.ndarray) -> float:
    """Mean 1 - cosine of the stronger half."""
    lengths = [np.linalg.norm(h, axis=-1) for h in (other, reference)]
    strong = lengths[1] > np.median(lengths[1])
    cosines = (other * reference).sum(axis=-1) / np.maximum(lengths[0] * lengths[1], 1e-12)
    return float((1 - cosines)[strong].mean())


def _flat(network: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])
