"""Outputs that are text: JSON, CSV and YOLO label files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, TextIO

from ..inputs.sources import Source
from .atomic import AtomicFile, write_atomic
from .results import Protected, Result


class _TextFile:
    """A UTF-8 file that grows result by result and appears under its name when it is closed."""

    def __init__(self, path: Path):
        self._file = AtomicFile(path)
        # A file name that is no Unicode is written with the \udcXX escapes that JSON knows.
        self._stream: TextIO = self._file.temporary.open(
            "w", encoding="utf-8", errors="backslashreplace", newline=""
        )

    def _write(self, text: str) -> None:
        with self._file.writing():
            self._stream.write(text)

    def end(self, source: Source) -> None:
        """Nothing to do: all sources go into one file."""

    def close(self) -> None:
        """Complete the file."""
        with self._file.writing():
            self._stream.close()
        self._file.commit()


class JsonFile(_TextFile):
    """All results in one array: an object per image with file, width, height and what was found.

    Frames of videos and streams have their number, from 0, as "frame". Boxes are x1, y1, x2, y2 in pixels.
    """

    def __init__(self, path: Path, protected: Protected):
        super().__init__(protected.check(path))
        self._separator = "[\n"

    def add(self, result: Result) -> None:
        """Append an object."""
        height, width = result.frame.image.shape[:2]
        entry: dict[str, Any] = {"file": result.frame.source.name}
        if result.frame.index is not None:
            entry["frame"] = result.frame.index
        entry |= {"width": width, "height": height, result.found.kind: _rounded(result.found.to_dict())}
        self._write(self._separator + json.dumps(entry, ensure_ascii=False))
        self._separator = ",\n"

    def close(self) -> None:
        """Complete the file."""
        self._write("[]\n" if self._separator == "[\n" else "\n]\n")
        super().close()


class CsvFile(_TextFile):
    """A row for each thing found: file, frame (empty for pictures), and the result's own columns."""

    def __init__(self, path: Path, protected: Protected):
        super().__init__(protected.check(path))
        self._writer = csv.writer(self, lineterminator="\n")
        self._columns: tuple[str, ...] | None = None

    write = _TextFile._write  # what csv.writer calls

    def add(self, result: Result) -> None:
        """Append the rows of one image."""
        frame, found = result.frame, result.found
        self._head(found.columns)
        index = "" if frame.index is None else frame.index
        for row in found.rows():
            values = (_rounded(value, column) for value, column in zip(row, found.columns, strict=True))
            self._writer.writerow((frame.source.name, index, *values))

    def _head(self, columns: tuple[str, ...]) -> None:
        if self._columns is None:
            self._columns = columns
            self._writer.writerow(("file", "frame", *columns))

    def close(self) -> None:
        """Complete the file."""
        self._head(())
        super().close()


def _rounded(value: Any, key: str = "") -> Any:
    """Round all numbers, to 6 decimals if they are shares, else to 3: finer than any two machines agree."""
    if isinstance(value, float):
        return round(value, 6 if key in ("score", "probability") else 3)
    if isinstance(value, list):
        return [_rounded(each, key) for each in value]
    if isinstance(value, dict):
        return {name: _rounded(each, name) for name, each in value.items()}
    return value


class Labels:
    """A YOLO label file for each image, FOLDER/labels/STEM.txt.

    A line for each thing found, as its `label_lines` gives it; with `scores` they end in the score. An image
    in which nothing was found gets an empty file, as for training.
    """

    def __init__(self, folder: Path, scores: bool, protected: Protected):
        self._folder = folder / "labels"
        self._scores = scores
        self._protected = protected

    def add(self, result: Result) -> None:
        """Write the file of one image."""
        height, width = result.frame.image.shape[:2]
        lines = result.found.label_lines((height, width), self._scores)
        path = self._protected.check(self._folder / f"{result.stem}.txt")
        write_atomic(path, "".join(f"{line}\n" for line in lines).encode())

    def end(self, source: Source) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""
