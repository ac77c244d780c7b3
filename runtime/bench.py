"""The command `python -m runtime.bench`: how fast a model runs here, stage by stage, and against others."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

import cv2

from .benchmark.backends import BACKENDS, AbsentError, enter, find, is_backend, version
from .benchmark.processes import run_cpp, time_forward, time_processes
from .benchmark.report import draw_chart, print_forward, print_processes, print_stages
from .command.options import add_model_options, new_parser, positive
from .command.run import run
from .engines.onnxruntime import is_installed
from .errors import DetectorError, InputError
from .escape import escape
from .inputs.image_file import read_image
from .outputs.atomic import write_atomic
from .predictors.detector import DEFAULT_MODEL, Detector

EXAMPLES = """
examples:
  python -m runtime.bench photo.jpg --weights yolov5n.onnx --against onnxruntime,openvino
  python -m runtime.bench photos/*.jpg --weights yolov5n.onnx --threads 2 --json bench.json --chart bench.png
  python -m runtime.bench photo.jpg --weights yolov5n.onnx --cpp cpp/build/yolov5-detect

All backends take turns on each image, with the same letterbox, decoding and NMS, so that whatever else the
machine does slows all of them; those whose threads stay busy between runs come after the others. Then each
runs in processes of its own, in random order: first on one image again and again, for the forward pass alone
(processor time beside the clock, and how far processes differ); then once on all of them, for the time from
its start to the first boxes, the time for all images, and the most memory it needed.

exit codes: 0 done; 2 wrong usage, model or images; 130 interrupted.
"""
SAMPLE = DEFAULT_MODEL.parent.parent / "samples" / "cluttered.jpg"


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; exits with code 2 and a message if it is wrong."""
    parser = new_parser("bench", "Measure how fast a model runs on this machine.", EXAMPLES)
    others = [name for name in BACKENDS if name != "cv2.dnn"]
    add = parser.add_argument
    add("images", nargs="*", type=Path, metavar="IMAGE", help="pictures (default: a sample of the checkout)")
    add_model_options(parser.add_argument_group("model"))
    add = parser.add_argument_group("benchmark").add_argument
    add(
        "--against",
        metavar="NAME,…",
        default="",
        help=f"further backends: {', '.join(others)}, another MODEL.onnx for OpenCV, or MODULE:NAME of a "
        "Backend; all but OpenCV run on the CPU",
    )
    add("--cpp", type=Path, metavar="FILE", help="the C++ program yolov5-detect, as one more backend")
    add("--max-det", type=positive, default=1000, metavar="N", help="most boxes per image (default: 1000)")
    add("--rounds", type=positive, default=20, metavar="N", help="turns of each on each image (default: 20)")
    add("--json", type=Path, metavar="FILE", help="write every figure")
    add("--chart", type=Path, metavar="FILE", help="draw the stages as bars (needs matplotlib)")

    options = parser.parse_args(argv)
    options.against = [name for name in options.against.split(",") if name]
    for name in options.against:
        if name == "cv2.dnn" or not is_backend(name):
            parser.error(f"argument --against: there is no {name!r}; choose from {', '.join(others)}")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(parse, bench, argv)


def bench(options: argparse.Namespace) -> int:
    """Do what the options say; returns the exit code."""
    if options.chart:
        try:
            import matplotlib  # noqa: F401  # to fail before the work, not after it
        except ImportError as error:
            raise InputError('a chart needs matplotlib: pip install "yolov5-dnn[bench]"') from error
    images = options.images or [SAMPLE]
    for image in images:
        read_image(image)
    threads: int = options.threads or os.cpu_count() or 1
    cv2.setNumThreads(threads)

    join = partial(
        enter,
        weights=options.weights,
        imgsz=options.imgsz,
        rect=options.rect,
        device=options.device,
        max_det=options.max_det,
    )
    backends = {"cv2.dnn": join("cv2.dnn")}
    absent = {}
    for name in options.against:
        try:
            backends[name] = join(name)
        except AbsentError as error:
            absent[name] = str(error)
    mine = backends["cv2.dnn"]
    about = circumstances(mine, images, threads, options.rounds)
    for key, value in about.items():
        print(f"{key:9}{escape(value, 1000)}")
    for name, reason in absent.items():
        print(f"{'absent':9}{name}: {reason}")

    busy = [name for name in backends if find(name).busy]
    others = {name: each for name, each in backends.items() if name not in busy}
    times = take_turns(others, images, options.rounds)
    for name in busy:
        times |= take_turns({name: backends[name]}, images, options.rounds)
    labels = {name: f"{name} {version(name)}".strip() + " (alone)" * (name in busy) for name in times}
    if options.cpp:
        times["C++"] = run_cpp(options.cpp, mine, images, threads, options.rounds)
        labels["C++"] = escape(options.cpp.name)
    print_stages(times, labels)

    unasked = _unasked_onnxruntime(backends, join)
    forward = time_forward({**backends, **unasked}, images[0], threads, options.rounds)
    faster = forward.pop("onnxruntime") if unasked else None
    print_forward(forward, labels)
    if faster:
        share = faster["forward"][0] / forward["cv2.dnn"]["forward"][0]
        print(
            f"with --device onnxruntime, which is installed, the forward pass takes {share:.2f} of that time"
        )
    processes = time_processes(backends, images, threads, options.cpp)
    print_processes(processes, len(images))

    if options.json:
        content = {"about": about, "absent": absent, "stages_ms": times}
        content |= {"forward_s": forward, "processes": processes}
        write_atomic(options.json, json.dumps(content, indent=1).encode())
    if options.chart:
        draw_chart(times, labels, f"{escape(mine.path.name)}, {threads} threads", options.chart)
    return 0


def _unasked_onnxruntime(
    backends: Mapping[str, Detector], join: Callable[[str], Detector]
) -> dict[str, Detector]:
    """Give the installed onnxruntime, if nobody asked for it, to say how much faster it would be."""
    if "onnxruntime" in backends or backends["cv2.dnn"].device != "cpu" or not is_installed():
        return {}
    try:
        return {"onnxruntime": join("onnxruntime")}
    except DetectorError:  # it cannot run this model
        return {}


def take_turns(
    backends: dict[str, Detector], images: Sequence[Path], rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Let each backend process each image in each round, after one round to warm up, in changing order.

    Returns the milliseconds of each, by backend and stage.
    """
    times: dict[str, dict[str, list[float]]] = {name: {} for name in backends}
    order = list(backends)
    for round_ in range(-1, rounds):
        for path in images:
            for name in order:
                measured = run_once(backends[name], path)
                if round_ >= 0:
                    for stage, milliseconds in measured.items():
                        times[name].setdefault(stage, []).append(milliseconds)
            order.append(order.pop(0))
    return times


def run_once(detector: Detector, path: Path) -> dict[str, float]:
    """Read, detect, make the masks in the image's pixels if there are any, and draw, for one image.

    Returns the milliseconds of each stage.
    """
    start = perf_counter()
    image = read_image(path)
    read = perf_counter()
    detections = detector(image)
    stages = {"read": (read - start) * 1000, **detections.timings}
    if detections.masks is not None:
        detected = perf_counter()
        for _ in detections.masks:
            pass
        stages["masks"] = (perf_counter() - detected) * 1000
    detected = perf_counter()
    detections.draw(image)
    stages["draw"] = (perf_counter() - detected) * 1000
    return stages


def circumstances(detector: Detector, images: Sequence[Path], count: int, rounds: int) -> dict[str, str]:
    """Say what is measured and where, with `count` threads."""
    height, width = detector.imgsz
    shape = "rectangular" if detector.rect else "square" if detector.info.dynamic else "fixed"
    threads = "1 thread" if count == 1 else f"{count} threads"
    pictures = images[0].name if len(images) == 1 else f"{images[0].name} and {len(images) - 1} more"
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "software": f"Python {platform.python_version()}, OpenCV {cv2.__version__}, {threads}",
        "model": f"{detector.path.name}, {height}x{width} {shape}, {len(detector.info.names)} classes",
        "images": f"{pictures}, {rounds} rounds",
    }


def _processor() -> str:
    """Name the processor, as far as the system tells, and the widest vectors that it computes with."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    widest = {"AVX-512": 13, "AVX2": 11, "NEON": 100}  # OpenCV's cvdef.h; Python has no names for them
    has = next((vectors for vectors, flag in widest.items() if cv2.checkHardwareSupport(flag)), "no AVX2")
    return f"{name} ({has})"


if __name__ == "__main__":
    sys.exit(main())
