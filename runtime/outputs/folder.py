"""The folder of a run: a new one for each, so that no run overwrites what another one wrote."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Make a folder, of the first name that is free among "detect", "detect2", "detect3", …, and give it.

    Made at once, it is this run's alone also where several start at the same time. In the end it is removed
    if nothing is in it, and so are the folders above it that were made for it.

    Raises OSError, with the folder as its file name, if it cannot be made.
    """
    missing = [parent for parent in path.parents if not parent.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        folder = path if number == 1 else path.with_name(f"{path.name}{number}")
        try:
            folder.mkdir()
            break
        except FileExistsError:
            continue
    try:
        yield folder
    finally:
        for made in (folder, *missing):
            try:
                made.rmdir()
            except OSError:  # something is in it
                break
