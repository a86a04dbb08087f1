"""What a run needs, asked before any work: a place for each file, and enough images."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from nbhelpers.experiments import trained
from nbhelpers.experiments.rows import samples
from nbhelpers.experiments.study import Study
from nbhelpers.images import SPLITS
from nbhelpers.probes.baselines import BY_NEIGHBOURS, NEIGHBOURS

FEWEST = 3
"""Images that a projection is fitted to, at least."""


def check_places(commands: Mapping[Path, str], overwrite: bool) -> None:
    """Refuse files that cannot be written, and those that hold anything but what the same command recorded.

    Raises
    ------
    ValueError
        For a folder, two results in one file, and, without ``overwrite``, a file that holds anything else.
    OSError
        If nothing can be written there.
    """
    if len(set(map(os.path.realpath, commands))) < len(commands):
        raise ValueError(f"several results in one file: {', '.join(map(str, commands))}")
    for out, command in commands.items():
        _check_writable(out)
        if out.is_dir():
            raise ValueError(f"--out is the folder {out}: one result needs a file, such as {out / 'result.json'}")
        if not overwrite and out.is_file() and out.stat().st_size and _recorded(out).get("command") != command:
            raise ValueError(
                f"{out} is there and holds something else than this command records: name another file, or add "
                "--overwrite"
            )


def _check_writable(out: Path) -> None:
    """By a file without a name, in the folder or in the first above it that is there; of a device, by its rights."""
    try:
        with suppress(FileNotFoundError, NotADirectoryError):
            out.stat()  # which refuses links that lead round, and names that are too long
        place = next(path for path in (out, *out.resolve().parents) if path.exists())
        if out.is_file():
            place = out.resolve().parent
        if place.is_dir():
            tempfile.TemporaryFile(dir=place).close()
        elif place != out:
            raise NotADirectoryError(f"{place} is no folder")
        elif not os.access(out, os.W_OK):
            raise PermissionError("it is not writable")
    except OSError as error:
        raise OSError(f"cannot write {out}: {error}; choose another --out") from None


def check_same(out: Path, study: Study) -> None:
    """Refuse a file that the same command recorded of other images or weights: it does not name their folders.

    Raises
    ------
    ValueError
        If they differ.
    """
    if out.is_file() and not is_of(_recorded(out), study):
        raise ValueError(
            f"{out} is there and was recorded of other images or weights: name another file, or add --overwrite"
        )


def is_of(content: Mapping[str, Any], study: Study) -> bool:
    """Whether all that a recorded file says of its images and of the weights it started from holds for a study."""
    images = {split: study.images(split).fingerprint for split in SPLITS}
    here = {"data_sha256": images, "start": study.describe()["start"]}
    return all(content.get(key, value) == value for key, value in here.items())


def _recorded(file: Path) -> dict[str, Any]:
    """What a recorded file holds; nothing of any other file."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def check_images(study: Study, experiments: Sequence[str]) -> None:
    """Refuse a data set that is too small, in numbers.

    Raises
    ------
    ValueError
        If there are fewer than two categories, fewer training images than a batch, or fewer held-out images than the
        projections and, for the experiment ``samples``, the baselines need.
    """
    train, held_out = study.images("train"), study.images("held_out")
    if len(train.categories) < 2:
        raise ValueError(f"{study.dataset} has one category, {train.categories[0]!r}, and two are needed: see --data")
    needs = [
        (len(train), "training", trained.recipe(study).batch_size, "one batch"),
        (len(held_out), "held-out", FEWEST, "the projections"),
    ]
    if "students" in experiments:
        needs.append((len(train), "training", study.setting.students.batch_size, "one batch of the students"))
    if "samples" in experiments and BY_NEIGHBOURS & samples.METHODS.keys():
        fitted = ((len(study.fitted(split)), name) for split, name in (("held_out", "held-out"), ("train", "training")))
        needs += [(*one, NEIGHBOURS + 1, "t-SNE, LLE and ISOMAP (samples, of --experiments)") for one in fitted]
    for count, name, fewest, what in needs:
        if count < fewest:
            raise ValueError(
                f"{study.dataset} has {count} {name} images, too few for {what}, which takes at least {fewest}: give "
                "a larger --data"
            )
