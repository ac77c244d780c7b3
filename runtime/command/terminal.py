"""What the commands have in common about the terminal."""

from __future__ import annotations

import sys


def print_any_name() -> None:
    """Let letters that the terminal has not, as in names of files and classes, come out escaped: no error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
