"""What every kind of output is given, and what it must not overwrite.

Each kind of output is a class with `add` for every frame, `end` for a video or stream that is over, and
`close`. Every file appears under its name only when it is complete, and no source is ever overwritten.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..errors import InputError
from ..inputs.frames import Frame
from ..inputs.sources import Source
from ..results.classification import Classification
from ..results.detections import Detections
from .atomic import own_file

Found = Detections | Classification


@dataclass
class Result:
    """A frame and what was found in it."""

    frame: Frame
    found: Found
    style: Mapping[str, Any] = field(default_factory=dict)  # what `draw` is told

    @cached_property
    def picture(self) -> np.ndarray:
        """The frame with boxes drawn on it, uint8 (h, w, 3); drawn when first asked for."""
        return self.found.draw(self.frame.image, **self.style)

    @property
    def source(self) -> Source:
        """Where the frame comes from."""
        return self.frame.source

    @property
    def stem(self) -> str:
        """What files of this frame are called: as its source, with the number of the frame if it has one."""
        source, index = self.frame.source, self.frame.index
        return source.stem if index is None else f"{source.stem}_{index}"


class Output(Protocol):
    """Something that takes results.

    saved: how many files it has written to the folder of the run.

    Its methods raise InputError if this one result cannot be put out, OSError if nothing more can be written.
    """

    saved: int

    def add(self, result: Result) -> None:
        """Take the next result."""

    def end(self, source: Source) -> None:
        """Finish what belongs to this source alone."""

    def close(self, failed: bool = False) -> None:
        """Finish everything. After a failure, leave no file that holds nothing."""


class Protected:
    """The files that must not be written to, because they are being read."""

    def __init__(self, sources: Iterable[Source]):
        self._entries = {_entry(source.target) for source in sources if isinstance(source.target, Path)}

    def check(self, path: Path) -> Path:
        """Give the path back. Raises InputError if it is one of them."""
        if not self._entries.isdisjoint((_entry(path), _entry(Path(os.path.realpath(path))))):
            raise InputError(f"{path} is one of the sources and will not be overwritten")
        return path

    def free(self, folder: Path, stem: str, suffix: str) -> Path:
        """Give folder/stem.suffix, with "-boxes" added to the stem where that is one of the sources.

        Raises OSError if a link, or something that is no file, has that name.
        """
        path = folder / (stem + suffix)
        while _entry(path) in self._entries:
            stem += "-boxes"
            path = folder / (stem + suffix)
        return own_file(path)


def _entry(path: Path) -> str:
    """Name a directory entry in one way only: links to folders followed, upper and lower case the same."""
    return str(path.parent.resolve() / path.name).casefold()
