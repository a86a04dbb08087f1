"""The paper's claims: verdicts on runs that a test makes up, and on the recorded files."""

from itertools import combinations

import numpy as np
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nbhelpers.experiments.beyond import Found
from nbhelpers.experiments.claims.claim import CONTRADICTED, SUPPORTED, UNDECIDED, Judgement, Part
from nbhelpers.experiments.claims.entries import CLAIMS, PAPER_ROWS, TINY
from nbhelpers.experiments.claims.judge import ROWS, judged, judgements
from nbhelpers.experiments.claims.measured import ONE_SEED
from nbhelpers.experiments.claims.told import told
from nbhelpers.experiments.claims.wordnet import HYPERNYMS, distances
from nbhelpers.experiments.results import Run, recorded
from nbhelpers.experiments.schema import IDENTITY, RESULTS
from nbhelpers.probes.baselines import NAMES
from nbhelpers.show import claims_table

PAPER = recorded("paper")
BY_KEY = {claim.key: claim for claim in CLAIMS}
LAYERS = ("conv_12", "conv_22", "conv_33", "conv_43", "conv_53")
COUNTED = LAYERS[2:]
CATEGORIES = ["tabby", "golden retriever", "sports car", "school bus", "orange"]


def made(seed=0):
    """A run on which every claim is true; each seed moves every number a little."""
    off = 0.001 * seed

    def points(layer, step):
        depth = COUNTED.index(layer)
        reliable = (2 + depth) * step + off
        counts = {"total": 10.0 * step + off, "reliable": reliable, "ratio": 0.1 * step + 0.1 * depth + off}
        truth = {kind: {"object": 0.2 + 0.1 * depth + off} for kind in ("reliable", "unreliable")}
        return {**counts, "own": counts, "strength": step + off, "truth": truth}

    def layers(count):
        return {layer: {"reliable": count + off} for layer in COUNTED}

    def frames(size):
        return {"frames": {"turned by regions": {"orientation_mean": size + off, "strength_size_mean": size + off}}}

    table1 = {method: {"pearson_t4": -0.5 + off, "pearson_t1": -0.4 + off} for method in NAMES}
    table1["ours"] = {"pearson_t4": -0.95 - off, "pearson_t1": -0.92 - off}
    lost = {who: {"orientation": 0.2 + off, "strength": 0.1 + off} for who in ("attack", "control_")}
    attack = {
        layer: {f"{who}delta_{what}": 0.1 * i + off for who in ("", "control_") for what in ("orientation", "strength")}
        for i, layer in enumerate(LAYERS)
    }
    share = {str(kind): 0.1 + off for kind in ("none", 1, 2, 3, 4)}
    return Run(
        command="nbhelpers reproduce ...",
        dataset="tiny-imagenet",
        network="vgg16",
        seed=seed,
        images={"fitted": 500},
        accuracy={"held_out": 0.8},
        categories=CATEGORIES,
        table1=table1,
        table2={layer: {"mean": 0.8 + off, "control_mean": 0.7} for layer in LAYERS},
        table2_controls={f"{name}_mean": 0.5 for name in ("centred", "random", "uniform", "permuted")},
        angles={name: [d + off for d in distances(CATEGORIES)] for name in ("directions", "features")},
        knowledge_points={layer: {str(step): points(layer, step) for step in range(4)} for layer in COUNTED},
        followed={
            layer: {key: 0.1 + 0.15 * i + off for key in ("points", "reliable", "all_points", "all_reliable")}
            for i, layer in enumerate(LAYERS)
        },
        importance={"conv_53": {f"{who}shapley_pearson_mean": 0.7 + off for who in ("", "strength_", "centred_")}},
        attack=attack,
        attack_sweep={
            "1/255": {
                "types": share,
                "control_types": share,
                "overlap": {who: {"share": 0.1 + off, "chance": 0.3} for who in ("attack", "control_")},
                "before": {who: {"counts": [9 + seed] * 8 + [1] * 12} for who in ("attack", "control_", "all regions")},
                "by_reliability": lost,
            }
        },
        distillation={
            str(student): {"teacher": layers(12), "conv_53": layers(10 + off), "fc": layers(8 - off)}
            for student in range(3)
        },
        students={str(student): {"conv_53": frames(0.1), "fc": frames(0.3 + 2 * off)} for student in range(3)},
    )


