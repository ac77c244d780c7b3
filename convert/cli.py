"""The command `python -m convert`."""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.command.run import run
from runtime.escape import escape

from . import __version__
from .errors import CheckError, ConvertError

if TYPE_CHECKING:
    from .conversion import Report

MAX_LINE = 4000  # letters

DESCRIPTION = """\
Convert a trained YOLOv5 checkpoint (.pt) to one ONNX file that OpenCV runs by itself: detection of any
release from v1.0 to v7.0, segmentation, classification, yolov5-face, and yolov5u, YOLOv8 or YOLO11 of the
package ultralytics. The file holds class names, anchors and strides too; nothing else is needed beside it.

The checkpoint is read as data and never executed; the code of layers of one's own comes from --layers. The
finished file is run by OpenCV on a picture and compared with PyTorch before it gets its name: a file that is
there is a file that works.
"""

EXAMPLES = """
examples:
  python -m convert best.pt                        writes weights/best.onnx
  python -m convert best.pt --imgsz 384 640        for input of that height and width
  python -m convert best.pt --target fast          for the quickest detection on a CPU
  python -m convert old.pt --focus conv            a v1.0 to v5.0 network with a free input size
  python -m convert best.pt --layers ../yolov5     a network with layers of one's own, or changed ones
  python -m convert anchors data/labels --images data/images --checkpoint best.pt
                                                   anchors for one's own labels, beside the checkpoint's

exit codes: 0 converted; 1 the finished model failed its check, no file written; 2 bad usage or input.
"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
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
        "usually 32 (default: what the checkpoint was trained for if it says so, else 640; a classifier 224)",
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
    add(
        "--crop",
        choices=("square", "shorter-side"),
        help="how a classifier's pictures are cut: square, as release v7.0 does it (default), or "
        "shorter-side, as v6.2 did; no checkpoint says which one it was trained with",
    )
    add(
        "--layers",
        type=Path,
        metavar="PATH",
        help="the Python file, or the source tree that the network was trained with, that has the code of "
        "layers that no YOLOv5 release has, or that were changed. This code is imported and RUN on this "
        "machine, the only one that ever is: name your own, or one that you trust",
    )
    add("--version", action="version", version=f"yolov5-dnn {__version__}")
    if not argv:  # show what there is
        parser.print_help()
        parser.exit()
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["anchors"]:
        from .anchors import main

        return main(arguments[1:])
    return run(parse, _work, arguments)


def _work(options: argparse.Namespace) -> int:
    """Convert; returns 0, or 1 if the finished model fails its check. Raises ConvertError."""
    if options.imgsz is not None and len(options.imgsz) > 2:
        raise ConvertError(f"--imgsz takes a height and a width, not {len(options.imgsz)} numbers")
    # these are found out before PyTorch is imported, which takes seconds
    if not options.checkpoint.exists():
        raise ConvertError(f"{options.checkpoint}: there is no such file")
    missing = [name for name in ("torch", "onnx", "onnxsim") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConvertError(
            f"{' and '.join(missing)} must be installed to convert: pip install 'yolov5-dnn[convert]'"
        )
    start = time.perf_counter()

    def progress(step: str) -> None:
        print(f"[{time.perf_counter() - start:5.1f} s] {step}", file=sys.stderr, flush=True)

    progress("starting PyTorch")
    from .conversion import convert

    size = options.imgsz if options.imgsz is None else (options.imgsz[0], options.imgsz[-1])
    try:
        report = convert(
            options.checkpoint,
            options.output,
            size,
            options.focus,
            options.target,
            options.crop,
            progress,
            options.layers,
        )
    except CheckError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; nothing was written", file=sys.stderr)
        raise
    progress("done")
    print(summary(report, time.perf_counter() - start))
    return 0


def summary(report: Report, seconds: float) -> str:
    """Write the report in a few aligned lines."""
    checkpoint = report.checkpoint
    names = ", ".join(checkpoint.names[:8]) + (", …" if len(checkpoint.names) > 8 else "")
    height, width = report.imgsz
    size = f"{height}x{width}, fixed"
    if report.dynamic:
        multiples = f" with multiples of {report.size_multiple}" if report.size_multiple > 1 else ""
        size = f"{height}x{width}, or any other{multiples}, in any batch"
    anchors = "; ".join(" ".join(f"{w:g},{h:g}" for w, h in level) for level in checkpoint.anchors)
    rows = {
        "checkpoint": f"{checkpoint.path}",
        "release": checkpoint.release,
        "task": checkpoint.model.head.task,
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
    if checkpoint.own:
        rows["layers"] = ", ".join(sorted(checkpoint.class_paths[cls] for cls in checkpoint.own))
    rows["next"] = _next_command(report)
    rows = {key: text for key, text in rows.items() if text}
    return "\n".join(f"{key:<12}{escape(text, MAX_LINE)}" for key, text in rows.items())


def _next_command(report: Report) -> str:
    """Give the command to type next."""
    command = "classify" if report.checkpoint.model.head.task == "classify" else "detect"
    return f"yolov5-dnn {command} PICTURE.jpg --weights {shlex.quote(str(report.output))}"
