"""Stages that are kept as they end, and calls that run side by side."""

import os
import subprocess
import sys
import textwrap
from collections import defaultdict

import pytest
from tiny import shrink

from nbhelpers.experiments import stages
from nbhelpers.experiments.reproduce import EXPERIMENTS, plan
from nbhelpers.experiments.rows import regions as reproduce_regions
from nbhelpers.experiments.stages import Stage, Stages, expected_seconds, in_parallel
from nbhelpers.experiments.store import Store
from nbhelpers.experiments.study import Study


def counted(folder, **values):
    """Stages that give these values, and a list of the names that were computed."""
    found, computed = Stages(Store(folder), {"run": 1}), []
    for name, value in values.items():
        found.todo[name] = Stage(lambda n=name, v=value: computed.append(n) or v)
    return found, computed


def needing(**needs):
    found = Stages(Store("unused"), {})
    found.todo |= {name: Stage(lambda: None, tuple(some)) for name, some in needs.items()}
    return found


def test_a_stage_is_computed_once_and_read_afterwards(tmp_path):
    found, computed = counted(tmp_path, a=[1, 2], b={"x": 0.5})
    assert found["a"] == [1, 2] and found["a"] == [1, 2]
    assert computed == ["a"]
    again, computed = counted(tmp_path, a="other", b={"x": 0.5})
    assert again["a"] == [1, 2] and again["b"] == {"x": 0.5}
    assert computed == ["b"]
    assert again.timed("b")["seconds"] >= 0
    assert again.timed("b") == again.timed("b")  # the seconds, too, are those of the one time


def test_another_description_is_another_run(tmp_path):
    first, _ = counted(tmp_path, a=1)
    other = Stages(Store(tmp_path), {"run": 2})
    other.todo["a"] = Stage(lambda: 2)
    assert (first["a"], other["a"]) == (1, 2)


def test_looking_at_the_names_computes_nothing(tmp_path):
    found, computed = counted(tmp_path, a=1, b=2)
    assert list(found) == ["a", "b"] and len(found) == 2
    assert "a" in found and "c" not in found
    assert computed == []
    with pytest.raises(KeyError, match="c"):
        found["c"]


def test_a_stage_that_fails_is_not_kept_and_those_before_it_are(tmp_path):
    found, computed = counted(tmp_path, a=1)
    found.todo["b"] = Stage(lambda: 1 / 0)
    assert found["a"] == 1
    with pytest.raises(ZeroDivisionError):
        found["b"]
    found.todo["b"] = Stage(lambda: 5)
    assert (found["a"], found["b"], computed) == (1, 5, ["a"])


def test_a_kill_between_two_stages_keeps_the_first(tmp_path):
    script = f"""
        import os, signal
        from nbhelpers.experiments.stages import Stage, Stages
        from nbhelpers.experiments.store import Store
        found = Stages(Store({str(tmp_path)!r}), {{"run": 1}})
        found.todo |= {{"a": Stage(lambda: 1), "b": Stage(lambda: os.kill(os.getpid(), signal.SIGKILL))}}
        found["a"], found["b"]
        """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(script)]).returncode == -9
    found, computed = counted(tmp_path, a="computed again", b=2)
    assert (found["a"], found["b"], computed) == (1, 2, ["b"])
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("needs", "groups"),
    [
        ({}, []),
        ({"a": "", "b": ""}, [["a", "b"]]),
        ({"a": "", "b": "a", "c": "b", "d": "a"}, [["a"], ["b", "d"], ["c"]]),
        ({"c": "ab", "b": "a", "a": ""}, [["a"], ["b"], ["c"]]),  # needs may be inserted later
        ({"d": "a", "b": "a", "a": "", "c": "da"}, [["a"], ["d", "b"], ["c"]]),
    ],
)
def test_levels_put_needs_first_in_whatever_order_they_were_inserted(needs, groups):
    assert needing(**needs).levels() == groups


def test_needs_that_cannot_be_met_are_named():
    with pytest.raises(ValueError, match="stage 'b' needs 'c', which is no stage of this run"):
        needing(a="", b="ac").levels()
    with pytest.raises(ValueError, match="cycle"):
        needing(a="b", b="a").levels()


