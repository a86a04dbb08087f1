"""Paper and here: verdicts by their rules, intervals against other libraries, every row of the paper present."""

import copy

import numpy as np
import pytest
from bs4 import BeautifulSoup
from scipy import stats

from nbhelpers.experiments import claims as report
from nbhelpers.experiments.intervals import mean_interval, pearson_interval, spread_interval
from nbhelpers.experiments.results import recorded
from nbhelpers.show import claims_table

PAPER = recorded("paper")


@pytest.fixture
def runs(monkeypatch):
    """Recorded runs that a test may change."""
    found = {name: copy.deepcopy(report.runs_of(name)) for name in report.ROWS}
    monkeypatch.setattr(report, "runs_of", lambda name: found[name])
    return found


def verdicts(claims):
    return {claim.data.split(";")[0]: claim.verdict for claim in claims}


def test_every_row_of_both_tables_and_every_figure_is_there():
    assert list(verdicts(report.table1_claims(PAPER))) == list(report.ROWS.values())
    assert list(verdicts(report.table2_claims(PAPER))) == list(report.ROWS.values())
    places = " ".join(claim.place for claim in report.figure_claims(PAPER))
    assert all(f"Fig. {n}" in places for n in (2, 3, 5, 6, 7, 8, 9)) and "3, 4" in places


def test_every_claim_says_on_how_many_images_and_how_to_repeat_it():
    claims = [*report.table1_claims(PAPER), *report.table2_claims(PAPER), *report.figure_claims(PAPER)]
    for claim in claims:
        assert ("held-out images" in claim.data and "seed" in claim.data) or "students" in claim.data, claim
        assert claim.command.startswith("nbhelpers reproduce --dataset ")
        assert claim.verdict in (report.HOLDS, report.IN_PART, report.FAILS)
        assert claim.paper and claim.here


@pytest.mark.parametrize(
    ("ours", "pca", "verdict"),
    [(-0.95, -0.9, "holds"), (-0.94, -0.9, "in part"), (-0.96, -0.97, "in part"), (-0.9, -0.91, "does not hold")],
)
def test_a_row_of_table_1_must_reach_its_target_and_be_the_best(runs, ours, pca, verdict):
    (run,) = runs["tiny-imagenet-resnet34"]
    for method in ("pca", "tsne", "lle", "isomap", "drpr"):
        run["table1"][method]["pearson_t4"] = -0.5
    run["table1"]["ours"]["pearson_t4"], run["table1"]["pca"]["pearson_t4"] = ours, pca
    claim = next(c for c in report.table1_claims(PAPER) if "ResNet-34" in c.data)
    assert claim.verdict == verdict
    assert ("It misses -0.95" in claim.here) == (ours > -0.95)
    assert ("PCA comes closer" in claim.here) == (pca < ours)


def test_seeds_in_which_another_embedding_is_stronger_are_counted(runs):
    for run, pca in zip(runs["cub-resnet34"], (-0.9, -0.97, -0.9), strict=True):
        for method in ("pca", "tsne", "lle", "isomap", "drpr"):
            run["table1"][method]["pearson_t4"] = -0.5
        run["table1"]["ours"]["pearson_t4"], run["table1"]["pca"]["pearson_t4"] = -0.95, pca
    claim = next(c for c in report.table1_claims(PAPER) if "CUB" in c.data)
    assert "The strongest in 2 of 3 seeds" in claim.here and claim.verdict == "holds"


def test_the_control_is_no_embedding(runs):
    (run,) = runs["tiny-imagenet-resnet34"]
    for method, value in zip(run["table1"], [-0.96, *[-0.5] * 5, -0.99], strict=True):
        run["table1"][method]["pearson_t4"] = value
    assert list(run["table1"])[-1] == report.CONTROL
    assert verdicts(report.table1_claims(PAPER))["Tiny ImageNet × ResNet-34"] == "holds"


@pytest.mark.parametrize(("mean", "verdict"), [(0.77, "holds"), (0.769, "does not hold")])
def test_a_row_of_table_2_holds_from_its_target(runs, mean, verdict):
    for run in runs["cub-resnet34"]:
        run["table2"]["block_43"]["mean"] = mean
    assert verdicts(report.table2_claims(PAPER))["CUB × ResNet-34"] == verdict


