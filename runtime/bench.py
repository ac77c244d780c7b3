"""The command `python -m runtime.bench`: how fast a model runs here, stage by stage, and against others."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import cv2

from .benchmark.contestants import CONTESTANTS, AbsentError, enter, is_busy, version
from .benchmark.processes import run_cpp, time_processes
from .benchmark.report import STAGES, draw_chart, print_processes, print_stages
from .detector import DEFAULT_MODEL, Detector
from .draw import draw
from .errors import DetectorError, InputError
from .inputs.image_file import read_image
from .outputs.atomic import write_atomic

EXAMPLES = """
examples:
  python -m runtime.bench photo.jpg --weights yolov5n.onnx --against onnxruntime,openvino
  python -m runtime.bench photos/*.jpg --weights yolov5n.onnx --threads 2 --json bench.json --chart bench.png
  python -m runtime.bench photo.jpg --weights yolov5n.onnx --cpp cpp/build/yolov5-detect

All contestants take turns on each image, with the same letterbox, decoding and NMS, so that whatever else the
machine does slows all of them; those whose threads stay busy between runs come after the others. Then each
runs in a process of its own, for the time from its start to the first boxes, the time for all images, and the
most memory it needed.

exit codes: 0 done; 2 wrong usage, model or images; 130 interrupted.
"""
SAMPLE = DEFAULT_MODEL.parent.parent / "samples" / "cluttered.jpg"


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; exits with code 2 and a message if it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m runtime.bench",
        description="Measure how fast a model runs on this machine.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    others = [name for name in CONTESTANTS if name != "cv2.dnn"]
    add = parser.add_argument
    add("images", nargs="*", type=Path, metavar="IMAGE", help="pictures (default: a sample of the checkout)")
    add("--weights", metavar="FILE", help="model file made by `python -m convert` (default: printed codes)")
    add("--imgsz", type=int, nargs="+", metavar="N", help="N or H W (default: the model's own)")
    add(
        "--threads",
        type=int,
        default=os.cpu_count(),
        metavar="N",
        help="threads for each (default: all cores)",
    )
    add(
        "--against",
        metavar="NAME,…",
        default="",
        help=f"further contestants: {', '.join(others)}, or another MODEL.onnx for OpenCV",
    )
    add("--cpp", type=Path, metavar="FILE", help="the C++ program yolov5-detect, as one more contestant")
    add("--rounds", type=int, default=20, metavar="N", help="turns of each on each image (default: 20)")
    add("--json", type=Path, metavar="FILE", help="write every figure")
    add("--chart", type=Path, metavar="FILE", help="draw the stages as bars (needs matplotlib)")

    options = parser.parse_args(argv)
    options.against = [name for name in options.against.split(",") if name]
    for name in options.against:
        if name not in others and not name.endswith(".onnx"):
            parser.error(f"argument --against: there is no {name!r}; choose from {', '.join(others)}")
    if options.threads < 1 or options.rounds < 1:
        parser.error("--threads and --rounds must be at least 1")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parse(argv)
    try:
        bench(options)
    except DetectorError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror or error}", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    else:
        return 0
    return 2


def bench(options: argparse.Namespace) -> None:
    """Do what the options say."""
    if options.chart:
        try:
            import matplotlib  # noqa: F401  # to fail before the work, not after it
        except ImportError as error:
            raise InputError('a chart needs matplotlib: pip install "yolov5-dnn[bench]"') from error
    images = options.images or [SAMPLE]
    for image in images:
        read_image(image)
    cv2.setNumThreads(options.threads)

    contestants = {"cv2.dnn": enter("cv2.dnn", options.weights, imgsz=options.imgsz)}
    absent = {}
    for name in options.against:
        try:
            contestants[name] = enter(name, options.weights, imgsz=options.imgsz)
        except AbsentError as error:
            absent[name] = str(error)
    mine = contestants["cv2.dnn"]
    about = describe(mine, images, options)
    for key, value in about.items():
        print(f"{key:9}{value}")
    for name, reason in absent.items():
        print(f"{'absent':9}{name}: {reason}")

    busy = [name for name in contestants if is_busy(name)]
    others = {name: each for name, each in contestants.items() if name not in busy}
    times = take_turns(others, images, options.rounds)
    for name in busy:
        times |= take_turns({name: contestants[name]}, images, options.rounds)
    labels = {name: f"{name} {version(name)}".strip() + " (alone)" * is_busy(name) for name in times}
    if options.cpp:
        times["C++"] = run_cpp(options.cpp, mine, images, options)
        labels["C++"] = options.cpp.name
    print_stages(times, labels)

    processes = time_processes(contestants, images, options)
    print_processes(processes, len(images))

    if options.json:
        content = {"about": about, "absent": absent, "stages_ms": times, "processes": processes}
        write_atomic(options.json, json.dumps(content, indent=1).encode())
    if options.chart:
        draw_chart(times, labels, f"{mine.path.name}, {options.threads} threads", options.chart)


def take_turns(
    contestants: dict[str, Detector], images: Sequence[Path], rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Let each contestant process each image in each round, after one round to warm up, in changing order.

    Returns the milliseconds of each, by contestant and stage.
    """
    times: dict[str, dict[str, list[float]]] = {name: {stage: [] for stage in STAGES} for name in contestants}
    order = list(contestants)
    for round_ in range(-1, rounds):
        for path in images:
            for name in order:
                measured = run_once(contestants[name], path)
                if round_ >= 0:
                    for stage, milliseconds in measured.items():
                        times[name][stage].append(milliseconds)
            order.append(order.pop(0))
    return times


def run_once(detector: Detector, path: Path) -> dict[str, float]:
    """Read, detect and draw one image. Returns the milliseconds of each stage."""
    start = perf_counter()
    image = read_image(path)
    read = perf_counter()
    detections = detector(image)
    detected = perf_counter()
    draw(image, detections)
    drawn = perf_counter()
    return {"read": (read - start) * 1000, **detector.timings, "draw": (drawn - detected) * 1000}


def describe(detector: Detector, images: Sequence[Path], options: argparse.Namespace) -> dict[str, str]:
    """Say what is measured and where."""
    height, width = detector.imgsz
    shape = "rectangular" if detector.info.dynamic else "fixed"
    threads = "1 thread" if options.threads == 1 else f"{options.threads} threads"
    pictures = images[0].name if len(images) == 1 else f"{images[0].name} and {len(images) - 1} more"
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "software": f"Python {platform.python_version()}, OpenCV {cv2.__version__}, {threads}",
        "model": f"{detector.path.name}, {height}x{width} {shape}, {len(detector.info.names)} classes",
        "images": f"{pictures}, {options.rounds} rounds",
    }


def _processor() -> str:
    """Name the processor, as far as the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
