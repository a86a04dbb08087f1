"""Colours that every reader can tell apart: for eyes without one of the cones, and against both pages."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_rgb
from matplotlib.text import Text
from pictured import pictured

from nbhelpers import show
from nbhelpers.show.attack_curves import LOOKS as ATTACKS
from nbhelpers.show.distributions import LOOKS as GROUPS
from nbhelpers.show.panels import ORANGE, PURPLE
from nbhelpers.show.panels import WHITE as ZERO
from nbhelpers.show.region_curves import HATCHES
from nbhelpers.show.region_maps import POSITIVE, SIGNED
from nbhelpers.show.region_paths import LOOKS as TYPES
from nbhelpers.show.style import CARD, COLOURS, FAINT, INK, MARKERS, WIRE, black_or_white, colour, symbol

PAGES = {"light": "#ffffff", "dark": "#14181e"}  # backgrounds of the book's theme

# G. M. Machado, M. M. Oliveira and L. A. F. Fernandes, "A Physiologically-based Model for Simulation of Color Vision
# Deficiency", IEEE Transactions on Visualization and Computer Graphics 15 (2009) 1291: severity 1, for linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1, 1.089])  # D65
CLEAR, ENOUGH = 40, 13  # CIELAB distances: by colour alone, and beside a symbol that differs


def linear(colours: object) -> np.ndarray:
    """sRGB (..., 3) in 0 ... 1 without its gamma."""
    srgb = np.asarray(colours, dtype=float)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def lab(colours: object, vision: str = "normal") -> np.ndarray:
    """CIE L*a*b* (..., 3) of sRGB as that vision sees it."""
    seen = np.clip(linear(colours) @ np.transpose(VISIONS[vision]), 0, 1)
    ratio = seen @ TO_XYZ.T / WHITE
    x, y, z = np.moveaxis(np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def contrast(a: str, b: str) -> float:
    """Of two colours as the Web Content Accessibility Guidelines define it: 1 ... 21."""
    bright, dim = sorted((linear(to_rgb(c)) @ TO_XYZ[1] for c in (a, b)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def test_the_measures_know_black_white_and_red() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)
    assert lab([[0, 0, 0], [1, 1, 1], [1, 0, 0]]) == pytest.approx(
        np.array([[0, 0, 0], [100, 0, 0], [53.24, 80.09, 67.20]]), abs=0.06
    )


@pytest.mark.parametrize(("vision", "pair"), [("protanopia", "red green"), ("tritanopia", "blue green")])
def test_the_eyes_without_a_cone_see_less(vision: str, pair: str) -> None:
    a, b = ({"red": [0.8, 0, 0], "green": [0, 0.45, 0], "blue": [0, 0.5, 0.5]}[name] for name in pair.split())
    apart = [np.linalg.norm(lab(a, eyes) - lab(b, eyes)) for eyes in ("normal", vision)]
    assert apart[1] < 0.6 * apart[0]


@pytest.mark.parametrize("vision", VISIONS)
def test_categories_stay_apart(vision: str) -> None:
    seen = lab([to_rgb(c) for c in COLOURS], vision)
    for a, b in itertools.combinations(range(len(COLOURS)), 2):
        distance = np.linalg.norm(seen[a] - seen[b])
        assert distance > (CLEAR if symbol(a) == symbol(b) else ENOUGH), (COLOURS[a], COLOURS[b])


def test_every_category_has_its_own_look() -> None:
    assert len({(colour(c), symbol(c)) for c in range(70)}) == 70
    assert len({(colour(c), MARKERS[c % len(MARKERS)]) for c in range(len(COLOURS))}) == len(set(MARKERS)) == 10


@pytest.mark.parametrize(
    "looks",
    [
        [form for _, form in TYPES.values()],
        [look["marker"] for look in ATTACKS.values()],
        [look["ls"] for look in ATTACKS.values()],
        [line for line, _ in GROUPS],
        HATCHES,
    ],
)
def test_what_a_colour_says_a_form_says_too(looks: list) -> None:
    assert len(set(looks)) == len(looks)


@pytest.mark.parametrize("theme", PAGES)
def test_words_and_lines_stand_out_from_the_page(theme: str) -> None:
    assert contrast(INK[theme], PAGES[theme]) >= 4.5
    assert contrast(FAINT, PAGES[theme]) >= 3
    assert contrast(WIRE, PAGES[theme]) >= 3


@pytest.mark.parametrize("grey", np.linspace(0, 1, 101))
def test_black_or_white_reads_on_every_grey(grey: float) -> None:
    background = (grey,) * 3
    assert contrast(black_or_white(background), background) >= 4.5


HEAT = LinearSegmentedColormap.from_list("heat", [ZERO, ORANGE])
COLD = LinearSegmentedColormap.from_list("cold", [ZERO, PURPLE])
BELOW = LinearSegmentedColormap.from_list("below", SIGNED(np.linspace(0.5, 0, 256)))
MAPS = [HEAT, COLD, POSITIVE, BELOW, colormaps["Oranges"], colormaps["Blues_r"].reversed()]


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("heat", MAPS, ids=lambda heat: heat.name)
def test_more_is_darker_on_every_map(heat: Colormap, vision: str) -> None:
    lightness = lab(heat(np.linspace(0, 1, 65))[:, :3], vision)[:, 0]
    assert (np.diff(lightness) < 0).all()
    assert lightness[0] - lightness[-1] > 30


@pytest.mark.parametrize("vision", VISIONS)
def test_above_and_below_zero_stay_apart(vision: str) -> None:
    for high, low in ((HEAT(0.5), COLD(0.5)), (HEAT(1.0), COLD(1.0)), (SIGNED(0.75), SIGNED(0.25))):
        assert np.linalg.norm(lab(high[:3], vision) - lab(low[:3], vision)) > ENOUGH


ROW = {"total": 20.0, "total_std": 1.0, "reliable": 15.0, "reliable_std": 1.0, "ratio": 0.75}
CHANGE = {f"{who}delta_{what}": 0.2 for who in ("", "control_") for what in ("orientation", "strength")}
CHANGE |= {f"{name}_std": 0.1 for name in CHANGE}
SHARES = {"1": 0.1, "2": 0.2, "3": 0.1, "4": 0.1, "none": 0.5}
PICTURES = {
    "points_along": lambda: show.points_along([0, 1], [{"conv_53": [ROW, ROW]}], alt="x"),
    "layer_changes": lambda: show.layer_changes([{"conv_53": CHANGE}], alt="x"),
    "type_shares": lambda: show.type_shares({"1/255": {"types": SHARES, "control_types": SHARES}}, alt="x"),
    "success_along": lambda: show.success_along({"1/255": {"success_rate": 0.5, "control_success_rate": 0.1}}, alt="x"),
    "student_points": lambda: show.student_points({"teacher": {"conv_53": [ROW]}}, alt="x"),
    "emergence": lambda: show.emergence([0, 1], [[1.0], [2.0]], pictured([0], ["bag"]), accuracy=[0, 1], alt="x"),
    "agreement": lambda: show.agreement({"w": [0.5, 0.7]}, alt="x"),
    "shares": lambda: show.shares({"all": {"object": 1.0}}, chance={"object": 1.0}, alt="x"),
    "distribution": lambda: show.distribution({"all": [0.5, 0.7]}, xlabel="p", alt="x"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_every_word_in_a_picture_reads_on_its_card(name: str) -> None:
    for panel in PICTURES[name]().panels:
        for text in panel.findobj(Text):
            if text.get_text():
                assert contrast(text.get_color(), CARD) >= 4.5, text.get_text()
    assert plt.get_fignums() == []


def test_numbers_read_on_their_cells() -> None:
    angles = np.radians(np.linspace(0, 170, 12))
    mu = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    counts = np.linspace(0, 1, 144).reshape(12, 12) + 1e-3
    for panel in show.neighbours(mu, counts, [str(c) for c in range(12)], alt="x").panels:
        (image,) = panel.axes[0].images
        for text in panel.axes[0].texts:
            column, row = (int(at) for at in text.get_position())
            cell = image.cmap(image.norm(image.get_array()[row, column]))
            assert contrast(text.get_color(), cell[:3]) >= 4.5
