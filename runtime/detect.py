"""The command `python -m runtime.detect`: find objects in pictures, videos, cameras and streams."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import cv2

from .command.interrupt import Interrupt
from .command.options import add_box_options, add_model_options, make_detector, new_parser, positive
from .command.pipeline import WriteBehind, in_order, newest, read_ahead
from .command.report import Report
from .command.run import run
from .command.team import team
from .detector import Detector
from .errors import InputError
from .inputs.frames import End, Event, Frame, Problem, read_files, read_live
from .inputs.sources import Kind, Source, find_sources
from .outputs.pictures import Crops, Pictures
from .outputs.results import Output, Protected, Result
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
    add_box_options(boxes, conf_thres=0.25, iou_thres=0.45, max_det=1000)
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

    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(parse, detect, argv)


def detect(options: argparse.Namespace) -> int:
    """Do what the options say; returns 0, or 1 if some inputs failed.

    Raises DetectorError if nothing can be done, OSError if nothing can be written, and KeyboardInterrupt; the
    files of what has been found until then are complete.
    """
    sources, problems = find_sources(options.source)
    if not sources:
        raise InputError("; ".join(problems))
    report = Report(sources)
    for text in problems:
        report.problem(text)
    if options.threads:
        cv2.setNumThreads(options.threads)
    make = partial(
        make_detector,
        options,
        classes=options.classes,
        agnostic_nms=options.agnostic_nms,
        multi_label=options.multi_label,
    )
    detector = make()
    with Interrupt() as interrupt:
        events = _look_at_all(sources, options.vid_stride, detector, make, interrupt)
        _put_out(events, _open_outputs(options, sources), options.show, report, interrupt)
    uses_folder = not options.no_save or options.save_txt or options.save_conf or options.save_crop
    report.summary(str(options.output) if uses_folder else None, interrupt.requested)
    if interrupt.requested:
        raise KeyboardInterrupt
    return 1 if report.failed else 0


def _put_out(
    events: Generator[Result | Problem | End, None, None],
    opening: Iterable[Output],
    show: bool,
    report: Report,
    interrupt: Interrupt,
) -> None:
    """Report, write and show what is found until the sources end or the user wants no more.

    `opening` gives the outputs, which are opened one after the other as it is gone through.
    """
    # Leaving closes in reverse order: reading stops, writing catches up, files are completed.
    with ExitStack() as stack:
        outputs = []
        for output in opening:
            outputs.append(output)
            stack.callback(output.close)
        window = None
        if show:
            from .command.window import Window

            window = Window()
            stack.callback(window.close)

        def write(item: Result | End) -> None:
            for output in outputs:
                try:
                    if isinstance(item, End):
                        output.end(item.source)
                    else:
                        output.add(item)
                except InputError as error:
                    report.problem(str(error))

        writer = WriteBehind(write)
        stack.callback(writer.close)
        stack.callback(events.close)

        for event in events:
            if isinstance(event, Problem):
                report.problem(event.text, event.fatal)
            elif isinstance(event, End):
                report.end(event.source)
                writer.put(event)
            else:
                report.result(event)
                # drawn here, before the writer wants it, too
                shown = event.picture if window else event.frame.image
                writer.put(event)
                if window and not window.show(shown, event.frame.index is None, interrupt):
                    break


def _open_outputs(options: argparse.Namespace, sources: Sequence[Source]) -> Iterator[Output]:
    """Open what the options ask for, one by one."""
    protected = Protected(sources)
    if options.json:
        yield JsonFile(options.json, protected)
    if options.csv:
        yield CsvFile(options.csv, protected)
    if options.save_txt or options.save_conf:
        yield Labels(options.output, options.save_conf, protected)
    if options.save_crop:
        yield Crops(options.output, protected)
    if not options.no_save:
        yield Pictures(options.output, protected)


def _look_at_all(
    sources: Sequence[Source],
    vid_stride: int,
    detector: Detector,
    make: Callable[[], Detector],
    interrupt: Interrupt,
) -> Generator[Result | Problem | End, None, None]:
    """Look at all sources: files one after the other, then live sources all together."""
    files = [source for source in sources if source.kind is not Kind.LIVE]
    live = [source for source in sources if source.kind is Kind.LIVE]

    def stopped() -> bool:
        return interrupt.requested

    if files:
        images = math.inf if any(source.kind is Kind.VIDEO for source in files) else len(files)
        with (
            team(detector, make, images) as detectors,
            closing(read_ahead(read_files(files, vid_stride), stopped=stopped)) as events,
        ):
            yield from in_order([partial(_look_at, each) for each in detectors], events)
    if live and not stopped():
        streams: list[Iterator[Event]] = [read_live(source, vid_stride) for source in live]
        with closing(newest(streams, lambda event: isinstance(event, Frame), stopped)) as events:
            yield from map(partial(_look_at, detector), events)


def _look_at(detector: Detector, event: Event) -> Result | Problem | End:
    """Find what is in a frame; leave other events as they are."""
    if not isinstance(event, Frame):
        return event
    return Result(event, detector(event.image))


if __name__ == "__main__":
    sys.exit(main())
