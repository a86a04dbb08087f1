"""Figures of regions: known ellipsoids, points that are what was given, a region that can be followed, clear errors."""

import json

import numpy as np
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from pictured import pictured

from nbhelpers import show
from nbhelpers.show.region_clouds import ellipsoid, unit_sphere
from nbhelpers.show.style import colour

CATEGORIES = ("shirt", "<b>bag</b>", "boot")
STEPS, COUNT, REGIONS = 3, 9, 6


def clouds() -> dict:
    """Regional features of three categories at several checkpoints, all zero at the first."""
    rng = np.random.default_rng(0)
    return {
        "h": rng.normal(size=(STEPS, COUNT, REGIONS, 3)) * np.arange(STEPS)[:, None, None, None],
        "images": pictured(np.arange(COUNT) % 3, CATEGORIES),
        "directions": rng.normal(size=(STEPS, 3, 3)),
        "weights": rng.random((STEPS, COUNT, REGIONS)),
        "step_labels": ["0", "3", "9"],
        "alt": "Clouds part.",
    }


def depth() -> dict:
    """Regional features of four images at three layers; two of the images are of one category."""
    rng = np.random.default_rng(1)
    return {
        "h": {layer: rng.normal(size=(4, 6, 3)) for layer in ("conv_12", "conv_33", "conv_53")},
        "images": pictured([1, 0, 1, 2], CATEGORIES, rng.integers(0, 256, (4, 3, 8, 12), dtype=np.uint8)),
        "directions": rng.normal(size=(3, 3)),
        "grid": (2, 3),
        "alt": "Points leave the centre.",
    }


def places(trace: object) -> np.ndarray:
    return np.stack([trace.x, trace.y, trace.z], axis=1).astype(float)


def soup(figure: show.Figure) -> BeautifulSoup:
    return BeautifulSoup(figure.html(), "html.parser")


def payload(figure: show.Figure) -> dict:
    return json.loads(soup(figure).find("script", type="application/json").string)


def unchanged(given_: dict, again: dict) -> None:
    for name, value in again.items():
        if name == "images":
            assert given_[name].fingerprint == value.fingerprint
            continue
        pairs = (
            [(given_[name][key], value[key]) for key in value] if isinstance(value, dict) else [(given_[name], value)]
        )
        for mine, original in pairs:
            assert np.array_equal(mine, original), name


# The ellipsoid


def test_sphere_is_closed_and_seen_from_outside() -> None:
    points, faces = unit_sphere(3)
    assert np.allclose(np.linalg.norm(points, axis=1), 1)
    assert np.linalg.det(points[faces]).min() > 0
    edges = {(int(a), int(b)) for face in faces for a, b in zip(face, np.roll(face, -1), strict=True)}
    assert len(edges) == 3 * len(faces)  # no edge is walked twice in one direction
    assert {(b, a) for a, b in edges} == edges  # and each once in the other
    assert len(points) - len(edges) // 2 + len(faces) == 2


def test_ellipsoid_has_the_semi_axes_of_a_known_covariance() -> None:
    axes = np.array([3.0, 1.0, 0.5])
    h = np.sqrt(3) * np.concatenate([np.diag(axes), -np.diag(axes)]) + [5, 0, -2]  # mean (5, 0, -2), variances axes^2
    tips = ellipsoid(h, np.ones(6), np.concatenate([np.eye(3), -np.eye(3)]))
    assert np.allclose(tips - [5, 0, -2], np.concatenate([np.diag(axes), -np.diag(axes)]))


@given(st.integers(0, 1000))
def test_ellipsoid_is_one_standard_deviation_away(seed: int) -> None:
    rng = np.random.default_rng(seed)
    h = rng.normal(size=(4, 10, 3)) @ rng.normal(size=(3, 3))
    weights = rng.integers(1, 5, (4, 10))
    repeated = np.repeat(h.reshape(-1, 3), weights.ravel(), axis=0)
    offset = ellipsoid(h, weights, unit_sphere()[0]) - repeated.mean(axis=0)
    precision = np.linalg.inv(np.cov(repeated.T, bias=True))
    assert np.allclose(np.einsum("ni,ij,nj->n", offset, precision, offset), 1)


def test_ellipsoid_of_one_place_is_a_point_there() -> None:
    assert np.allclose(ellipsoid(np.full((7, 3), 2.0), np.ones(7), unit_sphere()[0]), 2)


