"""Run a detector for long, with changing sizes and reloads, and see that memory stays flat. Not part of CI.

    python tests/soak.py --minutes 60 [--weights MODEL.onnx ...]

prints the resident memory each tenth of the time. It ends with exit code 1 if the last tenth took over 5 % or
20 MB more than the third, by when all sizes have been seen.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from runtime import Detector
from runtime.predictors.detector import DEFAULT_MODEL

SIZES = ((480, 640), (640, 480), (1080, 1920), (100, 700), (33, 44), (720, 720))  # of the images, h and w
RELOAD = 20  # images from one loading to the next


def resident() -> float:
    """Memory of this process, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1000
    raise OSError("no VmRSS in /proc/self/status")


def main() -> int:
    """Run; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--weights", type=Path, nargs="+", default=[DEFAULT_MODEL])
    options = parser.parse_args()
    random = np.random.default_rng(0)
    images = [random.integers(0, 255, (*size, 3), np.uint8) for size in SIZES]
    start, seconds, count = time.monotonic(), options.minutes * 60, 0
    levels: list[float] = []
    detector = Detector(options.weights[0])
    while len(levels) < 10:
        if count % RELOAD == 0:
            detector = Detector(options.weights[count // RELOAD % len(options.weights)])
        detector(images[count % len(images)]).draw(images[count % len(images)])
        count += 1
        if time.monotonic() - start >= seconds * (len(levels) + 1) / 10:
            levels.append(resident())
            print(
                f"{(time.monotonic() - start) / 60:5.1f} min  {count:7d} images  {levels[-1]:7.1f} MB",
                flush=True,
            )
    grown = levels[-1] - levels[2]
    print(f"from the third to the last tenth: {grown:+.1f} MB")
    return int(grown > max(20.0, levels[2] / 20))


if __name__ == "__main__":
    sys.exit(main())
