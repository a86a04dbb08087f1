"""Browser tests again and again while other processes keep the machine busy: none may fail once.

    python tests/soak/browser.py --runs 50 --busy 4

The tests are those of chapter 6, on the site that `make test-notebooks` has built; other words than these options are
handed to pytest instead, such as `tests/site/test_figures.py`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = [f"tests/site/test_{name}.py" for name in ("chapter6", "chapters", "pages", "accessibility")]
CHAPTER_6 = [*FILES, "-k", "chapter6 or 06_your_own"]


@contextmanager
def busy(count: int) -> Iterator[None]:
    """That many processes which do nothing, as fast as they can."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def run(tests: list[str]) -> tuple[Counter[str], str, float]:
    """One run: how many tests passed, failed and so on, what pytest printed, and the seconds that it took."""
    command = [sys.executable, "-m", "pytest", "-n", "0", "--tb=short", *tests]
    start = time.perf_counter()
    printed = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
    last = printed.rstrip().rpartition("\n")[2]
    found = Counter({word: int(count) for count, word in re.findall(r"(\d+) (passed|failed|skipped|errors?)", last)})
    return found, printed, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--busy", type=int, default=4, help="processes beside, that take all time they can get")
    options, tests = parser.parse_known_args()
    total, bad, took = Counter(), 0, []
    with busy(options.busy):
        for number in range(1, options.runs + 1):
            counts, printed, seconds = run(tests or CHAPTER_6)
            total += counts
            took.append(seconds)
            told = ", ".join(f"{count} {word}" for word, count in counts.items()) or "no tests"
            print(f"run {number} of {options.runs}: {told} in {seconds:.0f} s", flush=True)
            if set(counts) != {"passed"}:
                bad += 1
                print(printed, flush=True)
    told = ", ".join(f"{count} {word}" for word, count in total.items())
    print(
        f"{options.runs} runs beside {options.busy} busy processes: {bad} with a failure; {told}; "
        f"{min(took):.0f} to {max(took):.0f} s a run"
    )
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
