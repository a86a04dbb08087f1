"""Flat figures of chapters 4 and 5: what is drawn and written is what was given, and bad input is named."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbhelpers import show


def texts(figure: plt.Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def legend(figure: plt.Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def ticks(axes: plt.Axes) -> list[str]:
    return [label.get_text() for label in axes.get_xticklabels()]


# Changes layer by layer


def row(turned: float, lost: float) -> dict:
    mine = {"delta_orientation": turned, "delta_strength": lost}
    mine |= {f"control_{name}": value / 10 for name, value in mine.items()}
    return mine | {f"{name}_std": 0.25 for name in mine}


def changes() -> list[dict]:
    seeds = ((0.5, 0.2), (1.0, -0.4)), ((0.6, 0.0), (1.1, 0.1))
    return [{"conv_33": row(*first), "conv_53": row(*last)} for first, last in seeds]


def test_layer_changes_draws_the_first_run_with_bars_and_the_others_thin() -> None:
    orientation, strength = show.layer_changes(changes(), alt="Two layers.").panels
    for panel, name, lines in (
        (orientation, "orientation", [[0.6, 1.1], [0.5, 1.0], [0.06, 0.11], [0.05, 0.1]]),
        (strength, "strength", [[0.0, 0.1], [0.2, -0.4], [0.0, 0.01], [0.02, -0.04]]),
    ):
        (axes,) = panel.axes
        assert (axes.get_title(), ticks(axes)) == (name, ["conv_33", "conv_53"])
        seen = [line.get_ydata() for line in axes.lines if line.get_marker() in ("None", "o", "s")]
        np.testing.assert_allclose(seen, lines)
        for bars, mean in zip(axes.containers, (lines[1], lines[3]), strict=True):
            segments = bars.lines[2][0].get_segments()
            np.testing.assert_allclose([s[:, 1] for s in segments], np.add.outer(mean, [-0.25, 0.25]))
        assert legend(panel) == ["attack", "random control"]
        attack, control = (bars.lines[0] for bars in axes.containers)
        assert attack.get_linestyle() != control.get_linestyle() and attack.get_marker() != control.get_marker()
        assert panel.get_supxlabel() == "bars: ± 1 std over images"
    assert (texts(orientation), texts(strength)) == (["1.00", "0.10"], ["−0.40", "−0.04"])
    assert orientation.axes[0].get_ylim()[0] == 0
    assert strength.axes[0].collections[-1].get_segments()[0][:, 1].tolist() == [0, 0]  # the zero line


def test_a_number_that_rounds_to_zero_has_no_minus() -> None:
    assert texts(show.layer_changes([{"conv_53": row(0.0, -0.04)}], alt="One layer.").panels[1]) == ["−0.04", "0.00"]


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([], "layers.*missing"),
        ([{}], "layers.*missing"),
        ([changes()[0], {"conv_53": row(0, 0)}], "layers.*conv_33, conv_53.*got conv_53"),
    ],
)
def test_layer_changes_refuses(runs: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        show.layer_changes(runs, alt="Nothing.")
    assert plt.get_fignums() == []


# Types and success


def types(*shares: float) -> dict:
    return dict(zip("1234", shares, strict=True)) | {"none": 1 - sum(shares)}


ATTACK = {"1/255": types(0.01, 0.1, 0.05, 0.04), "2/255": types(0.02, 0.3, 0.08, 0.0)}
CONTROL = {"1/255": types(0.0, 0.01, 0.0, 0.08), "2/255": types(0.0, 0.02, 0.0, 0.08)}
SWEEP = {size: {"types": ATTACK[size], "control_types": CONTROL[size]} for size in ATTACK}
RATES = {
    "1/255": {"success_rate": 0.4, "control_success_rate": 0.0},
    "2/255": {"success_rate": 1.0, "control_success_rate": 0.02},
}


def test_type_shares_has_one_panel_a_type_and_writes_every_number() -> None:
    (figure,) = show.type_shares(SWEEP, alt="Types.").panels
    assert [axes.get_title() for axes in figure.axes] == ["1 direct", "2 rebuilt", "3 awakened", "4 damaged"]
    for kind, axes in zip("1234", figure.axes, strict=True):
        for line, rows in zip(axes.lines, (ATTACK, CONTROL), strict=True):
            np.testing.assert_allclose(line.get_ydata(), [100 * r[kind] for r in rows.values()])
        pairs = [f"{100 * rows[size][kind]:.1f}" for size in ATTACK for rows in (ATTACK, CONTROL)]
        assert [text.get_text() for text in axes.texts] == pairs
        assert axes.lines[0].get_marker() != axes.lines[1].get_marker()
        assert axes.get_ylim() == figure.axes[0].get_ylim()
        assert min(axes.get_yticks()) >= 0
    assert ticks(figure.axes[2]) == ["1/255", "2/255"]
    assert figure.get_supxlabel().endswith("attack 80.0, 60.0; control 91.0, 90.0")
    assert legend(figure) == ["attack", "random control"]


def test_the_larger_number_stands_above_and_the_smaller_below() -> None:
    (figure,) = show.type_shares(SWEEP, alt="Types.").panels
    for axes, above in ((figure.axes[1], ("bottom", "top")), (figure.axes[3], ("top", "bottom"))):
        assert [text.get_va() for text in axes.texts] == [*above, *above]


def test_long_sizes_are_slanted() -> None:
    names = ("0.25/255", "0.5/255", "1/255", "2/255")
    row = dict.fromkeys(("types", "control_types"), types(0.1, 0, 0, 0))
    (figure,) = show.type_shares(dict.fromkeys(names, row), alt="Equal.").panels
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in figure.axes[2].get_xticklabels()]
    assert boxes[0].x0 >= 0
    assert figure.axes[2].get_xticklabels()[0].get_rotation() == 35


def test_success_along_draws_and_writes_the_rates() -> None:
    (figure,) = show.success_along(RATES, alt="Rates.").panels
    axes = figure.axes[0]
    assert [list(line.get_ydata()) for line in axes.lines] == [[0.4, 1.0], [0.0, 0.02]]
    assert texts(figure) == ["0.40", "0.00", "1.00", "0.02"]
    assert ticks(axes) == ["1/255", "2/255"]
    assert legend(figure) == ["attack", "random control"]
    assert axes.get_ylim()[0] < 0 < 1 < axes.get_ylim()[1]


@pytest.mark.parametrize("figure", [show.type_shares, show.success_along])
def test_figures_of_a_sweep_refuse_what_lacks_numbers(figure: object) -> None:
    with pytest.raises(ValueError, match=r"size.*missing"):
        figure({}, alt="Nothing.")
    with pytest.raises(ValueError, match=r"size.*types, control_types.*success_rate"):
        figure({"1/255": SWEEP["1/255"], "2/255": RATES["2/255"]}, alt="Nothing.")
    with pytest.raises(KeyError, match=r"control_types|success_rate"):
        figure({"1/255": {"types": ATTACK["1/255"]}}, alt="Nothing.")
    assert plt.get_fignums() == []


# Distributions


def share_at(axes: plt.Axes, line: int, x: float) -> float:
    """How high a drawn line stands at ``x``."""
    xs, ys = axes.lines[line].get_data()
    assert axes.lines[line].get_drawstyle() == "steps-post"
    return ys[np.searchsorted(xs, x, side="right") - 1]


def test_distribution_draws_the_share_at_or_below_with_medians() -> None:
    values = {"attack": np.array([[0.12, 0.12], [0.32, 0.92]]), "control": np.array([0.92, 1.0]), "none left": []}
    (figure,) = show.distribution(values, xlabel="p", alt="Spread.", range=(0, 1)).panels
    (axes,) = figure.axes
    assert [share_at(axes, 0, x) for x in (0, 0.11, 0.12, 0.31, 0.5, 0.92, 1)] == [0, 0, 0.5, 0.5, 0.75, 1, 1]
    assert [share_at(axes, 2, x) for x in (0, 0.9, 0.95, 1)] == [0, 0, 0.5, 1]
    assert [tuple(axes.lines[n].get_xydata()[0]) for n in (1, 3)] == [(pytest.approx(0.22), 0.5), (0.96, 0.5)]
    assert legend(figure) == ["attack: median 0.22 (n = 4)", "control: median 0.96 (n = 2)", "none left: none"]
    assert axes.lines[0].get_linestyle() != axes.lines[2].get_linestyle()
    assert len({axes.lines[n].get_marker() for n in (1, 3, 4)}) == 3
    assert axes.get_xlabel() == "p"


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=900), st.floats(-5, 5))
@settings(max_examples=25, deadline=None)
def test_distribution_is_within_a_step_of_the_counted_share(numbers: list[float], x: float) -> None:
    (figure,) = show.distribution({"a": numbers}, xlabel="x", alt="Spread.", range=(-5, 5)).panels
    counted = np.mean(np.array(numbers) <= x)
    assert abs(share_at(figure.axes[0], 0, x) - counted) <= 1 / 400
    plt.close("all")


def test_distribution_spans_all_groups_unless_told_and_counts_what_lies_beyond() -> None:
    values, before = ({"a": np.array([-2.0, 1.0]), "b": np.array([5.0])} for _ in range(2))
    (figure,) = show.distribution(values, xlabel="x", alt="Spread.").panels
    assert figure.axes[0].get_xlim() == (-2, 5)
    assert legend(figure)[0] == "a: median −0.50 (n = 2)"
    assert all(np.array_equal(values[name], before[name]) for name in before)
    (figure,) = show.distribution(values, xlabel="x", alt="Spread.", range=(0, 2)).panels
    assert figure.axes[0].get_xlim() == (0, 2) and share_at(figure.axes[0], 0, 0) == 0.5
    assert share_at(figure.axes[0], 2, 2) == 0


def test_distribution_of_equal_numbers_is_one_step() -> None:
    (figure,) = show.distribution({"a": [3.0] * 7}, xlabel="x", alt="All are 3.").panels
    assert share_at(figure.axes[0], 0, 3) == 1 and set(figure.axes[0].lines[0].get_xdata()) == {3}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": {}}, "4 groups.*0"),
        ({"values": {name: [1.0] for name in "abcde"}}, "4 groups.*5"),
        ({"values": {"a": [], "b": []}}, "a, b are all empty"),
        ({"values": {"a": [1.0, np.nan]}}, "'a'.*1 NaN or infinite.*of 2"),
        ({"range": (0, 0.1)}, r"range 0 \.\.\. 0\.1 shows none.*0\.2 \.\.\. 0\.8"),
        ({"range": (1, 0)}, r"range 1 \.\.\. 0"),
        ({"alt": ""}, "alt is empty"),
    ],
)
def test_distribution_refuses(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        show.distribution(**{"values": {"a": [0.2, 0.8]}, "xlabel": "x", "alt": "Spread."} | change)


# Students


def seeds(*totals: float, ratio: float = 0.5) -> list[dict]:
    return [{"total": n, "reliable": ratio * n, "ratio": ratio if n else None} for n in totals]


def networks() -> dict:
    return {
        "teacher": {"conv_33": seeds(4.0), "conv_53": seeds(40.0, ratio=0.75)},
        "alone": {"conv_33": seeds(0.0, 0.0, 0.0), "conv_53": seeds(9.0, 10.0, 14.0)},
    }


def heights(axes: plt.Axes) -> list[float]:
    return [patch.get_height() for patch in axes.patches]


def test_student_points_draws_means_deviations_and_every_seed() -> None:
    given = networks()
    panels = show.student_points(given, alt="Students.").panels
    assert given == networks()
    assert [panel.axes[0].get_title() for panel in panels] == ["conv_33", "conv_53"]
    above, below = panels[1].axes
    assert heights(above) == [40, 11, 30, 5.5]
    assert heights(below) == [0.75, 0.5]
    assert texts(panels[1]) == ["0.75", "0.50"]
    bars = [bar for bar in above.containers if hasattr(bar, "has_yerr")]
    spans = [bar.lines[2][0].get_segments()[0][:, 1] for bar in bars]
    deviation = np.std([9, 10, 14], ddof=1)
    expected = [[11 - deviation, 11 + deviation], [(11 - deviation) / 2, (11 + deviation) / 2]]
    np.testing.assert_allclose(spans, expected)  # none for the teacher, of which there is one
    dots = [line.get_ydata().tolist() for line in above.lines if line.get_marker() == "o"]
    assert dots == [[40], [9, 10, 14], [30], [4.5, 5, 7]]
    assert ticks(below) == ["teacher (1)", "alone (3)"]
    assert legend(panels[1]) == ["all", "reliable"]
    assert [bool(patch.get_hatch()) for patch in above.patches] == [False, False, True, True]


def test_where_there_is_no_point_there_is_no_ratio() -> None:
    first = show.student_points(networks(), alt="Students.").panels[0]
    assert heights(first.axes[1]) == [0.5]
    assert texts(first) == ["0.50", "–"]
    given = {"alone": {"conv_53": [*seeds(0.0), *seeds(8.0), *seeds(9.0, ratio=0.25)]}}
    assert heights(show.student_points(given, alt="One.").panels[0].axes[1]) == [0.375]


def test_all_layers_have_one_scale() -> None:
    panels = show.student_points(networks(), alt="Students.").panels
    assert len({panel.axes[0].get_ylim() for panel in panels}) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "layers.*missing"),
        ({"teacher": {}}, "layers.*missing"),
        ({"a": {"conv_53": seeds(1.0)}, "b": {}}, "layers.*conv_53.*none"),
        ({"a": {"conv_53": []}}, "a must.*each seed.*none"),
    ],
)
def test_student_points_refuses(given: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        show.student_points(given, alt="Nothing.")


# All of them


@pytest.mark.parametrize(
    "make",
    [
        lambda **alt: show.layer_changes(changes(), **alt),
        lambda **alt: show.type_shares(SWEEP, **alt),
        lambda **alt: show.success_along(RATES, **alt),
        lambda **alt: show.distribution({"a": [0.1, 0.2]}, xlabel="p", **alt),
        lambda **alt: show.student_points(networks(), **alt),
    ],
)
def test_pictures_need_an_alternative_repeat_themselves_and_fit_a_phone(make) -> None:
    with pytest.raises(TypeError, match="alt"):
        make()
    with pytest.raises(ValueError, match="alt is empty"):
        make(alt=" ")
    plt.close("all")
    picture = make(alt="Said.")
    assert repr(picture) == "Said."
    assert make(alt="Said.").html() == picture.html()
    assert max(panel.get_size_inches()[0] for panel in picture.panels) * 96 <= 404
    assert plt.get_fignums() == []