# Fig. 3


def test_clouds_are_those_of_each_step() -> None:
    given_ = clouds()
    plot = show.region_clouds(**given_).plot
    assert [frame.name for frame in plot.frames] == given_["step_labels"]
    sphere, _ = unit_sphere()
    for step, frame in enumerate(plot.frames):
        assert [trace.type for trace in frame.data] == [trace.type for trace in plot.data]
        for c in range(3):
            members = given_["images"].labels == c
            expected = ellipsoid(given_["h"][step, members], given_["weights"][step, members], sphere)
            assert np.abs(places(frame.data[3 + c]) - expected).max() <= 5.1e-4
            tip = places(frame.data[6 + c])[1]
            mu = given_["directions"][step, c]
            assert np.allclose(tip / np.linalg.norm(tip), mu / np.linalg.norm(mu), atol=2e-3)


@pytest.mark.parametrize("regions", [REGIONS, 50])
def test_at_most_400_regions_are_shown_the_same_at_every_step(regions: int) -> None:
    given_ = clouds() | {"h": np.random.default_rng(1).normal(size=(STEPS, COUNT, regions, 3)), "weights": None}
    plot = show.region_clouds(**given_).plot
    seen = []
    for c in range(3):
        at = [tuple(int(word) for word in text.replace(",", "").split()[1::2]) for text in plot.data[c].text]
        image, region = np.array(at).T
        assert (given_["images"].labels[image] == c).all()
        for step, frame in enumerate(plot.frames):
            h = given_["h"][step, image, region]
            assert np.abs(places(frame.data[c]) - h).max() <= 5.1e-4
            assert np.allclose(frame.data[c].customdata, np.linalg.norm(h, axis=1), atol=0.0051)
        seen += at
    assert len(set(seen)) == len(seen) == min(COUNT * regions, 400)


def test_frames_move_a_mesh_that_stays_one_mesh() -> None:
    figure = show.region_clouds(**clouds())
    for trace, moved in zip(figure.plot.data, figure.plot.frames[-1].data, strict=True):
        assert np.array_equal(places(trace), places(moved), equal_nan=True)
    for frame in payload(figure)["frames"]:
        for mesh in frame["data"][3:6]:
            assert set(mesh) == {"type", "x", "y", "z"}


def test_legend_hides_points_cloud_and_arrow_together() -> None:
    plot = show.region_clouds(**clouds()).plot
    for c, category in enumerate(CATEGORIES):
        group = [plot.data[c], plot.data[3 + c], plot.data[6 + c]]
        assert {trace.legendgroup for trace in group} == {category}
        assert [bool(trace.showlegend) for trace in group] == [True, False, False]


def test_axes_are_equal_at_every_step_and_hold_all_that_is_drawn() -> None:
    figure = show.region_clouds(**clouds())
    scene = figure.plot.layout.scene
    assert scene.aspectmode == "cube"
    assert scene.xaxis.range == scene.yaxis.range == scene.zaxis.range
    for frame in figure.plot.frames:
        for trace in frame.data:
            assert np.nanmax(np.abs(places(trace))) < scene.xaxis.range[1]


def test_table_tells_the_weighted_mean_strength_at_every_step() -> None:
    h = np.zeros((2, 2, 2, 3))
    h[1, :, :, 0] = [[1, 3], [2, 2]]
    table = show.region_clouds(
        h,
        pictured([0, 1], ["coat", "bag"]),
        np.eye(3)[:2],
        weights=[[[1, 1], [1, 1]], [[3, 1], [1, 0]]],
        step_labels=["0", "40"],
        alt="Two clouds.",
    ).table
    assert table.headers == ["category", "images", "epoch 0", "epoch 40", "nearest arrows"]
    assert table.rows == [  # both clouds lie along the first arrow
        ["coat", 1, "0.00, –", "1.50, 0°", "bag 90°"],
        ["bag", 1, "0.00, –", "2.00, 90°", "coat 90°"],
    ]


def test_a_category_without_images_has_an_arrow_only() -> None:
    plot = show.region_clouds(**clouds() | {"images": pictured(np.zeros(COUNT, int), CATEGORIES)}).plot
    assert [trace.type for trace in plot.data] == ["scatter3d", "mesh3d"] + ["scatter3d"] * 3


