"""Flat figures and tables of chapters 2 and 3: what is drawn is what was given, and bad input is named."""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from bs4 import BeautifulSoup
from matplotlib.colors import to_rgb
from matplotlib.patches import ConnectionPatch
from pandas import DataFrame, MultiIndex
from pictured import pictured
from PIL import Image

from nbhelpers import ImageSet, show
from nbhelpers.experiments.results import recorded
from nbhelpers.method.knowledge import KnowledgePoints
from nbhelpers.show.style import COLOURS, colour

CATEGORIES = ("coat", "bag", "boot")


def pixels(picture: show.Picture, panel: int) -> np.ndarray:
    uri = BeautifulSoup(picture.html(), "html.parser").find_all("img")[panel]["src"]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB")).astype(float)


def texts(figure: plt.Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


# Knowledge points on images


def marked(**change) -> dict:
    masks = np.array([[1, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0]], bool)
    points = KnowledgePoints(
        category=np.array([[0, 1, 1, 2, 0, 0], [1, 1, 1, 1, 1, 1]]),
        probability=np.full((2, 6), 0.5, np.float32),
        masks=masks,
        reliable_masks=masks & (np.arange(6) == 0),
    )
    fine = {"images": pictured([0, 1], CATEGORIES, np.full((2, 3, 20, 30), 128, np.uint8)), "points": points}
    return fine | {"grid": (2, 3), "captions": ["first", "second"], "alt": "Two points."} | change


def test_knowledge_points_stand_in_their_cells() -> None:
    picture = show.points_on_images(**marked())
    first, second, legend = picture.panels
    assert [panel.axes[0].get_title() for panel in (first, second)] == ["first", "second"]
    yes, no = first.axes[0].patches
    for patch, (x, y) in ((yes, (0, 0)), (no, (0, 10))):
        assert x < patch.get_x() < x + 1
        assert y < patch.get_y() < y + 1
        assert x + 9 < patch.get_x() + patch.get_width() < x + 10
        assert y + 9 < patch.get_y() + patch.get_height() < y + 10
    assert to_rgb(yes.get_facecolor()) == to_rgb(colour(0))
    assert to_rgb(no.get_facecolor()) == to_rgb(colour(2))
    assert second.axes[0].patches[:] == []
    entries = [text.get_text() for text in legend.legends[0].get_texts()]
    assert entries == ["reliable: the true category", "unreliable", "coat", "boot"]
    assert 'alt="legend: reliable: the true category; unreliable; coat; boot"' in picture.html()


def test_reliability_and_category_show_without_colour() -> None:
    first = show.points_on_images(**marked()).panels[0].axes[0]
    yes, no = first.patches
    assert (yes.get_hatch(), yes.get_linestyle()) == (None, "-")
    assert no.get_hatch()
    assert no.get_linestyle() != "-"
    assert yes.get_linewidth() > no.get_linewidth()
    assert first.lines[0].get_marker() != first.lines[1].get_marker()


def test_points_colour_the_picture_where_they_are_and_nowhere_else() -> None:
    bare = pixels(show.points_on_images(**marked()), 1)
    drawn = pixels(show.points_on_images(**marked(captions=["second", "second"])), 0)
    changed = np.abs(drawn - bare).max(axis=2) > 12
    columns = np.flatnonzero(changed.any(axis=0))
    assert columns.max() < drawn.shape[1] * 0.37  # the left third of the image
    assert changed.mean() > 0.15


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": pictured([0], CATEGORIES)}, r"points.*images 1, regions 6.*\(2, 6\)"),
        ({"grid": (2, 2)}, r"points.*images 2, regions 4.*\(2, 6\)"),
        ({"captions": ["a"]}, "captions.*2 images.*1"),
        ({"images": pictured([0, 1], ("coat", "bag"))}, "category 2.*2 categories"),
        ({"alt": ""}, "alt is empty"),
    ],
)
def test_points_on_images_refuses(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        show.points_on_images(**marked(**change))
    plt.close("all")


def test_points_on_images_outlines_the_object() -> None:
    masks = np.full((2, 20, 30), -1, np.int8)
    masks[0, 1:3, 1:3] = 0
    masks[1, 1:3, 1:3] = 2  # a fragment
    given = marked()
    plain = show.points_on_images(**given).panels
    given["images"] = pictured([0, 1], CATEGORIES, given["images"].images, masks)
    outlined = show.points_on_images(**given).panels
    lines = [[len(panel.axes[0].collections) for panel in panels[:2]] for panels in (plain, outlined)]
    assert np.diff(lines, axis=0).tolist() == [[1, 0]]


# Matching regions


def joined(**change) -> dict:
    rng = np.random.default_rng(3)
    given = {
        "images": pictured([0, 0, 1], CATEGORIES, rng.integers(0, 256, (3, 3, 8, 12), dtype=np.uint8)),
        "picked": [0, 5],
        "partners": [[1, 4], [2, 2]],
        "grid": (2, 3),
        "captions": ["two coats", "a coat and a bag"],
        "alt": "Matches.",
    }
    return given | change


def test_matches_frames_both_ends_of_every_line() -> None:
    panels = show.matches(**joined()).panels
    assert [panel.get_suptitle() for panel in panels] == ["two coats", "a coat and a bag"]
    corners = {0: (0, 0), 1: (4, 0), 2: (8, 0), 4: (4, 4), 5: (8, 4)}
    for panel, theirs in zip(panels, ([1, 4], [2, 2]), strict=True):
        for axes, regions in zip(panel.axes, ([0, 5], theirs), strict=True):
            starts = [tuple(np.subtract(patch.get_xy(), 0.24)) for patch in axes.patches]
            assert starts == [pytest.approx(corners[region]) for region in regions]
        lines = [line for line in panel.artists if isinstance(line, ConnectionPatch)]
        middles = [
            [(x + 2, y + 2) for x, y in (corners[mine], corners[its])] for mine, its in zip([0, 5], theirs, strict=True)
        ]
        assert [[line.xy1, line.xy2] for line in lines] == middles
        hues = [to_rgb(line.get_edgecolor()) for line in lines]
        assert hues == [to_rgb(patch.get_edgecolor()) for patch in panel.axes[0].patches] and len(set(hues)) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": joined()["images"].subset([0])}, "two images or more, got 1"),
        ({"picked": []}, r"1 \.\.\. 10 regions.*\(0,\)"),
        ({"picked": [0, 6]}, r"picked must be regions 0 \.\.\. 5"),
        ({"picked": [0.5, 1.0]}, "picked must be regions"),
        ({"partners": [[1, 4]]}, r"\(1, 2\), expected \(2, 2\)"),
        ({"partners": [[1, 4], [2, -1]]}, "partners must be regions"),
        ({"captions": ["one"]}, "each of the 2 pairs, got 1"),
        ({"alt": ""}, "alt is empty"),
    ],
)
def test_matches_refuses(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        show.matches(**joined(**change))
    plt.close("all")


# Maps of many images


def browsed(**change) -> dict:
    rng = np.random.default_rng(3)
    given = {
        "images": pictured([0, 1, 2], CATEGORIES, rng.integers(0, 256, (3, 3, 8, 8), dtype=np.uint8)),
        "maps": {"w": rng.random((3, 4)), "Shapley": rng.normal(size=(3, 4))},
        "grid": (2, 2),
        "captions": ["coat", "bag", "boot"],
        "alt": "Three images.",
    }
    return given | change


def test_map_browser_shows_every_image_with_its_own_maps() -> None:
    given = browsed()
    figure = show.map_browser(**given)
    assert [frame.name for frame in figure.plot.frames] == ["1, coat", "2, bag", "3, boot"]
    for i, frame in enumerate(figure.plot.frames):
        for trace, values in zip(frame.data[1:], given["maps"].values(), strict=True):
            expected = (values[i] / np.abs(values[i]).max()).reshape(2, 2)
            np.testing.assert_allclose(trace.z, expected, atol=6e-4)
            np.testing.assert_allclose(trace.customdata, values[i].reshape(2, 2), rtol=6e-3)
    assert len({frame.data[0].source for frame in figure.plot.frames}) == 3
    np.testing.assert_allclose(figure.plot.data[2].z, figure.plot.frames[0].data[2].z)
    assert (figure.plot.data[1].zmin, figure.plot.data[1].zmax) == (-1, 1)
    best = given["maps"]["w"][2].argmax()
    assert figure.table.rows[2][1].startswith(f"row {best // 2 + 1}, column {best % 2 + 1} (")


def test_map_browser_outlines_objects_and_draws_an_empty_map() -> None:
    given = browsed()
    masks = np.full((3, 8, 8), -1, np.int8)
    masks[:, 2:5, 2:5] = 0  # the category of the first image, a fragment in the others
    marked = given | {"images": pictured([0, 1, 2], CATEGORIES, given["images"].images, masks)}
    plain, outlined = (show.map_browser(**g).plot.frames for g in (given, marked))
    assert [a.data[0].source != b.data[0].source for a, b in zip(plain, outlined, strict=True)] == [True, False, False]
    given["maps"] = {"w": np.zeros((3, 4))}
    assert np.abs(show.map_browser(**given).plot.data[1].z).max() == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"captions": ["coat"]}, "captions.*3 images.*1"),
        ({"maps": {}}, "maps is empty"),
        ({"maps": {"w": np.ones((3, 5))}}, r"'w'.*images 3, regions 4.*\(3, 5\)"),
        ({"maps": {"w": np.full((3, 4), np.nan)}}, "'w'.*12 NaN"),
        ({"alt": " "}, "alt is empty"),
    ],
)
def test_map_browser_refuses(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        show.map_browser(**browsed(**change))


# Heat maps


def maps(**change) -> dict:
    given = {"w": np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.0]), "Shapley": np.array([-1.0, 0, 2, 0, 0, 0.5])}
    return {"images": one(), "maps": given, "grid": (2, 3), "alt": "Maps."} | change


