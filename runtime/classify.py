"""The command `python -m runtime.classify`: say what whole pictures, videos, cameras and streams show."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from .command.aliases import help_text
from .command.options import add_network_options, new_parser, positive
from .command.predict import predict
from .command.predict_options import (
    add_output_options,
    add_source_options,
    parse_predict,
    wanted_inputs,
    wanted_outputs,
)
from .command.run import run
from .predictors.classifier import Classifier
from .program import program
from .stages.crop import CROPS

EXAMPLES = """
examples:
  python -m runtime.classify apple.jpg --weights weights/fruit.onnx      the classes, on a copy as well
  python -m runtime.classify photos/ --weights weights/fruit.onnx --top 3 --no-save --json found.json
  python -m runtime.classify 0 --weights weights/fruit.onnx --show --no-save

exit codes: 0 all done; 1 some inputs could not be read; 2 nothing done: wrong usage, model or device, or
nothing can be written; 130 interrupted.

"""


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; exits with code 2 and a message if it is wrong."""
    about = "Tell classes with a YOLOv5 classifier and OpenCV alone."
    parser = new_parser("classify", about, EXAMPLES + help_text("classify"))
    add_source_options(parser)
    model = parser.add_argument_group("model")
    add = model.add_argument
    add("--weights", required=True, metavar="FILE", help=f"model file made by `{program('convert')}`")
    add_network_options(model)
    add(
        "--crop", choices=CROPS, help="how YOLOv5 v7.0 (square) or v6.2 cut images (default: the model's own)"
    )
    add("--top", type=positive, default=5, metavar="N", help="how many classes to tell (default: 5)")
    output = add_output_options(parser, Path("runs", "classify"), "pictures, videos and labels", "classes")
    output.add_argument(
        "--save-txt", action="store_true", help="write probability and name of each to DIR/labels"
    )
    return parse_predict(parser, argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(parse, classify, argv)


def classify(options: argparse.Namespace) -> int:
    """Do what the options say; returns 0, or 1 if some inputs failed. Raises what `predict` raises."""
    make = partial(
        Classifier,
        options.weights,
        device=options.device,
        imgsz=options.imgsz,
        crop=options.crop,
        top=options.top,
    )
    with wanted_outputs(options) as outputs:
        return predict(
            wanted_inputs(options),
            make,
            outputs,
            show=options.show,
            threads=options.threads,
            imgsz=options.imgsz,
        )


if __name__ == "__main__":
    sys.exit(main())
