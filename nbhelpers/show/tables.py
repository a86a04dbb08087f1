"""Tables 1 and 2 of the paper and the ablation, rendered from recorded results, never typed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from nbhelpers.probes.baselines import NAMES
from nbhelpers.show.page.table import NOTHING, Cell, Table, minus
from nbhelpers.show.text import named, visible, visible_lines

if TYPE_CHECKING:
    from pandas import DataFrame

Runs = Mapping[str, Mapping[str, Any]]
ABLATED = {
    "shapley_pearson_mean": "w, Shapley",
    "object_auroc": "w, AUROC of the object",
    "h_pearson": "‖h‖, w",
    "reliable_ratio": "reliable ratio",
}
"""What an ablation records of a setting, and how its table calls it."""


def table(frame: DataFrame, caption: str, formats: str | Mapping[str, str] = ".2f") -> Table:
    """A data frame as a table of the book: for a page, for a notebook, and to take along as a file.

    Parameters
    ----------
    frame : DataFrame
        What the first column is called is the name of its index.
    caption : str
        What the numbers are, with their unit.
    formats : str or mapping of str to str, default ".2f"
        How numbers with a fraction are written, as in an f-string: all of them, or those of a column. Whole numbers and
        text stay as they are, and a dash stands where there is none.

    Raises
    ------
    ValueError
        If the frame is empty, or has no column of a name in ``formats``.

    Examples
    --------
    >>> from pandas import DataFrame
    >>> frame = DataFrame({"images": [20, 5], "right": [0.9512, float("nan")]}, index=["strong", "weak"])
    >>> table(frame.rename_axis("strength"), "Images by strength", {"right": ".0%"})
    Images by strength
    strength | images | right
    strong | 20 | 95%
    weak | 5 | –
    """
    if frame.empty:
        raise ValueError(f"there is nothing in the table {caption!r}")
    by_column = {} if isinstance(formats, str) else formats
    if unknown := set(by_column) - set(frame.columns):
        raise ValueError(f"formats of {sorted(unknown)}, but the columns are {list(frame.columns)}")
    usual = formats if isinstance(formats, str) else ".2f"
    columns = [[_written(value, by_column.get(name, usual)) for value in frame[name]] for name in frame.columns]
    first = [visible(", ".join(map(str, name)) if isinstance(name, tuple) else str(name)) for name in frame.index]
    head = ", ".join(str(name) for name in frame.index.names if name is not None)
    headers = [visible(str(name)) for name in frame.columns]
    return Table([head, *headers], list(zip(first, *columns, strict=True)), caption)


def _written(value: Any, spec: str) -> str:
    """One entry of a data frame as text, with the number it stands for."""
    if not isinstance(value, Real):
        return visible_lines(str(value))
    if math.isnan(value):
        return NOTHING
    text = str(value) if isinstance(value, Integral) else format(value, spec)
    zero = not set(text) & set("123456789")
    return Cell(minus(format(0.0, spec) if zero and "-" in text else text), value)


def table1(runs: Runs, paper: Mapping[str, Any] | None = None) -> Table:
    """Table 1: Pearson's correlation of strength and entropy on held-out images, ours and every other embedding's.

    Parameters
    ----------
    runs : mapping of str to dict
        What to call a run, and its recorded result, see :func:`nbhelpers.recorded`.
    paper : mapping, optional
        The recorded ``paper``: its ``table1`` of Tiny ImageNet and VGG-16 stands in the last column.

    Raises
    ------
    ValueError
        If there is no run, or one has no ``table1``.

    Examples
    --------
    >>> row = {"pearson_t4": -0.9512, "pearson_t1": -0.7}
    >>> print(table1({"scenes": {"table1": {"ours": row}}}, {"table1": {"tiny-imagenet-vgg16": {"ours": -0.94}}}))
    Correlation of strength and entropy over held-out images; at −1 all lie on one falling line
    method | scenes, T = 4 | scenes, T = 1 | paper, T = 4
    ours | −0.951 | −0.700 | −0.94
    """
    parts = _parts(runs, "table1")
    printed = {} if paper is None else paper["table1"]["tiny-imagenet-vgg16"]
    headers = ["method", *(f"{run}, T = {t}" for run in parts for t in (4, 1)), "paper, T = 4"]
    rows = []
    for method in [method for method in NAMES if all(method in part for part in parts.values())]:
        numbers = [_number(part[method], f"pearson_t{t}", 3) for part in parts.values() for t in (4, 1)]
        numbers.append(_printed(printed.get(method)))
        rows.append([NAMES[method], *numbers])
    shown = slice(None if paper is not None else -1)
    caption = "Correlation of strength and entropy over held-out images; at −1 all lie on one falling line"
    return Table(headers[shown], [row[shown] for row in rows], caption)


def table2(runs: Runs, paper: Mapping[str, Any] | None = None) -> Table:
    """Table 2: Pearson's correlation of strength ``‖h‖`` and importance w over the regions of an image.

    Parameters
    ----------
    runs : mapping of str to dict
        As of :func:`table1`.
    paper : mapping, optional
        The recorded ``paper``: its ``table2`` of the same data set and network stands in the last row.

    Examples
    --------
    >>> row = {"mean": 0.9551, "std": 0.04, "control_mean": 0.974}
    >>> run = {"dataset": "scenes", "network": "vgg16", "table2": {"conv_53": row}}
    >>> print(table2({"scenes": run}, {"table2": {}}))
    Correlation with importance w over the regions of an image: mean ± standard deviation over images, ...
    layer | scenes, ‖h‖ | scenes, control ‖f‖
    conv_53 | 0.955 ± 0.04 | 0.974
    paper (last convolutional layer) | – | –
    """
    parts = _parts(runs, "table2")
    layers = dict.fromkeys(layer for part in parts.values() for layer in part)
    lines = {visible(layer): [part.get(layer, {}) for part in parts.values()] for layer in layers}
    if paper is not None:
        printed = [paper["table2"].get(f"{run['dataset']}-{run['network']}", {}) for run in runs.values()]
        lines["paper (last convolutional layer)"] = printed
    rows = [
        [name, *(text for row in line for text in (_number(row, "mean", 3, "std"), _number(row, "control_mean", 3)))]
        for name, line in lines.items()
    ]
    headers = ["layer", *(f"{run}, {what}" for run in parts for what in ("‖h‖", "control ‖f‖"))]
    caption = (
        "Correlation with importance w over the regions of an image: mean ± standard deviation over images, "
        "and the mean of a control that needs no projection"
    )
    return Table(headers, rows, caption)


def ablation_table(runs: Runs) -> Table:
    """What each setting of the importance and the projection does, one row a setting, columns run by run.

    A column that a run has nothing for, such as the object's of images without masks, is left out.

    Parameters
    ----------
    runs : mapping of str to dict
        As of :func:`table1`.

    Examples
    --------
    >>> rows = {"default": {"h_pearson": 0.95, "h_pearson_std": 0.04}, "α 1": {"h_pearson": None}}
    >>> print(ablation_table({"scenes": {"ablation": rows}}))
    One change at a time: means over images, with ± standard deviation for correlations within an image
    setting | scenes: ‖h‖, w
    default | 0.95 ± 0.04
    α 1 | –
    """
    parts = _parts(runs, "ablation")
    settings = list(dict.fromkeys(setting for part in parts.values() for setting in part))
    columns = {"setting": settings}
    for run, part in parts.items():
        for key, name in ABLATED.items():
            std = f"{key.removesuffix('_mean')}_std"
            numbers = [_number(part.get(setting, {}), key, 2, std) for setting in settings]
            if set(numbers) != {NOTHING}:
                columns[f"{run}: {name}"] = numbers
    caption = "One change at a time: means over images, with ± standard deviation for correlations within an image"
    return Table(list(columns), [list(row) for row in zip(*columns.values(), strict=True)], caption)


def _parts(runs: Runs, key: str) -> dict[str, Any]:
    """What each run recorded under the key."""
    lacking = [visible(name) for name, run in runs.items() if key not in run]
    if lacking or not runs:
        raise ValueError(f"no {key} recorded for {', '.join(lacking) or 'any run'}; run `nbhelpers reproduce`")
    return {name: run[key] for name, run in named(runs).items()}


def _number(row: Mapping[str, Any], key: str, digits: int, std: str = "") -> str:
    """The number at ``key`` with its spread, or a dash where nothing was recorded."""
    if row.get(key) is None:
        return NOTHING
    value, spread = row[key], row.get(std)
    if spread is None:
        return Cell(minus(f"{value:.{digits}f}"), value)
    return Cell(minus(f"{value:.{digits}f} ± {spread:.2f}"), {"{}": value, "{}: std": spread})


def _printed(number: float | None) -> Cell:
    """A number of the paper, to its two digits."""
    return Cell("not given", math.nan) if number is None else Cell(minus(f"{number:.2f}"), number)
