"""Region Shapley values: the four axioms, brute force, closed forms, captum, and honest standard errors."""

import itertools
import math

import numpy as np
import pytest
import torch
from captum.attr import ShapleyValues, ShapleyValueSampling
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from nbhelpers import ImageSet, Network, build
from nbhelpers.networks.tails import tail_of
from nbhelpers.networks.taps import tapped
from nbhelpers.probes import shapley
from nbhelpers.probes.games import Game
from nbhelpers.probes.shapley import region_shapley

METHODS = ("exact", "permutation")


class TableGame(nn.Module):
    """Any game at all: a payoff for each coalition of one-channel regions (1 when present, 0 when absent)."""

    def __init__(self, payoffs):
        super().__init__()
        self.register_buffer("payoffs", torch.as_tensor(payoffs, dtype=torch.float64))

    def forward(self, x):
        present = (x.flatten(1) > 0.5).long()
        return self.payoffs[present @ 2 ** torch.arange(present.shape[1])][:, None]


class Largest(nn.Module):
    """The airport game: a coalition is paid its largest member."""

    def forward(self, x):
        return x.flatten(1).amax(dim=1, keepdim=True)


def airport(costs):
    """Its Shapley values in closed form (Littlechild and Owen, 1973)."""
    order = np.argsort(costs)
    steps = np.diff(costs[order], prepend=0) / np.arange(len(costs), 0, -1)
    values = np.empty(len(costs))
    values[order] = steps.cumsum()
    return values


def play(payoffs, method="exact", **options):
    players = round(math.log2(len(payoffs)))
    ones = np.ones((1, 1, players), np.float32)
    return region_shapley(TableGame(payoffs), ones, 0, method=method, precision=0, **options)


def brute_force(payoffs):
    """The average over all orders, one by one."""
    players = round(math.log2(len(payoffs)))
    orders = list(itertools.permutations(range(players)))
    values = np.zeros(players)
    for order in orders:
        coalition = 0
        for r in order:
            values[r] += payoffs[coalition | 1 << r] - payoffs[coalition]
            coalition |= 1 << r
    return values / len(orders)


@pytest.fixture
def tail():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.MaxPool2d(2, stride=1, padding=1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(20, 32),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(32, 4),
        )


@pytest.fixture
def regions():
    return np.random.default_rng(1).exponential(size=(3, 5, 3, 3)).astype(np.float32) * 3


def games(players):
    return st.lists(st.floats(-10, 10), min_size=2**players, max_size=2**players).map(np.array)


# --- what a Shapley value is -------------------------------------------------------------------------------------


@given(games(4))
@settings(max_examples=30)
def test_exact_is_the_average_over_all_orders(payoffs):
    np.testing.assert_allclose(play(payoffs)[0], brute_force(payoffs), atol=1e-12)


@pytest.mark.parametrize("baseline", [0.0, -1.5, "mean", np.arange(5, dtype=np.float32)], ids=str)
@pytest.mark.parametrize("output", ["logit", "log_probability"])
@pytest.mark.parametrize("method", METHODS)
def test_efficiency(tail, regions, method, output, baseline):
    """The values of an image sum to its score above the baseline's, whichever permutations were drawn."""
    target = np.array([2, 0, 3])
    values, _ = region_shapley(
        tail, regions, target, baseline, method=method, output=output, permutations=4, precision=0
    )
    absent = np.empty_like(regions)
    absent[:] = regions.mean((2, 3), keepdims=True) if isinstance(baseline, str) else np.reshape(baseline, (-1, 1, 1))
    tail.eval()
    with torch.no_grad():
        there, gone = tail(torch.from_numpy(regions.copy())), tail(torch.from_numpy(absent))
    if output == "log_probability":
        there, gone = there.log_softmax(1), gone.log_softmax(1)
    np.testing.assert_allclose(values.sum(1), (there - gone).numpy()[np.arange(3), target], atol=2e-6)


