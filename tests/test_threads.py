"""One seed gives one network, bit for bit: beside other processes and threads, and whatever a process may take."""

import numpy as np
import pytest
import torch
from distributed import LocalCluster
from test_training import tiny_set

from nbhelpers import build
from nbhelpers.experiments.parallel import in_parallel
from nbhelpers.experiments.stages import Stage, run
from nbhelpers.networks.tensors import digest
from nbhelpers.networks.threads import fixed_threads
from nbhelpers.networks.training import Recipe, train


@pytest.fixture(autouse=True)
def two_threads():
    """As on a laptop, where the tests themselves take one."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def trained(folder: str, seed: int) -> str:
    """The sha256 of the weights of a network with dropout: it draws from the numbers of its process."""
    if torch.get_num_threads() < 2:
        torch.set_num_threads(2)
    network = build("vgg16", 2, width=0.125, input_size=32, seed=seed)
    train(network, tiny_set(), folder, Recipe(epochs=1, batch_size=8, checkpoints=2), seed=seed)
    return digest(network.state_dict())


@pytest.mark.slow
@pytest.mark.network
def test_one_process_two_and_a_cluster_train_the_same_networks(tmp_path):
    """The cluster's only worker is given two trainings at once, in two threads."""

    def digests(name, **options):
        calls = [(Stage(trained, (str(tmp_path / f"{name}-{seed}"), seed)), tmp_path) for seed in range(3)]
        return [result["value"] for result in in_parallel(run, calls, describe=name, **options)]

    alone = digests("alone")
    assert len(set(alone)) == 3
    assert digests("beside", jobs=2) == alone
    with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0", silence_logs=50) as cluster:
        assert digests("cluster", cluster=cluster.scheduler_address) == alone


def test_another_number_of_threads_is_another_network(tmp_path):
    """So the number belongs to the recipe; were it not so, the test above would show nothing."""
    weights = []
    for threads in (1, 2):
        network = build("vgg16", 2, width=0.125, input_size=32)
        recipe = Recipe(epochs=1, batch_size=8, checkpoints=2, threads=threads)
        train(network, tiny_set(), tmp_path / str(threads), recipe)
        weights.append(network.head.weight.detach().numpy())
    assert not np.array_equal(*weights)


def threads(*_: str) -> int:
    return torch.get_num_threads()


def test_a_stage_computes_with_one_thread_and_gives_the_others_back(tmp_path):
    assert run(Stage(threads), tmp_path)["value"] == 1
    assert torch.get_num_threads() == 2


def test_threads_are_given_back_after_an_error():
    with pytest.raises(ZeroDivisionError), fixed_threads(1):
        raise ZeroDivisionError
    assert torch.get_num_threads() == 2
