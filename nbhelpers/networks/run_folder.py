"""The folder of a training: which run it holds, and whether that came to its end."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from reprlib import Repr
from typing import Any

import torch

from nbhelpers.files import Damaged, replace_file, tell
from nbhelpers.networks.tensors import load_tensors

RUN, STATE = "run.json", "resume.pt"


def checkpoint_paths(folder: Path, steps: Iterable[int]) -> list[Path]:
    """Where checkpoints are, or will be."""
    return [folder / f"step-{step:06d}.safetensors" for step in steps]


def finished(folder: Path, run: dict[str, Any]) -> list[Path]:
    """The checkpoints of a run that came to its end in ``folder``, first to last; empty if it did not.

    What is damaged is told and deleted, so that the training starts anew.

    Raises
    ------
    ValueError
        If the folder holds another run: the message says in what it differs.
    """
    try:
        there = read_run(folder)
    except FileNotFoundError:
        return []
    except Damaged as error:
        _drop(folder / RUN, error)  # so that it is told once
        return []
    if told := difference(there, run):
        raise ValueError(f"{folder} holds another run: {told}. Delete that folder, or choose another folder")
    paths = checkpoint_paths(folder, run["steps"])
    return paths if all(path.exists() for path in paths) and all(map(_is_whole, paths)) else []


def claim(folder: Path, run: dict[str, Any]) -> None:
    """Write what the folder holds from now on, where nothing says it."""
    if not (folder / RUN).exists():
        for path in (folder / STATE, *checkpoint_paths(folder, run["steps"])):
            path.unlink(missing_ok=True)  # nobody knows of which run
        replace_file(folder / RUN, lambda part: part.write_text(json.dumps(run, indent=1)))


def read_run(folder: Path) -> dict[str, Any]:
    """What was written of the run in a folder, or an ``OSError``: :class:`Damaged`, or of what cannot be read."""
    return described_in((folder / RUN).read_bytes())


def described_in(content: bytes) -> dict[str, Any]:
    """What the content of a file says of a run or a recording, or :class:`Damaged`."""
    try:
        run = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Damaged(str(error)) from None
    if not isinstance(run, dict):
        raise Damaged(f"it holds a {type(run).__name__}")
    return run


def differing(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """The keys in which two runs differ.

    >>> differing({"seed": 1, "recipe": {"epochs": 2}}, {"seed": 1, "recipe": {"epochs": 3}})
    ['recipe']
    """
    return [key for key in {**here, **there} if there.get(key) != here.get(key)]


def difference(there: dict[str, Any], here: dict[str, Any]) -> str:
    """In what they differ, in words; empty if they are the same.

    >>> difference({"seed": 1}, {"seed": 2})
    'seed is 1 there and 2 here'
    """
    pairs = [(key, *(_SHORT.repr(one.get(key)) for one in (there, here))) for key in differing(there, here)]
    return "; ".join(f"{key} is {old} there and {new} here" for key, old, new in pairs)


def write_state(folder: Path, run: dict[str, Any], state: dict[str, Any]) -> None:
    """Keep what a killed run goes on from; ``state`` tells the ``step`` that it reached."""
    content = BytesIO()
    torch.save(state | {"run": run}, content)  # into a file itself, it would hide why the disk takes no more
    replace_file(folder / STATE, lambda part: part.write_bytes(content.getbuffer()))


def read_state(folder: Path, run: dict[str, Any]) -> dict[str, Any]:
    """What a killed run goes on from; empty if it left nothing, or if that or a checkpoint before it is damaged."""
    path = folder / STATE
    try:
        path.open("rb").close()  # what may not be read is not damaged
    except FileNotFoundError:
        return {}
    try:
        with zipfile.ZipFile(path) as archive:
            if member := archive.testzip():  # torch does not look at the checksums
                raise Damaged(f"the checksum of {member} tells of other bytes")
        state = torch.load(path, map_location="cpu", weights_only=True)
        if differing(state["run"], run):
            raise Damaged("it is of another run")
    except Exception as error:  # of many types, which tell the same
        _tell_of_damage(path, error)
        return {}
    before = [step for step in run["steps"] if step <= state["step"]]
    return state if all(map(_is_whole, checkpoint_paths(folder, before))) else {}


def drop_state(folder: Path) -> None:
    """The run came to its end; perhaps also in a worker that a cluster believed dead."""
    (folder / STATE).unlink(missing_ok=True)


def _is_whole(checkpoint: Path) -> bool:
    try:
        load_tensors(checkpoint)
    except (Damaged, FileNotFoundError) as error:
        _drop(checkpoint, error)
        return False
    return True


def _drop(path: Path, error: Exception) -> None:
    _tell_of_damage(path, error)
    path.unlink(missing_ok=True)


def _tell_of_damage(path: Path, error: Exception) -> None:
    why = str(error).partition("\n")[0]
    tell(f"{path} is damaged ({why}): the training starts anew")


_SHORT = Repr()
_SHORT.maxstring, _SHORT.maxother = 20, 40
"""For values in messages."""
