"""The one way to run a command: from its arguments to its exit code."""

from __future__ import annotations

import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable, Sequence

from ..errors import DetectorError
from ..escape import escape
from ..program import take_interrupts
from .terminal import print_any_name, show_warning, silence_opencv

MAX_PATH = 1000  # letters of a path in a message
INTERRUPTED = 130  # what shells call a program that Ctrl-C ended


def run(
    parse: Callable[[Sequence[str] | None], Namespace],
    work: Callable[[Namespace], int],
    argv: Sequence[str] | None = None,
) -> int:
    """Parse the arguments, do the work, and turn whatever goes wrong into one line and an exit code.

    argv: the arguments, without the program's name; by default those of the process. `parse` exits by itself,
    with code 2, if they are wrong.

    Returns what `work` returns; 2 for a DetectorError, and for an OSError, which counts as something that
    cannot be written, as everything that reads raises InputError; 1 if nobody reads the output any more;
    INTERRUPTED for Ctrl-C.
    """
    options = parse(argv)
    print_any_name()
    silence_opencv()
    try:
        take_interrupts()
        with warnings.catch_warnings():
            warnings.showwarning = show_warning
            return work(options)
    except DetectorError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read our lines has gone; don't trip over it again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        name = "the output" if error.filename is None else escape(str(error.filename), MAX_PATH)
        print(f"error: cannot write {name}: {error.strerror or type(error).__name__}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
