"""What serving costs above the detector itself: `python -m runtime.benchmark.service`.

Three figures. Cold start: from the command to the first answer of /v2/health/ready. The others are each from
one interleaved run. Cost: processor time of the server for a request, by way of HTTP
and gRPC, against that of decoding the same JPEG and detecting in it in a loop, one after the other.
Throughput: requests a second with four clients, against a plain loop of as many detectors as the server
has workers, a thread each. The clients run on the same cores: the second figure wants a core or two to spare.

Needs the extras `serve` and `bench`, and tritonclient[http].
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2

from ..command.options import positive
from ..detector import DEFAULT_MODEL, Detector
from ..inputs.image_file import decode_image

PICTURE = Path(__file__).resolve().parent.parent.parent / "samples" / "cluttered.jpg"
WARM_UP = 10
CLIENTS = 4
OUTPUTS = ("boxes", "scores", "class_ids", "names")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print a table; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m runtime.benchmark.service", description=__doc__)
    parser.add_argument("--weights", type=Path, default=DEFAULT_MODEL, help="default: the embedded model")
    parser.add_argument("--picture", type=Path, default=PICTURE, help="default: cluttered.jpg")
    parser.add_argument("--requests", type=positive, default=40, help="in each round (default: 40)")
    parser.add_argument("--rounds", type=positive, default=5, help="default: 5")
    parser.add_argument("--workers", type=positive, default=os.cpu_count() or 1)
    options = parser.parse_args(argv)
    picture = options.picture.read_bytes()
    print(f"{options.weights.name}, {len(picture)} bytes of JPEG, OpenCV {cv2.__version__}")
    print(f"ready after {measure_start(options):.2f} s")
    print(
        "\n| processor time, one request at a time | ms a picture | above Detector |\n| --- | ---: | ---: |"
    )
    for name, milliseconds, more in measure_cost(options, picture):
        print(f"| {name} | {milliseconds:.2f} | {more} |")
    print(
        f"\n| {options.workers} workers, {CLIENTS} clients | pictures/s | of the loop |",
        "| --- | ---: | ---: |",
        sep="\n",
    )
    for name, rate, share in measure_throughput(options, picture):
        print(f"| {name} | {rate:.1f} | {share} |")
    return 0


def measure_start(options: argparse.Namespace) -> float:
    """Give the seconds from the command to a server that says it is ready: the median of the rounds."""
    seconds = []
    for _ in range(options.rounds):
        started = time.perf_counter()
        with serving(options.weights, options.workers) as (_, http_port, _):
            address = f"http://127.0.0.1:{http_port}/v2/health/ready"
            with urllib.request.urlopen(address, timeout=30):
                seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def measure_cost(options: argparse.Namespace, picture: bytes) -> Iterator[tuple[str, float, str]]:
    """Give for the loop, HTTP and gRPC: milliseconds of processor time, and the share above the loop."""
    import psutil

    set_threads(options.workers)
    detector = Detector(options.weights)
    with serving(options.weights, options.workers) as (pid, http_port, grpc_port):
        server = psutil.Process(pid)

        def server_time() -> float:
            times = server.cpu_times()
            return times.user + times.system

        contestants: dict[str, tuple[Callable[[], object], Callable[[], float]]] = {
            "Detector": (lambda: detector(decode_image(picture)), time.process_time),
            "HTTP": (client("http", http_port, picture, options.weights.stem), server_time),
            "gRPC": (client("grpc", grpc_port, picture, options.weights.stem), server_time),
        }
        spent: dict[str, list[float]] = {name: [] for name in contestants}
        for work, _ in contestants.values():
            for _ in range(WARM_UP):
                work()
        for _ in range(options.rounds):
            for name, (work, clock) in contestants.items():
                started = clock()
                for _ in range(options.requests):
                    work()
                spent[name].append((clock() - started) / options.requests * 1000)
    plain = spent["Detector"]
    for name, milliseconds in spent.items():
        ratios = [mine / base for mine, base in zip(milliseconds, plain, strict=True)]
        more = "" if name == "Detector" else f"{statistics.median(ratios) - 1:+.1%}"
        yield name, statistics.median(milliseconds), more


def measure_throughput(options: argparse.Namespace, picture: bytes) -> Iterator[tuple[str, float, str]]:
    """Give for a loop of several detectors, HTTP and gRPC: pictures a second, and the share of the loop's."""
    set_threads(options.workers)
    detectors = [Detector(options.weights) for _ in range(options.workers)]
    with serving(options.weights, options.workers) as (_, http_port, grpc_port):
        clients = {
            kind: [client(kind, port, picture, options.weights.stem) for _ in range(CLIENTS)]
            for kind, port in (("http", http_port), ("grpc", grpc_port))
        }
        plain = [lambda detector=each: detector(decode_image(picture)) for each in detectors]
        contestants: dict[str, Sequence[Callable[[], object]]] = {
            "loop": plain,
            "HTTP": clients["http"],
            "gRPC": clients["grpc"],
        }
        rates: dict[str, list[float]] = {name: [] for name in contestants}
        for round_ in range(options.rounds + 1):
            for name, workers in contestants.items():
                rate = options.requests / _seconds(workers, options.requests)
                if round_:  # the first one warms up
                    rates[name].append(rate)
    for name, found in rates.items():
        shares = [mine / base for mine, base in zip(found, rates["loop"], strict=True)]
        yield name, statistics.median(found), "" if name == "loop" else f"{statistics.median(shares):.2f}"


def set_threads(workers: int) -> None:
    """Let OpenCV use as many threads as the server's workers do."""
    cv2.setNumThreads(max(1, (os.cpu_count() or 1) // workers))


def _seconds(workers: Sequence[Callable[[], object]], count: int) -> float:
    """Divide so many calls among workers, a thread each; returns how long all take."""
    left, lock = count, threading.Lock()

    def work(call: Callable[[], object]) -> None:
        nonlocal left
        while True:
            with lock:
                if left == 0:
                    return
                left -= 1
            call()

    with ThreadPoolExecutor(len(workers)) as threads:
        started = time.perf_counter()
        list(threads.map(work, workers))
        return time.perf_counter() - started


def client(kind: str, port: int, picture: bytes, model: str) -> Callable[[], object]:
    """Make a function that sends the picture, as BYTES, and waits for the answer."""
    import importlib

    import numpy as np

    triton: Any = importlib.import_module(f"tritonclient.{kind}")
    connection = triton.InferenceServerClient(f"127.0.0.1:{port}")
    image = triton.InferInput("image", [1], "BYTES")
    image.set_data_from_numpy(np.array([picture], object))
    outputs = [triton.InferRequestedOutput(name) for name in OUTPUTS]
    return lambda: connection.infer(model, [image], outputs=outputs)


@contextmanager
def serving(weights: Path, workers: int) -> Iterator[tuple[int, int, int]]:
    """Run a server until this is left; gives its process's number and its ports for HTTP and gRPC."""
    command = [sys.executable, "-m", "runtime.serve", str(weights), "--workers", str(workers), "--poll", "0"]
    process = subprocess.Popen(
        [*command, "--http-port=0", "--grpc-port=0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout
    try:
        ports = re.search(r"http.*:(\d+), gRPC at .*:(\d+);", process.stdout.readline())
        if not ports:
            raise SystemExit("the server did not start; python -m runtime.serve says why")
        yield process.pid, int(ports[1]), int(ports[2])
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
