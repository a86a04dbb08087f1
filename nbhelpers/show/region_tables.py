"""Tables of the regional experiments, rendered from recorded results: Table 2 and the ablation of the importance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbhelpers.show.tables import Table, TableView, minus

NOTHING = "–"
COLUMNS = {
    "shapley_pearson_mean": "w, Shapley",
    "strength_shapley_pearson_mean": "‖f‖, Shapley",
    "object_auroc": "w, AUROC of the object",
    "strength_object_auroc": "‖f‖, AUROC of the object",
    "h_pearson": "‖h‖, w",
    "control_h_pearson": "‖f‖, w",
    "reliable_ratio": "reliable ratio",
}
"""What an ablation records of a setting, and how a table calls it."""


def table2(runs: Mapping[str, Mapping[str, Any]], paper: Mapping[str, Any]) -> TableView:
    """Table 2: Pearson's correlation of strength ``‖h‖`` and importance w over the regions of an image.

    Parameters
    ----------
    runs : mapping of str to dict
        What to call a run, and its recorded result (keys ``table2``, ``dataset`` and ``network``, see
        :func:`nbhelpers.recorded`).
    paper : mapping
        The recorded ``paper``: its ``table2`` of the same data set and network stands in the last row.

    Raises
    ------
    ValueError
        If there is no run, or one has no ``table2``.

    Examples
    --------
    >>> row = {"mean": 0.9551, "std": 0.04, "control_mean": 0.974}
    >>> run = {"dataset": "scenes", "network": "vgg16", "table2": {"conv_53": row}}
    >>> print(table2({"scenes": run}, {"table2": {}, "table2_layer": "not stated"}))
    Correlation with importance w over the regions of an image: mean ± standard deviation over images, ...
    layer | scenes, ‖h‖ | scenes, control ‖f‖
    conv_53 | 0.955 ± 0.04 | 0.974
    paper (layer not stated) | – | –
    """
    _check(runs, "table2")
    layers = list(dict.fromkeys(layer for run in runs.values() for layer in run["table2"]))
    printed = [paper["table2"].get(f"{run['dataset']}-{run['network']}", {}) for run in runs.values()]
    named = [*((layer, [run["table2"].get(layer, {}) for run in runs.values()]) for layer in layers)]
    named.append((f"paper (layer {paper['table2_layer']})", printed))
    rows = [
        [
            name,
            *(_number(cell, key, 3, std) for cell in cells for key, std in (("mean", "std"), ("control_mean", None))),
        ]
        for name, cells in named
    ]
    headers = ["layer", *(f"{run}, {what}" for run in runs for what in ("‖h‖", "control ‖f‖"))]
    caption = (
        "Correlation with importance w over the regions of an image: mean ± standard deviation over images, "
        "and the mean of a control that needs no projection"
    )
    return TableView(Table(headers, rows, caption))


def ablation_table(
    runs: Mapping[str, Mapping[str, Any]],
    columns: Sequence[str] = ("shapley_pearson_mean", "object_auroc", "h_pearson", "reliable_ratio"),
) -> TableView:
    """What each setting of the importance and the projection does, one row a setting, columns run by run.

    A column that a run has nothing for, such as the object's of images without masks, is left out.

    Parameters
    ----------
    runs : mapping of str to dict
        What to call a run, and its recorded result (key ``ablation``: setting -> numbers).
    columns : sequence of str
        Some of :data:`COLUMNS`.

    Raises
    ------
    ValueError
        If there is no run, one has no ``ablation``, or a column is unknown (the message lists those that exist).

    Examples
    --------
    >>> rows = {"default": {"h_pearson": 0.95, "h_pearson_std": 0.04}, "α 1": {"h_pearson": None}}
    >>> print(ablation_table({"scenes": {"ablation": rows}}, ["h_pearson", "object_auroc"]))
    One change at a time: means over images, with ± standard deviation for correlations within an image
    setting | scenes: ‖h‖, w
    default | 0.95 ± 0.04
    α 1 | –
    """
    _check(runs, "ablation")
    unknown = [column for column in columns if column not in COLUMNS]
    if unknown or not columns:
        raise ValueError(f"columns must be some of {', '.join(COLUMNS)}; got {', '.join(unknown) or 'none'}")
    ablations = {name: run["ablation"] for name, run in runs.items()}
    shown = [
        (name, column)
        for name, ablation in ablations.items()
        for column in columns
        if any(row.get(column) is not None for row in ablation.values())
    ]
    settings = dict.fromkeys(setting for ablation in ablations.values() for setting in ablation)
    rows = [
        [
            setting,
            *(
                _number(ablations[name].get(setting, {}), column, 2, f"{column.removesuffix('_mean')}_std")
                for name, column in shown
            ),
        ]
        for setting in settings
    ]
    caption = "One change at a time: means over images, with ± standard deviation for correlations within an image"
    return TableView(Table(["setting", *(f"{name}: {COLUMNS[column]}" for name, column in shown)], rows, caption))


def _check(runs: Mapping[str, Mapping[str, Any]], key: str) -> None:
    if not runs:
        raise ValueError("runs is empty: give at least one recorded result")
    lacking = [name for name, run in runs.items() if key not in run]
    if lacking:
        raise ValueError(f"no {key} recorded for {', '.join(lacking)}; run `nbhelpers reproduce`")


def _number(row: Mapping[str, Any], key: str, digits: int, std: str | None) -> str:
    """The number at ``key`` with its spread, or a dash where nothing was recorded."""
    if row.get(key) is None:
        return NOTHING
    spread = f" ± {row[std]:.2f}" if std and row.get(std) is not None else ""
    return minus(f"{row[key]:.{digits}f}{spread}")
