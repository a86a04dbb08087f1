"""Training with checkpoints along the way: equal bits for equal seeds, and a killed run goes on where it stopped."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from nbhelpers.files import tell
from nbhelpers.images import ImageSet, LazyImages
from nbhelpers.maths.arrays import check_whole, resolve_device
from nbhelpers.networks.network import Network
from nbhelpers.networks.objectives import Objective, TrueLabels
from nbhelpers.networks.recording import to_unit
from nbhelpers.networks.run_folder import checkpoint_paths, claim, drop_state, finished, read_state, write_state
from nbhelpers.networks.threads import fixed_threads
from nbhelpers.networks.trial import try_out
from nbhelpers.networks.weights import load_checkpoint, save_checkpoint


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: SGD with Nesterov momentum under a one-cycle cosine schedule.

    Attributes
    ----------
    epochs, batch_size : int
        Passes over the training images, and images a step.
    learning_rate : float
        Highest rate; reached after ``warmup`` of all steps, then a cosine down to zero.
    momentum, weight_decay, warmup : float
        As usual; ``warmup`` is a share of all steps.
    checkpoints : int
        How many to keep, the first of the untrained network.
    first_checkpoint : int
        Step of the second one; from there to the end they are spaced evenly in the logarithm of the step.
    threads : int
        Of the processor. Another number gives other last bits, and so other weights.
    """

    epochs: int = 40
    batch_size: int = 64
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.1
    checkpoints: int = 10
    first_checkpoint: int = 10
    threads: int = 1

    def __post_init__(self) -> None:
        lowest = {"epochs": 1, "batch_size": 2, "checkpoints": 2, "first_checkpoint": 1, "threads": 1}
        for name, least in lowest.items():
            check_whole(getattr(self, name), name, least)

    def kept_steps(self, steps: int) -> list[int]:
        """Steps after which a checkpoint is kept: 0 and about log-spaced ones up to ``steps``.

        Examples
        --------
        >>> Recipe(checkpoints=8).kept_steps(3000)
        [0, 10, 26, 67, 173, 448, 1159, 3000]
        >>> Recipe(checkpoints=2).kept_steps(3000)
        [0, 3000]
        """
        first = min(self.first_checkpoint, steps)
        spaced = np.geomspace(first, steps, self.checkpoints - 1).round().astype(int)
        return sorted({0, *spaced[:-1].tolist(), steps})


