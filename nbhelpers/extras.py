"""What an installation may lack, and the command that brings it."""

from __future__ import annotations

from importlib.util import find_spec

EXTRAS = {
    "figures": ("matplotlib", "plotly", "ipywidgets"),
    "data": ("torchvision", "safetensors", "PIL", "pooch", "requests", "joblib"),
    "cluster": ("distributed",),
}
"""The modules that each extra of the package brings; ``pyproject.toml`` names their distributions."""


def require(extra: str) -> None:
    """Refuse to go on without an extra.

    Raises
    ------
    ImportError
        If one of its modules is not installed; the message names them and the command that installs them.
    """
    if missing := [module for module in EXTRAS[extra] if find_spec(module) is None]:
        raise ImportError(f"{', '.join(missing)} not installed. To bring it: pip install 'nbhelpers[{extra}]'")
