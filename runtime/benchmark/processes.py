"""What only processes of their own can show: time from start to first boxes, whole runs, peak memory."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from ..detector import Detector
from ..errors import InputError

REPEATS = 5
IMPORTS = 'python -c "import cv2, numpy"'


def time_processes(
    contestants: Mapping[str, Detector], images: Sequence[Path], options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Run every contestant several times in a process of its own, in turns.

    OpenCV's run once more as the command `runtime.detect`, which divides many images among threads. Others of
    free input size run once more with square input, as they are commonly used. Returns by contestant the
    medians: `first`, seconds from the process's start to the first boxes; `all`, seconds for the whole
    process; `boxes`, how many it found in all; `peak_memory`, bytes. For IMPORTS there is only `all`.
    """
    worker = [sys.executable, "-m", "runtime.benchmark.worker"]
    commands = {}
    for name, detector in contestants.items():
        kind = "cv2.dnn" if name.endswith(".onnx") else name
        commands[name] = [*worker, kind, *_arguments(detector, images, options)]
        if kind == "cv2.dnn":
            command = [sys.executable, "-m", "runtime.detect", *_arguments(detector, images, options)]
            commands[f"{name}, runtime.detect"] = [*command, "--no-save"]
        elif detector.info.dynamic:
            commands[f"{name}, square"] = [*commands[name], "--square"]
    if options.cpp:
        mine = contestants["cv2.dnn"]
        commands["C++"] = [str(options.cpp.resolve()), *_arguments(mine, images, options), "--no-save"]
    commands[IMPORTS] = [sys.executable, "-c", "import cv2, numpy"]

    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in commands}
    for _ in range(REPEATS):
        for name, command in commands.items():
            runs[name].append(_run(command))
    return {
        name: {
            key: statistics.median(run[key] for run in mine) for key in mine[0] if mine[0][key] is not None
        }
        for name, mine in runs.items()
    }


def _arguments(detector: Detector, images: Sequence[Path], options: argparse.Namespace) -> list[str]:
    return [
        *(str(image.resolve()) for image in images),
        *("--weights", str(detector.path.resolve()), "--threads", str(options.threads)),
        *("--imgsz", *map(str, detector.imgsz)),
    ]


def _run(command: Sequence[str]) -> dict[str, Any]:
    """Run a worker or the C++ program. Returns its times and what a worker says of itself."""
    root = str(Path(__file__).resolve().parent.parent.parent)
    start = perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8", cwd=root
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        at_first = perf_counter() - start
        last = (process.stdout.read().splitlines() or [""])[-1]
    at_end = perf_counter() - start
    if process.returncode:
        raise InputError(f"{' '.join(command)} failed with code {process.returncode}")
    if not first:
        return {"all": at_end}
    own = json.loads(last) if last.startswith("{") else {}
    return {"first": at_first, "all": at_end} | {
        key: value for key, value in own.items() if value is not None
    }


def run_cpp(
    program: Path, detector: Detector, images: Sequence[Path], options: argparse.Namespace
) -> dict[str, list[float]]:
    """Run the C++ program on every image as often as there are rounds, and read the times that it prints.

    The first image of each run is left out, because the first forward pass prepares the network.
    """
    with tempfile.TemporaryDirectory() as folder:
        copies = [images[0], *(image for _ in range(options.rounds) for image in images)]
        paths = [Path(folder) / f"{i:05}{image.suffix}" for i, image in enumerate(copies)]
        for image, path in zip(copies, paths, strict=True):
            shutil.copyfile(image, path)
        command = [str(program), *_arguments(detector, paths, options), "--no-save"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
        except OSError as error:
            raise InputError(f"{program} cannot be run: {error.strerror or error}") from error
    if done.returncode:
        raise InputError(f"{program} failed with code {done.returncode}: {done.stderr.strip()[-300:]}")
    lines = re.findall(
        r"letterbox ([\d.]+)  forward ([\d.]+)  decode ([\d.]+)  nms ([\d.]+) ms", done.stdout + done.stderr
    )
    if len(lines) != len(copies):
        raise InputError(f"{program} printed the times of {len(lines)} images instead of {len(copies)}")
    columns = zip(*[map(float, line) for line in lines[1:]], strict=True)
    return dict(zip(("letterbox", "forward", "decode", "nms"), map(list, columns), strict=True))
