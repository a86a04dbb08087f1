"""Runs on a cluster and runs that are killed end with the numbers of one that ran through in one process."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from distributed import LocalCluster
from tiny import shrink

from nbhelpers.experiments import parallel
from nbhelpers.experiments.parallel import in_parallel
from nbhelpers.experiments.reproduce import plan, sweep
from nbhelpers.experiments.stages import levels
from nbhelpers.experiments.study import Study

pytestmark = [pytest.mark.slow, pytest.mark.network]

CHOSEN = ("samples", "regions")
SEEDS = (0, 1)


@pytest.fixture(scope="module", autouse=True)
def small():
    """This process is as its workers are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        shrink(patch)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes of one thread, which nannies start again when they die."""
    options = {"dashboard_address": ":0", "preload": ["shrunken"], "silence_logs": 50}
    with LocalCluster(n_workers=2, threads_per_worker=1, **options) as found:
        yield found


def studies(folder):
    return {
        folder / f"seed{seed}.json": Study("scenes", seed=seed, retrain=True, workspace=str(folder)) for seed in SEEDS
    }


def command(seed):
    return f"nbhelpers reproduce --dataset scenes --network vgg16 --seed {seed} --experiments samples regions --retrain"


def swept(folder, **options):
    """The files of two seeds, without what another run may have otherwise."""
    commands = [f"{command(seed)} --out seed{seed}.json" for seed in SEEDS]
    sweep(studies(folder), commands=commands, experiments=CHOSEN, **options)
    return [numbers(path) for path in studies(folder)]


def numbers(path):
    return without_times(json.loads(path.read_text()))


def without_times(value):
    if isinstance(value, dict):
        times = ("seconds", "wall_seconds", "date")
        return {key: without_times(inner) for key, inner in value.items() if key not in times}
    return [without_times(inner) for inner in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What a run in one process, that nothing disturbs, ends with."""
    return swept(tmp_path_factory.mktemp("whole"))


def test_a_cluster_that_loses_a_worker_ends_with_the_same_numbers(whole, cluster, tmp_path):
    kept, ended = [], threading.Event()

    def kill_one():
        """When the trainings and some stages are done, and most are not."""
        while not ended.wait(0.005):
            if len(done := list((tmp_path / "results").glob("*.json"))) >= 4:
                kept.append(len(done))
                os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
                return

    killer = threading.Thread(target=kill_one)
    killer.start()
    try:
        found = swept(tmp_path, cluster=cluster.scheduler_address)
    finally:
        ended.set()
        killer.join()
    total = sum(len(group) for study in studies(tmp_path).values() for group in levels(plan(study, CHOSEN)))
    assert kept and kept[0] < total
    assert len(list((tmp_path / "results").glob("*.json"))) == total
    assert found == whole
    assert found[0]["accuracy"] != found[1]["accuracy"] or found[0]["table1"] != found[1]["table1"]


def test_workers_run_the_calls_and_their_errors_reach_the_caller(cluster):
    pids = in_parallel(seen, [(x,) for x in (3, 1, 2)], describe="x", cluster=cluster.scheduler_address)
    assert [x for x, _ in pids] == [3, 1, 2]
    assert os.getpid() not in {pid for _, pid in pids}
    assert in_parallel(pow, [], describe="x", cluster=cluster.scheduler_address) == []
    with pytest.raises(ZeroDivisionError):
        in_parallel(divmod, [(1, 1), (1, 0)], describe="x", cluster=cluster.scheduler_address)


def seen(x):
    return x, os.getpid()


def test_a_call_that_kills_its_workers_is_an_error_and_not_an_endless_wait(cluster):
    cluster.scheduler.allowed_failures, before = 1, cluster.scheduler.allowed_failures
    try:
        with pytest.raises(OSError, match="ended every worker"):
            in_parallel(signal.raise_signal, [(signal.SIGKILL,)], describe="x", cluster=cluster.scheduler_address)
    finally:
        cluster.scheduler.allowed_failures = before


def test_a_scheduler_without_workers_is_named(monkeypatch):
    monkeypatch.setattr(parallel, "PATIENCE", 0.2)
    with LocalCluster(n_workers=0, dashboard_address=":0") as empty:
        address = empty.scheduler_address
        with pytest.raises(OSError, match=f"no workers; .*dask worker {address}"):
            in_parallel(seen, [(1,)], describe="x", cluster=address)


DRIVER = """
import os, signal, sys
import shrunken
from nbhelpers.experiments import cli

name, left, *arguments = sys.argv[1:]
left, real = int(left), os.replace

def replace(part, path):
    global left
    left -= name in str(path)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    real(part, path)

os.replace = replace
sys.exit(cli.main(arguments))
"""


def run_until(name, nth, folder, *more):
    """The command line, killed just before the n-th file whose path holds ``name`` stands under its name."""
    arguments = [*command(0).split()[1:], "--workspace", str(folder), "--out", str(folder / "seed0.json"), *more]
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "TQDM_DISABLE": "1"}
    given = [sys.executable, "-c", DRIVER, name, str(nth), *arguments]
    return subprocess.run(given, env=environment, capture_output=True, text=True)


def test_a_command_that_is_killed_three_times_ends_with_the_same_numbers(whole, tmp_path):
    """In the second epoch of its training, in the middle of its stages, and before the file is written."""
    out = tmp_path / "seed0.json"
    for name, nth in (("resume.pt", 2), ("/results/", 9), ("seed0.json", 1)):
        ended = run_until(name, nth, tmp_path)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        assert not out.exists()
    ended = run_until("no such file", 1, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"wrote {out}\n"
    assert numbers(out) == whole[0]


def test_a_run_in_pieces_ends_with_the_numbers_of_one_that_is_not_cut(whole, tmp_path):
    """Each piece says that it ends and tells it by its status; what it kept, the next one reads."""
    out, kept, minutes = tmp_path / "seed0.json", [], 0.03
    while (ended := run_until("no such file", 1, tmp_path, "--minutes", str(minutes))).returncode == 75:
        assert ended.stdout == f"out of time after {minutes:g} minutes: the same command goes on where it stopped\n"
        assert not out.exists() and not list(tmp_path.rglob("*.part"))
        kept.append(len(list((tmp_path / "results").glob("*.json"))))
        minutes *= 2  # so that it ends on any machine
    assert ended.returncode == 0, ended.stderr
    assert kept and kept == sorted(kept)
    assert numbers(out) == whole[0]
