"""The command `python -m runtime.info`: what a model file, an export or a checkpoint is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from .command.options import new_parser
from .command.run import run
from .engines.load import usable_devices
from .errors import InputError
from .escape import escape
from .model.checkpoint import is_checkpoint, read_words
from .model.file import read_model
from .program import how_to_convert, program
from .tasks.read_info import read_info

SHOWN = 20  # names of classes

EXAMPLES = """
examples:
  python -m runtime.info best.onnx       task, names, input, outputs, and what would run it
  python -m runtime.info best.pt         what is in a checkpoint, without PyTorch

A checkpoint is read as data, and a model file as every command reads it: one that is refused is refused here,
with the reason.

exit codes: 0 it can be told; 2 it is no such file, or one that is refused.
"""


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; exits with code 2 and a message if it is wrong."""
    parser = new_parser("info", "Say what a model file, an export or a checkpoint is.", EXAMPLES)
    parser.add_argument("file", type=Path, metavar="FILE", help="an .onnx or .pt file")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(parse, info, argv)


def info(options: argparse.Namespace) -> int:
    """Print what the file is; returns 0. Raises DetectorError if it is of no kind that is known here."""
    path: Path = options.file
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    rows = _checkpoint(path) if is_checkpoint(start) else _model(path)
    size = path.stat().st_size
    for key, value in {"file": f"{path}, {size / 1e6:.1f} MB", **rows}.items():
        if value:
            print(f"{key:10}{escape(value, 1000)}")
    return 0


def _model(path: Path) -> dict[str, str]:
    """What is to be said of a model file. Raises ModelError if it is refused."""
    file = read_model(path)
    found = read_info(file.metadata, path)
    task = found.task
    height, width = found.imgsz
    shapes = file.check_input(found.input_shape(found.imgsz))
    names = task.outputs if len(task.outputs) == len(shapes) else range(len(shapes))
    outputs = (f"{name} {' × '.join(map(str, shape))}" for name, shape in zip(names, shapes, strict=True))
    source = found.source or {}
    return {
        "kind": f"model file, written by {found.producer or 'an unknown program'}",
        "task": task.name,
        "names": _listed(found.names),
        "input": f"{height} × {width} pixels"
        + (f", or any multiple of {found.size_multiple}" if found.dynamic else ", and no other size"),
        "outputs": ", ".join(outputs),
        "strides": " ".join(map(str, found.strides)),
        "anchors": ", ".join(" ".join(f"{w:g}×{h:g}" for w, h in each.tolist()) for each in found.anchors),
        "source": " ".join(str(source[key]) for key in ("name", "file", "sha256") if key in source),
        "metadata": " ".join(sorted(file.metadata)),
        "devices": ", ".join(usable_devices()),
        "run it": f"{program(task.command)} PICTURE --weights {path}",
    }


def _checkpoint(path: Path) -> dict[str, str]:
    """What is to be said of a checkpoint."""
    words = read_words(path)
    if not words.heads:
        raise InputError(
            f"{path} is a PyTorch file, but holds no YOLO network: no class that it names is a head"
        )
    return {
        "kind": "PyTorch checkpoint, read as data: nothing in it was executed",
        "task": words.task,
        "names": _listed(words.names),
        "head": ", ".join(words.heads),
        "next": how_to_convert(path),
    }


def _listed(names: Iterable[str]) -> str:
    """Count names and show the first of them."""
    names = list(names)
    more = f", … {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)}: {', '.join(names[:SHOWN])}{more}" if names else ""


if __name__ == "__main__":
    sys.exit(main())