def verdict(key, runs, name=TINY):
    """The claim's judgement on these runs."""
    return judged(BY_KEY[key], name, runs, PAPER)


@pytest.fixture
def runs():
    return [made(seed) for seed in range(3)]


def change(runs, path, new):
    """Put what ``new`` makes of a number, and of its seed, in the place of every number on a path; ``*`` is any key."""
    for seed, run in enumerate(runs):
        places = [run]
        *way, last = path.split("|")
        for key in way:
            places = [inner for place in places for inner in (place.values() if key == "*" else [place[key]])]
        for place in places:
            place[last] = new(place[last], seed)


# The claims


def test_the_eighteen_claims_are_there_and_say_what_they_are():
    keys = "T1a T1b T2 F2 F3 F4 F5 F6a F6b F6c F7a F7b F8a F8b F8c F9a F9b F9c".split()
    assert list(BY_KEY) == keys
    for claim in CLAIMS:
        assert all((claim.place, claim.text, claim.measure, claim.test, claim.recorded, claim.rows))
        assert set(claim.rows) <= set(ROWS)
    assert all(BY_KEY[key].rows[:5] == PAPER_ROWS for key in ("T1a", "T1b", "T2", "F6b"))


@pytest.mark.parametrize("key", BY_KEY)
def test_a_claim_that_is_true_on_three_seeds_is_supported(key, runs):
    found = verdict(key, runs)
    assert found.verdict == SUPPORTED and not found.reason
    assert "3 seeds" in found.rests and found.command == "nbhelpers reproduce ..."


FALSE = {
    "T1a": ("table1|ours|pearson_t4", lambda r, seed: -0.8 + 0.001 * seed),
    "T1b": ("table1|drpr|pearson_t4", lambda r, seed: -0.97 + 0.001 * seed),
    "T2": ("table2|conv_53|mean", lambda r, seed: -r),
    "F2": ("angles|directions", lambda angles, seed: [-a for a in angles]),
    "F3": ("knowledge_points|conv_53|3|strength", lambda s, seed: -s),
    "F4": ("followed|conv_12|points", lambda p, seed: 0.7 + 0.001 * seed),
    "F5": ("importance|conv_53|shapley_pearson_mean", lambda r, seed: -r),
    "F6a": ("knowledge_points|conv_43|3|own|total", lambda n, seed: 1 + 0.1 * seed),
    "F6b": ("knowledge_points|conv_43|3|ratio", lambda r, seed: 0.05 + 0.001 * seed),
    "F6c": ("knowledge_points|conv_33|3|truth|*|object", lambda p, seed: 0.9 + 0.001 * seed),
    "F7a": ("attack_sweep|1/255|overlap|attack|share", lambda p, seed: 0.5 + 0.001 * seed),
    "F7b": ("attack_sweep|1/255|before|attack|counts", lambda counts, seed: [1] * 8 + [9 + seed] * 12),
    "F8a": ("attack|conv_12|delta_strength", lambda d, seed: 0.9 + 0.001 * seed),
    "F8b": None,  # that a type was not met does not show that there is none
    "F8c": ("attack_sweep|1/255|by_reliability|attack|strength", lambda d, seed: -d),
    "F9a": ("distillation|*|fc|*|reliable", lambda n, seed: 15 + 0.1 * seed),
    "F9b": ("distillation|*|fc|*|reliable", lambda n, seed: 11 + 0.1 * seed),
    "F9c": ("students|*|fc|frames|turned by regions|strength_size_mean", lambda s, seed: 0.01 + 0.001 * seed),
}


@pytest.mark.parametrize("key", [key for key, path in FALSE.items() if path])
def test_one_number_on_the_other_side_contradicts(key, runs):
    change(runs, *FALSE[key])
    assert verdict(key, runs).verdict == CONTRADICTED


UNSURE = {key: path and path[0] for key, path in FALSE.items()} | {
    "T1b": "table1|ours|pearson_t4",
    "F8b": "attack_sweep|1/255|types|2",
}
"""A number that, thrown about between seeds, leaves a claim open."""