def test_every_experiment_needs_the_training(monkeypatch, tmp_path):
    """What stood in the first group beside it would not run side by side with the others."""
    shrink(monkeypatch)
    found = plan(Study("scenes", retrain=True, workspace=str(tmp_path)), tuple(EXPERIMENTS))
    groups = found.levels()
    assert groups[0] == ["training"]
    assert sorted(name for group in groups for name in group) == sorted(found.todo)
    assert all(expected_seconds(name) > 0 for name in found)


def test_a_stage_names_all_that_it_reads(monkeypatch, tmp_path):
    """What is read undeclared would be computed twice, in two processes."""
    study, read = Study("scenes", workspace=str(tmp_path)), []

    class Reading(defaultdict):
        def __missing__(self, name):
            read.append(name)
            return [{"mean_strength": 1.0}]

    for work in ("along", "table2_row", "by_certainty"):
        monkeypatch.setattr(reproduce_regions, work, lambda *_: None)
    todo = reproduce_regions.stages(study, None, Reading())
    for name, stage in todo.items():
        read.clear()
        stage.run()
        assert {"training", *read} == {"training", *stage.needs}, name
    assert todo["along conv_33"].needs == ("along conv_53",)


def test_the_first_word_of_a_stage_tells_how_long_it_takes():
    assert expected_seconds("along conv_53") == stages.EXPECTED_SECONDS["along"]
    assert expected_seconds("training") > expected_seconds("something new") > 0


def test_one_job_runs_here(monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    given = [(3,), (1,), (2,)]
    found = in_parallel(
        lambda x: (x, os.getpid(), os.environ.get("TQDM_DISABLE")), given, describe="x", costs=[1, 2, 5.5]
    )
    assert found == [(x, os.getpid(), None) for x in (3, 1, 2)]
    assert given == [(3,), (1,), (2,)]
    assert in_parallel(pow, [], describe="x") == []


def test_two_jobs_run_elsewhere_without_bars_and_stand_in_the_order_of_the_calls(monkeypatch):
    def seen(x):  # inside, so that the processes need not import this module
        return x, os.getpid(), os.environ.get("TQDM_DISABLE")

    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    given = [(3,), (1,), (2,), (0,), (5,)]
    found = in_parallel(seen, given, describe="x", costs=[1, 2, 3, 4, 5.5], jobs=2)
    assert [x for x, _, _ in found] == [3, 1, 2, 0, 5]
    assert os.getpid() not in {pid for _, pid, _ in found}
    assert {value for _, _, value in found} == {"1"}
    assert "TQDM_DISABLE" not in os.environ


@pytest.mark.parametrize("before", [None, "0"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_reaches_the_caller_and_the_environment_is_restored(jobs, before, monkeypatch):
    def failing(x):
        return [1, 2, 3][x]

    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    if before is not None:
        monkeypatch.setenv("TQDM_DISABLE", before)
    with pytest.raises(IndexError, match="out of range"):
        in_parallel(failing, [(3,), (0,)], describe="x", jobs=jobs)
    assert os.environ.get("TQDM_DISABLE") == before


def test_no_jobs_are_refused():
    with pytest.raises(ValueError, match="n_jobs == 0"):
        in_parallel(abs, [(1,)], describe="x", jobs=0)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere"])
def test_a_cluster_that_does_not_answer_is_named(address, monkeypatch):
    import distributed

    real = distributed.Client
    monkeypatch.setattr(distributed, "Client", lambda address, timeout: real(address, timeout="0.5s"))
    with pytest.raises(OSError, match=f"no Dask scheduler answers at {address} .*dask scheduler"):
        in_parallel(abs, [(1,)], describe="x", cluster=address)


def test_without_dask_a_cluster_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(OSError, match=r"a cluster needs Dask: pip install 'nbhelpers\[cluster\]'"):
        in_parallel(abs, [(1,)], describe="x", cluster="tcp://127.0.0.1:9")
