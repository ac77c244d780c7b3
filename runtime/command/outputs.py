"""What `detect` and `classify` write: which outputs are wanted, and how they are opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..inputs.sources import Source
from ..outputs.pictures import Crops, Pictures
from ..outputs.results import Output, Protected
from ..outputs.tables import CsvFile, JsonFile, Labels, RunCsv
from .terminal import warn


@dataclass(frozen=True)
class Outputs:
    """What is wanted.

    folder: of the run, made or to be made; None if nothing is to be written there.
    json, csv: files to write, wherever they are. table: whether predictions.csv is wanted in the folder.
    pictures: annotated pictures and videos. labels: label files; scores: with the scores in them.
    crops: what was found, cut out; cut_masks: along its masks.
    """

    folder: Path | None
    json: Path | None
    csv: Path | None
    table: bool
    pictures: bool
    labels: bool
    scores: bool
    crops: bool
    cut_masks: bool


def open_outputs(wanted: Outputs, sources: Sequence[Source]) -> Iterator[Output]:
    """Open what is wanted, one by one; none will overwrite a source. Raises OSError."""
    protected = Protected(sources)
    if wanted.json:
        yield JsonFile(_replaced(wanted.json), protected)
    if wanted.csv:
        yield CsvFile(_replaced(wanted.csv), protected)
    if wanted.folder is None:
        return
    if wanted.table:
        yield RunCsv(wanted.folder, protected)
    if wanted.labels:
        yield Labels(wanted.folder, wanted.scores, protected)
    if wanted.crops:
        yield Crops(wanted.folder, protected, wanted.cut_masks)
    if wanted.pictures:
        yield Pictures(wanted.folder, protected)


def _replaced(path: Path) -> Path:
    """Give the path back, and say so if a file that is there already will be replaced."""
    if path.is_file():
        warn(f"{path} is there already and is replaced")
    return path