@pytest.mark.parametrize("key", UNSURE)
def test_seeds_that_disagree_leave_it_open_and_say_why(key, runs):
    if key == "F2":
        runs[0]["angles"]["directions"].reverse()
    elif key == "F7b":
        runs[0]["attack_sweep"]["1/255"]["before"]["attack"]["counts"] = [0] * 8 + [9] * 12
    else:
        change(runs, UNSURE[key], lambda number, seed: number + (-30, 0, 30)[seed])
    found = verdict(key, runs)
    assert found.verdict == UNDECIDED and found.reason == "the interval reaches over the bound"


@pytest.mark.parametrize("key", BY_KEY)
def test_what_is_not_recorded_is_named_and_never_guessed(key):
    bare = {name: made()[name] for name in ("command", "images", "accuracy")}
    found = verdict(key, [Run(bare), Run(bare)])
    assert found.verdict == UNDECIDED
    assert found.reason.startswith("not recorded: ")
    assert any(name in found.reason for name in BY_KEY[key].recorded)
    assert all(part.estimate is None and part.interval is None for part in found.parts)


@pytest.mark.parametrize("key", [key for key in BY_KEY if key not in ("F9a", "F9b", "F9c")])
def test_one_seed_without_refits_decides_nothing_but_its_number_is_told(key, runs):
    found = verdict(key, runs[:1])
    assert found.verdict == UNDECIDED and found.reason == ONE_SEED
    assert all(part.estimate is not None for part in found.parts)


@pytest.mark.parametrize(("key", "table", "where"), [("T1a", "table1_halves", "ours"), ("T2", "table2_halves", "")])
@pytest.mark.parametrize(("spread", "expected"), [(0.001, SUPPORTED), (1.0, UNDECIDED)])
def test_refits_on_halves_carry_the_interval_of_one_seed(key, table, where, spread, expected, runs):
    refits = {key: list(-0.95 + spread * np.linspace(-1, 1, 20)) for key in ("pearson_t4", "pearson_t1", "mean")}
    rows = {**refits, "control_mean": [0.7] * 20}
    runs[0][table] = {where: rows} if where else rows
    found = verdict(key, runs[:1])
    assert found.verdict == expected
    low, high = found.parts[0].interval
    assert high - low == pytest.approx(2 * stats.t.ppf(0.975, 19) * np.std(refits["mean"], ddof=1))


def test_a_network_that_names_less_than_half_rightly_stands_apart(runs):
    for run in runs:
        run["accuracy"] = {"held_out": 0.28}
    found = verdict("T2", runs)
    assert found.verdict == UNDECIDED and "28%" in found.reason and "decides no claim" in found.reason
    assert found.parts[0].verdict == SUPPORTED


# Details of single claims


def test_temperature_1_stands_beside_and_decides_nothing(runs):
    change(runs, "table1|ours|pearson_t1", lambda r, seed: 0.5 + 0.001 * seed)
    for key in ("T1a", "T1b"):
        found = verdict(key, runs)
        at_4, at_1 = found.parts
        assert (found.verdict, at_4.verdict, at_1.verdict) == (SUPPORTED, SUPPORTED, CONTRADICTED)
        assert at_1.beside and not at_4.beside


@pytest.mark.parametrize(("ours", "expected"), [(-0.8901, SUPPORTED), (-0.8899, CONTRADICTED)])
def test_table_1_is_repeated_within_a_twentieth_of_the_printed_number(ours, expected, runs):
    change(runs, "table1|ours|pearson_t4", lambda r, seed: ours)
    assert PAPER["table1"][TINY]["ours"] == -0.94
    assert verdict("T1a", runs).verdict == expected


def test_ours_is_held_against_the_best_embedding_and_no_control(runs):
    change(runs, "table1|raw_strength|pearson_t4", lambda r, seed: -0.99)
    change(runs, "table1|lle|pearson_t4", lambda r, seed: -0.8)
    part = verdict("T1b", runs).parts[0]
    assert part.called == "T = 4, less LLE"
    differences = [-0.95 - 0.001 * seed + 0.8 for seed in range(3)]
    interval = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert (part.estimate, *part.interval) == pytest.approx((np.mean(differences), interval.low, interval.high))
    assert part.paper == pytest.approx(-0.94 + 0.87)
    assert part.controls["‖f‖"] == pytest.approx(-0.99 + 0.8)


