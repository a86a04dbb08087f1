"""A small run is killed at random moments and goes on, until its files are those of a run that nothing disturbed.

    python tests/soak/kills.py --kills 30 --seed 0

The signals take turns, and so do one process and two. After each, no process may live on for five seconds, no shared
memory may stay, the status must be that of the signal and the words one line; after all but SIGKILL, no half-written
file may stay. For Linux.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import psutil

COMMAND = [sys.executable, str(Path(__file__).resolve().parents[1] / "shrunken.py"), "reproduce"]
OPTIONS = "--dataset scenes --retrain --seed 0 1 --experiments samples regions".split()
SIGNALS = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
TIMES = ("seconds", "wall_seconds", "date")
PATIENCE = 5


def begin(folder: Path, jobs: int) -> subprocess.Popen[str]:
    """The command, up and ready for signals."""
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    places = ["--workspace", str(folder / "work"), "--out", str(folder / "out"), "--jobs", str(jobs)]
    environment = os.environ | {"TQDM_DISABLE": "1"}
    process = subprocess.Popen([*COMMAND, *OPTIONS, *places], env=environment, start_new_session=True, **pipes)
    while not hears(process.pid, signal.SIGTERM):
        if process.poll() is not None:
            raise SystemExit(f"the command did not begin: {process.communicate()[1]}")
        time.sleep(0.01)
    return process


def hears(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    caught = Path(f"/proc/{pid}/status").read_text().split("SigCgt:")[1].split()[0]
    return number == signal.SIGKILL or bool(int(caught, 16) >> number - 1 & 1)


def lives(process: psutil.Process) -> bool:
    """Whether it runs; one that has ended may have a name until somebody asks for its status."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end(process: subprocess.Popen[str], number: int, folder: Path) -> tuple[float, list[str]]:
    """Seconds until all processes were gone after a signal, and what was not as it should be."""
    first = psutil.Process(process.pid)
    first.suspend()  # so that nothing begins while we look
    others = first.children(recursive=True)
    shared = {Path(area.path) for each in (first, *others) for area in each.memory_maps()}
    start = time.perf_counter()
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)  # as a terminal sends Ctrl-C: to all
    first.resume()
    process.wait()
    last = time.perf_counter() + PATIENCE
    while (alive := [other for other in others if lives(other)]) and time.perf_counter() < last:
        time.sleep(0.01)
    took = time.perf_counter() - start
    said = process.communicate()[1]
    wrong = [f"lives on: {other}" for other in alive]
    wrong += [f"{path} stays" for path in shared if path.is_relative_to("/dev/shm") and path.exists()]
    if process.returncode != SIGNALS[number]:
        wrong.append(f"status {process.returncode}")
    if said.count("\n") != (number != signal.SIGKILL):
        wrong.append(f"says {said!r}")
    if number != signal.SIGKILL:
        wrong += [f"{part} stays" for part in folder.rglob("*.part")]
    return took, wrong


def files(folder: Path) -> dict[str, bytes]:
    """What a run ends with, without dates and times: its results and its networks."""
    results = {
        path.name: json.dumps(without_times(json.loads(path.read_text())), indent=1).encode()
        for path in folder.glob("out/*")
    }
    weights = folder.rglob("step-*.safetensors")
    return results | {str(path.relative_to(folder)): path.read_bytes() for path in weights}


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(inner) for key, inner in value.items() if key not in TIMES}
    return [without_times(inner) for inner in value] if isinstance(value, list) else value


def differences(one: bytes | None, other: bytes | None) -> list[str]:
    """Of two results the lines that differ."""
    if one is None or other is None or not one.startswith(b"{\n"):
        return [f"{one and len(one)} and {other and len(other)} bytes"]
    return [line for line in difflib.unified_diff(*(text.decode().splitlines() for text in (one, other)), n=0)][:12]


def soak(folder: Path, kills: int, lot: random.Random) -> int:
    """Print a table; returns how much was not as it should be."""
    start = time.perf_counter()
    if begin(folder / "whole", 1).wait():
        raise SystemExit("the run that nothing disturbs failed")
    whole, usual = files(folder / "whole"), time.perf_counter() - start
    print(f"undisturbed: {len(whole)} files in {usual:.0f} s", flush=True)
    took, bad, compared, differing = defaultdict(list), 0, 0, 0
    runs = {jobs: 0 for jobs in (1, 2)}

    def compare(place: Path) -> None:
        nonlocal compared, differing
        found = files(place)
        compared += 1
        for name in sorted({*found, *whole}):
            if found.get(name) != whole.get(name):
                differing += 1
                print(
                    f"differs: {place / name}", *differences(whole.get(name), found.get(name)), sep="\n    ", flush=True
                )

    done = 0
    while done < kills:
        number, jobs = list(SIGNALS)[done % 3], 1 + done // 3 % 2
        place = folder / f"jobs{jobs}-{runs[jobs]}"
        process = begin(place, jobs)
        time.sleep(lot.uniform(0, usual / 2))
        if process.poll() is None and hears(process.pid, number):
            seconds, wrong = end(process, number, place)
            took[number, jobs].append(seconds)
            bad += len(wrong)
            done += 1
            print(
                f"{done} of {kills}: {number.name}, --jobs {jobs}: {', '.join(wrong) or 'as it should be'}", flush=True
            )
        else:
            process.communicate()
            compare(place)
            runs[jobs] += 1
    for jobs, run in runs.items():
        place = folder / f"jobs{jobs}-{run}"
        if begin(place, jobs).wait():
            raise SystemExit(f"--jobs {jobs} failed after its kills")
        compare(place)
    print("signal   jobs  kills  median seconds until all were gone")
    for (number, jobs), seconds in sorted(took.items()):
        print(f"{number.name}  {jobs:4}  {len(seconds):5}  {median(seconds):.2f}")
    print(f"{compared} runs ended, with {differing} files that differ; {bad} other things were not as they should be")
    return differing + bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return min(1, soak(Path(folder), options.kills, random.Random(options.seed)))


if __name__ == "__main__":
    sys.exit(main())
