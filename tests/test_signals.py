"""Signals end a command and all that it started, in one line, with nothing left behind; it then goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from nbhelpers.experiments.parallel import in_parallel

if sys.platform != "linux":
    pytest.skip("signals and shared memory here are those of Linux", allow_module_level=True)

TESTS = Path(__file__).parent
COMMAND = "reproduce --dataset scenes --retrain --experiments samples regions".split()
AGAIN = "the same command goes on where it stopped\n"
SAID = {
    signal.SIGINT: f"nbhelpers: stopped by Ctrl-C; {AGAIN}",
    signal.SIGTERM: f"nbhelpers: stopped by SIGTERM; {AGAIN}",
    signal.SIGKILL: "",
}
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}
TRAINING, STAGES = "networks/*/resume.pt", "results/*.json"


@pytest.fixture(autouse=True)
def heeded(request):
    """The tests themselves may run in the background, where a shell has Ctrl-C ignored, by what is started, too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))


def begin(folder, *more):
    """The command line of small studies, in a group of processes of its own."""
    arguments = [*COMMAND, "--workspace", str(folder), "--out", str(folder / "out.json"), *more]
    return start([sys.executable, str(TESTS / "shrunken.py"), *arguments])


def start(command, **environment):
    variables = os.environ | {"TQDM_DISABLE": "1", **environment}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=variables, start_new_session=True, **pipes)


def wait_for(folder, pattern, count=1):
    """Until the run has written files: it is then in the midst of its work."""
    while len(list(folder.glob(pattern))) < count:
        time.sleep(0.005)


def maps_of(process):
    """The memory that a process maps; nothing of one that has ended by now."""
    try:
        return process.memory_maps()
    except psutil.NoSuchProcess:
        return []


def end(process, number):
    """Send a signal; what the command then says, and its processes and shared memory that live on."""
    first = psutil.Process(process.pid)
    others = first.children(recursive=True)
    shared = {Path(area.path) for each in (first, *others) for area in maps_of(each)}
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)  # as a terminal sends Ctrl-C: to all
    _, said = process.communicate(timeout=60)
    alive = [other for other in psutil.wait_procs(others, timeout=5)[1] if other.status() != psutil.STATUS_ZOMBIE]
    return said, alive + [path for path in shared if path.is_relative_to("/dev/shm") and path.exists()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "jobs", "moment"),
    [
        (signal.SIGINT, 1, TRAINING),
        (signal.SIGINT, 2, STAGES),
        (signal.SIGTERM, 1, STAGES),
        (signal.SIGTERM, 2, TRAINING),
        (signal.SIGKILL, 2, STAGES),
    ],
)
def test_a_signal_ends_all_processes_in_one_line_and_leaves_no_part(number, jobs, moment, tmp_path):
    two = ["--seed", "0", "1", "--out", str(tmp_path), "--jobs", "2"]
    process = begin(tmp_path, *(two if jobs == 2 else ()))
    wait_for(tmp_path, moment, 3 if moment == STAGES else 1)
    assert end(process, number) == (SAID[number], [])
    assert process.returncode == STATUS[number]
    assert number == signal.SIGKILL or not list(tmp_path.rglob("*.part"))


@pytest.mark.slow
def test_the_end_of_a_terminal_is_heeded_unless_it_was_to_be_ignored(tmp_path, request):
    stub(tmp_path)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
    request.addfinalizer(lambda: signal.signal(signal.SIGHUP, before))
    for prefix, number, status in (([], signal.SIGHUP, 129), (["nohup"], signal.SIGTERM, 143)):
        (tmp_path / "begun").unlink(missing_ok=True)
        process = start([*prefix, sys.executable, "-m", "nbhelpers", "datasets"], PYTHONPATH=path_with(tmp_path))
        wait_for(tmp_path, "begun")
        os.kill(process.pid, signal.SIGHUP)
        said, _ = end(process, number) if prefix else (process.communicate(timeout=60)[1], None)
        assert process.returncode == status
        assert AGAIN in said


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_libraries_are_imported_is_one_line(number, status, tmp_path):
    stub(tmp_path)
    process = start([sys.executable, "-m", "nbhelpers", "datasets"], PYTHONPATH=path_with(tmp_path))
    wait_for(tmp_path, "begun")
    said, _ = end(process, number)
    assert (process.returncode, said.count("\n")) == (status, 1)
    assert said.endswith(AGAIN)


def stub(folder):
    """A torch whose import takes a minute."""
    text = f"import time\nopen({str(folder / 'begun')!r}, 'w').close()\ntime.sleep(60)\n"
    (folder / "torch.py").write_text(text)


def path_with(folder):
    return os.pathsep.join([str(folder), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])


def test_a_stop_that_gets_lost_on_its_way_is_one_line_all_the_same(tmp_path):
    """As where C calls Python, and makes another error of what it raises."""
    (tmp_path / "torch.py").write_text(
        f"import time\ntry:\n    open({str(tmp_path / 'begun')!r}, 'w').close()\n    time.sleep(60)\n"
        "except BaseException:\n    raise ImportError('another')\n"
    )
    process = start([sys.executable, "-m", "nbhelpers", "datasets"], PYTHONPATH=path_with(tmp_path))
    wait_for(tmp_path, "begun")
    said, _ = end(process, signal.SIGTERM)
    assert (process.returncode, said) == (143, SAID[signal.SIGTERM])


# Processes that share the work


def note_and_wait(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(60)


def note_and_die(folder):
    os.kill(os.getpid(), signal.SIGKILL)


def heed(number):
    os.kill(os.getpid(), number)
    return number


def refuse(folder):
    raise ValueError(f"nothing in {folder}")


@pytest.mark.slow
def test_a_process_that_is_killed_is_an_error_with_its_cause():
    with pytest.raises(OSError, match=r"killed by SIGKILL, perhaps for want of memory"):
        in_parallel(note_and_die, [("",), ("",)], describe="x", jobs=2)


@pytest.mark.slow
def test_signals_are_for_the_process_that_started_the_others():
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]  # timeout and terminals send them to all
    assert in_parallel(heed, [(number,) for number in numbers], describe="x", jobs=2) == numbers


@pytest.mark.slow
def test_an_error_in_one_process_is_raised_here_and_ends_the_others(tmp_path):
    with pytest.raises(ValueError, match="nothing in there"):
        in_parallel(either, [(tmp_path,), (tmp_path,), ("there",)], describe="x", jobs=3)
    assert not [pid for pid in map(int, os.listdir(tmp_path)) if psutil.pid_exists(pid)]


def either(folder):
    refuse(folder) if folder == "there" else note_and_wait(folder)
