#!/usr/bin/env python3
"""Compare the time that C++ and Python spend per image: by stage, and of the whole commands.

    python cpp/bench.py MODEL.onnx IMAGES... [--build cpp/build] [--threads 2] [--rounds 5]

Both sides take turns in one run, on the same images, with the same number of threads. The comparison is fair
when Python's OpenCV has the version that the C++ programs are built with (both are printed): for Debian 12
that is `pip install "numpy<2" opencv-python-headless==4.6.0.66`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("letterbox", "forward", "decode", "nms")
AROUND = ("letterbox", "decode", "nms")

# What yolov5_dnn_bench does, in Python.
PYTHON_SIDE = """
import json, statistics, sys
import cv2
from runtime import Detector
model, threads, rounds, conf_thres, multi_label, *paths = sys.argv[1:]
cv2.setNumThreads(int(threads))
evaluation = dict(multi_label=True, iou_thres=0.6, max_det=300) if int(multi_label) else {}
detector = Detector(model, conf_thres=float(conf_thres), **evaluation)
images = [cv2.imread(path) for path in paths]
times = [{stage: [] for stage in ("letterbox", "forward", "decode", "nms")} for _ in images]
for number in range(-1, int(rounds)):
    for image, table in zip(images, times):
        timings = detector(image).timings
        if number >= 0:
            for stage, milliseconds in timings.items():
                table[stage].append(milliseconds)
result = {stage: statistics.fmean(statistics.median(table[stage]) for table in times) for stage in times[0]}
print(json.dumps({"opencv": cv2.__version__, **result}))
"""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("images", type=Path, nargs="+", help="pictures, or one folder of them")
    parser.add_argument(
        "--build", type=Path, default=ROOT / "cpp" / "build", help="CMake's build folder (default: cpp/build)"
    )
    parser.add_argument("--threads", type=int, default=2, help="OpenCV's threads (default: 2)")
    parser.add_argument(
        "--rounds", type=int, default=5, help="how often each image is looked at (default: 5)"
    )
    options = parser.parse_args()
    options.images = [
        file for path in options.images for file in (sorted(path.iterdir()) if path.is_dir() else [path])
    ]
    return options


def stages(
    command: list[str | Path], options: argparse.Namespace, setting: tuple[str, str]
) -> dict[str, float | str]:
    """Run one side; milliseconds by stage, and its OpenCV."""
    words = [*command, options.model, options.threads, options.rounds, *setting, *options.images]
    done = subprocess.run(
        [str(word) for word in words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)


def whole_command(command: list[str | Path], options: argparse.Namespace) -> float:
    """Run one side's command; milliseconds per image, from its start to its end."""
    words = [*command, *options.images, "--weights", options.model, "--threads", options.threads, "--no-save"]
    start = time.perf_counter()
    subprocess.run([str(word) for word in words], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - start) * 1000 / len(options.images)


def main() -> None:
    """Measure and print."""
    options = arguments()
    options.model = options.model.resolve()
    options.images = [path.resolve() for path in options.images]
    bench = next(
        (p for p in (options.build / "tests", options.build) if (p / "yolov5_dnn_bench").exists()), None
    )
    if bench is None:
        sys.exit(
            f"{options.build} holds no yolov5_dnn_bench; run cmake -S cpp -B BUILD -DBUILD_TESTING=ON "
            "&& cmake --build BUILD -j"
        )
    sides: dict[str, list[str | Path]] = {
        "C++": [(bench / "yolov5_dnn_bench").resolve()],
        "Python": [sys.executable, "-c", PYTHON_SIDE],
    }
    print(
        f"{len(options.images)} images, {options.threads} threads, medians of {options.rounds} rounds, "
        "milliseconds per image"
    )
    for title, setting in (
        ("conf 0.25", ("0.25", "0")),
        ("evaluation: conf 0.001, every label", ("0.001", "1")),
    ):
        results: dict[str, list[dict[str, float | str]]] = {name: [] for name in sides}
        for turn in range(4):  # to and fro, so that a drift of the machine's speed meets both
            for name in sorted(sides, reverse=turn % 2 == 1):
                results[name].append(stages(sides[name], options, setting))
        print(f"\n{title:38}" + "".join(f"{stage:>11}" for stage in STAGES) + "   around the forward pass")
        around = {}
        for name, runs in results.items():
            medians = {stage: statistics.median(float(run[stage]) for run in runs) for stage in STAGES}
            around[name] = sum(medians[stage] for stage in AROUND)
            print(
                f"{name + ', OpenCV ' + str(runs[0]['opencv']):38}"
                + "".join(f"{medians[stage]:11.3f}" for stage in STAGES)
                + f"{around[name]:11.3f}"
            )
        print(f"C++ / Python around the forward pass: {around['C++'] / around['Python']:.2f}")

    commands: dict[str, list[str | Path]] = {
        "C++": [(options.build / "yolov5-detect").resolve()],
        "Python": [sys.executable, "-m", "runtime.detect"],
    }
    total: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(4):
        for name in sorted(commands, reverse=turn % 2 == 1):
            total[name].append(whole_command(commands[name], options))
    print("\nwhole command, from start to end")
    medians = {name: statistics.median(times) for name, times in total.items()}
    for name, median in medians.items():
        print(f"{name:38}{median:11.2f}")
    print(f"C++ / Python: {medians['C++'] / medians['Python']:.2f}")


if __name__ == "__main__":
    main()
