"""What a PyTorch checkpoint seems to be, told from the words of its pickle: nothing of it is executed.

The converter reads checkpoints in earnest. This is for a machine without PyTorch: it goes through the
opcodes, which are data, and notes the classes that are named and the strings behind the key "names".
https://docs.python.org/3/library/pickletools.html
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelError

MAX_PICKLE = 64 << 20  # bytes; YOLOv5x's has 1 MB
MAX_OPCODES = 3_000_000
MAX_NAMES = 10_000

# The last part of a head's class path, and the task that it is for.
HEADS = {
    "Detect": "detect",
    "v10Detect": "detect",
    "Segment": "segment",
    "Segment26": "segment",
    "Classify": "classify",
    "IKeypoint": "keypoints",
    "Pose": "pose",
    "Pose26": "pose",
    "OBB": "obb",
    "OBB26": "obb",
}


@dataclass(frozen=True)
class CheckpointWords:
    """What the words of a checkpoint tell.

    heads: class paths that look like a detector's or classifier's last layer, such as "models.yolo.Detect".
    classes: all class paths that it names, in their order.
    names: the names of its classes, empty if they were not found.
    """

    heads: tuple[str, ...]
    classes: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def task(self) -> str:
        """The task of the head, or "" if there is none that is known here."""
        tasks = [HEADS[head.rpartition(".")[2]] for head in self.heads]
        special = [task for task in tasks if task != "detect"]  # a Segment is a Detect as well, and names it
        if not special and any(each.endswith(".StemBlock") for each in self.classes):
            return "keypoints"  # yolov5-face, which calls its head Detect, too
        return next(iter([*special, *tasks]), "")


def is_checkpoint(start: bytes) -> bool:
    """Say whether a file begins as torch.save's do: a zip archive, or before PyTorch 1.6 a pickle."""
    return start[:4] == b"PK\x03\x04" or (start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05")


def read_words(path: Path) -> CheckpointWords:
    """Read a checkpoint's words. Raises ModelError for a file that is none, or a damaged one."""
    try:
        pickles = _pickles(path)
        classes: dict[str, None] = {}
        names: list[str] = []
        for data in pickles:
            _read(data, classes, names)
    except Exception as error:  # the readers of archives and opcodes have many kinds
        raise ModelError(f"{path} is no PyTorch checkpoint, or a damaged one") from error
    heads = tuple(each for each in classes if each.rpartition(".")[2] in HEADS)
    return CheckpointWords(heads, tuple(classes), tuple(names))


def _pickles(path: Path) -> list[io.BytesIO]:
    """The pickles of a file: data.pkl of the newer format, the first megabytes of the older one."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            return [io.BytesIO(file.read(MAX_PICKLE))]
    with zipfile.ZipFile(path) as archive:
        members = [each for each in archive.infolist() if each.filename.endswith("/data.pkl")]
        if len(members) != 1 or members[0].file_size > MAX_PICKLE:
            raise ValueError("it has not one data.pkl of a usable size")
        with archive.open(members[0]) as member:
            return [io.BytesIO(member.read(MAX_PICKLE))]


def _read(file: io.BytesIO, classes: dict[str, None], names: list[str]) -> None:
    """Note the words of all pickles that follow one another in a file."""
    count = 0
    while True:
        recent: list[str] = []  # the last strings, which a STACK_GLOBAL takes
        collecting = False
        try:
            for name, value in _opcodes(file):
                count += 1
                if count > MAX_OPCODES:
                    return
                if name == "GLOBAL":
                    classes[str(value).replace(" ", ".")] = None
                elif name == "STACK_GLOBAL" and len(recent) > 1:
                    classes[".".join(recent[-2:])] = None
                elif isinstance(value, str):
                    collecting = collecting and len(names) < MAX_NAMES
                    if collecting:
                        names.append(value)
                    collecting = collecting or (value == "names" and not names)
                    recent = [*recent[-1:], value]
                elif collecting and names and name in ("SETITEMS", "APPENDS", "SETITEM", "APPEND", "TUPLE"):
                    collecting = False
        except ValueError:
            if not count:
                raise
            return  # the tensors of the older format follow its pickles
        if not count:
            return


def _opcodes(file: io.BytesIO) -> Iterator[tuple[str, Any]]:
    for opcode, value, _ in pickletools.genops(file):
        yield opcode.name, value