def test_one_checkpoint_needs_no_slider() -> None:
    given_ = clouds()
    one = {"h": given_["h"][-1:], "weights": None, "directions": given_["directions"][-1], "step_labels": ["9"]}
    assert soup(show.region_clouds(**given_ | one)).find("input") is None


def test_region_clouds_repeats_itself_and_leaves_the_callers_arrays_alone() -> None:
    given_ = clouds()
    assert show.region_clouds(**given_).html() == show.region_clouds(**given_).html()
    unchanged(given_, clouds())


def test_clouds_of_a_whole_training_stay_small() -> None:
    rng = np.random.default_rng(0)
    figure = show.region_clouds(
        10 * rng.normal(size=(10, 50, 64, 3)),
        pictured(np.arange(50) % 10, [f"category {c}" for c in range(10)]),
        rng.normal(size=(10, 10, 3)),
        step_labels=[str(s) for s in range(10)],
        alt="Ten clouds, ten checkpoints.",
    )
    assert len(figure.html()) < 600_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"h": np.zeros((3, 9, 6, 2))}, r"h must.*steps 3, images 9, regions, axes 3.*\(3, 9, 6, 2\)"),
        ({"h": np.zeros((9, 6, 3))}, r"h must.*\(9, 6, 3\)"),
        ({"h": np.full((3, 9, 6, 3), np.inf)}, "h holds 486 NaN or infinite"),
        ({"images": pictured(np.zeros(8, int), CATEGORIES)}, r"images 8.*\(3, 9, 6, 3\)"),
        ({"directions": np.zeros((3, 3))}, "directions.*zero"),
        ({"directions": np.eye(3)[:2]}, r"directions.*categories 3.*\(2, 3\)"),
        ({"weights": np.ones((3, 9, 5))}, r"weights.*steps 3, images 9, regions 6.*\(3, 9, 5\)"),
        ({"weights": np.full((3, 9, 6), -1.0)}, "weights.*negative.*-1"),
        ({"weights": np.arange(9)[None, :, None] % 3 * np.ones((3, 9, 6))}, "weights.*zero.*shirt"),
        ({"step_labels": ["1", "2"]}, r"steps 2.*\(3, 9, 6, 3\)"),
        ({"alt": ""}, "alt is empty"),
    ],
)
def test_region_clouds_refuses(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        show.region_clouds(**clouds() | change)


# Fig. 4


def test_every_region_is_drawn_at_every_layer() -> None:
    given_ = depth()
    plot = show.region_depth(**given_).plot
    assert [frame.name for frame in plot.frames] == list(given_["h"])
    for frame, h in zip(plot.frames, given_["h"].values(), strict=True):
        seen = []
        for c in range(3):
            for place, (image, region, strength) in zip(places(frame.data[c]), frame.data[c].customdata, strict=True):
                assert given_["images"].labels[image] == c
                assert np.abs(place - h[image, region]).max() <= 5.1e-4
                assert strength == pytest.approx(np.linalg.norm(h[image, region]), abs=0.0051)
                seen.append((image, region))
        assert sorted(seen) == [(image, region) for image in range(4) for region in range(6)]
    assert plot.data[1].text[7] == "image 3 (&lt;b&gt;bag&lt;/b&gt;), row 1, column 2"
    assert len({trace.marker.size for trace in plot.data[:3]}) == 1


def test_the_picked_region_is_followed_through_all_layers() -> None:
    given_ = depth()
    figure = show.region_depth(**given_, picked=(2, 4), start=0)
    picker = payload(figure)["picker"]
    path = np.stack([h[2, 4] for h in given_["h"].values()])
    assert np.abs(places(figure.plot.data[picker["path"]]) - path).max() <= 5.1e-4
    assert figure.plot.data[picker["path"]].text == tuple(given_["h"])
    for layer, frame in enumerate(figure.plot.frames):
        here = frame.data[frame.traces.index(picker["here"])]
        assert np.abs(places(here)[0] - path[layer]).max() <= 5.1e-4
    for trace, moved in zip(figure.plot.data, figure.plot.frames[0].data, strict=False):
        assert np.array_equal(places(trace), places(moved))


def test_the_strongest_region_of_the_first_image_is_picked_unless_told() -> None:
    given_ = depth()
    strongest = int(np.linalg.norm(given_["h"]["conv_53"][0], axis=1).argmax())
    picker = payload(show.region_depth(**given_))["picker"]
    assert picker["picked"] == [0, strongest]
    assert picker["grid"] == [2, 3]


def test_the_images_stand_below_with_their_names_and_colours() -> None:
    figure = show.region_depth(**depth())
    captions = soup(figure).find(class_="nbh-strip").find_all("figcaption")
    assert [c.get_text() for c in captions] == [
        "image 1 (<b>bag</b>)", "image 2 (shirt)", "image 3 (<b>bag</b>)", "image 4 (boot)"
    ]  # fmt: skip
    assert [c.find("i")["style"] for c in captions] == [f"background:{colour(c)}" for c in (1, 0, 1, 2)]
    images = soup(figure).find(class_="nbh-strip").find_all("img")
    assert [image["alt"] for image in images] == [c.get_text() for c in captions]
    assert {image["src"][:23] for image in images} == {"data:image/webp;base64,"}
    assert soup(figure).find(class_="nbh-told")["role"] == "status"
    assert not soup(figure).find_all(id=True)  # the same figure may stand on a page twice


def test_a_notebook_gets_the_slider_and_the_first_path() -> None:
    spec = show.region_depth(**depth()).plotly_json()
    assert [step["label"] for step in spec["layout"]["sliders"][0]["steps"]] == ["conv_12", "conv_33", "conv_53"]
    assert len(next(t for t in spec["data"] if t.get("name") == "the picked region")["x"]) == 3


def test_table_tells_how_many_regions_point_to_their_category() -> None:
    h = {"conv_12": [[[1, 0, 0], [0, 1, 0]]], "conv_53": [[[3, 0, 0], [1, 0, 0]]]}
    table = show.region_depth(h, pictured([0], ["coat", "bag"]), np.eye(3)[:2], (1, 2), alt="Two regions.").table
    assert list(table.headers[1:]) == ["conv_12", "conv_53"]
    assert table.rows == [["image 1 (coat)", "1.00, 50%", "2.00, 100%"]]


def test_region_depth_repeats_itself_and_leaves_the_callers_arrays_alone() -> None:
    given_ = depth()
    assert show.region_depth(**given_).html() == show.region_depth(**given_).html()
    unchanged(given_, depth())


def test_six_images_of_196_regions_stay_small() -> None:
    rng = np.random.default_rng(0)
    figure = show.region_depth(
        {f"conv_{i}": 10 * rng.normal(size=(6, 196, 3)) for i in range(5)},
        pictured(range(6), [f"category {c}" for c in range(10)], rng.integers(0, 256, (6, 3, 64, 64), dtype=np.uint8)),
        rng.normal(size=(10, 3)),
        (14, 14),
        alt="Six images, five layers.",
    )
    assert len(figure.html()) < 600_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"h": {"conv_53": np.zeros((4, 6, 3))}}, "two steps.*conv_53"),
        ({"h": {"a": np.zeros((4, 6, 3)), "b": np.zeros((4, 5, 3))}}, r"'b'.*images 4, regions 6.*\(4, 5, 3\)"),
        ({"h": {"a": np.zeros((4, 6, 3)), "b": np.full((4, 6, 3), np.nan)}}, "'b'.*72 NaN"),
        ({"images": pictured([0, 1], CATEGORIES)}, r"images 2.*\(4, 6, 3\)"),
        ({"directions": np.zeros((3, 3))}, "directions.*zero"),
        ({"directions": np.eye(3)[:2]}, r"directions.*categories 3.*\(2, 3\)"),
        ({"grid": (0, 6)}, r"regions 0.*\(4, 6, 3\)"),
        ({"grid": (3, 3)}, r"regions 9.*\(4, 6, 3\)"),
        ({"picked": (0, 6)}, r"picked.*4 images and 6 regions.*\(0, 6\)"),
        ({"picked": (4, 0)}, r"picked.*\(4, 0\)"),
        ({"start": 3}, "start.*3 steps.*3"),
        ({"alt": " "}, "alt is empty"),
    ],
)
def test_region_depth_refuses(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        show.region_depth(**depth() | change)


@pytest.mark.parametrize(("function", "arguments"), [(show.region_clouds, clouds()), (show.region_depth, depth())])
def test_figures_ask_what_readers_who_cannot_see_should_know(function: object, arguments: dict) -> None:
    del arguments["alt"]
    with pytest.raises(TypeError, match="alt"):
        function(**arguments)
