"""Run the paper's experiments on data sets and networks, and record what comes out as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from nbhelpers.experiments.checks import check_images, check_places, check_same
from nbhelpers.experiments.parallel import in_parallel
from nbhelpers.experiments.pieces import time_limit
from nbhelpers.experiments.rows import attacks, attributions, choices, importance, regions, samples, students
from nbhelpers.experiments.schema import check_file
from nbhelpers.experiments.stages import Stage, is_kept, levels, mapped, run
from nbhelpers.experiments.stamp import stamp
from nbhelpers.experiments.study import Study
from nbhelpers.experiments.trained import Untrained
from nbhelpers.files import replace_file

EXPERIMENTS = {
    "choices": choices,
    "samples": samples,
    "regions": regions,
    "importance": importance,
    "attributions": attributions,
    "attacks": attacks,
    "students": students,
}
"""By chapter. Each has ``stages``, nested dicts and lists of them by the keys that are recorded; or by others, of whose
values ``results`` makes these keys."""


def sweep(
    studies: dict[Path, Study],
    *,
    commands: Sequence[str],
    experiments: Sequence[str] = tuple(EXPERIMENTS),
    jobs: int = 1,
    cluster: str | None = None,
    minutes: float | None = None,
    overwrite: bool = False,
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
        As of :func:`~nbhelpers.experiments.parallel.in_parallel`.
    minutes : float, optional
        Stop after so long. Only the stages and the epoch in progress are lost; the same call goes on.
    overwrite : bool
        Whether a file may hold anything else than what the same command recorded.

    Raises
    ------
    ValueError
        For an unknown experiment; as the :mod:`~nbhelpers.experiments.checks`, before any work; and as the experiments.
    OSError
        If a file cannot be read or written, a process is killed, or the cluster cannot be reached.
    TimeUp
        If the minutes are over first.
    """
    if not studies:
        raise ValueError("studies is empty: give at least one, by the file to write")
    if unknown := set(experiments) - set(EXPERIMENTS):
        raise ValueError(f"there is no experiment {', '.join(sorted(unknown))}; there are {', '.join(EXPERIMENTS)}")
    check_places(dict(zip(studies, commands, strict=True)), overwrite)
    chosen = tuple(name for name in EXPERIMENTS if name in experiments)
    named = ", ".join(study.name for study in studies.values())

    def run_all(what: str, stages: Iterable[Iterable[Stage]]) -> None:
        pairs = [
            (stage, kept_in(study)) for study, some in zip(studies.values(), stages, strict=True) for stage in some
        ]
        calls = [pair for pair in pairs if not is_kept(*pair)]
        costs = [stage.seconds for stage, _ in calls]
        in_parallel(run, calls, describe=f"{named}: {what}", costs=costs, jobs=jobs, cluster=cluster)

    written = []
    with time_limit(minutes):
        for out, study in studies.items():
            check_images(study, chosen)
            if not overwrite:
                check_same(out, study)
        run_all("training", [[training(study)] for study in studies.values()])
        groups = [levels(plan(study, chosen)) for study in studies.values()]
        for i, stages in enumerate(zip_longest(*groups, fillvalue=()), start=1):
            run_all(f"part {i}", stages)
        for (out, study), command in zip(studies.items(), commands, strict=True):
            written.append(result(study, chosen, command))
            replace_file(out, lambda part: part.write_text(json.dumps(written[-1], indent=1) + "\n"))
    return written


def kept_in(study: Study) -> Path:
    """Where the values of a study's stages are."""
    return study.home / "results"


def training(study: Study) -> Stage:
    """The stage that all others build on: once it is done, no plan needs to wait for a training."""
    return Stage(checkpoint_steps, (Untrained(study),), seconds=1200)


def checkpoint_steps(untrained: Untrained) -> list[int]:
    """The steps at which the network was kept; it is trained if it was not."""
    return untrained.study.steps


def plan(study: Study, experiments: Sequence[str]) -> dict[str, Any]:
    """The stages of a trained study, by experiment."""
    stages = {name: EXPERIMENTS[name].stages(study) for name in experiments}
    return {"checkpoints": training(study), **stages}


def result(study: Study, experiments: Sequence[str], command: str) -> dict[str, Any]:
    """What a recorded file holds of a run whose stages are all done, as the schema asks."""
    stages, folder = plan(study, experiments), kept_in(study)
    seconds = sum(run(stage, folder)["seconds"] for level in levels(stages) for stage in level)
    values = mapped(stages, lambda stage: run(stage, folder)["value"])
    steps = values.pop("checkpoints")
    recorded = [getattr(EXPERIMENTS[name], "results", dict)(found) for name, found in values.items()]
    images = {split: study.images(split) for split in ("train", "held_out")}
    content = {
        **stamp(command, sweep),
        **study.identity,
        "experiments": list(experiments),
        "wall_seconds": round(seconds, 1),
        "images": {**{split: len(some) for split, some in images.items()}, "fitted": len(study.fitted())},
        "left_out": {split: dict(some.left_out) for split, some in images.items()},
        "checkpoints": steps,
        **{key: value for keys in recorded for key, value in keys.items()},
    }
    check_file(content)
    return content
