"""Figures of attacks: every step shows what was given, regions are followed and marked, bad input is named."""

import base64
import io
import json

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from pictured import pictured
from PIL import Image

from nbhelpers import show
from nbhelpers.method.trajectories import TYPES
from nbhelpers.show.region_paths import LOOKS
from nbhelpers.show.style import FAINT, colour

CATEGORIES = ("coat", "<b>bag</b>", "boot")
EXAMPLES = [("damaged", 2, 5, 0), ("direct", 0, 1, 1), ("direct", 2, 0, 0), ("none", 0, 3, 1)]


def places(trace: object) -> np.ndarray:
    return np.stack([trace.x, trace.y, trace.z], axis=1).astype(float)


def soup(figure: show.Figure) -> BeautifulSoup:
    return BeautifulSoup(figure.html(), "html.parser")


def pixels(source: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))).convert("RGB")).astype(float)


def unchanged(given: dict, again: dict) -> None:
    for name, value in again.items():
        if name == "images":
            assert given[name].fingerprint == value.fingerprint
        else:
            assert np.array_equal(given[name], value), name


# All regions: steps of an attack, or networks


def depth(**change) -> dict:
    rng = np.random.default_rng(1)
    given = {
        "h": {str(t): rng.normal(size=(2, 6, 3)) for t in range(3)},
        "images": pictured([1, 0], CATEGORIES, rng.integers(0, 256, (2, 3, 8, 12), dtype=np.uint8)),
        "directions": rng.normal(size=(3, 3)),
        "grid": (2, 3),
        "alt": "Points move.",
        "slider": "step",
    }
    return given | change


def test_region_depth_goes_through_what_it_is_told() -> None:
    figure = show.region_depth(**depth())
    assert soup(figure).find("label").get_text() == "step"
    assert figure.plotly_json()["layout"]["sliders"][0]["currentvalue"]["prefix"] == "step: "
    assert [frame.name for frame in figure.plot.frames] == ["0", "1", "2"]
    path = next(trace for trace in figure.plot.data if trace.name == "the picked region")
    assert path.hovertemplate.startswith("step %{text}<")


