"""Stages, whose values are kept as they end and computed anew where their code changed; calls side by side."""

import ast
import contextlib
import importlib.util
import os
import pickle
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from tiny import shrink

from nbhelpers.experiments import fingerprint, parallel
from nbhelpers.experiments.fingerprint import PACKAGE, code_files, code_hash
from nbhelpers.experiments.parallel import in_parallel
from nbhelpers.experiments.pieces import TimeUp, time_limit
from nbhelpers.experiments.reproduce import EXPERIMENTS, plan, training
from nbhelpers.experiments.rows import regions
from nbhelpers.experiments.stages import Stage, is_kept, levels, mapped, run
from nbhelpers.experiments.study import Study
from nbhelpers.experiments.trained import Untrained

CALLS = []


def called(name, *values):
    """Stands for an experiment: notes that it was called."""
    CALLS.append(name)
    return [name, *values]


def failing(name):
    raise ZeroDivisionError(name)


@pytest.fixture(autouse=True)
def calls():
    CALLS.clear()
    return CALLS


def test_a_stage_is_computed_once_and_read_afterwards(tmp_path, calls):
    stage = Stage(called, ("a", 1))
    assert not is_kept(stage, tmp_path)
    first = run(stage, tmp_path)
    assert first["value"] == ["a", 1] and first["seconds"] >= 0
    assert run(stage, tmp_path) == first  # the seconds, too, are those of the one time
    assert calls == ["a"] and is_kept(stage, tmp_path)


def test_other_arguments_functions_and_needs_are_other_stages(tmp_path, calls):
    stages = [Stage(called, ("a",)), Stage(called, ("b",)), Stage(called, ("a",), (Stage(called, ("b",)),))]
    assert [run(stage, tmp_path)["value"] for stage in stages] == [["a"], ["b"], ["a", ["b"]]]
    assert calls == ["a", "b", "a"]
    with pytest.raises(ZeroDivisionError, match="a"):
        run(Stage(failing, ("a",)), tmp_path)


def test_what_a_stage_takes_beside_others_is_no_part_of_it(tmp_path, calls):
    for seconds in (1, 2):
        run(Stage(called, ("a",), seconds=seconds), tmp_path)
    assert calls == ["a"]


def test_a_stage_reads_what_it_needs_behind_its_arguments(tmp_path, calls):
    below = Stage(called, ("below",))
    above = Stage(called, ("above", 2), (below, Stage(called, ("other",))))
    assert run(above, tmp_path)["value"] == ["above", 2, ["below"], ["other"]]
    assert run(below, tmp_path)["value"] == ["below"]
    assert calls == ["below", "other", "above"]


def test_a_stage_that_fails_is_not_kept_and_those_that_it_needs_are(tmp_path, calls):
    below, above = Stage(called, ("below",)), Stage(failing, needs=(Stage(called, ("below",)),))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            run(above, tmp_path)
    assert is_kept(below, tmp_path) and not is_kept(above, tmp_path)
    assert calls == ["below"]


@pytest.mark.slow
def test_a_kill_between_two_stages_keeps_the_first(tmp_path, calls):
    script = f"""
        import os, signal, sys
        from pathlib import Path
        from nbhelpers.experiments.stages import Stage, run
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_stages import called
        for stage in (Stage(called, ("a",)), Stage(os.kill, (os.getpid(), signal.SIGKILL))):
            if stage.function is os.kill: stage.function(*stage.arguments)
            run(stage, Path({str(tmp_path)!r}))
        """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(script)]).returncode == -9
    run(Stage(called, ("a",)), tmp_path), run(Stage(called, ("b",)), tmp_path)
    assert calls == ["b"]
    assert not list(tmp_path.glob("*.part"))


def test_a_plan_is_filled_with_values_in_the_order_of_its_keys(tmp_path):
    a, b = Stage(called, ("a",)), Stage(called, ("b",))
    tree = {"x": [b, {"y": a}], "z": a}
    values = mapped(tree, lambda stage: run(stage, tmp_path)["value"])
    assert values == {"x": [["b"], {"y": ["a"]}], "z": ["a"]} and list(values) == list(tree)