@given(games(5), st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_symmetry(payoffs, random):
    """Two players that every coalition may swap get the same."""
    i, j = random.sample(range(5), 2)
    index = np.arange(32)
    swapped = index & ~(1 << i | 1 << j) | (index >> i & 1) << j | (index >> j & 1) << i
    values, _ = play(payoffs + payoffs[swapped])
    assert values[i] == pytest.approx(values[j], abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
@given(games(5), st.integers(0, 4))
@settings(max_examples=20)
def test_a_dummy_gets_nothing(method, payoffs, dummy):
    payoffs = payoffs[np.arange(32) & ~(1 << dummy)]
    values, errors = play(payoffs, method, permutations=8)
    assert values[dummy] == pytest.approx(0, abs=1e-12)
    assert errors[dummy] == 0


@pytest.mark.parametrize("method", METHODS)
@given(games(5), games(5), st.floats(-3, 3))
@settings(max_examples=20)
def test_linearity(method, v, w, a):
    together, _ = play(v + a * w, method, permutations=8)
    apart = play(v, method, permutations=8)[0] + a * play(w, method, permutations=8)[0]
    np.testing.assert_allclose(together, apart, atol=1e-10)


def test_sixteen_players_in_closed_form():
    costs = np.random.default_rng(0).exponential(size=16).astype(np.float32)
    values, errors = region_shapley(Largest(), costs.reshape(1, 4, 4), 0)
    np.testing.assert_allclose(values, airport(costs), atol=1e-7)
    assert not errors.any()


def test_many_players_in_closed_form():
    costs = np.random.default_rng(1).exponential(size=64).astype(np.float32)
    values, errors = region_shapley(
        Largest(), costs.reshape(1, 8, 8), 0, method="permutation", precision=0, permutations=4000
    )
    z = (values - airport(costs)) / errors
    assert abs(z).max() < 4
    assert 0.6 < np.sqrt(np.mean(z**2)) < 1.4


def test_equal_to_captum_on_all_permutations(tail, regions):
    tail.eval()
    x = torch.from_numpy(regions[:1, :, :2, :2])
    blocks = torch.arange(4).view(1, 1, 2, 2)
    theirs = ShapleyValues(tail).attribute(x.clone(), 0, target=2, feature_mask=blocks, perturbations_per_eval=4)
    ours, _ = region_shapley(tail, x[0], 2)
    np.testing.assert_allclose(ours, theirs[0, 0].flatten(), atol=1e-5)


def test_equal_to_captum_within_sampling_error(tail, regions):
    tail.eval()
    x, n = torch.from_numpy(regions[:1]), 400
    exact, _ = region_shapley(tail, x[0], 1)
    blocks = torch.arange(9).view(1, 1, 3, 3)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        runs = [
            ShapleyValueSampling(tail).attribute(
                x.clone(), 0, target=1, feature_mask=blocks, n_samples=n // 8, perturbations_per_eval=9
            )[0, 0]
            for _ in range(8)
        ]
    theirs = torch.stack(runs).flatten(1).double()
    z = (theirs.mean(0) - exact) / (theirs.std(0) / 8**0.5)
    assert abs(z).max() < 5  # seven degrees of freedom
    sampled, errors = region_shapley(tail, x[0], 1, method="permutation", permutations=n, precision=0)
    assert (abs(sampled - exact) / errors).max() < 4
    assert errors.mean() < theirs.std(0).mean() / 8**0.5  # the same number of permutations tells more in pairs


# --- sampling ----------------------------------------------------------------------------------------------------


def test_a_pair_is_exact_where_only_two_regions_interact():
    rng = np.random.default_rng(2)
    q = rng.normal(size=(6, 6))
    members = (np.arange(64)[:, None] >> np.arange(6)) & 1
    payoffs = np.einsum("si,ij,sj->s", members, q, members)
    values, errors = play(payoffs, "permutation", permutations=4)
    np.testing.assert_allclose(values, brute_force(payoffs), atol=1e-12)
    assert errors.max() < 1e-12


def test_standard_errors_are_calibrated(tail, regions):
    exact, _ = region_shapley(tail, regions[0], 1)
    runs = [
        region_shapley(tail, regions[0], 1, method="permutation", permutations=128, precision=0, random_state=s)
        for s in range(150)
    ]
    z = np.array([(values - exact) / errors for values, errors in runs])
    assert 0.93 < np.mean(abs(z) < 1.96) < 0.97
    assert abs(z.mean()) < 0.1  # unbiased
    assert 0.9 < np.mean(z**2) < 1.15


def test_stops_when_precise_and_not_later(tail, regions):
    seen = []
    handle = tail.register_forward_pre_hook(lambda _m, args: seen.append(len(args[0])))
    for precision in (0.1, 0.02):
        seen.clear()
        values, errors = region_shapley(tail, regions[1], 1, method="permutation", precision=precision)
        permutations = (sum(seen) - 3) / 8  # one run to look at the tail, two ends, 8 coalitions a permutation
        assert errors.max() <= precision * np.ptp(values)
        assert permutations % 32 == 0
        assert permutations < 4000
        if permutations > 32:
            earlier = region_shapley(
                tail, regions[1], 1, method="permutation", precision=0, permutations=int(permutations) - 32
            )
            assert earlier[1].max() > precision * np.ptp(earlier[0])
    handle.remove()
    assert permutations > 32


def test_warns_when_the_bound_comes_first(tail, regions):
    with pytest.warns(ConvergenceWarning, match=r"3 of 3 images.* 6 permutations.*0\.10%"):
        region_shapley(tail, regions, 1, method="permutation", permutations=6, precision=0.001)


@pytest.mark.parametrize(
    ("grid", "blocks", "players"),
    [
        ((4, 4), (2, 2), [0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3]),
        ((2, 6), (1, 3), [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]),
        ((3, 5), (2, 2), [0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 2, 2, 2, 3, 3]),
        ((3, 3), (3, 3), range(9)),
        ((1, 2), (1, 1), [0, 0]),
    ],
)
def test_blocks_of_the_grid_play_together(grid, blocks, players):
    rows, columns = grid
    costs = np.arange(1.0, 1 + rows * columns).reshape(1, rows, columns).astype(np.float32)
    tail = nn.Sequential(nn.Flatten(), nn.Linear(rows * columns, 2))
    named, _ = region_shapley(tail, costs, 1, players=np.array(players))
    values, _ = region_shapley(tail, costs, 1, players=blocks)
    np.testing.assert_array_equal(values, named)
    assert len(values) == blocks[0] * blocks[1]


def test_equal_seeds_give_equal_bits(tail, regions):
    def run(x, seed):
        return region_shapley(tail, x, 1, method="permutation", permutations=20, precision=0, random_state=seed)

    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other, alone = run(regions, 0), run(regions, 0), run(regions, 1), run(regions[0], 0)
    np.testing.assert_array_equal(first, again)
    assert (first[0] != other[0]).any()
    np.testing.assert_array_equal(alone, np.array(first)[:, 0])  # an image's values do not depend on its neighbours
    twice = run(np.stack([regions[0]] * 2), 0)[0]
    assert (twice[0] != twice[1]).any()  # each image has permutations of its own: errors average out over images
    assert torch.equal(before[0], torch.random.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


# --- how it is run -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_batches_do_not_change_the_values(tail, regions, method):
    whole = region_shapley(tail, regions, 1, method=method, permutations=10, precision=0, batch_size=4096)
    parts = region_shapley(tail, regions, 1, method=method, permutations=10, precision=0, batch_size=7)
    np.testing.assert_allclose(whole, parts, atol=1e-6)


def test_each_image_has_its_own_target(tail, regions):
    together, _ = region_shapley(tail, regions, np.array([3, 0, 1]))
    for i, target in enumerate((3, 0, 1)):
        np.testing.assert_array_equal(together[i], region_shapley(tail, regions[i], target)[0])


def test_blocks_play_as_one():
    """An 8 x 8 grid in 16 blocks: exact is possible, and a block of the airport game is its largest region."""
    costs = np.random.default_rng(3).exponential(size=(8, 8)).astype(np.float32)
    players = np.kron(np.arange(16).reshape(4, 4), np.ones((2, 2), int)).ravel()
    values, _ = region_shapley(Largest(), costs[None], 0, players=players)
    largest = costs.reshape(4, 2, 4, 2).max(axis=(1, 3)).ravel()
    np.testing.assert_allclose(values, airport(largest), atol=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_one_player_gets_everything_and_nothing_is_shared_as_nothing(method):
    values, errors = region_shapley(Largest(), np.full((1, 1, 1), 3.0), 0, method=method)
    assert (values.tolist(), errors.tolist()) == ([3.0], [0.0])
    values, errors = region_shapley(Largest(), np.zeros((1, 2, 3)), 0, method=method)
    assert not values.any()
    assert not errors.any()


def test_gives_what_it_was_given_and_leaves_it_alone(tail, regions):
    kept, baseline, target = regions.copy(), np.ones(5, np.float32), np.array([1, 2, 3])
    for method in METHODS:
        values, errors = region_shapley(tail, regions, target, baseline, method=method, permutations=4, precision=0)
        assert values.dtype == errors.dtype == np.float64
        assert values.shape == errors.shape == (3, 9)
        x = torch.from_numpy(regions).requires_grad_()
        as_tensors = region_shapley(tail, x, torch.tensor(target), baseline, method=method, permutations=4, precision=0)
        assert all(isinstance(t, torch.Tensor) and not t.is_inference() for t in as_tensors)
        np.testing.assert_array_equal(as_tensors[0], values)
    np.testing.assert_array_equal(regions, kept)
    np.testing.assert_array_equal(baseline, np.ones(5))
    np.testing.assert_array_equal(target, [1, 2, 3])


def test_mode_is_put_back_even_after_an_error(tail, regions):
    tail.train()
    tail[4].eval()
    modes = [m.training for m in tail.modules()]
    first, _ = region_shapley(tail, regions[0], 1)
    assert [m.training for m in tail.modules()] == modes
    np.testing.assert_array_equal(first, region_shapley(tail, regions[0], 1)[0])  # no dropout while it ran
    with pytest.raises(ValueError, match=r"target.* 9"):
        region_shapley(tail, regions[0], 9)
    assert [m.training for m in tail.modules()] == modes
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in tail.modules())


def test_nothing_is_made_on_the_wrong_device(tail):
    """The computation runs on the meta device, where a tensor made elsewhere would be refused."""
    tail.to("meta")
    regions, players = torch.zeros(1, 5, 3, 3, device="meta"), torch.arange(9, device="meta")
    game = Game(tail, regions, torch.zeros(1, dtype=torch.long, device="meta"), players, output="log_probability")
    orders = torch.empty(6, 9, dtype=torch.long, device="meta")
    masks = shapley.prefixes(orders).flatten(0, 1)
    v = game.payoff(masks, torch.zeros(len(masks), dtype=torch.long, device="meta"))
    assert v.device.type == "meta"
    assert shapley.contributions(orders, v.view(6, 8), torch.empty(2, dtype=torch.float64, device="meta")).is_meta


def nan_tail():
    linear = nn.Linear(45, 2)
    nn.init.constant_(linear.weight, math.nan)
    return nn.Sequential(nn.Flatten(), linear)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"regions": np.zeros((5, 3))}, r"3 or 4 axes.*\(5, 3\)"),
        ({"regions": np.zeros((0, 5, 3, 3))}, "regions is empty"),
        ({"regions": np.full((5, 3, 3), np.nan)}, "regions.* 45 NaN"),
        ({"regions": np.zeros((4, 3, 3))}, r"tail.*regions.*\(4, 3, 3\)"),
        ({"tail": nn.Identity()}, r"logits.*\(1, 5, 3, 3\)"),
        ({"tail": nan_tail()}, "tail's output.*NaN"),
        ({"regions": np.zeros((5, 5, 5))}, "25 players.* 16 .*'permutation'"),
        ({"target": 4}, "target.* 3.* 4"),
        ({"target": -1}, "target.*-1"),
        ({"target": 1.0}, "target.*float64"),
        ({"target": np.array([1, 2])}, r"regions has 1, target has 2"),
        ({"baseline": "blur"}, "baseline.*'mean'.*'blur'"),
        ({"baseline": math.inf}, "baseline.* 1 NaN"),
        ({"baseline": np.zeros(4)}, "5 channels, got 4"),
        ({"baseline": np.zeros((5, 3, 3))}, "baseline.*0 or 1 axes"),
        ({"players": np.zeros(4, int)}, r"players.* 9 .*\(4,\)"),
        ({"players": np.zeros(9)}, "players.*float64"),
        ({"players": (4, 3)}, r"players.*3 x 3.*\(4, 3\)"),
        ({"players": (0, 3)}, r"players.*3 x 3.*\(0, 3\)"),
        ({"players": (3,)}, r"players.*3 x 3.*\(3,\)"),
        ({"players": (1.5, 2)}, r"players.*3 x 3.*1\.5"),
        ({"players": np.array([0, 0, 0, 1, 1, 1, 3, 3, 3])}, r"gap.*\[0, 1, 3\]"),
        ({"method": "kernel"}, "'exact', 'permutation', got 'kernel'"),
        ({"output": "probability"}, "'logit', 'log_probability', got 'probability'"),
        ({"permutations": 2}, "even number of at least 4, got 2"),
        ({"permutations": 7}, "even number of at least 4, got 7"),
        ({"precision": -0.1}, "precision.*-0.1"),
        ({"precision": math.nan}, "precision.*nan"),
        ({"batch_size": 0}, "batch_size.*at least 1, got 0"),
    ],
)
def test_bad_input_is_refused(tail, arguments, message):
    asked = {"tail": tail, "regions": np.ones((5, 3, 3), np.float32), "target": 1, **arguments}
    with pytest.raises(ValueError, match=message):
        region_shapley(**asked)


