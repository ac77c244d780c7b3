"""The command `python -m runtime.detect`: find objects in pictures, videos, cameras and streams."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from .command.look import look
from .command.options import add_box_options, add_model_options, make_detector, new_parser, positive
from .command.run import run
from .inputs.sources import Source
from .outputs.pictures import Crops, Pictures
from .outputs.results import Output, Protected
from .outputs.tables import CsvFile, JsonFile, Labels

EXAMPLES = """
examples:
  python -m runtime.detect bus.jpg                         boxes on a copy in runs/detect/bus.jpg
  python -m runtime.detect photos/ clip.mp4 --weights weights/mine.onnx
  python -m runtime.detect "photos/**/*.jpg" --no-save --json found.json
  python -m runtime.detect 0 --show --no-save              watch the first camera; q ends it
  python -m runtime.detect rtsp://192.168.1.20/stream --classes person car --csv log.csv
  python -m runtime.detect photos/ --save-txt --conf-thres 0.5 --output labelled

Files go first, then cameras and streams, all of these together. Of a live source only the newest frame is
looked at; it is opened again when it stalls. Put --imgsz and --classes after the sources.

exit codes: 0 all done; 1 some inputs could not be read; 2 nothing done: wrong usage, model or device, or
nothing can be written; 130 interrupted (Ctrl-C; videos and JSON are complete up to there).
"""


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; exits with code 2 and a message if it is wrong."""
    parser = new_parser(
        "detect",
        "Find objects in pictures, videos and live streams with a YOLOv5 model and OpenCV alone.",
        EXAMPLES,
    )
    add = parser.add_argument
    add(
        "source",
        nargs="+",
        metavar="SOURCE",
        help="a picture, video, folder, glob pattern, camera number or stream URL",
    )

    add_model_options(parser.add_argument_group("model"))
    boxes = parser.add_argument_group("boxes")
    add_box_options(boxes, max_det=1000)
    add = boxes.add_argument
    add("--classes", nargs="+", metavar="CLASS", help="look for these only, by name or number")
    add("--agnostic-nms", action="store_true", help="let boxes of different classes suppress each other")
    add(
        "--multi-label",
        action="store_true",
        help="give a box every class that scores high enough, as evaluations do, not just the best",
    )
    add("--vid-stride", type=positive, default=1, metavar="N", help="look at every N-th frame (default: 1)")

    output = parser.add_argument_group(
        "output", "Sources are never overwritten: a picture in the output folder gets another name."
    )
    add = output.add_argument
    add(
        "--output",
        type=Path,
        default=Path("runs", "detect"),
        metavar="DIR",
        help="folder for pictures, videos, labels and crops (default: runs/detect)",
    )
    add("--no-save", action="store_true", help="save no annotated pictures and videos")
    add("--show", action="store_true", help="show them in a window; any key: next picture, q or Esc: stop")
    add("--json", type=Path, metavar="FILE", help="write file, size and detections of each image or frame")
    add("--csv", type=Path, metavar="FILE", help="write a row for each detection")
    add("--save-txt", action="store_true", help="write YOLO label files to DIR/labels")
    add("--save-conf", action="store_true", help="append the score to each label line; implies --save-txt")
    add("--save-crop", action="store_true", help="save what was found to DIR/crops/CLASS")
    add("--crop-masks", action="store_true", help="save it as PNG, transparent where it is not; needs masks")

    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(parse, detect, argv)


def detect(options: argparse.Namespace) -> int:
    """Do what the options say; returns 0, or 1 if some inputs failed. Raises what `look` raises."""
    saves = options.save_txt, options.save_conf, options.save_crop, options.crop_masks
    return look(
        options.source,
        partial(
            make_detector,
            options,
            classes=options.classes,
            agnostic_nms=options.agnostic_nms,
            multi_label=options.multi_label,
        ),
        partial(_open_outputs, options),
        vid_stride=options.vid_stride,
        threads=options.threads,
        show=options.show,
        saved_in=None if options.no_save and not any(saves) else str(options.output),
    )


def _open_outputs(options: argparse.Namespace, sources: Sequence[Source]) -> Iterator[Output]:
    """Open what the options ask for, one by one."""
    protected = Protected(sources)
    if options.json:
        yield JsonFile(options.json, protected)
    if options.csv:
        yield CsvFile(options.csv, protected)
    if options.save_txt or options.save_conf:
        yield Labels(options.output, options.save_conf, protected)
    if options.save_crop or options.crop_masks:
        yield Crops(options.output, protected, options.crop_masks)
    if not options.no_save:
        yield Pictures(options.output, protected)


if __name__ == "__main__":
    sys.exit(main())
