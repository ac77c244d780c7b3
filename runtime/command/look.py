"""From sources through a model to outputs: what `detect` and `classify` do, each with its own model."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial

import cv2

from ..errors import InputError
from ..inputs.frames import End, Event, Frame, Problem, read_files, read_live
from ..inputs.sources import Kind, Source, find_sources
from ..outputs.results import Output, Result
from .interrupt import Interrupt
from .pipeline import WriteBehind, in_order, newest, read_ahead
from .report import Report
from .team import Model, team


def look(
    arguments: Sequence[str],
    make: Callable[[], Model],
    opening: Callable[[Sequence[Source]], Iterable[Output]],
    *,
    vid_stride: int = 1,
    threads: int | None = None,
    show: bool = False,
    saved_in: str | None = None,
) -> int:
    """Look at all that the arguments name, and report, write and show what a model finds there.

    make: makes the model, several times if several threads shall share the work; opening: gives, for the
    sources, the outputs, which are opened one after the other as it is gone through; saved_in: the folder
    that the summary names.

    Returns 0, or 1 if some inputs failed. Raises DetectorError if nothing can be done, OSError if nothing can
    be written, and KeyboardInterrupt; the files of what has been found until then are complete.
    """
    sources, problems = find_sources(arguments)
    if not sources:
        raise InputError("; ".join(problems))
    report = Report(sources)
    for text in problems:
        report.problem(text)
    if threads:
        cv2.setNumThreads(threads)
    model = make()
    with Interrupt() as interrupt:
        events = _look_at_all(sources, vid_stride, model, make, interrupt)
        _put_out(events, opening(sources), show, report, interrupt)
    report.summary(saved_in, interrupt.requested)
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


def _look_at_all(
    sources: Sequence[Source],
    vid_stride: int,
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
        with (
            team(model, make, images) as models,
            closing(read_ahead(read_files(files, vid_stride), stopped=stopped)) as events,
        ):
            yield from in_order([partial(_look_at, each) for each in models], events)
    if live and not stopped():
        streams: list[Iterator[Event]] = [read_live(source, vid_stride) for source in live]
        with closing(newest(streams, lambda event: isinstance(event, Frame), stopped)) as events:
            yield from map(partial(_look_at, model), events)


def _look_at(model: Model, event: Event) -> Result | Problem | End:
    """Find what is in a frame; leave other events as they are."""
    if not isinstance(event, Frame):
        return event
    return Result(event, model(event.image))
