"""A backend in a process of its own, for what only a fresh process can show: start, memory, whole runs.

Prints "first" as soon as it has the boxes of the first image, and at the end a line of JSON. With --rounds it
looks at each image so many times more, and tells the least that a forward pass took. Run by
`python -m runtime.bench`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import cv2
import numpy as np

from ..engines.load import Load, load_network
from ..inputs.image_file import read_image
from ..predictors.detector import Detector

Forward = Callable[[np.ndarray], list[np.ndarray]]


def main() -> None:
    """Detect in each image, once."""
    parser = argparse.ArgumentParser(prog="python -m runtime.benchmark.worker")
    parser.add_argument("backend")
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--weights")
    parser.add_argument("--imgsz", type=int, nargs="+")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--max-det", type=int, required=True)
    parser.add_argument("--no-rect", dest="rect", action="store_false")
    parser.add_argument("--rounds", type=int, default=0)
    options = parser.parse_args()
    cv2.setNumThreads(options.threads)
    load: Load = load_network
    if options.backend != "cv2.dnn":
        from .backends import find

        load = find(options.backend).load
    passes: list[tuple[float, float]] = []
    detector = Detector(
        options.weights,
        device=options.device,
        imgsz=options.imgsz,
        rect=options.rect,
        max_det=options.max_det,
        load=partial(_timed, load, passes),
    )
    boxes = 0
    for i, path in enumerate(options.images):
        boxes += len(detector(read_image(path)))
        if i == 0:
            print("first", flush=True)
    found = {"boxes": boxes, "peak_memory": peak_memory()}
    passes.clear()
    for path in options.images:
        image = read_image(path)
        for _ in range(options.rounds):
            detector(image)
    if passes:
        found["forward"], found["forward_cpu"] = (min(times) for times in zip(*passes, strict=True))
    print(json.dumps(found))


def _timed(
    load: Load, passes: list[tuple[float, float]], *model: Any
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Load a network whose forward passes note their seconds: on the clock, and of the processor."""
    forward = load(*model)

    def timed(blob: np.ndarray) -> list[np.ndarray]:
        clock, processor = perf_counter(), process_time()
        outputs = forward(blob)
        passes.append((perf_counter() - clock, process_time() - processor))
        return outputs

    return timed


def peak_memory() -> int | None:
    """Tell the most memory that this process has had, in bytes, or None where the system doesn't tell."""
    if sys.platform == "linux":  # getrusage would start from the parent's figure
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    try:
        import psutil
    except ImportError:
        return None
    return getattr(psutil.Process().memory_info(), "peak_wset", None)


if __name__ == "__main__":
    main()
