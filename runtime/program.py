"""How the commands are called: messages name them in the form in which the running one was called."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from pathlib import PurePath

from .start import is_script

MAX_PIXELS = 100_000_000  # of a picture; decoded they take 300 MB


def program(command: str) -> str:
    """Say how to call a command: "python -m runtime.detect", or "yolov5-dnn detect" under that name.

    "convert", which is a package of its own, is "python -m convert".
    """
    if is_script():
        return f"yolov5-dnn {command}"
    return "python -m convert" if command == "convert" else f"python -m runtime.{command}"


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


def prepare_process() -> None:
    """Set what has to be set before a command imports NumPy and OpenCV. Other programs decide for themselves.

    OpenBLAS's threads would spin for some 30 ms after the import in case there is work, while OpenCV wants
    the cores. OpenCV reads its limit for pictures while it is imported; where a header is read otherwise by
    `read_header` than by a decoder, the decoder still knows the budget.

    A closed stdout or stderr becomes /dev/null, so that no file gets its number, into which what libraries
    print would go.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(_max_pixels(sys.argv)))
    for number, name in ((1, "stdout"), (2, "stderr")):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            if getattr(sys, name) is None:
                setattr(sys, name, os.fdopen(number, "w", closefd=False))


def take_interrupts() -> None:
    """From now on, Ctrl-C raises KeyboardInterrupt again, unless it is ignored, as after `nohup`."""
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _max_pixels(arguments: list[str]) -> int:
    """Find the --max-pixels of a command line that nobody has parsed yet."""
    value = ""
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if argument == "--max-pixels":
            value = following
        elif argument.startswith("--max-pixels="):
            value = argument.partition("=")[2]
    return int(value) if value.isascii() and value.isdigit() and len(value) < 16 else MAX_PIXELS
