"""What only processes of their own can show: time from start to first boxes, whole runs, peak memory."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from ..command.workers import IMAGES_EACH
from ..errors import InputError
from ..predictors.detector import STAGES, Detector
from ..program import child_code, child_command

REPEATS = 5
IMPORTS = 'python -c "import cv2, numpy"'


def time_processes(
    backends: Mapping[str, Detector], images: Sequence[Path], threads: int, cpp: Path | None
) -> dict[str, dict[str, Any]]:
    """Run every backend REPEATS times in a process of its own, in random order.

    OpenCV's run once more as the command `runtime.detect`, which divides many images among threads. Others
    that make use of rectangles run once more with square input, as they are commonly used. `cpp` is the C++
    program, if it takes part. Returns by backend the medians: `first`, seconds from the process's start to
    the first boxes; `all`, seconds for the whole process; `cpu`, its seconds of processor time, the minimum;
    `boxes`, how many it found in all; `peak_memory`, bytes. For IMPORTS there are only `all` and `cpu`.
    """
    commands = {}
    for name, detector in backends.items():
        kind = _kind(name)
        options = _arguments(detector, images, threads)
        commands[name] = _python("runtime.benchmark.worker", kind, *options)
        if kind == "cv2.dnn":
            commands[f"{name}, runtime.detect"] = _python("runtime.detect", *options, "--no-save")
        elif detector.rect:
            commands[f"{name}, square"] = [*commands[name], "--no-rect"]
    if cpp:
        mine = backends["cv2.dnn"]
        commands["C++"] = [str(cpp.resolve()), *_arguments(mine, images, threads), "--no-save"]
    commands[IMPORTS] = child_code("import cv2, numpy")
    return {
        name: {
            key: (min if key == "cpu" else statistics.median)(run[key] for run in runs)
            for key in runs[0]
            if runs[0][key] is not None
        }
        for name, runs in _run_in_turns(commands).items()
    }


def time_forward(
    backends: Mapping[str, Detector], image: Path, threads: int, rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Run every backend REPEATS times in a process of its own, in random order, `rounds` times an image.

    A network is faster in some processes than in others, by where its memory happens to lie; and in a single
    process backends meet each other's caches and threads. Returns by backend the least seconds that a
    forward pass took in each of its processes, the best one first: `forward`, on the clock, and
    `forward_cpu`, of the processor.
    """
    more = ["--rounds", str(rounds)]
    commands = {
        name: _python("runtime.benchmark.worker", _kind(name), *_arguments(detector, [image], threads), *more)
        for name, detector in backends.items()
    }
    return {
        name: {key: sorted(run[key] for run in runs) for key in ("forward", "forward_cpu")}
        for name, runs in _run_in_turns(commands).items()
    }


def _kind(name: str) -> str:
    """What the worker calls a backend: another model file is one for OpenCV."""
    return "cv2.dnn" if name.endswith(".onnx") else name


def _python(module: str, *arguments: str) -> list[str]:
    """Give the command line of a module that is started as a command is, not as a part of this process."""
    return child_command(module, *arguments, called="yolov5-dnn")


def _run_in_turns(commands: Mapping[str, Sequence[str]]) -> dict[str, list[dict[str, Any]]]:
    """Run each command REPEATS times, all of them in each round, in a new order that nobody has chosen."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in commands}
    for _ in range(REPEATS):
        for name in random.sample(list(commands), len(commands)):
            runs[name].append(_run(commands[name]))
    return runs


def _arguments(detector: Detector, images: Sequence[Path], threads: int) -> list[str]:
    return [
        *(str(image.resolve()) for image in images),
        *("--weights", str(detector.path.resolve()), "--threads", str(threads)),
        *("--imgsz", *map(str, detector.imgsz), "--device", detector.device),
        *("--max-det", str(detector.settings["max_det"])),
        *(() if detector.rect or not detector.info.dynamic else ("--no-rect",)),
    ]


def _run(command: Sequence[str]) -> dict[str, Any]:
    """Run a worker or the C++ program. Returns its times and what a worker says of itself."""
    # What this command has set for itself is not for the others: each starts as from a shell.
    environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_NUM_THREADS"}
    start, before = perf_counter(), os.times()
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        env=environment,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        at_first = perf_counter() - start
        last = (process.stdout.read().splitlines() or [""])[-1]
    at_end, after = perf_counter() - start, os.times()
    if process.returncode:
        raise InputError(f"{' '.join(command)} failed with code {process.returncode}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    whole = {"all": at_end, "cpu": cpu or None}  # Windows does not tell
    if not first:
        return whole
    own = json.loads(last) if last.startswith("{") else {}
    return {"first": at_first, **whole} | {key: value for key, value in own.items() if value is not None}


def run_cpp(
    program: Path, detector: Detector, images: Sequence[Path], threads: int, rounds: int
) -> dict[str, list[float]]:
    """Run the C++ program on every image as often as there are rounds, and read the times that it prints.

    In runs of so few images that it does not divide them among networks. The first image of each run is left
    out, because the first forward pass prepares the network.
    """
    turns = [image for _ in range(rounds) for image in images]
    most = IMAGES_EACH * threads - 2
    times: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for start in range(0, len(turns), most):
        part = turns[start : start + most]
        for image in _run_cpp_once(program, detector, [part[0], *part], threads)[1:]:
            for stage, milliseconds in zip(STAGES, image, strict=True):
                times[stage].append(milliseconds)
    return times


def _run_cpp_once(
    program: Path, detector: Detector, images: Sequence[Path], threads: int
) -> list[tuple[float, ...]]:
    """Run the C++ program once. Returns the milliseconds of each image's stages."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i:05}{image.suffix}" for i, image in enumerate(images)]
        for image, path in zip(images, paths, strict=True):
            shutil.copyfile(image, path)
        command = [str(program), *_arguments(detector, paths, threads), "--no-save"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
        except OSError as error:
            raise InputError(f"{program} cannot be run: {error.strerror or error}") from error
    if done.returncode:
        raise InputError(f"{program} failed with code {done.returncode}: {done.stderr.strip()[-300:]}")
    pattern = "  ".join(rf"{stage} ([\d.]+)" for stage in STAGES) + " ms"
    lines = re.findall(pattern, done.stdout + done.stderr)
    if len(lines) != len(images):
        raise InputError(f"{program} printed the times of {len(lines)} images instead of {len(images)}")
    return [tuple(map(float, line)) for line in lines]
