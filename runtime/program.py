"""How the commands are called: messages name them in the form in which the running one was called."""

from __future__ import annotations

import shlex
import sys
from pathlib import PurePath


def program(command: str) -> str:
    """Say how to call a command: "python -m runtime.detect", or "yolov5-dnn detect" under that name.

    "convert", which is a package of its own, is "python -m convert".
    """
    if _is_script():
        return f"yolov5-dnn {command}"
    return "python -m convert" if command == "convert" else f"python -m runtime.{command}"


def is_command() -> bool:
    """Say whether this process was started to run a command, and not a program that imports this package.

    It is asked while Python looks for the module that it shall run; until then `sys.argv[0]` is "-m".
    """
    if sys.argv[:1] == ["-m"]:
        return sys.orig_argv[-len(sys.argv)].partition(".")[0] == "runtime"
    return _is_script()


def _is_script() -> bool:
    called = PurePath(sys.argv[0]).name.removesuffix(".exe") if sys.argv else ""
    return called == "yolov5-dnn"


def child_command(module: str, *arguments: str, called: str | None = None) -> list[str]:
    """Give the command line that runs a module in a process of its own; see child_code."""
    return child_code(
        f"import runpy; runpy.run_module({module!r}, run_name='__main__')", *arguments, called=called
    )


def child_code(code: str, *arguments: str, called: str | None = None) -> list[str]:
    """Give the command line that runs Python code in a process that finds modules where this one does.

    `python -m` and `python -c` would look into the working folder first, and import whatever convert.py or
    cv2.py lies there. Messages of the child name the commands as those of this process do, or as those of a
    program that was `called` so.
    """
    start = f"import sys; sys.path[:] = {sys.path!r}; sys.argv[0] = {called or sys.argv[0]!r}; "
    return [sys.executable, "-c", start + code, *arguments]


def how_to_convert(checkpoint: PurePath | None = None, output: PurePath | None = None) -> str:
    """Say how a model file is made, of this checkpoint if there is one, and under this name."""
    command = f"{program('convert')} {shlex.quote(str(checkpoint)) if checkpoint else 'CHECKPOINT.pt'}"
    whose = "convert it with" if checkpoint else "convert its checkpoint with"
    return f"{whose}: {command}" + (f" --output {shlex.quote(str(output))}" if output else "")
