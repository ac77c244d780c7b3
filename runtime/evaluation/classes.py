"""How good a classifier is: on a folder with a folder of pictures for each class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..inputs.image_file import IMAGE_SUFFIXES
from ..results.classification import Classification


class ClassAccuracy(NamedTuple):
    """One class: how many pictures, and of how many it is the most probable, or among the five."""

    name: str
    pictures: int
    top1: int
    top5: int


def read_class_folders(folder: Path, names: Sequence[str]) -> list[tuple[Path, int]]:
    """List pictures with their true class ids: in FOLDER/NAME/, or in FOLDER/val/NAME/ or FOLDER/test/NAME/.

    names: of the model's classes, which the folders are called after. If none of them is, but there are as
    many folders as classes, they count in the order of their names, as in YOLOv5.

    Raises InputError if the folders and the classes don't fit, or there is no picture.
    """
    root = next((folder / name for name in ("val", "test") if (folder / name).is_dir()), folder)
    try:
        folders = sorted(path for path in root.iterdir() if path.is_dir())
    except OSError as error:
        raise InputError(f"{root} cannot be read: {error.strerror or error}") from error
    if not folders:
        raise InputError(f"{root} has no folder of pictures for each class, and no --annotations were given")
    ids = {name: class_id for class_id, name in enumerate(names)}
    unknown = [path.name for path in folders if path.name not in ids]
    if len(unknown) == len(folders) == len(names):
        ids = {path.name: class_id for class_id, path in enumerate(folders)}
    elif unknown:
        raise InputError(
            f"{root / unknown[0]} is called after no class of the model, which are {', '.join(names[:10])}"
        )
    pictures = [
        (path, ids[each.name])
        for each in folders
        for path in sorted(each.rglob("*"))
        if path.suffix.lower() in IMAGE_SUFFIXES
    ]
    if not pictures:
        raise InputError(f"there are no pictures in the folders of {root}")
    return pictures


def class_accuracy(
    outcomes: Iterable[tuple[int, Classification]], names: Sequence[str]
) -> list[ClassAccuracy]:
    """Count, for true class ids and what was said of their pictures, by class, those without any, too."""
    counts = [[0, 0, 0] for _ in names]
    for class_id, found in outcomes:
        guesses = [guess.class_id for guess in found.top(5)]
        counts[class_id][0] += 1
        counts[class_id][1] += guesses[0] == class_id
        counts[class_id][2] += class_id in guesses
    return [ClassAccuracy(name, *count) for name, count in zip(names, counts, strict=True)]
