"""The command `python -m runtime.classify`: say what whole pictures, videos, cameras and streams show."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from .classifier import Classifier
from .command.look import look
from .command.options import add_network_options, new_parser, positive
from .command.run import run
from .inputs.sources import Source
from .outputs.pictures import Pictures
from .outputs.results import Output, Protected
from .outputs.tables import CsvFile, JsonFile, Labels

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
    parser = new_parser("classify", "Tell classes with a YOLOv5 classifier and OpenCV alone.", EXAMPLES)
    add = parser.add_argument
    add(
        "source",
        nargs="+",
        metavar="SOURCE",
        help="a picture, video, folder, glob pattern, camera number or stream URL",
    )
    model = parser.add_argument_group("model")
    add = model.add_argument
    add("--weights", required=True, metavar="FILE", help="model file made by `python -m convert`")
    add_network_options(model)
    add("--top", type=positive, default=5, metavar="N", help="how many classes to tell (default: 5)")
    add("--vid-stride", type=positive, default=1, metavar="N", help="look at every N-th frame (default: 1)")

    output = parser.add_argument_group(
        "output", "Sources are never overwritten: a picture in the output folder gets another name."
    )
    add = output.add_argument
    add(
        "--output",
        type=Path,
        default=Path("runs", "classify"),
        metavar="DIR",
        help="folder for pictures, videos and labels (default: runs/classify)",
    )
    add("--no-save", action="store_true", help="save no annotated pictures and videos")
    add("--show", action="store_true", help="show them in a window; any key: next picture, q or Esc: stop")
    add("--json", type=Path, metavar="FILE", help="write file, size and classes of each image or frame")
    add("--csv", type=Path, metavar="FILE", help="write a row for each class that is told")
    add("--save-txt", action="store_true", help="write probability and name of each to DIR/labels")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(parse, classify, argv)


def classify(options: argparse.Namespace) -> int:
    """Do what the options say; returns 0, or 1 if some inputs failed. Raises what `look` raises."""
    return look(
        options.source,
        partial(Classifier, options.weights, device=options.device, imgsz=options.imgsz, top=options.top),
        partial(_open_outputs, options),
        vid_stride=options.vid_stride,
        threads=options.threads,
        show=options.show,
        saved_in=None if options.no_save and not options.save_txt else str(options.output),
    )


def _open_outputs(options: argparse.Namespace, sources: Sequence[Source]) -> Iterator[Output]:
    """Open what the options ask for, one by one."""
    protected = Protected(sources)
    if options.json:
        yield JsonFile(options.json, protected)
    if options.csv:
        yield CsvFile(options.csv, protected)
    if options.save_txt:
        yield Labels(options.output, False, protected)
    if not options.no_save:
        yield Pictures(options.output, protected)


if __name__ == "__main__":
    sys.exit(main())
