"""Files of tensors that notice what happened to them: safetensors with a checksum of all that they hold."""

from __future__ import annotations

# ruff: noqa: E402
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch

from nbhelpers.extras import require
from nbhelpers.files import Damaged, replace_file

require("data")

from safetensors import SafetensorError
from safetensors.torch import load, save

_KEY = "nbhelpers-sha256"


def digest(tensors: Mapping[str, torch.Tensor], of: str = "") -> str:
    """sha256 over names, types, shapes and bytes, and over what they are said to be of.

    >>> digest({"a": torch.ones(2), "b": torch.ones(1)}) == digest({"b": torch.ones(1), "a": torch.ones(2)})
    True
    >>> digest({"a": torch.ones(2)}) == digest({"a": torch.ones(2, 1)})
    False
    """
    sha256 = hashlib.sha256(of.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        sha256.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        sha256.update(tensor.flatten().view(torch.uint8).numpy().data)
    return sha256.hexdigest()


def save_tensors(
    tensors: Mapping[str, torch.Tensor], path: Path, of: str = "", notes: Mapping[str, str] | None = None
) -> None:
    """Write them with their checksum, and with what is noted beside them, whole or not at all."""
    here = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = save(
        here, {**(notes or {}), _KEY: digest(here, of)}
    )  # its own save_file would replace a device by a file
    replace_file(path, lambda part: part.write_bytes(content))


def load_tensors(path: Path, of: str = "") -> dict[str, torch.Tensor]:
    """Read what was written as ``of`` this; files that others wrote, which have no checksum, only where it is empty.

    Raises
    ------
    Damaged
        If the file is not what was written.
    OSError
        If there is none, or it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "one.safetensors"
    >>> save_tensors({"a": torch.zeros(2)}, path)
    >>> load_tensors(path)
    {'a': tensor([0., 0.])}
    >>> _ = path.write_bytes(path.read_bytes()[:-1] + b"!")
    >>> load_tensors(path)
    Traceback (most recent call last):
    nbhelpers.files.Damaged: its checksum tells of other bytes
    """
    tensors, notes = read_tensors(path)
    check_tensors(tensors, notes, of)
    return tensors


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The same with what is noted beside them, unchecked."""
    content = path.read_bytes()  # the reader of files calls Python from within: a signal then would look like damage
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise Damaged(str(error)) from None
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return tensors, header.get("__metadata__", {})


def check_tensors(tensors: Mapping[str, torch.Tensor], notes: Mapping[str, str], of: str = "") -> None:
    """Refuse what is not as it was written."""
    stated = notes.get(_KEY)
    if (stated or of) and stated != digest(tensors, of):
        raise Damaged("its checksum tells of other bytes" if stated else "it has no checksum")
