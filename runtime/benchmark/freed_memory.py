"""What keeping freed memory brings: `python -m runtime.benchmark.freed_memory --weights MODEL`, on Linux.

Processes take turns that do what the runtime does, and that leave glibc as it is; see `stages.network`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from statistics import median

import cv2
import numpy as np

from ..command.options import add_model_options, new_parser, positive
from ..command.run import run
from ..engines import network
from ..predictors.detector import Detector
from ..program import child_command
from ..stages.letterbox import GREY

CHILD = "--child"  # the first argument of a process that is measured


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; exits with code 2 and a message if it is wrong."""
    parser = new_parser("benchmark.freed_memory", "Measure what keeping freed memory brings.", "")
    add_model_options(parser.add_argument_group("model"))
    parser.add_argument("--processes", type=positive, default=5, metavar="N", help="of each (default: 5)")
    return parser.parse_args(argv)


def measure(options: argparse.Namespace) -> int:
    """Print the medians over the processes of each kind; returns 0."""
    rows: dict[bool, list[list[float]]] = {True: [], False: []}
    for _ in range(options.processes):
        for keep, results in rows.items():
            arguments = json.dumps([options.weights, options.threads or 1, keep])
            child = child_command("runtime.benchmark.freed_memory", CHILD, arguments)
            results.append(json.loads(subprocess.run(child, check=True, capture_output=True).stdout))
    print(f"{'':14}forward, ms  cpu of a call, ms  page faults a call  peak memory, MB")
    for keep, results in rows.items():
        wall, cpu, faults, memory = (median(column) for column in zip(*results, strict=True))
        name = "kept" if keep else "given back"
        print(f"{name:14}{wall:11.1f}{cpu:19.1f}{faults:20.0f}{memory:17.0f}")
    return 0


def child(weights: str | None, threads: int, keep: bool) -> None:
    """Detect in a grey picture and print what it took, as JSON."""
    import resource

    if not keep:
        network.keep_freed_memory = lambda: None  # type: ignore[assignment]
    cv2.setNumThreads(threads)
    detector = Detector(weights)
    image = np.full((*detector.imgsz, 3), GREY, np.uint8)
    for _ in range(5):
        detector(image)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    forward, cpu = [], []
    for _ in range(30):
        start = time.process_time()
        forward.append(detector(image).timings["forward"])
        cpu.append((time.process_time() - start) * 1000)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps([min(forward), min(cpu), (usage.ru_minflt - before) / 30, usage.ru_maxrss / 1024]))


if __name__ == "__main__":
    if sys.argv[1:2] == [CHILD]:
        child(*json.loads(sys.argv[2]))
    else:
        sys.exit(run(parse, measure))