def test_table_2_is_of_the_last_layer_with_every_control(runs):
    change(runs, "table2|conv_43|mean", lambda r, seed: -0.9)
    part, beyond = verdict("T2", runs).parts
    assert part.estimate == pytest.approx(0.801) and part.paper == 0.7707
    assert part.controls == pytest.approx(
        {"‖f‖": 0.7, "‖f − mean‖": 0.5, "random Λ": 0.5, "Λ to uniform w": 0.5, "Λ to permuted w": 0.5}
    )
    assert beyond.beside and beyond.estimate == pytest.approx(0.101)


def test_points_on_the_object_are_counted_of_both_kinds(runs):
    change(runs, "knowledge_points|conv_53|3|truth|unreliable|object", lambda p, seed: 0.9)
    row = runs[0]["knowledge_points"]["conv_53"]["3"]
    on_object = 0.4 * row["reliable"] + 0.9 * (row["total"] - row["reliable"])
    assert verdict("F6c", runs[:1]).parts[0].estimate == pytest.approx(on_object / row["total"] - 0.2)


def test_regions_are_followed_to_the_layer_before_that_by_which_they_were_chosen(runs):
    change(runs, "followed|conv_53|points", lambda p, seed: -9)
    assert verdict("F4", runs).verdict == SUPPORTED
    change(runs, "followed|conv_43|points", lambda p, seed: 0.01 + 0.001 * seed)
    assert verdict("F4", runs).verdict == CONTRADICTED


def test_students_are_judged_from_three_teachers_on(runs):
    assert verdict("F9a", runs[:2]).reason == "2 of 3 trainings recorded"
    assert verdict("F9a", runs).verdict == SUPPORTED


def test_with_one_teacher_its_students_stand_for_seeds(runs):
    (run,) = runs[:1]
    for student, seed in run["distillation"].items():
        seed["fc"]["conv_53"]["reliable"] -= int(student)
    part = verdict("F9b", [run]).parts[0]
    differences = [-2 - student / 3 for student in range(3)]
    interval = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert (part.estimate, *part.interval) == pytest.approx((np.mean(differences), interval.low, interval.high))


def test_the_untrained_network_is_no_start_of_growth(runs):
    change(runs, "knowledge_points|*|0|total", lambda n, seed: 1e6)
    assert verdict("F6a", runs).verdict == SUPPORTED


def test_null_is_what_could_not_be_measured(runs):
    change(runs, "importance|conv_53|shapley_pearson_mean", lambda r, seed: None)
    assert verdict("F5", runs).reason == "not recorded: importance.conv_53.shapley_pearson_mean"


# The rule


@given(st.floats(-2, 2), st.floats(0, 2), st.floats(-2, 2), st.booleans())
def test_a_verdict_is_where_the_interval_lies(estimate, half, bound, above):
    part = Part("", estimate, (estimate - half, estimate + half), bound=bound, above=above)
    low, high = part.interval
    assert (part.verdict == UNDECIDED) == (low <= bound <= high)
    mirrored = Part("", -estimate, (-high, -low), bound=-bound, above=not above)
    assert part.verdict == mirrored.verdict
    opposite = Part("", estimate, part.interval, bound=bound, above=not above)
    assert {part.verdict, opposite.verdict} in ({UNDECIDED}, {SUPPORTED, CONTRADICTED})


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ("ss", SUPPORTED),
        ("su", UNDECIDED),
        ("sc", CONTRADICTED),
        ("uc", CONTRADICTED),
        ("sC", SUPPORTED),
        ("uS", UNDECIDED),
    ],
)
def test_a_claim_needs_all_its_parts_but_those_beside(parts, expected):
    intervals = {"s": (1, 2), "u": (-1, 2), "c": (-2, -1)}
    made_up = [Part("", 0.0, intervals[kind.lower()], beside=kind.isupper()) for kind in parts]
    assert Judgement(CLAIMS[0], "", "", made_up).verdict == expected


# Meaning


def brute_force(a, b):
    """Steps in the graph of hypernyms, up from both, by trying every path."""

    def paths(word):
        return [[word]] + [[word, *path] for above in HYPERNYMS.get(word, ()) for path in paths(above)]

    ups, others = paths(a), paths(b)
    return min(len(p) + len(q) - 2 for p in ups for q in others if p[-1] == q[-1])