def test_what_a_stage_needs_stands_in_a_group_before_its_own():
    a, b = Stage(called, ("a",)), Stage(called, ("b",))
    c = Stage(called, ("c",), (a,))
    d = Stage(called, ("d",), (b, c))
    assert levels([]) == []
    assert levels([b, a, b]) == [[b, a]]
    assert levels([d, c]) == [[b, a], [c], [d]]


def test_all_experiments_are_stages_that_can_be_sent_to_another_process(monkeypatch, tmp_path):
    shrink(monkeypatch)
    study = Study("scenes", retrain=True, workspace=str(tmp_path))
    stages = [stage for group in levels(plan(study, tuple(EXPERIMENTS))) for stage in group]
    assert len(stages) > 40
    assert training(study) in stages
    for stage in stages:
        again = pickle.loads(pickle.dumps(stage))
        assert again == stage and again.describe() == stage.describe()
        assert stage.arguments[0] in (study, Untrained(study)) and stage.seconds > 0
    assert max(stages, key=lambda stage: stage.seconds) == training(study)


def test_earlier_layers_wait_for_the_deepest():
    *others, deepest = regions.stages(Study("scenes"))["along"].values()
    assert all(stage.needs == (deepest,) for stage in others) and not deepest.needs


# The code of a stage


def package(folder, monkeypatch, **files):
    """A package of these files, in which ``stage`` holds the function; a hash of its code."""
    home = folder / "toy"
    home.mkdir(parents=True)
    for name, text in {"stage": "def value():\n    return 1", **files}.items():
        (home / f"{name}.py").write_text(text)
    monkeypatch.setattr(fingerprint, "PACKAGE", home)
    return code_hash(load(home))


def load(home):
    spec = importlib.util.spec_from_file_location("toy_stage", home / "stage.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.value


CODE = "def value():\n    from toy.near import far\n    return 1"


@pytest.mark.parametrize(
    ("files", "same"),
    [
        ({}, True),
        ({"stage": f'"""What it does."""\n# why\n\n{CODE}  # one'}, True),
        ({"stage": CODE.replace("return", '"""Its value."""\n    return')}, True),
        ({"other": "x = 2"}, True),
        ({"stage": CODE.replace("1", "2")}, False),
        ({"near": "import toy.far\nx = 2"}, False),
        ({"far": "import toy.near\nx = 'text'"}, False),
        ({"__init__": "x = 2"}, True),  # imports what it is asked for
    ],
)
def test_the_hash_changes_with_the_code_that_runs_and_with_nothing_else(files, same, tmp_path, monkeypatch):
    usual = {"stage": CODE, "near": "import toy.far", "far": "import toy.near", "other": "x = 1", "__init__": ""}
    before = package(tmp_path / "a", monkeypatch, **usual)
    after = package(tmp_path / "b", monkeypatch, **{**usual, **files})
    assert (before == after) == same


def test_a_stage_whose_code_has_changed_is_computed_anew(tmp_path, monkeypatch):
    values = []
    for i, text in enumerate(("return 1", "return 1  # the same", "return 2")):
        home = tmp_path / str(i)
        package(home, monkeypatch, stage=f"def value():\n    {text}")
        stage = Stage(load(home / "toy"))
        values.append((is_kept(stage, tmp_path), run(stage, tmp_path)["value"]))
    assert values == [(False, 1), (True, 1), (False, 2)]


@pytest.mark.slow
def test_all_that_an_experiment_loads_is_part_of_its_code():
    """Else a change would be answered with old numbers."""
    listing = "import sys, nbhelpers.experiments.rows.regions; print(*(m.__file__ for n, m in sys.modules.items() if "
    listing += "n.startswith('nbhelpers.')), sep='\\n')"
    loaded = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True).stdout.split()
    files = code_files(Path(regions.__file__).resolve())
    assert {Path(file).resolve() for file in loaded} <= set(files)
    names = {file.relative_to(PACKAGE).as_posix() for file in files}
    assert {"method/regions.py", "networks/training.py", "datasets/scenes.py"} <= names
    assert not {"probes/attacks.py", "experiments/rows/attacks.py", "show/sphere.py"} & names


