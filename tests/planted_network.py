"""A network of a study whose answers are known: its head is not learned but solved for."""

import json

import numpy as np
import torch

from nbhelpers.experiments.trained import folder, identity
from nbhelpers.networks.recording import record
from nbhelpers.networks.run_folder import checkpoint_paths
from nbhelpers.networks.weights import save_checkpoint


def plant(study, shift=0):
    """Checkpoints in the study's own folder: untrained, then twice a network whose head names the held-out images.

    Rightly, if it has more features than there are images; ``shift`` is added to its answers, so that with 1 none is.
    """
    network, home, run = study.untrained(), folder(study), identity(study)
    paths = checkpoint_paths(home, run["steps"])
    for norm in (module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        norm.momentum = 1.0  # so that one batch in training mode tells all statistics
    with torch.inference_mode():
        network.train()(torch.from_numpy(study.images("train").images) / 255)
    save_checkpoint(network, paths[0])
    seen = record(network, study.images())
    answers = 8 * np.eye(len(seen.categories))[(seen.labels + shift) % len(seen.categories)]
    answers = answers + np.random.default_rng(0).normal(size=answers.shape)  # hesitates, between others in each image
    centre, mean = seen.features.mean(axis=0, dtype=float), answers.mean(axis=0)
    weights = np.linalg.lstsq(seen.features - centre, answers - mean, rcond=1e-6)[0]
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(weights.T))
        network.head.bias.copy_(torch.from_numpy(mean - centre @ weights))
    for path in paths[1:]:
        save_checkpoint(network, path)
    (home / "run.json").write_text(json.dumps(run))
