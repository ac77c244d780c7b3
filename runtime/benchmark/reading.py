"""What the checks of a model file cost: `python -m runtime.benchmark.reading MODEL.onnx …`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time

import numpy as np

from ..command.options import new_parser, positive
from ..command.run import run
from ..engines.network import Network
from ..escape import escape
from ..model.file import read_model
from ..predictors.detector import Detector
from ..tasks.read_info import read_info

SEED = 0


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; exits with code 2 and a message if it is wrong."""
    parser = new_parser(
        "benchmark.reading",
        "Measure how long model files are read: milliseconds of processor time, the least of the rounds, in "
        "which the steps take turns. bytes: out of the file. checked: that, and the walk through the graph. "
        "OpenCV: its loading of the bytes. Detector: all of it.",
        "",
    )
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL.onnx")
    parser.add_argument("--rounds", type=positive, default=30, metavar="N", help="default: 30")
    parser.add_argument(
        "--more-weights",
        type=positive,
        metavar="MB",
        help="also read the last model with so many megabytes of further weights; needs onnx",
    )
    return parser.parse_args(argv)


def measure(options: argparse.Namespace) -> int:
    """Print a row for each model; returns 0."""
    print(f"{'':24}{'MB':>7}{'bytes':>8}{'checked':>9}{'OpenCV':>8}{'Detector':>10}")
    with tempfile.TemporaryDirectory() as folder:
        models = list(options.models)
        if options.more_weights:
            read_model(models[-1])  # or says what is wrong with it
            models.append(Path(folder) / f"with-{options.more_weights}-MB-more.onnx")
            _add_weights(options.models[-1], models[-1], options.more_weights)
        for model in models:
            least = [
                min(times) for times in zip(*(_round(model) for _ in range(options.rounds)), strict=True)
            ]
            size = model.stat().st_size / 1e6
            print(f"{escape(model.name, 23):24}{size:7.1f}" + "{:8.1f}{:9.1f}{:8.1f}{:10.1f}".format(*least))
    return 0


def _round(model: Path) -> list[float]:
    file = read_model(model)
    info = read_info(file.metadata, model)
    steps: list[Callable[[], object]] = [
        lambda: np.fromfile(model, np.uint8),
        lambda: read_model(model),
        lambda: Network(file.buffer, info, "cpu", model),
        lambda: Detector(model),
    ]
    milliseconds = []
    for step in steps:
        start = process_time()
        step()
        milliseconds.append((process_time() - start) * 1000)
    return milliseconds


def _add_weights(model: Path, output: Path, megabytes: int) -> None:
    """Write a copy of a model with more weights, 4 MB a tensor."""
    import onnx

    proto = onnx.load(model)
    random = np.random.default_rng(SEED)
    for i in range(megabytes // 4):
        numbers = random.standard_normal(1_000_000, np.float32)
        proto.graph.initializer.append(onnx.numpy_helper.from_array(numbers, f"more{i}"))
    onnx.save(proto, output)


if __name__ == "__main__":
    sys.exit(run(parse, measure))