def test_steps_in_wordnet_are_the_shortest():
    names = ["tabby", "golden retriever", "lifeboat", "iPod", "orange", "sports car"]
    assert distances(names) == [brute_force(a, b) for a, b in combinations(names, 2)]


def test_all_of_the_papers_categories_have_a_way_to_the_top():
    categories = recorded("tiny-imagenet-resnet34")["categories"]
    assert len(distances(categories)) == 45
    assert set(HYPERNYMS) >= {above for its in HYPERNYMS.values() for above in its} - {"entity"}
    near = dict(zip(combinations(categories, 2), distances(categories), strict=True))
    assert near["tabby", "golden retriever"] < near["tabby", "orange"]


# The recorded files


@pytest.fixture(scope="module")
def found():
    return judgements()


def test_every_recorded_row_is_judged_or_says_why_not(found):
    assert [(each.claim.key, each.row) for each in found] == [(c.key, ROWS[name]) for c in CLAIMS for name in c.rows]
    for each in found:
        assert each.verdict in (SUPPORTED, CONTRADICTED) or each.reason
        assert "held-out images" in each.rests and "seed" in each.rests
        assert each.command.startswith("nbhelpers reproduce --dataset ")


def test_numbers_are_looked_for_under_keys_that_are_recorded():
    assert {key for claim in CLAIMS for key in claim.recorded} <= {*RESULTS, *IDENTITY, *recorded(TINY)}


def test_a_row_apart_is_cocos(found):
    assert {each.row for each in found if each.apart} == {ROWS["coco-resnet50"]}


def test_what_is_told_are_the_numbers_that_were_judged(runs):
    words = told(verdict("T1a", runs))
    assert words.claim.startswith("T1a. ") and words.paper == "-0.940"
    assert words.here.startswith("T = 4: -0.951 [") and "; T = 1: -0.921 [" in words.here
    assert words.control.startswith("T = 4: ‖f‖ -0.499, ‖f − mean‖ -0.499, random M -0.499; T = 1: ")
    assert (words.verdict, words.reason) == (SUPPORTED, "")


# The table


def test_minus_signs_are_true_and_names_keep_their_hyphens():
    claim = Found("Table 1", "ResNet-34", "-0.94", "t-SNE -0.5", "holds", "--seed 0")
    text = repr(claims_table([claim], "Claims"))
    assert text.splitlines()[2] == "ResNet-34 | −0.94 | t-SNE −0.5 | holds | --seed 0"


@pytest.mark.parametrize(("places", "headers"), [(("Table 1", "Table 1"), 5), (("Fig. 2", "Fig. 5"), 6)])
def test_a_column_of_places_stands_where_they_differ(places, headers):
    claims = [Found(place, "CUB", "-0.9", "-0.8", "in part", "nbhelpers") for place in places]
    page = BeautifulSoup(claims_table(claims, "Claims")._repr_html_(), "html.parser")
    assert len(page.find_all("th", scope="col")) == headers
    assert [row.find("th").text for row in page.tbody.find_all("tr")] == (
        ["CUB", "CUB"] if headers == 5 else list(places)
    )
    assert [row.find("strong").text for row in page.tbody.find_all("tr")] == ["in part", "in part"]


def test_columns_without_a_word_are_left_out_and_controls_have_their_own(runs):
    words = told(verdict("T2", runs))
    assert claims_table([words], "T2").headers == ["data", "the paper", "here", "control", "verdict", "command"]
    open_one = words._replace(reason="one seed")
    assert "why open" in claims_table([words, open_one], "T2").headers


def test_what_a_table_shows_is_text_and_the_command_unfolds():
    claim = Found("Table 1", "<b>data</b>", "-1 & more", "here", "holds", "nbhelpers reproduce --out <x>")
    page = BeautifulSoup(claims_table([claim, claim._replace(place="Fig. 2")], "Claims")._repr_html_(), "html.parser")
    assert [th.text for th in page.find_all("th")] == [
        *"where,data,the paper,here,verdict,command".split(","),
        "Table 1",
        "Fig. 2",
    ]
    assert [td.text for td in page.find_all("td")][:4] == ["<b>data</b>", "−1 & more", "here", "holds"]
    assert page.find("details").find("code").text == "nbhelpers reproduce --out <x>"
    assert page.find("b") is None
