"""The figures: what is drawn is what was given, every reader can use it, and bad input is named."""

import base64
import html
import io
import json
from collections.abc import Callable

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from pictured import pictured
from PIL import Image

from nbhelpers import show
from nbhelpers.maths.kappa import KappaCurve
from nbhelpers.probes.concentration import MeasuredKappa
from nbhelpers.show.page.inline import sprite_sheet
from nbhelpers.show.scene import EYE, MARGIN, Scene
from nbhelpers.show.style import CARD, colour

CATEGORIES = ("shirt", "<b>bag</b>", "boot")


def space(steps: int = 3, count: int = 12) -> dict:
    """Features of three categories at several checkpoints."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(steps, 3, 3))
    return {
        "embeddings": rng.normal(size=(steps, count, 3)),
        "images": pictured(np.arange(count) % 3, CATEGORIES, rng.integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)),
        "directions": directions / np.linalg.norm(directions, axis=-1, keepdims=True),
        "probabilities": rng.dirichlet(np.ones(3), size=(steps, count)),
        "step_labels": [f"epoch {3**s}" for s in range(steps)],
        "thumbnails": True,
        "alt": 'Points leave the centre & "gather".',
    }


def soup(figure: show.Figure | show.Picture | show.Explore) -> BeautifulSoup:
    return BeautifulSoup(figure._repr_mimebundle_()["text/html"], "html.parser")


def payload(figure: show.Figure) -> dict:
    return json.loads(soup(figure).find("script", type="application/json").string)


def pixels(picture: show.Picture, panel: int = 0) -> np.ndarray:
    uri = soup(picture).find_all("img")[panel]["src"]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB"))


# The 3-D figure


def test_sample_space_draws_the_given_points_at_every_step() -> None:
    given_ = space()
    plot = show.sample_space(**given_).plot
    assert [frame.name for frame in plot.frames] == given_["step_labels"]
    for step, frame in enumerate(plot.frames):
        for c in range(3):
            members = np.flatnonzero(given_["images"].labels == c)
            drawn = np.stack([frame.data[c].x, frame.data[c].y, frame.data[c].z], axis=1)
            assert np.abs(drawn - given_["embeddings"][step, members]).max() <= 5.1e-4
            for row, image in zip(frame.data[c].customdata, members, strict=True):
                p = given_["probabilities"][step, image]
                strength = np.linalg.norm(given_["embeddings"][step, image])
                assert row[0] == image
                assert row[1] == pytest.approx(strength, abs=0.0051)
                assert row[2] == html.escape(CATEGORIES[p.argmax()])
                assert row[3] == pytest.approx(p.max(), abs=0.0051)
            arrow = frame.data[3 + c]
            tip = np.array([arrow.x[1], arrow.y[1], arrow.z[1]])
            assert np.allclose(tip / np.linalg.norm(tip), given_["directions"][step, c], atol=1e-3)


def test_sample_space_starts_at_the_last_step_and_keeps_one_frame() -> None:
    given_ = space()
    figure = show.sample_space(**given_)
    for trace, moved in zip(figure.plot.data, figure.plot.frames[2].data, strict=True):
        assert np.array_equal(np.array(trace.x, float), np.array(moved.x, float), equal_nan=True)
    assert payload(figure)["layout"]["uirevision"]
    longest = np.linalg.norm(given_["embeddings"], axis=-1).max()
    for axis in (figure.plot.layout.scene.xaxis, figure.plot.layout.scene.yaxis, figure.plot.layout.scene.zaxis):
        assert axis.range[0] == -axis.range[1]
        assert axis.range[1] > longest


def test_legend_hides_points_with_their_arrow() -> None:
    plot = show.sample_space(**space()).plot
    for c, category in enumerate(CATEGORIES):
        assert plot.data[c].legendgroup == plot.data[3 + c].legendgroup == category
        assert (plot.data[c].showlegend, plot.data[3 + c].showlegend) == (True, False)


def test_rings_lie_at_their_strength() -> None:
    plot = show.sample_space(**space(), strength_rings={"κ = 5": 2.5}).plot
    ring = plot.data[6]
    radii = np.linalg.norm(np.array([ring.x, ring.y, ring.z], dtype=float), axis=0)
    assert ring.text[0] == "κ = 5"
    assert np.isfinite(radii[0])  # the place of the text
    assert np.allclose(radii[np.isfinite(radii)], 2.5, atol=2e-3)


def seen_from(plot: go.Figure) -> np.ndarray:
    eye = plot.layout.scene.camera.eye
    return np.array([eye.x, eye.y, eye.z])


def test_no_point_hides_a_name_at_first() -> None:
    mu = -np.eye(3)
    tip = 1.05 * 3  # beyond the longest feature
    names, reader = 1.1 * tip * mu, EYE * 2 * MARGIN * tip
    hiding = np.append(0.75 * names + 0.25 * reader, [[0, 0, 3]], axis=0)  # points on the way from EYE to each name
    plot = show.sample_space(hiding, pictured([0, 1, 2, 0], "abc"), mu, alt="Names behind points.").plot
    eye = seen_from(plot)
    scene = Scene(mu, hiding, tip, 3, [""], 0)
    for seen, (low, high) in ((EYE, (0, 1e-6)), (eye, (0.03, 1))):  # 0.03 is the height of a letter
        texts, dots = (scene.as_seen(x, seen) for x in (names, hiding))
        assert low <= np.linalg.norm(texts[:, None] - dots, axis=-1).min() <= high
    assert np.linalg.norm(eye) == pytest.approx(np.linalg.norm(EYE))
    assert eye[2] > 0  # from above


def test_texts_of_rings_stand_clear_of_arrows_and_of_each_other() -> None:
    # An arrow upwards, to where the text of a ring would stand first, and others all around it.
    turns = np.radians([0, 60, 120, 180, 240, 300])
    mu = np.array([[0, 0, 1], *np.stack([np.cos(turns), np.sin(turns), 0 * turns], 1)])
    images = pictured(range(7), "abcdefg")
    plot = show.sample_space(3 * mu, images, mu, strength_rings={"a": 1.5, "b": 2.4}, alt="Arrows.").plot
    tip = 1.05 * 3
    scene, eye = Scene(mu, 3 * mu, tip, 3, [""], 0), seen_from(plot)
    names = scene.as_seen(1.1 * tip * mu, eye)
    first, second = (scene.as_seen(np.array([t.x[0], t.y[0], t.z[0]]), eye) for t in plot.data[-2:])
    apart = [*(np.linalg.norm(names - text, axis=1).min() for text in (first, second)), np.linalg.norm(first - second)]
    assert min(apart) > 0.03  # of the view's height, which is 0.83: as high as a letter
    for text in (first, second):
        along = np.clip((names @ text) / (names**2).sum(1), 0, 1)
        assert np.linalg.norm(text - along[:, None] * names, axis=1).min() > 0.03


def test_one_network_needs_no_slider() -> None:
    given_ = space(steps=1) | {"step_labels": None, "embeddings": [[0, 0, 2.0], [0, 1, 0], [3, 0, 0]]}
    given_ |= {"images": pictured([0, 1, 2], CATEGORIES), "directions": np.eye(3), "probabilities": None}
    figure = show.sample_space(**given_, names=["a.png", "b.png", "c.png"])
    assert soup(figure).find("input") is None
    assert figure.plot.data[2].text == ("c.png",)
    assert figure.table.rows == [  # few points are told one by one
        ["a.png", "shirt", "2.00", "boot 0°, shirt 90°"],
        ["b.png", "<b>bag</b>", "1.00", "<b>bag</b> 0°, shirt 90°"],
        ["c.png", "boot", "3.00", "shirt 0°, <b>bag</b> 90°"],
    ]


def test_table_tells_strength_and_angle_at_every_step() -> None:
    turned = np.array([[0, 0, 1.0], [0, 2, 1], [0, 0, 2]])  # at 0, 63.4 and 0 degrees
    figure = show.sample_space(
        np.stack([0 * turned, turned, 2 * turned]),
        pictured([0, 0, 1], ["coat", "boot", "bag"]),
        [[0, 0, 1], [0, 1, 0], [0, -1, 1]],
        step_labels=["0", "0.5", "late"],
        alt="Points.",
    )
    assert figure.table.headers == ["category", "images", "epoch 0", "epoch 0.5", "late", "nearest arrows"]
    assert figure.table.rows == [
        ["coat", 2, "0.00, –", "1.62, 32°", "3.24, 32°", "bag 45°, boot 90°"],  # a point at the centre has no angle
        ["boot", 1, "0.00, –", "2.00, 90°", "4.00, 90°", "coat 90°, bag 135°"],
        ["bag", 0, "–", "–", "–", "coat 45°, boot 135°"],  # an arrow without points
    ]
    assert figure.table.caption.endswith("the two arrows nearest to that, at late")


def test_nearest_arrows_are_those_of_the_step_shown_first() -> None:
    given_ = space(steps=2) | {"directions": [[[0, 0, 1], [0, 1, 0], [0, 1, 1]], [[0, 0, 1], [0, 1, 1], [0, 1, 0]]]}
    table = show.sample_space(**given_).table
    assert table.rows[0][-1] == "<b>bag</b> 45°, boot 90°"
    assert table.caption.endswith("at epoch 3")


def test_sample_space_leaves_the_callers_arrays_alone_and_repeats_itself() -> None:
    given_ = space()
    assert show.sample_space(**given_).html() == show.sample_space(**given_).html()
    for name, value in space().items():
        if name != "images":
            assert np.array_equal(given_[name], value), name
    assert given_["images"].fingerprint == space()["images"].fingerprint


def test_page_stays_small() -> None:
    rng = np.random.default_rng(0)
    figure = show.sample_space(
        rng.normal(size=(10, 500, 3)),
        pictured(rng.integers(0, 10, 500), [f"category {c}" for c in range(10)]),
        rng.normal(size=(10, 3)),
        probabilities=rng.dirichlet(np.ones(10), size=(10, 500)),
        step_labels=[str(s) for s in range(10)],
        alt="Five hundred images, ten checkpoints.",
    )
    assert len(figure.html()) < 400_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embeddings": np.zeros((3, 12, 2))}, r"embeddings.*steps 3, images 12, axes 3.*\(3, 12, 2\)"),
        ({"embeddings": np.full((3, 12, 3), np.nan)}, "embeddings.*108 NaN"),
        ({"directions": np.zeros((3, 3))}, "directions.*zero"),
        ({"directions": np.eye(3)[:2]}, r"directions.*categories 3, axes 3.*\(2, 3\)"),
        ({"images": pictured([0], CATEGORIES)}, r"embeddings.*images 1,.*\(3, 12, 3\)"),
        ({"probabilities": np.ones((12, 4))}, r"probabilities.*images 12, categories 3.*\(12, 4\)"),
        ({"step_labels": ["1", "2"]}, r"steps 2,.*\(3, 12, 3\)"),
        ({"names": ["a"]}, "names.*12 images.*1"),
        ({"strength_rings": {"no": 0.0}}, r"strength_rings.*0\.0"),
        ({"alt": " "}, "alt is empty"),
    ],
)
def test_sample_space_refuses(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        show.sample_space(**space() | change)


# The display object


def test_every_control_and_picture_has_a_name() -> None:
    figure = show.sample_space(**space(), slider="epoch")
    page = soup(figure)
    group = page.find(class_="nbh-figure")
    assert (group["role"], group["aria-label"]) == ("group", "Interactive figure")
    assert page.find(class_="nbh-alt").string == figure.alt  # text, whether or not a script runs
    assert page.find(class_="nbh-turn").string.startswith("Turn: drag, or arrow keys.")
    slider = page.find("input", type="range")
    assert slider.find_parent("label").get_text() == "epoch"
    assert (slider["min"], slider["max"], slider["value"], slider["aria-valuetext"]) == ("0", "2", "2", "epoch 9")
    assert page.find("output").string == "epoch 9"
    assert page.find("output")["aria-live"] == "off"  # the slider tells its own value
    assert page.find("button").string == "Play"
    assert [th["scope"] for th in page.find_all("th")] == ["col"] * 6 + ["row"] * 3
    assert page.find("caption").string == figure.table.caption
    assert (page.find("details").div["tabindex"], page.find("details").div["role"]) == ("0", "group")
    assert not page.find_all(id=True)  # the same figure may stand on a page twice


def test_html_is_safe_from_what_the_data_say() -> None:
    plot = go.Figure(go.Scatter(x=[0], y=[0], name="</script><script>alert(1)</script>"))
    figure = show.Figure(plot, alt='"><img src=x>', table=show.Table(["<i>"], [["</table>"]], "<b>"))
    page = soup(figure)
    assert len(page.find_all("script")) == 2
    assert page.find("img") is None
    assert page.find("th", scope="row").string == "</table>"
    assert page.find("caption").string == "<b>"
    assert payload(figure)["data"][0]["name"] == "</script><script>alert(1)</script>"


def test_page_does_not_carry_plotly_itself() -> None:
    html = show.Figure(go.Figure(), alt="Nothing.").html()
    assert len(html) < 40_000
    assert "@CDN@" not in html


def test_plotly_json_has_plotlys_own_slider() -> None:
    figure = show.sample_space(**space())
    bundle = figure._repr_mimebundle_()
    spec = json.loads(json.dumps(bundle["application/vnd.plotly.v1+json"]))
    (slider,) = spec["layout"]["sliders"]
    assert [step["args"][0][0] for step in slider["steps"]] == [frame["name"] for frame in spec["frames"]]
    assert slider["active"] == 2
    assert bundle["text/plain"] == repr(figure) == figure.alt


def test_plotlys_slider_leaves_room_for_half_of_its_first_and_last_name() -> None:
    names = ["military uniform", "b", "long " * 40]
    frames = [go.Frame(name=name, data=[{"y": [0]}], traces=[0]) for name in names]
    figure = show.Figure(go.Figure(go.Scatter(y=[0]), frames=frames), alt="A point.")
    (slider,) = figure.plotly_json()["layout"]["sliders"]
    assert slider["pad"]["l"] == 8 * len(names[0]) / 2  # a letter takes some 8 pixels
    assert slider["pad"]["r"] == 128  # where that would leave no room for the rail
    assert [step["label"] for step in slider["steps"]] == names


@given(st.integers(1, 40), st.data())
def test_sprite_sheet_holds_every_image_in_its_place(count: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, count - 1))
    images = np.zeros((count, 3, 5, 7), np.uint8)
    images[index] = 255
    sheet = sprite_sheet(images, side=8)
    decoded = Image.open(io.BytesIO(base64.b64decode(sheet["src"].partition(",")[2]))).convert("L")
    columns, rows = sheet["columns"], sheet["rows"]
    assert decoded.size == (8 * columns, 8 * rows)
    means = np.asarray(decoded).reshape(rows, 8, columns, 8).mean(axis=(1, 3)).ravel()
    assert means.argmax() == index
    assert means[index] > 200


# Pictures


def test_picture_is_drawn_once_at_two_pixels_a_point() -> None:
    picture = show.Picture(plt.figure(figsize=(3, 2)), alt="An <empty> frame.")
    assert plt.get_fignums() == []
    (image,) = soup(picture).find_all("img")
    assert (image["alt"], image["width"], image["height"]) == ("An <empty> frame.", "288", "192")
    assert image["alt"] == repr(picture)
    assert image.find_parent(role=True) is None  # told once
    assert pixels(picture).shape == (384, 576, 3)


def test_every_part_of_a_picture_has_a_name() -> None:
    figures = [plt.figure() for _ in range(3)]
    figures[0].subplots().set_title("ours\n$r$ = <1>")
    for axes, title in zip(figures[2].subplots(2), ("", "below"), strict=True):
        axes.set_title(title)
    page = soup(show.Picture(figures, alt="Three parts.", table=show.Table(["a", "b"], [["c", 1]], "One number")))
    group = page.find(class_="nbh-picture")
    assert (group["role"], group["aria-label"]) == ("group", "Three parts.")
    assert [image["alt"] for image in group.find_all("img")] == ["ours r = <1>", "part 2 of 3", "below"]
    assert page.find(class_="nbh-numbers").find("caption").string == "One number"


@pytest.mark.parametrize(("panels", "alt", "message"), [([], "x", "panels is empty"), (None, "", "alt is empty")])
def test_picture_refuses(panels: list | None, alt: str, message: str) -> None:
    figure = plt.figure()
    with pytest.raises(ValueError, match=message):
        show.Picture(figure if panels is None else panels, alt=alt)
    plt.close(figure)


def test_probability_map_shows_the_posterior() -> None:
    picture = show.probability_map(
        [[1, 0, 0], [-1, 0, 0]], [0.5, 0.5], lambda strength: 2 * strength, [1.0], ["a", "b"], alt="Two."
    )
    image = pixels(picture)
    axes = picture.panels[0].axes[0]
    card = np.array([int(CARD[i : i + 2], 16) for i in (1, 3, 5)])
    for degrees in (-150, -70, -40, 40, 70, 150):
        cosine = np.cos(np.radians(degrees)) * np.cos(np.radians(-20))
        winner = int(cosine < 0)
        p = 1 / (1 + np.exp(-4 * abs(cosine)))
        fullness = 0.12 + 0.88 * p
        hue = np.array([int(colour(winner)[i : i + 2], 16) for i in (1, 3, 5)])
        x, y = axes.transData.transform(np.radians([degrees, -20])) * 192 / picture.panels[0].dpi
        near = image[image.shape[0] - round(y) - 2 : image.shape[0] - round(y) + 3, round(x) - 2 : round(x) + 3]
        assert np.abs(np.median(near, axis=(0, 1)) - (fullness * hue + (1 - fullness) * card)).max() < 6
    assert axes.get_title() == "strength 1  (κ = 2.0)"


def test_no_name_on_a_map_covers_the_dot_of_another() -> None:
    mu = [[1, 0, 0], [1, 0, 0.15], [0, 1, 0]]
    picture = show.probability_map(
        mu, [0.3] * 3, lambda strength: strength, [1.0], ["pullover", "coat", "bag"], alt="Two close ones."
    )
    axes = picture.panels[0].axes[0]
    dots = [axes.transData.transform(line.get_xydata()[0]) for line in axes.lines if line.get_marker() == "."]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(dots) == len(boxes) == 3
    assert not any(box.contains(*dot) for box in boxes for dot in dots)
    beside = [box.x0 > dot[0] for box, dot in zip(boxes, dots, strict=True)]
    assert beside == [True, False, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"directions": [[1, 0], [0, 1]]}, r"directions.*axes 3.*\(2, 2\)"),
        ({"weights": [0.0, 1.0]}, "weights.*positive.*0"),
        ({"weights": [1.0]}, r"weights.*categories 2.*\(1,\)"),
        ({"strengths": [-1.0]}, r"strengths.*-1\.0"),
    ],
)
def test_probability_map_refuses(change: dict, message: str) -> None:
    fine = {"directions": [[1, 0, 0], [0, 1, 0]], "weights": [0.5, 0.5], "strengths": [1.0]}
    with pytest.raises(ValueError, match=message):
        show.probability_map(**fine | change, kappa=lambda strength: strength, categories=["a", "b"], alt="x")


def test_kappa_slider_draws_every_curve_and_its_density() -> None:
    curves: dict[str, Callable] = {"2": lambda strength: 2 * strength, "3": lambda strength: 3 * strength}
    plot = show.kappa_slider(curves, start=0, alt="Slopes.").plot
    angles = np.radians(plot.data[1].x)
    for factor, frame in zip((2, 3), plot.frames, strict=True):
        kappa, *densities = frame.data
        assert np.allclose(kappa.y, factor * np.array(plot.data[0].x), atol=2e-3)
        for strength, density in zip((1, 2, 4), densities, strict=True):
            assert np.allclose(density.y, np.exp(strength * factor * (np.cos(angles) - 1)), atol=1e-4)
    assert [trace.y for trace in plot.data] == [trace.y for trace in plot.frames[0].data]
    assert len({trace.line.dash for trace in plot.data[1:]}) == 3
    assert plot.layout.yaxis.range[1] > 18  # the highest curve fits at every step


def test_kappa_sliders_table_tells_where_the_density_is_half() -> None:
    figure = show.kappa_slider(
        {"0.1": lambda strength: 0.1 * strength, "9": lambda strength: 9 * strength}, alt="Slopes."
    )
    half = [np.degrees(np.arccos(1 - np.log(2) / kappa)) for kappa in (0.4, 9, 18, 36)]
    assert figure.table.rows == [
        ["κ_max 0.1", "0.10, never", "0.20, never", f"0.40, {half[0]:.0f}°"],
        ["κ_max 9", f"9.00, {half[1]:.0f}°", f"18.00, {half[2]:.0f}°", f"36.00, {half[3]:.0f}°"],
    ]
    assert half[0] == pytest.approx(137, abs=1)


def test_kappa_curve_writes_the_counts() -> None:
    measured = MeasuredKappa(np.array([1.0, 2.0]), np.array([2.1, 3.9]), np.array([7, 70]))
    picture = show.kappa_curve({"twice": lambda strength: 2 * strength}, measured=measured, alt="A line.")
    (axes,) = picture.panels[0].axes
    assert [text.get_text() for text in axes.texts] == ["7", "70"]
    assert np.allclose(axes.lines[0].get_ydata(), 2 * axes.lines[0].get_xdata())


def test_kappa_slider_shows_the_papers_curve() -> None:
    plot = show.kappa_slider({"10": KappaCurve(10.0)}, alt="The curve of the paper's sample features.").plot
    at = dict(zip(plot.data[0].x, plot.data[0].y, strict=True))
    assert [at[strength] for strength in (0.0, 1.0, 2.0, 3.0)] == [0.0, 1.4885, 3.2227, 5.0103]


def test_kappa_curve_refuses() -> None:
    with pytest.raises(ValueError, match="curves is empty"):
        show.kappa_curve({}, alt="x")
    with pytest.raises(ValueError, match=r"max_strength.*0"):
        show.kappa_curve({"a": lambda strength: strength}, max_strength=0, alt="x")
    with pytest.raises(ValueError, match="strength has 2, kappa has 1"):
        wrong = MeasuredKappa(np.ones(2), np.ones(1), np.ones(2))
        show.kappa_curve({"a": lambda strength: strength}, measured=wrong, alt="x")


def test_kappa_slider_refuses() -> None:
    with pytest.raises(ValueError, match="curves is empty"):
        show.kappa_slider({}, alt="x")
    with pytest.raises(ValueError, match=r"start.*1 steps.*1"):
        show.kappa_slider({"10": KappaCurve(10.0)}, start=1, alt="x")


def test_strength_entropy_tells_the_correlation() -> None:
    entropy = np.array([2.0, 1.0, 0.5, 0.1])
    picture = show.strength_entropy({"t-SNE": 5 - entropy, "noise": [1.0, 2.0, 1.0, 2.0]}, entropy, alt="Two methods.")
    titles = [panel.axes[0].get_title() for panel in picture.panels]
    expected = np.corrcoef([1, 2, 1, 2], entropy)[0, 1]
    assert titles == ["t-SNE\nr = −1.000", f"noise\nr = −{-expected:.3f}"]


def test_strength_entropy_refuses() -> None:
    with pytest.raises(ValueError, match=r"strengths.*'a'.*images 3.*\(2,\)"):
        show.strength_entropy({"a": [1.0, 2.0]}, [1.0, 2.0, 3.0], alt="x")


def test_neighbours_stand_side_by_side_in_both_matrices() -> None:
    directions = [[1, 0, 0], [-1, 0, 0.1], [1, 0.1, 0], [-1, 0, 0]]
    confusion = np.diag([3, 5, 6, 8])
    confusion[0, 2] = 1
    picture = show.neighbours(directions, confusion, ["coat", "boot", "shirt", "sandal"], alt="Two pairs.")
    angles, shares = (panel.axes[0] for panel in picture.panels)
    names = [label.get_text() for label in angles.get_yticklabels()]
    assert names == [label.get_text() for label in shares.get_xticklabels()]
    assert abs(names.index("coat") - names.index("shirt")) == abs(names.index("boot") - names.index("sandal")) == 1
    cell = {(t.get_position()[1], t.get_position()[0]): t.get_text() for t in angles.texts}
    assert cell[names.index("coat"), names.index("shirt")] == "6"  # atan(0.1) = 5.7 degrees
    assert cell[names.index("coat"), names.index("sandal")] == "180"
    cell = {(t.get_position()[1], t.get_position()[0]): t.get_text() for t in shares.texts}
    assert cell[names.index("coat"), names.index("shirt")] == "25"
    assert cell[names.index("shirt"), names.index("coat")] == "0"


@pytest.mark.parametrize(
    ("directions", "confusion", "message"),
    [
        ([[1, 0, 0]], np.eye(2), r"directions.*categories 2.*\(1, 3\)"),
        (np.eye(3)[:2], np.eye(3), r"confusion.*true 2, called 2.*\(3, 3\)"),
        ([[1, 0, 0], [0, 0, 0]], np.eye(2), "directions.*zero"),
        (np.eye(3)[:2], [[1, 0], [0, 0]], "confusion.*sum above 0"),
    ],
)
def test_neighbours_refuses(directions: list, confusion: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        show.neighbours(directions, confusion, ["a", "b"], alt="x")


def test_image_row_draws_the_most_probable_categories() -> None:
    images = np.zeros((2, 3, 4, 4), np.uint8)
    images[1, 0] = 255
    p = np.array([[0.7, 0.1, 0.2], [0.0, 0.6, 0.4]])
    q = np.array([[0.1, 0.1, 0.8], [0.1, 0.5, 0.4]])
    p, q = (np.pad(x, ((0, 0), (0, 3))) for x in (p, q))  # and three that nobody names
    picture = show.image_row(
        pictured([0, 1], "abcdef", images), ["black", "red"], probabilities={"P": p, "Q": q}, alt="Two squares."
    )
    first = picture.panels[0]
    assert first.axes[0].get_title() == "black"
    assert [label.get_text() for label in first.axes[1].get_yticklabels()] == ["c", "a", "b", "d"]
    assert [bar.get_width() for bar in first.axes[1].patches] == pytest.approx([0.2, 0.7, 0.1, 0, 0.8, 0.1, 0.1, 0])
    assert np.abs(pixels(picture, 1)[200, 220] - np.array([255, 0, 0])).max() < 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"captions": ["a"]}, "captions.*2 images.*1"),
        ({"probabilities": {"P": np.ones((2, 2))}}, r"'P'.*images 2, categories 3.*\(2, 2\)"),
    ],
)
def test_image_row_refuses(change: dict, message: str) -> None:
    fine = {"images": pictured([0, 1], "abc"), "captions": ["a", "b"]}
    fine["probabilities"] = {"P": np.ones((2, 3)) / 3}
    with pytest.raises(ValueError, match=message):
        show.image_row(**fine | change, alt="x")


# Controls


def line(slope: float = 2.0, name: str = "a") -> show.Figure:
    if slope > 3:
        raise RuntimeError(f"slope {slope} is too steep")
    return show.Figure(go.Figure(go.Scatter(x=[0, 1], y=[0, slope], name=name)), alt=f"A line of slope {slope}.")


def test_a_moved_control_draws_again(capsys: pytest.CaptureFixture) -> None:
    explore = show.Explore(line, slope=(0.0, 3.0, 0.5), name=["a", "b"])
    assert explore.figure.alt == "A line of slope 2.0."  # the function's own default
    explore.controls["slope"].value = 1.5
    explore.controls["name"].value = "b"
    assert explore.figure.plot.data[0].y == (0, 1.5)
    assert explore.figure.plot.data[0].name == "b"
    assert capsys.readouterr().out.splitlines()[-2] == "Figure: A line of slope 1.5."


def test_explore_shows_controls_to_a_kernel_and_the_figure_to_a_page() -> None:
    slider = ipywidgets.FloatSlider(1.0, min=0.0, max=3.0, description="steepness")
    explore = show.Explore(line, slope=slider)
    bundle = explore._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}
    assert soup(explore).find(class_="nbh-figure").find(class_="nbh-alt").string == "A line of slope 1.0."
    assert soup(explore).find(class_="nbh-live").string == "With a live kernel you choose here: steepness."


def test_a_page_without_a_kernel_offers_the_choices_of_the_first_list() -> None:
    explore = show.Explore(line, slope=(0.0, 3.0, 0.5), name=["a", "b"])
    page = soup(explore)
    assert [option.string for option in page.select("select option")] == ["a", "b"]
    assert [option.string for option in page.select("option[selected]")] == ["a"]
    (template,) = page.find_all("template")
    assert template["data-at"] == "1"
    drawn = [
        json.loads(part.select_one('[type="application/json"]').string)
        for part in (page.select_one(".nbh-chosen"), template)
    ]
    assert [(trace["name"], trace["y"]) for figure in drawn for trace in figure["data"]] == [
        ("a", [0, 2.0]),
        ("b", [0, 2.0]),
    ]
    assert page.find(class_="nbh-live").string == "With a live kernel you choose here: slope."
    assert explore.figure.plot.data[0].name == "a"


def test_choices_may_have_names_of_their_own_and_the_one_that_is_set_is_shown() -> None:
    menu = ipywidgets.Dropdown(options=[("flat", 0.0), ("steep", 3.0)], value=3.0)
    page = soup(show.Explore(line, slope=menu))
    assert [(option.string, option.has_attr("selected")) for option in page.select("option")] == [
        ("flat", False),
        ("steep", True),
    ]
    assert page.select_one(".nbh-chosen .nbh-alt").string == "A line of slope 3.0."
    assert page.find(class_="nbh-live") is None


def test_a_choice_that_raises_is_told_on_the_page_and_leaves_the_others() -> None:
    page = soup(show.Explore(line, slope=ipywidgets.Dropdown(options=[1.0, 4.0, 2.0])))
    raised, drawn = page.find_all("template")
    assert raised.find(class_="nbh-raised").string == "RuntimeError: slope 4.0 is too steep"
    assert drawn.find(class_="nbh-alt").string == "A line of slope 2.0."


def test_an_exception_reaches_the_caller() -> None:
    explore = show.Explore(line, slope=(0.0, 9.0, 0.5))
    with pytest.raises(RuntimeError, match=r"slope 4.0 is too steep"):
        explore.controls["slope"].value = 4.0
    with pytest.raises(RuntimeError, match=r"slope 5.0 is too steep"):
        show.Explore(line, slope=ipywidgets.FloatSlider(5.0))


def test_explore_refuses_what_is_no_control() -> None:
    with pytest.raises(ValueError, match="there is nothing to explore"):
        show.Explore(line)
    with pytest.raises(ValueError, match="slope=None"):
        show.Explore(line, slope=None)
