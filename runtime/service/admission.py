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
ROOM_BYTES = 2 << 30  # of address space that OpenCV and NumPy reserve besides
SHARE = 0.75  # of the free memory that a model's networks may take


def admit(path: Path, options: dict[str, Any], workers: int) -> None:
    """Try a model file in a child process. Raises ModelError, which says why it is refused.

    One that takes more memory for `workers` networks than is free is refused, too, on Linux.
    """
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
    check_memory(path, int(done.stdout.split()[-1]), workers, free_memory())


def check_memory(path: Path, one: int, workers: int, free: int | None) -> None:
    """Raise ModelError if `workers` networks of `one` byte each do not fit into the free memory, if known."""
    if free is not None and workers * one > free * SHARE:
        raise ModelError(
            f"{path} takes {one >> 20} MB a worker, {workers * one >> 20} MB in all, over {SHARE:.0%} of the "
            f"{free >> 20} MB that are free: serve it with fewer --workers, or export it at a smaller size"
        )


def free_memory() -> int | None:
    """Give the bytes of memory that the machine, and the container, have left; None if that is unknown."""
    sizes = []
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            sizes.append(int(line.split()[1]) << 10)
    limit, used = _lines("/sys/fs/cgroup/memory.max"), _lines("/sys/fs/cgroup/memory.current")
    if limit and used and limit[0].isdecimal():
        sizes.append(max(0, int(limit[0]) - int(used[0])))
    return min(sizes, default=None)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("ascii").splitlines()
    except OSError:
        return []


def _status(key: str) -> int:
    """Give one of this process's figures of memory in bytes; 0 where there are none."""
    lines = [line for line in _lines("/proc/self/status") if line.startswith(f"{key}:")]
    return int(lines[0].split()[1]) << 10 if lines else 0


def _limit() -> None:
    """Bound this process, on systems that can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    free = free_memory()
    most = MEMORY_BYTES if free is None else min(MEMORY_BYTES, free + ROOM_BYTES)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _try(path: str, options: dict[str, Any]) -> int:
    """Read the file, load it and run it once; returns the exit code."""
    _limit()
    from ..errors import DetectorError
    from ..escape import escape
    from .served_model import Predictor

    try:
        before = _status("VmRSS")
        predictor = Predictor(Path(path), **options)
        predictor.model.warmup()
        print(max(0, _status("VmHWM") - before))
    except DetectorError as error:
        print(error, file=sys.stderr)
        return 2
    except MemoryError:
        print(
            f"{escape(path)} needs more memory than is free, or than {MEMORY_BYTES >> 30} GB",
            file=sys.stderr,
        )
        return 2
    return 0


if __name__ == "__main__":
    import ast

    sys.exit(_try(sys.argv[1], ast.literal_eval(sys.argv[2])))
