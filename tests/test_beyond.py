"""Claims on networks that others trained: verdicts by their rules, on runs that the test makes."""

import copy

import numpy as np
import pytest
from scipy import stats

from nbhelpers import show
from nbhelpers.experiments import beyond
from nbhelpers.experiments.beyond import FAILS, HOLDS, IN_PART
from nbhelpers.experiments.results import recorded
from nbhelpers.probes.baselines import NAMES

PAPER = recorded("paper")
LAYERS = ("early", "middle", "late")


def run(draw=0):
    """One draw of a network on which everything holds."""
    table1 = {method: {"pearson_t4": -0.5, "pearson_t1": -0.3} for method in NAMES}
    table1["ours"] = {"pearson_t4": -0.95 - 0.001 * draw, "pearson_t1": -0.6}
    fit = {"mean": 0.8, "std": 0.1, "control_mean": 0.6}
    ratios = dict(zip(LAYERS, (0.2, 0.4, 0.6), strict=True))
    turned = dict(zip(LAYERS, (0.01, 0.1, 0.3), strict=True))
    shapley = {"": 0.8, "strength_": 0.6, "h_": 0.7}
    return {
        "command": "python data/record_pretrained.py ...",
        "dataset": "imagenette",
        "network": "tiny",
        "seed": draw,
        "images": {"fitted": 1000},
        "table1": table1,
        "table2": {layer: fit for layer in LAYERS},
        "knowledge_points": {layer: {"as it is": {"ratio": ratio}} for layer, ratio in ratios.items()},
        "importance": {
            "middle": {
                "images": 30,
                "shapley_pearson_std": 0.1,
                **{f"{key}shapley_pearson_mean": r for key, r in shapley.items()},
            }
        },
        "attack": {
            layer: {"delta_orientation": value, "control_delta_orientation": 0.01} for layer, value in turned.items()
        },
        "attack_sweep": {"1/255": {"right": 29, "success_rate": 0.9}},
    }


@pytest.fixture
def draws(monkeypatch):
    """Three draws of each network, which a test may change."""
    runs = {name: [copy.deepcopy(run(draw)) for draw in range(3)] for name in beyond.NETWORKS}
    monkeypatch.setattr(beyond, "runs_of", lambda name: runs[name])
    return runs


def first(draws, **changes):
    """The first network's claims by their places, after changes to all of its draws: keys to follow, and the value."""
    for path, value in changes.items():
        *way, last = path.split("__")
        for one in next(iter(draws.values())):
            at = one
            for key in way:
                at = at[key.replace("EMPTY", "")]
            at[last] = value
    name = next(iter(beyond.NETWORKS.values()))
    return {claim.place: claim for claim in beyond.beyond_claims(PAPER) if claim.data.startswith(f"{name};")}


def test_every_network_has_every_claim_with_its_images_draws_and_command(draws):
    claims = list(beyond.beyond_claims(PAPER))
    assert len(claims) == 5 * len(beyond.NETWORKS)
    for claim in claims:
        assert "validation images, 3 draws" in claim.data and claim.verdict == HOLDS
        assert claim.command.startswith("python data/record_pretrained.py")
    assert "30 of Imagenette" in first(draws)["Fig. 5"].data and "29 of Imagenette" in first(draws)["Fig. 8"].data


@pytest.mark.parametrize(
    ("place", "changes", "verdict"),
    [
        ("Table 1", {"table1__drpr__pearson_t4": -0.99}, IN_PART),
        ("Table 1", {"table1__raw_strength__pearson_t4": -0.99}, IN_PART),
        ("Table 1", {"table1__drpr__pearson_t4": -0.99, "table1__raw_strength__pearson_t4": -0.99}, FAILS),
        ("Table 2", {"table2__late__mean": 0.7}, IN_PART),
        ("Table 2", {"table2__late__control_mean": 0.81}, IN_PART),
        ("Table 2", {"table2__late__mean": 0.5}, FAILS),
        ("Fig. 5", {"importance__middle__strength_shapley_pearson_mean": 0.9}, IN_PART),
        ("Fig. 5", {"importance__middle__shapley_pearson_mean": 0.4}, FAILS),
        ("Fig. 5", {"importance__middle__shapley_pearson_std": 1.0}, IN_PART),
        ("Fig. 8", {"attack__early__delta_orientation": 0.2}, IN_PART),
        ("Fig. 8", {"attack__late__control_delta_orientation": 0.2}, IN_PART),
    ],
)
def test_a_verdict_follows_its_rule(draws, place, changes, verdict):
    assert first(draws, **changes)[place].verdict == verdict


@pytest.mark.parametrize(("ratio", "verdict"), [(0.46, HOLDS), (0.44, FAILS), (0.1, FAILS)])
def test_the_deepest_layer_must_be_clearly_the_most_reliable(draws, ratio, verdict):
    for one in next(iter(draws.values())):
        one["knowledge_points"]["late"]["as it is"]["ratio"] = ratio
    assert first(draws)["Fig. 3, 4"].verdict == verdict


def test_numbers_are_means_over_draws_and_intervals_are_over_images(draws):
    r, half = np.arctanh(-0.951), stats.norm.ppf(0.975) / np.sqrt(997)
    assert f"-0.951 [{np.tanh(r - half):.3f}, {np.tanh(r + half):.3f}]" in first(draws)["Table 1"].here
    half = stats.norm.ppf(0.975) * 0.1 / np.sqrt(1000)
    assert f"0.800 [{0.8 - half:.3f}, {0.8 + half:.3f}]" in first(draws)["Table 2"].here


def test_a_single_draw_is_said_to_be_one(draws):
    for runs in draws.values():
        del runs[1:]
    assert all("one draw" in claim.data for claim in first(draws).values())


def test_means_are_over_draws_and_make_a_table_without_the_papers_column(draws):
    runs = next(iter(draws.values()))
    averaged = beyond.means(runs)
    assert averaged["table1"]["ours"]["pearson_t4"] == pytest.approx(-0.951)
    text = str(show.table1({"tiny": averaged}))
    assert "ours | −0.951 | −0.600" in text and "paper" not in text
    assert "paper" not in str(show.table2({"tiny": runs[0]}))
