"""Figures of 2 to 200 categories, and of 2 to 6 dimensions: what is drawn has room, and no category is lost."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from bs4 import BeautifulSoup
from pictured import pictured

from nbhelpers import ImageSet, show
from nbhelpers.method.knowledge import KnowledgePoints
from nbhelpers.show.highlights import MOST, Highlights, highlights
from nbhelpers.show.page.inline import sprite_sheet
from nbhelpers.show.space import view
from nbhelpers.show.style import FAINT

ALT = "What it shows."
STEPS, GRID = 2, (2, 2)
COUNTS = [11, *(pytest.param(count, marks=pytest.mark.slow) for count in (2, 3, 10, 30, 100, 200))]


class Material:
    """Features of so many categories and dimensions; the last category has the most images, the first has none."""

    def __init__(self, count: int, dimensions: int = 3) -> None:
        rng = np.random.default_rng(count)
        self.names = [f"<b>{c:03d}</b>" for c in range(count)]
        self.labels = np.concatenate([np.arange(1, count), np.repeat(count - 1, 3), np.arange(count)[1:][-12:]])
        self.images = pictured(self.labels, self.names)
        self.mu = rng.normal(size=(count, dimensions))
        self.mu /= np.linalg.norm(self.mu, axis=1, keepdims=True)
        noise = rng.normal(size=(STEPS, len(self.labels), 4, dimensions))
        self.h = 2 * self.mu[self.labels][:, None] + 0.3 * noise
        self.g = self.h.mean(axis=2)
        self.said = rng.dirichlet(np.full(count, 0.2), (STEPS, 5))
        self.path = 0.5 + np.linspace(0, 0.1, STEPS)[:, None, None, None] * rng.choice([-1, 1], (3, 8, 8))
        self.few = self.images.subset(np.arange(min(count - 1, 4)))
        shape = len(self.few), 16
        yes = np.ones(shape, bool)
        self.points = KnowledgePoints(np.arange(np.prod(shape)).reshape(shape) % count, np.full(shape, 0.9), yes, yes)


FIGURES: dict[str, Callable[[Material], show.Figure | show.Picture]] = {
    "attack_steps": lambda m: show.attack_steps(
        m.path, m.said[:, 0], m.said[:, 1:], 0, 1, m.names, GRID, eps=0.1, alt=ALT
    ),
    "emergence": lambda m: show.emergence(
        range(STEPS), np.linalg.norm(m.g, axis=-1), m.images, accuracy=[0.5, 1], alt=ALT
    ),
    "image_row": lambda m: show.image_row(
        m.few, ["x"] * len(m.few), probabilities={"P": m.said[[0] * len(m.few), 0]}, alt=ALT
    ),
    "neighbours": lambda m: show.neighbours(m.mu, np.eye(len(m.mu)) + 0.1, m.names, alt=ALT),
    "points_on_images": lambda m: show.points_on_images(m.few, m.points, (4, 4), ["x"] * len(m.few), alt=ALT),
    "probability_map": lambda m: show.probability_map(
        m.mu, np.full(len(m.mu), 1 / len(m.mu)), np.sqrt, [9.0], m.names, alt=ALT
    ),
    "region_clouds": lambda m: show.region_clouds(m.h, m.images, m.mu, step_labels=["0", "1"], alt=ALT),
    "region_depth": lambda m: show.region_depth(
        {"a": m.h[0, : len(m.few)], "b": m.h[1, : len(m.few)]}, m.few, m.mu, GRID, alt=ALT
    ),
    "region_paths": lambda m: show.region_paths(
        m.h[:, : len(m.few)], m.few, m.mu, GRID, [("direct", 0, 1, 0), ("rebuilt", 0, 3, 0)], alt=ALT
    ),
    "sample_space": lambda m: show.sample_space(m.g, m.images, m.mu, step_labels=["0", "1"], alt=ALT),
}
SPACES = [name for name in FIGURES if name.startswith(("region_", "sample"))]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.filterwarnings("error")  # of matplotlib, that there is no room
def test_every_figure_has_room_for_every_number_of_categories(figure: str, count: int) -> None:
    material = Material(count)
    made = FIGURES[figure](material)
    assert len(made.html()) < 700_000
    if isinstance(made, show.Figure):
        scattered = [trace for trace in made.plot.data if trace.type == "scatter3d"]
        assert len([trace for trace in scattered if trace.showlegend]) <= MOST + 2
        written = [trace for trace in scattered if trace.mode == "lines+text" and trace.text]
        assert len(written) <= MOST
    for panel in getattr(made, "panels", ()):
        width, height = panel.get_size_inches()
        assert width <= 7
        for legend in [*panel.legends, *(axes.get_legend() for axes in panel.axes if axes.get_legend())]:
            assert len(legend.get_texts()) <= MOST + 3
            box = legend.get_window_extent().transformed(panel.dpi_scale_trans.inverted())
            assert (box.y0 > -0.01) and (box.y1 < height + 0.01), "the legend is cut"


@pytest.mark.parametrize("count", [11, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("figure", ["emergence", "neighbours", "probability_map", "region_clouds", "sample_space"])
def test_no_category_is_lost_among_many(figure: str, count: int) -> None:
    """The table tells of all; in 3-D a reader searches for them, too."""
    material = Material(count)
    made = FIGURES[figure](material)
    assert set(material.names) <= set(made.table.frame().index)
    if isinstance(made, show.Figure):
        page = BeautifulSoup(made.html(), "html.parser")
        search = json.loads(page.find("script", type="application/json").string)["search"]
        assert [name for name, _ in search["names"]] == material.names
        assert {c for its in search["shafts"].values() for c in its} == {-1, *range(count)}
        found = [c for its in search["members"].values() for c in its]
        if figure == "sample_space":
            assert sorted(found) == sorted(material.labels)
        for trace, its in [*search["members"].items(), *search["shafts"].items()]:
            assert len(made.plot.data[int(trace)].x) == len(its)
        assert page.select_one(".nbh-find input")


def test_only_a_long_table_can_be_searched() -> None:
    rows = [[f"row {i}", i] for i in range(31)]
    long, short = (show.Table(["a", "b"], its, "c").folded() for its in (rows, rows[:-1]))
    assert "nbh-rows" in long and "<script>" in long
    assert "nbh-rows" not in short and "<script>" not in short


def test_few_categories_need_no_search() -> None:
    made = FIGURES["sample_space"](Material(10))
    assert made.search is None
    assert "nbh-find" not in made.html().partition("</style>")[2].partition("<script>")[0]


def test_what_is_searched_stands_where_its_points_and_its_arrow_are() -> None:
    material = Material(40)
    made = FIGURES["sample_space"](material)
    for category in (1, 39):
        for step, frame in enumerate(made.plot.frames):
            at = {number: data for number, data in zip(frame.traces, frame.data, strict=True)}
            points = [
                [at[t].x[i], at[t].y[i], at[t].z[i]]
                for t, its in made.search["members"].items()
                for i, c in enumerate(its)
                if c == category
            ]
            expected = material.g[step, material.labels == category]
            assert np.abs(np.array(points) - expected).max() < 1e-3
            (tip,) = [
                [at[t].x[its.index(category) + 1], at[t].y[its.index(category) + 1], at[t].z[its.index(category) + 1]]
                for t, its in made.search["shafts"].items()
                if category in its
            ]
            assert np.array(tip) / np.linalg.norm(tip) == pytest.approx(material.mu[category], abs=2e-3)


# Which categories have colours


def test_of_ten_or_fewer_each_has_the_colour_it_always_had() -> None:
    lit = highlights([str(c) for c in range(10)], np.zeros(10), np.zeros(10))
    assert (lit.chosen, lit.others) == (tuple(range(10)), [])
    assert lit.hue(3) == "#94a4a2"


def test_of_more_the_ten_with_the_most_images_are_coloured_then_the_strongest_then_the_first() -> None:
    counts, strengths = np.full(30, 5), np.zeros(30)
    counts[[20, 29]] = 6
    counts[0] = 0
    strengths[[7, 8]] = 2, 1
    lit = highlights([str(c) for c in range(30)], counts, strengths)
    assert lit.chosen == (1, 2, 3, 4, 5, 6, 7, 8, 20, 29)
    assert len({lit.hue(c) for c in lit.chosen}) == MOST
    assert {lit.hue(c) for c in lit.others} == {FAINT}
    counts[:25] = 0
    assert highlights([str(c) for c in range(30)], counts, strengths).chosen == (25, 26, 27, 28, 29)  # none without one


@pytest.mark.parametrize("figure", ["sample_space", "region_clouds", "emergence"])
def test_a_reader_says_which_are_coloured(figure: str) -> None:
    material = Material(30)
    coloured = ["<b>004</b>", "<b>001</b>"]
    draw = {
        "sample_space": lambda **its: show.sample_space(material.g[0], material.images, material.mu, alt=ALT, **its),
        "region_clouds": lambda **its: show.region_clouds(
            material.h, material.images, material.mu, step_labels=["0", "1"], alt=ALT, **its
        ),
        "emergence": lambda **its: show.emergence(
            range(STEPS), np.linalg.norm(material.g, axis=-1), material.images, accuracy=[0, 1], alt=ALT, **its
        ),
    }[figure]
    made = draw(coloured=coloured)
    if figure == "emergence":
        entries = [text.get_text() for text in made.panels[0].axes[0].get_legend().get_texts()]
        assert entries == ["28 others", "<b>001</b>", "<b>004</b>"]
    else:
        entries = [trace.name for trace in made.plot.data if trace.showlegend]
        assert entries == ["&lt;b&gt;001&lt;/b&gt;", "&lt;b&gt;004&lt;/b&gt;", "28 others"]
    with pytest.raises(ValueError, match=r"coloured names cat, but the categories are <b>000</b>.* and 20 more"):
        draw(coloured=["cat"])
    with pytest.raises(ValueError, match="coloured names 11 categories; no more than 10"):
        draw(coloured=material.names[:11])


def test_blocks_hold_neighbours_and_the_table_says_which() -> None:
    """Five bundles of ten directions each are five blocks."""
    rng = np.random.default_rng(0)
    middles = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, -1, 0.0]])
    bundle = np.arange(50) % 5
    mu = middles[bundle] + 0.02 * rng.normal(size=(50, 3))
    confusion = np.eye(50) * 8
    confusion[np.arange(50), (np.arange(50) + 5) % 50] = 2
    table = show.neighbours(mu, confusion, [f"{b} {i}" for i, b in enumerate(bundle)], alt=ALT).table.frame()
    for _, its in table.groupby("block"):
        assert len({name.split()[0] for name in its.index}) == 1
    assert (table["classified correctly (%)"] == 80).all()
    assert (table["most often mistaken for (%)"] == 20).all()
    assert [int(name.split()[1]) for name in table["most often mistaken for"]] == [
        (int(name.split()[1]) + 5) % 50 for name in table.index
    ]


def test_bars_of_many_categories_sum_to_one() -> None:
    made = FIGURES["attack_steps"](Material(30))
    for frame in made.plot.frames:
        assert len(frame.data[4].x) == MOST + 1
        assert sum(frame.data[4].x) == pytest.approx(1, abs=0.01)


# Other dimensions than three


@pytest.mark.parametrize("dimensions", [2, 4, 6])
@pytest.mark.parametrize("figure", SPACES)
def test_scenes_show_any_number_of_dimensions(figure: str, dimensions: int) -> None:
    material = Material(5, dimensions)
    made = FIGURES[figure](material)
    said = [note.text for note in made.plot.layout.annotations or ()]
    if dimensions == 2:
        assert not said
        flat = np.concatenate([np.array(trace.z, float) for trace in made.plot.data])
        assert not flat[np.isfinite(flat)].any()
    else:
        assert len(said) == 1
        assert f"principal axes of {dimensions}" in said[0]
        assert made.table.caption.endswith("% of the squared strength")


def test_what_three_axes_of_five_hold_is_what_is_said_and_the_table_tells_of_all() -> None:
    images = pictured([0, 1], ["a", "b"])
    g = np.array([[3.0, 0, 0, 0, 4], [0, 2, 0, 0, 0]])
    mu = np.eye(5)[[0, 1]]
    figure = show.sample_space(g, images, mu, alt=ALT)
    assert figure.table.frame()["strength"].tolist() == [5, 2]
    assert figure.table.frame()["nearest arrow (°)"].tolist() == pytest.approx([np.degrees(np.arccos(0.6)), 0])
    drawn = np.array([[trace.x[0], trace.y[0], trace.z[0]] for trace in figure.plot.data[:2]], float)
    assert np.linalg.norm(drawn, axis=1) == pytest.approx([5, 2], abs=2e-3)  # in a plane that the three axes hold


def test_principal_axes_go_through_the_centre_and_hold_a_known_share() -> None:
    features = np.diag([4.0, 3.0, 2.0, 1.0])[:, [2, 0, 3, 1]]
    its = view(features)
    assert its.share == pytest.approx(29 / 30)
    assert its.note == "Drawn by the first 3 principal axes of 4, which hold 97% of the squared strength"
    assert np.linalg.norm(its(features), axis=1) == pytest.approx([4, 3, 2, 0])
    assert (its.axes.max(axis=0) > 0.99).all()  # not turned round


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_what_has_no_space_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"directions must be.*at least two axes, got the shape"):
        show.sample_space(np.ones((1, 3)), pictured([0], ["a", "b", "c"]), np.ones(shape), alt=ALT)


def test_there_is_no_map_of_other_than_three_dimensions() -> None:
    with pytest.raises(ValueError, match=r"directions.*axes 3.*got 5.*sample_space shows any"):
        show.probability_map(np.eye(5)[:2], [0.5, 0.5], np.sqrt, [1.0], ["a", "b"], alt=ALT)


# Images that are decoded when they are asked for


class Lazy:
    """Images on a disk, as it were: what is asked for is counted."""

    def __init__(self, count: int, side: int = 224) -> None:
        self.shape, self.dtype, self.ndim = (count, 3, side, side), np.dtype(np.uint8), 4
        self.asked: list[int] = []

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: object) -> np.ndarray:
        numbers = np.arange(len(self))[index]
        self.asked += np.atleast_1d(numbers).tolist()
        return np.zeros((*np.shape(numbers), *self.shape[1:]), np.uint8)


def lazy(count: int) -> ImageSet:
    return ImageSet(Lazy(count), np.arange(count) % 2, ("a", "b"), "held_out")


def test_without_thumbnails_no_image_is_read() -> None:
    images = lazy(300)
    rng = np.random.default_rng(0)
    g, mu = rng.normal(size=(300, 3)), np.eye(3)[:2]
    show.sample_space(g, images, mu, alt=ALT)
    show.region_clouds(g[None, :, None], images, mu, step_labels=["0"], alt=ALT)
    show.emergence([0], np.ones((1, 300)), images, accuracy=[1], alt=ALT)
    assert images.images.asked == []


def test_thumbnails_read_each_image_once_and_stay_small() -> None:
    images = lazy(300)
    figure = show.sample_space(np.ones((300, 3)), images, np.eye(3)[:2], thumbnails=True, alt=ALT)
    assert images.images.asked == list(range(300))
    assert len(figure.html()) < 150_000


def test_pictures_read_the_images_that_they_show() -> None:
    images = lazy(3)
    show.image_row(images, "abc", alt=ALT)
    show.map_browser(images, {"w": np.ones((3, 4))}, GRID, "abc", alt=ALT)
    show.region_depth({"a": np.ones((3, 4, 3)), "b": np.ones((3, 4, 3))}, images, np.eye(3)[:2], GRID, alt=ALT)
    show.region_paths(np.ones((2, 3, 4, 3)), images, np.eye(3)[:2], GRID, [("direct", 0, 1, 1)], alt=ALT)
    assert set(images.images.asked) == {0, 1, 2}


@pytest.mark.parametrize(("count", "side"), [(10, 40), (3750, 40), (15_000, 20)])
def test_many_thumbnails_are_small(count: int, side: int) -> None:
    sheet = sprite_sheet(np.zeros((count, 3, 2, 2), np.uint8))
    assert sheet["columns"] * sheet["rows"] >= count
    assert sheet["columns"] * side * sheet["rows"] * side < 6_200_000


def test_too_many_thumbnails_are_refused_with_the_number_that_there_may_be() -> None:
    with pytest.raises(ValueError, match=r"thumbnails of 30,000 images.*at most 23,437"):
        sprite_sheet(np.zeros((30_000, 3, 2, 2), np.uint8))


def test_highlights_know_what_is_left() -> None:
    assert Highlights(12, (0, 5)).rest == "10 others"
