"""The command `python -m runtime.detect`: find objects in pictures, videos, cameras and streams."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .command.aliases import help_text
from .command.options import (
    add_box_options,
    add_model_options,
    add_tiles_option,
    detector_maker,
    new_parser,
    positive,
)
from .command.predict import predict
from .command.predict_options import (
    add_output_options,
    add_source_options,
    parse_predict,
    wanted_inputs,
    wanted_outputs,
)
from .command.run import run

EXAMPLES = """
examples:
  python -m runtime.detect samples/cluttered.jpg           printed codes, boxes on a copy in runs/detect
  python -m runtime.detect photos/ clip.mp4 --weights weights/best.onnx      your own model
  python -m runtime.detect "photos/**/*.jpg" --no-save --json found.json
  python -m runtime.detect 0 --show --no-save              watch the first camera; q ends it
  python -m runtime.detect rtsp://192.168.1.20/stream --classes person car --csv log.csv
  python -m runtime.detect photos/ --recursive --save-txt --conf-thres 0.5 --output labelled
  curl -s https://example.com/bus.jpg | python -m runtime.detect - --no-save

Files go first, then cameras and streams, all of these together. Of a live source only the newest frame is
looked at; it is opened again when it stalls. Put --imgsz and --classes after the sources.
`yolov5-dnn detect` is the same command, and does not mind a runtime.py of your own in the working folder.

exit codes: 0 all done; 1 some inputs could not be read; 2 nothing done: wrong usage, model or device, or
nothing can be written; 130 interrupted (Ctrl-C; videos and JSON are complete up to there).

"""


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; exits with code 2 and a message if it is wrong."""
    parser = new_parser(
        "detect",
        "Find objects in pictures, videos and live streams with a YOLOv5 model and OpenCV alone.",
        EXAMPLES + help_text(),
    )
    add_source_options(parser)
    model = parser.add_argument_group("model")
    add_model_options(model)
    add_tiles_option(model)
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

    output = add_output_options(
        parser, Path("runs", "detect"), "pictures, videos, labels and crops", "detections"
    )
    add = output.add_argument
    add("--save-txt", action="store_true", help="write YOLO label files to DIR/labels")
    add("--save-conf", action="store_true", help="append the score to each label line; implies --save-txt")
    add("--save-crop", action="store_true", help="save what was found to DIR/crops/CLASS")
    add("--crop-masks", action="store_true", help="save it as PNG, transparent where it is not; needs masks")
    add("--line-thickness", type=positive, metavar="N", help="of boxes, in pixels (default: by the picture)")
    add("--hide-labels", action="store_true", help="draw no labels")
    add("--hide-conf", action="store_true", help="draw labels without scores")

    return parse_predict(parser, argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(parse, detect, argv)


def detect(options: argparse.Namespace) -> int:
    """Do what the options say; returns 0, or 1 if some inputs failed. Raises what `predict` raises."""
    style = {name: getattr(options, name) for name in ("line_thickness", "hide_labels", "hide_conf")}
    make = detector_maker(
        options,
        classes=options.classes,
        agnostic_nms=options.agnostic_nms,
        multi_label=options.multi_label,
    )
    with wanted_outputs(options) as outputs:
        return predict(
            wanted_inputs(options),
            make,
            outputs,
            show=options.show,
            threads=options.threads,
            imgsz=options.imgsz,
            default_model=options.weights is None,
            style=style,
        )


if __name__ == "__main__":
    sys.exit(main())
