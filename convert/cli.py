"""The command `python -m convert`."""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import __version__
from .errors import CheckError, ConvertError

if TYPE_CHECKING:
    from .conversion import Report

DESCRIPTION = """\
Convert a trained YOLOv5 detection checkpoint (.pt, any release from v1.0 to v7.0) to one ONNX file that
OpenCV runs by itself. The file holds class names, anchors and strides too; nothing else is needed beside it.

The checkpoint is read as data and never executed. The finished file is run by OpenCV on a picture and
compared with PyTorch before it gets its name: a file that is there is a file that works.
"""

EXAMPLES = """
examples:
  python -m convert best.pt                        writes weights/best.onnx
  python -m convert best.pt --imgsz 384 640        for input of that height and width
  python -m convert best.pt --target fast          for the quickest detection on a CPU
  python -m convert old.pt --focus conv            a v1.0 to v5.0 network with a free input size

exit codes: 0 converted; 1 the finished model failed its check, no file written; 2 bad usage or input.
"""


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; exits with code 2 and a message if it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m convert",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("checkpoint", type=Path, metavar="CHECKPOINT.pt", help="the checkpoint to convert")
    add(
        "--output",
        type=Path,
        metavar="MODEL.onnx",
        help="the file to write, or replace (default: weights/NAME.onnx, after the checkpoint's name)",
    )
    add(
        "--imgsz",
        type=int,
        nargs="+",
        metavar=("H", "W"),
        help="input height and width, or one side of a square; multiples of what the network pools down to, "
        "usually 32 (default: what the checkpoint was trained for if it says so, else 640)",
    )
    add(
        "--target",
        choices=("portable", "fast"),
        default="portable",
        help="portable: a graph for any program that reads ONNX, on any device (default). fast: the same "
        "network arranged for OpenCV's CPU code, any version of it; it wants its input folded and its SiLU "
        "recognised, which this project's Python and C++ runtimes do by themselves",
    )
    add(
        "--focus",
        choices=("permute", "conv"),
        help="how the portable graph writes the Focus layer that releases up to v5.0 begin with: permute "
        "rearranges the pixels, which fixes the input size (default); conv is one equal 6x6 convolution, "
        "which leaves it free",
    )
    add("--version", action="version", version=f"yolov5-dnn {__version__}")
    argv = sys.argv[1:] if argv is None else argv
    if not argv:  # show what there is
        parser.print_help()
        parser.exit()
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parse(argv)
    if options.imgsz is not None and len(options.imgsz) > 2:
        return _fail(f"--imgsz takes a height and a width, not {len(options.imgsz)} numbers")
    # these are found out before PyTorch is imported, which takes seconds
    if not options.checkpoint.exists():
        return _fail(f"{options.checkpoint}: there is no such file")
    missing = [name for name in ("torch", "onnx", "onnxsim") if importlib.util.find_spec(name) is None]
    if missing:
        return _fail(
            f"{' and '.join(missing)} must be installed to convert: pip install 'yolov5-dnn[convert]'"
        )
    try:
        return _convert(options)
    except KeyboardInterrupt:
        print("\ninterrupted; nothing was written", file=sys.stderr)
        return 128 + signal.SIGINT
    except CheckError as error:
        return _fail(str(error), 1)
    except ConvertError as error:
        return _fail(str(error))


def _convert(options: argparse.Namespace) -> int:
    start = time.perf_counter()

    def progress(step: str) -> None:
        print(f"[{time.perf_counter() - start:5.1f} s] {step}", file=sys.stderr, flush=True)

    progress("starting PyTorch")
    # OpenCV prints warnings of its own about layers that it does not know; the check is what counts
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    from .conversion import convert

    size = options.imgsz if options.imgsz is None else (options.imgsz[0], options.imgsz[-1])
    report = convert(options.checkpoint, options.output, size, options.focus, options.target, progress)
    progress("done")
    print(summary(report, time.perf_counter() - start))
    return 0


def _fail(message: str, code: int = 2) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


def summary(report: Report, seconds: float) -> str:
    """Write the report in a few aligned lines."""
    checkpoint = report.checkpoint
    names = ", ".join(checkpoint.names[:8]) + (", …" if len(checkpoint.names) > 8 else "")
    height, width = report.imgsz
    size = (
        f"{height}x{width}, or any other with multiples of {report.size_multiple}, in any batch"
        if report.dynamic
        else f"{height}x{width}, fixed"
    )
    anchors = "; ".join(" ".join(f"{w:g},{h:g}" for w, h in head) for head in checkpoint.anchors)
    rows = {
        "checkpoint": f"{checkpoint.path}",
        "release": checkpoint.release,
        "classes": f"{len(checkpoint.names)}: {names}",
        "strides": " ".join(map(str, checkpoint.strides)),
        "anchors": anchors,
        "parameters": f"{checkpoint.parameters:,}",
        "input size": size,
        "difference": f"{report.difference.absolute:.2g}, {report.difference.relative:.2g} of the largest "
        "logit (OpenCV against PyTorch)",
        "target": report.target,
        "model": f"{report.output} ({report.size / 1e6:.2f} MB)",
        "seconds": f"{seconds:.1f}",
    }
    return "\n".join(f"{key:<12}{value}" for key, value in rows.items())
