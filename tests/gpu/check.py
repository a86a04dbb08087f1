"""Hold what nbhelpers computes on a GPU against the processor, and measure how fast it is there.

    PYTHONPATH=. python tests/gpu/check.py --out gpu.json

One line a check; the file is written anew after every section, so that a check that was killed leaves what it had.
Ends with 0 where all checks passed, 1 where one failed, 2 where there is no GPU. Takes under four minutes on an H200
with 16 cores. ``--device cpu --size tiny`` runs all of it on a processor in seconds.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/planted.py
os.environ.setdefault("TQDM_DISABLE", "1")

import agreement
import speed
from report import Report

SECTIONS = (
    (agreement.mathematics, 15, None),
    (agreement.samples, 20, None),
    (agreement.regions, 45, None),
    (agreement.networks, 20, None),
    (agreement.training, 20, "data"),
    (speed.synchronisation, 10, None),
    (speed.training_waits, 5, "data"),
    (speed.matching, 15, None),
    (speed.speed, 85, None),
)
"""What is checked, the most seconds it may take (235 in all), and the extra that it needs."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--device", help="default: cuda")
    parser.add_argument("--size", choices=("full", "tiny"), default="full", help="of the problems")
    options = parser.parse_args()
    if options.device is None and not torch.cuda.is_available():
        print("no CUDA device here: nothing was checked (--device cpu --size tiny tries the check itself)")
        return 2
    device = torch.device(options.device or "cuda")
    torch.zeros(1, device=device)  # the first thing that is asked of a GPU takes seconds
    report = Report(options.out, device, options.size)
    about = report.content
    print(f"{about['device']['name']}, {about['versions']}, {about['date']}", flush=True)
    for section, seconds, extra in SECTIONS:
        report.run(section, seconds if options.size == "full" else 120, extra)
    print(f"{'passed' if report.content['passed'] else 'FAILED'} in {report.content['seconds']:.0f} s: {options.out}")
    return 0 if report.content["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
