"""The first thing that a command does: it imports next to nothing, so that Ctrl-C finds it prepared early."""

from __future__ import annotations

import signal
import sys


def is_command() -> bool:
    """Say whether this process was started to run a command, and not a program that imports this package.

    It is asked while Python looks for the module that it shall run; until then `sys.argv[0]` is "-m".
    """
    if sys.argv[:1] == ["-m"]:
        return sys.orig_argv[-len(sys.argv)].partition(".")[0] == "runtime"
    return is_script()


def is_script() -> bool:
    """Say whether the running program is called `yolov5-dnn`."""
    called = sys.argv[0].replace("\\", "/").rpartition("/")[2] if sys.argv else ""
    return called.removesuffix(".exe") == "yolov5-dnn"


def end_on_interrupt() -> None:
    """Let Ctrl-C end the process without a traceback until `take_interrupts`, unless it is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
