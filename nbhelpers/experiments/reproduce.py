"""Run the paper's experiments on data sets and networks, and record what comes out as JSON."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nbhelpers.experiments.rows import attacks as reproduce_attacks
from nbhelpers.experiments.rows import importance as reproduce_importance
from nbhelpers.experiments.rows import regions as reproduce_regions
from nbhelpers.experiments.rows import samples as reproduce_samples
from nbhelpers.experiments.rows import students as reproduce_students
from nbhelpers.experiments.stages import Stage, Stages, expected_seconds, in_parallel
from nbhelpers.experiments.store import Store
from nbhelpers.experiments.study import Study
from nbhelpers.files import replace_file

PACKAGES = ("nbhelpers", "torch", "torchvision", "numpy", "scipy", "scikit-learn")
PER_CATEGORY = 50
"""Images a category that the figures and tables rest on, as in the paper; all of them where there are fewer."""
EXPERIMENTS = {
    "samples": reproduce_samples,
    "regions": reproduce_regions,
    "importance": reproduce_importance,
    "attacks": reproduce_attacks,
    "students": reproduce_students,
}
"""By chapter. Each has ``stages`` and ``results``."""


def reproduce(
    study: Study,
    out: str | os.PathLike,
    *,
    command: str,
    experiments: Sequence[str] = tuple(EXPERIMENTS),
    jobs: int = 1,
    cluster: str | None = None,
) -> dict:
    """Run the experiments of one study and write ``out``; as :func:`sweep` of one.

    Returns
    -------
    dict
        What was written: command, seed, date, seconds, versions, and one key an experiment.
    """
    return sweep({Path(out): study}, commands=[command], experiments=experiments, jobs=jobs, cluster=cluster)[0]


def sweep(
    studies: dict[Path, Study],
    *,
    commands: Sequence[str],
    experiments: Sequence[str] = tuple(EXPERIMENTS),
    jobs: int = 1,
    cluster: str | None = None,
) -> list[dict]:
    """Run the experiments of several studies, and write one JSON file for each, whole or not at all.

    Trainings come first, side by side; then everything else, by layers, checkpoints and settings. A stage that was
    finished is not run again: a killed run goes on where it stopped and ends with the same numbers.

    Parameters
    ----------
    studies : dict of path to Study
        By the file to write. On a cluster, their workspaces and data must be in folders that all machines see.
    commands : sequence of str
        The command line that repeats each study; recorded.
    experiments : sequence of str
        Of :data:`EXPERIMENTS`.
    jobs, cluster
        As of :func:`~nbhelpers.experiments.stages.in_parallel`.

    Raises
    ------
    ValueError
        For an unknown experiment, and as the experiments.
    OSError
        If a file cannot be read or written, or the cluster cannot be reached.
    """
    if not studies:
        raise ValueError("studies is empty: give at least one, by the file to write")
    if unknown := set(experiments) - set(EXPERIMENTS):
        raise ValueError(f"there is no experiment {', '.join(sorted(unknown))}; there are {', '.join(EXPERIMENTS)}")
    chosen = tuple(name for name in EXPERIMENTS if name in experiments)
    together = {"jobs": jobs, "cluster": cluster}
    everyone = list(studies.values())
    named = ", ".join(study.name for study in everyone)
    in_parallel(run_stage, [(study, (), "training") for study in everyone], describe=f"{named}: training", **together)
    plans = [plan(study, chosen).levels()[1:] for study in everyone]
    for level in range(max(map(len, plans))):
        calls = [
            (study, chosen, stage)
            for study, levels in zip(everyone, plans, strict=True)
            for stage in (levels[level] if level < len(levels) else ())
        ]
        costs = [expected_seconds(stage) for _, _, stage in calls]
        in_parallel(run_stage, calls, describe=f"{named}: part {level + 1}", costs=costs, **together)
    found = []
    for (out, study), command in zip(studies.items(), commands, strict=True):
        found.append(result(study, chosen, command))
        replace_file(out, lambda part, value=found[-1]: part.write_text(json.dumps(value, indent=1) + "\n"))
    return found


def plan(study: Study, experiments: Sequence[str]) -> Stages:
    """The stages of a study; with no experiments, only its training."""
    held_out, train = study.images(), study.images("train")
    images = held_out.subset(held_out.first_of_each(PER_CATEGORY, or_all=True))
    identity = {
        "retrain": study.retrain,
        "data_sha256": {"train": train.fingerprint, "held_out": held_out.fingerprint},
        "version": version("nbhelpers"),
    }
    found = Stages(Store(study.home / "results"), {**study.describe(), **identity})
    found.todo["training"] = Stage(lambda: {"checkpoints": study.steps})
    for name in experiments:
        found.todo |= EXPERIMENTS[name].stages(study, images, found)
    return found


def run_stage(study: Study, experiments: Sequence[str], stage: str) -> None:
    """Compute one stage and keep it; in whichever process."""
    plan(study, experiments).timed(stage)


def result(study: Study, experiments: Sequence[str], command: str) -> dict[str, Any]:
    """What a recorded file holds of a run whose stages are all done."""
    found = plan(study, experiments)
    seconds = {name: found.timed(name)["seconds"] for name in found}
    images = {split: study.images(split) for split in ("train", "held_out")}
    described = study.describe()
    # "students" is what was measured of them, and "recipe" is the one of the two that was used.
    described |= {"student_recipe": described.pop("students")}
    del described["finetune"]
    return {
        "command": command,
        **described,
        "experiments": list(experiments),
        "date": datetime.date.today().isoformat(),
        "wall_seconds": round(sum(seconds.values()), 1),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "data_sha256": {split: some.fingerprint for split, some in images.items()},
        "images": {
            **{split: len(some) for split, some in images.items()},
            "fitted": len(images["held_out"].first_of_each(PER_CATEGORY, or_all=True)),
        },
        "categories": list(images["train"].categories),
        "checkpoints": found["training"]["checkpoints"],
        **{key: value for name in experiments for key, value in EXPERIMENTS[name].results(study, found).items()},
    }
