"""The forest plot: what is drawn is what was judged, and verdicts show without colour."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import same_color

from nbhelpers import show
from nbhelpers.experiments.claims.claim import Judgement, Part
from nbhelpers.experiments.claims.entries import CLAIMS
from nbhelpers.show.page.picture import DPI
from nbhelpers.show.style import CARD

FIRST, SECOND, *_ = CLAIMS
SURE = Part("T = 4", -0.95, (-0.97, -0.93), bound=-0.89, above=False, paper=-0.94, controls={"‖f‖": -0.98, "new": None})
OPEN = Part("T = 1", -0.7, beside=True, reason="one seed")
FALSE = Part("", 0.2, (0.1, 0.3), above=False)
NOTHING = Part("", reason="not recorded: table1")


def drawn(*judgements: Judgement) -> list[plt.Figure]:
    """The panels without that of the legend."""
    return show.forest(judgements, alt="Claims.").panels[1:]


def marks(panel: plt.Figure) -> dict[tuple[str, float], plt.Line2D]:
    """By marker and line."""
    (axes,) = panel.axes
    lines = [line for line in axes.lines if line.get_marker() not in ("None", "", None)]
    return {(line.get_marker(), float(line.get_ydata()[0])): line for line in lines}


def words(panel: plt.Figure) -> list[str]:
    return [text.get_text() for text in panel.axes[0].texts]


def test_a_panel_a_claim_and_a_line_a_number() -> None:
    first, second = drawn(
        Judgement(FIRST, "CUB", "", [SURE, OPEN]),
        Judgement(FIRST, "COCO", "", [SURE, OPEN], apart="names 28% rightly"),
        Judgement(SECOND, "CUB", "", [FALSE]),
    )
    assert words(first) == ["CUB: supported", "T = 4", "(T = 1)", "COCO: apart", "T = 4", "(T = 1)"]
    assert words(second) == ["CUB"]
    title = first.axes[0].get_title(loc="left")
    assert title.startswith("T1a, Table 1: ") and title.replace("\n", " ").endswith(FIRST.text)


def test_the_number_its_interval_the_papers_and_the_controls_stand_where_they_are() -> None:
    (panel,) = drawn(Judgement(FIRST, "CUB", "", [SURE, OPEN]))
    (axes,), at = panel.axes, marks(panel)
    assert {mark: line.get_xdata()[0] for mark, line in at.items()} == {
        ("o", 1.0): -0.95,
        ("D", 1.0): -0.94,
        ("x", 1.0): -0.98,
        ("o", 2.0): -0.7,
    }
    spans = [tuple(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2]
    assert (-0.97, -0.93) in spans
    low, high = axes.get_xlim()
    assert low < -0.98 and high > -0.7
    (shaded, _) = axes.collections
    corners = shaded.get_paths()[0].vertices[:, 0]
    assert (corners.min(), corners.max()) == pytest.approx((low, -0.89))


def test_a_verdict_shows_by_shape_and_filling() -> None:
    supported, contradicted, undecided = (
        next(line for (mark, _), line in marks(drawn(Judgement(SECOND, "CUB", "", [part]))[0]).items() if mark in "os")
        for part in (SURE, FALSE, OPEN)
    )
    assert [line.get_marker() for line in (supported, contradicted, undecided)] == ["o", "s", "o"]
    assert [same_color(line.get_markerfacecolor(), CARD) for line in (supported, contradicted, undecided)] == [
        False,
        False,
        True,
    ]


def test_what_is_not_recorded_is_said() -> None:
    (panel,) = drawn(Judgement(SECOND, "CUB", "", [NOTHING]))
    assert words(panel) == ["not recorded", "CUB"] and not marks(panel)


def test_all_numbers_are_in_the_table_and_the_reasons_beside_them() -> None:
    judgements = [Judgement(FIRST, "CUB", "", [SURE, OPEN]), Judgement(SECOND, "COCO", "", [FALSE], apart="28%")]
    table = show.forest(judgements, alt="Claims.").table
    assert [list(row) for row in table.rows] == [
        ["T1a", "CUB", "T = 4", "−0.940", "−0.950 [−0.970, −0.930]", "‖f‖ −0.980", "below −0.890", "supported", "–"],
        ["T1a", "CUB", "T = 1", "–", "−0.700", "–", "above 0.000", "undecided", "one seed"],
        ["T1b", "COCO", "–", "–", "0.200 [0.100, 0.300]", "–", "below 0.000", "undecided", "28%"],
    ]
    assert table.frame()["here: low"].tolist()[0] == -0.97


def test_no_word_is_cut_on_a_narrow_page() -> None:
    long = Judgement(FIRST, "Tiny ImageNet × MobileNet-V2", "", [SURE, OPEN])
    for panel in drawn(long, *(Judgement(claim, "Tiny ImageNet × VGG-16", "", [FALSE]) for claim in CLAIMS)):
        panel.set_dpi(DPI)
        width, height = panel.get_size_inches() * panel.dpi
        assert width / panel.dpi <= 4
        for text in (*panel.axes[0].texts, panel.axes[0]._left_title):
            box = text.get_window_extent()
            assert box.x0 >= 0 and box.x1 <= width and box.y1 <= height, text.get_text()


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="judgements is empty"):
        show.forest([], alt="x")