def one(masks: np.ndarray | None = None) -> ImageSet:
    return pictured([1], CATEGORIES, np.zeros((1, 3, 20, 30), np.uint8), masks)


def test_heat_maps_show_the_numbers_from_zero_or_around_it() -> None:
    image, w, shapley = show.heat_maps(**maps()).panels
    titles = [panel.axes[0].get_title() for panel in (image, w, shapley)]
    assert titles == ["image", "w", "Shapley"]
    for panel, name, limits in ((w, "w", (0, 0.4)), (shapley, "Shapley", (-2, 2))):
        heat = panel.axes[0].images[-1]
        assert np.allclose(heat.get_array(), maps()["maps"][name].reshape(2, 3))
        assert heat.get_clim() == pytest.approx(limits)
    numbers = [[label.get_text() for label in panel.axes[1].get_xticklabels()] for panel in (w, shapley)]
    assert numbers == [["0", "0.4"], ["−2", "0", "2"]]
    assert len(image.axes) == 1


def test_zero_looks_the_same_on_all_maps_and_more_looks_alike() -> None:
    w, shapley = (panel.axes[0].images[-1] for panel in show.heat_maps(**maps()).panels[1:])
    for share in (0.0, 0.5, 1.0):
        assert np.allclose(w.to_rgba(0.4 * share), shapley.to_rgba(2 * share), atol=0.02)
    darkness = w.to_rgba(np.linspace(0, 0.4, 9))[:, :3] @ [0.3, 0.59, 0.11]
    assert (np.diff(darkness) < 0).all()


