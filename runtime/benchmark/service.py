"""What serving costs above the detector itself: `python -m runtime.benchmark.service`.

Three figures. Cold start: from the command to the first answer of /v2/health/ready. Cost: processor time of
the server for a request, by way of HTTP and gRPC, against that of decoding the same JPEG and detecting in it.
Throughput: requests a second with four clients, against a plain loop of as many detectors as the server
has workers, a thread each. The clients run on the same cores: the second figure wants a core or two to spare.

Needs the extras `serve` and `bench`, and tritonclient[http].
"""

from __future__ import annotations

import argparse
import http.client
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
import numpy as np

from ..command.options import positive
from ..escape import escape
from ..inputs.image_file import decode_image
from ..predictors.detector import DEFAULT_MODEL, Detector
from ..program import child_command

PICTURE = Path(__file__).resolve().parents[2] / "samples" / "cluttered.jpg"
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
    print(f"{escape(options.weights.name)}, {len(picture)} bytes of JPEG, OpenCV {cv2.__version__}")
    print(f"ready after {measure_start(options.weights, options.workers, options.rounds):.2f} s")
    print(
        "\n| processor time, one request at a time | ms a picture | above Detector |\n| --- | ---: | ---: |"
    )
    for name, milliseconds, more in measure_cost(
        options.weights, picture, options.workers, options.requests, options.rounds
    ):
        print(f"| {name} | {milliseconds:.2f} | {more} |")
    print(
        f"\n| {options.workers} workers, {CLIENTS} clients | pictures/s | of the loop |",
        "| --- | ---: | ---: |",
        sep="\n",
    )
    for name, rate, share in measure_throughput(
        options.weights, picture, options.workers, options.requests, options.rounds
    ):
        print(f"| {name} | {rate:.1f} | {share} |")
    return 0


def measure_start(weights: Path, worker_count: int, rounds: int) -> float:
    """Give the seconds from the command to a server that says it is ready: the median of the rounds."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        with serving(weights, worker_count) as (_, http_port, _):
            address = f"http://127.0.0.1:{http_port}/v2/health/ready"
            with urllib.request.urlopen(address, timeout=30):
                seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def measure_cost(
    weights: Path, picture: bytes, worker_count: int, requests: int, rounds: int
) -> Iterator[tuple[str, float, str]]:
    """Give for the loop, HTTP and gRPC: milliseconds of processor time, and the share above the loop.

    They take turns picture by picture, each in a process of its own, so that each finds the same caches. The
    sum over all rounds counts, as systems tell another process's time in hundredths of a second.
    """
    import psutil

    set_threads(worker_count)
    detector, model = Detector(weights), weights.stem
    with (
        serving(weights, worker_count) as (one, http_port, _),
        serving(weights, worker_count) as (other, _, grpc_port),
    ):
        servers = {"HTTP": psutil.Process(one), "gRPC": psutil.Process(other)}
        ask = {
            "HTTP": http_client(http_port, picture, model),
            "gRPC": grpc_client(grpc_port, picture, model),
        }
        for work in ask.values():
            for _ in range(WARM_UP):
                work()
                detector(decode_image(picture))
        before = {name: sum(server.cpu_times()[:2]) for name, server in servers.items()}
        count, plain = requests * rounds, 0.0
        for _ in range(count):
            started = time.process_time()
            detector(decode_image(picture))
            plain += time.process_time() - started
            for work in ask.values():
                work()
        spent = {name: sum(server.cpu_times()[:2]) - before[name] for name, server in servers.items()}
    yield "Detector", plain / count * 1000, ""
    for name, seconds in spent.items():
        yield name, seconds / count * 1000, f"{seconds / plain - 1:+.1%}"


def measure_throughput(
    weights: Path, picture: bytes, worker_count: int, requests: int, rounds: int
) -> Iterator[tuple[str, float, str]]:
    """Give for a loop of several detectors, HTTP and gRPC: pictures a second, and the share of the loop's."""
    set_threads(worker_count)
    detectors = [Detector(weights) for _ in range(worker_count)]
    with serving(weights, worker_count) as (_, http_port, grpc_port):
        model = weights.stem
        plain = [lambda detector=each: detector(decode_image(picture)) for each in detectors]
        backends: dict[str, Sequence[Callable[[], object]]] = {
            "loop": plain,
            "HTTP": [http_client(http_port, picture, model) for _ in range(CLIENTS)],
            "gRPC": [grpc_client(grpc_port, picture, model) for _ in range(CLIENTS)],
        }
        rates: dict[str, list[float]] = {name: [] for name in backends}
        for round_ in range(rounds + 1):
            for name, workers in backends.items():
                rate = requests / _seconds(workers, requests)
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


def http_client(port: int, picture: bytes, model: str) -> Callable[[], object]:
    """Make a function that posts tritonclient's own request, the picture as BYTES, and waits for the answer.

    The standard library sends it: tritonclient's connection wants to stay in one thread.
    """
    import tritonclient.http as triton

    body, length = triton.InferenceServerClient.generate_request_body(
        [_image(triton, picture)], outputs=[triton.InferRequestedOutput(name) for name in OUTPUTS]
    )
    headers = {"Inference-Header-Content-Length": str(length)}
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def ask() -> bytes:
        connection.request("POST", f"/v2/models/{model}/infer", body, headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise SystemExit(f"the server says {response.status}: {answer[:200]!r}")
        return answer

    return ask


def grpc_client(port: int, picture: bytes, model: str) -> Callable[[], object]:
    """Make a function that sends the picture as BYTES with tritonclient, and waits for the answer."""
    import tritonclient.grpc as triton

    connection = triton.InferenceServerClient(f"127.0.0.1:{port}")
    image = _image(triton, picture)
    outputs = [triton.InferRequestedOutput(name) for name in OUTPUTS]
    return lambda: connection.infer(model, [image], outputs=outputs)


def _image(triton: Any, picture: bytes) -> Any:
    image = triton.InferInput("image", [1], "BYTES")
    image.set_data_from_numpy(np.array([picture], object))
    return image


@contextmanager
def serving(weights: Path, workers: int) -> Iterator[tuple[int, int, int]]:
    """Run a server until this is left; gives its process's number and its ports for HTTP and gRPC."""
    command = child_command("runtime.serve", str(weights), "--workers", str(workers), "--poll", "0")
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
