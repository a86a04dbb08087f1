"""Chapter 6 as a reader of the site has it: networks that others and the book trained, in figures with no kernel."""

import pytest
from browser import Browser
from moving import draw, move
from tables import number, table

PAGE = "chapters/06_your_own"
LAYERS = ("early", "middle", "late")
PARTS = ("patches", "first", "second")
EIGHT = ("accuracy", "explained", "‖g‖,H", "‖f‖,H", "‖h‖,w", "‖f‖,w", "points", "reliable")
STEPS = ("record", "M", "w and Λ", "w and Λ, 4 x 4", "Shapley, middle", "attack, 20 steps")
POOLED = "the same, record(..., grid=7)"


@pytest.fixture(scope="module")
def chapter(browser: Browser) -> Browser:
    browser.open(PAGE)
    return browser


def printed(chapter: Browser) -> str:
    return chapter.run("return [...document.querySelectorAll('.output.stream')].map(o => o.innerText).join('\\n')")


def by_name(chapter: Browser, caption: str) -> dict[str, dict[str, str]]:
    """A table's cells by row and column."""
    (_, *columns), *rows = table(chapter, caption)
    return {name: dict(zip(columns, cells, strict=True)) for name, *cells in rows}


def test_regions_are_followed_through_the_layers_of_a_foreign_network(chapter: Browser) -> None:
    figure = draw(chapter, "layer")
    places = f"return JSON.stringify({figure}.querySelector('.nbh-plot').data.slice(0, 2).map(t => [t.x, t.y, t.z]))"
    seen = set()
    for step, name in enumerate(LAYERS):
        move(chapter, figure, step)
        assert chapter.run(f"return {figure}.querySelector('output').innerText") == name
        seen.add(chapter.run(places))
    assert len(seen) == len(LAYERS)
    assert chapter.problems() == []


def test_the_network_has_learned(chapter: Browser) -> None:
    shares = {name: number(row["share"]) for name, row in by_name(chapter, "Along training on 100").items()}
    first, *_, last, of_all = (share for name, share in shares.items() if name.startswith("accuracy"))
    assert first < 30 and min(last, of_all) > 50
    assert shares["explained, half that M was fitted to"] > shares["explained, other half"] > 80


def test_a_fit_to_a_dozen_photographs_explains_these_and_no_others(chapter: Browser) -> None:
    rows = by_name(chapter, "Share of what the network says that three numbers explain")
    assert set(rows) == {"all", "even", "odd"} and rows["all"]["of the others"] == "–"
    assert all(number(row["of these"]) > 80 for row in rows.values())
    assert all(number(rows[half]["of the others"]) < 0 for half in ("even", "odd"))


@pytest.mark.parametrize(
    ("caption", "columns", "rows"),
    [
        (
            "Correlation with the entropy",
            ["‖g‖", "‖f‖", "‖z‖"],
            ["MobileNet-V2", "EfficientNet-Lite0", "SqueezeNet 1.0"],
        ),
        ("Correlation with Shapley values: the dozen", ["mean", "min", "max", "among a thousand"], ["w", "‖f‖"]),
        ("Shapley values: mean correlation", ["correlation with w", "difference"], ["correctly", "wrongly"]),
        ("Share of images fooled", ["fooled", *LAYERS], ["attack", "random"]),
        ("The transformer", EIGHT, [f"{when}, {k}" for when in ("untrained", "trained") for k in PARTS]),
        ("Knowledge points that say", ["share of points"], PARTS),
        ("The chain's three layers", EIGHT, LAYERS),
        ("The chain's last layer", EIGHT, ["8 x 8", "4 x 4", "2 x 2"]),
        ("The chain at two temperatures", ["explained", "‖g‖,H", "‖f‖,H"], ["1", "4"]),
        ("Share explained; degrees", ["explained", "degrees"], ["2", "5", "10", "50", "200"]),
        ("Seconds for each step", ["50 images", "100 images"], STEPS),
        ("Memory", ["MB"], ["our three layers, 100 images", "ResNet-50 at 224 px, 500 images", POOLED]),
        ("Three failures", EIGHT, ["as it should be", "untrained", "noise", "upside down"]),
        ("Colours", ["mean", "ImageNet's mean", "deviation", "ImageNet's deviation"], ["red", "green", "blue"]),
        ("Score of the first category", ["logit"], ["all of it", "without late", "shared out among regions"]),
    ],
)
def test_what_a_cell_found_is_a_table(chapter: Browser, caption: str, columns: list[str], rows: list[str]) -> None:
    found = by_name(chapter, caption)
    assert [*found] == [*rows]
    for row in found.values():
        assert [*row] == [*columns]
        assert all(cell == "–" or number(cell) < 1e4 for cell in row.values())


def test_few_cells_print_and_what_they_print_are_networks_and_messages(chapter: Browser) -> None:
    streams = "[...document.querySelectorAll('.output.stream')]"
    assert 1 <= chapter.run(f"return new Set({streams}.map(o => o.closest('.cell_output'))).size") <= 6
    text = printed(chapter)
    for words in (
        "tokens after 1",
        "largest Shapley value",
        "no module at 'latest': the body has early, middle, late",
        "this network has early, middle, late",
        "averaged to 16x16",
    ):
        assert words in text


def test_the_untrained_network_is_right_no_more_often_than_a_guess(chapter: Browser) -> None:
    untrained = by_name(chapter, "Three failures")["untrained"]
    late = by_name(chapter, "The chain's three layers")["late"]
    assert number(untrained["accuracy"]) < 15 and 25 < number(late["reliable"])


def test_without_a_kernel_the_page_offers_the_layer_and_names_what_a_kernel_would_add(chapter: Browser) -> None:
    menu = "document.querySelector('.nbh-choices')"
    offered = f"return [...{menu}.querySelectorAll('option')].map(o => o.textContent)"
    assert chapter.run(offered) == [*reversed(LAYERS[1:])]
    assert chapter.run(f"return {menu}.querySelector('.nbh-live').innerText").endswith("choose here: image.")


def test_five_exercises_have_solutions(chapter: Browser) -> None:
    assert chapter.run("return document.querySelectorAll('div.solution.dropdown').length") == 5
