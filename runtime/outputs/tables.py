"""Outputs that are text: JSON, CSV and YOLO label files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from ..escape import escape
from ..inputs.sources import Source
from ..results.columns import COLUMNS
from .atomic import AtomicFile, is_stream, open_stream, own_file, own_folder, write_atomic
from .results import Protected, Result

_SHARES = {"score", "probability"} | {column.each for column in COLUMNS.values() if column.decimals > 3}


class _TextFile:
    """UTF-8 text that grows result by result.

    A file appears under its name when it is closed. If it is to be `growing`, it is there from the start, and
    each result can be read as soon as it is added, as it always can where a stream is written to.
    """

    saved = 0

    def __init__(self, path: Path, growing: bool = False):
        self._path = path
        self._growing = growing or is_stream(path)
        self._empty = True
        self._file = None if is_stream(path) else AtomicFile(path)
        if self._file is None:
            stream: BinaryIO = open_stream(path)
        elif growing:
            self._file.commit()
            stream, self._file = path.open("ab"), None
        else:
            stream = self._file.temporary.open("wb")
        # A file name that is no Unicode is written with the \udcXX escapes that JSON knows.
        self._stream: TextIO = TextIOWrapper(stream, encoding="utf-8", errors="backslashreplace", newline="")

    def _write(self, text: str) -> None:
        with self._writing():
            self._stream.write(text)

    def _added(self) -> None:
        """Let readers see what has been written."""
        if self._growing:
            with self._writing():
                self._stream.flush()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if self._file is not None:
            with self._file.writing():
                yield
            return
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OSError(error.errno, error.strerror or str(error), str(self._path)) from error

    def end(self, source: Source) -> None:
        """Nothing to do: all sources go into one file."""

    def close(self, failed: bool = False) -> None:
        """Complete the file; after a failure, remove it if there is nothing in it."""
        with self._writing():
            self._stream.close()
        if self._file is None:
            return
        if failed and self._empty:
            self._file.discard()
        else:
            self._file.commit()


class JsonFile(_TextFile):
    """All results in one array: an object per image with file, width, height and what was found.

    Frames of videos and streams have their number, from 0, as "frame"; those of live sources the "time" at
    which they were taken, in UTC. Boxes are x1, y1, x2, y2 in pixels.
    """

    def __init__(self, path: Path, protected: Protected):
        super().__init__(protected.check(path))
        self._separator = "[\n"

    def add(self, result: Result) -> None:
        """Append an object."""
        self._empty = False
        self._write(self._separator + _object(result))
        self._separator = ",\n"
        self._added()

    def close(self, failed: bool = False) -> None:
        """Complete the file; after a failure, remove it if there is nothing in it."""
        self._write("[]\n" if self._empty else "\n]\n")
        super().close(failed)


class JsonLines(_TextFile):
    """JSON Lines: the same objects, one a line, each of which can be read as soon as it is added."""

    def __init__(self, path: Path, protected: Protected):
        super().__init__(protected.check(path), growing=True)

    def add(self, result: Result) -> None:
        """Append a line."""
        self._write(_object(result) + "\n")
        self._added()


def _object(result: Result) -> str:
    frame = result.frame
    height, width = frame.image.shape[:2]
    entry: dict[str, Any] = {"file": frame.source.name}
    if frame.index is not None:
        entry["frame"] = frame.index
    if frame.taken is not None:
        entry["time"] = iso_time(frame.taken)
    entry |= {"width": width, "height": height, result.found.kind: rounded(result.found.to_dict())}
    return json.dumps(entry, ensure_ascii=False, allow_nan=False)


def iso_time(seconds: float) -> str:
    """Write a POSIX time in UTC, as ISO 8601 has it: 2026-12-01T02:15:30.250Z."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


class CsvFile(_TextFile):
    """A row for each thing found: file, frame (empty for pictures), and the result's own columns.

    Texts are as `cell` makes them. Where some sources are `live`, the time at which a frame was taken, in
    UTC, follows the frame, and each row can be read as soon as it is added.
    """

    def __init__(self, path: Path, protected: Protected, live: bool = False):
        super().__init__(protected.check(path), growing=live)
        self._live = live
        self._writer = csv.writer(self, lineterminator="\n")
        self._columns: tuple[str, ...] | None = None

    write = _TextFile._write  # what csv.writer calls

    def add(self, result: Result) -> None:
        """Append the rows of one image."""
        self._empty = False
        frame, found = result.frame, result.found
        self._head(found.header)
        index = "" if frame.index is None else frame.index
        time = ["" if frame.taken is None else iso_time(frame.taken)] if self._live else []
        for row in found.rows():
            values = (rounded(value, column) for value, column in zip(row, found.header, strict=True))
            self._writer.writerow((cell(frame.source.name), index, *time, *map(cell, values)))
        self._added()

    def _head(self, columns: tuple[str, ...]) -> None:
        if self._columns is None:
            self._columns = columns
            self._writer.writerow(("file", "frame", *(["time"] if self._live else []), *columns))

    def close(self, failed: bool = False) -> None:
        """Complete the file; after a failure, remove it if there is nothing in it."""
        self._head(())
        super().close(failed)


def cell(value: Any) -> Any:
    """Make a text fit for a cell: an apostrophe stands before what a spreadsheet would take for a formula.

    Control characters and the like are written as `runtime.escape` does it. What isn't text stays as it is.
    """
    if not isinstance(value, str):
        return value
    text = escape(value, None)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "|", "%")) else text


def rounded(value: Any, key: str = "") -> Any:
    """Round the numbers in plain values, shares to 6 decimals, others to 3: finer than machines agree."""
    if isinstance(value, float):
        return round(value, 6 if key in _SHARES else 3)
    if isinstance(value, list):
        return [rounded(each, key) for each in value]
    if isinstance(value, dict):
        return {name: rounded(each, name) for name, each in value.items()}
    return value


class RunCsv(CsvFile):
    """The same in the folder of the run, as FOLDER/predictions.csv."""

    def __init__(self, folder: Path, protected: Protected, live: bool = False):
        super().__init__(own_file(folder / "predictions.csv"), protected, live)

    def close(self, failed: bool = False) -> None:
        """Complete the file; after a failure, remove it if there is nothing in it."""
        super().close(failed)
        self.saved = 1


class Labels:
    """A YOLO label file for each image, FOLDER/labels/STEM.txt.

    A line for each thing found, as its `label_lines` gives it; with `scores` they end in the score. An image
    in which nothing was found gets an empty file, as for training.
    """

    def __init__(self, folder: Path, scores: bool, protected: Protected):
        self.saved = 0
        self._folder = folder / "labels"
        self._scores = scores
        self._protected = protected

    def add(self, result: Result) -> None:
        """Write the file of one image."""
        height, width = result.frame.image.shape[:2]
        lines = result.found.label_lines((height, width), self._scores)
        path = self._protected.check(own_file(own_folder(self._folder) / f"{result.stem}.txt"))
        write_atomic(path, "".join(f"{line}\n" for line in lines).encode())
        self.saved += 1

    def end(self, source: Source) -> None:
        """Nothing to do."""

    def close(self, failed: bool = False) -> None:
        """Nothing to do."""
