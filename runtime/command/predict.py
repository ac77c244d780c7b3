"""From sources through a model to outputs: what `detect` and `classify` do, each with its own model."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2

from ..errors import InputError
from ..inputs.frames import End, Event, Frame, Problem, read_files, read_live
from ..inputs.sources import Kind, Source, find_sources
from ..outputs.results import Output, Result
from ..predictors.classifier import Classifier
from ..predictors.detector import Detector
from ..program import program
from .interrupt import Interrupt
from .options import say_size
from .outputs import Outputs, open_outputs
from .pipeline import WriteBehind, in_order, newest, read_ahead
from .report import Report
from .workers import Model, detectors_for, share_heap


@dataclass(frozen=True)
class Inputs:
    """What is to be looked at.

    arguments: as `find_sources` takes them; recursive: whether subfolders count. Of videos and streams every
    `vid_stride`-th frame is looked at; pictures of more than `max_pixels` are refused.
    """

    arguments: Sequence[str]
    recursive: bool
    vid_stride: int
    max_pixels: int


def predict(
    inputs: Inputs,
    make: Callable[[], Model],
    outputs: Outputs,
    *,
    show: bool = False,
    threads: int | None = None,
    imgsz: Sequence[int] | None = None,
    default_model: bool = False,
    style: Mapping[str, Any] | None = None,
) -> int:
    """Look at all inputs, and report, write and show what a model finds there.

    make: makes the model, several times if several threads shall share the work. show: in a window, too.
    threads: of the processor, all if None. imgsz: the size that was asked for, which the model may have
    rounded up. default_model: whether nobody chose the model. style: what `draw` is told.

    Returns 0, or 1 if some inputs failed. Raises DetectorError if nothing can be done, OSError if nothing can
    be written, and KeyboardInterrupt; the files of what has been found until then are complete.
    """
    sources, problems, left_out = find_sources(inputs.arguments, inputs.recursive)
    if not sources:
        raise InputError("; ".join(problems))
    report = Report(sources, outputs.take_standard_output)
    for text in problems:
        report.problem(text)
    if threads:
        cv2.setNumThreads(threads)
    share_heap()
    model = make()
    say_size(imgsz, model)
    with Interrupt() as interrupt:
        events = _look_at_all(sources, inputs, style or {}, model, make, interrupt)
        saved = _put_out(events, open_outputs(outputs, sources), show, report, interrupt)
    report.summary(str(outputs.folder) if saved else None, interrupt.requested, left_out)
    if interrupt.requested:
        raise KeyboardInterrupt
    if default_model and report.looked and not report.found:
        report.problem(_own_model(model), fatal=False)
    return 1 if report.failed else 0


def _own_model(model: Detector | Classifier) -> str:
    """Say what the default model would have found, and how to give another one."""
    return (
        f"nothing was found: without --weights it is {model.path.name} that looks, which knows "
        f"{', '.join(model.info.names)} only; for your own model, `{program('convert')} best.pt` makes a "
        "file for --weights"
    )


def _put_out(
    events: Generator[Result | Problem | End, None, None],
    opening: Iterable[Output],
    show: bool,
    report: Report,
    interrupt: Interrupt,
) -> bool:
    """Report, write and show what is found until the sources end or the user wants no more.

    `opening` gives the outputs, which are opened one after the other as it is gone through. Returns whether
    something was written to the folder of the run.
    """
    outputs: list[Output] = []
    # Leaving closes in reverse order: reading stops, writing catches up, files are completed.
    with ExitStack() as stack:
        for output in opening:
            outputs.append(output)
            stack.push(partial(_close, output))
        window = None
        if show:
            from .window import Window

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
                    report.problem(str(error), source=item.source)

        writer = WriteBehind(write)
        stack.callback(writer.close)
        stack.callback(events.close)

        for event in events:
            if isinstance(event, Problem):
                report.problem(event.text, event.fatal, event.source)
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
    return any(output.saved for output in outputs)


def _close(output: Output, kind: type[BaseException] | None, *error: object) -> None:
    """Close an output at the end, whatever has ended it."""
    output.close(failed=kind is not None and issubclass(kind, Exception))


def _look_at_all(
    sources: Sequence[Source],
    inputs: Inputs,
    style: Mapping[str, Any],
    model: Model,
    make: Callable[[], Model],
    interrupt: Interrupt,
) -> Generator[Result | Problem | End, None, None]:
    """Look at all sources: files one after the other, then live sources all together."""
    files = [source for source in sources if source.kind is not Kind.LIVE]
    live = [source for source in sources if source.kind is Kind.LIVE]

    def stopped() -> bool:
        return interrupt.requested

    if files:
        images = math.inf if any(source.kind is Kind.VIDEO for source in files) else len(files)
        read = read_files(files, inputs.vid_stride, inputs.max_pixels, model.info.channels)
        with (
            detectors_for(model, make, images) as models,
            closing(read_ahead(read, stopped=stopped)) as events,
        ):
            yield from in_order([partial(_look_at, each, style) for each in models], events)
    if live and not stopped():
        streams: list[Iterator[Event]] = [
            read_live(source, inputs.vid_stride, inputs.max_pixels) for source in live
        ]
        with closing(newest(streams, lambda event: isinstance(event, Frame), stopped)) as events:
            yield from map(partial(_look_at, model, style), events)


def _look_at(model: Model, style: Mapping[str, Any], event: Event) -> Result | Problem | End:
    """Find what is in a frame; leave other events as they are."""
    if not isinstance(event, Frame):
        return event
    try:
        return Result(event, model(event.image), style)
    except InputError as error:
        return Problem(event.source, f"{event.source.name}: {error}")
