"""Admission of model files: one that does not run in a process of its own is refused.

A model file is a program for OpenCV, and OpenCV's importer has bugs. So before the server itself reads a
file, a child process with limits on memory and time reads it, loads it and runs it once. What crashes, hangs
or fills the memory there is refused with a sentence, and the server goes on.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..program import child_command
from .errors import quoted

SECONDS = 120  # for reading, loading and one picture, on a slow machine
MEMORY_BYTES = 8 << 30  # address space, most of which a process reserves and never touches


def admit(path: Path, options: dict[str, Any]) -> None:
    """Try a model file in a child process. Raises ModelError, which says why it is refused."""
    command = child_command("runtime.service.admission", str(path), repr(options))
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise ModelError(f"{path} takes more than {SECONDS} s to load") from None
    if done.returncode == 2:
        raise ModelError((done.stderr.strip().splitlines() or [f"{path} was refused"])[-1])
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [""])[-1]
        raise ModelError(f"loading {path} ends with code {done.returncode}: {quoted(last)}")


def _limit() -> None:
    """Bound this process, on systems that can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _try(path: str, options: dict[str, Any]) -> int:
    """Read the file, load it and run it once; returns the exit code."""
    _limit()
    from ..errors import DetectorError
    from ..escape import escape
    from .served_model import Predictor

    try:
        Predictor(Path(path), **options).model.warmup()
    except DetectorError as error:
        print(error, file=sys.stderr)
        return 2
    except MemoryError:
        print(
            f"{escape(path)} needs more memory than the {MEMORY_BYTES >> 30} GB that a model may have",
            file=sys.stderr,
        )
        return 2
    return 0


if __name__ == "__main__":
    import ast

    sys.exit(_try(sys.argv[1], ast.literal_eval(sys.argv[2])))
