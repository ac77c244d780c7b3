"""The command `yolov5-dnn`, and `python -m runtime`: what there is, and the way to it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import NamedTuple

from .. import __version__
from .run import run


class Command(NamedTuple):
    """The module whose `main(argv)` is called, and what it does, in a line."""

    module: str
    about: str


COMMANDS = {
    "convert": Command("convert.limits", "rewrite a checkpoint (.pt) into a model file; needs PyTorch"),
    "detect": Command("runtime.detect", "find objects in pictures, videos, cameras and streams"),
    "classify": Command("runtime.classify", "tell classes of pictures, videos, cameras and streams"),
    "info": Command("runtime.info", "say what a model file, an export or a checkpoint is"),
    "evaluate": Command("runtime.evaluate", "measure a model on images whose true boxes are known"),
    "bench": Command("runtime.bench", "measure how fast a model runs on this machine"),
    "serve": Command("runtime.serve", "put models behind an address: HTTP and gRPC; needs the extra `serve`"),
    "bulk": Command("runtime.bulk", "look at very many pictures with Ray; needs the extra `bulk`"),
}


def overview() -> str:
    """Say which commands there are."""
    width = max(map(len, COMMANDS))
    return "\n".join(
        [
            "usage: yolov5-dnn COMMAND …",
            "",
            "Run a trained YOLOv5 with nothing but OpenCV and NumPy.",
            "",
            *(f"  {name:{width}}  {command.about}" for name, command in COMMANDS.items()),
            "",
            "yolov5-dnn COMMAND --help   all of a command's options, and examples",
            "yolov5-dnn --version        the version",
        ]
    )


def _print_overview(options: Namespace) -> int:
    print(overview(), flush=True)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names, on the others; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        return run(lambda argv: Namespace(), _print_overview)
    if arguments[0] == "--version":
        print(f"yolov5-dnn {__version__}")
        return 0
    name = arguments[0]
    if name not in COMMANDS:
        print(f"error: there is no command {name!r}; choose from {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    package = COMMANDS[name].module.partition(".")[0]
    if importlib.util.find_spec(package) is None:  # as where only runtime/ has been copied
        print(f"error: {name} is not installed here: the package {package!r} is not there", file=sys.stderr)
        return 2
    code: int = importlib.import_module(COMMANDS[name].module).main(arguments[1:])
    return code


if __name__ == "__main__":
    sys.exit(main())
