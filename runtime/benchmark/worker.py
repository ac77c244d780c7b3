"""A contestant in a process of its own, for what only a fresh process can show: start, memory, whole runs.

Prints "first" as soon as it has the boxes of the first image, and at the end a line of JSON. Run by
`python -m runtime.bench`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import cv2

from ..detector import Detector, Load
from ..inputs.image_file import read_image
from ..network import Network


def main() -> None:
    """Detect in each image, once."""
    parser = argparse.ArgumentParser(prog="python -m runtime.benchmark.worker")
    parser.add_argument("contestant")
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--weights")
    parser.add_argument("--imgsz", type=int, nargs="+")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--max-det", type=int, required=True)
    parser.add_argument("--no-rect", dest="rect", action="store_false")
    options = parser.parse_args()
    cv2.setNumThreads(options.threads)
    load: Load = Network
    if options.contestant != "cv2.dnn":
        from .contestants import find

        load = find(options.contestant).load
    detector = Detector(
        options.weights,
        device=options.device,
        imgsz=options.imgsz,
        rect=options.rect,
        max_det=options.max_det,
        load=load,
    )
    boxes = 0
    for i, path in enumerate(options.images):
        boxes += len(detector(read_image(path)))
        if i == 0:
            print("first", flush=True)
    print(json.dumps({"boxes": boxes, "peak_memory": peak_memory()}))


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
