"""What `detect` says on the terminal: results to stdout, progress and problems to stderr."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from time import monotonic

from ..escape import escape
from ..inputs.sources import Source
from ..outputs.results import Found, Result
from ..results.detections import class_counts

STATUS_SECONDS = 0.2  # between two updates of the status line on a terminal
LOG_SECONDS = 10.0  # and where stderr goes to a file
MAX_LINE = 4000  # letters


class Report:
    """Prints a line per picture, a line per video when it is over, a status line meanwhile, and a summary.

    Attributes: `failed`, how many sources or pictures could not be used; `looked`, at how many pictures and
    frames; `found`, how many things were found in them.
    """

    def __init__(self, sources: Sequence[Source], to_stderr: bool = False):
        """All goes to stderr if it is to: if stdout is for results as JSON or CSV."""
        self._out = sys.stderr if to_stderr else sys.stdout
        self.failed = self.looked = self.found = 0
        self._places = {source: f"[{n}/{len(sources)}] " for n, source in enumerate(sources, 1)}
        if len(sources) == 1:
            self._places = dict.fromkeys(sources, "")
        self._tallies: dict[Source, _Tally] = {}
        self._images = self._frames = 0
        self._start = monotonic()
        self._status_due = self._start + (STATUS_SECONDS if sys.stderr.isatty() else LOG_SECONDS)
        self._status_width = 0

    def result(self, result: Result) -> None:
        """Report one picture or frame."""
        frame, found = result.frame, result.found
        source = frame.source
        self.looked += 1
        self.found += found.counts().total()
        height, width = frame.image.shape[:2]
        if frame.index is None:
            self._images += 1
            said, spent = found.summary(), stages(found.timings)
            self._say(f"{self._places[source]}{source.name}  {width}x{height}  {said}   {spent}")
            return
        self._frames += 1
        tally = self._tallies.setdefault(source, _Tally(width, height, found.names))
        tally.add(found)
        if monotonic() >= self._status_due:
            place = f"frame {frame.index}" + (f"/{frame.count}" if frame.count else "")
            said = f"{tally.rate():.1f} fps  {found.summary()}"
            self._status(f"{self._places[source]}{source.name}  {place}  {said}")

    def end(self, source: Source) -> None:
        """Report a video or stream that is over."""
        tally = self._tallies.pop(source, None)
        if tally:
            self._say(f"{self._places[source]}{source.name}  {tally.summary()}")

    def problem(self, text: str, fatal: bool = True, source: Source | None = None) -> None:
        """Report something that went wrong, and with what source; `fatal` if an input is lost by it."""
        text = (self._places[source] if source else "") + text
        self.failed += fatal
        self._clear()
        print(f"{'error' if fatal else 'warning'}: {escape(text, MAX_LINE)}", file=sys.stderr, flush=True)

    def summary(
        self, saved_in: str | None, interrupted: bool = False, left_out: Mapping[str, int] | None = None
    ) -> None:
        """Report the whole run; left_out: how many things of each kind nobody looked at."""
        for source in list(self._tallies):
            self.end(source)
        seconds = monotonic() - self._start
        parts = [plural(self._images, "image")] if self._images or not self._frames else []
        if self._frames:
            parts.append(plural(self._frames, "frame"))
        if self.failed:
            parts.append(f"{self.failed} failed")
        rate = (self._images + self._frames) / seconds if seconds else 0
        text = f"{', '.join(parts)} in {seconds:.1f} s ({rate:.1f} per second)"
        text = f"interrupted after {text}" if interrupted else text
        if left_out:
            text += f"; left out: {', '.join(plural(count, noun) for noun, count in left_out.items())}"
        self._say(text + (f"; saved in {saved_in}" if saved_in else ""))

    def _say(self, text: str) -> None:
        self._clear()
        print(escape(text, MAX_LINE), file=self._out, flush=True)

    def _status(self, text: str) -> None:
        text = escape(text, MAX_LINE)
        if sys.stderr.isatty():
            import shutil  # with its own imports it would delay every start

            self._clear()
            text = text[: shutil.get_terminal_size().columns - 1]  # a second line could not be cleared
            print(text, end="\r", file=sys.stderr, flush=True)
            self._status_width = len(text)
            self._status_due = monotonic() + STATUS_SECONDS
        else:
            print(text, file=sys.stderr, flush=True)
            self._status_due = monotonic() + LOG_SECONDS

    def _clear(self) -> None:
        if self._status_width:
            print(" " * self._status_width, end="\r", file=sys.stderr, flush=True)
            self._status_width = 0


class _Tally:
    """What was found in the frames of one video so far."""

    def __init__(self, width: int, height: int, names: Sequence[str]):
        self._size, self._names = f"{width}x{height}", names
        self._counts: Counter[int] = Counter()
        self._timings: Counter[str] = Counter()
        self._frames = 0
        self._start = monotonic()

    def add(self, found: Found) -> None:
        self._frames += 1
        self._counts.update(found.counts())
        self._timings.update(found.timings)

    def rate(self) -> float:
        """Frames per second."""
        return self._frames / max(monotonic() - self._start, 1e-6)

    def summary(self) -> str:
        """What was found in all frames, and how long each stage took in the mean."""
        means = {stage: total / self._frames for stage, total in self._timings.items()}
        found = class_counts(self._counts, self._names)
        return f"{self._size}  {plural(self._frames, 'frame')}  {found}   {stages(means)}"


def stages(timings: Mapping[str, float]) -> str:
    """Say how long each stage took, in milliseconds."""
    return "  ".join(f"{stage} {milliseconds:.1f}" for stage, milliseconds in timings.items()) + " ms"


def plural(count: int, noun: str) -> str:
    """Give "1 image", "2 images"."""
    return f"{count} {noun}" + ("" if count == 1 else "s")