def test_images_of_all_panels_stand_at_one_place() -> None:
    panels = show.heat_maps(**maps()).panels
    boxes = [panel.axes[0].get_position().bounds for panel in panels]
    assert len({panel.get_size_inches().tobytes() for panel in panels}) == 1
    assert np.ptp(boxes, axis=0).max() == 0


def test_the_object_is_outlined_on_every_panel() -> None:
    masks = np.full((1, 20, 30), -1, np.int8)
    masks[0, 5:10, 20:] = 1  # up to the edge
    masks[0, 15:, :9] = 2  # a fragment
    for panel in show.heat_maps(**maps(images=one(masks))).panels:
        (outline,) = panel.axes[0].collections
        points = np.concatenate([path.vertices for path in outline.get_paths()])
        assert points.min(axis=0) == pytest.approx([20, 5], abs=0.51)
        assert points.max(axis=0) == pytest.approx([30, 10], abs=0.51)


def test_a_map_of_zeros_is_white() -> None:
    w = show.heat_maps(**maps(maps={"w": np.zeros(6)})).panels[1].axes[0].images[-1]
    assert np.allclose(w.to_rgba(w.get_array())[..., :3], 1, atol=0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": pictured([0, 1], CATEGORIES)}, "one image.*2"),
        ({"maps": {}}, "maps is empty"),
        ({"maps": {"w": np.ones(5)}}, r"'w'.*regions 6.*\(5,\)"),
        ({"maps": {"w": np.ones((3, 2))}}, r"'w'.*regions 6.*\(3, 2\)"),
        ({"maps": {"w": np.full(6, np.nan)}}, "'w'.*6 NaN"),
    ],
)
def test_heat_maps_refuses(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        show.heat_maps(**maps(**change))


# Curves


def rows() -> list[dict]:
    """Two checkpoints: no point, then twenty, half of them reliable."""
    none = {"total": 0.0, "total_std": 0.0, "reliable": 0.0, "reliable_std": 0.0, "ratio": None}
    return [none, {"total": 20.0, "total_std": 5.0, "reliable": 10.0, "reliable_std": 2.0, "ratio": 0.5}]


def test_points_along_draws_means_bands_and_other_runs() -> None:
    other = [{**row, "total": 30.0} for row in rows()]
    (panel,) = show.points_along([0, 0.5], [{"conv_53": rows()}, {"conv_53": other}], alt="One layer.").panels
    above, below = panel.axes
    assert [line.get_ydata().tolist() for line in above.lines] == [[30, 30], [0, 10], [0, 20], [0, 10]]
    thin, reliable, thick, _ = above.lines
    assert thin.get_linewidth() < thick.get_linewidth() and reliable.get_linestyle() != thick.get_linestyle()
    band = above.collections[0].get_paths()[0].get_extents()
    assert (band.ymin, band.ymax) == (0, 25)
    assert below.lines[-1].get_ydata()[1] == 0.5
    assert np.isnan(below.lines[-1].get_ydata()[0])
    assert texts(panel) == ["20", "10", "0.50"]
    assert [label.get_text() for label in below.get_xticklabels()] == ["0", "0.5"]
    assert panel.get_supxlabel() == "bands: ± 1 std over images"


def test_points_along_gives_all_layers_one_scale_and_keeps_the_last_epoch() -> None:
    many = rows()[1:] * 8
    few = [{**row, "total": 2.0, "reliable": 1.0} for row in many]
    panels = show.points_along(range(8), [{"conv_33": few, "conv_53": many}], alt="Two layers.").panels
    assert [panel.axes[0].get_title() for panel in panels] == ["conv_33", "conv_53"]
    assert len({panel.axes[0].get_ylim() for panel in panels}) == 1
    assert [label.get_text() for label in panels[0].axes[1].get_xticklabels()] == ["1", "4", "7"]


@pytest.mark.parametrize(
    ("epochs", "runs", "message"),
    [
        ([0, 1], [], "layers.*missing"),
        ([0, 1], [{}], "layers.*missing"),
        ([0, 1, 2], [{"conv_53": rows()}], r"3 epochs.*\{2\}"),
        ([0, 1], [{"conv_53": rows()}, {"conv_43": rows()}], "layers.*conv_53.*conv_43"),
    ],
)
def test_points_along_refuses(epochs: list, runs: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        show.points_along(epochs, runs, alt="Nothing.")


def test_agreement_prints_the_mean_and_counts_what_is_undefined() -> None:
    picture = show.agreement({"w": [0.5, 0.7, np.nan], "‖f‖": [-0.5, -0.7, 0.0]}, alt="Two rows.")
    (figure,) = picture.panels
    assert texts(figure) == [
        "w (2 images, 1 undefined)",
        "mean 0.60 ± 0.10",
        "‖f‖ (3 images)",
        "mean −0.40 ± 0.29",
    ]
    (axes,) = figure.axes
    clouds = [line for line in axes.lines if line.get_marker() == "o"]
    assert [sorted(cloud.get_xdata()) for cloud in clouds] == [[0.5, 0.7], [-0.7, -0.5, 0.0]]
    means = [line.get_xdata() for line in axes.lines if line.get_marker() == "D"]
    assert np.ravel(means) == pytest.approx([0.6, -0.4])
    assert axes.get_xlim()[0] < -0.7
    assert axes.get_xlim()[1] > 1


def test_agreement_repeats_itself_and_leaves_the_callers_array_alone() -> None:
    r = np.array([0.5, np.nan, 0.7])
    assert show.agreement({"w": r}, alt="x").html() == show.agreement({"w": r}, alt="x").html()
    assert np.array_equal(r, [0.5, np.nan, 0.7], equal_nan=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "values is empty"),
        ({"w": [np.nan, np.nan]}, r"'w'.*\(2,\) with 0 numbers"),
        ({"w": [0.5, 1.5]}, r"'w'.*up to 1\.5"),
        ({"w": [[0.5]]}, r"'w'.*\(1, 1\)"),
        ({"w": [0.5, np.inf]}, "'w'.*up to inf"),
    ],
)
def test_agreement_refuses(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        show.agreement(values, alt="x")


def test_shares_stand_beside_chance() -> None:
    chance = {"object": 0.2, "fragment": 0.0, "background": 0.8}
    rows = {"reliable": {"background": 0.64, "object": 0.36, "fragment": 0.0}, "unreliable": dict(chance)}
    (figure,) = show.shares(rows, chance=chance, alt="Twice.").panels
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == [0.36, 0, 0.64, 0.2, 0, 0.8, 0.2, 0, 0.8]
    assert texts(figure)[:6] == ["36%\n1.8×", "0%", "64%\n0.8×", "20%\n1.0×", "0%", "80%\n1.0×"]
    assert texts(figure)[6:] == ["20%", "0%", "80%"]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(chance)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [*rows, "all regions (chance)"]
    assert len({bar.get_hatch() for bar in axes.patches[:6]}) == 2
    assert to_rgb(axes.patches[0].get_facecolor()) == to_rgb(COLOURS[0])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({}, "4 kinds.*0"),
        ({str(n): {"object": 1.0} for n in range(5)}, "4 kinds.*5"),
        ({"reliable": {"sky": 1.0}}, "places.*object.*sky"),
        ({"reliable": {"object": 38.0}}, r"found 38\.0"),
        ({"reliable": {"object": float("nan")}}, "found nan"),
    ],
)
def test_shares_refuses(rows: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        show.shares(rows, chance={"object": 1.0}, alt="x")


# Tables


def test_table2_stands_beside_the_paper() -> None:
    conv_43 = {"mean": -0.12345, "std": 0.5, "control_mean": 0.25}
    conv_53 = {"mean": 0.9551, "std": 0.041, "control_mean": 0.974}
    runs = {
        "scenes": {"dataset": "scenes", "network": "vgg16", "table2": {"conv_43": conv_43, "conv_53": conv_53}},
        "Tiny ImageNet": {"dataset": "tiny-imagenet", "network": "vgg16", "table2": {"conv_53": conv_53}},
    }
    table = show.table2(runs, recorded("paper"))
    assert table.headers[1:3] == ["scenes, ‖h‖", "scenes, control ‖f‖"]
    assert table.rows == [
        ["conv_43", "−0.123 ± 0.50", "0.250", "–", "–"],
        ["conv_53", "0.955 ± 0.04", "0.974", "0.955 ± 0.04", "0.974"],
        ["paper (last convolutional layer)", "–", "–", "0.771 ± 0.16", "–"],
    ]


def test_a_number_and_its_spread_stay_on_one_line() -> None:
    row = {"mean": 0.5, "std": 0.1, "control_mean": 0.2}
    runs = {"scenes": {"dataset": "scenes", "network": "vgg16", "table2": {"conv_53": row}}}
    page = BeautifulSoup(show.table2(runs, recorded("paper"))._repr_html_(), "html.parser")
    assert page.find("td").string == "0.500\u00a0±\u00a00.10"


def test_the_papers_table2_is_complete() -> None:
    printed = {name: (row["mean"], row["std"]) for name, row in recorded("paper")["table2"].items()}
    assert printed == {
        "tiny-imagenet-vgg16": (0.7707, 0.16),
        "tiny-imagenet-resnet34": (0.8248, 0.09),
        "tiny-imagenet-mobilenet_v2": (0.8169, 0.13),
        "coco-resnet50": (0.7572, 0.18),
        "cub-resnet34": (0.7765, 0.17),
    }


def test_a_data_frame_becomes_a_table_of_the_book() -> None:
    frame = DataFrame(
        {"images": [20, 5], "share": [0.256, np.nan], "change": [-0.5, 1.25], "most": ["bag", "-"]},
        MultiIndex.from_tuples([("scenes", 0), ("scenes", 1)], names=["data", "seed"]),
    )
    table = show.table(frame, "What is counted", {"share": ".0%", "change": "+.1f"})
    assert table.headers == ["data, seed", "images", "share", "change", "most"]
    assert table.rows == [("scenes, 0", "20", "26%", "−0.5", "bag"), ("scenes, 1", "5", "–", "+1.2", "-")]
    assert table.caption == "What is counted"
    taken = table.frame()
    assert taken["share"].iloc[0] == 0.256 and np.isnan(taken["share"].iloc[1]) and list(taken["images"]) == [20, 5]
    near_0 = show.table(DataFrame({"r": [0.12345, -1e-9]}), "Two", ".4f")
    assert near_0.rows == [("0", "0.1235"), ("1", "0.0000")]  # no minus before what is written as 0


def test_a_table_refuses_nothing_and_formats_of_no_column() -> None:
    with pytest.raises(ValueError, match="nothing in the table 'Empty'"):
        show.table(DataFrame(), "Empty")
    with pytest.raises(ValueError, match=r"formats of \['s'\], but the columns are \['r'\]"):
        show.table(DataFrame({"r": [1.0]}), "One", {"s": ".0%"})


def test_ablation_table_groups_columns_by_run_and_leaves_out_empty_ones() -> None:
    row = {"shapley_pearson_mean": 0.883, "shapley_pearson_std": 0.12, "object_auroc": 0.924, "reliable_ratio": 0.716}
    row |= {"h_pearson": 0.955, "h_pearson_std": 0.04}
    runs = {
        "scenes": {"ablation": {"default": row, "α 1": row | {"reliable_ratio": None}}},
        "Tiny": {"ablation": {"default": row | {"object_auroc": None}, "v fitted": row | {"object_auroc": None}}},
    }
    table = show.ablation_table(runs)
    assert table.headers == [
        "setting",
        *(f"scenes: {what}" for what in ("w, Shapley", "w, AUROC of the object", "‖h‖, w", "reliable ratio")),
        *(f"Tiny: {what}" for what in ("w, Shapley", "‖h‖, w", "reliable ratio")),
    ]
    assert table.rows == [
        ["default", "0.88 ± 0.12", "0.92", "0.95 ± 0.04", "0.72", "0.88 ± 0.12", "0.95 ± 0.04", "0.72"],
        ["α 1", "0.88 ± 0.12", "0.92", "0.95 ± 0.04", "–", "–", "–", "–"],
        ["v fitted", "–", "–", "–", "–", "0.88 ± 0.12", "0.95 ± 0.04", "0.72"],
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: show.table1({"scenes": {}}, recorded("paper")), "table1.*scenes.*reproduce"),
        (lambda: show.table2({}, recorded("paper")), "table2.*any run"),
        (lambda: show.table2({"scenes": {}}, recorded("paper")), "table2.*scenes"),
        (lambda: show.ablation_table({}), "ablation.*any run"),
        (lambda: show.ablation_table({"scenes": {}}), "ablation.*scenes"),
    ],
)
def test_tables_refuse(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
