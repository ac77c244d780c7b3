"""Send pictures to a server (`python -m runtime.serve`, or a Triton) and print what it finds, as a table.

python samples/client.py samples/*.jpg
python samples/client.py photos/ --url 192.168.1.20:8001 --grpc --model yolov5n

Needs `pip install "tritonclient[http,grpc]" numpy`, and nothing of this project.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tritonclient.utils import InferenceServerException

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
OUTPUTS = ("scores", "names")  # what is not asked for is not sent
TRIES = 10  # while the server says that it is full


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Send pictures to a server and print what it finds.")
    parser.add_argument("pictures", nargs="+", type=Path, help="files and folders")
    parser.add_argument("--url", help="host:port (default: 127.0.0.1:8000, with --grpc 127.0.0.1:8001)")
    parser.add_argument("--grpc", action="store_true", help="over gRPC instead of HTTP")
    parser.add_argument("--model", default="codes", help="the model's name (default: codes)")
    parser.add_argument("--version", default="", help="of the model (default: the newest)")
    parser.add_argument("--conf-thres", type=float, default=0.25, help="lowest score (default: 0.25)")
    parser.add_argument("--parallel", type=int, default=4, help="requests at a time (default: 4)")
    parser.add_argument("--token", help="what the server wants as a bearer token")
    return parser.parse_args()


def find_pictures(paths: list[Path]) -> Iterator[Path]:
    """Give the files, and the pictures in the folders."""
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.iterdir() if each.suffix.lower() in SUFFIXES)
        else:
            yield path


def infer(triton: Any, client: Any, options: argparse.Namespace, path: Path) -> tuple[list[str], float]:
    """Send a picture; returns the names of what is in it, and the seconds that took."""
    image = triton.InferInput("image", [1], "BYTES")
    image.set_data_from_numpy(np.array([path.read_bytes()], object))
    started = time.perf_counter()
    for again in range(TRIES):
        try:
            result = client.infer(
                options.model,
                [image],
                options.version,
                [triton.InferRequestedOutput(name) for name in OUTPUTS],
                parameters={"conf_thres": options.conf_thres},
                headers={"authorization": f"Bearer {options.token}"} if options.token else {},
            )
            break
        except InferenceServerException as error:
            full = error.status() in ("503", "StatusCode.RESOURCE_EXHAUSTED")
            if not full or again == TRIES - 1:
                raise
            time.sleep(0.1 * 2**again)
    names = [name.decode() for name in result.as_numpy("names")]
    return names, time.perf_counter() - started


def main() -> int:
    """Print a line for each picture; returns 0, or 1 if some had no answer."""
    options = parse()
    if options.grpc:
        import tritonclient.grpc as triton

        client = triton.InferenceServerClient(options.url or "127.0.0.1:8001")
    else:
        import tritonclient.http as triton

        client = triton.InferenceServerClient(options.url or "127.0.0.1:8000", concurrency=options.parallel)
    pictures = list(find_pictures(options.pictures))
    width = max((len(path.name) for path in pictures), default=0)
    failed = 0
    with ThreadPoolExecutor(1 if options.parallel < 1 else options.parallel) as threads:
        look = partial(infer, triton, client, options)
        for path, answer in [(path, threads.submit(look, path)) for path in pictures]:
            try:
                names, seconds = answer.result()
            except (InferenceServerException, OSError) as error:
                text = error.message() if isinstance(error, InferenceServerException) else error.strerror
                print(f"{path.name:{width}}  failed: {text}", file=sys.stderr)
                failed += 1
                continue
            counts = ", ".join(f"{count} {name}" for name, count in Counter(names).most_common())
            print(f"{path.name:{width}}  {seconds * 1000:5.0f} ms  {counts or 'nothing'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
