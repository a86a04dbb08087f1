"""What every recorded file says of how it came about."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import nbhelpers
from nbhelpers.experiments.fingerprint import code_hash
from nbhelpers.experiments.schema import VERSION
from nbhelpers.method.samples import SampleProjection

PACKAGES = ("nbhelpers", "torch", "torchvision", "numpy", "scipy", "scikit-learn")


def stamp(command: str, function: Callable[..., Any]) -> dict[str, Any]:
    """Which schema, command and code, when, on what and at which temperatures.

    Parameters
    ----------
    command : str
        What repeats the run.
    function : callable
        What computed it: the code is that of its file and all that this imports, as
        :func:`~nbhelpers.experiments.fingerprint.code_hash`.
    """
    return {
        "schema": VERSION,
        "command": command,
        "code": {"version": nbhelpers.__version__, "sha256": code_hash(function)},
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "temperatures": {"fits": SampleProjection().temperature, "pearson_t4": 4.0, "pearson_t1": 1.0},
    }
