"""Maps by measures: dots and lines where the numbers are, panels only of what is there, numbers in the table."""

import numpy as np
import pytest

from nbhelpers import show
from nbhelpers.show.attributions import MEASURES


def measured(mean, half=0.1):
    return {"mean": mean, "low": mean - half, "high": mean + half}


LAYERS = {
    "conv_43": {
        "w": {"seconds": 0.02, "pointing": measured(0.7), "deletion": measured(0.3)},
        "Grad-CAM": {"seconds": 0.001, "pointing": measured(0.6, 0.2), "deletion": measured(0.25)},
        "at random": {"seconds": None, "pointing": dict.fromkeys(("mean", "low", "high")), "deletion": measured(0.6)},
    },
    "conv_53": {
        "w": {"seconds": 0.01, "pointing": measured(0.8)},
        "Grad-CAM": {"seconds": 0.002, "pointing": measured(0.5)},
        "at random": {"seconds": None, "pointing": measured(0.1)},
    },
}


def drawn(panel):
    """Of each layer: dots (mean, row), and lines (from, to, row)."""
    (axes,) = panel.axes
    layers = {}
    for bars in axes.containers:
        dots, _, (lines,) = bars.lines
        ends = [(*line[:, 0], line[0, 1]) for line in lines.get_segments() if len(line)]
        layers[bars.get_label()] = list(zip(*dots.get_data(), strict=True)), ends
    return layers


def test_dots_and_lines_are_the_recorded_numbers():
    picture = show.attributions(LAYERS, alt="w points best.")
    assert [panel.axes[0].get_title() for panel in picture.panels] == [
        MEASURES[key].name for key in ("pointing", "deletion", "seconds")
    ]
    pointing = drawn(picture.panels[0])
    assert list(pointing) == list(LAYERS)
    for layer, (dots, ends) in pointing.items():
        for number, (name, row) in enumerate(LAYERS[layer].items()):
            value = row["pointing"]
            mean, at = dots[number]
            assert abs(at - number) < 0.5  # beside its name
            if value["mean"] is None:
                assert np.isnan(mean) and name == "at random"
                continue
            assert mean == value["mean"]
            assert any(np.allclose(line, (value["low"], value["high"], at)) for line in ends)
    seconds = picture.panels[2].axes[0]
    assert [label.get_text() for label in seconds.get_xticklabels()] == ["10⁻³", "10⁻²", "10⁻¹"]
    assert seconds.get_xscale() == "log" and seconds.get_xticks().tolist() == [0.001, 0.01, 0.1]
    names = [label.get_text() for label in picture.panels[0].axes[0].get_yticklabels()]
    assert names == list(LAYERS["conv_43"])
    (low, high) = picture.panels[0].axes[0].get_ylim()
    assert low > high  # the first map stands above


def test_the_table_has_every_number_with_its_interval():
    frame = show.attributions(LAYERS, alt="x").table.frame()
    assert list(frame.index) == [f"{name}, {layer}" for name in LAYERS["conv_43"] for layer in LAYERS]
    row = frame.loc["Grad-CAM, conv_43"]
    assert row["pointing game"] == 0.6 and row["pointing game: low"] == pytest.approx(0.4)
    assert row["seconds an image"] == 0.001
    assert np.isnan(frame.loc["w, conv_53"]["deletion area"])
    assert "0.60 (0.40 … 0.80)" in str(show.attributions(LAYERS, alt="x").table)


def test_what_is_missing_is_told():
    with pytest.raises(ValueError, match="maps of layers are missing"):
        show.attributions({}, alt="x")
    with pytest.raises(ValueError, match=r"maps of layers must be w everywhere, got Grad-CAM"):
        show.attributions({"a": {"w": {}}, "b": {"Grad-CAM": {}}}, alt="x")
    with pytest.raises(ValueError, match="no map has any of the measures shapley_pearson"):
        show.attributions({"a": {"w": {"seconds": None}}}, alt="x")
