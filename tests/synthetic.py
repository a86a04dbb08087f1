"""Features and logits like a network's: positive, with evidence of varying strength, sometimes for two categories."""

import numpy as np


def features_and_logits(n=200, d=64, categories=10, seed=0, dtype=np.float64):
    """(n, d) features of typical length 40, (n, categories) logits linear in them, and the true labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, categories, n)
    other = (labels + rng.integers(1, categories, n)) % categories
    prototypes = np.maximum(rng.normal(size=(categories, d)), 0)
    prototypes += 0.7 * np.maximum(rng.normal(size=(3, d)), 0)[rng.integers(0, 3, categories)]  # families of categories
    strength = rng.gamma(2.0, 0.5, size=(n, 1))
    mixed = rng.beta(1, 4, size=(n, 1))
    evidence = (1 - mixed) * prototypes[labels] + mixed * prototypes[other]
    features = strength * evidence + 0.25 * np.abs(rng.normal(size=(n, d)))
    centred = prototypes - prototypes.mean(0)
    logits = features @ centred.T * (14 / np.square(centred).sum(1).mean())
    features *= 40 / np.sqrt(np.square(features).sum(1).mean())
    return features.astype(dtype), logits.astype(dtype), labels
