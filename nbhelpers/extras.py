"""What an installation may lack, and the command that brings it."""

from __future__ import annotations

from importlib.util import find_spec

_DATA = ("torchvision", "safetensors", "PIL", "pooch", "requests")
EXTRAS = {
    "data": _DATA,
    "figures": (*_DATA, "matplotlib", "plotly", "ipywidgets", "pandas"),
    "cluster": ("distributed",),
    "stills": ("kaleido",),
}
"""The modules that each extra of the package brings; ``pyproject.toml`` names their distributions."""


def require(extra: str) -> None:
    """Refuse to go on without an extra.

    Raises
    ------
    ImportError
        If one of its modules is not installed; the message names the extra and the command that brings it.
    """
    if missing := [module for module in EXTRAS[extra] if find_spec(module) is None]:
        raise ImportError(f"the extra {extra!r} is missing ({', '.join(missing)}): pip install 'nbhelpers[{extra}]'")
