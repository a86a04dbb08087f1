"""The arguments of ``nbhelpers look``, and what it does with them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

LARGEST, MOST = 2048, 10**9
"""Pixels a side of an image, and images."""


def add_arguments(commands: Any, path: Callable[[str], str], whole: Callable[[str, int, int], int]) -> None:
    """The command, whose readers of paths and of whole numbers are those of the others."""
    run = commands.add_parser(
        "look",
        help="write a report on what any network says of a folder of images",
        description="Write a report on what a network says of images: the arrows of its categories, suspect labels, "
        "images that say nothing, regions that matter, and how far to trust all that; a page that opens without a "
        "network, and all numbers as CSV. The same command goes on where it was stopped.",
        epilog="Example: nbhelpers look --model torchvision:resnet50 --images photographs --out report/",
    )
    option = run.add_argument
    option(
        "--model",
        required=True,
        metavar="MODEL",
        help="torchvision:NAME, timm:NAME, or FILE.py:FUNCTION, a file of Python THAT WILL BE RUN and a function in it "
        "that gives the network",
    )
    option(
        "--weights",
        type=path,
        metavar="FILE",
        help="a .safetensors or .pth file, of which only tensors are read (nothing pickled is loaded); or: random "
        "(default: the library's own, which may be downloaded)",
    )
    option("--images", type=path, required=True, metavar="DIR", help="a folder with a folder for each category")
    option("--out", type=path, required=True, metavar="DIR", help="where the report goes: index.html and what it needs")
    option(
        "--outputs",
        type=path,
        metavar="FILE.csv",
        help="which output of the network each folder is, a line 'folder,output' each (default: by the folders' names)",
    )
    option("--limit", type=lambda text: whole(text, 1, MOST), metavar="N", help="look at so many at most, by lot")
    option("--layers", nargs="+", metavar="NAME", help="whose regions are compared (default: the last three)")
    option("--grid", type=_grid, metavar="N or RxC", help="regions (default: the deepest layer's, up to 8x8)")
    side = {"type": lambda text: whole(text, 8, LARGEST), "metavar": "PIXELS"}
    option("--side", **side, help="of images (default: the network's)")
    for name in ("mean", "std"):
        option(
            f"--{name}",
            type=_number,
            nargs=3,
            metavar=("R", "G", "B"),
            help=f"the {name} of each colour in 0 ... 1 that images are scaled by (default: what the network says)",
        )


def run(options: argparse.Namespace) -> str:
    """Do what was asked for; returns what to tell.

    Raises
    ------
    ValueError, OSError
        The message is what the shell shows.
    """
    from nbhelpers.report.command import report

    if (options.mean is None) != (options.std is None):
        raise ValueError("--mean and --std belong together: give both or neither")
    page = report(
        options.model,
        Path(options.images),
        Path(options.out),
        weights=options.weights,
        listed=options.outputs and Path(options.outputs),
        limit=options.limit,
        layers=options.layers,
        grid=options.grid,
        side=options.side,
        scaling=options.mean and (tuple(options.mean), tuple(options.std)),
    )
    return f"wrote {page}"


def _grid(text: str) -> tuple[int, int]:
    sides = text.lower().split("x")
    try:
        rows, columns = map(int, sides * (2 if len(sides) == 1 else 1))
    except ValueError:
        rows = columns = 0
    if min(rows, columns) < 1 or rows * columns < 2:
        raise argparse.ArgumentTypeError(f"must be regions a side, such as 7, or rows and columns as 4x8, got {text!r}")
    return rows, columns


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -1e3 < value < 1e3:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}")
    return value