def augment(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Random mirror, zoom (0.7 to 1) and shift of each image of a batch, in one bilinear resampling."""
    draw = torch.rand(4, len(images), generator=generator).to(images.device, non_blocking=True)
    zoom = 0.7 + 0.3 * draw[0]
    theta = images.new_zeros(len(images), 2, 3)
    theta[:, 0, 0] = zoom * torch.where(draw[1] < 0.5, -1.0, 1.0)
    theta[:, 1, 1] = zoom
    theta[:, :, 2] = (2 * draw[2:].T - 1) * (1.15 - zoom)[:, None]
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def train(
    network: Network,
    images: ImageSet,
    folder: str | os.PathLike,
    recipe: Recipe = Recipe(),
    *,
    seed: int = 0,
    objective: Objective | None = None,
    about: Mapping[str, Any] | None = None,
    device: str | torch.device = "auto",
) -> list[Path]:
    """Train ``network`` in place and keep checkpoints in ``folder``.

    One seed gives one result, bit for bit, on one machine, whatever runs beside: every epoch draws its order, its
    augmentation and its dropout from ``(seed, epoch)``, so a run that was killed and started again ends with the same
    weights; and the recipe fixes the number of threads.

    Parameters
    ----------
    network : Network
        Trained in place. Batch normalisations whose parameters are frozen, or that alone are in evaluation mode, keep
        their statistics.
    images : ImageSet
        Training images; one batch or more.
    folder : path
        Receives ``run.json``, ``step-000000.safetensors`` ... and, until the run is done, ``resume.pt``.
    recipe : Recipe
        How to train.
    seed : int
        Of order, augmentation and dropout; the initial weights are the network's own.
    objective : Objective
        What is minimised, for which part of the network; by default :class:`TrueLabels`.
    about : mapping, optional
        What else tells this run from others, as JSON: how the initial weights came about, say, for a folder does not
        ask for those when it is read or goes on (a network that was interrupted has others).
    device : str or torch.device
        ``"auto"`` is CUDA when there is one. Mixed precision (bfloat16) is used where the device computes in it.

    Returns
    -------
    list of Path
        The checkpoints, first to last.

    Raises
    ------
    ValueError
        If there are fewer images than one batch, the seed is no whole number of 0 or more, no parameter may learn, or
        ``folder`` belongs to another run, as :func:`described`; and at the first loss that is not finite: the message
        names the step, and the last checkpoint before it.
    OSError
        If a checkpoint cannot be written; earlier ones stay whole.
    """
    objective, folder = objective or TrueLabels(), Path(folder)
    run = described(images, recipe, seed, objective, about)
    if done := finished(folder, run):
        load_checkpoint(network, done[-1])
        return done
    claim(folder, run)
    kept, per_epoch = run["steps"], len(images) // recipe.batch_size
    total = kept[-1]
    where = resolve_device(device)
    network.to(where, memory_format=network.memory_format)
    labels = torch.from_numpy(images.labels)
    try_out(network, to_unit(torch.from_numpy(images.images[:2]), where))
    part, frozen = objective.part(network), _frozen_norms(network)
    if not any(parameter.requires_grad for parameter in part.parameters()):
        raise ValueError("all parameters are frozen (requires_grad is False), so nothing can learn; let some learn")
    optimizer = torch.optim.SGD(
        part.parameters(), recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True
    )
    # torch divides by the length of the rise, which is zero where it has exactly one step.
    warmup = recipe.warmup if round(recipe.warmup * total, 9) != 1 else 1.5 / total
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total, pct_start=warmup, cycle_momentum=False, final_div_factor=1e3
    )
    paths, step = checkpoint_paths(folder, kept), 0
    stateful = {"network": network, "optimizer": optimizer, "schedule": schedule}
    if state := read_state(folder, run):
        for name, holder in stateful.items():
            holder.load_state_dict(state[name])
        step = state["step"]
    else:
        save_checkpoint(network, paths[0])
    begun = step
    bar = tqdm(total=total, initial=step, desc="training", unit="step")
    with bar, fixed_threads(recipe.threads), torch.random.fork_rng(), _only(part, network):
        for epoch in range(step // per_epoch, recipe.epochs):
            network.eval()
            part.train()
            for norm in frozen:
                norm.eval()
            torch.manual_seed(_epoch_seed(seed, epoch))
            losses: list[torch.Tensor] = []
            for batch, target in _batches(images.images, labels, recipe.batch_size, _epoch_seed(seed, epoch), where):
                with torch.autocast(where.type, torch.bfloat16, enabled=_has_bfloat16(where)):
                    loss = objective.loss(network, batch, target)
                if network.auxiliary and step == begun:
                    tell(
                        f"in training the network gives {network.auxiliary} outputs beside the logits: the loss takes "
                        "what the head says, and what leads to the others alone learns nothing"
                    )
                losses.append(loss.detach())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                step += 1
                bar.update()
                if step in kept:
                    _check_losses(losses, step, paths[kept.index(step) - 1], recipe)
                    save_checkpoint(network, paths[kept.index(step)])
            _check_losses(losses, step, paths[sum(at < step for at in kept) - 1], recipe)
            bar.set_postfix(epoch=epoch + 1, loss=f"{loss.item():.3f}")
            write_state(folder, run, {name: holder.state_dict() for name, holder in stateful.items()} | {"step": step})
    drop_state(folder)
    return paths


def _check_losses(losses: list[torch.Tensor], step: int, last: Path, recipe: Recipe) -> None:
    """Stop at the first that is not finite: asked now and then, for a GPU would have to be waited for at every step."""
    values = torch.stack(losses).tolist()
    for at, value in enumerate(values, start=step + 1 - len(values)):
        if not math.isfinite(value):
            raise ValueError(
                f"the training diverged: in step {at} the loss is {value}, at a learning rate of "
                f"{recipe.learning_rate:g} at most; the last checkpoint before it is {last}"
            )


def described(
    images: ImageSet,
    recipe: Recipe,
    seed: int,
    objective: Objective | None = None,
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What tells a run of :func:`train` from all others, as JSON; arguments as there."""
    if len(images) < recipe.batch_size:
        raise ValueError(f"one batch needs {recipe.batch_size} images, got {len(images)}; lower batch_size")
    return {
        **(about or {}),
        "recipe": asdict(recipe),
        "seed": check_whole(seed, "seed", 0),
        "data_sha256": images.fingerprint,
        "categories": list(images.categories),
        "steps": recipe.kept_steps(recipe.epochs * (len(images) // recipe.batch_size)),
        **(objective or TrueLabels()).describe(),
    }


def _frozen_norms(network: Network) -> list[nn.Module]:
    """Batch normalisations that shall stay: without a parameter that learns, or alone in evaluation mode."""

    def stays(norm: nn.modules.batchnorm._NormBase) -> bool:
        frozen = [not parameter.requires_grad for parameter in norm.parameters()]
        return (bool(frozen) and all(frozen)) or (network.training and not norm.training)

    return [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._NormBase) and stays(m)]


@contextmanager
def _only(part: nn.Module, network: Network) -> Iterator[None]:
    """No derivatives but those of ``part``, which spares the backward pass through the rest."""
    learning = {id(parameter) for parameter in part.parameters()}
    still = nn.ParameterList(p for p in network.parameters() if p.requires_grad and id(p) not in learning)
    still.requires_grad_(False)
    try:
        yield
    finally:
        still.requires_grad_(True)


def _batches(
    images: np.ndarray | LazyImages, labels: torch.Tensor, size: int, seed: int, device: torch.device
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images), generator=generator)
    for chosen in order.split(size):
        if len(chosen) == size:
            batch = augment(to_unit(torch.from_numpy(images[chosen.numpy()]), device), generator)
            yield batch.contiguous(memory_format=torch.channels_last), labels[chosen].to(device, non_blocking=True)


def _epoch_seed(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0])


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    # A build without oneDNN, as for Apple's processors, does not even have the question.
    on_cpu = device.type == "cpu" and torch.backends.mkldnn.is_available()
    return on_cpu and torch.ops.mkldnn._is_mkldnn_bf16_supported()
