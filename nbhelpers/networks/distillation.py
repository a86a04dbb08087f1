"""Students of a trained network: some mimic a layer of it, one its soft labels, one has no teacher (Fig. 9)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from nbhelpers.images import ImageSet
from nbhelpers.maths.arrays import check_positive, resolve_device
from nbhelpers.networks.network import Network, check_evaluating, evaluating
from nbhelpers.networks.objectives import Mimicry, Rest, SoftLabels, TrueLabels
from nbhelpers.networks.taps import features_of
from nbhelpers.networks.training import Recipe, train

ALONE, SOFT = "alone", "soft"
MIMICRY_RATE = 4
"""Mimicry learns at this multiple of the recipe's rate: a relative squared error is flatter than a cross-entropy."""


def distill(
    student: Network,
    teacher: Network,
    images: ImageSet,
    folder: str | os.PathLike,
    lesson: str,
    recipe: Recipe,
    *,
    seed: int = 0,
    temperature: float = 4.0,
    about: Mapping[str, Any] | None = None,
    device: str | torch.device = "auto",
) -> Path:
    """Train ``student`` in place on what ``teacher`` computes for the same, equally augmented images.

    A student that mimics a layer learns in two stages: first all that leads to the layer, with no label, from the mean
    squared difference to the teacher's features (in units of their mean square), without dropout, at
    :data:`MIMICRY_RATE` times the recipe's learning rate; then what follows the layer, from the true labels, for a
    quarter of the epochs, while the mimicking part stays as it is. What the layer shows is so what the teacher taught.

    Parameters
    ----------
    student, teacher : Network
        Same layers. The teacher, in evaluation mode, is not changed.
    images : ImageSet
        Training images.
    folder : path
        Receives checkpoints; a killed run goes on where it stopped.
    lesson : str
        A layer to mimic, after its ReLU; ``"soft"``: the teacher's probabilities at ``temperature`` (Hinton, Vinyals
        and Dean 2015, arXiv:1503.02531), no true label; ``"alone"``: true labels and no teacher, the control.
    recipe : Recipe
        How to train.
    seed : int
        Of order, augmentation and dropout; the initial weights are the student's own.
    temperature : float
        Of soft labels.
    about : mapping, optional
        As of :func:`~nbhelpers.train`.
    device : str or torch.device
        ``"auto"`` is CUDA when there is one.

    Returns
    -------
    Path
        The checkpoint of the finished student.

    Raises
    ------
    ValueError
        If the lesson is unknown (the message lists the layers), the student's layer or its number of categories
        differs from the teacher's, the teacher is in training mode, and as :func:`~nbhelpers.train`.
    OSError
        If a checkpoint cannot be written.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from nbhelpers.networks.architectures import build
    >>> pixels = np.random.default_rng(0).integers(0, 256, (8, 3, 32, 32)).astype(np.uint8)
    >>> eight = ImageSet(pixels, np.arange(8) % 2, ("cat", "dog"), "train")
    >>> teacher, student = (build("vgg16", 2, width=0.05, input_size=32, seed=seed) for seed in (0, 1))
    >>> recipe = Recipe(epochs=1, batch_size=4, checkpoints=2)
    >>> distill(student, teacher.eval(), eight, tempfile.mkdtemp(), "conv_53", recipe).name
    'step-000002.safetensors'
    """
    check_positive(temperature, "temperature")
    check_pupil(student, teacher, lesson, images)
    teacher.to(resolve_device(device), memory_format=teacher.memory_format)
    options = {"seed": seed, "about": about, "device": device}
    if lesson in (ALONE, SOFT):
        objective = TrueLabels() if lesson == ALONE else SoftLabels(teacher, temperature)
        return train(student, images, folder, recipe, objective=objective, **options)[-1]
    mimicry = replace(recipe, learning_rate=MIMICRY_RATE * recipe.learning_rate)
    train(student, images, folder, mimicry, objective=Mimicry(teacher, lesson), **options)
    rest = replace(recipe, epochs=max(1, recipe.epochs // 4))
    return train(student, images, Path(folder) / "rest", rest, objective=Rest(lesson), **options)[-1]


def check_pupil(student: Network, teacher: Network, lesson: str, images: ImageSet) -> None:
    """Refuse a pair of networks of which one cannot teach the other."""
    if lesson not in (ALONE, SOFT, *teacher.layers):
        known = ", ".join((ALONE, SOFT, *teacher.layers))
        raise ValueError(f"unknown lesson {lesson!r}; there are {known}")
    check_evaluating(teacher, "teacher")
    outputs, categories = (len(student.outputs), len(teacher.outputs)), len(images.categories)
    if outputs != (categories, categories):
        raise ValueError(
            f"student and teacher must both score the {categories} categories, got {outputs[0]} and {outputs[1]}"
        )
    if lesson in (ALONE, SOFT):
        return
    if lesson not in student.layers:
        raise ValueError(f"the student has no layer {lesson}; it has {', '.join(student.layers)}")
    shapes = []
    for network in (student, teacher):
        one = torch.zeros(1, *images.images.shape[1:], device=network.mean.device)
        with torch.inference_mode(), evaluating(network):
            shapes.append(tuple(features_of(network, lesson, one).shape[1:]))
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"the student's {lesson} has shape {shapes[0]}, the teacher's {shapes[1]}: features can only be compared "
            "where shapes are equal; build both with one width and input size"
        )