def test_region_depth_calls_images_by_number_and_category() -> None:
    figure = show.region_depth(**depth())
    names = ["image 1 (<b>bag</b>)", "image 2 (coat)"]
    assert [c.get_text() for c in soup(figure).find_all("figcaption")] == names
    assert [row[0] for row in figure.table.rows] == names
    assert figure.plot.data[0].text[4] == "image 2 (coat), row 2, column 2"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"h": {"clean": np.zeros((2, 6, 3))}}, "two steps.*clean"),
        ({"h": {}}, "two steps.*none"),
    ],
)
def test_region_depth_refuses(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        show.region_depth(**depth(**change))


# Some regions on their way


def paths(**change) -> dict:
    rng = np.random.default_rng(2)
    given = {
        "h": rng.normal(size=(4, 3, 6, 3)),
        "images": pictured([0, 1, 2], CATEGORIES, rng.integers(0, 256, (3, 3, 8, 12), dtype=np.uint8)),
        "directions": rng.normal(size=(3, 3)),
        "grid": (2, 3),
        "examples": EXAMPLES,
        "alt": "Regions turn.",
    }
    return given | change


def of_kind(plot: object, kind: str) -> tuple[object, object, object]:
    """The traces of one type: present places, ways, starts."""
    return tuple(trace for trace in plot.data if trace.legendgroup == kind)


def test_markers_stand_where_regions_are_at_every_step() -> None:
    given = paths()
    plot = show.region_paths(**given).plot
    assert [frame.name for frame in plot.frames] == ["0", "1", "2", "3"]
    for frame, h in zip(plot.frames, given["h"], strict=True):
        for number, moved in zip(frame.traces, frame.data, strict=True):
            kind = plot.data[number].name
            here = [h[image, region] for name, image, region, _ in EXAMPLES if name == kind]
            assert np.abs(places(moved) - here).max() <= 5.1e-4
            assert np.allclose(moved.customdata, np.linalg.norm(here, axis=1), atol=0.0051)
    for number, moved in zip(plot.frames[-1].traces, plot.frames[-1].data, strict=True):
        assert np.array_equal(places(plot.data[number]), places(moved))
        assert plot.data[number].customdata == moved.customdata


def test_a_way_runs_through_all_steps_and_begins_at_a_ring() -> None:
    given = paths()
    _, way, ring = of_kind(show.region_paths(**given).plot, "direct")
    gap = np.full((1, 3), np.nan)
    expected = np.concatenate([given["h"][:, 0, 1], gap, given["h"][:, 2, 0], gap])
    np.testing.assert_allclose(places(way), expected, atol=5.1e-4)
    assert way.mode == "lines"
    np.testing.assert_allclose(places(ring), given["h"][0, [0, 2], [1, 0]], atol=5.1e-4)
    assert ring.marker.symbol == "circle-open"


def test_types_are_told_by_colour_symbol_number_and_text() -> None:
    plot = show.region_paths(**paths()).plot
    shown = [trace for trace in plot.data if trace.showlegend]
    assert [trace.name for trace in shown] == ["none", "direct", "damaged"]
    assert [(trace.marker.color, trace.marker.symbol) for trace in shown] == [LOOKS[trace.name] for trace in shown]
    here = of_kind(plot, "direct")[0]
    assert here.text == ("2", "3")
    assert here.hovertext == (
        "direct: image 1 (coat → &lt;b&gt;bag&lt;/b&gt;), row 1, column 2",
        "direct: image 3 (boot → coat), row 1, column 1",
    )
    assert set(LOOKS) == set(TYPES)
    for looks in zip(*LOOKS.values(), strict=True):
        assert len(set(looks)) == len(TYPES)


def test_legend_hides_all_of_a_type_and_no_arrow() -> None:
    plot = show.region_paths(**paths()).plot
    groups = [trace.legendgroup for trace in plot.data]
    assert [groups.count(kind) for kind in ("none", "direct", "damaged")] == [3, 3, 3]
    assert groups[-3:] == list(CATEGORIES)


def test_everything_is_inside_the_axes() -> None:
    plot = show.region_paths(**paths()).plot
    reach = plot.layout.scene.xaxis.range[1]
    assert plot.layout.scene.xaxis.range == plot.layout.scene.yaxis.range == plot.layout.scene.zaxis.range
    assert max(np.nanmax(np.abs(places(trace))) for trace in plot.data) < reach


def test_examples_are_outlined_on_their_images() -> None:
    figure = soup(show.region_paths(**paths()))
    captions = [caption.get_text() for caption in figure.find_all("figcaption")]
    assert captions == [
        "image 1 (coat → <b>bag</b>): 2 direct, 4 none",
        "image 3 (boot → coat): 1 damaged, 3 direct",
    ]
    marks = [[mark.get_text() for mark in image.find_all(class_="nbh-mark")] for image in figure.find_all("figure")]
    assert marks == [["2", "4"], ["1", "3"]]
    styles = [mark["style"] for mark in figure.find_all(class_="nbh-mark")]
    size = "width:33.33%;height:50.00%"
    assert styles[0] == f"left:33.33%;top:0.00%;{size};border-color:{LOOKS['direct'][0]}"
    assert styles[2] == f"left:66.67%;top:50.00%;{size};border-color:{LOOKS['damaged'][0]}"
    assert json.loads(figure.find("script", type="application/json").string)["picker"] is None


def test_table_tells_strengths_and_cosines() -> None:
    h = np.array([[3.0, 4, 0], [0, 0, 0], [0, 2, 0]]).reshape(3, 1, 1, 3)
    table = show.region_paths(
        h,
        pictured([0], ["coat", "bag"]),
        [[2, 0, 0], [0, 0.1, 0]],
        (1, 1),
        [("rebuilt", 0, 0, 1)],
        alt="One.",
    ).table
    assert table.rows == [
        [1, "rebuilt", "image 1 (coat → bag)", "1, 1", "5.00, 0.00, 2.00", "0.60, 0.00", "0.80, 1.00"]
    ]
    assert len(table.headers) == 7


def test_region_paths_repeats_itself_and_leaves_the_callers_arrays_alone() -> None:
    given = paths()
    assert show.region_paths(**given).html() == show.region_paths(**given).html()
    unchanged(given, paths())
    tensors = {name: torch.tensor(given[name]) for name in ("h", "directions")}
    assert show.region_paths(**given | tensors).html() == show.region_paths(**given).html()


def test_twelve_ways_of_twenty_steps_stay_small() -> None:
    rng = np.random.default_rng(0)
    figure = show.region_paths(
        rng.normal(size=(21, 6, 64, 3)),
        pictured(range(6), [f"category {c}" for c in range(10)], rng.integers(0, 256, (6, 3, 64, 64), dtype=np.uint8)),
        rng.normal(size=(10, 3)),
        (8, 8),
        [(TYPES[i % 5], i % 6, i, 9) for i in range(12)],
        alt="Twelve ways.",
    )
    assert len(figure.html()) < 200_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"h": np.zeros((4, 3, 5, 3))}, r"h must.*images 3, regions 6.*\(4, 3, 5, 3\)"),
        ({"h": np.zeros((1, 3, 6, 3))}, "two steps.*1"),
        ({"h": np.zeros((3, 6, 3))}, r"h must.*steps, images.*\(3, 6, 3\)"),
        ({"h": np.full((4, 3, 6, 3), np.nan)}, "h holds 216 NaN"),
        ({"images": pictured([0, 1], CATEGORIES)}, r"images 2.*\(4, 3, 6, 3\)"),
        ({"directions": np.zeros((3, 3))}, "directions.*zero"),
        ({"directions": np.eye(3)[:2]}, r"directions.*categories 3.*\(2, 3\)"),
        ({"grid": (2, 0)}, r"regions 0.*\(4, 3, 6, 3\)"),
        ({"examples": []}, "examples is empty"),
        ({"examples": [("direct", 0, 1)]}, r"type, image, region, category.*'direct', 0, 1\)"),
        ({"examples": [("lost", 0, 1, 1)]}, "types none, direct.*'lost'"),
        ({"examples": [("direct", 3, 1, 1)]}, r"\(3, 6, 3\) images.*'direct', 3, 1, 1"),
        ({"examples": [("direct", 0, 6, 1)]}, "'direct', 0, 6, 1"),
        ({"examples": [("direct", 0, 1, -1)]}, "'direct', 0, 1, -1"),
        ({"examples": [("direct", 1, 1, 2), ("none", 1, 2, 0)]}, "image 1, got 2 and 0"),
        ({"alt": ""}, "alt is empty"),
    ],
)
def test_region_paths_refuses(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        show.region_paths(**paths(**change))


# One image under attack


EPS = 8 / 255


def attack(**change) -> dict:
    """A grey image whose left half gets lighter and whose right half gets darker, by eps at the last of three steps."""
    rng = np.random.default_rng(3)
    direction = np.where(np.arange(16) < 8, EPS, -EPS)
    path = 0.5 + np.array([0, 0.5, 1])[:, None, None, None] * np.broadcast_to(direction, (3, 8, 16))
    given = {
        "path": path,
        "probabilities": np.array([[0.7, 0.2, 0.1], [0.5, 0.2, 0.3], [0.1, 0.2, 0.7]]),
        "regions": rng.dirichlet(np.ones(3), (3, 6)),
        "original": 0,
        "new": 2,
        "categories": CATEGORIES,
        "grid": (2, 3),
        "eps": EPS,
        "alt": "A square under attack.",
    }
    return given | change


def test_every_step_shows_its_maps_and_answers() -> None:
    given = attack()
    figure = show.attack_steps(**given)
    assert [frame.name for frame in figure.plot.frames] == ["0", "1", "2"]
    for t, frame in enumerate(figure.plot.frames):
        image, perturbation, before, after, bars = frame.data
        assert (image.type, perturbation.type) == ("image", "image")
        for heat, category in ((before, 0), (after, 2)):
            np.testing.assert_allclose(heat.z, given["regions"][t, :, category].reshape(2, 3), atol=5.1e-4)
        np.testing.assert_allclose(bars.x, given["probabilities"][t], atol=5.1e-4)
    assert figure.slider == "step"


def test_the_perturbation_is_enlarged_from_grey_to_black_and_white() -> None:
    frames = show.attack_steps(**attack()).plot.frames
    assert np.abs(pixels(frames[0].data[1].source) - 127.5).max() < 3
    for t, (left, right) in {1: (191, 64), 2: (255, 0)}.items():
        found = pixels(frames[t].data[1].source)
        assert found.shape == (8, 16, 3)
        assert np.abs(found[:, :6] - left).max() < 6
        assert np.abs(found[:, 10:] - right).max() < 6


def test_the_attacked_image_is_shown_as_it_is() -> None:
    path = np.full((2, 3, 8, 8), 0.2)
    path[1] += 0.1
    given = attack(path=path, probabilities=np.ones((2, 3)) / 3, regions=np.ones((2, 6, 3)) / 3, eps=0.1)
    for frame, grey in zip(show.attack_steps(**given).plot.frames, (51, 76.5), strict=True):
        assert np.abs(pixels(frame.data[0].source) - grey).max() < 3


def test_the_first_drawing_is_the_last_step() -> None:
    plot = show.attack_steps(**attack()).plot
    for trace, moved in zip(plot.data, plot.frames[-1].data, strict=False):
        for key, value in moved.to_plotly_json().items():
            assert np.array_equal(trace[key], value), key


def test_titles_name_the_categories_and_the_factor() -> None:
    plot = show.attack_steps(**attack()).plot
    titles = [annotation.text for annotation in plot.layout.annotations]
    assert titles[:2] == ["attacked image", "perturbation ×15.9"]
    assert [title for title in titles if title.startswith("p(c | h)")] == [
        "p(c | h) for<br>coat",
        "p(c | h) for<br>boot",
    ]
    assert plot.layout.title.text == "coat → boot"


def test_a_failed_attack_is_called_so() -> None:
    figure = show.attack_steps(**attack(new=0))
    assert figure.plot.layout.title.text == "coat → coat: the attack failed"
    assert np.array_equal(figure.plot.data[2].z, figure.plot.data[3].z)
    missed = show.attack_steps(**attack(new=1, categories=("coat", "bag", "boot")))  # the last answer is boot
    assert missed.plot.layout.title.text == "coat → bag: the attack failed"


def test_bars_of_both_categories_stand_out() -> None:
    bars, names = show.attack_steps(**attack(categories=("coat", "bag", "boot"))).plot.data[4:]
    assert bars.marker.color == (colour(0), FAINT, colour(2))
    assert names.text == ("<b>coat</b>", "bag", "<b>boot</b>")
    assert (np.asarray(names.y) < np.asarray(bars.y)).all()  # downwards: each name above its bar


def test_both_maps_share_their_colours() -> None:
    plot = show.attack_steps(**attack()).plot
    maps = [trace for trace in plot.data if trace.type == "heatmap"]
    assert [(trace.zmin, trace.zmax) for trace in maps] == [(0, 1)] * 2
    assert maps[0].colorscale == maps[1].colorscale
    assert [trace.showscale for trace in maps] == [None, False]


def test_table_counts_the_regions_that_speak_for_each() -> None:
    regions = np.zeros((3, 6, 3))
    regions[..., 0] = [[0.9, 0.5, 0.41, 0.4, 0.1, 0], [0.5, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]]
    regions[2, :, 2] = 0.8
    table = show.attack_steps(**attack(regions=regions)).table
    assert table.rows == [["0", "0.700", "0.100", 3, 0], ["1", "0.500", "0.300", 1, 0], ["2", "0.100", "0.700", 0, 6]]
    assert table.headers[1:3] == ["P(coat)", "P(boot)"]


def test_an_attack_of_twenty_steps_stays_small() -> None:
    rng = np.random.default_rng(0)
    sign = rng.choice([-1, 1], (20, 3, 64, 64)) / 255 / 5
    path = 0.5 + np.concatenate([np.zeros((1, 3, 64, 64)), sign.cumsum(axis=0)]).clip(-1 / 255, 1 / 255)
    figure = show.attack_steps(
        path,
        rng.dirichlet(np.ones(10), 21),
        rng.dirichlet(np.ones(10), (21, 64)),
        1,
        2,
        [f"category {c}" for c in range(10)],
        (8, 8),
        eps=1 / 255,
        alt="Twenty steps.",
    )
    assert len(figure.html()) < 400_000


def test_attack_steps_repeats_itself_and_leaves_the_callers_arrays_alone() -> None:
    given = attack()
    assert show.attack_steps(**given).html() == show.attack_steps(**given).html()
    unchanged(given, attack())
    tensors = {name: torch.tensor(given[name]) for name in ("path", "probabilities", "regions")}
    assert show.attack_steps(**given | tensors).html() == show.attack_steps(**given).html()


def test_attack_steps_can_be_explored() -> None:
    explore = show.Explore(lambda new: show.attack_steps(**attack(new=new)), new=[1, 2])
    explore.controls["new"].value = 2
    assert explore.figure.plot.layout.title.text == "coat → boot"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": np.zeros((3, 2, 3, 8, 8))}, r"path.*4 axes.*\(3, 2, 3, 8, 8\)"),
        ({"path": np.zeros((1, 3, 8, 8))}, r"two or more iterates.*\(1, 3, 8, 8\)"),
        ({"path": np.full((3, 3, 8, 8), 2.0)}, r"path.*2 \.\.\. 2"),
        ({"path": np.full((3, 3, 8, 8), np.nan)}, "path holds 576 NaN"),
        ({"eps": EPS / 2}, "moves by 0.03137.*eps = 0.01569"),
        ({"eps": 0}, "eps.*0"),
        ({"probabilities": np.ones((3, 2)) / 2}, r"probabilities.*steps 3, categories 3.*\(3, 2\)"),
        ({"probabilities": np.full((3, 3), -4.0)}, "probabilities.*-4.*softmax"),
        ({"regions": np.ones((3, 4, 3)) / 3}, r"regions.*steps 3, regions 6, categories 3.*\(3, 4, 3\)"),
        ({"regions": np.full((3, 6, 3), 1.5)}, "regions.*found 1.5"),
        ({"original": 3}, r"original and new.*0 \.\.\. 2.*3"),
        ({"new": -1}, r"original and new.*-1"),
        ({"grid": (0, 3)}, "regions 0"),
        ({"alt": " "}, "alt is empty"),
    ],
)
def test_attack_steps_refuses(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        show.attack_steps(**attack(**change))
