"""What `detect` and `classify` write: which outputs are wanted, and how they are opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..inputs.sources import Kind, Source
from ..outputs.atomic import is_standard_output, is_stream
from ..outputs.pictures import Crops, Pictures
from ..outputs.results import Output, Protected
from ..outputs.tables import CsvFile, JsonFile, JsonLines, Labels, RunCsv
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

    @property
    def take_standard_output(self) -> bool:
        """Whether JSON or CSV goes to standard output, where nothing else may stand then."""
        return any(path is not None and is_standard_output(path) for path in (self.json, self.csv))


def open_outputs(wanted: Outputs, sources: Sequence[Source]) -> Iterator[Output]:
    """Open what is wanted, one by one; none will overwrite a source. Raises OSError."""
    protected = Protected(sources)
    live = any(source.kind is Kind.LIVE for source in sources)
    if wanted.json:
        lines = wanted.json.suffix.lower() == ".jsonl" or (live and is_stream(wanted.json))
        yield (JsonLines if lines else JsonFile)(_replaced(wanted.json), protected)
    if wanted.csv:
        yield CsvFile(_replaced(wanted.csv), protected, live)
    if wanted.folder is None:
        return
    if wanted.table:
        yield RunCsv(wanted.folder, protected, live)
    if wanted.labels:
        yield Labels(wanted.folder, wanted.scores, protected)
    if wanted.crops:
        yield Crops(wanted.folder, protected, wanted.cut_masks)
    if wanted.pictures:
        yield Pictures(wanted.folder, protected)


def _replaced(path: Path) -> Path:
    """Give the path back, and say so if a file that is there already will be replaced."""
    if path.is_file() and not is_stream(path):
        warn(f"{path} is there already and is replaced")
    return path
