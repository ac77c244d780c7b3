"""Race the own build against OpenCV from PyPI and onnxruntime, in turns, on an otherwise idle machine:

    python cpp/opencv/race.py RESULTS.json MODEL.onnx… --own PYTHON --pypi PYTHON

PYTHON are the interpreters of two environments: in one the own build's wheel is installed, in the other
OpenCV from PyPI and onnxruntime. Models are portable ones; --sizes and --threads say what else to vary. For
each model, size and number of threads there is a process for each backend; they take turns, ROUNDS times
some forward passes, and the least time counts: processor time with one thread, time by the clock with more.
Each line is kept in RESULTS.json when it is done, and a second call goes on behind the last one; it prints
what there is as a table. With OPENCV_CPU_DISABLE=AVX512-SKX both OpenCVs do without AVX-512; onnxruntime
knows no such switch, so ratios to it tell nothing then.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CONTESTANTS = ("own", "PyPI", "onnxruntime")
PASSES = 6


def run(kind: str, path: str, height: int, width: int, threads: int) -> None:
    """Be a backend: for each line of standard input run some forward passes, print their least times."""
    import numpy as np

    picture = np.random.default_rng(0).random((1, 3, height, width), dtype=np.float32)
    if kind == "onnxruntime":
        import onnxruntime

        sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
        from runtime.model.buffer import for_onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        content = for_onnxruntime(np.fromfile(path, np.uint8), dynamic=True).tobytes()
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        given = {session.get_inputs()[0].name: picture}

        def once() -> None:
            session.run(None, given)
    else:
        import cv2

        cv2.setNumThreads(threads)
        net = cv2.dnn.readNetFromONNX(path)
        names = net.getUnconnectedOutLayersNames()

        def once() -> None:
            net.setInput(picture)
            net.forward(names)

    for _ in range(3):
        once()
    print("ready", flush=True)
    for _ in sys.stdin:
        times = []
        for _ in range(PASSES):
            processor, clock = time.process_time(), time.perf_counter()
            once()
            times.append((time.process_time() - processor, time.perf_counter() - clock))
        print(json.dumps([min(both) for both in zip(*times, strict=True)]), flush=True)


def race(pythons: dict[str, str], model: Path, size: str, threads: int, rounds: int) -> dict[str, float]:
    """Give each backend's least time in milliseconds. Raises RuntimeError if one doesn't run."""
    height, width = size.split("x")
    processes = {}
    for kind in CONTESTANTS:
        command = [pythons[kind], __file__, "--run", kind, str(model), height, width, str(threads)]
        processes[kind] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )
    times: dict[str, list[float]] = {kind: [] for kind in CONTESTANTS}
    try:
        for kind, process in processes.items():
            if _answer(process) != "ready":
                raise RuntimeError(f"{kind} does not run")
        for _ in range(rounds):
            for kind, process in processes.items():
                print(file=process.stdin, flush=True)
                times[kind].append(json.loads(_answer(process))[threads > 1])
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    return {kind: 1000 * min(numbers) for kind, numbers in times.items()}


def _answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def table(results: dict[str, Any]) -> str:
    """Give all results as a table of Markdown."""
    lines = [
        "| | own build | PyPI | onnxruntime | own / PyPI | own / onnxruntime |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for key, row in results["rows"].items():
        own, pypi, other = (row[kind] for kind in CONTESTANTS)
        lines.append(
            f"| {key} | {own:.1f} | {pypi:.1f} | {other:.1f} | {own / pypi:.2f} | {own / other:.2f} |"
        )
    return f"{results['machine']}, milliseconds:\n\n" + "\n".join(lines)


def machine() -> str:
    """Name the processor, and what is switched off of it."""
    cpuinfo = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else [])
        if line.startswith("model name")
    ]
    disabled = os.environ.get("OPENCV_CPU_DISABLE")
    return (names or [platform.machine()])[0] + (f" without {disabled}" if disabled else "")


def main() -> None:
    """Race, or be a backend."""
    if sys.argv[1:2] == ["--run"]:
        kind, path, *numbers = sys.argv[2:]
        return run(kind, path, *map(int, numbers))
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    add = parser.add_argument
    add("results", type=Path)
    add("models", nargs="+", type=Path)
    add("--own", required=True, metavar="PYTHON")
    add("--pypi", required=True, metavar="PYTHON")
    add("--sizes", nargs="+", default=["640x640", "640x480", "288x288"], metavar="HxW")
    add("--threads", nargs="+", type=int, default=[1, 2])
    add("--rounds", type=int, default=20)
    options = parser.parse_args()
    pythons = {"own": options.own, "PyPI": options.pypi, "onnxruntime": options.pypi}
    results: dict[str, Any] = {"machine": machine(), "rows": {}}
    if options.results.exists():
        results = json.loads(options.results.read_text(encoding="utf-8"))
        if results["machine"] != machine():
            sys.exit(f"error: {options.results} is of another machine: {results['machine']}")
    for model in options.models:
        for size in options.sizes:
            for threads in options.threads:
                key = f"{model.stem} {size}, {threads} thread{'s' * (threads > 1)}"
                if key in results["rows"]:
                    continue
                try:
                    results["rows"][key] = race(pythons, model, size, threads, options.rounds)
                except RuntimeError as error:
                    sys.exit(f"error: {key}: {error}")
                new = options.results.with_name(options.results.name + ".new")
                new.write_text(json.dumps(results, indent=1), encoding="utf-8")
                new.replace(options.results)
    print(table(results))


if __name__ == "__main__":
    main()