def test_inside_the_package_imports_name_modules():
    """A name that the package looks up when it is asked for would hide its module from the hash."""
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.ImportFrom) and node.module == PACKAGE.name:
                for name in node.names:
                    assert (PACKAGE / name.name).is_dir() or (PACKAGE / f"{name.name}.py").exists(), file


# Calls side by side


def test_one_job_runs_here(monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    given = [(3,), (1,), (2,)]
    found = in_parallel(
        lambda x: (x, os.getpid(), os.environ.get("TQDM_DISABLE")), given, describe="x", costs=[1, 2, 5.5]
    )
    assert found == [(x, os.getpid(), None) for x in (3, 1, 2)]
    assert given == [(3,), (1,), (2,)]
    assert in_parallel(pow, [], describe="x") == []


@pytest.mark.slow
def test_two_jobs_run_elsewhere_without_bars_and_stand_in_the_order_of_the_calls(monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    given = [(3,), (1,), (2,), (0,), (5,)]
    found = in_parallel(seen_there, given, describe="x", costs=[1, 2, 3, 4, 5.5], jobs=2)
    assert [x for x, _, _ in found] == [3, 1, 2, 0, 5]
    assert os.getpid() not in {pid for _, pid, _ in found}
    assert {value for _, _, value in found} == {"1"}
    assert "TQDM_DISABLE" not in os.environ


def seen_there(x):
    return x, os.getpid(), os.environ.get("TQDM_DISABLE")


def out_of_range(x):
    return [1, 2, 3][x]


@pytest.mark.slow
@pytest.mark.parametrize("before", [None, "0"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_reaches_the_caller_and_the_environment_is_restored(jobs, before, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    if before is not None:
        monkeypatch.setenv("TQDM_DISABLE", before)
    with pytest.raises(IndexError, match="out of range"):
        in_parallel(out_of_range, [(3,), (0,)], describe="x", jobs=jobs)
    assert os.environ.get("TQDM_DISABLE") == before


def test_no_jobs_are_refused():
    with pytest.raises(ValueError, match="jobs must be at least 1, got 0"):
        in_parallel(abs, [(1,)], describe="x", jobs=0)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere"])
def test_a_cluster_that_does_not_answer_is_named(address, monkeypatch):
    monkeypatch.setattr(parallel, "PATIENCE", 0.5)
    with pytest.raises(OSError, match=f"{address}.*dask scheduler"):
        in_parallel(abs, [(1,)], describe="x", cluster=address)


def test_without_dask_a_cluster_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(OSError, match=r"nbhelpers\[cluster\]"):
        in_parallel(abs, [(1,)], describe="x", cluster="tcp://127.0.0.1:9")


# Pieces


def test_work_ends_when_its_time_is_over_whatever_it_does():
    start = time.monotonic()
    with pytest.raises(TimeUp, match=r"0\.001"), time_limit(0.001):
        time.sleep(60)
    with pytest.raises(TimeUp), time_limit(0.01):
        in_parallel(time.sleep, [(60,), (60,)], describe="x", jobs=2)
    assert time.monotonic() - start < 50


def test_a_limit_that_gets_lost_rings_again_and_never_looks_like_damage():
    """A destructor swallows what is raised in it; and C that calls Python may make another error of it."""
    with pytest.raises(TimeUp), time_limit(0.001):
        with contextlib.suppress(TimeUp):
            time.sleep(60)
        time.sleep(60)
    with pytest.raises(TimeUp), time_limit(0.001):
        try:
            time.sleep(60)
        except TimeUp:
            raise OSError("no whole file") from None


def test_what_is_cleared_up_after_a_limit_is_not_disturbed():
    cleared = []
    with pytest.raises(TimeUp), time_limit(0.001):
        try:
            time.sleep(60)
        finally:
            time.sleep(2.5)  # two more alarms
            cleared.append(True)
    assert cleared


def test_work_that_is_done_in_time_is_left_alone():
    for minutes in (None, 0.001):
        with time_limit(minutes):
            done = 1
        time.sleep(0.1)
    assert done == 1