def test_the_interval_of_a_correlation_is_scipys():
    x = np.random.default_rng(0).normal(size=(2, 60))
    x[1] += x[0]
    found = stats.pearsonr(*x)
    theirs = found.confidence_interval(0.95)
    assert pearson_interval(found.statistic, 60) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_the_interval_of_a_mean_is_scipys():
    values = [0.3, 0.5, 0.45]
    mean, low, high = mean_interval(values)
    t = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (mean, low, high) == pytest.approx((np.mean(values), t.low, t.high))


def test_the_interval_over_images_covers_the_mean_in_95_of_100_draws():
    draws = np.random.default_rng(0).normal(2, 3, size=(4000, 80))
    covered = [low < 2 < high for low, high in (spread_interval(d.mean(), d.std(), 80) for d in draws)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(("last", "verdict"), [(0.351, "holds"), (0.349, "does not hold")])
def test_depth_must_show_clearly(runs, last, verdict):
    for run in runs["cub-resnet34"]:
        for layer, ratio in zip(run["knowledge_points"], (0.3, 0.2, last), strict=True):
            list(run["knowledge_points"][layer].values())[-1]["ratio"] = ratio
    claims = [claim for claim in report.figure_claims(PAPER) if claim.place == "Fig. 3, 4"]
    assert verdicts(claims)["CUB × ResNet-34"] == verdict


@pytest.mark.parametrize(
    ("numbers", "ratios", "verdict"),
    [
        ((1.9, 2.0, 2.1), (0.1, 0.11, 0.12), "holds"),
        ((-3.0, 2.0, 7.0), (0.1, 0.11, 0.12), "in part"),
        ((1.9, 2.0, 2.1), (-0.3, 0.1, 0.5), "in part"),
        ((-3.0, 2.0, 7.0), (-0.3, 0.1, 0.5), "does not hold"),
        ((-1.9, -2.0, -2.1), (-0.1, -0.11, -0.12), "does not hold"),
    ],
)
def test_a_student_has_fewer_reliable_points_if_number_and_ratio_both_decide(runs, numbers, ratios, verdict):
    seeds = runs["tiny-imagenet-vgg16"][0]["distillation"].values()
    for seed, number, ratio in zip(seeds, numbers, ratios, strict=True):
        seed["fc"]["conv_53"] |= {"reliable": 10.0, "ratio": 0.4}
        seed["conv_53"]["conv_53"] |= {"reliable": 10.0 + number, "ratio": 0.4 + ratio}
    (claim,) = (claim for claim in report.figure_claims(PAPER) if claim.place == "Fig. 9")
    assert claim.verdict == verdict
    t = stats.ttest_1samp(numbers, 0).confidence_interval(0.95)
    assert f"number higher by {np.mean(numbers):.2f} [{t.low:.2f}, {t.high:.2f}]" in claim.here


def test_minus_signs_are_true_and_names_keep_their_hyphens():
    claim = report.Claim("Table 1", "ResNet-34", "-0.94", "t-SNE -0.5", "holds", "--seed 0")
    text = repr(claims_table([claim], "Claims"))
    assert text.splitlines()[2] == "ResNet-34 | −0.94 | t-SNE −0.5 | holds | --seed 0"


@pytest.mark.parametrize(("places", "headers"), [(("Table 1", "Table 1"), 5), (("Fig. 2", "Fig. 5"), 6)])
def test_a_column_of_places_stands_where_they_differ(places, headers):
    claims = [report.Claim(place, "CUB", "-0.9", "-0.8", "in part", "nbhelpers") for place in places]
    page = BeautifulSoup(claims_table(claims, "Claims")._repr_html_(), "html.parser")
    assert len(page.find_all("th", scope="col")) == headers
    assert [row.find("th").text for row in page.tbody.find_all("tr")] == (
        ["CUB", "CUB"] if headers == 5 else list(places)
    )
    assert [row.find("strong").text for row in page.tbody.find_all("tr")] == ["in part", "in part"]


def test_what_a_table_shows_is_text_and_the_command_unfolds():
    claim = report.Claim("Table 1", "<b>data</b>", "-1 & more", "here", "holds", "nbhelpers reproduce --out <x>")
    page = BeautifulSoup(claims_table([claim, claim._replace(place="Fig. 2")], "Claims")._repr_html_(), "html.parser")
    assert [th.text for th in page.find_all("th")] == [
        *"where,data,the paper,here,verdict,command".split(","),
        "Table 1",
        "Fig. 2",
    ]
    assert [td.text for td in page.find_all("td")][:4] == ["<b>data</b>", "−1 & more", "here", "holds"]
    assert page.find("details").find("code").text == "nbhelpers reproduce --out <x>"
    assert page.find("b") is None
