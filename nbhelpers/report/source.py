"""Which network a user names: one of torchvision or timm, or what a function in a file of Python gives."""

from __future__ import annotations

# ruff: noqa: E402
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path

from torch import nn

from nbhelpers.extras import require

require("data")

from torchvision.models import get_model, get_model_weights, list_models

from nbhelpers.networks.pretrained import pretrained

RANDOM = "random"
"""In place of a file of weights: those of a network that has learned nothing."""
BUNDLED = "bundled"
"""The network in the box."""
FORMS = f"torchvision:NAME, timm:NAME, FILE.py:FUNCTION or {BUNDLED}"


def load_model(name: str, weights: str | None = None) -> nn.Module:
    """Build the network that is named, with the weights that its library has for it unless others are named.

    Parameters
    ----------
    name : str
        ``torchvision:resnet50``, ``timm:vit_tiny_patch16_224``; ``bundled``, which is :func:`nbhelpers.pretrained`; or
        ``mine.py:build``, a file of Python **which is run** and a function in it without arguments.
    weights : str, optional
        ``"random"``, or a file that is read later: then the library's own, which may be a large download, are not
        asked for. They are read as tensors alone; nothing that could run code is.

    Raises
    ------
    ValueError
        If there is no such network, or the file gives none.
    OSError
        If there is no such file, or the library's weights can't be had.

    Examples
    --------
    >>> sum(p.numel() for p in load_model("torchvision:squeezenet1_1", weights="random").parameters())
    1235496
    """
    if name == BUNDLED:
        if weights is not None:
            raise ValueError(f"{BUNDLED} brings its own weights: leave out --weights, or name torchvision:mobilenet_v2")
        return pretrained()
    kind, _, rest = name.partition(":")
    if kind == "torchvision" and rest:
        return _torchvision(rest, weights)
    if kind == "timm" and rest:
        return _timm(rest, weights)
    file, _, function = name.rpartition(":")
    if file.endswith(".py") and function:
        return _from_file(Path(file).expanduser(), function)
    raise ValueError(f"a model is {FORMS}, not {name!r}")


def _torchvision(name: str, weights: str | None) -> nn.Module:
    known = list_models(module=sys.modules["torchvision.models"])
    if name not in known:
        raise ValueError(f"torchvision has no classifier {name!r}{_alike(name, known)}")
    if weights is not None:
        return get_model(name, weights=None, **_quick(name))
    entry = get_model_weights(name).DEFAULT
    network = get_model(name, weights=None, **_quick(name))
    network.load_state_dict(_fetched(name, lambda: entry.get_state_dict(check_hash=True, weights_only=True)))
    return network


def _quick(name: str) -> dict[str, bool]:
    """Without the slow start that weights which are read afterwards make useless."""
    return {"init_weights": False} if name in ("googlenet", "inception_v3") else {}


def _timm(name: str, weights: str | None) -> nn.Module:
    if importlib.util.find_spec("timm") is None:
        raise ValueError("timm is not installed: pip install timm")
    import timm

    if not timm.is_model(name.split(".")[0]):
        raise ValueError(f"timm has no network {name!r}{_alike(name, timm.list_models())}")
    if weights is not None:
        return timm.create_model(name)
    return _fetched(name, lambda: timm.create_model(name, pretrained=True))


def _fetched(name: str, fetch: Callable[[], object]):
    try:
        return fetch()
    except Exception as error:  # libraries raise many types where there is no network, or no such file
        reason = str(error).partition("\n")[0]
        raise OSError(
            f"the library's weights of {name} cannot be had ({reason}): give a file of them by --weights, or "
            f"--weights {RANDOM} to look at a network that has learned nothing"
        ) from None


def _from_file(path: Path, function: str) -> nn.Module:
    if not path.is_file():
        raise OSError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, os.fspath(path.resolve().parent))  # what lies beside it can be imported
    try:
        spec.loader.exec_module(module)
        build = getattr(module, function, None)
        if not callable(build):
            there = ", ".join(key for key, value in vars(module).items() if callable(value) and key[:1] != "_")
            raise ValueError(f"{path} has no function {function!r}; it has {there or 'none'}")
        network = build()
    except ValueError:
        raise
    except Exception as error:  # whatever a user's own file raises
        raise ValueError(f"{path}:{function} raised {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(os.fspath(path.resolve().parent))
    if not isinstance(network, nn.Module):
        raise ValueError(f"{path}:{function} must give a torch module, and gave a {type(network).__name__}")
    return network


def _alike(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=3)
    return f"; alike are {', '.join(close)}" if close else ""