# --- the part of the network after a layer -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def network():
    return build("vgg16", 4, width=0.0625, input_size=32, seed=3).eval()


@torch.no_grad()
def test_a_tail_continues_where_its_layer_ended(network):
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with tapped(network.body, network.layers) as caught:
        logits = network(images)
    for layer, features in caught.items():
        torch.testing.assert_close(tail_of(network, layer)(features.clone()), logits)


def test_a_tail_shares_the_networks_modules_and_leaves_its_mode(network):
    tail = tail_of(network, "conv_53")
    assert [type(m).__name__ for m in tail] == ["MaxPool2d", "AdaptiveAvgPool2d", "Flatten", "Sequential"]
    assert tail[-1][-1] is network.head
    assert not network.training


def test_an_absent_layer_is_named_beside_those_that_exist(network):
    with pytest.raises(ValueError, match=r"conv_99.*conv_11.*conv_53"):
        tail_of(network, "conv_99")


def test_a_layer_beside_a_shortcut_has_no_tail():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x):
            return x + self.conv(x)

    body = nn.Sequential(Block(), nn.Flatten(), nn.Linear(12, 2))
    residual = Network(body, {"inside": "0.conv", "block": "0"}, "2")
    assert isinstance(tail_of(residual, "block")[0], nn.Flatten)
    images = ImageSet(np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2), np.arange(2), ("a", "b"), "held_out")
    with pytest.raises(ValueError, match=r"depend on inside alone.*block"):
        tail_of(residual, "inside", images)
